//! A tree → one tar file of a whole bundle: it holds owners, devices and attributes that the local file system may not.
//!
//! The tree knows the size of each file, so the position of each content is known in advance. The headers are written
//! first, in the order of the tree; the contents go into the gaps, in the order of the layers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use miette::Report;
use tar::{EntryType, Header};
use tempfile::NamedTempFile;

use super::output::{HostOwner, parent};
use crate::error::{Result, in_directory, on_path};
use crate::filesystem::{NodeId, NodeKind, PathIndex, ROOT, Tree};
use crate::image::layer::name::extended_header;
use crate::image::layer::pax;
use crate::image::layer::tar_reader::{Attributes, SpecialFile};
use crate::store::ReadError;
use crate::store::atomic::{self, Audience};

/// A tar file that a [`Tree`] is written to.
pub(crate) struct BundleArchive<'a> {
    tree: &'a Tree,
    path: &'a Path,
    file: NamedTempFile,
    owner: Option<HostOwner>,
    paths: PathIndex<'a>,
    /// The position of each file's content.
    contents: HashMap<NodeId, u64>,
    /// The position of the next header.
    end: u64,
}

/// What a header says beside the path and the attributes.
struct EntryHeader<'a> {
    kind: EntryType,
    target: &'a [u8],
    size: u64,
    device: Option<(u32, u32)>,
}

impl<'a> EntryHeader<'a> {
    fn new(kind: EntryType) -> EntryHeader<'a> {
        EntryHeader { kind, target: b"", size: 0, device: None }
    }

    /// Describes a node under its first name.
    fn of(kind: &'a NodeKind) -> EntryHeader<'a> {
        match kind {
            NodeKind::Directory(_) => EntryHeader::new(EntryType::Directory),
            NodeKind::File { size, .. } => EntryHeader { size: *size, ..EntryHeader::new(EntryType::Regular) },
            NodeKind::Symlink(target) => EntryHeader { target, ..EntryHeader::new(EntryType::Symlink) },
            NodeKind::Special(SpecialFile::Character(major, minor)) => {
                EntryHeader { device: Some((*major, *minor)), ..EntryHeader::new(EntryType::Char) }
            }
            NodeKind::Special(SpecialFile::Block(major, minor)) => {
                EntryHeader { device: Some((*major, *minor)), ..EntryHeader::new(EntryType::Block) }
            }
            NodeKind::Special(SpecialFile::Fifo) => EntryHeader::new(EntryType::Fifo),
        }
    }
}

/// The size of a tar block, in bytes.
const BLOCK: u64 = 512;
/// The directory of the container's files.
const ROOTFS: &[u8] = b"rootfs/";

impl<'a> BundleArchive<'a> {
    /// Creates a temporary file beside `path`, and writes all headers of the tree.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(crate) fn create(tree: &'a Tree, path: &'a Path, owner: Option<HostOwner>) -> Result<BundleArchive<'a>> {
        let parent = parent(path);
        atomic::sweep(parent);
        let file = atomic::create_in(parent, Audience::Everyone).map_err(|error| in_directory(parent, error))?;
        let paths = PathIndex::new(tree);
        let mut archive = BundleArchive { tree, path, file, owner, paths, contents: HashMap::new(), end: 0 };
        archive.write_directory(ROOT, ROOTFS)?;
        Ok(archive)
    }

    /// Writes the content of a file.
    ///
    /// # Errors
    /// Returns an error if `content` cannot be read, or the file cannot be written.
    pub(crate) fn write_file(&mut self, node: NodeId, content: &mut dyn Read) -> Result<()> {
        let Some(&position) = self.contents.get(&node) else {
            return Ok(());
        };
        let path = self.path;
        self.writer().seek(SeekFrom::Start(position)).map_err(|error| on_path("write", path, error))?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = content.read(&mut buffer).map_err(ReadError)?;
            if read == 0 {
                return Ok(());
            }
            self.writer().write_all(&buffer[..read]).map_err(|error| on_path("write", path, error))?;
        }
    }

    /// Adds the runtime's config, and renames the complete file to its path, which must not exist.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written, or the path exists by now.
    pub(crate) fn finish(mut self, config: &[u8]) -> Result<()> {
        let path = self.path;
        let attributes = Attributes { mode: 0o644, ..Attributes::default() };
        let header = EntryHeader { size: config.len() as u64, ..EntryHeader::new(EntryType::Regular) };
        self.write_header(b"config.json", &attributes, &header)?;
        let start = self.end - (config.len() as u64).next_multiple_of(BLOCK);
        // Two blocks of zeros are the end of a tar.
        let end = self.end + 2 * BLOCK;
        let file = self.writer();
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.write_all(config))
            .and_then(|()| file.set_len(end))
            .and_then(|()| file.sync_all())
            .map_err(|error| on_path("write", path, error))?;
        self.file.persist_noclobber(path).map_err(|error| on_path("write", path, error.error))?;
        Ok(())
    }

    fn writer(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    fn write_directory(&mut self, directory: NodeId, path: &[u8]) -> Result<()> {
        let tree = self.tree;
        self.write_header(path, &tree.node(directory).attributes, &EntryHeader::new(EntryType::Directory))?;
        for (name, node) in tree.children(directory) {
            crate::interrupt::check().map_err(Report::from_err)?;
            let path = [path, name].concat();
            let (kind, attributes) = (&tree.node(node).kind, &tree.node(node).attributes);
            if let NodeKind::Directory(_) = kind {
                self.write_directory(node, &[&path, &b"/"[..]].concat())?;
            } else if self.paths.first(node).is_some_and(|first| (first.parent, first.name) == (directory, name)) {
                let header = EntryHeader::of(kind);
                self.write_header(&path, attributes, &header)?;
                self.contents.insert(node, self.end - header.size.next_multiple_of(BLOCK));
            } else {
                let first = [ROOTFS, &self.paths.path(node).join(&b'/')].concat();
                let header = EntryHeader { target: &first, ..EntryHeader::new(EntryType::Link) };
                self.write_header(&path, attributes, &header)?;
            }
        }
        Ok(())
    }

    /// Writes a header, and leaves room for the content after it.
    fn write_header(&mut self, path: &[u8], attributes: &Attributes, entry: &EntryHeader) -> Result<()> {
        let (uid, gid) = self.owner.unwrap_or(attributes.owner);
        let mut header = Header::new_ustar();
        header.set_entry_type(entry.kind);
        header.set_mode(attributes.mode);
        header.set_uid(uid.into());
        header.set_gid(gid.into());
        header.set_size(entry.size);
        let mut records = Vec::new();
        let (seconds, nanos) = attributes.mtime;
        match u64::try_from(seconds) {
            Ok(seconds) if nanos == 0 && seconds < 1 << 33 => header.set_mtime(seconds),
            _ => {
                pax::append(&mut records, b"mtime", pax::write_time(attributes.mtime.0, attributes.mtime.1).as_bytes());
            }
        }
        let old = header.as_old_mut();
        for (key, field, value) in [(&b"path"[..], &mut old.name, path), (b"linkpath", &mut old.linkname, entry.target)]
        {
            let fits = value.len().min(field.len());
            field[..fits].copy_from_slice(&value[..fits]);
            if fits < value.len() {
                pax::append(&mut records, key, value);
            }
        }
        if let Some((major, minor)) = entry.device {
            let set = header.set_device_major(major).and_then(|()| header.set_device_minor(minor));
            set.map_err(|error| on_path("write", self.path, error))?;
        }
        for (name, value) in &attributes.xattrs {
            pax::append(&mut records, &[pax::XATTR, name].concat(), value);
        }
        let mut blocks = extended_header(&records);
        header.set_cksum();
        blocks.extend_from_slice(header.as_bytes());
        let (path, end) = (self.path, self.end);
        let file = self.writer();
        file.seek(SeekFrom::Start(end))
            .and_then(|_| file.write_all(&blocks))
            .map_err(|error| on_path("write", path, error))?;
        self.end = end + blocks.len() as u64 + entry.size.next_multiple_of(BLOCK);
        Ok(())
    }
}
