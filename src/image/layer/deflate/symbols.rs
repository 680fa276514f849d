//! Maps lengths and distances of matches to symbols and extra bits (RFC 1951, 3.2.5).

/// The minimum length of a match. Deflate allows 3, which hardly saves anything.
pub(crate) const MIN_MATCH: usize = 4;
/// The maximum length of a match.
pub(crate) const MAX_MATCH: usize = 258;
/// The maximum distance of a match.
pub(crate) const WINDOW: usize = 32 << 10;
/// The symbol for the end of a block.
pub(crate) const END_OF_BLOCK: usize = 256;
/// The number of symbols for literals, the end of a block and lengths.
pub(crate) const LITERALS: usize = 286;
/// The number of symbols for distances.
pub(crate) const DISTANCES: usize = 30;

/// For each length from 3: its symbol minus ([`END_OF_BLOCK`] + 1).
static SLOTS: [u8; 256] = {
    let mut slots = [0; 256];
    let mut length = 0;
    while length < slots.len() {
        slots[length] = slot(length as u32, 2);
        length += 1;
    }
    // The maximum length has a symbol of its own.
    slots[MAX_MATCH - 3] = 28;
    slots
};

/// Returns the slot of a number: numbers with the same highest bit and the same `leading` bits behind it share one.
#[inline(always)]
const fn slot(number: u32, leading: u32) -> u8 {
    if number < 2 << leading {
        return number as u8;
    }
    let highest = number.ilog2();
    let shift = highest - leading;
    (((shift + 1) << leading) + ((number >> shift) & ((1 << leading) - 1))) as u8
}

/// Returns the symbol of a length.
#[inline(always)]
pub(crate) fn length_symbol(length: usize) -> usize {
    END_OF_BLOCK + 1 + usize::from(SLOTS[(length - 3) & 0xff])
}

/// Returns the symbol of a distance.
#[inline(always)]
pub(crate) fn distance_symbol(distance: usize) -> usize {
    slot(distance as u32 - 1, 1).into()
}

/// Returns the extra bits of a length and their number.
pub(crate) fn extra_of_length(length: usize) -> (u64, u32) {
    let number = length - 3;
    if length < 11 || length == MAX_MATCH { (0, 0) } else { extra(number, number.ilog2() - 2) }
}

/// Returns the extra bits of a distance and their number.
#[inline(always)]
pub(crate) fn extra_of_distance(distance: usize) -> (u64, u32) {
    let number = distance - 1;
    if number < 4 { (0, 0) } else { extra(number, number.ilog2() - 1) }
}

#[inline(always)]
fn extra(number: usize, bits: u32) -> (u64, u32) {
    (number as u64 & ((1 << bits) - 1), bits)
}

/// Returns the number of extra bits of the symbol of a literal or a length.
pub(crate) fn extra_bits_of_literal(symbol: usize) -> u32 {
    match symbol.saturating_sub(END_OF_BLOCK + 1) {
        0..8 | 28 => 0,
        slot => slot as u32 / 4 - 1,
    }
}

/// Returns the number of extra bits of the symbol of a distance.
pub(crate) fn extra_bits_of_distance(symbol: usize) -> u32 {
    (symbol as u32 / 2).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_match_the_specification() {
        let lengths =
            [(3, 257), (10, 264), (11, 265), (12, 265), (13, 266), (130, 280), (131, 281), (257, 284), (258, 285)];
        for (length, symbol) in lengths {
            assert_eq!(length_symbol(length), symbol, "{length}");
            assert_eq!(extra_of_length(length).1, extra_bits_of_literal(symbol), "{length}");
        }
        assert_eq!(extra_of_length(257), (30, 5));
        let distances = [(1, 0), (4, 3), (5, 4), (6, 4), (7, 5), (24_577, 29), (32_768, 29)];
        for (distance, symbol) in distances {
            assert_eq!(distance_symbol(distance), symbol, "{distance}");
            assert_eq!(extra_of_distance(distance).1, extra_bits_of_distance(symbol), "{distance}");
        }
        assert_eq!(extra_of_distance(32_768), (8_191, 13));
    }
}
