//! Entries → tar → blob: a layer, hashed while it is written (image-spec, `layer.md`).
//!
//! The same entries yield the same bytes on any machine: only file contents come from the host.

#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};

use oci_spec::image::Descriptor;
use tar::{EntryType, Header};

use super::chunk_writer::ChunkWriter;
use super::compression::{Compression, CompressionOptions, Encoder};
use super::entry::{EntryKind, FileContent, LayerEntry};
use super::host_file::{ExactReader, error_on, open};
use super::name::{extended_header, set_path, set_target};
use crate::image::digest::{DiffId, HashWriter};

/// The size of a tar block in bytes.
const BLOCK: u64 = 512;
/// The size of the zeros that end a tar.
const END_SIZE: u64 = 2 * BLOCK;

/// A layer, as its manifest and its config describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The descriptor of the blob.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar.
    pub diff_id: DiffId,
}

/// Writes a layer of `entries` in the given order.
///
/// # Errors
/// Returns an error if a file cannot be read or changes its size meanwhile, or if writing fails.
pub fn write(entries: &[LayerEntry], options: CompressionOptions, blob: impl Write) -> io::Result<Layer> {
    write_with_progress(entries, options, blob, &|_| ())
}

/// Does the same as [`write()`], and calls `on_progress` with the number of tar bytes ([`tar_size`]) of each chunk.
///
/// # Errors
/// See [`write()`].
pub fn write_with_progress(
    entries: &[LayerEntry],
    options: CompressionOptions,
    blob: impl Write,
    on_progress: &dyn Fn(u64),
) -> io::Result<Layer> {
    let (diff_id, blob) = write_tar(entries, options, HashWriter::new(blob), on_progress)?;
    let (digest, size, mut blob) = blob.finish();
    blob.flush()?;
    Ok(Layer { descriptor: Descriptor::new(options.compression.media_type(), size, digest), diff_id })
}

/// Returns the diffID of a layer of `entries` without writing the layer.
///
/// # Errors
/// Returns an error if a file cannot be read.
pub fn diff_id(entries: &[LayerEntry]) -> io::Result<DiffId> {
    let options = CompressionOptions::single_threaded(Compression::None);
    write_tar(entries, options, io::sink(), &|_| ()).map(|(diff_id, _)| diff_id)
}

fn write_tar<W: Write>(
    entries: &[LayerEntry],
    options: CompressionOptions,
    blob: W,
    on_progress: &dyn Fn(u64),
) -> io::Result<(DiffId, W)> {
    let mut tar = ChunkWriter::new(Encoder::new(options, blob)?, on_progress)?;
    for entry in entries {
        append(&mut tar, entry)?;
    }
    tar.write_all(&[0; END_SIZE as usize])?;
    let (tar, blob) = tar.finish()?;
    Ok((tar.diff_id, blob))
}

/// Returns the size of the tar of `entries` in bytes, without the PAX records of very long paths and links.
///
/// # Errors
/// Returns an error if the metadata of a file cannot be read.
pub fn tar_size(entries: &[LayerEntry]) -> io::Result<u64> {
    let mut total = END_SIZE;
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

fn append(tar: &mut ChunkWriter<impl Write>, entry: &LayerEntry) -> io::Result<()> {
    match &entry.kind {
        EntryKind::Directory => append_entry(tar, entry, EntryType::Directory, 0, io::empty()),
        EntryKind::Symlink(_) => append_entry(tar, entry, EntryType::Symlink, 0, io::empty()),
        EntryKind::File(FileContent::Bytes(bytes)) => {
            append_entry(tar, entry, EntryType::Regular, bytes.len() as u64, &bytes[..])
        }
        EntryKind::File(FileContent::Path(path)) => {
            let file = open(path).map_err(|error| error_on(path, &error))?;
            let size = file.metadata().map_err(|error| error_on(path, &error))?.len();
            append_entry(tar, entry, EntryType::Regular, size, file).map_err(|error| error_on(path, &error))
        }
    }
}

fn append_entry(
    tar: &mut ChunkWriter<impl Write>,
    entry: &LayerEntry,
    kind: EntryType,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    // Always set: without a type, some readers take the name that a long one was cut to for that of a folder.
    header.set_entry_type(kind);
    header.set_mode(entry.mode);
    header.set_mtime(entry.mtime);
    header.set_uid(entry.owner.0);
    header.set_gid(entry.owner.1);
    header.set_size(size);
    // One extended header holds all records.
    let mut records = Vec::new();
    match &entry.kind {
        EntryKind::Directory => set_path(&mut header, &format!("{}/", entry.path), &mut records)?,
        EntryKind::File(_) => set_path(&mut header, &entry.path, &mut records)?,
        EntryKind::Symlink(target) => {
            set_target(&mut header, target, &mut records)?;
            set_path(&mut header, &entry.path, &mut records)?;
        }
    }
    header.set_cksum();
    tar.write_all(&extended_header(&records))?;
    tar.write_all(header.as_bytes())?;
    let read = tar.read_from(&mut ExactReader::new(content, size))?;
    let padding = read.next_multiple_of(BLOCK) - read;
    tar.write_all(&[0; BLOCK as usize][..padding as usize])
}
