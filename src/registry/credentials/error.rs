//! Errors in a credentials file: they show the line, with everything masked that may be a secret.

use std::ops::Range;
use std::path::Path;

use miette::{Diagnostic, NamedSource, Report, SourceSpan};

use crate::environment::DOCKER_AUTH_CONFIG;

/// An error in JSON, without the file that it is in.
#[derive(Debug)]
pub(crate) struct JsonError {
    pub(crate) message: String,
    pub(crate) span: Range<usize>,
    pub(crate) label: String,
}

/// An error in a file.
#[derive(Debug, Diagnostic, thiserror::Error)]
#[error("cannot use {file}: {message}")]
struct JsonErrorInFile {
    file: String,
    message: String,
    #[source_code]
    text: NamedSource<String>,
    #[label("{label}")]
    span: SourceSpan,
    label: String,
    #[help]
    help: String,
}

impl JsonError {
    /// Creates an error about the bytes in `span`.
    pub(crate) fn new(message: String, span: Range<usize>, label: &str) -> JsonError {
        JsonError { message, span, label: label.to_owned() }
    }

    /// Returns the error for the file at `path` with the content `text`.
    pub(crate) fn within(self, path: &Path, text: &str) -> Report {
        // Of a value on several lines, only the first is marked.
        let shown = text.get(self.span.clone()).unwrap_or_default();
        let length = shown.find('\n').unwrap_or(shown.len());
        let file = path.display().to_string();
        let way = if path == Path::new(DOCKER_AUTH_CONFIG) {
            "set it to the content of a config.json, or unset it"
        } else {
            "fix it there, or set REGISTRY_AUTH_FILE to another file"
        };
        Report::new(JsonErrorInFile {
            text: NamedSource::new(&file, masked(text)).with_language("json"),
            file,
            message: self.message,
            span: (self.span.start, length).into(),
            label: self.label,
            help: format!("{way}. Each `*` hides a character that may be part of a secret"),
        })
    }
}

/// The words that are not masked.
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

/// Returns the text with `*` for every byte that is neither JSON syntax nor part of a known word: in an invalid file, a
/// secret may begin anywhere. Positions stay the same.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(&byte) = rest.first() {
        let length = rest.iter().position(|byte| is_syntax(*byte)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(length.max(1));
        rest = behind;
        match WORDS.into_iter().find(|known| known.as_bytes() == word) {
            Some(known) => masked.push_str(known),
            None if is_syntax(byte) => masked.push(char::from(byte)),
            None => masked.extend(std::iter::repeat_n('*', word.len())),
        }
    }
    masked
}

fn is_syntax(byte: u8) -> bool {
    b" \t\r\n{}[]:,\"".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_text_hides_secrets_and_keeps_positions() {
        let text = "{\"auths\": {\"ghcr.io\": {\"auth\": \"c2V=\"x, pässword\\\"\n";
        let shown = masked(text);
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown, "{\"auths\": {\"*******\": {\"auth\": \"****\"*, **********\"\n");
    }
}
