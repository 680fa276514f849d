//! The errors of files, said alike everywhere: what was tried, on which path, why it failed, and the way out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, LabeledSpan, Report, SourceCode};

/// The result of all that can fail with words for the user.
pub type Result<T, E = Report> = std::result::Result<T, E>;

/// Something could not be done with a file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    action: String,
    path: PathBuf,
    #[source]
    cause: io::Error,
}

impl Diagnostic for FileError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let begin = match self.cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space there, or use another disk",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "check who owns it, or use another folder"
            }
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if self.action.starts_with("read") => {
                return Some(Box::new("check the path: nothing is there"));
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "a part of that path is a file: remove it, or use another folder"
            }
            io::ErrorKind::NotFound => return Some(Box::new("create its folder first")),
            _ => return None,
        };
        Some(Box::new(format!("{begin}: `--target-dir` names that of layouts, CARGO_OCI_CACHE_DIR that of the cache")))
    }
}

/// `action` (such as "write") on `path` failed.
pub fn on_path(action: &str, path: &Path, cause: io::Error) -> Report {
    FileError { action: action.to_owned(), path: path.to_owned(), cause }.into()
}

/// An error with a way out that it does not know itself; all else is as it says.
#[derive(Debug)]
struct Helped {
    error: Report,
    help: String,
}

impl fmt::Display for Helped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Helped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.chain().nth(1)
    }
}

impl Diagnostic for Helped {
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

/// The error with this way out, where it knows none itself.
pub fn or_help(error: Report, help: impl FnOnce() -> String) -> Report {
    let has_help = error.help().is_some();
    match has_help {
        true => error,
        false => with_help(error, help()),
    }
}

/// The error with this way out in the place of its own.
pub fn with_help(error: Report, help: String) -> Report {
    Helped { error, help }.into()
}

/// Cargo failed, and has said why: its status becomes ours.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cargo failed with status {status}")]
pub struct CargoFailed {
    /// Cargo's exit status.
    pub status: i32,
}

/// Cargo failed in a build script that looked for a C compiler: the one failure that cargo's words do not explain.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{package} compiles C code, and there is no C compiler for {}", targets.join(" and "))]
#[diagnostic(help(
    "`pip install ziglang` brings one for every target; or set CC_{} to a compiler of yours that builds for it",
    targets.join(" and CC_").replace('-', "_")
))]
pub struct NoCCompiler {
    /// Name and version of the package.
    pub package: String,
    /// The triples that nothing compiles C for.
    pub targets: Vec<&'static str>,
    /// Cargo's exit status.
    pub status: i32,
}
