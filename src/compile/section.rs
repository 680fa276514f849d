//! Adds a section to a linked program (System V ABI, "Sections").
//!
//! The section is appended and not loaded: the code that runs stays the same, byte for byte, with any linker.
//! cargo-auditable makes the linker add it, and for that wraps the compiler; then the program depends on whether
//! cargo-auditable is installed.

use miette::miette;
use object::Endianness;
use object::read::elf::{FileHeader, SectionHeader};
use object::{FileKind, elf};

use crate::error::Result;

/// Returns the program with the section, or `None` if it already has a section of that name, or no room for one.
///
/// # Errors
/// Returns an error if the file is not an ELF program, or its sections cannot be read.
pub(crate) fn add(program: &[u8], name: &str, content: &[u8]) -> Result<Option<Vec<u8>>> {
    let added = match FileKind::parse(program) {
        Ok(FileKind::Elf32) => add_to::<elf::FileHeader32<Endianness>>(program, name, content),
        Ok(FileKind::Elf64) => add_to::<elf::FileHeader64<Endianness>>(program, name, content),
        _ => return Err(miette!("not an ELF program")),
    };
    added.map_err(|error| miette!("cannot read its sections: {error}"))
}

/// The type of a section with content that the program defines (`SHT_PROGBITS`).
const PROGBITS: u64 = 1;
/// From this number on, the header does not hold the number of sections (`SHN_LORESERVE`).
const RESERVED: usize = 0xff00;

/// The offsets of fields in headers, in bytes.
struct HeaderLayout {
    /// The size of an address.
    address: usize,
    /// In the header of the file: the offset and the number of section headers.
    headers: usize,
    count: usize,
    /// In the header of a section: its offset and size.
    offset: usize,
    size: usize,
}

const LAYOUT_32: HeaderLayout = HeaderLayout { address: 4, headers: 0x20, count: 0x30, offset: 0x10, size: 0x14 };
const LAYOUT_64: HeaderLayout = HeaderLayout { address: 8, headers: 0x28, count: 0x3c, offset: 0x18, size: 0x20 };

fn add_to<H: FileHeader<Endian = Endianness>>(
    program: &[u8],
    name: &str,
    content: &[u8],
) -> object::Result<Option<Vec<u8>>> {
    let header = H::parse(program)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, program)?;
    if sections.section_by_name(endian, name.as_bytes()).is_some() {
        return Ok(None);
    }
    let layout = if header.is_type_64() { LAYOUT_64 } else { LAYOUT_32 };
    let put = |bytes: &mut [u8], at: usize, size: usize, value: u64| {
        let value = match endian {
            Endianness::Little => value.to_le_bytes()[..size].to_vec(),
            Endianness::Big => value.to_be_bytes()[8 - size..].to_vec(),
        };
        bytes[at..at + size].copy_from_slice(&value);
    };
    let (strings, number) = (header.section_strings_index(endian, program)?.0, sections.len());
    let names = sections.section(object::SectionIndex(strings))?.data(endian, program)?;
    let size = usize::from(header.e_shentsize(endian));
    let first: u64 = header.e_shoff(endian).into();
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let headers = first.checked_add(size * number).and_then(|end| program.get(first..end)).unwrap_or_default();
    // A table of names begins with the empty one, each ends in a NUL, and sections have those that are there: else others
    // would get the new name, or a part of it.
    let are_named = sections.iter().all(|section| (section.sh_name(endian) as usize) < names.len());
    let has_names = are_named && names.first() == Some(&0) && names.last() == Some(&0);
    if headers.is_empty() || number + 1 >= RESERVED || !has_names {
        return Ok(None);
    }

    let mut made = program.to_vec();
    let content_at = made.len();
    made.extend_from_slice(content);
    let names_at = made.len();
    made.extend_from_slice(names);
    made.extend_from_slice(name.as_bytes());
    made.push(0);
    let names_size = made.len() - names_at;
    made.resize(made.len().next_multiple_of(8), 0);
    let headers_at = made.len();
    let mut table = headers.to_vec();
    let of_names = strings * size;
    put(&mut table, of_names + layout.offset, layout.address, names_at as u64);
    put(&mut table, of_names + layout.size, layout.address, names_size as u64);
    let mut own = vec![0; size];
    put(&mut own, 0, 4, names.len() as u64);
    put(&mut own, 4, 4, PROGBITS);
    put(&mut own, layout.offset, layout.address, content_at as u64);
    put(&mut own, layout.size, layout.address, content.len() as u64);
    put(&mut own, size - 2 * layout.address, layout.address, 1);
    made.extend(table);
    made.extend(own);
    put(&mut made, layout.headers, layout.address, headers_at as u64);
    put(&mut made, layout.count, 2, (number + 1) as u64);
    Ok(Some(made))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use object::{Object, ObjectSection};

    #[test]
    fn section_is_appended_once() {
        let own = std::env::current_exe().and_then(std::fs::read).expect("this program");
        let made = add(&own, ".dep-v0", b"content").expect("a program").expect("no such section");
        let file = object::File::parse(&*made).expect("a program");
        assert_eq!(file.section_by_name(".dep-v0").and_then(|section| section.data().ok()), Some(&b"content"[..]));
        let before = object::File::parse(&*own).expect("a program");
        for section in before.sections() {
            let same = section.name().ok().and_then(|name| file.section_by_name(name)).expect("the same section");
            assert_eq!((same.address(), same.size()), (section.address(), section.size() + growth(&section)));
        }
        // Only the header of the file has changed.
        assert_eq!(made[0x40..own.len()], own[0x40..]);
        assert!(add(&made, ".dep-v0", b"other").expect("a program").is_none());
        assert!(add(b"#!/bin/sh\n", ".dep-v0", b"").is_err());
    }

    /// Returns by how much a section has grown: the table of names has one more.
    fn growth<'a>(section: &impl ObjectSection<'a>) -> u64 {
        if section.name() == Ok(".shstrtab") { ".dep-v0".len() as u64 + 1 } else { 0 }
    }
}
