//! Secrets: text that must not be printed.

use std::fmt;

use zeroize::Zeroize;

/// A password or token. `Debug` does not print it, and it is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Creates a secret from its text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Returns the text itself, to be sent to its recipient and nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Returns a text whose URLs are without user and password.
pub(crate) fn without_user_info(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| "/?# \t\"'".contains(c)).unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |at| at + 1);
        shown.push_str("://");
        shown.push_str(&part[host..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_is_removed_from_urls() {
        for (text, shown) in [
            ("https://me:a@b@example.org/x@y", "https://example.org/x@y"),
            ("git+ssh://git@a/b https://t@c", "git+ssh://a/b https://c"),
            ("a@b", "a@b"),
            ("https://example.org", "https://example.org"),
        ] {
            assert_eq!(without_user_info(text), shown);
        }
    }

    #[test]
    fn secret_debug_prints_no_text() {
        assert_eq!(format!("{:?} {:#?}", Secret::new("sesame"), Some(Secret::new("sesame"))), "*** Some(\n    ***,\n)");
    }
}
