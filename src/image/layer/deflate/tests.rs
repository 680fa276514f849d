//! Round trips through the inflate of another implementation.

use std::io::Read;

use fastrand::Rng;

use super::*;

/// Compresses chunks of these sizes. Returns what a decoder reads, and the compressed size.
fn read_back(content: &[u8], chunks: &[usize]) -> (Vec<u8>, usize) {
    let (mut deflate, mut stream, mut at) = (Deflate::new(), Vec::new(), 0);
    for chunk in chunks.iter().copied().chain([content.len()]) {
        let end = (at + chunk).min(content.len());
        let from = at.saturating_sub(WINDOW);
        stream.extend_from_slice(deflate.compress(&content[from..end], at - from));
        at = end;
    }
    stream.extend_from_slice(&END_OF_STREAM);
    let mut read = Vec::new();
    flate2::read::DeflateDecoder::new(&stream[..]).read_to_end(&mut read).expect("a stream");
    (read, stream.len())
}

/// Checks that content round trips, and grows by no more than the headers of stored blocks.
fn check(content: &[u8], chunks: &[usize]) {
    let (read, size) = read_back(content, chunks);
    assert!(read == content, "{} bytes in {chunks:?} are not what they were", content.len());
    let most = content.len() + 5 * (content.len() / BLOCK_SIZE + 2 * chunks.len() + 3);
    assert!(size <= most, "{} bytes in {chunks:?} became {size}", content.len());
}

fn noise(random: &mut Rng, size: usize) -> Vec<u8> {
    std::iter::repeat_with(|| random.u8(..)).take(size).collect()
}

/// Returns a mix of words of several alphabets, repetitions at any distance, runs and noise.
fn mixed(random: &mut Rng, size: usize) -> Vec<u8> {
    let some = random.usize(1..400);
    let mut bytes = noise(random, some);
    while bytes.len() < size {
        let most = [8, 300, 3_000][random.usize(..3)];
        let length = random.usize(1..most);
        match random.u8(..4) {
            0 => bytes.resize(bytes.len() + length, random.u8(..)),
            1 => {
                let bits = random.u32(..8);
                bytes.extend(std::iter::repeat_with(|| random.u8(..) >> bits).take(length));
            }
            _ => {
                let back = random.usize(1..=bytes.len().min(WINDOW + 2));
                for _ in 0..length {
                    bytes.push(bytes[bytes.len() - back]);
                }
            }
        }
    }
    bytes.truncate(size);
    bytes
}

#[test]
fn deflate_round_trips_typical_content() {
    let random = &mut Rng::with_seed(1);
    let mut contents = vec![Vec::new(), vec![7], vec![0; 1 << 19], b"abcd".repeat(50_000), noise(random, 300_000)];
    for size in (0..70).chain([BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * BLOCK_SIZE + 9]) {
        contents.push(std::iter::repeat_with(|| random.u8(..4)).take(size).collect());
        contents.push(vec![1; size]);
        contents.push(noise(random, size));
    }
    for content in contents {
        for chunks in [&[][..], &[1, 2, 3], &[40_000, 0, 70_000]] {
            check(&content, chunks);
        }
    }
}

#[test]
fn deflate_round_trips_random_chunks() {
    for seed in 0..300 {
        let random = &mut Rng::with_seed(seed);
        let size = random.usize(..[40, 2_000, 150_000][seed as usize % 3]);
        let content = mixed(random, size);
        let count = random.usize(..4);
        let chunks: Vec<_> = std::iter::repeat_with(|| random.usize(..=size)).take(count).collect();
        let (read, _) = read_back(&content, &chunks);
        assert!(read == content, "seed {seed}: {size} bytes in {chunks:?}");
    }
}

#[test]
fn matches_reach_back_one_window_exactly() {
    let random = &mut Rng::with_seed(2);
    let word = noise(random, symbols::MAX_MATCH + 1);
    for between in WINDOW - word.len() - 2..=WINDOW - word.len() + 2 {
        // The filler has another alphabet, so that it cannot match the word.
        let filler = std::iter::repeat_with(|| random.u8(..2)).take(between);
        let content: Vec<_> = word.iter().copied().chain(filler).chain(word.iter().copied()).collect();
        for chunks in [&[][..], &[word.len() + between], &[word.len() + between - 1], &[word.len() + between + 5]] {
            check(&content, chunks);
        }
    }
}

#[test]
fn deflate_round_trips_extreme_frequencies() {
    // Each byte is half as frequent as the one before.
    let random = &mut Rng::with_seed(3);
    let byte = |random: &mut Rng| random.u32(..).trailing_zeros() as u8 * 8 + random.u8(..) % 2;
    let content: Vec<u8> = std::iter::repeat_with(|| byte(random)).take(BLOCK_SIZE * 3).collect();
    check(&content, &[]);
    // Fibonacci frequencies yield the longest codes, without repetitions.
    let mut counts = vec![1, 1];
    while counts.iter().sum::<usize>() < BLOCK_SIZE / 2 {
        counts.push(counts[counts.len() - 1] + counts[counts.len() - 2]);
    }
    let mut content: Vec<u8> =
        counts.iter().enumerate().flat_map(|(byte, count)| std::iter::repeat_n(byte as u8, *count)).collect();
    random.shuffle(&mut content);
    check(&content, &[]);
}

#[test]
fn dictionary_content_is_not_repeated() {
    let content = noise(&mut Rng::with_seed(4), WINDOW).repeat(2);
    assert!(read_back(&content, &[WINDOW]).1 < WINDOW + 1_000);
}

#[test]
fn repetitions_compress_well() {
    assert!(read_back(&vec![0; 1 << 20], &[]).1 < 2_000);
    assert!(read_back(&b"0123456789abcdef".repeat(1 << 16), &[]).1 < 8_000);
}

#[test]
fn chunks_do_not_depend_on_earlier_ones() {
    let (content, other) = (b"some words, some more words, and some".repeat(90), noise(&mut Rng::with_seed(5), 99_000));
    let mut used = Deflate::new();
    used.compress(&other, 10);
    used.compress(&content, 0);
    assert_eq!(used.compress(&content, 50), Deflate::new().compress(&content, 50));
}
