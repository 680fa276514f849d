//! Formats of SBOMs: the key `sbom`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::document::{some_strings, string, wrong_type, wrong_value};
use super::error::ValueError;
use super::value::KeyValue;
use crate::suggest::{hint, nearest};

/// A format that an SBOM is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SbomFormat {
    /// CycloneDX 1.6, as JSON.
    CycloneDx,
    /// SPDX 2.3, as JSON.
    Spdx,
}

/// The media type of SPDX documents before `application/spdx+json` was registered. Some registries have a list of types with
/// this one alone (sigstore/cosign#2479, sigstore/cosign#3515).
pub(crate) const SPDX_AS_TEXT: &str = "text/spdx+json";

impl SbomFormat {
    /// All of them.
    pub const ALL: [SbomFormat; 2] = [SbomFormat::CycloneDx, SbomFormat::Spdx];

    /// Returns its name in a table and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            SbomFormat::CycloneDx => "cyclonedx",
            SbomFormat::Spdx => "spdx",
        }
    }

    /// Returns its media type (IANA), which is also the artifact type of its manifest.
    pub const fn media_type(self) -> &'static str {
        match self {
            SbomFormat::CycloneDx => "application/vnd.cyclonedx+json",
            SbomFormat::Spdx => "application/spdx+json",
        }
    }

    /// Returns the extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            SbomFormat::CycloneDx => "cdx.json",
            SbomFormat::Spdx => "spdx.json",
        }
    }
}

impl fmt::Display for SbomFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SbomFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = SbomFormat::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| format!("unknown SBOM format `{text}`: expected cyclonedx or spdx"))
    }
}

/// Parses a value of the flag: the message alone can hold the hint.
fn format_of_flag(text: &str) -> Result<SbomFormat, String> {
    text.parse().map_err(|why: String| why + &hint(text, SbomFormat::ALL.map(SbomFormat::name)))
}

/// The formats that SBOMs are written in, each once; empty for no SBOM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SbomFormats(pub Vec<SbomFormat>);

impl Default for SbomFormats {
    fn default() -> Self {
        SbomFormats(vec![SbomFormat::CycloneDx])
    }
}

impl FromIterator<SbomFormat> for SbomFormats {
    fn from_iter<T: IntoIterator<Item = SbomFormat>>(formats: T) -> Self {
        let mut formats: Vec<_> = formats.into_iter().collect();
        formats.sort_unstable();
        formats.dedup();
        SbomFormats(formats)
    }
}

impl FromStr for SbomFormats {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "false" => Ok(SbomFormats(Vec::new())),
            text => text.split(',').map(|format| format_of_flag(format.trim())).collect(),
        }
    }
}

impl KeyValue for SbomFormats {
    const TYPE: &'static str = "string, array of strings or `false`";

    fn read(value: &Spanned<DeValue>) -> Result<SbomFormats, ValueError> {
        match value.get_ref() {
            DeValue::Boolean(false) => Ok(SbomFormats(Vec::new())),
            DeValue::String(_) => Ok(SbomFormats(vec![format_of_table(value)?])),
            DeValue::Array(_) => some_strings(value)?.iter().map(format_of_table).collect(),
            _ => Err(wrong_type(value, "an SBOM format, an array of them, or `false`")),
        }
    }

    fn parse(texts: &[&str]) -> Result<SbomFormats, String> {
        texts.last().copied().unwrap_or_default().parse()
    }

    fn schema() -> Json {
        let format = json!({ "type": "string", "enum": SbomFormat::ALL.map(SbomFormat::name) });
        let list = json!({ "type": "array", "items": format, "minItems": 1 });
        json!({ "anyOf": [format, list, { "const": false }] })
    }

    fn words() -> Vec<String> {
        SbomFormat::ALL.iter().map(|format| format.name().to_owned()).chain(["false".to_owned()]).collect()
    }
}

fn format_of_table(value: &Spanned<DeValue>) -> Result<SbomFormat, ValueError> {
    let text = string(value)?;
    text.parse().map_err(|message| ValueError {
        label: nearest(&text, SbomFormat::ALL.map(SbomFormat::name))
            .map_or_else(|| "unknown format".to_owned(), |near| format!("did you mean `{near}`?")),
        ..wrong_value(value, message)
    })
}
