//! What is to be run in a container, and why it is not.

use miette::{Report, miette};

use super::suite::ContainerOptions;
use crate::platform::Platform;

/// Why a program was not run.
pub(super) enum CannotRun {
    /// Here it cannot be run: the test has no verdict.
    Here(String),
    /// The image, or what the test asks for, is wrong: the test fails.
    Wrong(String),
    /// Something failed that should not.
    AtAll(Report),
}

impl<E: Into<Report>> From<E> for CannotRun {
    fn from(error: E) -> CannotRun {
        CannotRun::AtAll(error.into())
    }
}

/// A program to run in a container.
pub(super) struct ContainerCommand<'a> {
    /// The program and its arguments.
    pub args: &'a [String],
    /// Programs that run before, in the same file system.
    pub setup: &'a [Vec<String>],
    /// Settings.
    pub options: &'a ContainerOptions,
    /// The port to connect to.
    pub port: Option<u16>,
}

/// Returns why nothing of a platform can be run, if what a program that failed `said` is that the kernel does not know its
/// format.
pub(super) fn wrong_format(platform: &Platform, said: [&str; 2]) -> Option<String> {
    let is_foreign = platform.architecture != Platform::host().architecture;
    let says_so = said.iter().any(|text| text.to_lowercase().contains("exec format error"));
    (is_foreign && says_so)
        .then(|| format!("this machine cannot run programs for {platform}: QEMU's binfmt handlers make it"))
}

/// Returns the error that a program could not be started.
pub(super) fn cannot_start(program: &str, error: &std::io::Error) -> Report {
    miette!("cannot run {program}: {error}")
}
