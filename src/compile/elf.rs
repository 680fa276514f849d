//! Checks that a program matches its target, by its ELF header.

use std::fmt;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, Report};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endian, Endianness, FileKind, elf};

use super::versions::{self, SymbolVersion};
use crate::error::{Result, cannot_read};
use crate::platform::{ElfKind, Target};

/// A program that no image of its platform can run.
#[derive(Debug, Diagnostic, thiserror::Error)]
pub(crate) enum ElfError {
    /// The program is for another operating system.
    #[error("{path} is {kind}, not an ELF program for Linux")]
    #[diagnostic(help(
        "check `target.*.linker` and `build.rustc-wrapper` in cargo's configuration: one of them builds for another operating system"
    ))]
    NotElf {
        /// The file.
        path: PathBuf,
        /// Its format.
        kind: String,
    },
    /// The program is for another machine.
    #[error("{path} is for another machine: expected {expected}, found {found}")]
    #[diagnostic(help(
        "check `target.*.linker` and `build.rustc-wrapper` in cargo's configuration: one of them builds for another machine"
    ))]
    WrongMachine {
        /// The file.
        path: PathBuf,
        /// The machine in its header.
        found: String,
        /// The machine of the target.
        expected: String,
    },
    /// The program is dynamically linked, and the base has no loader.
    #[error("{path} is not static: it needs {needs}, which the image does not have")]
    #[diagnostic(help(
        "build it with `-C target-feature=+crt-static` in RUSTFLAGS or `target.*.rustflags`, and link its libraries statically"
    ))]
    Dynamic {
        /// The file.
        path: PathBuf,
        /// Its interpreter or libraries.
        needs: String,
    },
    /// A dynamic program for musl was linked with another C library.
    #[error("{path} is compiled for musl, but linked with another C library: its interpreter is {interpreter}")]
    #[diagnostic(help(
        "link it with musl: `pip install ziglang`, or set `target.*.linker` to a C compiler for musl; or remove \
         `-C target-feature=-crt-static` from your rustflags"
    ))]
    OtherLibc {
        /// The file.
        path: PathBuf,
        /// The loader of the other library.
        interpreter: String,
    },
    /// The file is not a valid program.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        why: String,
    },
}

/// The interpreter and the libraries that a program loads when it starts; empty if it is static.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The path of its dynamic loader.
    pub interpreter: Option<String>,
    /// The names of its shared libraries, as far as they can be read.
    pub libraries: Vec<String>,
    /// The symbol versions that these libraries must have.
    pub versions: Vec<SymbolVersion>,
    /// The number of shared libraries.
    count: usize,
}

impl Needs {
    /// Returns whether the program is static.
    pub fn is_empty(&self) -> bool {
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

/// Checks that the program matches the target and is static.
///
/// # Errors
/// Returns an error if the program cannot be read, does not match the target or is not static.
pub(crate) fn check_static(path: &Path, target: Target) -> Result<()> {
    let needs = check(path, target)?;
    if !needs.is_empty() {
        return Err(ElfError::Dynamic { path: path.to_owned(), needs: needs.to_string() }.into());
    }
    Ok(())
}

/// Checks that a program that is compiled for musl is linked with musl, if it is dynamic.
///
/// # Errors
/// Returns an error if its loader is that of another C library.
pub(crate) fn check_libc(path: &Path, target: Target, needs: &Needs) -> Result<()> {
    match &needs.interpreter {
        Some(interpreter) if target.is_static() && !interpreter.contains("ld-musl-") => {
            Err(ElfError::OtherLibc { path: path.to_owned(), interpreter: interpreter.clone() }.into())
        }
        _ => Ok(()),
    }
}

/// Checks machine, class and byte order, and returns what the program loads when it starts.
///
/// # Errors
/// Returns an error if the program cannot be read or does not match the target.
pub(crate) fn check(path: &Path, target: Target) -> Result<Needs> {
    let file = crate::regular_file::open(path).map_err(|error| cannot_read(path, error))?;
    // Reads headers only: a program may have hundreds of megabytes of debug information.
    let data = object::ReadCache::new(file);
    match FileKind::parse(&data) {
        Ok(FileKind::Elf32) => read_needs::<elf::FileHeader32<Endianness>>(path, &data, target),
        Ok(FileKind::Elf64) => read_needs::<elf::FileHeader64<Endianness>>(path, &data, target),
        Ok(kind) => Err(not_elf(path, &format!("of kind {kind:?}"))),
        Err(_) => Err(not_elf(path, format_name(&data))),
    }
    .map_err(|error| match error {
        CheckError::Invalid(error) => Report::from(error),
        CheckError::Unreadable(error) => ElfError::Damaged { path: path.to_owned(), why: error.to_string() }.into(),
    })
}

/// Why a check failed: the program is wrong, or cannot be parsed.
enum CheckError {
    Invalid(ElfError),
    Unreadable(object::Error),
}

impl From<object::Error> for CheckError {
    fn from(error: object::Error) -> Self {
        CheckError::Unreadable(error)
    }
}

fn not_elf(path: &Path, kind: &str) -> CheckError {
    CheckError::Invalid(ElfError::NotElf { path: path.to_owned(), kind: kind.to_owned() })
}

/// Returns the format of a file that is not ELF, by its first bytes.
fn format_name<'a>(data: impl object::ReadRef<'a>) -> &'static str {
    match data.read_bytes_at(0, 4) {
        Ok([0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe]) => "a Mach-O program",
        Ok([b'M', b'Z', ..]) => "a Windows program",
        Ok([b'#', b'!', ..]) => "a script",
        _ => "a file of unknown type",
    }
}

/// Returns what the ELF header of a file says, or `None` if it has none.
pub(crate) fn kind(file: &[u8]) -> Option<ElfKind> {
    fn of<H: FileHeader<Endian = Endianness>>(file: &[u8]) -> Option<ElfKind> {
        let header = H::parse(file).ok()?;
        Some(kind_in(header, header.endian().ok()?))
    }
    match FileKind::parse(file).ok()? {
        FileKind::Elf32 => of::<elf::FileHeader32<Endianness>>(file),
        FileKind::Elf64 => of::<elf::FileHeader64<Endianness>>(file),
        _ => None,
    }
}

fn kind_in<H: FileHeader<Endian = Endianness>>(header: &H, endian: Endianness) -> ElfKind {
    ElfKind { machine: header.e_machine(endian), is_64: header.is_class_64(), little_endian: endian.is_little_endian() }
}

fn read_needs<'a, H: FileHeader<Endian = Endianness>>(
    path: &Path,
    data: impl object::ReadRef<'a>,
    target: Target,
) -> Result<Needs, CheckError> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let found = kind_in(header, endian);
    if found != target.elf() {
        return Err(CheckError::Invalid(ElfError::WrongMachine {
            path: path.to_owned(),
            found: found.to_string(),
            expected: target.elf().to_string(),
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
        // Only sections have strings, and they may have been stripped.
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

    fn error(content: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("writes");
        check(file.path(), TARGETS[0]).unwrap_err().to_string()
    }

    #[test]
    fn check_names_the_format_of_other_files() {
        assert!(error(&[0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).contains("a Mach-O program"));
        assert!(error(b"MZ\x90\0 and more than sixteen bytes").contains("a Windows program"));
        assert!(error(b"#!/bin/sh\necho not a program").contains("a script"));
        assert!(error(b"").contains("a file of unknown type"));
    }

    #[test]
    fn check_rejects_truncated_programs() {
        assert!(error(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0").contains("damaged"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn check_reads_the_needs_of_this_test() {
        let own = std::env::current_exe().expect("a path");
        let host = crate::platform::Platform::host().target().expect("a target");
        let other = TARGETS.into_iter().find(|target| *target != host).expect("another");
        assert!(check(&own, other).unwrap_err().to_string().contains("is for another machine"));
        let message = check_static(&own, host).unwrap_err().to_string();
        assert!(message.contains("is not static") && message.contains("interpreter"), "{message}");
        let needs = check(&own, host).expect("a program");
        assert!(needs.libraries.iter().any(|name| name.starts_with("libc.")), "{needs:?}");
        assert!(needs.versions.iter().any(|version| version.library.starts_with("libc.")), "{needs:?}");
    }
}
