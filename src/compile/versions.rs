//! Symbol versions: those that a program needs of its libraries, and those that a library defines. The loader compares
//! them before it starts a program (glibc's `elf/dl-version.c`).

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use object::read::elf::{FileHeader, SectionTable, Sym};
use object::{Endianness, FileKind, ReadRef, elf};
use serde::{Deserialize, Serialize};

use crate::platform::Target;

/// A version of a library's symbols, such as GLIBC_2.34 of libc.so.6.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SymbolVersion {
    /// The name of the library.
    pub library: String,
    /// The name of the version.
    pub name: String,
    /// A symbol that the program needs in this version, if it can be read.
    pub symbol: Option<String>,
}

/// A version of glibc, such as 2.36.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GlibcVersion {
    /// 2, since 1997.
    pub major: u32,
    /// The number of the release.
    pub minor: u32,
}

/// The glibc that dynamic programs are linked for, by their target.
pub(crate) type GlibcOfTargets = HashMap<Target, GlibcVersion>;

impl GlibcVersion {
    /// The oldest that Rust's standard library can be linked with.
    pub(crate) const OLDEST: GlibcVersion = GlibcVersion { major: 2, minor: 17 };

    /// Returns the version of a glibc whose `libc.so.6` defines these names, or `None` if it is another library.
    pub(crate) fn of(defined: &BTreeSet<String>) -> Option<GlibcVersion> {
        defined.iter().filter_map(|name| GlibcVersion::in_name(name)).max()
    }

    /// Returns the version in the name of a symbol version, such as `GLIBC_2.36`.
    pub(crate) fn in_name(name: &str) -> Option<GlibcVersion> {
        match parse(name)? {
            ("GLIBC_", numbers) => match numbers[..] {
                [major, minor, ..] => Some(GlibcVersion { major, minor }),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Returns the versions without which a program does not start.
///
/// # Errors
/// Returns an error if a section cannot be read.
pub(crate) fn needed<'a, H: FileHeader<Endian = Endianness>, R: ReadRef<'a>>(
    sections: &SectionTable<'a, H, R>,
    endian: Endianness,
    data: R,
) -> object::Result<Vec<SymbolVersion>> {
    let mut versions = Vec::new();
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? else { return Ok(versions) };
    let strings = sections.strings(endian, data, link)?;
    let symbols = symbols(sections, endian, data);
    while let Some((library, mut names)) = libraries.next()? {
        while let Some(name) = names.next()? {
            if !name.vna_flags.get(endian).contains(elf::VER_FLG_WEAK) {
                versions.push(SymbolVersion {
                    library: text(library.file(endian, strings)?),
                    name: text(name.name(endian, strings)?),
                    symbol: symbols.get(&name.vna_other(endian).index()).cloned(),
                });
            }
        }
    }
    Ok(versions)
}

/// Returns a symbol for each version, by the index of the version: the first by name. The loader does not need the table that
/// they are in, so that it may be missing.
fn symbols<'a, H: FileHeader<Endian = Endianness>, R: ReadRef<'a>>(
    sections: &SectionTable<'a, H, R>,
    endian: Endianness,
    data: R,
) -> HashMap<elf::VersionIndex, String> {
    let mut found: HashMap<_, String> = HashMap::new();
    let (Ok(symbols), Ok(Some((versions, _)))) =
        (sections.symbols(endian, data, elf::SHT_DYNSYM), sections.gnu_versym(endian, data))
    else {
        return found;
    };
    for (symbol, version) in symbols.iter().zip(versions) {
        let Ok(name) = symbol.name(endian, symbols.strings()) else { continue };
        let name = text(name);
        let first = found.entry(version.0.get(endian).index()).or_insert_with(|| name.clone());
        if name < *first {
            *first = name;
        }
    }
    found
}

/// Returns the names of the versions that a library defines. Returns `None` if it has none or cannot be read: the loader
/// accepts it, too.
pub(crate) fn defined(library: &[u8]) -> Option<BTreeSet<String>> {
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
    while let Some((_, mut version_names)) = definitions.next()? {
        // The first name is its own, the others are its predecessors.
        if let Some(name) = version_names.next()? {
            names.insert(text(name.name(endian, strings)?));
        }
    }
    Ok(Some(names))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Splits a version into its prefix and its number, such as `GLIBC_` and 2.34. Returns `None` if it has no number.
pub(crate) fn parse(name: &str) -> Option<(&str, Vec<u32>)> {
    let at = name.find(|c: char| c.is_ascii_digit())?;
    let (prefix, number) = name.split_at(at);
    let number: Result<_, _> = number.split('.').map(str::parse).collect();
    Some((prefix, number.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(parse("GLIBC_2.4") < parse("GLIBC_2.34"));
        assert_eq!(parse("GLIBC_2.2.5"), Some(("GLIBC_", vec![2, 2, 5])));
        assert_eq!(parse("GLIBC_PRIVATE"), None);
    }

    #[test]
    fn other_files_define_no_versions() {
        assert_eq!(defined(b"GROUP ( /lib/libc.so.6 )"), None);
        assert_eq!(defined(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0"), None);
    }
}
