//! The body of an error response: a registry's JSON (distribution-spec, "Error Codes"), or what a proxy or another server
//! says.

use std::fmt;

use reqwest::StatusCode;
use serde_json::Value;

use crate::sanitize::is_terminal_control;

/// How much of the whole is shown.
const MAX_TEXT_CHARS: usize = 2 << 10;
/// How much of the first line of a text is shown.
const MAX_LINE_CHARS: usize = 300;
/// How much of the detail of one error is shown.
const MAX_DETAIL_CHARS: usize = 300;
/// How many errors of one body are shown.
const MAX_ERRORS: usize = 8;
/// Where servers that are no registries have the message.
const MESSAGE_KEYS: [&str; 7] =
    ["message", "error_description", "error_message", "details", "detail", "error", "title"];

/// What a server says about an error. It displays as text without control characters.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorBody {
    /// The error codes, such as `NAME_UNKNOWN`.
    codes: Vec<String>,
    text: String,
    /// Whether it has not the form of a registry's errors.
    is_foreign: bool,
}

impl ErrorBody {
    /// Parses a registry's JSON, another JSON with a message, a page for browsers, of which the title is kept, or text, of
    /// which the first line is kept.
    pub(crate) fn parse(body: &[u8]) -> ErrorBody {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(content)) => match content.get("errors").and_then(Value::as_array) {
                Some(errors) if !errors.is_empty() => ErrorBody::of_registry(errors),
                _ => {
                    let message =
                        MESSAGE_KEYS.iter().map(|key| message(content.get(*key))).find(|text| !text.is_empty());
                    ErrorBody::foreign(&message.unwrap_or_default())
                }
            },
            Ok(Value::String(text)) => ErrorBody::foreign(&text),
            _ if text.starts_with('<') => ErrorBody::foreign(&title(text)),
            _ => ErrorBody::foreign(text),
        }
        .with_foreign(!text.is_empty())
    }

    fn of_registry(errors: &[Value]) -> ErrorBody {
        let mut body = ErrorBody::default();
        let mut texts: Vec<String> = Vec::new();
        for error in errors.iter().take(MAX_ERRORS) {
            let code = message(error.get("code"));
            let text = told(&code, &message(error.get("message")), &detail(error.get("detail")));
            if !text.is_empty() && !texts.contains(&text) {
                texts.push(text);
            }
            body.codes.extend(Some(code).filter(|code| !code.is_empty()));
        }
        body.text = shown(&texts.join("; "), MAX_TEXT_CHARS);
        body
    }

    fn foreign(text: &str) -> ErrorBody {
        let line = text.trim().lines().next().unwrap_or_default();
        ErrorBody { codes: Vec::new(), text: shown(line.trim(), MAX_LINE_CHARS), is_foreign: false }
    }

    /// Without codes, any content is foreign.
    fn with_foreign(self, has_content: bool) -> ErrorBody {
        ErrorBody { is_foreign: has_content && self.codes.is_empty(), ..self }
    }

    /// Returns what it says beyond the status, or `None` if that is nothing.
    pub(crate) fn beyond(&self, status: StatusCode) -> Option<&str> {
        let reason = status.canonical_reason().unwrap_or_default();
        let says_status = |text: &str| {
            let text = text.strip_prefix(status.as_str()).unwrap_or(text).trim_matches([' ', ':', '-', '.']);
            text.is_empty() || text.eq_ignore_ascii_case(reason)
        };
        Some(self.text.as_str()).filter(|text| !says_status(text))
    }

    /// Returns whether the registry gives this error code.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known == code)
    }

    /// Returns whether there is content that has not the form of a registry's errors.
    pub(crate) fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// Returns whether it has one of these words, in lowercase.
    pub(crate) fn mentions(&self, words: &[&str]) -> bool {
        let text = self.text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns a text of JSON, or that of an object that has one, or a number.
fn message(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Object(inner)) => {
            inner.get("message").and_then(Value::as_str).unwrap_or_default().trim().to_owned()
        }
        _ => String::new(),
    }
}

/// Returns the detail of an error, which the specification leaves open: text as it is, all else as JSON.
fn detail(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Object(content)) if content.is_empty() => String::new(),
        Some(Value::Array(content)) if content.is_empty() => String::new(),
        Some(other) => other.to_string(),
    };
    shown(&text, MAX_DETAIL_CHARS)
}

/// Returns `CODE: message (detail)` without what is said twice.
fn told(code: &str, message: &str, detail: &str) -> String {
    let mut text = code.to_owned();
    if !message.is_empty() && !message.eq_ignore_ascii_case(code) {
        text = if text.is_empty() || message.starts_with(code) {
            message.to_owned()
        } else {
            format!("{text}: {message}")
        };
    }
    match detail {
        "" => text,
        detail if text.contains(detail) => text,
        detail if text.is_empty() => detail.to_owned(),
        detail => format!("{text} ({detail})"),
    }
}

/// Returns the title of a page for browsers, or the message of an XML document, as storage services send them.
fn title(page: &str) -> String {
    match (element(page, "<title"), element(page, "<message")) {
        (Some(title), _) => format!("the page \"{title}\""),
        (None, message) => message.unwrap_or_default(),
    }
}

/// Returns the text of the first element that begins with `tag`, or `None` if there is no text.
fn element(page: &str, tag: &str) -> Option<String> {
    let lowercase = page.to_ascii_lowercase();
    let begin = lowercase.find(tag)?;
    let begin = begin + lowercase[begin..].find('>')? + 1;
    let end = begin + lowercase[begin..].find('<')?;
    let text = page[begin..end].split_whitespace().collect::<Vec<_>>().join(" ");
    Some(text).filter(|text| !text.is_empty())
}

/// Returns the start of a text, with what controls a terminal escaped.
fn shown(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut left = most;
    for c in text.chars() {
        let Some(rest) = left.checked_sub(1) else {
            shown.push('…');
            return shown;
        };
        left = rest;
        if is_terminal_control(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> String {
        ErrorBody::parse(body.as_bytes()).to_string()
    }

    #[test]
    fn error_body_is_read_and_escaped() {
        let body = ErrorBody::parse(br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m way"}]}"#);
        assert_eq!(body.to_string(), "DENIED: no\\u{1b}[31m way");
        assert!(body.has_code("DENIED") && !body.is_foreign());
        let body = ErrorBody::parse(b"plain words\nand more\n");
        assert!(body.is_foreign());
        assert_eq!(body.to_string(), "plain words");
        assert!(!ErrorBody::parse(b" ").is_foreign());
    }

    #[test]
    fn error_body_has_code_message_and_detail() {
        for (errors, expected) in [
            (r#"{"code":"DENIED","message":"no","detail":"quota of 1 GiB"}"#, "DENIED: no (quota of 1 GiB)"),
            (
                r#"{"code":"UNAUTHORIZED","message":"no","detail":[{"Action":"pull"}]}"#,
                "UNAUTHORIZED: no ([{\"Action\":\"pull\"}])",
            ),
            (r#"{"code":"A","message":"no","detail":{}},{"code":"A","message":"no","detail":null}"#, "A: no"),
            (r#"{"code":"UNSUPPORTED","message":"unsupported","detail":"unsupported"}"#, "UNSUPPORTED (unsupported)"),
            (r#"{"code":"DENIED","message":"DENIED: no","detail":"no"}"#, "DENIED: no"),
            (r#"{"status":404,"message":"gone"}"#, "gone"),
            (r#"{"code":"A","message":""},{"code":"B"}"#, "A; B"),
            (r#"{"detail":7}"#, "7"),
        ] {
            assert_eq!(text(&format!("{{\"errors\":[{errors}]}}")), expected);
        }
    }

    #[test]
    fn error_body_of_other_servers_is_found() {
        for (body, expected) in [
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            (r#"{"error":"invalid_grant","error_description":"the token has ended"}"#, "the token has ended"),
            (r#"{"error":{"code":7,"message":"no project"}}"#, "no project"),
            (r#"{"errors":[]}"#, ""),
            ("\"words\"", "words"),
            ("<html>\n<head><TITLE>Sign in\n &middot; GitLab</title>", "the page \"Sign in &middot; GitLab\""),
            ("<Error><Code>X</Code><Message>Request has\nexpired</Message></Error>", "Request has expired"),
            ("<html>", ""),
            ("<title>x", ""),
        ] {
            assert_eq!(text(body), expected, "{body}");
            assert!(ErrorBody::parse(body.as_bytes()).is_foreign(), "{body}");
        }
    }

    #[test]
    fn error_body_is_bounded() {
        let long = "x".repeat(1 << 20);
        assert_eq!(text(&long).chars().count(), MAX_LINE_CHARS + 1);
        let error = format!(r#"{{"code":"A","message":"{long}","detail":"{long}"}}"#);
        let errors = vec![error; 20].join(",");
        assert!(text(&format!("{{\"errors\":[{errors}]}}")).chars().count() <= MAX_TEXT_CHARS + 1);
        let detail = text(&format!(r#"{{"errors":[{{"code":"A","detail":"{long}"}}]}}"#));
        assert!(detail.chars().count() < MAX_DETAIL_CHARS + 10 && detail.ends_with("…)"), "{detail}");
    }

    #[test]
    fn error_body_that_repeats_the_status_is_dropped() {
        let beyond = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            ErrorBody::parse(body.as_bytes()).beyond(status).map(str::to_owned)
        };
        assert_eq!(beyond(404, "404 Not Found\n"), None);
        assert_eq!(beyond(503, "Service Unavailable"), None);
        assert_eq!(beyond(403, ""), None);
        assert_eq!(beyond(404, "404 page not found").as_deref(), Some("404 page not found"));
    }
}
