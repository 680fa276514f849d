//! The errors of client programs.

use std::io;
use std::time::Duration;

use miette::Diagnostic;

/// A program failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// It exited with an error.
    #[error("{program}: {message}")]
    Failed {
        /// The program and its subcommand.
        program: String,
        /// Its error message, or its exit status.
        message: String,
    },
    /// It could not be started, its input could not be read, or the user has interrupted.
    #[error("{program}")]
    Io {
        /// The program and its subcommand.
        program: String,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// It did not exit in time.
    #[error("{program} did not respond within {} seconds", limit.as_secs())]
    Timeout {
        /// The program and its subcommand.
        program: String,
        /// The time limit.
        limit: Duration,
    },
}

impl Diagnostic for ProgramError {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let ProgramError::Failed { message, .. } = self else { return None };
        let message = message.to_lowercase();
        let disk_full = ["no space left on device", "disk quota exceeded", "not enough space"];
        if disk_full.iter().any(|text| message.contains(text)) {
            Some(Box::new(
                "free disk space where the engine stores images, such as with its `system prune` or `image prune`",
            ))
        } else if message.contains("permission denied") {
            Some(Box::new("run it as a user with access to the engine"))
        } else {
            None
        }
    }
}
