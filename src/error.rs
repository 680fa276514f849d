//! Errors of files and of cargo, with a consistent wording: what failed, on which path, why, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, LabeledSpan, Report, SourceCode};

/// A result whose error has a message for the user.
pub(crate) type Result<T, E = Report> = std::result::Result<T, E>;

/// A file operation failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {file}")]
pub(crate) struct FileError {
    action: String,
    /// The path, or a description of the file.
    file: String,
    access: Access,
    #[source]
    cause: io::Error,
}

/// The kind of a failed operation, which decides on the help.
#[derive(Debug)]
enum Access {
    /// Read a file.
    Read,
    /// Write or create a file.
    Write,
    /// Create something in a directory.
    CreateIn(PathBuf),
}

impl Diagnostic for FileError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        if let Some(help) = limit_help(&self.cause) {
            return Some(Box::new(help));
        }
        let begin = match self.cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space there, or use another disk",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "check who owns it, or use another directory"
            }
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if matches!(self.access, Access::Read) => {
                return Some(Box::new("check the path: it does not exist"));
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "a part of the path is a file: remove it, or use another directory"
            }
            io::ErrorKind::NotFound => {
                return Some(match &self.access {
                    Access::CreateIn(directory) => {
                        Box::new(format!("create it first: mkdir -p {}", directory.display()))
                    }
                    Access::Read | Access::Write => Box::new("create its directory first"),
                });
            }
            _ => return None,
        };
        Some(Box::new(format!(
            "{begin}: `--target-dir` sets the directory of layouts, CARGO_OCI_CACHE_DIR that of the cache"
        )))
    }
}

/// Returns help for an error of a limit of this process, which a shell's `ulimit` sets.
#[cfg(unix)]
fn limit_help(cause: &io::Error) -> Option<String> {
    use rustix::io::Errno;
    use rustix::process::{Resource, getrlimit};
    match cause.raw_os_error().map(Errno::from_raw_os_error)? {
        Errno::MFILE => {
            let limit = getrlimit(Resource::Nofile).current?;
            Some(format!("this process may open {limit} files: raise the limit with `ulimit -n 1024`"))
        }
        Errno::FBIG => {
            let limit = getrlimit(Resource::Fsize).current?;
            Some(format!("this process may write files of {limit} bytes: raise the limit with `ulimit -f unlimited`"))
        }
        _ => None,
    }
}

/// Returns `None`: other systems have no such limits.
#[cfg(not(unix))]
fn limit_help(_: &io::Error) -> Option<String> {
    None
}

/// Returns an error that `path` cannot be read.
pub(crate) fn cannot_read(path: &Path, cause: io::Error) -> Report {
    let (action, file) = ("read".to_owned(), path.display().to_string());
    FileError { action, file, access: Access::Read, cause }.into()
}

/// Returns an error that `action` (such as "write") failed on `path`.
pub(crate) fn on_path(action: &str, path: &Path, cause: io::Error) -> Report {
    let (action, file) = (action.to_owned(), path.display().to_string());
    FileError { action, file, access: Access::Write, cause }.into()
}

/// Returns an error that nothing can be created in `directory`.
pub(crate) fn in_directory(directory: &Path, cause: io::Error) -> Report {
    let access = Access::CreateIn(directory.to_owned());
    FileError { action: "write in".to_owned(), file: directory.display().to_string(), access, cause }.into()
}

/// Returns an error that `action` failed on a file of an image, which has no path on disk yet.
#[cfg(target_os = "linux")]
pub(crate) fn on_image_file(action: &str, file: &str, cause: io::Error) -> Report {
    let file = format!("{file} of the image");
    FileError { action: action.to_owned(), file, access: Access::Write, cause }.into()
}

/// An error with another help text.
#[derive(Debug)]
struct WithHelp {
    error: Report,
    help: String,
}

impl fmt::Display for WithHelp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for WithHelp {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.chain().nth(1)
    }
}

impl Diagnostic for WithHelp {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.error.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.error.labels()
    }
}

/// Returns the error with this help, unless it has one.
pub(crate) fn or_help(error: Report, help: impl FnOnce() -> String) -> Report {
    let has_help = error.help().is_some();
    if has_help { error } else { with_help(error, help()) }
}

/// Returns the error with this help in place of its own.
pub(crate) fn with_help(error: Report, help: String) -> Report {
    WithHelp { error, help }.into()
}

/// Returns the error as one of reading or writing, with its help: [`help_of`] finds it.
pub(crate) fn in_io(error: Report) -> io::Error {
    let help = error.help().map(|help| help.to_string());
    match help {
        Some(help) => io::Error::other(WithHelp { error, help }),
        None => io::Error::other(error),
    }
}

/// Returns the help that an error of reading or writing has.
pub(crate) fn help_of<'a>(error: &'a io::Error) -> Option<Box<dyn fmt::Display + 'a>> {
    error.get_ref()?.downcast_ref::<WithHelp>()?.help()
}

/// Cargo failed and has printed why: its exit status becomes ours.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cargo failed with status {status}")]
pub(crate) struct CargoFailed {
    /// Cargo's exit status.
    pub status: i32,
}

/// A build script failed because it found no library for a target: it says so in many lines, if at all.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{package} needs the C library {library}, which is not there for {}", targets.join(" and "))]
#[diagnostic(help("{help}"))]
pub(crate) struct NoLibrary {
    /// Name and version of the package.
    pub package: String,
    /// The library, as `pkg-config` calls it.
    pub library: String,
    /// The target triples without the library.
    pub targets: Vec<String>,
    /// What to do.
    pub help: String,
    /// Cargo's exit status.
    pub status: i32,
}

/// A program that was to be linked with an allocator has one of its own.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error(
    "cannot link the allocator {allocator} into {package}: the crate {crate_name} has a `#[global_allocator]` already"
)]
#[diagnostic(help(
    "remove `allocator` from the table, or build with `--allocator system`; or remove the `#[global_allocator]` from the program"
))]
pub(crate) struct OwnAllocator {
    /// The name of the package.
    pub package: String,
    /// The crate with the allocator.
    pub crate_name: String,
    /// The allocator that was chosen.
    pub allocator: &'static str,
    /// Cargo's exit status.
    pub status: i32,
}

/// A build script failed because it found no C compiler: cargo's own message does not say so.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{package} compiles C code, and there is no C compiler for {}", targets.join(" and "))]
#[diagnostic(help(
    "`pip install ziglang` brings one for every target; or set CC_{} to a compiler of yours that builds for it",
    targets.join(" and CC_").replace('-', "_")
))]
pub(crate) struct NoCCompiler {
    /// Name and version of the package.
    pub package: String,
    /// The target triples without a C compiler.
    pub targets: Vec<String>,
    /// Cargo's exit status.
    pub status: i32,
}
