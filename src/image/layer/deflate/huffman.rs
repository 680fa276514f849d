//! Optimal prefix codes for symbol frequencies (RFC 1951, 3.2.2).

/// The size of the largest alphabet.
const MAX_SYMBOLS: usize = 288;
/// The maximum code length of deflate.
const MAX_LENGTH: usize = 15;

/// A prefix code for `N` symbols.
#[derive(Clone, Copy)]
pub(crate) struct HuffmanCode<const N: usize> {
    /// The code length of each symbol: 0 if the symbol does not occur.
    pub lengths: [u8; N],
    /// The bits of each code in the order in which they are written.
    pub bits: [u16; N],
}

impl<const N: usize> HuffmanCode<N> {
    /// Creates the code for symbol frequencies, with a maximum code length.
    pub(crate) fn new(frequencies: &[u32; N], max_length: usize) -> HuffmanCode<N> {
        HuffmanCode::from_lengths(lengths(frequencies, max_length))
    }

    /// Creates the canonical code with these lengths.
    pub(crate) fn from_lengths(lengths: [u8; N]) -> HuffmanCode<N> {
        let mut next = [0u16; MAX_LENGTH + 1];
        for &length in lengths.iter().filter(|length| **length > 0) {
            next[usize::from(length)] += 1;
        }
        let mut first = 0;
        for next in &mut next[1..] {
            // The codes of one length follow those of all shorter lengths.
            first <<= 1;
            first += std::mem::replace(next, first);
        }
        let mut bits = [0; N];
        for (bits, &length) in bits.iter_mut().zip(&lengths).filter(|(_, length)| **length > 0) {
            let next = &mut next[usize::from(length)];
            // Unlike everything else in deflate, codes are stored with the most significant bit first.
            *bits = next.reverse_bits() >> (16 - length);
            *next += 1;
        }
        HuffmanCode { lengths, bits }
    }

    /// Returns the size in bits of symbols with these frequencies.
    pub(crate) fn cost(&self, frequencies: &[u32]) -> u64 {
        self.lengths.iter().zip(frequencies).map(|(length, often)| u64::from(*length) * u64::from(*often)).sum()
    }
}

/// Returns the code length of each symbol.
fn lengths<const N: usize>(frequencies: &[u32; N], max_length: usize) -> [u8; N] {
    // Sorted by frequency, then by symbol, so that the order is deterministic.
    let mut sorted = [0u64; MAX_SYMBOLS];
    let mut count = 0;
    for (symbol, &often) in frequencies.iter().enumerate().filter(|(_, often)| **often > 0) {
        sorted[count] = u64::from(often) << 16 | symbol as u64;
        count += 1;
    }
    let sorted = &mut sorted[..count];
    sorted.sort_unstable();
    let mut lengths = [0; N];
    if count < 2 {
        // Some decoders reject an incomplete code, so there are at least two symbols.
        let only = sorted.first().map_or(0, |key| *key as usize & 0xffff);
        lengths[only] = 1;
        lengths[usize::from(only == 0)] = 1;
        return lengths;
    }
    let mut of_length = depths(sorted);
    shorten(&mut of_length, max_length);
    let mut rarest_first = sorted.iter().map(|key| *key as usize & 0xffff);
    for length in (1..=max_length).rev() {
        for symbol in rarest_first.by_ref().take(of_length[length]) {
            lengths[symbol] = length as u8;
        }
    }
    lengths
}

/// Returns the number of leaves at each depth of the Huffman tree.
fn depths(sorted: &[u64]) -> [usize; MAX_SYMBOLS] {
    let leaves = sorted.len();
    let mut weights = [0u64; MAX_SYMBOLS];
    // Leaves first, then inner nodes in the order of their creation.
    let mut parents = [0u16; 2 * MAX_SYMBOLS];
    let (mut leaf, mut inner) = (0, 0);
    for node in 0..leaves - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            // Leaves and inner nodes are sorted: the lightest is the first of either.
            let is_leaf = leaf < leaves && (inner == node || sorted[leaf] >> 16 <= weights[inner]);
            let (row, at) = if is_leaf { (0, &mut leaf) } else { (leaves, &mut inner) };
            weight += if is_leaf { sorted[*at] >> 16 } else { weights[*at] };
            parents[row + *at] = node as u16;
            *at += 1;
        }
        weights[node] = weight;
    }
    let mut depth = [0u16; MAX_SYMBOLS];
    let mut of_depth = [0; MAX_SYMBOLS];
    for node in (0..leaves - 2).rev() {
        depth[node] = depth[usize::from(parents[leaves + node])] + 1;
    }
    for parent in &parents[..leaves] {
        of_depth[usize::from(depth[usize::from(*parent)]) + 1] += 1;
    }
    of_depth
}

/// Shortens codes that exceed the maximum length, and lengthens as few others as possible.
fn shorten(of_length: &mut [usize; MAX_SYMBOLS], max_length: usize) {
    let too_long: usize = of_length[max_length + 1..].iter().sum();
    if too_long == 0 {
        return;
    }
    of_length[max_length + 1..].fill(0);
    of_length[max_length] += too_long;
    let mut taken: usize = (1..=max_length).map(|length| of_length[length] << (max_length - length)).sum();
    while taken > 1 << max_length {
        // Moving a symbol of the longest shorter code down makes room beside it for one of the longest codes.
        let from = (1..max_length).rev().find(|length| of_length[*length] > 0).unwrap_or(1);
        of_length[from] -= 1;
        of_length[from + 1] += 2;
        of_length[max_length] -= 1;
        taken -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the share of the code space in use, which is all of it for a complete code.
    fn space<const N: usize>(code: &HuffmanCode<N>) -> u32 {
        code.lengths.iter().filter(|length| **length > 0).map(|length| 1 << (MAX_LENGTH - usize::from(*length))).sum()
    }

    #[test]
    fn huffman_codes_are_complete_and_respect_the_maximum() {
        // Fibonacci frequencies yield the deepest tree.
        let mut deep = [1; 30];
        for at in 2..30 {
            deep[at] = deep[at - 1] + deep[at - 2];
        }
        let mut one = [0; 30];
        one[7] = 5;
        for frequencies in [deep, one, [0; 30], [3; 30]] {
            for max_length in [7, 15] {
                let code = HuffmanCode::new(&frequencies, max_length);
                assert_eq!(space(&code), 1 << MAX_LENGTH, "{frequencies:?}");
                assert!(code.lengths.iter().all(|length| usize::from(*length) <= max_length));
            }
        }
    }

    #[test]
    fn frequent_symbols_have_no_longer_codes() {
        let mut frequencies = [0; 19];
        for (symbol, often) in frequencies.iter_mut().enumerate() {
            *often = 1 << (symbol % 13);
        }
        let code = HuffmanCode::new(&frequencies, 15);
        for (a, b) in (0..19).flat_map(|a| (0..19).map(move |b| (a, b))) {
            assert!(frequencies[a] <= frequencies[b] || code.lengths[a] <= code.lengths[b]);
        }
    }

    #[test]
    fn huffman_codes_match_the_specification_example() {
        let code = HuffmanCode::from_lengths([3, 3, 3, 3, 3, 2, 4, 4]);
        let bits: Vec<_> =
            (0..8).map(|symbol| code.bits[symbol].reverse_bits() >> (16 - code.lengths[symbol])).collect();
        assert_eq!(bits, [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111]);
    }
}
