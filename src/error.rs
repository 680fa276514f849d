//! The errors of files, said alike everywhere: what was tried, on which path, why it failed, and the way out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, Report};

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
            io::ErrorKind::NotFound if self.action.starts_with("write") => {
                return Some(Box::new("create its folder first"));
            }
            _ => return None,
        };
        Some(Box::new(format!("{begin}: `--target-dir` names that of layouts, CARGO_OCI_CACHE_DIR that of the cache")))
    }
}

/// `action` (such as "write") on `path` failed.
pub fn on_path(action: &str, path: &Path, cause: io::Error) -> Report {
    FileError { action: action.to_owned(), path: path.to_owned(), cause }.into()
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
