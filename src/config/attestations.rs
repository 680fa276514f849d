//! Where SBOM and provenance are: the key `attestations`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::value::Text;
use crate::suggest::hint;

/// Where SBOM and provenance of an image are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttestationPlace {
    /// Attached to index and images.
    #[default]
    Referrers,
    /// In the index, as BuildKit puts them there.
    Index,
    /// In both places.
    Both,
}

impl AttestationPlace {
    const ALL: [AttestationPlace; 3] = [AttestationPlace::Referrers, AttestationPlace::Index, AttestationPlace::Both];

    /// Returns whether they are attached.
    pub(crate) fn has_referrers(self) -> bool {
        self != AttestationPlace::Index
    }

    /// Returns whether they are in the index.
    pub(crate) fn is_in_index(self) -> bool {
        self != AttestationPlace::Referrers
    }
}

impl fmt::Display for AttestationPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AttestationPlace::Referrers => "referrers",
            AttestationPlace::Index => "index",
            AttestationPlace::Both => "both",
        })
    }
}

impl FromStr for AttestationPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = AttestationPlace::ALL.into_iter().find(|place| place.to_string() == text);
        found.ok_or_else(|| {
            let words = <AttestationPlace as Text>::words();
            let hint = hint(text, words.iter().map(String::as_str));
            format!("unknown place `{text}`{hint}: expected referrers, index or both")
        })
    }
}

impl Text for AttestationPlace {
    fn schema() -> Json {
        json!({ "type": "string", "enum": <AttestationPlace as Text>::words() })
    }

    fn words() -> Vec<String> {
        AttestationPlace::ALL.map(|place| place.to_string()).to_vec()
    }
}
