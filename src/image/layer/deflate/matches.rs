//! Splits content into literals and matches with earlier content.

use super::symbols::{DISTANCES, END_OF_BLOCK, LITERALS, MAX_MATCH, MIN_MATCH, WINDOW, distance_symbol, length_symbol};

/// The number of hash bits that select a slot of the table.
const HASH_BITS: u32 = 14;
/// The number of bits of a position, which limits the size of a window.
const POSITION_BITS: u32 = 20;
const POSITION_MASK: u32 = (1 << POSITION_BITS) - 1;
/// A match of this length is used without checking the second candidate.
const GOOD_MATCH: usize = 32;
/// No match starts in this many bytes at the end, so that a whole word can be read at each start.
const TAIL: usize = 8;
/// After each run of this many literals, the search skips one more byte per step.
const SKIP_INTERVAL: usize = 128;

/// Literals, followed by a match.
#[derive(Clone, Copy)]
pub(crate) struct Sequence {
    /// The number of literals.
    pub literals: u32,
    /// The length of the match: 0 at the end of a block.
    pub match_length: u16,
    /// The distance of the match minus 1.
    pub distance_minus_one: u16,
}

/// The literals and matches of a block.
pub(crate) struct ParsedBlock {
    /// The literals and matches in order.
    pub sequences: Vec<Sequence>,
    /// The frequencies of literals, lengths and the end of the block.
    pub literals: [u32; LITERALS],
    /// The frequencies of distances.
    pub distances: [u32; DISTANCES],
}

/// A hash table of the last two positions of each four-byte word.
///
/// The upper bits of an entry hold more of the hash, so that most words with another hash are skipped without reading
/// them.
pub(crate) struct MatchFinder {
    table: Box<[[u32; 2]; 1 << HASH_BITS]>,
}

impl MatchFinder {
    /// Creates an empty table.
    #[allow(clippy::large_stack_arrays)]
    pub(crate) fn new() -> MatchFinder {
        MatchFinder { table: Box::new([[0; 2]; 1 << HASH_BITS]) }
    }

    /// Resets the table to the dictionary that `window` begins with.
    pub(crate) fn reset(&mut self, window: &[u8], dictionary_len: usize) {
        debug_assert!(window.len() <= 1 << POSITION_BITS, "a window of {} bytes", window.len());
        self.table.fill([0; 2]);
        for at in dictionary_len.saturating_sub(WINDOW)..dictionary_len.min(window.len().saturating_sub(TAIL)) {
            self.insert(window, at);
        }
    }

    /// Returns the slot of a word and the entry for the word at `at`.
    #[inline(always)]
    fn slot(&mut self, word: u32, at: usize) -> (&mut [u32; 2], u32) {
        // Fibonacci hashing (2^32 divided by the golden ratio): the highest bits of the product depend on all bits.
        let hash = word.wrapping_mul(0x9e37_79b1);
        let rest = hash << HASH_BITS & !POSITION_MASK;
        (&mut self.table[(hash >> (u32::BITS - HASH_BITS)) as usize], rest | at as u32)
    }

    #[inline(always)]
    fn insert(&mut self, window: &[u8], at: usize) {
        let (slot, here) = self.slot(word(window, at), at);
        *slot = [here, slot[0]];
    }

    /// Returns the length and the distance of the longest match at `at`, or 0 if there is none. Inserts the position.
    #[inline(always)]
    fn find(&mut self, window: &[u8], at: usize) -> (usize, usize) {
        let word = word(window, at);
        let (slot, here) = self.slot(word, at);
        let [last, before] = *slot;
        *slot = [here, last];
        let is_candidate = |entry: u32| entry ^ here <= POSITION_MASK;
        // One branch for both: literals are frequent, and each branch can be mispredicted.
        if !(is_candidate(last) | is_candidate(before)) {
            return (0, 0);
        }
        let (mut longest, mut distance) = (0, 0);
        for entry in [last, before] {
            let back = at - (entry & POSITION_MASK) as usize;
            // An empty entry means position 0, which is checked like any other.
            if longest < GOOD_MATCH && is_candidate(entry) && (1..=WINDOW).contains(&back) {
                let length = match_length(window, at - back, at, word);
                if length > longest {
                    (longest, distance) = (length, back);
                }
            }
        }
        (longest, distance)
    }

    /// Parses the bytes from `from` to about `to` into `block`. Returns the end.
    pub(crate) fn parse(&mut self, window: &[u8], from: usize, to: usize, block: &mut ParsedBlock) -> usize {
        block.sequences.clear();
        block.literals.fill(0);
        block.distances.fill(0);
        let last = to.min(window.len().saturating_sub(TAIL));
        let (mut at, mut literals_start) = (from, from);
        while at < last {
            let (length, distance) = self.find(window, at);
            if length == 0 {
                at += 1 + (at - literals_start) / SKIP_INTERVAL;
                continue;
            }
            block.push(&window[literals_start..at], length, distance);
            let end = at + length;
            for at in at + 1..end.min(last) {
                self.insert(window, at);
            }
            (at, literals_start) = (end, end);
        }
        let end = at.max(to).min(window.len());
        block.push(&window[literals_start..end], 0, 0);
        end
    }
}

impl ParsedBlock {
    /// Creates an empty block.
    pub(crate) fn new() -> ParsedBlock {
        ParsedBlock { sequences: Vec::new(), literals: [0; LITERALS], distances: [0; DISTANCES] }
    }

    #[inline(always)]
    fn push(&mut self, literals: &[u8], length: usize, distance: usize) {
        for literal in literals {
            self.literals[usize::from(*literal)] += 1;
        }
        let symbol = if length == 0 { END_OF_BLOCK } else { length_symbol(length) };
        self.literals[symbol] += 1;
        let distance_minus_one = distance.wrapping_sub(1) as u16;
        if length > 0 {
            self.distances[distance_symbol(distance)] += 1;
        }
        self.sequences.push(Sequence {
            literals: literals.len() as u32,
            match_length: length as u16,
            distance_minus_one,
        });
    }
}

/// Returns the four bytes at `at`.
#[inline(always)]
fn word(window: &[u8], at: usize) -> u32 {
    window[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Returns how many bytes are equal from `earlier` and from `at`, or 0 if `earlier` does not start with `expected`.
#[inline(always)]
fn match_length(window: &[u8], earlier: usize, at: usize, expected: u32) -> usize {
    if word(window, earlier) != expected {
        return 0;
    }
    let end = window.len().min(at + MAX_MATCH);
    let (here, there) = (&window[at..end], &window[earlier..]);
    let mut length = MIN_MATCH;
    while let (Some(a), Some(b)) = (here[length..].first_chunk::<8>(), there[length..].first_chunk::<8>()) {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return length + (differ.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    length + here[length..].iter().zip(&there[length..]).take_while(|(a, b)| a == b).count()
}
