//! The header of a dynamic block, which describes its codes (RFC 1951, 3.2.7).

use super::bits::BitWriter;
use super::huffman::HuffmanCode;
use super::symbols::{DISTANCES, LITERALS};

/// The maximum code length in the code for code lengths.
const MAX_CODE_LENGTH: usize = 7;
/// The order in which the header stores the lengths of that code.
const LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The description of a literal code and a distance code.
pub(crate) struct BlockHeader {
    literal_count: usize,
    distance_count: usize,
    /// Run-length encoded code lengths: symbols and the values of their extra bits.
    runs: Vec<(u8, u8)>,
    code: HuffmanCode<19>,
    /// How many lengths of that code are written.
    written_lengths: usize,
    frequencies: [u32; 19],
}

impl BlockHeader {
    /// Creates the header for two codes.
    pub(crate) fn new(literals: &HuffmanCode<LITERALS>, distances: &HuffmanCode<DISTANCES>) -> BlockHeader {
        let literal_count = used(&literals.lengths);
        let distance_count = used(&distances.lengths).max(1);
        let mut all = Vec::with_capacity(LITERALS + DISTANCES);
        all.extend_from_slice(&literals.lengths[..literal_count]);
        all.extend_from_slice(&distances.lengths[..distance_count]);
        let runs = runs(&all);
        let mut frequencies = [0; 19];
        for (symbol, _) in &runs {
            frequencies[usize::from(*symbol)] += 1;
        }
        let code = HuffmanCode::new(&frequencies, MAX_CODE_LENGTH);
        let written_lengths =
            LENGTH_ORDER.iter().rposition(|symbol| code.lengths[*symbol] > 0).map_or(4, |last| (last + 1).max(4));
        BlockHeader { literal_count, distance_count, runs, code, written_lengths, frequencies }
    }

    /// Returns the size in bits.
    pub(crate) fn cost(&self) -> u64 {
        let extra: u64 = self.runs.iter().map(|(symbol, _)| u64::from(extra_bits_of_run(*symbol))).sum();
        5 + 5 + 4 + 3 * self.written_lengths as u64 + self.code.cost(&self.frequencies) + extra
    }

    /// Writes the header, after the three bits that begin a block.
    pub(crate) fn write(&self, bits: &mut BitWriter) {
        bits.push(self.literal_count as u64 - 257, 5);
        bits.push(self.distance_count as u64 - 1, 5);
        bits.push(self.written_lengths as u64 - 4, 4);
        bits.flush();
        for symbol in &LENGTH_ORDER[..self.written_lengths] {
            bits.push(self.code.lengths[*symbol].into(), 3);
            bits.flush();
        }
        for &(symbol, extra) in &self.runs {
            let at = usize::from(symbol);
            bits.push(self.code.bits[at].into(), self.code.lengths[at].into());
            bits.push(extra.into(), extra_bits_of_run(symbol));
            bits.flush();
        }
    }
}

/// Returns how many codes a description covers: those up to the last one in use.
fn used(lengths: &[u8]) -> usize {
    lengths.iter().rposition(|length| *length > 0).map_or(0, |last| last + 1)
}

fn extra_bits_of_run(symbol: u8) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

/// Encodes the lengths of codes by runs.
fn runs(lengths: &[u8]) -> Vec<(u8, u8)> {
    let mut runs = Vec::with_capacity(lengths.len());
    for same in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (same[0], same.len());
        if length > 0 {
            // A repetition refers to the length before it.
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
