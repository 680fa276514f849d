//! Formats of SBOMs: the key `sbom`.

use std::fmt;
use std::str::FromStr;

use crate::suggest::hint;

/// A format that an SBOM is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SbomFormat {
    /// CycloneDX 1.6, as JSON.
    CycloneDx,
    /// SPDX 2.3, as JSON.
    Spdx,
}

impl SbomFormat {
    /// All of them.
    pub const ALL: [SbomFormat; 2] = [SbomFormat::CycloneDx, SbomFormat::Spdx];

    /// As it is written in a table, and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            SbomFormat::CycloneDx => "cyclonedx",
            SbomFormat::Spdx => "spdx",
        }
    }

    /// Its media type (IANA), which is also the artifact type of what carries one.
    pub fn media_type(self) -> &'static str {
        match self {
            SbomFormat::CycloneDx => "application/vnd.cyclonedx+json",
            SbomFormat::Spdx => "application/spdx+json",
        }
    }

    /// How the names of such files end.
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
        found.ok_or_else(|| format!("`{text}` is no format of SBOMs: there are cyclonedx and spdx"))
    }
}

/// One that was typed, where nothing but the message can say what was meant.
fn typed(text: &str) -> Result<SbomFormat, String> {
    text.parse().map_err(|why: String| why + &hint(text, SbomFormat::ALL.map(SbomFormat::name)))
}

/// The formats that SBOMs are written in, each once; none of them for none at all.
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
            text => text.split(',').map(|format| typed(format.trim())).collect(),
        }
    }
}
