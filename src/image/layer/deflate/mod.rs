//! Deflate (RFC 1951) for chunks of a stream that are compressed in parallel.
//!
//! The compressed bytes depend only on the chunk and the 32 KiB before it, not on the machine or the thread. It favors
//! speed: binaries become slightly smaller than with `gzip -1`.
//!
//! This is our own implementation because layers must take at most three tenths of the time of `gzip -1` and be no larger.
//! zlib-rs is either a sixth larger (level 1) or takes more than a third of that time (level 2). Besides, no update of a
//! dependency can change the bytes of a layer.

// The innermost loops: with plain `#[inline]` they depend on how the crate is split into codegen units.
#![allow(clippy::inline_always)]

mod bits;
mod header;
mod huffman;
mod matches;
mod symbols;

use self::bits::{BitWriter, MAX_PENDING_BITS};
use self::header::BlockHeader;
use self::huffman::HuffmanCode;
use self::matches::{MatchFinder, ParsedBlock, Sequence};
pub(crate) use self::symbols::WINDOW;
use self::symbols::{
    DISTANCES, END_OF_BLOCK, MAX_MATCH, distance_symbol, extra_bits_of_distance, extra_bits_of_literal,
    extra_of_distance, extra_of_length, length_symbol,
};

/// The end of a stream: an empty final block (3.2.6).
pub(crate) const END_OF_STREAM: [u8; 2] = [3, 0];

/// The size of a block in bytes, unless a match at its end is longer.
const BLOCK_SIZE: usize = 48 << 10;
/// The maximum code length of literals and lengths: four codes fit between two flushes.
const MAX_LITERAL_CODE: usize = MAX_PENDING_BITS as usize / 4;
/// The maximum code length of distances.
const MAX_DISTANCE_CODE: usize = 15;

const STORED: u64 = 0;
const FIXED: u64 = 1;
const DYNAMIC: u64 = 2;

/// A compressor of chunks, of one stream or of several.
pub(crate) struct Deflate {
    finder: MatchFinder,
    block: ParsedBlock,
    out: Vec<u8>,
}

impl Deflate {
    /// Creates a compressor.
    pub(crate) fn new() -> Deflate {
        Deflate { finder: MatchFinder::new(), block: ParsedBlock::new(), out: Vec::new() }
    }

    /// Returns the blocks for the content of `window` behind the dictionary, its first `dictionary_len` bytes. They end at
    /// a byte boundary, and none is the final block of a stream.
    pub(crate) fn compress(&mut self, window: &[u8], dictionary_len: usize) -> &[u8] {
        let max_len = window.len() - dictionary_len;
        // In the worst case all blocks are stored, each with a header, plus an empty one at the end.
        self.out.resize(max_len + 8 * (max_len / BLOCK_SIZE + 3), 0);
        let mut bits = BitWriter::new(&mut self.out);
        self.finder.reset(window, dictionary_len);
        let mut at = dictionary_len;
        while at < window.len() {
            let end = self.finder.parse(window, at, at + BLOCK_SIZE, &mut self.block);
            write_block(&self.block, &window[at..end], &mut bits);
            at = end;
        }
        write_stored(&[], &mut bits);
        let len = bits.len();
        &self.out[..len]
    }
}

/// Writes a block in the shortest of the three formats.
fn write_block(block: &ParsedBlock, content: &[u8], bits: &mut BitWriter) {
    let literals = HuffmanCode::new(&block.literals, MAX_LITERAL_CODE);
    let distances = HuffmanCode::new(&block.distances, MAX_DISTANCE_CODE);
    let header = BlockHeader::new(&literals, &distances);
    let extra = extra_bits(block);
    let dynamic_cost = header.cost() + literals.cost(&block.literals) + distances.cost(&block.distances);
    let (fixed_literals, fixed_distances) = fixed_codes();
    let fixed_cost = fixed_literals.cost(&block.literals) + fixed_distances.cost(&block.distances);
    // The header, padded to a byte, and the size twice.
    let stored_cost = 8 * (5 + content.len() as u64);
    if stored_cost <= extra + dynamic_cost.min(fixed_cost) {
        return write_stored(content, bits);
    }
    if fixed_cost <= dynamic_cost {
        bits.push(FIXED << 1, 3);
        return write_symbols(block, content, &fixed_literals, &fixed_distances, bits);
    }
    bits.push(DYNAMIC << 1, 3);
    header.write(bits);
    write_symbols(block, content, &literals, &distances, bits);
}

/// Returns the number of extra bits of a block.
fn extra_bits(block: &ParsedBlock) -> u64 {
    extra_bits_of(&block.literals, extra_bits_of_literal) + extra_bits_of(&block.distances, extra_bits_of_distance)
}

fn extra_bits_of(frequencies: &[u32], bits_of: fn(usize) -> u32) -> u64 {
    let bits = frequencies.iter().enumerate().map(|(symbol, count)| u64::from(*count) * u64::from(bits_of(symbol)));
    bits.sum()
}

/// Returns the codes of fixed blocks (3.2.6), without the symbols that never occur.
fn fixed_codes() -> (HuffmanCode<288>, HuffmanCode<DISTANCES>) {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    (HuffmanCode::from_lengths(lengths), HuffmanCode::from_lengths([5; DISTANCES]))
}

/// Writes a stored block (3.2.4).
fn write_stored(content: &[u8], bits: &mut BitWriter) {
    bits.push(STORED << 1, 3);
    bits.align();
    let size = content.len() as u16;
    bits.push(size.into(), 16);
    bits.push((!size).into(), 16);
    bits.flush();
    bits.write_bytes(content);
}

/// Writes the symbols of a block.
fn write_symbols<const N: usize>(
    block: &ParsedBlock,
    content: &[u8],
    literals: &HuffmanCode<N>,
    distances: &HuffmanCode<DISTANCES>,
    bits: &mut BitWriter,
) {
    // Each table entry holds the bits and their number; that of a length includes its extra bits.
    let mut literal = [0u32; 256];
    for (symbol, entry) in literal.iter_mut().enumerate() {
        *entry = u32::from(literals.bits[symbol]) << 8 | u32::from(literals.lengths[symbol]);
    }
    let mut lengths = [0u32; 256];
    for length in 3..=MAX_MATCH {
        let (extra, extra_bits) = extra_of_length(length);
        let symbol = length_symbol(length);
        let code = u32::from(literals.lengths[symbol]);
        let entry = (u32::from(literals.bits[symbol]) | (extra as u32) << code) << 8 | (code + extra_bits);
        lengths[length - 3] = entry;
    }
    let mut rest = content;
    for &Sequence { literals, match_length, distance_minus_one } in &block.sequences {
        let (run, after_run) = rest.split_at(literals as usize);
        let mut groups = run.chunks_exact(4);
        for group in &mut groups {
            for byte in group {
                push_entry(bits, literal[usize::from(*byte)]);
            }
            bits.flush();
        }
        for byte in groups.remainder() {
            push_entry(bits, literal[usize::from(*byte)]);
        }
        bits.flush();
        if match_length == 0 {
            break;
        }
        push_entry(bits, lengths[usize::from(match_length - 3) & 0xff]);
        let distance = usize::from(distance_minus_one) + 1;
        let symbol = distance_symbol(distance);
        bits.push(distances.bits[symbol].into(), distances.lengths[symbol].into());
        let (extra, extra_bits) = extra_of_distance(distance);
        bits.push(extra, extra_bits);
        bits.flush();
        rest = &after_run[usize::from(match_length)..];
    }
    bits.push(literals.bits[END_OF_BLOCK].into(), literals.lengths[END_OF_BLOCK].into());
    bits.flush();
}

#[inline]
fn push_entry(bits: &mut BitWriter, entry: u32) {
    bits.push((entry >> 8).into(), entry & 0xff);
}

#[cfg(test)]
mod tests;
