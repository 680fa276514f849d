//! Layers that are written, read by two readers.

use std::io::Read;

use tar::EntryType;

use super::input::FuzzInput;
use crate::image::layer::tar_reader::{TarEntryKind, TarReader};
use crate::image::layer::{EntryKind, FileContent, LayerEntry, tar_size, write};
use crate::image::{Compression, CompressionOptions};

/// What a reader says of an entry: path, kind, mode, owner, time and content.
type Seen = (Vec<u8>, TarEntryKind, u32, (u32, u32), u64, Vec<u8>);

fn entry(input: &mut FuzzInput) -> LayerEntry {
    let kind = match input.below(4) {
        0 => EntryKind::Directory,
        1 => EntryKind::Symlink(input.name()),
        _ => {
            let size = input.below(1_200);
            EntryKind::File(FileContent::Bytes(input.bytes(size).to_vec()))
        }
    };
    let number = |input: &mut FuzzInput| (input.below(1 << 16) << input.below(15)) as u64;
    LayerEntry {
        path: input.name().trim_end_matches('/').to_owned(),
        kind,
        mode: input.below(0o10_000) as u32,
        owner: (number(input), number(input)),
        mtime: number(input) << (input.byte() % 8),
    }
}

/// Returns whether an image can have the entry.
fn is_valid(entry: &LayerEntry) -> bool {
    let is_path = !entry.path.is_empty() && !entry.path.starts_with('/') && !entry.path.contains('\0');
    let is_target = match &entry.kind {
        EntryKind::Symlink(target) => !target.is_empty() && !target.contains('\0'),
        EntryKind::Directory | EntryKind::File(_) => true,
    };
    is_path && is_target && !entry.path.split('/').any(|part| part == "..")
}

fn expected(entry: &LayerEntry) -> Seen {
    let (mut path, mut content) = (entry.path.clone().into_bytes(), Vec::new());
    let kind = match &entry.kind {
        EntryKind::Directory => {
            path.push(b'/');
            TarEntryKind::Directory
        }
        EntryKind::Symlink(target) => TarEntryKind::Symlink(target.clone().into_bytes()),
        EntryKind::File(FileContent::Bytes(bytes)) => {
            content.clone_from(bytes);
            TarEntryKind::File(bytes.len() as u64)
        }
        EntryKind::File(FileContent::Path(path)) => panic!("no file of the host: {}", path.display()),
    };
    let owner = (entry.owner.0 as u32, entry.owner.1 as u32);
    (path, kind, entry.mode, owner, entry.mtime, content)
}

/// Our own reader.
fn read(tar: &[u8]) -> Vec<Seen> {
    let mut entries = TarReader::new(tar);
    let mut seen = Vec::new();
    while let Some(entry) = entries.next_entry().expect("our own tar") {
        let mut content = Vec::new();
        entries.read_to_end(&mut content).expect("its content");
        let found = entry.attributes;
        let mtime = u64::try_from(found.mtime.0).expect("a time after 1970");
        seen.push((entry.path, entry.kind, found.mode, found.owner, mtime, content));
    }
    seen
}

/// The reader of the crate `tar`.
fn read_with_tar(tar: &[u8]) -> Vec<Seen> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().expect("a tar").map(|entry| {
        let mut entry = entry.expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        let header = entry.header();
        let (mode, mtime) = (header.mode().expect("a mode"), header.mtime().expect("a time"));
        let owner = (header.uid().expect("a user") as u32, header.gid().expect("a group") as u32);
        // Never the NUL of tars from before POSIX.
        assert_ne!(header.as_old().linkflag, [0]);
        let kind = match header.entry_type() {
            EntryType::Directory => TarEntryKind::Directory,
            EntryType::Symlink => TarEntryKind::Symlink(entry.link_name_bytes().expect("a target").into_owned()),
            EntryType::Regular => TarEntryKind::File(content.len() as u64),
            other => panic!("{other:?}"),
        };
        (entry.path_bytes().into_owned(), kind, mode, owner, mtime, content)
    });
    entries.collect()
}

pub(super) fn writer(data: &[u8]) {
    let mut input = FuzzInput::new(data);
    let entries: Vec<_> = (0..=input.below(6)).map(|_| entry(&mut input)).collect();
    let mut tar = Vec::new();
    let written = write(&entries, CompressionOptions::single_threaded(Compression::None), &mut tar);
    assert_eq!(written.is_ok(), entries.iter().all(is_valid), "{entries:?}");
    if written.is_err() {
        return;
    }
    let all: Vec<_> = entries.iter().map(expected).collect();
    assert_eq!(read(&tar), all);
    let names = |entry: &LayerEntry| match &entry.kind {
        EntryKind::Symlink(target) => [entry.path.clone(), target.clone()],
        _ => [format!("{}/", entry.path), String::new()],
    };
    let mut names = entries.iter().flat_map(names);
    // The crate splits PAX records at line breaks.
    if !names.clone().any(|name| name.contains('\n')) {
        assert_eq!(read_with_tar(&tar), all);
    }
    let size = tar_size(&entries).expect("no file of the host");
    let is_short = names.all(|name| name.len() <= 100);
    assert!(tar.len() as u64 == size || !is_short && tar.len() as u64 > size, "{} bytes for {size}", tar.len());
    assert!(tar.len().is_multiple_of(512) && tar.ends_with(&[0; 1024]));
}
