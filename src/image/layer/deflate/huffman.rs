//! How often symbols occur → the code that says them in the fewest bits (RFC 1951, 3.2.2).

/// More symbols than any alphabet here has.
const MOST: usize = 288;
/// The longest code that deflate knows.
const LONGEST: usize = 15;

/// A prefix code for `N` symbols.
#[derive(Clone, Copy)]
pub struct Code<const N: usize> {
    /// How many bits each symbol takes; 0 for one that does not occur.
    pub lengths: [u8; N],
    /// The bits, in the order in which they are written.
    pub bits: [u16; N],
}

impl<const N: usize> Code<N> {
    /// The code for symbols of these frequencies, none of which takes more than `longest` bits.
    pub fn new(frequencies: &[u32; N], longest: usize) -> Code<N> {
        Code::of(lengths(frequencies, longest))
    }

    /// The code whose symbols have these lengths.
    pub fn of(lengths: [u8; N]) -> Code<N> {
        let mut next = [0u16; LONGEST + 1];
        for &length in lengths.iter().filter(|length| **length > 0) {
            next[usize::from(length)] += 1;
        }
        let mut first = 0;
        for next in &mut next[1..] {
            // At its own length, a code begins behind all shorter ones.
            first <<= 1;
            first += std::mem::replace(next, first);
        }
        let mut bits = [0; N];
        for (bits, &length) in bits.iter_mut().zip(&lengths).filter(|(_, length)| **length > 0) {
            let next = &mut next[usize::from(length)];
            // Codes are the only thing that deflate writes highest bit first.
            *bits = next.reverse_bits() >> (16 - length);
            *next += 1;
        }
        Code { lengths, bits }
    }

    /// How many bits it takes to say what occurs so often.
    pub fn cost(&self, frequencies: &[u32]) -> u64 {
        self.lengths.iter().zip(frequencies).map(|(length, often)| u64::from(*length) * u64::from(*often)).sum()
    }
}

/// How many bits each symbol takes.
fn lengths<const N: usize>(frequencies: &[u32; N], longest: usize) -> [u8; N] {
    // Rarest first, and of those that are equally rare the first one: no two are equal.
    let mut sorted = [0u64; MOST];
    let mut count = 0;
    for (symbol, &often) in frequencies.iter().enumerate().filter(|(_, often)| **often > 0) {
        sorted[count] = u64::from(often) << 16 | symbol as u64;
        count += 1;
    }
    let sorted = &mut sorted[..count];
    sorted.sort_unstable();
    let mut lengths = [0; N];
    if count < 2 {
        // Some readers want a code to be complete, as only one of two symbols is at least.
        let only = sorted.first().map_or(0, |key| *key as usize & 0xffff);
        lengths[only] = 1;
        lengths[usize::from(only == 0)] = 1;
        return lengths;
    }
    let mut of_length = depths(sorted);
    shorten(&mut of_length, longest);
    let mut rarest_first = sorted.iter().map(|key| *key as usize & 0xffff);
    for length in (1..=longest).rev() {
        for symbol in rarest_first.by_ref().take(of_length[length]) {
            lengths[symbol] = length as u8;
        }
    }
    lengths
}

/// How many leaves the best tree has at each depth; deeper ones than any that can be are counted with the deepest.
fn depths(sorted: &[u64]) -> [usize; MOST] {
    let leaves = sorted.len();
    let mut weights = [0u64; MOST];
    // Of leaves first, then of the nodes above them in the order in which they were made.
    let mut parents = [0u16; 2 * MOST];
    let (mut leaf, mut inner) = (0, 0);
    for node in 0..leaves - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            // Both rows are sorted: the lightest is at the front of one of them.
            let is_leaf = leaf < leaves && (inner == node || sorted[leaf] >> 16 <= weights[inner]);
            let (row, at) = if is_leaf { (0, &mut leaf) } else { (leaves, &mut inner) };
            weight += if is_leaf { sorted[*at] >> 16 } else { weights[*at] };
            parents[row + *at] = node as u16;
            *at += 1;
        }
        weights[node] = weight;
    }
    let mut depth = [0u16; MOST];
    let mut of_depth = [0; MOST];
    for node in (0..leaves - 2).rev() {
        depth[node] = depth[usize::from(parents[leaves + node])] + 1;
    }
    for parent in &parents[..leaves] {
        of_depth[usize::from(depth[usize::from(*parent)]) + 1] += 1;
    }
    of_depth
}

/// Makes codes that are too long shorter, and as few others longer as that takes.
fn shorten(of_length: &mut [usize; MOST], longest: usize) {
    let too_long: usize = of_length[longest + 1..].iter().sum();
    if too_long == 0 {
        return;
    }
    of_length[longest + 1..].fill(0);
    of_length[longest] += too_long;
    let space = |of_length: &[usize; MOST]| -> usize {
        (1..=longest).map(|length| of_length[length] << (longest - length)).sum()
    };
    let mut taken = space(of_length);
    while taken > 1 << longest {
        // One symbol from the longest of the shorter codes goes down, and makes room beside it for one of the longest.
        let from = (1..longest).rev().find(|length| of_length[*length] > 0).unwrap_or(1);
        of_length[from] -= 1;
        of_length[from + 1] += 2;
        of_length[longest] -= 1;
        taken -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of all there is the codes take: as much as there is in a code that is complete.
    fn space<const N: usize>(code: &Code<N>) -> u32 {
        code.lengths.iter().filter(|length| **length > 0).map(|length| 1 << (LONGEST - usize::from(*length))).sum()
    }

    #[test]
    fn a_code_is_complete_and_no_longer_than_it_may_be() {
        // The frequencies that make the deepest tree there is.
        let mut deep = [1; 30];
        for at in 2..30 {
            deep[at] = deep[at - 1] + deep[at - 2];
        }
        let mut one = [0; 30];
        one[7] = 5;
        for frequencies in [deep, one, [0; 30], [3; 30]] {
            for longest in [7, 15] {
                let code = Code::new(&frequencies, longest);
                assert_eq!(space(&code), 1 << LONGEST, "{frequencies:?}");
                assert!(code.lengths.iter().all(|length| usize::from(*length) <= longest));
            }
        }
    }

    #[test]
    fn what_occurs_more_often_takes_no_more_bits() {
        let mut frequencies = [0; 19];
        for (symbol, often) in frequencies.iter_mut().enumerate() {
            *often = 1 << (symbol % 13);
        }
        let code = Code::new(&frequencies, 15);
        for (a, b) in (0..19).flat_map(|a| (0..19).map(move |b| (a, b))) {
            assert!(frequencies[a] <= frequencies[b] || code.lengths[a] <= code.lengths[b]);
        }
    }

    #[test]
    fn codes_are_those_of_the_example_in_the_specification() {
        let code = Code::of([3, 3, 3, 3, 3, 2, 4, 4]);
        let forward = |symbol: usize| code.bits[symbol].reverse_bits() >> (16 - code.lengths[symbol]);
        let bits: Vec<_> = (0..8).map(forward).collect();
        assert_eq!(bits, [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111]);
    }
}
