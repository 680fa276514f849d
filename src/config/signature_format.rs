//! Formats of signatures: the key `signature-format`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::value::Text;
use crate::suggest::hint;

/// How signatures are kept beside an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureFormat {
    /// As sigstore bundles, attached to the image: as cosign 3 does.
    #[default]
    Bundle,
    /// Under tags of the same repository: as cosign 2 does, and as Podman, Skopeo and Harbor read them.
    Legacy,
    /// Both ways.
    Both,
}

impl SignatureFormat {
    const ALL: [SignatureFormat; 3] = [SignatureFormat::Bundle, SignatureFormat::Legacy, SignatureFormat::Both];

    /// Returns whether there are bundles.
    pub(crate) fn has_bundles(self) -> bool {
        self != SignatureFormat::Legacy
    }

    /// Returns whether there are tags.
    pub(crate) fn has_tags(self) -> bool {
        self != SignatureFormat::Bundle
    }
}

impl fmt::Display for SignatureFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SignatureFormat::Bundle => "bundle",
            SignatureFormat::Legacy => "legacy",
            SignatureFormat::Both => "both",
        })
    }
}

impl FromStr for SignatureFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = SignatureFormat::ALL.into_iter().find(|format| format.to_string() == text);
        found.ok_or_else(|| {
            let words = <SignatureFormat as Text>::words();
            let hint = hint(text, words.iter().map(String::as_str));
            format!("unknown format `{text}`{hint}: expected bundle, legacy or both")
        })
    }
}

impl Text for SignatureFormat {
    fn schema() -> Json {
        json!({ "type": "string", "enum": <SignatureFormat as Text>::words() })
    }

    fn words() -> Vec<String> {
        SignatureFormat::ALL.map(|format| format.to_string()).to_vec()
    }
}
