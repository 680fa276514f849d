//! Bytes → literals, and matches with what came before.

use super::symbols::{DISTANCES, END, LITERALS, LONGEST, SHORTEST, WINDOW, of_distance, of_length};

/// Bits of the place in the table that some four bytes have.
const HASH: u32 = 14;
/// Bits of a position: a window has no more bytes than that says.
const POSITION: u32 = 20;
const POSITIONS: u32 = (1 << POSITION) - 1;
/// A match of this length is taken without a look at a second one.
const GOOD: usize = 32;
/// In so many bytes at the end no match is looked for, and words can be read before them.
const TAIL: usize = 8;
/// After every so many literals in a row, one more byte is skipped between two looks at the table.
const PATIENCE: usize = 128;

/// Literals, and a match behind them.
#[derive(Clone, Copy)]
pub struct Sequence {
    /// How many bytes stand for themselves.
    pub literals: u32,
    /// How many bytes are repeated: none at the end of a block.
    pub length: u16,
    /// From how far back, less one.
    pub back: u16,
}

/// A piece of what is compressed, taken apart.
pub struct Block {
    /// Its parts.
    pub sequences: Vec<Sequence>,
    /// How often literals, lengths and the end occur.
    pub literals: [u32; LITERALS],
    /// How often distances occur.
    pub distances: [u32; DISTANCES],
}

/// Where the last two words are that have some hash.
///
/// What a position leaves free of an entry holds more of the hash, so that a word of another is mostly known without a
/// look at it.
pub struct Finder {
    table: Box<[[u32; 2]; 1 << HASH]>,
}

impl Finder {
    pub fn new() -> Finder {
        Finder { table: Box::new([[0; 2]; 1 << HASH]) }
    }

    /// Forgets everything but that `window` begins with `known` bytes.
    pub fn begin(&mut self, window: &[u8], known: usize) {
        debug_assert!(window.len() <= 1 << POSITION, "a window of {} bytes", window.len());
        self.table.fill([0; 2]);
        for at in known.saturating_sub(WINDOW)..known.min(window.len().saturating_sub(TAIL)) {
            self.insert(window, at);
        }
    }

    /// The entries for a word, and the one it gets when it is at `at`.
    #[inline(always)]
    fn place(&mut self, word: u32, at: usize) -> (&mut [u32; 2], u32) {
        // A number without regularity (2^32 divided by the golden ratio): its product's highest bits depend on all bits.
        let hash = word.wrapping_mul(0x9e37_79b1);
        let rest = hash << HASH & !POSITIONS;
        (&mut self.table[(hash >> (u32::BITS - HASH)) as usize], rest | at as u32)
    }

    #[inline(always)]
    fn insert(&mut self, window: &[u8], at: usize) {
        let (place, here) = self.place(word(window, at), at);
        *place = [here, place[0]];
    }

    /// The longest match at `at`, and how far back it is; a length of 0 for none. Remembers the position.
    #[inline(always)]
    fn find(&mut self, window: &[u8], at: usize) -> (usize, usize) {
        let word = word(window, at);
        let (place, here) = self.place(word, at);
        let [last, before] = *place;
        *place = [here, last];
        let is_alike = |seen: u32| seen ^ here <= POSITIONS;
        // Both at once: literals are frequent, and each branch is one that the processor may guess wrong.
        if !(is_alike(last) | is_alike(before)) {
            return (0, 0);
        }
        let (mut longest, mut distance) = (0, 0);
        for seen in [last, before] {
            let back = at - (seen & POSITIONS) as usize;
            // An entry that was never made is of position 0, which is looked at like any other.
            if longest < GOOD && is_alike(seen) && (1..=WINDOW).contains(&back) {
                let length = same(window, at - back, at, word);
                if length > longest {
                    (longest, distance) = (length, back);
                }
            }
        }
        (longest, distance)
    }

    /// Takes apart what is between `from` and `to`, or a little more, into `block`; gives where it ends.
    pub fn take_apart(&mut self, window: &[u8], from: usize, to: usize, block: &mut Block) -> usize {
        block.sequences.clear();
        block.literals.fill(0);
        block.distances.fill(0);
        let last = to.min(window.len().saturating_sub(TAIL));
        let (mut at, mut begun) = (from, from);
        while at < last {
            let (length, distance) = self.find(window, at);
            if length == 0 {
                at += 1 + (at - begun) / PATIENCE;
                continue;
            }
            block.push(&window[begun..at], length, distance);
            let end = at + length;
            for at in at + 1..end.min(last) {
                self.insert(window, at);
            }
            (at, begun) = (end, end);
        }
        let end = at.max(to).min(window.len());
        block.push(&window[begun..end], 0, 0);
        end
    }
}

impl Block {
    pub fn new() -> Block {
        Block { sequences: Vec::new(), literals: [0; LITERALS], distances: [0; DISTANCES] }
    }

    #[inline(always)]
    fn push(&mut self, literals: &[u8], length: usize, distance: usize) {
        for literal in literals {
            self.literals[usize::from(*literal)] += 1;
        }
        let symbol = if length == 0 { END } else { of_length(length) };
        self.literals[symbol] += 1;
        let back = distance.wrapping_sub(1) as u16;
        if length > 0 {
            self.distances[of_distance(distance)] += 1;
        }
        self.sequences.push(Sequence { literals: literals.len() as u32, length: length as u16, back });
    }
}

/// The four bytes at `at`, of which there are at least so many.
#[inline(always)]
fn word(window: &[u8], at: usize) -> u32 {
    window[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// How many bytes are the same from `then` on as from `at` on; 0 where that is not even `word`.
#[inline(always)]
fn same(window: &[u8], then: usize, at: usize, expected: u32) -> usize {
    if word(window, then) != expected {
        return 0;
    }
    let end = window.len().min(at + LONGEST);
    let (here, there) = (&window[at..end], &window[then..]);
    let mut length = SHORTEST;
    while let (Some(a), Some(b)) = (here[length..].first_chunk::<8>(), there[length..].first_chunk::<8>()) {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return length + (differ.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    length + here[length..].iter().zip(&there[length..]).take_while(|(a, b)| a == b).count()
}
