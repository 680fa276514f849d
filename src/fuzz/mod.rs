//! Fuzz targets: each takes any bytes, and panics if a property does not hold. `cargo run --example fuzz` and cargo-fuzz
//! call them. Not an API.
//!
//! | file | what is fuzzed |
//! | --- | --- |
//! | `input` | bytes → numbers, texts and content for a target |
//! | `names` | references, digests, patterns, tags, users, text for a terminal |
//! | `tables` | the table in Cargo.toml |
//! | `http` | headers of registries |
//! | `documents` | manifests, indexes, configs, the runtime's config |
//! | `docker_config` | edits of credentials files |
//! | `tar_read`, `tar_write` | tars against their recipe, and the tree that they make |
//! | `compression` | deflate, gzip and zstd |
//! | `elf` | sections of programs |
//! | `signed` | keys, envelopes, bundles, statements, payloads and their manifests |

// A target that panics has found something.
#![allow(clippy::missing_panics_doc)]

mod compression;
mod docker_config;
mod documents;
mod elf;
mod http;
mod input;
mod names;
mod signed;
mod tables;
mod tar_read;
mod tar_write;

/// A function to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Panics if a property does not hold for these bytes.
    pub run: fn(&[u8]),
    /// What inputs are made of, beside those of the corpus.
    pub words: &'static [&'static str],
}

/// All targets.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "references", run: names::references, words: names::REFERENCE_WORDS },
    FuzzTarget { name: "digests", run: names::digests, words: &["sha256:", "sha512:", "sha384:", "md5:"] },
    FuzzTarget { name: "patterns", run: names::patterns, words: names::PATTERN_WORDS },
    FuzzTarget { name: "users", run: names::users, words: &[":", "\n", "root", "0", "4294967295", "65532", "\0"] },
    FuzzTarget {
        name: "terminal",
        run: names::terminal,
        words: &["\u{1b}[", "\u{202e}", "\u{feff}", "\r\n", "\u{85}"],
    },
    FuzzTarget { name: "tables", run: tables::tables, words: tables::WORDS },
    FuzzTarget { name: "www-authenticate", run: http::challenges, words: http::CHALLENGE_WORDS },
    FuzzTarget { name: "headers", run: http::headers, words: http::HEADER_WORDS },
    FuzzTarget { name: "documents", run: documents::documents, words: documents::WORDS },
    FuzzTarget { name: "image-config", run: documents::image_config, words: documents::WORDS },
    FuzzTarget { name: "docker-config", run: docker_config::edits, words: docker_config::WORDS },
    FuzzTarget { name: "tar-reader", run: tar_read::reader, words: tar_read::WORDS },
    FuzzTarget { name: "tree", run: tar_read::tree, words: tar_read::WORDS },
    FuzzTarget { name: "tar-writer", run: tar_write::writer, words: tar_read::WORDS },
    FuzzTarget { name: "deflate", run: compression::deflate, words: &[] },
    FuzzTarget { name: "decompress", run: compression::decompress, words: &["\u{1f}", "\u{28}\u{b5}\u{2f}"] },
    FuzzTarget {
        name: "elf-section",
        run: elf::section,
        words: &["\u{7f}ELF", "\u{2}\u{1}\u{1}", ".dep-v0", ".shstrtab"],
    },
    FuzzTarget { name: "signed", run: signed::signed, words: signed::WORDS },
];

/// Runs the target with this name.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    (target.run)(data);
}
