//! Symbol versions: those that a program needs of its libraries, and those that a library has. The loader compares just
//! these (glibc's `elf/dl-version.c`) before it starts a program.

use std::collections::BTreeSet;

use object::read::elf::{FileHeader, SectionTable};
use object::{Endianness, FileKind, ReadRef, elf};

/// A version of a library's symbols, such as GLIBC_2.34 of libc.so.6.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The name of the library.
    pub library: String,
    /// That of the version.
    pub name: String,
}

/// Those without which a program does not start.
///
/// # Errors
/// A section that cannot be read.
pub fn needed<'a, H: FileHeader<Endian = Endianness>, R: ReadRef<'a>>(
    sections: &SectionTable<'a, H, R>,
    endian: Endianness,
    data: R,
) -> object::Result<Vec<Version>> {
    let mut versions = Vec::new();
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? else { return Ok(versions) };
    let strings = sections.strings(endian, data, link)?;
    while let Some((library, mut names)) = libraries.next()? {
        while let Some(name) = names.next()? {
            if !name.vna_flags.get(endian).contains(elf::VER_FLG_WEAK) {
                versions.push(Version {
                    library: text(library.file(endian, strings)?),
                    name: text(name.name(endian, strings)?),
                });
            }
        }
    }
    Ok(versions)
}

/// The names of those that a library has; nothing of one that has none or cannot be read: the loader does not refuse it
/// either.
pub fn defined(library: &[u8]) -> Option<BTreeSet<String>> {
    match FileKind::parse(library).ok()? {
        FileKind::Elf32 => defined_in::<elf::FileHeader32<Endianness>>(library),
        FileKind::Elf64 => defined_in::<elf::FileHeader64<Endianness>>(library),
        _ => return None,
    }
    .ok()?
}

fn defined_in<H: FileHeader<Endian = Endianness>>(data: &[u8]) -> object::Result<Option<BTreeSet<String>>> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let Some((mut definitions, link)) = sections.gnu_verdef(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, link)?;
    let mut names = BTreeSet::new();
    while let Some((_, mut own)) = definitions.next()? {
        // The first is its name, the others are those it follows on.
        if let Some(name) = own.next()? {
            names.insert(text(name.name(endian, strings)?));
        }
    }
    Ok(Some(names))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// What a version is called without its number, and the number: GLIBC_ and 2.34. Nothing where it has none.
pub fn numbered(name: &str) -> Option<(&str, Vec<u32>)> {
    let at = name.find(|c: char| c.is_ascii_digit())?;
    let (series, number) = name.split_at(at);
    let number: Result<_, _> = number.split('.').map(str::parse).collect();
    Some((series, number.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_ordered_by_its_number() {
        assert!(numbered("GLIBC_2.4") < numbered("GLIBC_2.34"));
        assert_eq!(numbered("GLIBC_2.2.5"), Some(("GLIBC_", vec![2, 2, 5])));
        assert_eq!(numbered("GLIBC_PRIVATE"), None);
    }

    #[test]
    fn what_is_no_library_has_no_versions() {
        assert_eq!(defined(b"GROUP ( /lib/libc.so.6 )"), None);
        assert_eq!(defined(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0"), None);
    }
}
