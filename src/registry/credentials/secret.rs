//! Texts that are not to be seen.

use std::fmt;

/// A password or token. It does not print itself: who needs the text has to say so.
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
