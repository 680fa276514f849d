//! How the codes of a block are told before it (RFC 1951, 3.2.7).

use super::bits::Bits;
use super::huffman::Code;
use super::symbols::{DISTANCES, LITERALS};

/// The longest codes of code lengths.
const LONGEST_LENGTH: usize = 7;
/// The order in which the lengths of their codes are written.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The description of two codes.
pub struct Header {
    literals: usize,
    distances: usize,
    /// Symbols, and what the bits behind them say.
    lengths: Vec<(u8, u8)>,
    code: Code<19>,
    /// How many lengths of that code are said.
    said: usize,
    frequencies: [u32; 19],
}

impl Header {
    /// Describes these two.
    pub fn new(literals: &Code<LITERALS>, distances: &Code<DISTANCES>) -> Header {
        let used = |lengths: &[u8]| lengths.iter().rposition(|length| *length > 0).map_or(0, |last| last + 1);
        let (literal_count, distance_count) = (used(&literals.lengths), used(&distances.lengths).max(1));
        let mut all = Vec::with_capacity(LITERALS + DISTANCES);
        all.extend_from_slice(&literals.lengths[..literal_count]);
        all.extend_from_slice(&distances.lengths[..distance_count]);
        let lengths = runs(&all);
        let mut frequencies = [0; 19];
        for (symbol, _) in &lengths {
            frequencies[usize::from(*symbol)] += 1;
        }
        let code = Code::new(&frequencies, LONGEST_LENGTH);
        let said = ORDER.iter().rposition(|symbol| code.lengths[*symbol] > 0).map_or(4, |last| (last + 1).max(4));
        Header { literals: literal_count, distances: distance_count, lengths, code, said, frequencies }
    }

    /// How many bits it takes.
    pub fn cost(&self) -> u64 {
        let extra: u64 = self.lengths.iter().map(|(symbol, _)| u64::from(extra_bits_of_run(*symbol))).sum();
        5 + 5 + 4 + 3 * self.said as u64 + self.code.cost(&self.frequencies) + extra
    }

    /// Writes it, after the three bits that begin a block.
    pub fn write(&self, bits: &mut Bits) {
        bits.hold(self.literals as u64 - 257, 5);
        bits.hold(self.distances as u64 - 1, 5);
        bits.hold(self.said as u64 - 4, 4);
        bits.flush();
        for symbol in &ORDER[..self.said] {
            bits.hold(self.code.lengths[*symbol].into(), 3);
            bits.flush();
        }
        for &(symbol, repeated) in &self.lengths {
            let at = usize::from(symbol);
            bits.hold(self.code.bits[at].into(), self.code.lengths[at].into());
            bits.hold(repeated.into(), extra_bits_of_run(symbol));
            bits.flush();
        }
    }
}

fn extra_bits_of_run(symbol: u8) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

/// Lengths of codes, with runs of one told by how long they are.
fn runs(lengths: &[u8]) -> Vec<(u8, u8)> {
    let mut runs = Vec::with_capacity(lengths.len());
    for same in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (same[0], same.len());
        if length > 0 {
            // What is repeated is the length before.
            runs.push((length, 0));
            left -= 1;
        }
        let (shortest, longest) = if length > 0 { (3, 6) } else { (3, 138) };
        while left >= shortest {
            let run = left.min(longest);
            runs.push(match (length, run) {
                (1.., _) => (16, run as u8 - 3),
                (0, ..11) => (17, run as u8 - 3),
                (0, _) => (18, run as u8 - 11),
            });
            left -= run;
        }
        runs.extend(std::iter::repeat_n((length, 0), left));
    }
    runs
}
