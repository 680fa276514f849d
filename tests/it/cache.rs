//! `cargo oci cache`: path, list, prune and verify.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::support::home::Home;
use cargo_oci::image::digest::sha256;
use cargo_oci::image::{Descriptor, MediaType};
use cargo_oci::store::{Cache, Memory, Sink};

/// A home, and the cache of its user with blobs of these contents; the first was used so many days ago, each other one a
/// day later.
fn kept(contents: &[&[u8]], days: u64) -> (Home, PathBuf) {
    let home = Home::new();
    let folder = home.path("cache");
    let home = home.env("CARGO_OCI_CACHE_DIR", folder.display().to_string());
    let cache = Cache::open(folder.clone()).expect("a cache");
    for (content, days) in contents.iter().zip((0..=days).rev()) {
        let descriptor = Descriptor::new(MediaType::ImageLayer, content.len() as u64, sha256(content));
        let memory = Memory::default();
        memory.put(&descriptor, content.to_vec());
        cache.push(&descriptor, &memory).expect("stores");
        let used = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        let blob = fs::File::open(folder.join("blobs/sha256").join(descriptor.digest().digest()));
        blob.and_then(|blob| blob.set_modified(used)).expect("a time");
    }
    (home, folder)
}

fn listed(home: &Home) -> Vec<String> {
    let ran = home.oci(&["cache", "list"], "");
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.stdout.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn cache_path_honors_variable_and_xdg() {
    let (home, _) = kept(&[], 0);
    assert_eq!(home.oci(&["cache", "path"], "").stdout, "HOME/cache\n");
    let home = Home::new();
    assert_eq!(home.oci(&["cache", "path"], "").stdout, "HOME/.cache/cargo-oci\n");
    assert!(!home.path(".cache").exists());
}

#[test]
fn cache_list_shows_size_age_and_kind() {
    let index = br#"{"manifests":[]}"#;
    let (home, _) = kept(&[&[0x1f, 0x8b, 8], index, b"text"], 2);
    assert_eq!(listed(&home), ["3 B 2d gzip", "16 B 1d index", "4 B 0d other"]);
    let ran = home.oci(&["cache", "list"], "");
    assert!(ran.stdout.ends_with("0d  other\n") && ran.stdout.contains(sha256(index).as_ref()), "{ran:?}");
    assert_eq!(ran.stderr, "      Cached 3 blobs, 23 B\n");
    assert_eq!(home.oci(&["cache", "list", "--quiet"], "").stderr, "");
}

#[test]
fn cache_prune_honors_age_and_size_limits() {
    let (home, _) = kept(&[b"1", b"22", b"333"], 9);
    assert_eq!(
        home.succeeds(&["cache", "prune", "--older-than", "9d"], ""),
        "     Removed 1 blob from the cache, 1 B\n"
    );
    assert_eq!(home.succeeds(&["cache", "prune", "--max-size", "3B"], ""), "     Removed 1 blob from the cache, 2 B\n");
    assert_eq!(listed(&home), ["3 B 7d other"]);
    home.succeeds(&["cache", "prune"], "");
    assert_eq!(listed(&home), [""; 0]);
    let words = home.fails(2, &["cache", "prune", "--older-than", "soon"], "");
    assert!(words.contains("a number with s, m, h, d or w"), "{words}");
}

#[test]
fn cache_verify_reports_and_removes_corrupt_blobs() {
    let (home, folder) = kept(&[b"right", b"wrong"], 1);
    assert_eq!(home.succeeds(&["cache", "verify"], ""), "");
    fs::write(folder.join("blobs/sha256").join(sha256(b"wrong").digest()), "other").expect("corrupts");
    let ran = home.oci(&["cache", "verify"], "");
    let line = format!("{0}: wrong content: expected {0}, found {1}\n", sha256(b"wrong"), sha256(b"other"));
    assert_eq!((ran.status, ran.stdout, ran.stderr), (1, line, "error: found 1 problem\n".to_owned()));
    assert_eq!(listed(&home), ["5 B 1d other"]);
}
