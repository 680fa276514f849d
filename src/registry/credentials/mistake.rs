//! A mistake in a file of credentials, shown where it is; but what may be a secret around it is not shown.

use std::ops::Range;
use std::path::Path;

use miette::{Diagnostic, NamedSource, Report, SourceSpan};

/// A mistake, before it is known which file it is in.
#[derive(Debug)]
pub struct Mistake {
    pub message: String,
    pub at: Range<usize>,
    pub label: String,
}

/// A mistake in a file.
#[derive(Debug, Diagnostic, thiserror::Error)]
#[error("cannot use {file}: {message}")]
#[diagnostic(help(
    "mend it there, or name another file in REGISTRY_AUTH_FILE. Here `*` stands for what may be a secret"
))]
struct InFile {
    file: String,
    message: String,
    #[source_code]
    text: NamedSource<String>,
    #[label("{label}")]
    at: SourceSpan,
    label: String,
}

impl Mistake {
    /// One that has these words and this place.
    pub fn new(message: String, at: Range<usize>, label: &str) -> Mistake {
        Mistake { message, at, label: label.to_owned() }
    }

    /// The error to tell, for the file at `path` that holds `text`.
    pub fn within(self, path: &Path, text: &str) -> Report {
        // A value of many lines is pointed at where it begins.
        let shown = text.get(self.at.clone()).unwrap_or_default();
        let length = shown.find('\n').unwrap_or(shown.len());
        let file = path.display().to_string();
        Report::new(InFile {
            text: NamedSource::new(&file, masked(text)).with_language("json"),
            file,
            message: self.message,
            at: (self.at.start, length).into(),
            label: self.label,
        })
    }
}

/// The words that may be shown.
const WORDS: [&str; 10] = [
    "auths",
    "auth",
    "username",
    "password",
    "email",
    "identitytoken",
    "registrytoken",
    "credHelpers",
    "credsStore",
    "null",
];

/// The text with a star for every byte that is neither JSON's own nor part of a known word: in a broken file nobody
/// knows where a secret begins. Positions stay what they are.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let is_own = |byte: u8| b" \t\r\n{}[]:,\"".contains(&byte);
    let mut rest = text.as_bytes();
    while let Some(&byte) = rest.first() {
        let length = rest.iter().position(|byte| is_own(*byte)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(length.max(1));
        rest = behind;
        match WORDS.into_iter().find(|known| known.as_bytes() == word) {
            Some(known) => masked.push_str(known),
            None if is_own(byte) => masked.push(char::from(byte)),
            None => masked.extend(std::iter::repeat_n('*', word.len())),
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_shown_and_nothing_moves() {
        let text = "{\"auths\": {\"ghcr.io\": {\"auth\": \"c2V=\"x, pässword\\\"\n";
        let shown = masked(text);
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown, "{\"auths\": {\"*******\": {\"auth\": \"****\"*, **********\"\n");
    }
}
