//! Golden digests of layers: if they change, every user's images change.
//!
//! To change them on purpose, change the digests here and `COMPRESSOR` in one commit that says so.

use std::num::NonZero;
use std::path::Path;

use cargo_oci::image::layer::{EntryKind, FileContent, LayerEntry, with_parents, write};
use cargo_oci::image::{Compression, CompressionOptions};

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
            let layer = write(&entries, packing, std::io::sink()).expect("a layer");
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
            "062e3fbfe48f7122c6345a8bbaa2a915346732f73e18cd864d9b296e2ce45faf",
            "2f8adcf0f5db7583fac487811b187ede0d30972f7a7e91ce67e189bb9f3d804b",
            "9d12e583ec234fd45e8b1f1910a8c17f5e7eecf939e3ef5e6f1c1bb9d88819b5",
        ],
    );
}

#[test]
fn asset_layer_matches_golden_digests() {
    let folder = tempfile::tempdir().expect("a folder");
    check(
        assets(folder.path()),
        [
            "c3d84fbc2ced8ce0f1d271e2f2e31297c27d0166b8431c1b47e4a02971e41b9b",
            "fef19fbc842ee8dbe028a98b9d66f5acab9e258c5942f5690ae305ed3ead04da",
            "e28fe7440dbc65844766fcbed33019f5d3131a012ed2ca925ba15b248c8a2666",
        ],
    );
}
