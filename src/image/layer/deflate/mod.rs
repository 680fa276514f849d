//! Deflate (RFC 1951), for pieces of a stream that are compressed side by side.
//!
//! What a piece becomes depends on the piece and on the 32 KiB before it, and on nothing else: not on the computer, and
//! not on who compresses which piece. It is quick rather than small: binaries come out a little smaller than those of
//! `gzip -1`.
//!
//! It is our own because layers have to come out in three tenths of the time of `gzip -1` and no larger, and zlib-rs is
//! either larger by a sixth (level 1) or needs more than a third of that time (level 2); and bytes that are ours change
//! with no dependency.

mod bits;
mod header;
mod huffman;
mod matches;
mod symbols;

use self::bits::{Bits, ROOM};
use self::header::Header;
use self::huffman::Code;
use self::matches::{Block, Finder, Sequence};
pub use self::symbols::WINDOW;
use self::symbols::{
    DISTANCES, END, LONGEST, extra_bits_of_distance, extra_bits_of_literal, extra_of_distance, extra_of_length,
    of_distance, of_length,
};

/// A stream ends with this: an empty last block (3.2.6).
pub const LAST: [u8; 2] = [3, 0];

/// How many bytes are in a block, if no match ends behind them.
const BLOCK: usize = 48 << 10;
/// The longest codes of literals and lengths: four of them fit between two flushes.
const LONGEST_LITERAL: usize = ROOM as usize / 4;
/// The longest codes of distances.
const LONGEST_DISTANCE: usize = 15;

const STORED: u64 = 0;
const FIXED: u64 = 1;
const DYNAMIC: u64 = 2;

/// Compresses piece after piece, of one stream or of many.
pub struct Deflate {
    finder: Finder,
    block: Block,
    out: Vec<u8>,
}

impl Deflate {
    /// Without anything compressed yet.
    pub fn new() -> Deflate {
        Deflate { finder: Finder::new(), block: Block::new(), out: Vec::new() }
    }

    /// The blocks that say what is in `window` behind the first `known` bytes, which the reader of them has seen. They
    /// end with whole bytes, and none of them is the last of a stream.
    pub fn compress(&mut self, window: &[u8], known: usize) -> &[u8] {
        let most = window.len() - known;
        // All blocks may be stored, each with its header, and one more at the end.
        self.out.resize(most + 8 * (most / BLOCK + 3), 0);
        let mut bits = Bits::new(&mut self.out);
        self.finder.begin(window, known);
        let mut at = known;
        while at < window.len() {
            let end = self.finder.take_apart(window, at, at + BLOCK, &mut self.block);
            write(&self.block, &window[at..end], &mut bits);
            at = end;
        }
        stored(&[], &mut bits);
        let written = bits.written();
        &self.out[..written]
    }
}

/// A block, in the shortest of the three ways to say it.
fn write(block: &Block, content: &[u8], bits: &mut Bits) {
    let literals = Code::new(&block.literals, LONGEST_LITERAL);
    let distances = Code::new(&block.distances, LONGEST_DISTANCE);
    let header = Header::new(&literals, &distances);
    let extra = extra_bits(block);
    let dynamic = header.cost() + literals.cost(&block.literals) + distances.cost(&block.distances);
    let (all_literals, all_distances) = fixed();
    let fixed = all_literals.cost(&block.literals) + all_distances.cost(&block.distances);
    // A header, what fills its last byte, and the size twice.
    let whole = 8 * (5 + content.len() as u64);
    if whole <= extra + dynamic.min(fixed) {
        return stored(content, bits);
    }
    if fixed <= dynamic {
        bits.hold(FIXED << 1, 3);
        return symbols(block, content, &all_literals, &all_distances, bits);
    }
    bits.hold(DYNAMIC << 1, 3);
    header.write(bits);
    symbols(block, content, &literals, &distances, bits);
}

/// How many bits stand behind the symbols of a block.
fn extra_bits(block: &Block) -> u64 {
    let of = |often: &[u32], extra: fn(usize) -> u32| -> u64 {
        often.iter().enumerate().map(|(symbol, often)| u64::from(*often) * u64::from(extra(symbol))).sum()
    };
    of(&block.literals, extra_bits_of_literal) + of(&block.distances, extra_bits_of_distance)
}

/// The codes of 3.2.6, without what never occurs.
fn fixed() -> (Code<288>, Code<DISTANCES>) {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    (Code::of(lengths), Code::of([5; DISTANCES]))
}

/// A block as it is (3.2.4).
fn stored(content: &[u8], bits: &mut Bits) {
    bits.hold(STORED << 1, 3);
    bits.align();
    let size = content.len() as u16;
    bits.hold(size.into(), 16);
    bits.hold((!size).into(), 16);
    bits.flush();
    bits.bytes(content);
}

fn symbols<const N: usize>(
    block: &Block,
    content: &[u8],
    literals: &Code<N>,
    distances: &Code<DISTANCES>,
    bits: &mut Bits,
) {
    // One look brings both the bits and their number, and a length comes with what follows its symbol.
    let mut literal = [0u32; 256];
    for (symbol, entry) in literal.iter_mut().enumerate() {
        *entry = u32::from(literals.bits[symbol]) << 8 | u32::from(literals.lengths[symbol]);
    }
    let mut lengths = [0u32; 256];
    for length in 3..=LONGEST {
        let (extra, extra_bits) = extra_of_length(length);
        let symbol = of_length(length);
        let code = u32::from(literals.lengths[symbol]);
        let entry = (u32::from(literals.bits[symbol]) | (extra as u32) << code) << 8 | (code + extra_bits);
        lengths[length - 3] = entry;
    }
    let hold = |bits: &mut Bits, entry: u32| bits.hold((entry >> 8).into(), entry & 0xff);
    let mut rest = content;
    for &Sequence { literals, length, back } in &block.sequences {
        let (run, behind) = rest.split_at(literals as usize);
        let mut fours = run.chunks_exact(4);
        for four in &mut fours {
            for byte in four {
                hold(bits, literal[usize::from(*byte)]);
            }
            bits.flush();
        }
        for byte in fours.remainder() {
            hold(bits, literal[usize::from(*byte)]);
        }
        bits.flush();
        if length == 0 {
            break;
        }
        hold(bits, lengths[usize::from(length - 3) & 0xff]);
        let distance = usize::from(back) + 1;
        let symbol = of_distance(distance);
        bits.hold(distances.bits[symbol].into(), distances.lengths[symbol].into());
        let (extra, extra_bits) = extra_of_distance(distance);
        bits.hold(extra, extra_bits);
        bits.flush();
        rest = &behind[usize::from(length)..];
    }
    bits.hold(literals.bits[END].into(), literals.lengths[END].into());
    bits.flush();
}

#[cfg(test)]
mod tests;
