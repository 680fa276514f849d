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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_debug_prints_no_text() {
        assert_eq!(format!("{:?} {:#?}", Secret::new("sesame"), Some(Secret::new("sesame"))), "*** Some(\n    ***,\n)");
    }
}
