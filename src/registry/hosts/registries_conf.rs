//! registries.conf, version 2: the file in which Podman, Skopeo and Buildah have mirrors and insecure registries
//! (containers-registries.conf(5)). Keys that concern short names are skipped: our references are complete.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::location::Location;
use super::prefix::Prefix;
use crate::config::ValueError;
use crate::config::document::{array, in_order, parsed, table, wrong_type, wrong_value};
use crate::error::Result;

/// A `[[registry]]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistryTable {
    /// The references that it is for.
    pub(crate) prefix: Prefix,
    /// What replaces the prefix, or `None` if references stay as they are.
    pub(crate) location: Option<Location>,
    /// Whether the registry may be without TLS, or with a certificate that nobody vouches for.
    pub(crate) insecure: bool,
    /// Whether nothing may be pulled from it or pushed to it.
    pub(crate) blocked: bool,
    /// The mirrors to pull from, in order.
    pub(crate) mirrors: Vec<Mirror>,
    /// Where the table is.
    pub(crate) line: FileLine,
}

/// A `[[registry.mirror]]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// What replaces the prefix.
    pub(crate) location: Location,
    /// Whether the mirror may be without TLS.
    pub(crate) insecure: bool,
    /// What is pulled from it.
    pub(crate) pulls: MirrorPulls,
    /// Where the table is.
    pub(crate) line: FileLine,
}

/// What is pulled from a mirror, the key `pull-from-mirror`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MirrorPulls {
    #[default]
    All,
    DigestOnly,
    TagOnly,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileLine {
    pub(crate) path: PathBuf,
    /// From 1.
    pub(crate) line: usize,
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// Parses a file.
///
/// # Errors
/// Returns an error that shows the line if it is invalid, or of version 1.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<RegistryTable>> {
    let document = parse_document(path, text)?;
    Reader { path, text }.tables(document.get_ref()).map_err(|error| error.within(path, text).into())
}

/// Parses a file as TOML.
///
/// # Errors
/// Returns an error that shows the line if it is invalid.
pub(super) fn parse_document<'t>(path: &Path, text: &'t str) -> Result<Spanned<DeTable<'t>>> {
    DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or_default();
        value_error(error.message().to_owned(), at, None).within(path, text).into()
    })
}

/// Returns the line that a value begins at.
pub(super) fn line_of(path: &Path, text: &str, value: &Spanned<DeValue>) -> FileLine {
    let before = text.get(..value.span().start).unwrap_or_default();
    FileLine { path: path.to_owned(), line: before.matches('\n').count() + 1 }
}

fn value_error(message: String, at: Range<usize>, help: Option<&str>) -> ValueError {
    ValueError { message, at, label: "here".to_owned(), help: help.map(str::to_owned) }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn tables(&self, document: &DeTable) -> Result<Vec<RegistryTable>, ValueError> {
        let mut tables = Vec::new();
        for (key, value) in in_order(document) {
            match key.get_ref().as_ref() {
                "registry" => {
                    for item in array(value, "an array of tables, `[[registry]]`")? {
                        tables.push(self.registry(item)?);
                    }
                }
                "registries" => {
                    return Err(value_error(
                        "version 1 of registries.conf is not supported".to_owned(),
                        key.span(),
                        Some("write a `[[registry]]` table for each registry, as containers-registries.conf(5) says"),
                    ));
                }
                _ => {}
            }
        }
        Ok(tables)
    }

    fn registry(&self, value: &Spanned<DeValue>) -> Result<RegistryTable, ValueError> {
        let fields = table(value, "a table")?;
        let location = fields.get("location").map(parsed::<Location>).transpose()?;
        let prefix = match (fields.get("prefix"), &location) {
            (Some(prefix), _) => parsed::<Prefix>(prefix)?,
            (None, Some(location)) => Prefix::Start(location.to_string()),
            (None, None) => {
                return Err(wrong_value(
                    value,
                    "a `[[registry]]` table must have a `prefix` or a `location`".to_owned(),
                ));
            }
        };
        let digest_only = flag(fields, "mirror-by-digest-only")?;
        let mut mirrors = Vec::new();
        if let Some(list) = fields.get("mirror") {
            for item in array(list, "an array of tables, `[[registry.mirror]]`")? {
                mirrors.push(self.mirror(item, digest_only)?);
            }
        }
        Ok(RegistryTable {
            prefix,
            location,
            insecure: flag(fields, "insecure")?,
            blocked: flag(fields, "blocked")?,
            mirrors,
            line: self.line(value),
        })
    }

    fn mirror(&self, value: &Spanned<DeValue>, digest_only: bool) -> Result<Mirror, ValueError> {
        let fields = table(value, "a table")?;
        let location = fields
            .get("location")
            .ok_or_else(|| wrong_value(value, "a `[[registry.mirror]]` table must have a `location`".to_owned()))?;
        let pulls = match fields.get("pull-from-mirror") {
            None if digest_only => MirrorPulls::DigestOnly,
            None => MirrorPulls::All,
            Some(value) => match value.get_ref().as_str() {
                Some("all" | "") => MirrorPulls::All,
                Some("digest-only") => MirrorPulls::DigestOnly,
                Some("tag-only") => MirrorPulls::TagOnly,
                Some(other) => {
                    let message = format!("unknown value `{other}`: expected `all`, `digest-only` or `tag-only`");
                    return Err(wrong_value(value, message));
                }
                None => return Err(wrong_type(value, "a string")),
            },
        };
        Ok(Mirror { location: parsed(location)?, insecure: flag(fields, "insecure")?, pulls, line: self.line(value) })
    }

    fn line(&self, value: &Spanned<DeValue>) -> FileLine {
        line_of(self.path, self.text, value)
    }
}

fn flag(fields: &DeTable, key: &str) -> Result<bool, ValueError> {
    match fields.get(key) {
        None => Ok(false),
        Some(value) => match value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(wrong_type(value, "true or false")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<RegistryTable>> {
        parse(Path::new("registries.conf"), text)
    }

    #[test]
    fn parse_reads_registries_and_mirrors() {
        let text = r#"
unqualified-search-registries = ["docker.io"]

[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mirror.example.com/hub"
insecure = true
[[registry.mirror]]
location = "other.example.com"
pull-from-mirror = "tag-only"

[[registry]]
prefix = "*.internal.example.com"
blocked = true
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.example.com"

[aliases]
"debian" = "docker.io/library/debian"
"#;
        let tables = read(text).expect("a file");
        let prefixes: Vec<_> = tables.iter().map(|table| (table.prefix.text(), table.line.line)).collect();
        assert_eq!(prefixes, [("docker.io".to_owned(), 4), ("*.internal.example.com".to_owned(), 13)]);
        let mirrors: Vec<_> = tables[0].mirrors.iter().map(|mirror| (mirror.insecure, mirror.pulls)).collect();
        assert_eq!(mirrors, [(true, MirrorPulls::All), (false, MirrorPulls::TagOnly)]);
        assert_eq!((tables[1].blocked, tables[1].location.is_none()), (true, true));
        assert_eq!(tables[1].mirrors[0].pulls, MirrorPulls::DigestOnly);
        assert_eq!(tables[0].mirrors[0].line.line, 6);
    }

    #[test]
    fn parse_errors_say_what_is_expected() {
        for (text, says) in [
            ("[[registry]]\ninsecure = true\n", "must have a `prefix` or a `location`"),
            ("[[registry]]\nlocation = \"https://x\"\n", "remove the scheme"),
            ("[[registry]]\nlocation = 7\n", "expected a string, found an integer"),
            ("[[registry]]\nprefix = \"a*\"\n", "`*` must be the first part"),
            ("[[registry]]\nlocation = \"x.io\"\ninsecure = \"yes\"\n", "expected true or false"),
            ("[[registry]]\nlocation = \"x.io\"\n[[registry.mirror]]\n", "must have a `location`"),
            ("[registry]\nlocation = \"x.io\"\n", "expected an array of tables"),
            ("[registries.search]\nregistries = []\n", "version 1 of registries.conf"),
            ("[[registry]\n", "unclosed"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }
}
