//! Tars by a recipe, which says what Go's reader returns of them, and tars of any bytes.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::input::FuzzInput;
use crate::filesystem::{EntryIndex, PathIndex, Tree};
use crate::image::layer::name::extended_header;
use crate::image::layer::pax;
use crate::image::layer::tar_reader::{SpecialFile, TarEntry, TarEntryKind, TarReader};

pub(super) const WORDS: &[&str] = &[
    "ustar\u{0}00",
    "ustar  \u{0}",
    "30 mtime=1.5\n",
    "path=",
    "linkpath=",
    "size=",
    "SCHILY.xattr.user.a=",
    "GNU.sparse.major=1",
    "././@LongLink",
    "0000644\u{0}",
    "00000000010\u{0}",
    "77777777777\u{0}",
    "../",
    ".wh..wh..opq",
    "\u{0}\u{0}\u{0}\u{0}",
    "L",
    "K",
    "x",
    "g",
    "S",
    "5",
    "2",
    "1",
];

const BLOCK: usize = 512;
/// The kinds of entries, as headers have them.
const KINDS: [u8; 10] = [b'0', b'0', b'0', 0, b'5', b'2', b'1', b'3', b'6', b'7'];

/// A tar, and the entries that it has.
struct Recipe {
    tar: Vec<u8>,
    expected: Vec<(Vec<u8>, TarEntryKind, Vec<u8>)>,
}

/// What the headers before an entry say about it.
#[derive(Default)]
struct Before {
    gnu_path: String,
    gnu_link: String,
    pax_path: String,
    pax_link: String,
}

fn name(input: &mut FuzzInput) -> String {
    let name = input.name().replace('\0', "");
    if name.is_empty() { "x".to_owned() } else { name }
}

fn add(tar: &mut Vec<u8>, mut header: Header, content: &[u8]) {
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}

impl Recipe {
    fn new(input: &mut FuzzInput) -> Recipe {
        let mut recipe = Recipe { tar: Vec::new(), expected: Vec::new() };
        for _ in 0..=input.below(6) {
            recipe.entry(input);
        }
        // Some tars end without zeros.
        let end = [0, BLOCK, 2 * BLOCK, 20 * BLOCK][input.below(4)];
        recipe.tar.resize(recipe.tar.len() + end, 0);
        recipe
    }

    fn entry(&mut self, input: &mut FuzzInput) {
        let mut before = Before::default();
        for _ in 0..input.below(4) {
            self.extended(input, &mut before);
        }
        let kind = KINDS[input.below(KINDS.len())];
        let mut header = if input.byte().is_multiple_of(2) { Header::new_ustar() } else { Header::new_gnu() };
        header.set_entry_type(EntryType::new(kind));
        header.as_old_mut().linkflag = [kind];
        header.set_mode(0o644);
        let (own, target) = (name(input), name(input));
        let own = put(&mut header.as_old_mut().name, &own);
        let target = put(&mut header.as_old_mut().linkname, &target);
        let mut path = own;
        if let Some(fields) = header.as_ustar_mut().filter(|_| input.byte() == 0) {
            let prefix = put(&mut fields.prefix, "some/folder");
            path = [&prefix[..], b"/", &path].concat();
        }
        let choose = |gnu: &str, pax: &str, own: Vec<u8>| match (gnu, pax) {
            ("", "") => own,
            ("", pax) => pax.as_bytes().to_vec(),
            (gnu, _) => gnu.as_bytes().to_vec(),
        };
        let path = choose(&before.gnu_path, &before.pax_path, path);
        let target = choose(&before.gnu_link, &before.pax_link, target);
        let is_file = matches!(kind, b'0' | b'7') || kind == 0 && !path.ends_with(b"/");
        let size = input.below(1_500);
        let content = if is_file { input.bytes(size) } else { b"" };
        // The size of a link is that of its target.
        header.set_size(if kind == b'1' { 7 } else { content.len() as u64 });
        let kind = match kind {
            _ if is_file => TarEntryKind::File(content.len() as u64),
            b'1' => TarEntryKind::HardLink(target),
            b'2' => TarEntryKind::Symlink(target),
            b'3' => TarEntryKind::Special(SpecialFile::Character(0, 0)),
            b'6' => TarEntryKind::Special(SpecialFile::Fifo),
            _ => TarEntryKind::Directory,
        };
        add(&mut self.tar, header, content);
        self.expected.push((path, kind, content.to_vec()));
    }

    /// Adds a header that is about the next entry.
    fn extended(&mut self, input: &mut FuzzInput, before: &mut Before) {
        let long = |kind, name: &str| {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(name.len() as u64 + 1);
            (header, format!("{name}\0rest"))
        };
        match input.below(4) {
            0 => {
                before.gnu_path = name(input);
                let (header, content) = long(EntryType::GNULongName, &before.gnu_path);
                add(&mut self.tar, header, &content.as_bytes()[..=before.gnu_path.len()]);
            }
            1 => {
                before.gnu_link = name(input);
                let (header, content) = long(EntryType::GNULongLink, &before.gnu_link);
                add(&mut self.tar, header, &content.as_bytes()[..=before.gnu_link.len()]);
            }
            2 => {
                let mut header = Header::new_ustar();
                header.set_entry_type(EntryType::XGlobalHeader);
                header.set_size(0);
                add(&mut self.tar, header, b"");
                *before = Before::default();
            }
            _ => {
                let mut records = Vec::new();
                // The records of a second header replace those of the first.
                (before.pax_path, before.pax_link) = (String::new(), String::new());
                for _ in 0..=input.below(3) {
                    let value = if input.byte().is_multiple_of(8) { String::new() } else { name(input) };
                    let is_path = input.byte().is_multiple_of(2);
                    pax::append(&mut records, if is_path { b"path" } else { b"linkpath" }, value.as_bytes());
                    *(if is_path { &mut before.pax_path } else { &mut before.pax_link }) = value;
                }
                pax::append(&mut records, b"SCHILY.xattr.user.a", b"b\n12 path=c\n");
                self.tar.extend(extended_header(&records));
            }
        }
    }
}

/// Writes what fits of a name into a field. Returns it.
fn put(field: &mut [u8], name: &str) -> Vec<u8> {
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name.as_bytes()[..length]);
    field[..length].to_vec()
}

fn read(tar: impl Read) -> io::Result<Vec<(TarEntry, Vec<u8>)>> {
    let mut entries = TarReader::new(tar);
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry()? {
        let mut content = Vec::new();
        entries.read_to_end(&mut content)?;
        found.push((entry, content));
    }
    Ok(found)
}

/// A reader that yields one byte at a time.
struct OneByOne<'a>(&'a [u8]);

impl Read for OneByOne<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(1);
        self.0.read(&mut buffer[..count])
    }
}

/// Returns the tar with right checksums, without which a reader rejects each change.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut tar = data.to_vec();
    let mut at = 0;
    while at + BLOCK <= tar.len() {
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(&tar[at..at + BLOCK]);
        if header.as_bytes().iter().any(|byte| *byte != 0) {
            header.set_cksum();
            tar[at..at + BLOCK].copy_from_slice(header.as_bytes());
        }
        let size = usize::try_from(header.size().unwrap_or_default()).unwrap_or(usize::MAX).min(tar.len());
        at += BLOCK + size.next_multiple_of(BLOCK);
    }
    tar
}

pub(super) fn reader(data: &[u8]) {
    let recipe = Recipe::new(&mut FuzzInput::new(data));
    let found = read(&recipe.tar[..]).expect("a valid tar");
    let found: Vec<_> = found.into_iter().map(|(entry, content)| (entry.path, entry.kind, content)).collect();
    assert_eq!(found, recipe.expected);
    for tar in [data.to_vec(), with_checksums(data)] {
        let found = read(&tar[..]);
        if tar.len() < 4 * BLOCK {
            let slowly = read(OneByOne(&tar));
            assert_eq!(slowly.as_ref().ok(), found.as_ref().ok(), "the size of reads does not matter");
        }
        let total: usize = found.into_iter().flatten().map(|(_, content)| content.len()).sum();
        assert!(total <= tar.len(), "{total} of {}", tar.len());
    }
}

/// Applies the entries as layers of an image, until one is rejected.
fn apply(tree: &mut Tree, layer: usize, tar: &[u8]) -> Option<()> {
    let mut entries = TarReader::new(tar);
    let mut entry = 0;
    while let Some(found) = entries.next_entry().ok()? {
        tree.apply(found, EntryIndex { layer, entry }).ok()?;
        entry += 1;
    }
    Some(())
}

/// Whatever layers say, every name is one of a file in the image.
pub(super) fn tree(data: &[u8]) {
    let mut input = FuzzInput::new(data);
    let layers = [Recipe::new(&mut input).tar, with_checksums(data), Recipe::new(&mut input).tar];
    let mut tree = Tree::default();
    for (layer, tar) in layers.iter().enumerate() {
        let _ = apply(&mut tree, layer, tar);
    }
    for entry in tree.entries() {
        let is_name =
            !matches!(entry.name, b"" | b"." | b"..") && !entry.name.iter().any(|byte| matches!(byte, b'/' | 0));
        assert!(is_name, "{:?}", String::from_utf8_lossy(entry.name));
    }
    let paths = PathIndex::new(&tree);
    for entry in tree.entries().take(100) {
        assert!(paths.path(entry.node).len() <= 256 + 1);
    }
    let _ = tree.check_growth();
    let _ = tree.find(&String::from_utf8_lossy(data));
}
