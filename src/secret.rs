//! Texts that are not to be seen.

use std::fmt;

use zeroize::Zeroize;

/// A password or token. It does not print itself: who needs the text has to say so. The text is wiped from memory when it
/// is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text out of sight.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, to be sent to whom it is for, and to nobody else.
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
    fn a_secret_is_not_told() {
        assert_eq!(format!("{:?} {:#?}", Secret::new("sesame"), Some(Secret::new("sesame"))), "*** Some(\n    ***,\n)");
    }
}
