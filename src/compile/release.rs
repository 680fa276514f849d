//! The releases of rustc and cargo that compile.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;

use miette::{Context, IntoDiagnostic, miette};

use super::target::Toolchain;
use crate::environment::Environment;
use crate::error::Result;
use crate::interrupt::blocking;
use crate::release::Release;

/// Returns the release of a program, by `--version`.
///
/// # Errors
/// Returns an error if the program cannot be run, or prints no version.
pub(crate) fn ask(program: &OsStr, environment: &Environment) -> Result<Release> {
    let output =
        blocking::output(environment.command(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::piped()));
    let output = output.into_diagnostic().wrap_err_with(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    read(&text).ok_or_else(|| {
        miette!(
            help = format!("check that `{} --version` works", program.display()),
            "{} --version prints no version",
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
    /// Returns the path of the compiler, or `None` if it is not in the sysroot. While the file is the same, so is its release.
    pub fn compiler(&self) -> Option<PathBuf> {
        let file = self.sysroot.join("bin").join(format!("rustc{}", std::env::consts::EXE_SUFFIX));
        file.is_file().then_some(file)
    }

    /// Returns the name by which the compiler is called.
    pub fn compiler_name(&self) -> &OsStr {
        self.config.compiler().as_os_str()
    }
}

/// Returns the path of cargo, if it is known: on PATH, rustup may have a proxy in its place.
pub(crate) fn cargo(environment: &Environment, toolchain: &Toolchain) -> Option<PathBuf> {
    let named = PathBuf::from(environment.cargo());
    let file = if named.is_absolute() { named } else { environment.find_program(&["cargo"])? };
    let has_rustup = file.with_file_name(format!("rustup{}", std::env::consts::EXE_SUFFIX)).exists();
    let own = toolchain.sysroot.join("bin").join(format!("cargo{}", std::env::consts::EXE_SUFFIX));
    Some(if has_rustup { own } else { file }).filter(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_is_read_from_version_output() {
        let found = read("rustc 1.96.0-nightly (0123456 2026-05-21)").expect("a release");
        assert_eq!((found.program.as_str(), found.version.as_str()), ("rustc", "1.96.0-nightly"));
        assert_eq!(read("cargo 1.96.0").map(|found| found.text), Some("cargo 1.96.0".to_owned()));
        assert_eq!(read("error: no"), None);
        assert_eq!(read(""), None);
    }
}
