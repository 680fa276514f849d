//! A tree → one tar file with a whole bundle: it holds owners, devices and attributes that the file system here may not.
//!
//! Where each file's content will be is known before any is there, since the tree knows their sizes: the headers are
//! written in the order of the tree, and the contents into the gaps, in the order of the layers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use miette::Report;
use tar::{EntryType, Header};
use tempfile::NamedTempFile;

use super::config::Own;
use super::failure::WriteFailed;
use crate::error::Result;
use crate::filesystem::{NodeId, NodeKind, Places, ROOT, Tree};
use crate::image::layer::pax;
use crate::image::layer::tar_reader::{Attributes, SpecialFile};
use crate::store::ReadError;
use crate::store::atomic;

/// A tar file that a [`Tree`] is written to.
pub struct Archive<'a> {
    tree: &'a Tree,
    path: &'a Path,
    file: NamedTempFile,
    own: Option<Own>,
    places: Places<'a>,
    /// Where in the tar file the content of each file belongs.
    contents: HashMap<NodeId, u64>,
    /// Where the next header belongs.
    end: u64,
}

/// A block of a tar, in bytes.
const BLOCK: u64 = 512;
/// The folder of the container's files.
const ROOTFS: &[u8] = b"rootfs/";

impl<'a> Archive<'a> {
    /// Begins the file that will be `path`, with all headers of the tree in it.
    ///
    /// # Errors
    /// Of writing.
    pub fn begin(tree: &'a Tree, path: &'a Path, own: Option<Own>) -> Result<Archive<'a>> {
        let folder = super::folder_of(path);
        let file = atomic::create_in(folder).map_err(|error| WriteFailed::report("write in", folder, error))?;
        let mut archive = Archive { tree, path, file, own, places: Places::of(tree), contents: HashMap::new(), end: 0 };
        archive.folder(ROOT, ROOTFS)?;
        Ok(archive)
    }

    /// Writes the content of a file.
    ///
    /// # Errors
    /// Of reading, as they are; of writing.
    pub fn file(&mut self, node: NodeId, content: &mut dyn Read) -> Result<()> {
        let Some(&place) = self.contents.get(&node) else {
            return Ok(());
        };
        let path = self.path;
        self.writer().seek(SeekFrom::Start(place)).map_err(|error| WriteFailed::report("write", path, error))?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = content.read(&mut buffer).map_err(ReadError)?;
            if read == 0 {
                return Ok(());
            }
            self.writer().write_all(&buffer[..read]).map_err(|error| WriteFailed::report("write", path, error))?;
        }
    }

    /// Adds the runtime's config, and puts the whole file into its place, where nothing may be.
    ///
    /// # Errors
    /// Of writing; something that is there by now.
    pub fn finish(mut self, config: &[u8]) -> Result<()> {
        let path = self.path;
        let failed = |error: io::Error| WriteFailed::report("write", path, error);
        let attributes = Attributes { mode: 0o644, ..Attributes::default() };
        self.header(EntryType::Regular, b"config.json", &attributes, b"", config.len() as u64, (0, 0))?;
        let start = self.end - (config.len() as u64).next_multiple_of(BLOCK);
        self.writer().seek(SeekFrom::Start(start)).map_err(failed)?;
        self.writer().write_all(config).map_err(failed)?;
        // Two blocks of zeros are the end of a tar.
        let end = self.end + 2 * BLOCK;
        self.writer().set_len(end).and_then(|()| self.writer().sync_all()).map_err(failed)?;
        self.file.persist_noclobber(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn writer(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    fn folder(&mut self, folder: NodeId, path: &[u8]) -> Result<()> {
        let tree = self.tree;
        self.header(EntryType::Directory, path, &tree.node(folder).attributes, b"", 0, (0, 0))?;
        for (name, node) in tree.children(folder) {
            crate::interrupt::check().map_err(Report::from_err)?;
            let path = [path, name].concat();
            let first = self.places.get(node).filter(|first| *first != (folder, name));
            let attributes = &tree.node(node).attributes;
            match (&tree.node(node).kind, first) {
                (NodeKind::Directory(_), _) => self.folder(node, &[&path, &b"/"[..]].concat())?,
                (_, Some(_)) => {
                    let first = [ROOTFS, &self.places.path(node).join(&b'/')].concat();
                    self.header(EntryType::Link, &path, attributes, &first, 0, (0, 0))?;
                }
                (kind, None) => {
                    let (entry, target, size, device) = match kind {
                        NodeKind::File { size, .. } => (EntryType::Regular, &b""[..], *size, (0, 0)),
                        NodeKind::Symlink(target) => (EntryType::Symlink, target.as_slice(), 0, (0, 0)),
                        NodeKind::Special(SpecialFile::Character(major, minor)) => {
                            (EntryType::Char, &b""[..], 0, (*major, *minor))
                        }
                        NodeKind::Special(SpecialFile::Block(major, minor)) => {
                            (EntryType::Block, &b""[..], 0, (*major, *minor))
                        }
                        NodeKind::Special(SpecialFile::Fifo) | NodeKind::Directory(_) => {
                            (EntryType::Fifo, &b""[..], 0, (0, 0))
                        }
                    };
                    self.header(entry, &path, attributes, target, size, device)?;
                    self.contents.insert(node, self.end - size.next_multiple_of(BLOCK));
                }
            }
        }
        Ok(())
    }

    /// Writes a header, and makes room for the content behind it.
    fn header(
        &mut self,
        kind: EntryType,
        path: &[u8],
        attributes: &Attributes,
        target: &[u8],
        size: u64,
        device: (u32, u32),
    ) -> Result<()> {
        let failed = |path: &Path, error: io::Error| WriteFailed::report("write", path, error);
        let (uid, gid) = self.own.unwrap_or(attributes.owner);
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(attributes.mode);
        header.set_uid(uid.into());
        header.set_gid(gid.into());
        header.set_size(size);
        let mut records = Vec::new();
        let (seconds, nanos) = attributes.mtime;
        match u64::try_from(seconds) {
            Ok(seconds) if nanos == 0 && seconds < 1 << 33 => header.set_mtime(seconds),
            _ => {
                pax::append(&mut records, b"mtime", pax::write_time(attributes.mtime.0, attributes.mtime.1).as_bytes())
            }
        }
        let old = header.as_old_mut();
        for (key, field, value) in [(&b"path"[..], &mut old.name, path), (b"linkpath", &mut old.linkname, target)] {
            let fits = value.len().min(field.len());
            field[..fits].copy_from_slice(&value[..fits]);
            if fits < value.len() {
                pax::append(&mut records, key, value);
            }
        }
        if matches!(kind, EntryType::Char | EntryType::Block) {
            let set = header.set_device_major(device.0).and_then(|()| header.set_device_minor(device.1));
            set.map_err(|error| failed(self.path, error))?;
        }
        for (name, value) in &attributes.xattrs {
            pax::append(&mut records, &[pax::XATTR, name].concat(), value);
        }
        let mut blocks = Vec::new();
        if !records.is_empty() {
            let mut extended = Header::new_ustar();
            extended.set_entry_type(EntryType::XHeader);
            extended.set_mode(0o644);
            extended.set_size(records.len() as u64);
            extended.set_cksum();
            blocks.extend_from_slice(extended.as_bytes());
            blocks.extend_from_slice(&records);
            blocks.resize(blocks.len().next_multiple_of(512), 0);
        }
        header.set_cksum();
        blocks.extend_from_slice(header.as_bytes());
        let (path, end) = (self.path, self.end);
        self.writer().seek(SeekFrom::Start(end)).map_err(|error| failed(path, error))?;
        self.writer().write_all(&blocks).map_err(|error| failed(path, error))?;
        self.end = end + blocks.len() as u64 + size.next_multiple_of(BLOCK);
        Ok(())
    }
}
