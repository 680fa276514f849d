//! One more section for a program that is linked already (System V ABI, "Sections").
//!
//! It is put behind everything there is, and is not loaded: what runs is the same, byte for byte, whichever linker has made
//! it. cargo-auditable has the linker do it, and for that takes the place of the compiler; cargo then builds another program
//! wherever that is installed.

use miette::miette;
use object::Endianness;
use object::read::elf::{FileHeader, SectionHeader};
use object::{FileKind, elf};

use crate::error::Result;

/// The program with the section; nothing where it has one of that name.
///
/// # Errors
/// What is no program with sections.
pub fn add(program: &[u8], name: &str, content: &[u8]) -> Result<Option<Vec<u8>>> {
    let added = match FileKind::parse(program) {
        Ok(FileKind::Elf32) => added::<elf::FileHeader32<Endianness>>(program, name, content),
        Ok(FileKind::Elf64) => added::<elf::FileHeader64<Endianness>>(program, name, content),
        _ => return Err(miette!("it is no program")),
    };
    added.map_err(|error| miette!("its sections cannot be read: {error}"))
}

/// The type of a section whose content is its own (`SHT_PROGBITS`).
const PROGBITS: u64 = 1;
/// From this number on, the number of sections is written elsewhere (`SHN_LORESERVE`).
const MANY: usize = 0xff00;

/// Where numbers are in headers, by the size of an address in bytes.
struct Places {
    address: usize,
    /// In the file's header: where the headers of sections are, and how many there are.
    headers: usize,
    count: usize,
    /// In that of a section: where it is, and how large.
    offset: usize,
    size: usize,
}

const OF_32: Places = Places { address: 4, headers: 0x20, count: 0x30, offset: 0x10, size: 0x14 };
const OF_64: Places = Places { address: 8, headers: 0x28, count: 0x3c, offset: 0x18, size: 0x20 };

fn added<H: FileHeader<Endian = Endianness>>(
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
    let places = if header.is_type_64() { OF_64 } else { OF_32 };
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
    if headers.is_empty() || number + 1 >= MANY {
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
    put(&mut table, of_names + places.offset, places.address, names_at as u64);
    put(&mut table, of_names + places.size, places.address, names_size as u64);
    let mut own = vec![0; size];
    put(&mut own, 0, 4, names.len() as u64);
    put(&mut own, 4, 4, PROGBITS);
    put(&mut own, places.offset, places.address, content_at as u64);
    put(&mut own, places.size, places.address, content.len() as u64);
    put(&mut own, size - 2 * places.address, places.address, 1);
    made.extend(table);
    made.extend(own);
    put(&mut made, places.headers, places.address, headers_at as u64);
    put(&mut made, places.count, 2, (number + 1) as u64);
    Ok(Some(made))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use object::{Object, ObjectSection};

    #[test]
    fn a_section_is_added_behind_all_else_and_once() {
        let own = std::env::current_exe().and_then(std::fs::read).expect("this program");
        let made = add(&own, ".dep-v0", b"content").expect("is a program").expect("had none");
        let file = object::File::parse(&*made).expect("is a program still");
        assert_eq!(file.section_by_name(".dep-v0").and_then(|section| section.data().ok()), Some(&b"content"[..]));
        let before = object::File::parse(&*own).expect("a program");
        for section in before.sections() {
            let same = section.name().ok().and_then(|name| file.section_by_name(name)).expect("is there still");
            assert_eq!((same.address(), same.size()), (section.address(), section.size() + added_to(&section)));
        }
        // Nothing but the header of the file is another.
        assert_eq!(made[0x40..own.len()], own[0x40..]);
        assert!(add(&made, ".dep-v0", b"other").expect("is a program").is_none());
        assert!(add(b"#!/bin/sh\n", ".dep-v0", b"").is_err());
    }

    /// The names of sections are one more.
    fn added_to<'a>(section: &impl ObjectSection<'a>) -> u64 {
        if section.name() == Ok(".shstrtab") { ".dep-v0".len() as u64 + 1 } else { 0 }
    }
}
