//! The errors of files, said alike everywhere: what was tried, on which path, why it failed, and the way out.

use std::io;
use std::path::Path;

use miette::{Report, miette};

/// The result of all that can fail with words for the user.
pub type Result<T, E = Report> = std::result::Result<T, E>;

/// `action` (such as "write") on `path` failed.
pub fn on_path(action: &str, path: &Path, error: &io::Error) -> Report {
    let message = format!("cannot {action} {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => miette!(
            help = "free some space there, or use another disk: `--target-dir` for the layout, CARGO_OCI_CACHE_DIR for the cache",
            "{message}"
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => miette!(
            help = "check who owns it, or use another folder: `--target-dir` for the layout, CARGO_OCI_CACHE_DIR for the cache",
            "{message}"
        ),
        _ => miette!("{message}"),
    }
}

/// Cargo failed, and has said why: its status becomes ours.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cargo failed with status {0}")]
pub struct CargoFailed(pub i32);
