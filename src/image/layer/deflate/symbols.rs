//! Lengths and distances of matches ↔ symbols and the extra bits behind them (RFC 1951, 3.2.5).

/// The shortest match that is looked for. Deflate knows shorter ones, which hardly save anything.
pub const SHORTEST: usize = 4;
/// The longest match that can be said.
pub const LONGEST: usize = 258;
/// How far back a match may begin.
pub const WINDOW: usize = 32 << 10;
/// The symbol that ends a block.
pub const END: usize = 256;
/// Literals, the end of a block, and lengths.
pub const LITERALS: usize = 286;
/// Distances.
pub const DISTANCES: usize = 30;

/// For each length, from 3 on, the number of its symbol from [`END`] + 1 on.
static SLOTS: [u8; 256] = {
    let mut slots = [0; 256];
    let mut length = 0;
    while length < slots.len() {
        slots[length] = slot(length as u32, 2);
        length += 1;
    }
    // The longest match has a symbol of its own.
    slots[LONGEST - 3] = 28;
    slots
};

/// Numbers that begin alike have a symbol in common: the `leading` first bits behind the highest tell it.
#[inline(always)]
const fn slot(number: u32, leading: u32) -> u8 {
    if number < 2 << leading {
        return number as u8;
    }
    let highest = number.ilog2();
    let shift = highest - leading;
    (((shift + 1) << leading) + ((number >> shift) & ((1 << leading) - 1))) as u8
}

/// The symbol of a length.
#[inline(always)]
pub fn of_length(length: usize) -> usize {
    END + 1 + usize::from(SLOTS[(length - 3) & 0xff])
}

/// The symbol of a distance.
#[inline(always)]
pub fn of_distance(distance: usize) -> usize {
    slot(distance as u32 - 1, 1).into()
}

/// How many bits follow a symbol of a length, and what they say.
pub fn extra_of_length(length: usize) -> (u64, u32) {
    let number = length - 3;
    match length < 11 || length == LONGEST {
        true => (0, 0),
        false => extra(number, number.ilog2() - 2),
    }
}

/// How many bits follow a symbol of a distance, and what they say.
#[inline(always)]
pub fn extra_of_distance(distance: usize) -> (u64, u32) {
    let number = distance - 1;
    match number < 4 {
        true => (0, 0),
        false => extra(number, number.ilog2() - 1),
    }
}

#[inline(always)]
fn extra(number: usize, bits: u32) -> (u64, u32) {
    (number as u64 & ((1 << bits) - 1), bits)
}

/// How many bits follow a symbol, be it a literal or a length.
pub fn extra_bits_of_literal(symbol: usize) -> u32 {
    match symbol.saturating_sub(END + 1) {
        0..8 | 28 => 0,
        slot => slot as u32 / 4 - 1,
    }
}

/// How many bits follow a symbol of a distance.
pub fn extra_bits_of_distance(symbol: usize) -> u32 {
    (symbol as u32 / 2).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_specification_hold() {
        let lengths =
            [(3, 257), (10, 264), (11, 265), (12, 265), (13, 266), (130, 280), (131, 281), (257, 284), (258, 285)];
        for (length, symbol) in lengths {
            assert_eq!(of_length(length), symbol, "{length}");
            assert_eq!(extra_of_length(length).1, extra_bits_of_literal(symbol), "{length}");
        }
        assert_eq!(extra_of_length(257), (30, 5));
        let distances = [(1, 0), (4, 3), (5, 4), (6, 4), (7, 5), (24_577, 29), (32_768, 29)];
        for (distance, symbol) in distances {
            assert_eq!(of_distance(distance), symbol, "{distance}");
            assert_eq!(extra_of_distance(distance).1, extra_bits_of_distance(symbol), "{distance}");
        }
        assert_eq!(extra_of_distance(32_768), (8_191, 13));
    }
}
