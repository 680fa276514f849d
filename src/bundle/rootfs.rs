//! A tree → a directory with its files, owners, modes, times and extended attributes.
//!
//! Every name is created here, in a directory that only this user can enter, and relative to the open parent directory:
//! no path can lead elsewhere. The one exception are extended attributes of files that must not be opened: they are set
//! by name, below the path that /proc has for the parent.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use miette::Report;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat, fchmod, fchown,
    fsetxattr, futimens, linkat, lsetxattr, makedev, mkdirat, mknodat, openat, symlinkat, utimensat,
};
use rustix::io::Errno;

use super::output::HostOwner;
use crate::error::{Result, on_image_file, on_path};
use crate::filesystem::{DirectoryEntry, NodeId, NodeKind, PathIndex, ROOT, Tree};
use crate::image::layer::quote::quote;
use crate::image::layer::tar_reader::{Attributes, SpecialFile};
use crate::store::ReadError;

/// A directory that a [`Tree`] is written to.
pub(crate) struct Rootfs<'a> {
    tree: &'a Tree,
    path: &'a Path,
    root: OwnedFd,
    /// The owner of all files in place of the image's, for users who cannot create files of others.
    owner: Option<HostOwner>,
    paths: PathIndex<'a>,
    /// The directory that was last written to: the next file is often in it too.
    open: Option<(NodeId, OwnedFd)>,
    /// Extended attributes that the file system does not accept.
    unsupported: BTreeSet<String>,
}

/// The mode of directories until all is written: no other user can enter them.
const PRIVATE: Mode = Mode::RWXU;

impl<'a> Rootfs<'a> {
    /// Creates the directory `path`, with all directories, symbolic links, devices and pipes of the tree.
    ///
    /// # Errors
    /// Returns an error if something cannot be created.
    pub(crate) fn create(tree: &'a Tree, path: &'a Path, owner: Option<HostOwner>) -> Result<Rootfs<'a>> {
        let root = mkdirat(CWD, path, PRIVATE).and_then(|()| open_directory(CWD, path.as_os_str().as_bytes()));
        let root = root.map_err(|error| on_path("create", path, error.into()))?;
        let (paths, unsupported) = (PathIndex::new(tree), BTreeSet::new());
        let mut rootfs = Rootfs { tree, path, root, owner, paths, open: None, unsupported };
        let root = rootfs.root.try_clone().map_err(|error| on_path("open", path, error))?;
        rootfs.create_children(ROOT, root.as_fd())?;
        Ok(rootfs)
    }

    /// Writes the content of a file.
    ///
    /// # Errors
    /// Returns an error if `content` cannot be read, or the file cannot be written.
    pub(crate) fn write_file(&mut self, node: NodeId, content: &mut dyn Read) -> Result<()> {
        let tree = self.tree;
        let Some(DirectoryEntry { parent, name, .. }) = self.paths.first(node) else {
            return Ok(());
        };
        let attributes = &tree.node(node).attributes;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = self.directory(parent).and_then(|parent| openat(parent, name, flags, Mode::RUSR | Mode::WUSR));
        let mut file = File::from(opened.map_err(|error| self.failed(parent, name, error.into()))?);
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = content.read(&mut buffer).map_err(ReadError)?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).map_err(|error| self.failed(parent, name, errno(&error).into()))?;
        }
        self.set_attributes(file.as_fd(), attributes).map_err(|error| self.failed(parent, name, error))
    }

    /// Creates hard links and sets the attributes of directories. Returns the names of extended attributes that the file
    /// system does not accept.
    ///
    /// # Errors
    /// Returns an error if something cannot be written.
    pub(crate) fn finish(mut self) -> Result<BTreeSet<String>> {
        self.create_hard_links()?;
        let root = self.root.try_clone().map_err(|error| on_path("open", self.path, error))?;
        self.finish_directory(ROOT, root.as_fd())?;
        Ok(self.unsupported)
    }

    fn create_children(&mut self, directory: NodeId, parent: BorrowedFd) -> Result<()> {
        let tree = self.tree;
        for (name, node) in tree.children(directory) {
            crate::interrupt::check().map_err(Report::from_err)?;
            let is_first = self.paths.first(node).is_some_and(|first| (first.parent, first.name) == (directory, name));
            let attributes = &tree.node(node).attributes;
            let created = match &tree.node(node).kind {
                NodeKind::Directory(_) => {
                    let created = mkdirat(parent, name, PRIVATE).and_then(|()| open_directory(parent, name));
                    let created = created.map_err(|error| self.failed(directory, name, error.into()))?;
                    self.create_children(node, created.as_fd())?;
                    Ok(())
                }
                // Files are created with their content, and hard links after all files.
                NodeKind::File { .. } => Ok(()),
                _ if !is_first => Ok(()),
                NodeKind::Symlink(target) => symlinkat(target, parent, name)
                    .map_err(SetError::from)
                    .and_then(|()| self.set_attributes_at(parent, name, attributes, false)),
                NodeKind::Special(special) => create_special(parent, name, *special)
                    .map_err(SetError::from)
                    .and_then(|()| self.set_attributes_at(parent, name, attributes, true)),
            };
            created.map_err(|error| self.failed(directory, name, error))?;
        }
        Ok(())
    }

    /// Creates hard links, before directories get modes that may deny access even to their owner.
    fn create_hard_links(&mut self) -> Result<()> {
        let mut open: Option<(NodeId, OwnedFd)> = None;
        for entry in self.tree.entries() {
            let Some(first) = self.paths.first(entry.node).filter(|first| *first != entry) else { continue };
            crate::interrupt::check().map_err(Report::from_err)?;
            let DirectoryEntry { parent, name, .. } = entry;
            if open.as_ref().is_none_or(|(open, _)| *open != parent) {
                let opened = self.open(parent).map_err(|error| self.failed(parent, name, error.into()))?;
                open = Some((parent, opened));
            }
            let Some((_, directory)) = &open else { continue };
            let linked = self
                .directory(first.parent)
                .and_then(|first_parent| linkat(first_parent, first.name, directory, name, AtFlags::empty()));
            linked.map_err(|error| self.failed(parent, name, error.into()))?;
        }
        Ok(())
    }

    /// Sets the attributes of a directory, after those in it.
    fn finish_directory(&mut self, directory: NodeId, fd: BorrowedFd) -> Result<()> {
        crate::interrupt::check().map_err(Report::from_err)?;
        let tree = self.tree;
        for (name, node) in tree.children(directory) {
            if tree.node(node).is_directory() {
                let child = open_directory(fd, name).map_err(|error| self.failed(directory, name, error.into()))?;
                self.finish_directory(node, child.as_fd())?;
            }
        }
        let set = self.set_attributes(fd, &tree.node(directory).attributes);
        set.map_err(|error| self.failed(directory, b"", error))
    }

    /// Returns a directory of the tree, opened.
    fn directory(&mut self, node: NodeId) -> rustix::io::Result<BorrowedFd<'_>> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != node) {
            self.open = Some((node, self.open(node)?));
        }
        Ok(self.open.as_ref().map_or(self.root.as_fd(), |(_, directory)| directory.as_fd()))
    }

    fn open(&self, node: NodeId) -> rustix::io::Result<OwnedFd> {
        let mut directory = open_directory(&self.root, b".")?;
        for name in self.paths.path(node) {
            directory = open_directory(&directory, name)?;
        }
        Ok(directory)
    }

    /// Sets the owner first: changing it removes file capabilities and setuid bits.
    fn set_attributes(&mut self, file: BorrowedFd, attributes: &Attributes) -> Result<(), SetError> {
        let (uid, gid) = self.owner(attributes);
        fchown(file, Some(uid), Some(gid))?;
        for (name, value) in &attributes.xattrs {
            let result = fsetxattr(file, name.as_slice(), value, XattrFlags::empty());
            self.note_xattr(name, result)?;
        }
        fchmod(file, Mode::from_raw_mode(attributes.mode))?;
        Ok(futimens(file, &times(attributes))?)
    }

    /// Sets the attributes of a file by name: opening a device has effects, and a symbolic link cannot be opened.
    fn set_attributes_at(
        &mut self,
        parent: BorrowedFd,
        name: &[u8],
        attributes: &Attributes,
        has_mode: bool,
    ) -> Result<(), SetError> {
        let (uid, gid) = self.owner(attributes);
        chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        for (key, value) in &attributes.xattrs {
            let descriptor = std::os::fd::AsRawFd::as_raw_fd(&parent);
            let path = [format!("/proc/self/fd/{descriptor}/").as_bytes(), name].concat();
            let result = lsetxattr(&path, key.as_slice(), value, XattrFlags::empty());
            self.note_xattr(key, result)?;
        }
        if has_mode {
            // This would follow a symbolic link, which has no mode of its own.
            chmodat(parent, name, Mode::from_raw_mode(attributes.mode), AtFlags::empty())?;
        }
        Ok(utimensat(parent, name, &times(attributes), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn owner(&self, attributes: &Attributes) -> (Uid, Gid) {
        let (uid, gid) = self.owner.unwrap_or(attributes.owner);
        (Uid::from_raw(uid), Gid::from_raw(gid))
    }

    /// Records an extended attribute that was not set, if that is no error.
    fn note_xattr(&mut self, name: &[u8], result: rustix::io::Result<()>) -> Result<(), SetError> {
        match result {
            Ok(()) => return Ok(()),
            // The file system may not support them, and users without rights may not set all of them.
            Err(Errno::NOTSUP) => {}
            Err(Errno::PERM | Errno::ACCESS) if self.owner.is_some() => {}
            Err(cause) => return Err(SetError { xattr: Some(name.to_owned()), cause }),
        }
        self.unsupported.insert(String::from_utf8_lossy(name).into_owned());
        Ok(())
    }

    /// Returns an error that names the file by its path in the image.
    fn failed(&self, parent: NodeId, name: &[u8], error: SetError) -> Report {
        let mut names = self.paths.path(parent);
        names.extend(Some(name).filter(|name| !name.is_empty()));
        let path = quote(&[b"/", names.join(&b'/').as_slice()].concat());
        let file = match error.xattr {
            Some(xattr) => format!("the extended attribute {} of {path}", quote(&xattr)),
            None => path,
        };
        on_image_file("write", &file, error.cause.into())
    }
}

/// Why a file could not be created, or one of its attributes not set.
struct SetError {
    /// The extended attribute, if it was one.
    xattr: Option<Vec<u8>>,
    cause: Errno,
}

impl From<Errno> for SetError {
    fn from(cause: Errno) -> SetError {
        SetError { xattr: None, cause }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn create_special(parent: BorrowedFd, name: &[u8], special: SpecialFile) -> rustix::io::Result<()> {
    let (kind, device) = match special {
        SpecialFile::Character(major, minor) => (FileType::CharacterDevice, makedev(major, minor)),
        SpecialFile::Block(major, minor) => (FileType::BlockDevice, makedev(major, minor)),
        SpecialFile::Fifo => (FileType::Fifo, 0),
    };
    mknodat(parent, name, kind, Mode::empty(), device)
}

fn open_directory(parent: impl AsFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn times(attributes: &Attributes) -> Timestamps {
    let (seconds, nanos) = attributes.mtime;
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}
