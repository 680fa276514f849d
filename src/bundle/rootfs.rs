//! A tree → a folder with its files, owners, rights, times and extended attributes.
//!
//! Every name is new and made here, in a folder that is nobody else's, and each is reached from the open folder above it,
//! so that no path could lead elsewhere. Extended attributes of what must not be opened are the one exception: they are
//! set by the name in that folder, as /proc shows it.

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

use super::config::Own;
use super::failure::WriteFailed;
use crate::error::Result;
use crate::filesystem::{NodeId, NodeKind, Places, ROOT, Tree};
use crate::image::layer::quote::quote;
use crate::image::layer::tar_reader::{Attributes, SpecialFile};
use crate::store::ReadError;

/// A folder that a [`Tree`] is written to.
pub struct Rootfs<'a> {
    tree: &'a Tree,
    path: &'a Path,
    root: OwnedFd,
    /// Whose all files are, whatever the image says: of a user who may give them to nobody else.
    own: Option<Own>,
    places: Places<'a>,
    /// The folder that was last written to: the next file is often in it too.
    open: Option<(NodeId, OwnedFd)>,
    /// Extended attributes that could not be set.
    left_out: BTreeSet<String>,
}

/// Folders that are on the way to others; what is in them is open to nobody else until all is written.
const PRIVATE: Mode = Mode::RWXU;

impl<'a> Rootfs<'a> {
    /// Makes the folder `path`, with all of the tree's folders, symbolic links, devices and pipes in it.
    ///
    /// # Errors
    /// Of writing.
    pub fn begin(tree: &'a Tree, path: &'a Path, own: Option<Own>) -> Result<Rootfs<'a>> {
        let failed = |error: Errno| WriteFailed::report("create", path, error.into());
        mkdirat(CWD, path, PRIVATE).map_err(failed)?;
        let root = open_folder(CWD, path.as_os_str().as_bytes()).map_err(failed)?;
        let mut rootfs =
            Rootfs { tree, path, root, own, places: Places::of(tree), open: None, left_out: BTreeSet::new() };
        let root = rootfs.root.try_clone().map_err(|error| WriteFailed::report("open", path, error))?;
        rootfs.make(ROOT, root.as_fd())?;
        Ok(rootfs)
    }

    /// Writes the content of a file.
    ///
    /// # Errors
    /// Of reading, as they are; of writing.
    pub fn file(&mut self, node: NodeId, content: &mut dyn Read) -> Result<()> {
        let tree = self.tree;
        let Some((folder, name)) = self.places.get(node) else {
            return Ok(());
        };
        let attributes = &tree.node(node).attributes;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = self.folder(folder).and_then(|folder| openat(folder, name, flags, Mode::RUSR | Mode::WUSR));
        let mut file = File::from(opened.map_err(|error| self.failed(folder, name, error.into()))?);
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = content.read(&mut buffer).map_err(ReadError)?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).map_err(|error| self.failed(folder, name, errno(&error).into()))?;
        }
        self.set(file.as_fd(), attributes).map_err(|error| self.failed(folder, name, error))
    }

    /// Gives files their further names and folders their attributes; what could not be kept is told.
    ///
    /// # Errors
    /// Of writing.
    pub fn finish(mut self) -> Result<BTreeSet<String>> {
        self.link()?;
        let root = self.root.try_clone().map_err(|error| WriteFailed::report("open", self.path, error))?;
        self.close(ROOT, root.as_fd())?;
        Ok(self.left_out)
    }

    fn make(&mut self, folder: NodeId, here: BorrowedFd) -> Result<()> {
        let tree = self.tree;
        for (name, node) in tree.children(folder) {
            crate::interrupt::check().map_err(Report::from_err)?;
            let is_first = self.places.get(node) == Some((folder, name));
            let attributes = &tree.node(node).attributes;
            let made = match &tree.node(node).kind {
                NodeKind::Directory(_) => {
                    let made = mkdirat(here, name, PRIVATE).and_then(|()| open_folder(here, name));
                    self.make(node, made.map_err(|error| self.failed(folder, name, error.into()))?.as_fd())?;
                    Ok(())
                }
                // Files come with their content; further names when all have one.
                NodeKind::File { .. } => Ok(()),
                _ if !is_first => Ok(()),
                NodeKind::Symlink(target) => symlinkat(target, here, name)
                    .map_err(NotSet::from)
                    .and_then(|()| self.set_named(here, name, attributes, false)),
                NodeKind::Special(special) => make_special(here, name, *special)
                    .map_err(NotSet::from)
                    .and_then(|()| self.set_named(here, name, attributes, true)),
            };
            made.map_err(|error| self.failed(folder, name, error))?;
        }
        Ok(())
    }

    /// Gives files their further names, before any folder is closed: perhaps also to its maker.
    fn link(&mut self) -> Result<()> {
        let mut open: Option<(NodeId, OwnedFd)> = None;
        for (folder, name, node) in self.tree.names() {
            let Some((first, known)) = self.places.get(node).filter(|first| *first != (folder, name)) else { continue };
            crate::interrupt::check().map_err(Report::from_err)?;
            if open.as_ref().is_none_or(|(open, _)| *open != folder) {
                let opened = self.open(folder).map_err(|error| self.failed(folder, name, error.into()))?;
                open = Some((folder, opened));
            }
            let Some((_, here)) = &open else { continue };
            let first = self.folder(first);
            let linked = first.and_then(|first| linkat(first, known, here, name, AtFlags::empty()));
            linked.map_err(|error| self.failed(folder, name, error.into()))?;
        }
        Ok(())
    }

    fn close(&mut self, folder: NodeId, here: BorrowedFd) -> Result<()> {
        crate::interrupt::check().map_err(Report::from_err)?;
        let tree = self.tree;
        for (name, node) in tree.children(folder) {
            if matches!(tree.node(node).kind, NodeKind::Directory(_)) {
                let below = open_folder(here, name).map_err(|error| self.failed(folder, name, error.into()))?;
                self.close(node, below.as_fd())?;
            }
        }
        let set = self.set(here, &tree.node(folder).attributes);
        set.map_err(|error| self.failed(folder, b"", error))
    }

    /// A folder of the tree, opened.
    fn folder(&mut self, node: NodeId) -> rustix::io::Result<BorrowedFd<'_>> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != node) {
            self.open = Some((node, self.open(node)?));
        }
        Ok(self.open.as_ref().map_or(self.root.as_fd(), |(_, folder)| folder.as_fd()))
    }

    fn open(&self, node: NodeId) -> rustix::io::Result<OwnedFd> {
        let mut folder = open_folder(&self.root, b".")?;
        for name in self.places.path(node) {
            folder = open_folder(&folder, name)?;
        }
        Ok(folder)
    }

    /// Owner, then what a change of the owner takes away, then the rest: setuid, and the rights of files.
    fn set(&mut self, file: BorrowedFd, attributes: &Attributes) -> Result<(), NotSet> {
        let (uid, gid) = self.owner(attributes);
        fchown(file, Some(uid), Some(gid))?;
        for (name, value) in &attributes.xattrs {
            let set = |name: &[u8]| fsetxattr(file, name, value, XattrFlags::empty());
            self.set_xattr(name, set)?;
        }
        fchmod(file, Mode::from_raw_mode(attributes.mode))?;
        Ok(futimens(file, &times(attributes))?)
    }

    /// The same for what must not be opened: a device would notice, and a symbolic link cannot be.
    fn set_named(
        &mut self,
        here: BorrowedFd,
        name: &[u8],
        attributes: &Attributes,
        has_mode: bool,
    ) -> Result<(), NotSet> {
        let (uid, gid) = self.owner(attributes);
        chownat(here, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        for (key, value) in &attributes.xattrs {
            let descriptor = std::os::fd::AsRawFd::as_raw_fd(&here);
            let path = [format!("/proc/self/fd/{descriptor}/").as_bytes(), name].concat();
            let set = |key: &[u8]| lsetxattr(&path, key, value, XattrFlags::empty());
            self.set_xattr(key, set)?;
        }
        if has_mode {
            // It is no symbolic link, which this would follow and which has no rights of its own.
            chmodat(here, name, Mode::from_raw_mode(attributes.mode), AtFlags::empty())?;
        }
        Ok(utimensat(here, name, &times(attributes), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn owner(&self, attributes: &Attributes) -> (Uid, Gid) {
        let (uid, gid) = self.own.unwrap_or(attributes.owner);
        (Uid::from_raw(uid), Gid::from_raw(gid))
    }

    fn set_xattr(&mut self, name: &[u8], set: impl FnOnce(&[u8]) -> rustix::io::Result<()>) -> Result<(), NotSet> {
        match set(name) {
            Ok(()) => return Ok(()),
            // A file system may not know them; and what is not the user's to set is not the user's to lose.
            Err(Errno::NOTSUP) => {}
            Err(Errno::PERM | Errno::ACCESS) if self.own.is_some() => {}
            Err(cause) => return Err(NotSet { xattr: Some(name.to_owned()), cause }),
        }
        self.left_out.insert(String::from_utf8_lossy(name).into_owned());
        Ok(())
    }

    /// What could not be written, by its name in the image.
    fn failed(&self, folder: NodeId, name: &[u8], error: NotSet) -> Report {
        let mut names = self.places.path(folder);
        names.extend(Some(name).filter(|name| !name.is_empty()));
        let path = quote(&[b"/", names.join(&b'/').as_slice()].concat());
        let what = match error.xattr {
            Some(xattr) => format!("the extended attribute {} of {path}", quote(&xattr)),
            None => path,
        };
        WriteFailed { what: format!("write {what} of the image"), cause: error.cause.into() }.into()
    }
}

/// What could not be done to a file, perhaps with one of its extended attributes.
struct NotSet {
    xattr: Option<Vec<u8>>,
    cause: Errno,
}

impl From<Errno> for NotSet {
    fn from(cause: Errno) -> NotSet {
        NotSet { xattr: None, cause }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn make_special(here: BorrowedFd, name: &[u8], special: SpecialFile) -> rustix::io::Result<()> {
    let (kind, device) = match special {
        SpecialFile::Character(major, minor) => (FileType::CharacterDevice, makedev(major, minor)),
        SpecialFile::Block(major, minor) => (FileType::BlockDevice, makedev(major, minor)),
        SpecialFile::Fifo => (FileType::Fifo, 0),
    };
    mknodat(here, name, kind, Mode::empty(), device)
}

fn open_folder(above: impl AsFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    openat(above, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn times(attributes: &Attributes) -> Timestamps {
    let (seconds, nanos) = attributes.mtime;
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}
