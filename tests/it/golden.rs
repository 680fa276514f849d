//! Golden digests of layers: if they change, every user's images change.
//!
//! To change them on purpose, change the digests here and `COMPRESSOR` in one commit that says so.

use std::num::NonZero;
use std::path::Path;

use cargo_oci::image::layer::{EntryKind, FileContent, LayerEntry, with_parents, write};
use cargo_oci::image::{Compression, CompressionOptions};

const TIME: u64 = 1_700_000_000;

/// Bytes like those of a program: repetitions, text, tables, zeros and random bytes.
fn program() -> Vec<u8> {
    let mut state = 1_u64;
    let mut random = |below: u64| {
        // Knuth's generator, written out, so that no crate's update changes the input.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    while bytes.len() < 5 << 20 {
        let size = 1 + random(300) as usize;
        match random(16) {
            0 => bytes.resize(bytes.len() + size * 20, 0),
            1 => bytes.extend((0..size * 10).map(|_| random(256) as u8)),
            2 => bytes.extend((0..size as u64).flat_map(|at| (at * 16).to_le_bytes())),
            3 | 4 => bytes.extend((0..size).map(|_| b'a' + random(26) as u8)),
            _ => {
                let back = 1 + random(40_000.min(bytes.len() as u64)) as usize;
                for _ in 0..size {
                    let byte = bytes[bytes.len() - back];
                    bytes.push(if random(7) == 0 { random(256) as u8 } else { byte });
                }
            }
        }
    }
    bytes
}

fn binaries() -> Vec<LayerEntry> {
    vec![LayerEntry::file("app/hello", 0o755, FileContent::Bytes(program()))]
}

fn assets(folder: &Path) -> Vec<LayerEntry> {
    let style = folder.join("style.css");
    std::fs::write(&style, "body { margin: 0 }\n".repeat(100)).expect("a file");
    let file = |path: &str, content: &[u8]| LayerEntry::file(path, 0o644, FileContent::Bytes(content.to_vec()));
    let link = EntryKind::Symlink("css/style.css".to_owned());
    let private = LayerEntry {
        owner: (65532, 3_000_000),
        ..LayerEntry::file("etc/hello/key", 0o600, FileContent::Bytes(b"key\n".to_vec()))
    };
    vec![
        LayerEntry::file("srv/www/css/style.css", 0o644, FileContent::Path(style)),
        file("srv/www/empty", b""),
        file(&format!("srv/www/{}/{}.txt", "d".repeat(150), "f".repeat(200)), b"a long path"),
        file("srv/www/straße/日本.html", "<p>日本</p>\n".as_bytes()),
        file("srv/www/block", &[7; 512]),
        LayerEntry { kind: link, mode: 0o777, ..LayerEntry::directory("srv/www/style.css") },
        private,
    ]
}

/// The digests of the tar and of its blobs, gzip and zstd.
type Golden = [&'static str; 3];

fn check(entries: Vec<LayerEntry>, golden: Golden) {
    let entries = with_parents(entries, false);
    let compressions = [Compression::None, Compression::Gzip, Compression::Zstd];
    for (compression, digest) in compressions.into_iter().zip(golden) {
        for threads in [1, 2, 16] {
            let packing = CompressionOptions { compression, threads: NonZero::new(threads).expect("a number") };
            let layer = write(&entries, TIME, packing, std::io::sink()).expect("a layer");
            assert_eq!(layer.descriptor.digest().digest(), digest, "{compression} with {threads} threads");
            assert_eq!(layer.diff_id.0.digest(), golden[0], "{compression} with {threads} threads");
        }
    }
}

#[test]
fn binary_layer_matches_golden_digests() {
    check(
        binaries(),
        [
            "20d03c395788d3c5917bef3f8d6f31031607d0703c750798c9c28b7cffb24885",
            "d4fa2e808a2533a07155c843f22f68177a6f1741d2ef4057a7f26c323171f835",
            "eb45f6c05e0289de711d317117c19f547069ea0b434d00c339ab4c1abd0cc752",
        ],
    );
}

#[test]
fn asset_layer_matches_golden_digests() {
    let folder = tempfile::tempdir().expect("a folder");
    check(
        assets(folder.path()),
        [
            "493dbf4cc8fd4fcbf15f269b1d1c9d23a376c77dd264fdad1564d6c1f0514a02",
            "b3601f10d4d6337060d8a2a2777ad92f190f7875d630e15399cc7f8cb993bbff",
            "a6ead641898fcc2c4eb053c2b74e9af674a1866ae787dc8628a5f44c8d610a46",
        ],
    );
}
