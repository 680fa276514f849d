//! What is to be run in a container, and why it is not.

use miette::{Report, miette};

use super::suite::ContainerOptions;

/// Why a program was not run.
pub(super) enum CannotRun {
    /// Here it cannot be run: the test has no verdict.
    Here(String),
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

/// Returns the error that a program could not be started.
pub(super) fn cannot_start(program: &str, error: &std::io::Error) -> Report {
    miette!("cannot run {program}: {error}")
}
