//! The body of an error response (distribution-spec, "Error Codes").

use std::fmt;

use serde_json::Value;

const MAX_TEXT_BYTES: usize = 4 << 10;

/// What a registry says about an error. It displays as text without control characters.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorBody {
    /// The error codes, such as `NAME_UNKNOWN`.
    codes: Vec<String>,
    text: String,
}

impl ErrorBody {
    /// Parses the registry's JSON; other text is kept as it is, and HTML is dropped.
    pub(crate) fn parse(body: &[u8]) -> ErrorBody {
        let content: Value = serde_json::from_slice(body).unwrap_or_default();
        let errors = content["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let codes: Vec<_> = errors.iter().map(|error| field(error, "code").to_owned()).collect();
        let messages: Vec<_> =
            errors.iter().map(|error| format!("{}: {}", field(error, "code"), field(error, "message"))).collect();
        let text = if messages.is_empty() {
            String::from_utf8_lossy(&body[..body.len().min(MAX_TEXT_BYTES)]).trim().to_owned()
        } else {
            messages.join("; ")
        };
        // HTML is unreadable in a terminal.
        let text = if text.starts_with('<') { String::new() } else { escaped(&text) };
        ErrorBody { codes, text }
    }

    /// Returns whether there is nothing to display.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns whether the registry gives this error code.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known == code)
    }

    /// Returns whether there is text that has not the form of a registry's errors.
    pub(crate) fn is_foreign(&self) -> bool {
        self.codes.is_empty() && !self.text.is_empty()
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn field<'a>(error: &'a Value, key: &str) -> &'a str {
    error.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars().take(MAX_TEXT_BYTES) {
        if c.is_control() {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_body_is_read_and_escaped() {
        let body = ErrorBody::parse(br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m way"}]}"#);
        assert_eq!(body.to_string(), "DENIED: no\\u{1b}[31m way");
        assert!(body.has_code("DENIED") && !body.is_foreign());
        let body = ErrorBody::parse(b"plain words\n");
        assert!(body.is_foreign());
        assert_eq!(body.to_string(), "plain words");
        assert!(ErrorBody::parse(b"<html>").is_empty());
        assert!(ErrorBody::parse(&vec![b'x'; 1 << 20]).to_string().len() <= 4 << 10);
    }
}
