//! Entries → tar → blob: a layer, hashed while it is written (image-spec, `layer.md`).
//!
//! The same entries and time give the same bytes on any machine: nothing is taken from the host but file contents.

mod chunks;
pub mod compression;
pub mod decompress;
mod deflate;
pub mod entries;
mod gzip;
pub mod pax;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use oci_spec::image::Descriptor;
use tar::{EntryType, Header};

use self::chunks::ChunkWriter;
use self::compression::{Compression, CompressionOptions, Encoder};
use super::digest::{DiffId, HashWriter};

/// The unit of a tar, in bytes.
const BLOCK: u64 = 512;

/// A finished layer: what a manifest, a config and its history say of it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Of the compressed blob.
    pub descriptor: Descriptor,
    /// Of the tar within.
    pub diff_id: DiffId,
}

/// A file, folder or link of a layer.
#[derive(Clone, Debug)]
pub struct LayerEntry {
    /// Relative to the image's root, without `./`, parts divided by `/`.
    pub path: String,
    /// Folder, file or link.
    pub kind: EntryKind,
    /// Permission bits, with setuid, setgid and sticky: up to `0o7777`.
    pub mode: u32,
    /// Numeric user and group.
    pub owner: (u64, u64),
}

/// What an [`LayerEntry`] is.
#[derive(Clone, Debug)]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A regular file.
    File(FileContent),
    /// A symbolic link, and what is written in it.
    Symlink(String),
}

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub enum FileContent {
    /// In a regular file of this computer; a link that has come into its place is not followed.
    Path(PathBuf),
    /// In memory.
    Bytes(Vec<u8>),
}

impl LayerEntry {
    /// A folder of root's that all may enter.
    pub fn directory(path: &str) -> LayerEntry {
        LayerEntry { path: path.to_owned(), kind: EntryKind::Directory, mode: 0o755, owner: (0, 0) }
    }

    /// A file of root's.
    pub fn file(path: &str, mode: u32, content: FileContent) -> LayerEntry {
        LayerEntry { path: path.to_owned(), kind: EntryKind::File(content), mode, owner: (0, 0) }
    }
}

/// The folders at an image's root that a base brings along, with modes of their own.
pub const ROOT_FOLDERS: [&str; 20] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
    "srv", "sys", "tmp", "usr", "var",
];

/// The entries with every parent folder they need, in the order of the archive.
///
/// A folder's entry replaces the attributes that the layers below gave it, so the standard folders at the root are left
/// to the base; over `scratch` (`on_nothing`) there is no base to leave them to.
pub fn with_parents(entries: Vec<LayerEntry>, on_nothing: bool) -> Vec<LayerEntry> {
    let is_the_bases = |path: &str| !on_nothing && ROOT_FOLDERS.contains(&path);
    let mut all = BTreeMap::new();
    for entry in &entries {
        for (end, _) in entry.path.match_indices('/') {
            let parent = &entry.path[..end];
            if !is_the_bases(parent) && !all.contains_key(parent) {
                all.insert(parent.to_owned(), LayerEntry::directory(parent));
            }
        }
    }
    let own = entries.into_iter().filter(|entry| {
        let is_folder = matches!(entry.kind, EntryKind::Directory);
        !(is_folder && is_the_bases(&entry.path))
    });
    all.extend(own.map(|entry| (entry.path.clone(), entry)));
    all.into_values().collect()
}

/// Writes a layer of `entries`, which come in the order given, all with `time` (seconds since 1970) as their mtime.
///
/// # Errors
/// Of reading and writing files; a file whose size changes while it is read.
pub fn write(entries: &[LayerEntry], time: u64, packing: CompressionOptions, blob: impl Write) -> io::Result<Layer> {
    write_with_progress(entries, time, packing, blob, &|_| ())
}

/// The same; `done` is told of each part of the tar ([`tar_size`]) how many bytes it has.
///
/// # Errors
/// See [`write()`].
pub fn write_with_progress(
    entries: &[LayerEntry],
    time: u64,
    packing: CompressionOptions,
    blob: impl Write,
    done: &dyn Fn(u64),
) -> io::Result<Layer> {
    let (diff_id, blob) = write_tar(entries, time, packing, HashWriter::new(blob), done)?;
    let (digest, size, mut blob) = blob.finish();
    blob.flush()?;
    Ok(Layer { descriptor: Descriptor::new(packing.compression.media_type(), size, digest), diff_id })
}

/// The diffID of a layer of `entries`, which is not made.
///
/// # Errors
/// Of reading files.
pub fn diff_id(entries: &[LayerEntry], time: u64) -> io::Result<DiffId> {
    let packing = CompressionOptions::single_threaded(Compression::None);
    write_tar(entries, time, packing, io::sink(), &|_| ()).map(|(diff_id, _)| diff_id)
}

fn write_tar<W: Write>(
    entries: &[LayerEntry],
    time: u64,
    packing: CompressionOptions,
    blob: W,
    done: &dyn Fn(u64),
) -> io::Result<(DiffId, W)> {
    let mut tar = tar::Builder::new(ChunkWriter::new(Encoder::new(packing, blob)?, done)?);
    for entry in entries {
        append(&mut tar, entry, time)?;
    }
    let (tar, blob) = tar.into_inner()?.finish()?;
    Ok((tar.diff_id, blob))
}

/// How many bytes the tar of `entries` has, but for the records of very long paths and links.
///
/// # Errors
/// Of looking at files.
pub fn tar_size(entries: &[LayerEntry]) -> io::Result<u64> {
    // Two empty blocks are its end.
    let mut total = 2 * BLOCK;
    for entry in entries {
        let content = match &entry.kind {
            EntryKind::Directory | EntryKind::Symlink(_) => 0,
            EntryKind::File(FileContent::Bytes(bytes)) => bytes.len() as u64,
            EntryKind::File(FileContent::Path(path)) => {
                std::fs::symlink_metadata(path).map_err(|error| of_file(path, &error))?.len()
            }
        };
        total += BLOCK + content.next_multiple_of(BLOCK);
    }
    Ok(total)
}

fn append(tar: &mut tar::Builder<ChunkWriter<impl Write>>, entry: &LayerEntry, time: u64) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_mode(entry.mode);
    header.set_mtime(time);
    header.set_uid(entry.owner.0);
    header.set_gid(entry.owner.1);
    match &entry.kind {
        EntryKind::Directory => {
            header.set_entry_type(EntryType::Directory);
            append_content(tar, &mut header, &format!("{}/", entry.path), 0, io::empty())
        }
        EntryKind::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            append_link(tar, &mut header, &entry.path, target)
        }
        EntryKind::File(FileContent::Bytes(bytes)) => {
            append_content(tar, &mut header, &entry.path, bytes.len() as u64, &bytes[..])
        }
        EntryKind::File(FileContent::Path(path)) => {
            let file = open(path).map_err(|error| of_file(path, &error))?;
            let size = file.metadata().map_err(|error| of_file(path, &error))?.len();
            append_content(tar, &mut header, &entry.path, size, file).map_err(|error| of_file(path, &error))
        }
    }
}

/// Opens a regular file, which it was when it was found: what another program has put into its place meanwhile is
/// neither followed out of the package nor waited for.
fn open(path: &Path) -> io::Result<File> {
    let file = open_without_following(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other(NOT_REGULAR)),
    }
}

const NOT_REGULAR: &str = "it is not a regular file any more";

#[cfg(unix)]
fn open_without_following(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => Ok(file.into()),
        Err(rustix::io::Errno::LOOP) => Err(io::Error::other(NOT_REGULAR)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn open_without_following(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// io::Error does not say which file it is about.
fn of_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn append_content(
    tar: &mut tar::Builder<ChunkWriter<impl Write>>,
    header: &mut Header,
    path: &str,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    header.set_size(size);
    let long_path = set_path(header, path)?;
    tar.append_pax_extensions(long_path)?;
    header.set_cksum();
    let pieces = tar.get_mut();
    pieces.write_all(header.as_bytes())?;
    let read = pieces.take(&mut Exactly { inner: content, left: size })?;
    let padding = read.next_multiple_of(BLOCK) - read;
    pieces.write_all(&[0; BLOCK as usize][..padding as usize])
}

fn append_link(
    tar: &mut tar::Builder<ChunkWriter<impl Write>>,
    header: &mut Header,
    path: &str,
    target: &str,
) -> io::Result<()> {
    header.set_size(0);
    let long_path = set_path(header, path)?;
    let long_target = match header.set_link_name_literal(target) {
        Ok(()) => None,
        Err(_) => {
            header.set_link_name_literal(start(target))?;
            Some(("linkpath", target.as_bytes()))
        }
    };
    // One header has the records of both.
    tar.append_pax_extensions(long_target.into_iter().chain(long_path))?;
    header.set_cksum();
    tar.append(header, io::empty())
}

/// Writes the path into the header. Of one that is longer than ustar's 256 bytes only what fits: the whole of it is in
/// the PAX record that comes back.
fn set_path<'a>(header: &mut Header, path: &'a str) -> io::Result<Option<(&'static str, &'a [u8])>> {
    if header.set_path(path).is_ok() {
        return Ok(None);
    }
    header.set_path(start(path))?;
    Ok(Some(("path", path.as_bytes())))
}

/// What fits into a field of a header, for readers that know no PAX.
fn start(path: &str) -> String {
    path.chars().filter(char::is_ascii).take(99).collect()
}

/// A reader that must give just as many bytes as the header before it promised.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        crate::interrupt::check()?;
        let read = self.inner.read(buffer)?;
        if (read == 0 && self.left > 0 && !buffer.is_empty()) || read as u64 > self.left {
            return Err(io::Error::other("the file changed while it was read"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    fn hello() -> Vec<LayerEntry> {
        let content = FileContent::Bytes(b"hello".to_vec());
        with_parents(vec![LayerEntry::file("app/hello", 0o755, content)], false)
    }

    fn paths(entries: &[LayerEntry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn the_bytes_never_change() {
        let diff_id = diff_id(&hello(), 1_700_000_000).expect("reads memory");
        // Golden digests: they change only on purpose, for every user's images change with them.
        assert_eq!(diff_id.to_string(), "sha256:eef9c8cf555d70c9220e8ae95a60599452099c837b266dbba1e2b2875e20ca8b");
        for (compression, golden) in [
            (Compression::Gzip, "sha256:39a4aa34f4d79594f8aefbc3b4b7908ad215427062826da15e2fd9615340bfce"),
            (Compression::Zstd, "sha256:82d4e86d64ebcbf00237af301f1676a28d5769b6e9c02459a51d8f326c83fe39"),
            (Compression::None, "sha256:eef9c8cf555d70c9220e8ae95a60599452099c837b266dbba1e2b2875e20ca8b"),
        ] {
            let mut blob = Vec::new();
            let layer = write(&hello(), 1_700_000_000, CompressionOptions::single_threaded(compression), &mut blob)
                .expect("writes to memory");
            assert_eq!(layer.descriptor.digest(), &sha256(&blob));
            assert_eq!(layer.descriptor.size(), blob.len() as u64);
            assert_eq!(layer.descriptor.digest().to_string(), golden, "{compression}");
            assert_eq!(layer.diff_id, diff_id);
        }
    }

    #[test]
    fn all_of_the_tar_is_counted() {
        let counted = std::cell::Cell::new(0);
        let done = |bytes| counted.set(counted.get() + bytes);
        write_with_progress(&hello(), 0, CompressionOptions::single_threaded(Compression::None), io::sink(), &done)
            .expect("writes to nowhere");
        assert_eq!(counted.get(), tar_size(&hello()).expect("reads memory"));
        // A folder and a file of five bytes.
        assert_eq!(counted.get(), 5 * 512);
    }

    #[test]
    fn an_entry_holds_what_the_plan_says_and_nothing_of_this_computer() {
        let mut blob = Vec::new();
        write(&hello(), 7, CompressionOptions::single_threaded(Compression::Gzip), &mut blob)
            .expect("writes to memory");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&blob[..]));
        let seen: Vec<_> = archive
            .entries()
            .expect("a tar")
            .map(|entry| {
                let entry = entry.expect("an entry");
                let header = entry.header();
                assert_eq!((header.uid().ok(), header.gid().ok()), (Some(0), Some(0)));
                assert_eq!(header.username(), Ok(Some("")));
                let path = entry.path().expect("a path").display().to_string();
                (path, header.mode().ok(), header.mtime().ok(), entry.size())
            })
            .collect();
        let expected =
            [("app/".to_owned(), Some(0o755), Some(7), 0), ("app/hello".to_owned(), Some(0o755), Some(7), 5)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn folders_of_the_base_keep_its_attributes() {
        let file = |path| LayerEntry::file(path, 0o644, FileContent::Bytes(Vec::new()));
        let entries = with_parents(vec![file("etc/a/b"), file("app/x"), file("app-x/y")], false);
        assert_eq!(paths(&entries), ["app", "app-x", "app-x/y", "app/x", "etc/a", "etc/a/b"]);
        let entries = with_parents(vec![file("etc/a/b")], true);
        assert_eq!(paths(&entries), ["etc", "etc/a", "etc/a/b"]);
        let folders = || vec![LayerEntry::directory("tmp"), LayerEntry::directory("data")];
        assert_eq!(paths(&with_parents(folders(), false)), ["data"]);
        assert_eq!(paths(&with_parents(folders(), true)), ["data", "tmp"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_came_into_the_place_of_a_file_is_neither_followed_nor_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        std::fs::write(&file, "x").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let read = |path: &Path| diff_id(&[LayerEntry::file("x", 0o644, FileContent::Path(path.to_owned()))], 0);
        assert!(read(&file).is_ok());
        for other in [&link, &pipe, &folder.path().to_owned()] {
            let error = read(other).unwrap_err().to_string();
            assert_eq!(error, format!("{}: it is not a regular file any more", other.display()));
        }
    }

    #[test]
    fn long_paths_survive() {
        let path = format!("{}/{}", "d".repeat(150), "f".repeat(200));
        let entry = LayerEntry::file(&path, 0o644, FileContent::Bytes(b"x".to_vec()));
        let mut blob = Vec::new();
        write(&[entry], 0, CompressionOptions::single_threaded(Compression::Gzip), &mut blob)
            .expect("writes to memory");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&blob[..]));
        let first = archive.entries().expect("a tar").next().expect("one").expect("entry");
        assert_eq!(first.path().expect("a path").display().to_string(), path);
    }

    #[test]
    fn links_say_what_was_written_in_them_however_long() {
        let long = format!("../{}/{}", "d".repeat(150), "ä".repeat(100));
        let link = |path: &str, target: &str| LayerEntry {
            path: path.to_owned(),
            kind: EntryKind::Symlink(target.to_owned()),
            mode: 0o777,
            owner: (1, 2),
        };
        let long_path = format!("{}/{}", "p".repeat(150), "q".repeat(200));
        let mut blob = Vec::new();
        write(
            &[link("a", "b"), link("c", &long), link(&long_path, &long)],
            0,
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

    #[test]
    fn a_file_of_another_size_than_promised_is_an_error() {
        for (promised, content) in [(4, &b"hello"[..]), (6, b"hello")] {
            let mut reader = Exactly { inner: content, left: promised };
            let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
            assert!(error.to_string().contains("changed"), "{error}");
        }
    }
}
