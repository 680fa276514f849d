//! Programs, as linkers of all kinds write them.

use object::{Object, ObjectSection};

use super::input::FuzzInput;
use crate::compile::section::add;

const NAME: &str = ".dep-v0";

/// A section is added to a program, and all that was there stays.
pub(super) fn section(data: &[u8]) {
    let mut input = FuzzInput::new(data);
    let size = usize::from(input.byte());
    let (content, program) = (input.bytes(size), input.rest());
    // A program whose symbols cannot be read has sections nevertheless.
    let (Ok(Some(made)), Ok(before)) = (add(program, NAME, content), object::File::parse(program)) else { return };
    assert!(made.len() <= 3 * program.len() + content.len() + NAME.len() + 256, "{} of {}", made.len(), program.len());
    let parsed = object::File::parse(&*made).expect("a program that was read can be read again");
    let found = parsed.section_by_name_bytes(NAME.as_bytes()).expect("the section is there");
    assert_eq!(found.data().expect("its content"), content);
    for (before, after) in before.sections().zip(parsed.sections()) {
        assert_eq!((before.address(), before.name_bytes().ok()), (after.address(), after.name_bytes().ok()));
    }
    // Only the header of the file, of 64 bytes at most, has changed.
    assert!(made[64.min(program.len())..program.len()] == program[64.min(program.len())..]);
    assert!(add(&made, NAME, b"other").expect("a program").is_none(), "a section is added once");
}
