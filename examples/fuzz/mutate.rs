//! One input more: a known one, changed in a few places by words, numbers and pieces of others.

use std::ops::Range;

use fastrand::Rng;

/// No input is longer.
const MOST_BYTES: usize = 64 << 10;
/// Numbers at the edges of types and fields.
const NUMBERS: [&str; 18] = [
    "0",
    "1",
    "-1",
    "00",
    "7",
    "8",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
];
const BYTES: [u8; 12] = [0, 1, 7, 8, b'\n', b' ', b'"', b'/', 0x7f, 0x80, 0xfe, 0xff];

/// Returns a new input.
pub(crate) fn mutate(corpus: &[Vec<u8>], words: &[&str], random: &mut Rng) -> Vec<u8> {
    let mut input = match random.choice(corpus) {
        Some(known) if random.u8(..) >= 24 => known.clone(),
        _ => noise(random, 200),
    };
    // Mostly a few changes, sometimes many.
    let most = [2, 4, 8, 64][random.usize(..4)];
    for _ in 0..random.usize(1..=most) {
        change(&mut input, corpus, words, random);
    }
    input.truncate(MOST_BYTES);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str], random: &mut Rng) {
    let at = random.usize(..=input.len());
    match random.u8(..14) {
        0 | 1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.u8(..8);
            }
        }
        2 => {
            let new = if random.bool() { BYTES[random.usize(..BYTES.len())] } else { random.u8(..) };
            if let Some(byte) = input.get_mut(at) {
                *byte = new;
            }
        }
        3 | 4 => {
            let range = at..if random.bool() { at } else { range(input, at, random).end };
            let word = random.choice(words).copied().unwrap_or("\0");
            input.splice(range, word.bytes());
        }
        5 => {
            let range = range(input, at, random);
            input.drain(range);
        }
        6 => {
            let piece = input[range(input, at, random)].repeat(random.usize(1..=4));
            let to = random.usize(..=input.len());
            input.splice(to..to, piece);
        }
        7 => {
            if let Some(other) = random.choice(corpus) {
                let from = random.usize(..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
        8 => {
            if let Some(other) = random.choice(corpus) {
                let from = random.usize(..=other.len());
                let piece = other[range(other, from, random)].to_vec();
                input.splice(at..at, piece);
            }
        }
        9 => {
            let piece = noise(random, 16);
            input.splice(at..at, piece);
        }
        10 => number(input, at, random),
        11 => {
            let number: u64 = NUMBERS[random.usize(..NUMBERS.len())].parse().unwrap_or(u64::MAX);
            let size = [1, 2, 4, 8][random.usize(..4)];
            let bytes = if random.bool() {
                number.to_le_bytes()[..size].to_vec()
            } else {
                number.to_be_bytes()[8 - size..].to_vec()
            };
            let end = (at + size).min(input.len());
            input.splice(at..end, bytes);
        }
        12 => {
            let piece: Vec<_> = input.drain(range(input, at, random)).collect();
            let to = random.usize(..=input.len());
            input.splice(to..to, piece);
        }
        _ => input.truncate(at),
    }
}

/// Returns a range that begins at `at`, and is mostly short.
fn range(input: &[u8], at: usize, random: &mut Rng) -> Range<usize> {
    let most = [4, 32, 1_024][random.usize(..3)];
    at..(at + random.usize(..=most)).min(input.len())
}

/// Replaces the digits at or after a position.
fn number(input: &mut Vec<u8>, at: usize, random: &mut Rng) {
    let Some(start) = input[at..].iter().position(u8::is_ascii_digit).map(|start| at + start) else { return };
    let end = input[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(input.len(), |end| start + end);
    let number = NUMBERS[random.usize(..NUMBERS.len())];
    input.splice(start..end, number.bytes());
}

fn noise(random: &mut Rng, most: usize) -> Vec<u8> {
    let size = random.usize(..=most);
    std::iter::repeat_with(|| random.u8(..)).take(size).collect()
}
