//! A tar, read entry by entry: ustar, GNU's long names and PAX records (POSIX pax, "pax Interchange Format").
//!
//! The `tar` crate writes tars here, but it does not read those of untrusted images: it splits PAX records at line
//! breaks, which extended attributes may hold, and it does not limit the length of names.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Seek};

use tar::{EntryType, Header};

use super::field::{device, has_valid_checksum, invalid_data, is_zero_block, signed, to_u32, unsigned, until_nul};
use super::pax::PaxRecords;
use super::quote::quote;

/// A file system object, as a tar describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarEntry {
    /// The path as written in the tar: it is not validated.
    pub path: Vec<u8>,
    /// The type, with what belongs to it.
    pub kind: TarEntryKind,
    /// Owner, permissions, time and extended attributes.
    pub attributes: Attributes,
}

/// The type of a [`TarEntry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TarEntryKind {
    /// A folder.
    Directory,
    /// A regular file and its size in bytes. The content follows.
    File(u64),
    /// Another name of an earlier file: the path of that file in the tar.
    HardLink(Vec<u8>),
    /// A symbolic link and its target, which is not validated.
    Symlink(Vec<u8>),
    /// A device or a named pipe.
    Special(SpecialFile),
}

/// A device or a named pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialFile {
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// Owner, permissions, time and extended attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, with setuid, setgid and sticky: up to `0o7777`.
    pub mode: u32,
    /// Numeric user and group.
    pub owner: (u32, u32),
    /// The time of the last modification: seconds since 1970, and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The size of a tar block in bytes.
const BLOCK: u64 = 512;
/// The maximum size of an extended header: the limit of Go's reader, and so of all engines.
const MAX_EXTENDED_HEADER: u64 = 1 << 20;
/// The maximum number of extended headers before one entry.
const MAX_EXTENDED_HEADERS: usize = 16;

/// A reader of the entries of a tar. [`Read`] yields the content of the current entry.
pub struct TarReader<R> {
    tar: BufReader<R>,
    /// How many bytes of the entry's content are left.
    remaining: u64,
    /// How many bytes of padding follow the content.
    padding: u64,
}

/// What extended headers say about the entry behind them.
#[derive(Default)]
struct ExtendedHeaders {
    gnu_path: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    pax: PaxRecords,
}

impl ExtendedHeaders {
    /// Returns the path of the entry. GNU's name has priority over PAX's, as in Go and so in all engines.
    fn path(&self, header: &Header) -> Vec<u8> {
        let gnu_path = self.gnu_path.as_ref().filter(|path| !path.is_empty());
        gnu_path.or(self.pax.path.as_ref()).cloned().unwrap_or_else(|| header.path_bytes().into_owned())
    }

    /// Returns the target of a link, by the same priority.
    fn link(&self, header: &Header, path: &[u8]) -> io::Result<Vec<u8>> {
        let gnu_link = self.gnu_link.as_ref().filter(|link| !link.is_empty());
        let link = gnu_link.or(self.pax.link.as_ref()).cloned();
        let link = link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        link.filter(|link| !link.is_empty())
            .ok_or_else(|| invalid_data(format!("the link {} has no target", quote(path))))
    }

    fn attributes(self, header: &Header) -> io::Result<Attributes> {
        let old = header.as_old();
        let mtime = self.pax.mtime.map_or_else(|| signed(&old.mtime).map(|seconds| (seconds, 0)), Ok)?;
        let uid = self.pax.uid.map_or_else(|| unsigned(&old.uid), Ok).and_then(to_u32)?;
        let gid = self.pax.gid.map_or_else(|| unsigned(&old.gid), Ok).and_then(to_u32)?;
        let mode = to_u32(unsigned(&old.mode)?)? & 0o7777;
        Ok(Attributes { mode, owner: (uid, gid), mtime, xattrs: self.pax.xattrs })
    }
}

impl<R: Read> TarReader<R> {
    /// Creates a reader of the entries of `tar`.
    pub fn new(tar: R) -> TarReader<R> {
        TarReader { tar: BufReader::with_capacity(128 << 10, tar), remaining: 0, padding: 0 }
    }

    /// Returns the next entry, or `None` after the last. Skips the rest of the current entry's content.
    ///
    /// # Errors
    /// Returns an error if reading fails, or if the tar is not valid or holds what images do not.
    pub fn next_entry(&mut self) -> io::Result<Option<TarEntry>> {
        let mut extended = ExtendedHeaders::default();
        for _ in 0..MAX_EXTENDED_HEADERS {
            let Some(header) = self.next_header()? else {
                return Ok(None);
            };
            let size = unsigned(&header.as_old().size)?;
            match header.entry_type() {
                EntryType::XHeader => extended.pax = PaxRecords::read(&self.read_extended_header(size)?)?,
                EntryType::GNULongName => {
                    extended.gnu_path = Some(until_nul(&self.read_extended_header(size)?).to_owned());
                }
                EntryType::GNULongLink => {
                    extended.gnu_link = Some(until_nul(&self.read_extended_header(size)?).to_owned());
                }
                // Its records apply to all entries, and none of them matters to an image. Go returns it as an entry of
                // its own, so it also consumes the headers before it.
                EntryType::XGlobalHeader => {
                    self.read_extended_header(size)?;
                    extended = ExtendedHeaders::default();
                }
                _ => return self.entry(&header, size, extended).map(Some),
            }
        }
        Err(invalid_data(format!("more than {MAX_EXTENDED_HEADERS} extended headers for one entry")))
    }

    /// Reads the rest of the tar.
    ///
    /// # Errors
    /// Returns an error if reading fails.
    pub fn finish(mut self) -> io::Result<()> {
        skip(&mut self.tar, u64::MAX).map(drop)
    }

    fn entry(&mut self, header: &Header, size: u64, extended: ExtendedHeaders) -> io::Result<TarEntry> {
        let path = extended.path(header);
        let size = extended.pax.size.unwrap_or(size);
        let kind = kind(header, &path, size, &extended)?;
        // Only files have content; the size of a hard link is that of its target.
        self.begin_content(if let TarEntryKind::File(size) = kind { size } else { 0 })?;
        Ok(TarEntry { path, kind, attributes: extended.attributes(header)? })
    }

    /// Returns the next header, or `None` at the end of the archive.
    fn next_header(&mut self) -> io::Result<Option<Header>> {
        let rest = self.remaining + self.padding;
        if skip(&mut self.tar, rest)? < rest {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.remaining, self.padding) = (0, 0);
        let Some(header) = self.next_block()? else {
            return Ok(None);
        };
        if is_zero_block(&header) {
            // Two zero blocks are the end. Some tars have only one, with nothing behind it.
            return match self.next_block()? {
                Some(next) if !is_zero_block(&next) => Err(invalid_data("data follows the end of the tar")),
                _ => Ok(None),
            };
        }
        if !has_valid_checksum(&header) {
            return Err(invalid_data("not a tar, or corrupt: a header has the wrong checksum"));
        }
        Ok(Some(header))
    }

    /// Returns the next block, or `None` at the end of the file.
    fn next_block(&mut self) -> io::Result<Option<Header>> {
        if self.tar.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut block = Header::new_old();
        self.tar.read_exact(block.as_mut_bytes())?;
        Ok(Some(block))
    }

    fn read_extended_header(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MAX_EXTENDED_HEADER {
            let message = format!("an extended header of {size} bytes exceeds the limit of {MAX_EXTENDED_HEADER}");
            return Err(invalid_data(message));
        }
        self.begin_content(size)?;
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        Ok(content)
    }

    fn begin_content(&mut self, size: u64) -> io::Result<()> {
        if i64::try_from(size).is_err() {
            return Err(invalid_data(format!("the size of an entry is out of range: {size} bytes")));
        }
        self.remaining = size;
        self.padding = size.next_multiple_of(BLOCK) - size;
        Ok(())
    }
}

impl<R: Read + Seek> TarReader<R> {
    /// Skips the content of the current entry without reading it. Returns the position where it begins.
    ///
    /// # Errors
    /// Returns an error if seeking fails.
    pub fn skip_content(&mut self) -> io::Result<u64> {
        let position = self.tar.stream_position()?;
        let rest = i64::try_from(self.remaining.saturating_add(self.padding));
        self.tar.seek_relative(rest.map_err(|_| invalid_data("the size of an entry is out of range"))?)?;
        (self.remaining, self.padding) = (0, 0);
        Ok(position)
    }
}

/// Returns the type of an entry whose content has `size` bytes if it is a file.
fn kind(header: &Header, path: &[u8], size: u64, extended: &ExtendedHeaders) -> io::Result<TarEntryKind> {
    let kind = match header.entry_type() {
        // Tars from before there was a type for folders mark them with a trailing slash.
        EntryType::Regular if header.as_old().linkflag == [0] && path.ends_with(b"/") => TarEntryKind::Directory,
        EntryType::Regular | EntryType::Continuous => TarEntryKind::File(size),
        EntryType::Directory => TarEntryKind::Directory,
        EntryType::Link => TarEntryKind::HardLink(extended.link(header, path)?),
        EntryType::Symlink => TarEntryKind::Symlink(extended.link(header, path)?),
        EntryType::Char => {
            let (major, minor) = device(header)?;
            TarEntryKind::Special(SpecialFile::Character(major, minor))
        }
        EntryType::Block => {
            let (major, minor) = device(header)?;
            TarEntryKind::Special(SpecialFile::Block(major, minor))
        }
        EntryType::Fifo => TarEntryKind::Special(SpecialFile::Fifo),
        EntryType::GNUSparse => return Err(sparse(path)),
        other => {
            let code = other.as_byte();
            return Err(invalid_data(format!("{} has the unknown entry type {code:#04x}", quote(path))));
        }
    };
    if extended.pax.is_sparse { Err(sparse(path)) } else { Ok(kind) }
}

fn sparse(path: &[u8]) -> io::Error {
    invalid_data(format!("{} is a sparse file, which is not supported in a layer", quote(path)))
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        let read = self.tar.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.remaining -= read as u64;
        Ok(read)
    }
}

/// Skips `count` bytes, or all that are left. Returns how many it skipped.
fn skip(tar: &mut impl BufRead, count: u64) -> io::Result<u64> {
    let mut remaining = count;
    while remaining > 0 {
        let buffered = tar.fill_buf()?.len();
        if buffered == 0 {
            break;
        }
        let step = buffered.min(usize::try_from(remaining).unwrap_or(usize::MAX));
        tar.consume(step);
        remaining -= step as u64;
    }
    Ok(count - remaining)
}
