//! What is wrong with a table, and where.

use std::ops::Range;
use std::path::Path;

use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::sanitize::{sanitize, sanitize_in_place};

/// A wrong key or value, shown with its line of Cargo.toml.
#[derive(Clone, Debug, Diagnostic, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
    #[source_code]
    manifest: NamedSource<String>,
    #[label("{label}")]
    at: SourceSpan,
    label: String,
    #[help]
    help: Option<String>,
}

/// A wrong key or value, before it is known which file it is in.
#[derive(Debug)]
pub struct ValueError {
    /// The message.
    pub message: String,
    /// Where, in bytes from the start of the file.
    pub at: Range<usize>,
    /// The label at that position.
    pub label: String,
    /// The help.
    pub help: Option<String>,
}

impl ConfigError {
    /// Returns the file, the line and the message.
    pub fn in_one_line(&self) -> String {
        let before = self.manifest.inner().get(..self.at.offset()).unwrap_or_default();
        format!("{}:{}: {}", self.manifest.name(), before.matches('\n').count() + 1, sanitize(&self.message))
    }
}

impl ValueError {
    /// Adds an example of the key as help, unless there is better help.
    #[must_use]
    pub fn with_example(self, key: &str, example: &str) -> ValueError {
        ValueError { help: self.help.or(Some(format!("write it as in `{key} = {example}`"))), ..self }
    }

    /// Shows the error in the file at `path`, which holds `text`.
    pub fn within(self, path: &Path, text: &str) -> ConfigError {
        // The report prints all of this unescaped.
        let path = sanitize(&path.display().to_string());
        ConfigError {
            message: self.message,
            manifest: NamedSource::new(path, sanitize_in_place(text)).with_language("toml"),
            at: self.at.into(),
            label: sanitize(&self.label),
            help: self.help,
        }
    }
}
