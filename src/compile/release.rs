//! Which releases of rustc and cargo compile, as they say it themselves.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use miette::{Context, IntoDiagnostic, miette};

use super::Toolchain;
use crate::environment::Environment;
use crate::error::Result;
use crate::release::Release;

/// Asks a program which release it is.
///
/// # Errors
/// When it cannot be run, or says nothing that is known here.
pub fn ask(program: &OsStr) -> Result<Release> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let output = output.into_diagnostic().wrap_err_with(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    read(&text).ok_or_else(|| {
        miette!(
            help = format!("see that `{} --version` works", program.display()),
            "{} does not say which release it is",
            program.display()
        )
    })
}

/// `rustc 1.96.0 (0123456 2026-05-21)`.
fn read(text: &str) -> Option<Release> {
    let mut words = text.split(' ');
    let (program, version) = (words.next()?, words.next()?);
    let is_version = version.starts_with(|c: char| c.is_ascii_digit());
    is_version.then(|| Release { program: program.to_owned(), version: version.to_owned(), text: text.to_owned() })
}

impl Toolchain {
    /// The file that the compiler is in: while it is the same, so is its release. Nothing where it is elsewhere.
    pub fn compiler(&self) -> Option<PathBuf> {
        let file = self.sysroot.join("bin").join(format!("rustc{}", std::env::consts::EXE_SUFFIX));
        file.is_file().then_some(file)
    }

    /// How the compiler is called.
    pub fn compiler_name(&self) -> &OsStr {
        self.config.rustc().path.as_os_str()
    }
}

/// The file that cargo is in, where that is known: rustup puts a program of its own in the place of all of them.
pub fn cargo(environment: &Environment, toolchain: &Toolchain) -> Option<PathBuf> {
    let named = PathBuf::from(environment.cargo());
    let file = if named.is_absolute() { named } else { environment.find_program(&["cargo"])? };
    let own = |name: &str| format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let file = match file.with_file_name(own("rustup")).exists() {
        true => toolchain.sysroot.join("bin").join(own("cargo")),
        false => file,
    };
    file.is_file().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_from_what_a_program_says() {
        let found = read("rustc 1.96.0-nightly (0123456 2026-05-21)").expect("a release");
        assert_eq!((found.program.as_str(), found.version.as_str()), ("rustc", "1.96.0-nightly"));
        assert_eq!(read("cargo 1.96.0").map(|found| found.text), Some("cargo 1.96.0".to_owned()));
        assert_eq!(read("error: no"), None);
        assert_eq!(read(""), None);
    }
}
