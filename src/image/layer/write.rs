//! Entries → tar → blob: a layer, hashed while it is written (image-spec, `layer.md`).
//!
//! The same entries and time yield the same bytes on any machine: only file contents come from the host.

#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};

use oci_spec::image::Descriptor;
use tar::{EntryType, Header};

use super::chunk_writer::ChunkWriter;
use super::compression::{Compression, CompressionOptions, Encoder};
use super::entry::{EntryKind, FileContent, LayerEntry};
use super::host_file::{ExactReader, error_on, open};
use crate::image::digest::{DiffId, HashWriter};

/// The size of a tar block in bytes.
const BLOCK: u64 = 512;

/// A layer, as its manifest and its config describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The descriptor of the blob.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar.
    pub diff_id: DiffId,
}

/// Writes a layer of `entries` in the given order, with `time` (seconds since 1970) as every mtime.
///
/// # Errors
/// Returns an error if a file cannot be read or changes its size meanwhile, or if writing fails.
pub fn write(entries: &[LayerEntry], time: u64, options: CompressionOptions, blob: impl Write) -> io::Result<Layer> {
    write_with_progress(entries, time, options, blob, &|_| ())
}

/// Does the same as [`write()`], and calls `on_progress` with the number of tar bytes ([`tar_size`]) of each chunk.
///
/// # Errors
/// See [`write()`].
pub fn write_with_progress(
    entries: &[LayerEntry],
    time: u64,
    options: CompressionOptions,
    blob: impl Write,
    on_progress: &dyn Fn(u64),
) -> io::Result<Layer> {
    let (diff_id, blob) = write_tar(entries, time, options, HashWriter::new(blob), on_progress)?;
    let (digest, size, mut blob) = blob.finish();
    blob.flush()?;
    Ok(Layer { descriptor: Descriptor::new(options.compression.media_type(), size, digest), diff_id })
}

/// Returns the diffID of a layer of `entries` without writing the layer.
///
/// # Errors
/// Returns an error if a file cannot be read.
pub fn diff_id(entries: &[LayerEntry], time: u64) -> io::Result<DiffId> {
    let options = CompressionOptions::single_threaded(Compression::None);
    write_tar(entries, time, options, io::sink(), &|_| ()).map(|(diff_id, _)| diff_id)
}

fn write_tar<W: Write>(
    entries: &[LayerEntry],
    time: u64,
    options: CompressionOptions,
    blob: W,
    on_progress: &dyn Fn(u64),
) -> io::Result<(DiffId, W)> {
    let mut tar = tar::Builder::new(ChunkWriter::new(Encoder::new(options, blob)?, on_progress)?);
    for entry in entries {
        append(&mut tar, entry, time)?;
    }
    let (tar, blob) = tar.into_inner()?.finish()?;
    Ok((tar.diff_id, blob))
}

/// Returns the size of the tar of `entries` in bytes, without the PAX records of very long paths and links.
///
/// # Errors
/// Returns an error if the metadata of a file cannot be read.
pub fn tar_size(entries: &[LayerEntry]) -> io::Result<u64> {
    // Two zero blocks end a tar.
    let mut total = 2 * BLOCK;
    for entry in entries {
        let content = match &entry.kind {
            EntryKind::Directory | EntryKind::Symlink(_) => 0,
            EntryKind::File(FileContent::Bytes(bytes)) => bytes.len() as u64,
            EntryKind::File(FileContent::Path(path)) => {
                std::fs::symlink_metadata(path).map_err(|error| error_on(path, &error))?.len()
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
            let file = open(path).map_err(|error| error_on(path, &error))?;
            let size = file.metadata().map_err(|error| error_on(path, &error))?.len();
            append_content(tar, &mut header, &entry.path, size, file).map_err(|error| error_on(path, &error))
        }
    }
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
    let chunks = tar.get_mut();
    chunks.write_all(header.as_bytes())?;
    let read = chunks.read_from(&mut ExactReader::new(content, size))?;
    let padding = read.next_multiple_of(BLOCK) - read;
    chunks.write_all(&[0; BLOCK as usize][..padding as usize])
}

fn append_link(
    tar: &mut tar::Builder<ChunkWriter<impl Write>>,
    header: &mut Header,
    path: &str,
    target: &str,
) -> io::Result<()> {
    header.set_size(0);
    let long_path = set_path(header, path)?;
    let long_target = if header.set_link_name_literal(target).is_ok() {
        None
    } else {
        header.set_link_name_literal(ascii_prefix(target))?;
        Some(("linkpath", target.as_bytes()))
    };
    // One extended header holds both records.
    tar.append_pax_extensions(long_target.into_iter().chain(long_path))?;
    header.set_cksum();
    tar.append(header, io::empty())
}

/// Writes the path into the header. Returns the PAX record for a path that does not fit into ustar's 256 bytes.
fn set_path<'a>(header: &mut Header, path: &'a str) -> io::Result<Option<(&'static str, &'a [u8])>> {
    if header.set_path(path).is_ok() {
        return Ok(None);
    }
    header.set_path(ascii_prefix(path))?;
    Ok(Some(("path", path.as_bytes())))
}

/// Returns the part of a long name that fits into a header field, for readers without PAX support.
fn ascii_prefix(path: &str) -> String {
    path.chars().filter(char::is_ascii).take(99).collect()
}
