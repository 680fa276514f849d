//! The words of every error that a user's mistake, or the world's, can lead to: they are reviewed as carefully as code.
//!
//! Each test makes the mistakes of one area and compares all output with `tests/snapshots/AREA.txt`. After a change of
//! words, `UPDATE_SNAPSHOTS=1 cargo test --test it snapshots` writes the files again, and `git diff` shows what a user will
//! read from now on. Errors that need a cross toolchain, a registry, a small disk or half a minute are made in `tests/real`
//! and kept in `tests/snapshots/real` (`UPDATE_SNAPSHOTS=1 cargo test --test real`).
//!
//! `ROOT` stands for the folder of the package and `PORT` for a port of this machine. Each digest is one letter.

mod answers;
mod arguments;
mod bundles;
mod engines;
mod habits;
mod hosts;
mod keys;
mod libc;
mod lookups;
mod packages;
mod programs;
mod registries;
mod tables;
mod unwanted;

use crate::support::project::Project;
use std::fs;

/// A program, as far as its header says.
pub(crate) fn elf(machine: u8) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    header[16] = 2;
    header[18] = machine;
    header[20] = 1;
    header[52] = 64;
    header[54] = 56;
    header[58] = 64;
    header
}

pub(crate) const AMD64: u8 = 62;

pub const ARM64: u8 = 183;

/// A package whose program was compiled elsewhere, so that nothing is compiled here.
fn prebuilt() -> Project {
    let project = Project::new("x");
    fs::create_dir(project.path("dist")).expect("a folder");
    fs::write(project.path("dist/program"), elf(AMD64)).expect("a file");
    project
}

/// The project of a user who has Docker, but no credentials.
fn with_docker(project: Project) -> Project {
    fs::create_dir_all(project.home().join(".docker")).expect("a folder");
    fs::write(project.home().join(".docker/config.json"), "{}").expect("a file");
    project
}

/// `COMMAND --platform linux/amd64 --prebuilt linux/amd64=dist/program ARGS`.
fn of_prebuilt<'a>(command: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [&[command, "--platform", "linux/amd64", "--prebuilt", "linux/amd64=dist/program"], args].concat()
}

/// A workspace of the packages a and b, which may have more in their Cargo.toml.
fn workspace(a: &str, b: &str) -> Project {
    let package = |name: &str, more: &str| format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{more}\n");
    Project::empty("ws")
        .file("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"server\", \"tool\"]\n")
        .file("server/Cargo.toml", &package("server", a))
        .file("server/src/main.rs", "fn main() {}\n")
        .file("tool/Cargo.toml", &package("tool", b))
        .file("tool/src/main.rs", "fn main() {}\n")
}
