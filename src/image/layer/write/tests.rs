use super::*;
use crate::image::digest::sha256;
use crate::image::layer::with_parents;
use std::path::Path;

fn hello() -> Vec<LayerEntry> {
    let content = FileContent::Bytes(b"hello".to_vec());
    with_parents(vec![LayerEntry::file("app/hello", 0o755, content)], false)
}

#[test]
fn layer_bytes_never_change() {
    let diff_id = diff_id(&hello()).expect("reads memory");
    // Golden digests: changing them changes the digest of every user's image.
    assert_eq!(diff_id.to_string(), "sha256:6f16aff6ec23042562c726aed6fba462154eb286285b43d1294cc3634f088394");
    for (compression, golden) in [
        (Compression::Gzip, "sha256:3afc70236006635e3d22f6e91c3dc23092a2519efcd7c5da00b228eb90695317"),
        (Compression::Zstd, "sha256:2a34481ac13ef33765c7364d323dc2bbb88b2667f8154db1698477a91b74b970"),
        (Compression::None, "sha256:6f16aff6ec23042562c726aed6fba462154eb286285b43d1294cc3634f088394"),
    ] {
        let mut blob = Vec::new();
        let layer =
            write(&hello(), CompressionOptions::single_threaded(compression), &mut blob).expect("writes to memory");
        assert_eq!(layer.descriptor.digest(), &sha256(&blob));
        assert_eq!(layer.descriptor.size(), blob.len() as u64);
        assert_eq!(layer.descriptor.digest().to_string(), golden, "{compression}");
        assert_eq!(layer.diff_id, diff_id);
    }
}

#[test]
fn progress_counts_the_whole_tar() {
    let counted = std::cell::Cell::new(0);
    let done = |bytes| counted.set(counted.get() + bytes);
    write_with_progress(&hello(), CompressionOptions::single_threaded(Compression::None), io::sink(), &done)
        .expect("writes to nowhere");
    assert_eq!(counted.get(), tar_size(&hello()).expect("reads memory"));
    // A folder and a file of five bytes.
    assert_eq!(counted.get(), 5 * 512);
}

#[test]
fn entries_hold_nothing_of_the_host() {
    let mut blob = Vec::new();
    write(&hello(), CompressionOptions::single_threaded(Compression::Gzip), &mut blob).expect("writes to memory");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&blob[..]));
    let seen: Vec<_> = archive
        .entries()
        .expect("a tar")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let header = entry.header();
            assert_eq!((header.uid().ok(), header.gid().ok()), (Some(0), Some(0)));
            assert_eq!(header.username(), Ok(Some("")));
            // Not the NUL of tars from before POSIX, whose names some readers take for those of folders.
            let kind = if entry.path_bytes().ends_with(b"/") { b'5' } else { b'0' };
            assert_eq!(header.as_old().linkflag, [kind]);
            let path = entry.path().expect("a path").display().to_string();
            (path, header.mode().ok(), header.mtime().ok(), entry.size())
        })
        .collect();
    let expected = [("app/".to_owned(), Some(0o755), Some(0), 0), ("app/hello".to_owned(), Some(0o755), Some(0), 5)];
    assert_eq!(seen, expected);
}

#[cfg(unix)]
#[test]
fn replaced_files_are_neither_followed_nor_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
    std::fs::write(&file, "x").expect("a file");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let read = |path: &Path| diff_id(&[LayerEntry::file("x", 0o644, FileContent::Path(path.to_owned()))]);
    assert!(read(&file).is_ok());
    for other in [&link, &pipe, &folder.path().to_owned()] {
        let error = read(other).unwrap_err().to_string();
        assert_eq!(error, format!("{}: no longer a regular file", other.display()));
    }
}

#[test]
fn long_paths_are_kept() {
    let path = format!("{}/{}", "d".repeat(150), "f".repeat(200));
    let entry = LayerEntry::file(&path, 0o644, FileContent::Bytes(b"x".to_vec()));
    let mut blob = Vec::new();
    write(&[entry], CompressionOptions::single_threaded(Compression::Gzip), &mut blob).expect("writes to memory");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&blob[..]));
    let first = archive.entries().expect("a tar").next().expect("one").expect("entry");
    assert_eq!(first.path().expect("a path").display().to_string(), path);
}

#[test]
fn long_link_targets_are_kept() {
    let long = format!("../{}/{}", "d".repeat(150), "ä".repeat(100));
    let link = |path: &str, target: &str| LayerEntry {
        kind: EntryKind::Symlink(target.to_owned()),
        mode: 0o777,
        owner: (1, 2),
        ..LayerEntry::directory(path)
    };
    let long_path = format!("{}/{}", "p".repeat(150), "q".repeat(200));
    let mut blob = Vec::new();
    write(
        &[link("a", "b"), link("c", &long), link(&long_path, &long)],
        CompressionOptions::single_threaded(Compression::Gzip),
        &mut blob,
    )
    .expect("writes");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&blob[..]));
    let seen: Vec<_> = archive
        .entries()
        .expect("a tar")
        .map(|entry| {
            let entry = entry.expect("an entry");
            assert_eq!((entry.header().entry_type(), entry.size()), (EntryType::Symlink, 0));
            let text = |path: std::borrow::Cow<std::path::Path>| path.to_str().expect("UTF-8").to_owned();
            (text(entry.path().expect("a path")), text(entry.link_name().expect("a link").expect("a target")))
        })
        .collect();
    let expected = [("a", "b"), ("c", &long), (&long_path, &long)];
    assert_eq!(seen, expected.map(|(path, target)| (path.to_owned(), target.to_owned())));
}
