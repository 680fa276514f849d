//! The key `policy`, and the files of `verify --policy`: what an image must be.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use cargo_metadata::semver::VersionReq;
use regex::Regex;
use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{in_order, parsed, strings, table, wrong_type};
use super::error::ValueError;
use super::value::KeyValue;
use super::verify::BaseVerify;
use crate::error::{Result as CliResult, on_path};
use crate::reference::SignerReference;
use crate::suggest::nearest;

/// What an image must be. A rule that is empty is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// One of these must have signed it.
    pub signers: Vec<SignerReference>,
    /// These documents must be attached, and signed.
    pub require: Vec<RequiredDocument>,
    /// The builder in its provenance must be one of these.
    pub builders: Vec<NamePattern>,
    /// The repository of its source must be one of these.
    pub sources: Vec<NamePattern>,
    /// The workflow in the certificate must be one of these.
    pub workflows: Vec<NamePattern>,
    /// Its base must be one of these.
    pub bases: Vec<NamePattern>,
    /// It must not be older.
    pub max_age: Option<MaxAge>,
    /// The license of every crate must be possible with these.
    pub licenses: Vec<String>,
    /// It must have none of these crates.
    pub deny_crates: Vec<CrateRule>,
}

/// A document that a policy can require.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredDocument {
    /// An SBOM, in whatever format.
    Sbom,
    /// Provenance.
    Provenance,
    /// A VEX document.
    Vex,
}

/// A name in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(String);

/// An age, as a number of hours, days or weeks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxAge {
    /// As it is written.
    pub text: String,
    /// The same.
    pub duration: Duration,
}

/// A crate, or some versions of it: `NAME` or `NAME@REQUIREMENT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrateRule {
    /// The name.
    pub name: String,
    /// The versions, as in Cargo.toml; all without it.
    pub versions: Option<VersionReq>,
}

const KEYS: [&str; 9] =
    ["signers", "require", "builders", "sources", "workflows", "bases", "max-age", "licenses", "deny-crates"];
const DOCUMENTS: [&str; 3] = ["sbom", "provenance", "vex"];

impl Policy {
    /// Reads a file: the keys of the table, at its top.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, and one with its position for the first wrong key or value.
    pub(crate) fn read_file(path: &Path) -> CliResult<Policy> {
        let text = std::fs::read_to_string(path).map_err(|error| on_path("read", path, error))?;
        let parse = || {
            let document = DeTable::parse(&text).map_err(|error| ValueError {
                message: "invalid TOML".to_owned(),
                at: error.span().unwrap_or(0..0),
                label: error.message().to_owned(),
                help: None,
            })?;
            Policy::from_table(document.get_ref())
        };
        let policy = parse().map_err(|error: ValueError| error.within(path, &text))?;
        Ok(policy.relative_to(path.parent().unwrap_or(Path::new("."))))
    }

    fn from_table(keys: &DeTable) -> Result<Policy, ValueError> {
        let mut policy = Policy::default();
        for (key, value) in in_order(keys) {
            match key.get_ref().as_ref() {
                "signers" => policy.signers = signers(value)?,
                "require" => policy.require = all(value)?,
                "builders" => policy.builders = all(value)?,
                "sources" => policy.sources = all(value)?,
                "workflows" => policy.workflows = all(value)?,
                "bases" => policy.bases = all(value)?,
                "max-age" => policy.max_age = Some(parsed(value)?),
                "licenses" => {
                    let licenses = all::<AllowedLicense>(value)?.into_iter();
                    policy.licenses = licenses.map(|license| license.0).collect();
                }
                "deny-crates" => policy.deny_crates = all(value)?,
                other => {
                    return Err(ValueError {
                        message: format!("unknown rule `{other}` in the policy"),
                        at: key.span(),
                        label: nearest(other, KEYS)
                            .map_or_else(|| "unknown rule".to_owned(), |known| format!("did you mean `{known}`?")),
                        help: Some(format!("the rules are {}", KEYS.join(", "))),
                    });
                }
            }
        }
        Ok(policy)
    }

    /// Returns the same, with paths relative to `folder`.
    #[must_use]
    pub(super) fn relative_to(self, folder: &Path) -> Policy {
        let signers = self.signers.into_iter().map(|signer| signer.relative_to(folder)).collect();
        Policy { signers, ..self }
    }
}

fn signers(value: &Spanned<DeValue>) -> Result<Vec<SignerReference>, ValueError> {
    let DeValue::Array(items) = value.get_ref() else { return Err(wrong_type(value, "an array of signers")) };
    let signer = |item| {
        let signer = BaseVerify::read(item)?.0;
        signer.ok_or_else(|| wrong_type(item, "a table, or the name of a signer"))
    };
    items.iter().map(signer).collect()
}

fn all<T: FromStr<Err = String>>(value: &Spanned<DeValue>) -> Result<Vec<T>, ValueError> {
    strings(value)?.iter().map(parsed).collect()
}

impl FromStr for RequiredDocument {
    type Err = String;

    fn from_str(text: &str) -> Result<RequiredDocument, String> {
        match text {
            "sbom" => Ok(RequiredDocument::Sbom),
            "provenance" => Ok(RequiredDocument::Provenance),
            "vex" => Ok(RequiredDocument::Vex),
            other => Err(format!("unknown document `{other}`: expected {}", DOCUMENTS.join(", "))),
        }
    }
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<NamePattern, String> {
        if text.is_empty() {
            Err("expected a name, in which `*` is anything".to_owned())
        } else {
            Ok(NamePattern(text.to_owned()))
        }
    }
}

impl NamePattern {
    /// Returns whether the whole name is one of these.
    pub(crate) fn is_match(&self, name: &str) -> bool {
        let pattern = regex::escape(&self.0).replace(r"\*", ".*");
        // An escaped text with `.*` is a pattern.
        Regex::new(&format!("^(?s:{pattern})$")).is_ok_and(|pattern| pattern.is_match(name))
    }
}

impl std::fmt::Display for NamePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MaxAge {
    type Err = String;

    fn from_str(text: &str) -> Result<MaxAge, String> {
        let hours = |unit| match unit {
            "h" => Some(1),
            "d" => Some(24),
            "w" => Some(7 * 24),
            _ => None,
        };
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(at);
        let hours =
            number.parse::<u64>().ok().zip(hours(unit)).and_then(|(number, hours)| number.checked_mul(hours * 3600));
        let seconds = hours.filter(|seconds| (1..1 << 40).contains(seconds));
        let seconds =
            seconds.ok_or_else(|| format!("`{text}` is no age: expected a number with h, d or w, such as 90d"))?;
        Ok(MaxAge { text: text.to_owned(), duration: Duration::from_secs(seconds) })
    }
}

struct AllowedLicense(String);

impl FromStr for AllowedLicense {
    type Err = String;

    fn from_str(text: &str) -> Result<AllowedLicense, String> {
        let known = spdx::Licensee::parse(text);
        known
            .map(|_| AllowedLicense(text.to_owned()))
            .map_err(|_| format!("`{text}` is no license of SPDX, such as MIT or Apache-2.0"))
    }
}

impl std::fmt::Display for CrateRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.versions {
            Some(versions) => write!(f, "{}@{versions}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl FromStr for CrateRule {
    type Err = String;

    fn from_str(text: &str) -> Result<CrateRule, String> {
        let (name, versions) = text.split_once('@').map_or((text, None), |(name, versions)| (name, Some(versions)));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            return Err(format!("`{text}` is no crate: expected `NAME` or `NAME@<1.2.3`"));
        }
        let versions = versions.map(VersionReq::parse).transpose();
        let versions =
            versions.map_err(|error| format!("the versions in `{text}` are not as in Cargo.toml: {error}"))?;
        Ok(CrateRule { name: name.to_owned(), versions })
    }
}

impl KeyValue for Policy {
    const TYPE: &'static str = "table";

    fn read(value: &Spanned<DeValue>) -> Result<Policy, ValueError> {
        Policy::from_table(table(value, "a table of rules")?)
    }

    fn parse(_: &[&str]) -> Result<Policy, String> {
        Err("only Cargo.toml can set this".to_owned())
    }

    fn schema() -> Json {
        let list = |items: Json| json!({ "type": "array", "items": items });
        let names = |description: &str| json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "description": description });
        // What `base-verify` accepts, but nobody.
        let mut signer = BaseVerify::schema();
        if let Some(forms) = signer["anyOf"].as_array_mut() {
            forms.retain(|form| form.get("const").is_none());
        }
        json!({
            "type": "object",
            "properties": {
                "signers": list(signer),
                "require": list(json!({ "enum": DOCUMENTS })),
                "builders": names("The builder in the provenance is one of these; `*` is anything"),
                "sources": names("The repository of the source is one of these; `*` is anything"),
                "workflows": names("The workflow in the certificate is one of these; `*` is anything"),
                "bases": names("The base is one of these; `*` is anything, and `scratch` is none"),
                "max-age": { "type": "string", "pattern": "^[0-9]+[hdw]$", "description": "Hours, days or weeks" },
                "licenses": names("The license of every crate is possible with these licenses of SPDX"),
                "deny-crates": names("No crate is one of these: `NAME`, or `NAME@<1.2.3`"),
            },
            "additionalProperties": false,
        })
    }
}
