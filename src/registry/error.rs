//! What goes wrong between here and a registry, told so that one can act on it at 3 a.m.

use std::fmt;
use std::time::Duration;

use miette::Diagnostic;
use reqwest::{Method, StatusCode, Url};

/// A request that failed: what was asked, of whom, and the answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{method} {url}: {problem}")]
pub struct RequestError {
    /// `GET`, …
    pub method: Method,
    /// Without its query and without credentials: both may hold secrets.
    pub url: String,
    /// What went wrong.
    pub problem: Problem,
    /// How long the registry asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Kinds of failure.
#[derive(Clone, Debug)]
pub enum Problem {
    /// No answer: no connection, a broken one, or one that is not what it should be (TLS).
    Transport(String),
    /// No answer within so many seconds.
    Silent(u64),
    /// An answer that says no.
    Status {
        /// The status.
        status: StatusCode,
        /// What the registry says of it.
        says: String,
    },
    /// An answer that is not what was asked for.
    Answer(String),
    /// Nobody waits for the answer any more.
    Interrupted,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Transport(why) | Problem::Answer(why) => f.write_str(why),
            Problem::Interrupted => f.write_str("interrupted"),
            Problem::Silent(seconds) => write!(f, "no answer within {seconds} seconds"),
            Problem::Status { status, says } if says.is_empty() => status.fmt(f),
            Problem::Status { status, says } => write!(f, "{status}: {says}"),
        }
    }
}

impl Diagnostic for RequestError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let registry = self.registry();
        let is_push = !matches!(self.method, Method::GET | Method::HEAD);
        let help = match &self.problem {
            Problem::Transport(why) if why.contains("UnknownIssuer") => {
                "if you trust it, name a file with the certificate of its authority in SSL_CERT_FILE".to_owned()
            }
            Problem::Transport(why) if why.contains("not valid for name") => {
                format!("write the name that the certificate of {registry} is for")
            }
            Problem::Transport(why) if why.contains("certificate") => {
                "its certificate has to be renewed where it runs; if it is right, check the clock of this computer"
                    .to_owned()
            }
            Problem::Transport(_) | Problem::Silent(_) => {
                "check the registry's name and the network (and HTTPS_PROXY)".to_owned()
            }
            Problem::Status { status, says } => match *status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                    "`cargo oci login {registry}` keeps credentials for it; check the name too: some registries say this of what they do not have"
                ),
                StatusCode::NOT_FOUND if is_push => {
                    "check the repository's name; some registries (such as ECR) want it created before the first push"
                        .to_owned()
                }
                StatusCode::NOT_FOUND if says.contains("NAME_UNKNOWN") => {
                    "there is no such repository: check its name".to_owned()
                }
                StatusCode::NOT_FOUND => "check the repository's name, and the tag or digest behind it".to_owned(),
                StatusCode::TOO_MANY_REQUESTS => format!(
                    "it limits how often one may ask: try again later; `cargo oci login {registry}` often raises the limit"
                ),
                StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED => {
                    format!("{registry} does not do what registries do: check its name")
                }
                status if status.is_server_error() => "the registry is at fault: try again later".to_owned(),
                _ => format!("check the name: {registry} does not want what other registries take"),
            },
            Problem::Answer(_) => format!("{registry} does not answer as registries do: check its name"),
            Problem::Interrupted => return None,
        };
        Some(Box::new(help))
    }
}

impl RequestError {
    /// Of a request to `url`.
    pub fn new(method: &Method, url: &Url, problem: Problem) -> RequestError {
        RequestError { method: method.clone(), url: redacted(url), problem, retry_after: None }
    }

    /// The registry, as users write it.
    fn registry(&self) -> &str {
        match self.url.split("://").nth(1).and_then(|rest| rest.split('/').next()) {
            Some("registry-1.docker.io") => "docker.io",
            Some(host) => host,
            None => &self.url,
        }
    }

    /// The status of an answer that said no.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.problem {
            Problem::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether there was no answer at all.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.problem, Problem::Transport(_) | Problem::Silent(_))
    }

    /// Whether the same request may well be answered another time.
    pub fn is_passing(&self) -> bool {
        match &self.problem {
            Problem::Transport(_) | Problem::Silent(_) => true,
            Problem::Status { status, .. } => matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504),
            Problem::Answer(_) | Problem::Interrupted => false,
        }
    }

    /// Of reqwest's own error, with all that it knows.
    pub fn transport(method: &Method, url: &Url, error: &reqwest::Error) -> RequestError {
        let mut words = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(inner) = cause {
            words.push(inner.to_string());
            cause = inner.source();
        }
        // What says no more than that there was no connection.
        const LAYERS: [&str; 4] = ["client error", "tcp connect error", "dns error", "error resolving DNS"];
        words.retain(|words| !LAYERS.iter().any(|layer| words.starts_with(layer)));
        if error.is_timeout() {
            words = vec!["no answer in time".to_owned()];
        }
        if words.is_empty() {
            words.push(error.to_string());
        }
        // rustls counts its seconds from 1970 on, which tells nobody more.
        for words in &mut words {
            let told = words.split(": verification time").next().unwrap_or_default().len();
            words.truncate(told);
        }
        if error.is_connect() {
            words.insert(0, "cannot connect".to_owned());
        }
        words.dedup();
        RequestError::new(method, url, Problem::Transport(words.join(": ")))
    }
}

/// A URL without what may be secret in it.
pub fn redacted(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// What a registry's error body says (distribution-spec, "Error Codes"), fit to be shown: no control characters, not
/// long.
pub fn said(body: &[u8]) -> String {
    const MOST: usize = 4 << 10;
    let parsed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let errors = parsed.as_ref().and_then(|body| body.get("errors")?.as_array()).into_iter().flatten();
    let texts: Vec<_> = errors
        .map(|error| {
            let text = |key: &str| error.get(key).and_then(|value| value.as_str()).unwrap_or_default();
            format!("{}: {}", text("code"), text("message"))
        })
        .collect();
    let text = match texts.is_empty() {
        true => String::from_utf8_lossy(&body[..body.len().min(MOST)]).trim().to_owned(),
        false => texts.join("; "),
    };
    // A page for browsers says nothing in a terminal.
    if text.starts_with('<') {
        return String::new();
    }
    text.chars().take(MOST).flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_own_words_are_taken_and_made_harmless() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m way"}]}"#;
        assert_eq!(said(body), "DENIED: no\\u{1b}[31m way");
        assert_eq!(said(b"plain words\n"), "plain words");
        assert_eq!(said(b"<html>"), "");
        assert!(said(&vec![b'x'; 1 << 20]).len() <= 4 << 10);
    }

    #[test]
    fn secrets_in_a_url_are_not_told() {
        let url = Url::parse("https://user:secret@example.org/v2/a?token=secret").expect("a URL");
        assert_eq!(redacted(&url), "https://example.org/v2/a");
    }
}
