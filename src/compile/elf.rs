//! Is a program what its target promises? Read from its ELF header, never believed.

use std::fmt;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, Report};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endian, Endianness, FileKind, elf};

use super::versions::{self, Version};
use crate::error::{Result, on_path};
use crate::platform::{ElfKind, Target};

/// A program that no image of its platform can run.
#[derive(Debug, Diagnostic, thiserror::Error)]
pub enum ElfError {
    /// A program for another system.
    #[error("{path} is {kind}, not an ELF program for Linux")]
    #[diagnostic(help(
        "check `target.*.linker` and `build.rustc-wrapper` in cargo's configuration: something builds for another system"
    ))]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: String,
    },
    /// A program for another machine.
    #[error("{path} is for another machine: {found}, where {wanted} is wanted")]
    #[diagnostic(help(
        "check `target.*.linker` and `build.rustc-wrapper` in cargo's configuration: something builds for another machine"
    ))]
    WrongMachine {
        /// The file.
        path: PathBuf,
        /// What its header says.
        found: String,
        /// What the target's is.
        wanted: String,
    },
    /// A program that a static base cannot start.
    #[error("{path} is not static: it needs {needs}, which the image does not have")]
    #[diagnostic(help(
        "build it with `-C target-feature=+crt-static` in RUSTFLAGS or `target.*.rustflags`, and without libraries that are linked dynamically"
    ))]
    Dynamic {
        /// The file.
        path: PathBuf,
        /// Its interpreter or libraries.
        needs: String,
    },
    /// Not a whole program.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What could not be read.
        why: String,
    },
}

/// What a program has loaded when it starts; nothing where it is static.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The path of what loads it.
    pub interpreter: Option<String>,
    /// The names of libraries, as far as they can be read.
    pub libraries: Vec<String>,
    /// The versions that these must have.
    pub versions: Vec<Version>,
    /// How many libraries it is.
    count: usize,
}

impl Needs {
    /// Whether it is nothing.
    pub fn is_nothing(&self) -> bool {
        self.interpreter.is_none() && self.count == 0
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interpreter = self.interpreter.as_ref().map(|path| format!("the interpreter {path}"));
        let libraries = match self.count {
            0 => None,
            1 => Some("a shared library".to_owned()),
            count => Some(format!("{count} shared libraries")),
        };
        let parts: Vec<_> = interpreter.into_iter().chain(libraries).collect();
        f.write_str(&parts.join(" and "))
    }
}

/// Checks that nothing is loaded when the program starts.
///
/// # Errors
/// See [`check`]; [`ElfError::Dynamic`].
pub fn check_static(path: &Path, target: Target) -> Result<()> {
    match check(path, target)? {
        needs if needs.is_nothing() => Ok(()),
        needs => Err(ElfError::Dynamic { path: path.to_owned(), needs: needs.to_string() }.into()),
    }
}

/// Checks machine, class and byte order.
///
/// # Errors
/// See [`ElfError`]; a file that cannot be read.
pub fn check(path: &Path, target: Target) -> Result<Needs> {
    let file = std::fs::File::open(path).map_err(|error| on_path("read", path, error))?;
    // Only headers are read: a program may have hundreds of megabytes of debug information.
    let data = object::ReadCache::new(file);
    let damaged = |error: object::Error| ElfError::Damaged { path: path.to_owned(), why: error.to_string() };
    match FileKind::parse(&data) {
        Ok(FileKind::Elf32) => of_class::<elf::FileHeader32<Endianness>>(path, &data, target),
        Ok(FileKind::Elf64) => of_class::<elf::FileHeader64<Endianness>>(path, &data, target),
        Ok(kind) => Err(not_elf(path, &format!("of kind {kind:?}"))),
        Err(_) => Err(not_elf(path, &foreign(&data))),
    }
    .map_err(|error| match error {
        Failure::Known(error) => Report::from(error),
        Failure::Unread(error) => damaged(error).into(),
    })
}

enum Failure {
    Known(ElfError),
    Unread(object::Error),
}

impl From<object::Error> for Failure {
    fn from(error: object::Error) -> Self {
        Failure::Unread(error)
    }
}

fn not_elf(path: &Path, kind: &str) -> Failure {
    Failure::Known(ElfError::NotElf { path: path.to_owned(), kind: kind.to_owned() })
}

/// What a file that is not ELF is, by the first bytes of the formats that compilers write.
fn foreign<'a>(data: impl object::ReadRef<'a>) -> String {
    match data.read_bytes_at(0, 4) {
        Ok([0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe]) => "a Mach-O program".to_owned(),
        Ok([b'M', b'Z', ..]) => "a Windows program".to_owned(),
        Ok([b'#', b'!', ..]) => "a script".to_owned(),
        _ => "a file of another kind".to_owned(),
    }
}

fn of_class<'a, H: FileHeader<Endian = Endianness>>(
    path: &Path,
    data: impl object::ReadRef<'a>,
    target: Target,
) -> Result<Needs, Failure> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let found = ElfKind {
        machine: header.e_machine(endian),
        is_64: header.is_class_64(),
        little_endian: endian.is_little_endian(),
    };
    if found != target.elf() {
        return Err(Failure::Known(ElfError::WrongMachine {
            path: path.to_owned(),
            found: found.to_string(),
            wanted: target.elf().to_string(),
        }));
    }
    let mut needs = Needs::default();
    for segment in header.program_headers(endian, data)? {
        if let Some(interpreter) = segment.interpreter(endian, data)? {
            needs.interpreter = Some(String::from_utf8_lossy(interpreter).into_owned());
        }
        let libraries = segment.dynamic(endian, data)?.into_iter().flatten();
        needs.count += libraries.filter(|entry| entry.tag(endian) == elf::DT_NEEDED).count();
    }
    if needs.count > 0 {
        // Segments have no strings; sections may have been stripped.
        let sections = header.sections(endian, data)?;
        let table = sections.dynamic_table(endian, data)?;
        let libraries = table.iter().filter(|entry| entry.tag == elf::DT_NEEDED);
        let names = libraries.filter_map(|entry| table.string(entry).ok());
        needs.libraries = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        needs.versions = versions::needed(&sections, endian, data)?;
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    fn failure(content: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("writes");
        check(file.path(), TARGETS[0]).unwrap_err().to_string()
    }

    #[test]
    fn a_program_of_another_system_is_named_as_such() {
        assert!(failure(&[0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).contains("a Mach-O program"));
        assert!(failure(b"MZ\x90\0 and more than sixteen bytes").contains("a Windows program"));
        assert!(failure(b"#!/bin/sh\necho not a program").contains("a script"));
        assert!(failure(b"").contains("a file of another kind"));
    }

    #[test]
    fn a_cut_off_program_is_an_error() {
        assert!(failure(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0").contains("damaged"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_test_is_dynamic_and_of_this_machine() {
        let own = std::env::current_exe().expect("a path");
        let host = crate::platform::Platform::host().target().expect("a target");
        let other = TARGETS.into_iter().find(|target| *target != host).expect("another");
        assert!(check(&own, other).unwrap_err().to_string().contains("is for another machine"));
        let words = check_static(&own, host).unwrap_err().to_string();
        assert!(words.contains("is not static") && words.contains("interpreter"), "{words}");
        let needs = check(&own, host).expect("a program");
        assert!(needs.libraries.iter().any(|name| name.starts_with("libc.")), "{needs:?}");
        assert!(needs.versions.iter().any(|version| version.library.starts_with("libc.")), "{needs:?}");
    }
}
