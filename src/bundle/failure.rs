//! What could not be written of a bundle, why, and the way out.

use std::fmt;
use std::io;
use std::path::Path;

use miette::{Diagnostic, Report};

/// A part of a bundle could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
pub struct WriteFailed {
    /// What was tried, and on what.
    pub what: String,
    /// Why it failed.
    #[source]
    pub cause: io::Error,
}

impl WriteFailed {
    /// `action` (such as "write") on `path` failed.
    pub fn report(action: &str, path: &Path, cause: io::Error) -> Report {
        WriteFailed { what: format!("{action} {}", path.display()), cause }.into()
    }
}

impl Diagnostic for WriteFailed {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = match self.cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space there, or use another disk",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "check who owns the folder of the bundle, or name another place"
            }
            io::ErrorKind::NotFound => {
                let folder = self.what.strip_prefix("write in ")?;
                return Some(Box::new(format!("create it first: mkdir -p {folder}")));
            }
            _ => return None,
        };
        Some(Box::new(help))
    }
}
