//! A tar, read entry by entry: ustar, GNU's long names and PAX records (POSIX pax, "pax Interchange Format").
//!
//! The crate that writes tars here is not what reads those of strangers: it takes PAX records apart at line breaks, which
//! extended attributes may hold, and it has no bound for long names.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use tar::{EntryType, Header};

use super::pax;

/// A file system object, as a tar describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarEntry {
    /// Its name, as it is written: nothing is known of it.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: TarEntryKind,
    /// Whose it is, and who may do what with it.
    pub attributes: Attributes,
}

/// What an [`TarEntry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TarEntryKind {
    /// A folder.
    Directory,
    /// A regular file of that many bytes, which follow.
    File(u64),
    /// Another name of a file that came before: its path in the tar.
    HardLink(Vec<u8>),
    /// A symbolic link, to whatever is written there.
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

/// Owner, rights, time and extended attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, with setuid, setgid and sticky: up to `0o7777`.
    pub mode: u32,
    /// Numeric user and group.
    pub owner: (u32, u32),
    /// When it was changed: seconds since 1970, and nanoseconds beyond.
    pub mtime: (i64, u32),
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A block of a tar, in bytes.
const BLOCK: u64 = 512;
/// What describes one entry, beyond its header, is never longer: as Go's reader has it, and with it all engines.
const MOST_EXTRA: u64 = 1 << 20;
/// Extended headers before one entry: more are no description.
const MOST_HEADERS: usize = 16;

/// The entries of a tar. Between two of them, [`Read`] gives the content of the first.
pub struct TarReader<R> {
    tar: BufReader<R>,
    /// What is left of the entry's content, and of the padding behind it.
    left: u64,
    padding: u64,
}

/// What extended headers say of the entry they precede.
#[derive(Default)]
struct Extra {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    records: pax::PaxRecords,
}

impl<R: Read> TarReader<R> {
    /// The entries of `tar`.
    pub fn new(tar: R) -> TarReader<R> {
        TarReader { tar: BufReader::with_capacity(128 << 10, tar), left: 0, padding: 0 }
    }

    /// The next entry; nothing after the last. What was not read of the content before is skipped.
    ///
    /// # Errors
    /// Of reading; a tar that is broken, or holds what no image does.
    pub fn next_entry(&mut self) -> io::Result<Option<TarEntry>> {
        let mut extra = Extra::default();
        for _ in 0..MOST_HEADERS {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let size = number(&header.as_old().size)?;
            match header.entry_type() {
                EntryType::XHeader => extra.records = pax::PaxRecords::read(&self.extra(size)?)?,
                EntryType::GNULongName => extra.long_name = Some(until_nul(&self.extra(size)?).to_owned()),
                EntryType::GNULongLink => extra.long_link = Some(until_nul(&self.extra(size)?).to_owned()),
                // It is about all entries, and nothing in it is about an image. To Go it is an entry of its own, which
                // takes what was said before.
                EntryType::XGlobalHeader => {
                    self.extra(size)?;
                    extra = Extra::default();
                }
                kind => return self.entry(&header, kind, size, extra).map(Some),
            }
        }
        Err(invalid(format!("more than {MOST_HEADERS} extended headers before one entry")))
    }

    /// Reads on to the end of the tar, and to that of what it is read from.
    ///
    /// # Errors
    /// Of reading.
    pub fn finish(mut self) -> io::Result<()> {
        skip(&mut self.tar, u64::MAX).map(|_| ())
    }

    fn entry(&mut self, header: &Header, kind: EntryType, size: u64, extra: Extra) -> io::Result<TarEntry> {
        let Extra { long_name, long_link, records } = extra;
        // Where there are both, Go takes GNU's, and with it all engines: what they see is what is unpacked here.
        let long = |name: Option<Vec<u8>>| name.filter(|name| !name.is_empty());
        let path = long(long_name).or(records.path).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = || {
            let said = long(long_link).or(records.link.clone());
            said.or_else(|| header.link_name_bytes().map(|name| name.into_owned()))
        };
        let link =
            || link().filter(|link| !link.is_empty()).ok_or_else(|| invalid(format!("{} leads nowhere", show(&path))));
        let device = || -> io::Result<(u32, u32)> {
            let fields = header.as_ustar().map(|header| (header.dev_major, header.dev_minor));
            let fields = fields.or(header.as_gnu().map(|header| (header.dev_major, header.dev_minor)));
            let (major, minor) = fields.unwrap_or_default();
            Ok((small(number(&major)?)?, small(number(&minor)?)?))
        };
        let old = header.as_old();
        let kind = match kind {
            // Before there was a type for them, folders ended in a slash.
            EntryType::Regular if old.linkflag == [0] && path.ends_with(b"/") => TarEntryKind::Directory,
            EntryType::Regular | EntryType::Continuous => TarEntryKind::File(records.size.unwrap_or(size)),
            EntryType::Directory => TarEntryKind::Directory,
            EntryType::Link => TarEntryKind::HardLink(link()?),
            EntryType::Symlink => TarEntryKind::Symlink(link()?),
            EntryType::Char => {
                device().map(|(major, minor)| TarEntryKind::Special(SpecialFile::Character(major, minor)))?
            }
            EntryType::Block => {
                device().map(|(major, minor)| TarEntryKind::Special(SpecialFile::Block(major, minor)))?
            }
            EntryType::Fifo => TarEntryKind::Special(SpecialFile::Fifo),
            EntryType::GNUSparse => return Err(sparse(&path)),
            other => return Err(invalid(format!("{} is of the unknown type {:#04x}", show(&path), other.as_byte()))),
        };
        if records.is_sparse {
            return Err(sparse(&path));
        }
        // Only files have content; the size of a hard link is that of the file it is to.
        let size = if let TarEntryKind::File(size) = kind { size } else { 0 };
        self.expect(size)?;
        let mtime = match records.mtime {
            Some(mtime) => mtime,
            None => (signed(&old.mtime)?, 0),
        };
        let attributes = Attributes {
            mode: small(number(&old.mode)?)? & 0o7777,
            owner: (
                records.uid.map_or_else(|| number(&old.uid), Ok).and_then(small)?,
                records.gid.map_or_else(|| number(&old.gid), Ok).and_then(small)?,
            ),
            mtime,
            xattrs: records.xattrs,
        };
        Ok(TarEntry { path, kind, attributes })
    }

    /// The next header that is not the end of the archive: a block of zeros, or nothing any more.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let left = self.left + self.padding;
        if skip(&mut self.tar, left)? < left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.left, self.padding) = (0, 0);
        let Some(header) = self.block()? else {
            return Ok(None);
        };
        let bytes = header.as_bytes();
        let is_zero = |header: &Header| header.as_bytes().iter().all(|byte| *byte == 0);
        if is_zero(&header) {
            // Two of them are the end; some tars have only one, but with nothing behind it.
            return match self.block()? {
                Some(next) if !is_zero(&next) => Err(invalid("something follows a block of zeros".to_owned())),
                _ => Ok(None),
            };
        }
        // The checksum counts its own field as spaces.
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        let sum = sum(&bytes[..148]) + sum(&bytes[156..]) + 8 * u64::from(b' ');
        if number(&bytes[148..156]).ok() != Some(sum) {
            return Err(invalid("it is not a tar, or broken: the checksum of a header is wrong".to_owned()));
        }
        Ok(Some(header))
    }

    /// The next block; nothing at the end.
    fn block(&mut self) -> io::Result<Option<Header>> {
        if self.tar.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut block = Header::new_old();
        self.tar.read_exact(block.as_mut_bytes())?;
        Ok(Some(block))
    }

    /// The content of an extended header.
    fn extra(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MOST_EXTRA {
            return Err(invalid(format!("an extended header of {size} bytes; more than {MOST_EXTRA} are refused")));
        }
        self.expect(size)?;
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        Ok(content)
    }

    fn expect(&mut self, size: u64) -> io::Result<()> {
        if size > i64::MAX as u64 {
            return Err(invalid(format!("an entry of {size} bytes")));
        }
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK) - size;
        Ok(())
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.tar.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Reads past `count` bytes, or to the end; gives how many there were.
fn skip(tar: &mut impl BufRead, count: u64) -> io::Result<u64> {
    let mut left = count;
    while left > 0 {
        let here = tar.fill_buf()?.len();
        if here == 0 {
            break;
        }
        let step = here.min(usize::try_from(left).unwrap_or(usize::MAX));
        tar.consume(step);
        left -= step as u64;
    }
    Ok(count - left)
}

/// A number of a header: octal digits, or, where the first bit is set, the bytes themselves (GNU's way for large ones).
fn number(field: &[u8]) -> io::Result<u64> {
    u64::try_from(signed(field)?).map_err(|_| invalid("a number in a header is negative".to_owned()))
}

fn signed(field: &[u8]) -> io::Result<i64> {
    let wrong = || invalid(format!("a header holds {} where a number should be", show(field)));
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        // Two's complement of seven bits in the first byte, and eight in each that follows.
        let start = if field[0] & 0x40 == 0 { i128::from(field[0] & 0x7f) } else { i128::from(field[0]) - 0x100 };
        let value =
            field[1..].iter().try_fold(start, |value, byte| value.checked_mul(256)?.checked_add((*byte).into()));
        return value.and_then(|value| i64::try_from(value).ok()).ok_or_else(wrong);
    }
    let digits = until_nul(field).trim_ascii();
    if digits.is_empty() {
        return Ok(0);
    }
    let text = std::str::from_utf8(digits).map_err(|_| wrong())?;
    i64::from_str_radix(text, 8).map_err(|_| wrong())
}

/// A mode, a user, a group, a part of a device's number. The largest one is no user, but -1.
fn small(number: u64) -> io::Result<u32> {
    let small = u32::try_from(number).ok().filter(|number| *number != u32::MAX);
    small.ok_or_else(|| invalid(format!("a header holds {number} where a smaller number should be")))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn sparse(path: &[u8]) -> io::Error {
    invalid(format!("{} is a sparse file, which layers of images do not hold", show(path)))
}

/// So many characters of a name are shown: those of strangers may be without end.
const MOST_SHOWN: usize = 200;
/// So many names of a list.
const MOST_LISTED: usize = 10;

/// Bytes from a tar, for words about them.
pub fn show(bytes: &[u8]) -> String {
    format!("`{}`", cut(&String::from_utf8_lossy(bytes)))
}

/// Names from an image, for words about them.
pub fn list<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(MOST_LISTED);
    let listed: Vec<_> = names.take(MOST_LISTED).map(|name| cut(name)).collect();
    match more {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

pub(super) fn invalid(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(tar: &[u8]) -> io::Result<Vec<(TarEntry, Vec<u8>)>> {
        let mut entries = TarReader::new(tar);
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            let mut content = Vec::new();
            entries.read_to_end(&mut content)?;
            found.push((entry, content));
        }
        Ok(found)
    }

    fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_path("a").expect("a short name");
        header.set_entry_type(kind);
        header.set_mode(0o4755);
        header.set_uid(1);
        header.set_gid(2);
        header.set_mtime(3);
        header.set_size(size);
        header.set_cksum();
        header
    }

    fn tar(parts: &[(Header, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (header, content) in parts {
            tar.append(header, *content).expect("a tar in memory");
        }
        tar.into_inner().expect("a tar in memory")
    }

    #[test]
    fn a_file_is_read_with_all_its_attributes() {
        let found = all(&tar(&[(header(EntryType::Regular, 3), b"abc"), (header(EntryType::Directory, 0), b"")]));
        let found = found.expect("reads");
        assert_eq!(found[0].0.kind, TarEntryKind::File(3));
        assert_eq!(found[0].1, b"abc");
        let attributes = &found[0].0.attributes;
        assert_eq!((attributes.mode, attributes.owner, attributes.mtime), (0o4755, (1, 2), (3, 0)));
        assert_eq!(found[1].0.kind, TarEntryKind::Directory);
    }

    #[test]
    fn records_say_more_than_the_header_and_their_values_may_hold_line_breaks() {
        let mut records = Vec::new();
        for (key, value) in [
            ("path", &b"\xff\xfe/long"[..]),
            ("uid", b"70000000"),
            ("mtime", b"-1.25"),
            ("size", b"2"),
            ("SCHILY.xattr.user.x", b"\n1\n=\0"),
        ] {
            pax::append(&mut records, key.as_bytes(), value);
        }
        let tar = tar(&[
            (header(EntryType::XHeader, records.len() as u64), &records),
            (header(EntryType::Regular, 3), b"ab"),
        ]);
        let found = all(&tar).expect("reads");
        let (entry, content) = &found[0];
        assert_eq!((entry.path.as_slice(), content.as_slice()), (&b"\xff\xfe/long"[..], &b"ab"[..]));
        assert_eq!(entry.attributes.owner, (70_000_000, 2));
        assert_eq!(entry.attributes.mtime, (-2, 750_000_000));
        assert_eq!(entry.attributes.xattrs[&b"user.x"[..]], b"\n1\n=\0");
    }

    #[test]
    fn gnus_long_names_are_read() {
        let name = [vec![b'n'; 300], vec![0]].concat();
        let tar = tar(&[
            (header(EntryType::GNULongName, 301), &name),
            (header(EntryType::GNULongLink, 301), &name),
            (header(EntryType::Symlink, 0), b""),
        ]);
        let found = all(&tar).expect("reads");
        assert_eq!(found[0].0.path, vec![b'n'; 300]);
        assert_eq!(found[0].0.kind, TarEntryKind::Symlink(vec![b'n'; 300]));
    }

    #[test]
    fn names_are_those_that_go_reads() {
        let name = |parts: &[(Header, &[u8])]| all(&tar(parts)).expect("reads").remove(0).0;
        let records = |records: &[(&[u8], &[u8])]| {
            let mut bytes = Vec::new();
            records.iter().for_each(|(key, value)| pax::append(&mut bytes, key, value));
            bytes
        };
        let said = records(&[(b"path", b"pax"), (b"linkpath", b"pax-to")]);
        let pax = || (header(EntryType::XHeader, said.len() as u64), said.as_slice());
        let file = || (header(EntryType::Regular, 0), &b""[..]);
        let long = |kind| (header(kind, 4), &b"gnu\0"[..]);
        for parts in [[long(EntryType::GNULongName), pax(), file()], [pax(), long(EntryType::GNULongName), file()]] {
            assert_eq!(name(&parts).path, b"gnu");
        }
        let link = (header(EntryType::Symlink, 0), &b""[..]);
        let entry = name(&[long(EntryType::GNULongLink), pax(), link]);
        assert_eq!((entry.path, entry.kind), (b"pax".to_vec(), TarEntryKind::Symlink(b"gnu".to_vec())));
        let none = (header(EntryType::GNULongName, 1), &b"\0"[..]);
        assert_eq!(name(&[none, pax(), file()]).path, b"pax");
        // An empty record takes back the one before it, and what comes before a global header is not the entry's.
        let taken_back = records(&[(b"path", b"pax"), (b"path", b"")]);
        let taken_back = (header(EntryType::XHeader, taken_back.len() as u64), taken_back.as_slice());
        assert_eq!(name(&[taken_back, file()]).path, b"a");
        assert_eq!(name(&[pax(), (header(EntryType::XGlobalHeader, 0), b""), file()]).path, b"a");
    }

    #[test]
    fn one_block_of_zeros_is_the_end_only_where_nothing_follows() {
        let whole = tar(&[(header(EntryType::Regular, 0), b"")]);
        let (entry, zeros) = (&whole[..512], &[0; 512][..]);
        assert_eq!(all(&[entry, zeros].concat()).expect("reads").len(), 1);
        assert_eq!(all(&[entry, zeros, zeros, entry].concat()).expect("reads").len(), 1);
        let error = all(&[entry, zeros, entry].concat()).expect_err("is refused");
        assert!(error.to_string().contains("follows a block of zeros"), "{error}");
        assert!(all(&[entry, zeros, &zeros[..100]].concat()).is_err());
    }

    #[test]
    fn numbers_are_octal_or_bytes() {
        assert_eq!(signed(b"0000644\0").expect("a number"), 0o644);
        assert_eq!(signed(b"   644 \0").expect("a number"), 0o644);
        assert_eq!(signed(b"\0\0").expect("a number"), 0);
        assert_eq!(signed(b"\x80\0\0\0\0\0\x01\0").expect("a number"), 256);
        assert_eq!(signed(b"\xff\xff\xff\xff\xff\xff\xff\xfe").expect("a number"), -2);
        assert!(signed(b"9").is_err() && signed(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn words_about_names_without_end_have_one() {
        assert_eq!(show(&[b'n'; 200]), format!("`{}`", "n".repeat(200)));
        assert_eq!(show("ä".repeat(9000).as_bytes()), format!("`{}…`", "ä".repeat(200)));
        let names: Vec<_> = (0..12).map(|number| number.to_string()).collect();
        assert_eq!(list(names[..10].iter()), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
        assert_eq!(list(names.iter()), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }

    #[test]
    fn what_ends_too_early_is_no_tar_or_hides_something_is_an_error() {
        let whole = tar(&[(header(EntryType::Regular, 3), b"abc")]);
        for end in [100, 513, 1000] {
            assert!(all(&whole[..end]).is_err(), "{end}");
        }
        assert_eq!(all(&whole[..1024]).expect("it may end without zeros").len(), 1);
        assert!(all(&[b'x'; 512]).unwrap_err().to_string().contains("not a tar"));
        let words = |parts: &[(Header, &[u8])]| all(&tar(parts)).expect_err("is refused").to_string();
        assert!(words(&[(header(EntryType::GNULongName, 2 << 20), &[b'n'; 2 << 20])]).contains("are refused"));
        assert!(words(&[(header(EntryType::GNUSparse, 0), b"")]).contains("sparse"));
        assert!(words(&[(header(EntryType::new(b'Z'), 0), b"")]).contains("unknown type 0x5a"));
        assert!(words(&[(header(EntryType::Symlink, 0), b"")]).contains("leads nowhere"));
    }
}
