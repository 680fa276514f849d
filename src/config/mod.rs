//! The `[package.metadata.oci]` table: its keys, their types, and errors with the line and a caret.
//!
//! It is read from the text of Cargo.toml, because `cargo metadata` gives no positions and no order.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`table`] | the keys of one table, and how tables inherit from each other |
//! | [`template`], [`port`], [`signal`], [`folder`], [`sbom`] | values that have a form of their own |
//! | `files`, `pattern` | the rules of the key `files`, and the patterns in them |
//! | `verify` | the key `base-verify` |
//! | [`check`] | the rules for the others |
//! | `value` | values of TOML → values of keys, or the mistake in them |

pub mod check;
mod files;
pub mod folder;
mod pattern;
pub mod port;
pub mod sbom;
pub mod signal;
pub mod table;
pub mod template;
#[cfg(test)]
mod tests;
mod value;
mod verify;

use std::borrow::Cow;
use std::path::Path;

use miette::{Diagnostic, NamedSource, SourceSpan};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Result, cannot_read};
use crate::reference::Reference;
use crate::suggest::nearest;

pub use files::{Account, FileRule, Owner, is_whiteout};
pub use folder::Folder;
pub use pattern::{Pattern, Root};
pub use port::Port;
pub use sbom::{SbomFormat, SbomFormats};
pub use signal::Signal;
pub use table::{KEYS, Labels, Table};
pub use template::{Field, TagTemplate};

use value::{Mistake, any_string, array, in_order, table_of, wrong_type};

/// What one Cargo.toml says of images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Whether it says `oci = false`: no images of this package.
    pub is_off: bool,
    /// The table itself, where it is written.
    pub table: Option<Table>,
    /// The tables `images.NAME` in it, in the order they are written.
    pub images: Vec<(String, Table)>,
}

/// Whose section of a Cargo.toml it is.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// `[workspace.metadata.oci]`: defaults for every package.
    Workspace,
    /// `[package.metadata.oci]`.
    Package {
        /// What the package's own image is called: no other one may be.
        image: &'a str,
        /// Its binaries, which are all that its images are made of.
        binaries: &'a [&'a str],
    },
}

/// A mistake in the table, and where it is.
#[derive(Debug, Diagnostic, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
    #[source_code]
    manifest: NamedSource<String>,
    #[label("{label}")]
    at: SourceSpan,
    label: String,
    #[help]
    help: Option<String>,
}

/// The one key whose tables are images of their own.
const IMAGES: &str = "images";
/// The key whose values are a package's binaries.
const BINS: &str = "bins";

impl Section {
    /// Reads `metadata.oci` of a Cargo.toml. Paths are taken from its folder.
    ///
    /// # Errors
    /// A file that cannot be read, and a [`ConfigError`] for the first mistake in the table.
    pub fn read(manifest: &Path, whose: Whose) -> Result<Section> {
        let text = std::fs::read_to_string(manifest).map_err(|error| cannot_read(manifest, error))?;
        let section = Section::parse(&text, whose).map_err(|mistake| mistake.within(manifest, &text))?;
        Ok(section.written_in(&files::Manifest { path: manifest.to_owned(), text: text.into() }))
    }

    fn parse(text: &str, whose: Whose) -> Result<Section, Mistake> {
        let document = DeTable::parse(text).map_err(|error| Mistake {
            message: "this is not TOML".to_owned(),
            at: error.span().unwrap_or(0..0),
            label: error.message().to_owned(),
            help: None,
        })?;
        let mut table = document.get_ref();
        let section = match whose {
            Whose::Workspace => "workspace",
            Whose::Package { .. } => "package",
        };
        for key in [section, "metadata", "oci"] {
            match (table.get(key).map(Spanned::get_ref), whose) {
                (Some(DeValue::Table(inner)), _) => table = inner,
                (Some(DeValue::Boolean(false)), Whose::Package { .. }) if key == "oci" => {
                    return Ok(Section { is_off: true, ..Section::default() });
                }
                // `oci = 1` is a mistake in the table; a package without the table has made none.
                (Some(other), _) if key == "oci" => {
                    let help = format!("write `[{section}.metadata.oci]` on a line of its own, and the keys below it");
                    return Err(Mistake { help: Some(help), ..wrong_type(&table[key], "a table", other) });
                }
                _ => return Ok(Section::default()),
            }
        }
        Section::from_keys(table, whose)
    }

    fn from_keys(keys: &DeTable, whose: Whose) -> Result<Section, Mistake> {
        let mut section = Section::default();
        let mut table = Table::default();
        for (key, value) in in_order(keys) {
            let known = known(key, "metadata.oci")?;
            match whose {
                Whose::Package { image, binaries } if known.0 == IMAGES => {
                    section.images = images(value, image, binaries).map_err(|mistake| mistake.with_example(known))?;
                }
                Whose::Package { binaries, .. } => set(&mut table, known, key, value, binaries)?,
                Whose::Workspace => set(&mut table, known, key, value, &[])?,
            }
        }
        Ok(Section { table: Some(table), ..section })
    }

    fn written_in(mut self, manifest: &files::Manifest) -> Section {
        let folder = manifest.path.parent().unwrap_or(Path::new("."));
        for table in self.table.iter_mut().chain(self.images.iter_mut().map(|(_, table)| table)) {
            table.base = table.base.take().map(|base| base.relative_to(folder));
            table.base_verify = table.base_verify.take().map(|key| key.relative_to(folder));
            let rules = table.files.take();
            table.files = rules.map(|rules| rules.into_iter().map(|rule| rule.written_in(manifest)).collect());
        }
        self
    }
}

/// The tables of the key `images`, of a package whose own image is called `own`.
fn images(value: &Spanned<DeValue>, own: &str, binaries: &[&str]) -> Result<Vec<(String, Table)>, Mistake> {
    let mut images = Vec::new();
    for (key, value) in in_order(table_of(value, "a table of tables")?) {
        let name = key.get_ref().as_ref();
        let wrong = |message: String, label: &str| Mistake {
            message,
            at: key.span(),
            label: label.to_owned(),
            help: Some("an image has a name of its own, such as `[package.metadata.oci.images.migrate]`".to_owned()),
        };
        // It is a folder's name as well, and one that is not hidden.
        if name.contains(['/', ':', '@']) || name.parse::<Reference>().is_err() {
            return Err(wrong(
                format!("`{name}` cannot be the name of an image: it is of small letters, digits, `.`, `_` and `-`"),
                "not a name that engines take",
            ));
        }
        if name == own {
            return Err(wrong(format!("the package has two images called `{name}`"), "the package's own is called so"));
        }
        let mut table = Table::default();
        for (key, value) in in_order(table_of(value, "a table")?) {
            let place = format!("metadata.oci.images.{name}");
            set(&mut table, known(key, &place)?, key, value, binaries)?;
        }
        images.push((name.to_owned(), table));
    }
    Ok(images)
}

fn set(
    table: &mut Table,
    known: &(&'static str, &'static str),
    key: &Spanned<Cow<str>>,
    value: &Spanned<DeValue>,
    binaries: &[&str],
) -> Result<(), Mistake> {
    if known.0 == IMAGES {
        return Err(Mistake {
            message: "`images` belongs into [package.metadata.oci]".to_owned(),
            at: key.span(),
            label: "not here".to_owned(),
            help: Some("images are a package's, and have no images of their own".to_owned()),
        });
    }
    table.set(known.0, value).map_err(|mistake| mistake.with_example(known))?;
    match known.0 {
        BINS if !binaries.is_empty() => array(value)?.iter().try_for_each(|name| is_binary(name, binaries)),
        _ => Ok(()),
    }
}

/// Whether a package has a binary of that name, where it is known which it has.
fn is_binary(value: &Spanned<DeValue>, binaries: &[&str]) -> Result<(), Mistake> {
    let name = any_string(value)?;
    if binaries.contains(&name.as_str()) {
        return Ok(());
    }
    Err(Mistake {
        message: format!("the package has no binary `{name}`"),
        at: value.span(),
        label: match nearest(&name, binaries.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no such binary".to_owned(),
        },
        help: Some(format!("its binaries are {}", binaries.join(", "))),
    })
}

/// The entry of [`KEYS`] for a key of the table `place`.
fn known(key: &Spanned<Cow<str>>, place: &str) -> Result<&'static (&'static str, &'static str), Mistake> {
    let name = key.get_ref().as_ref();
    // Images have no images of their own.
    let is_here = |known: &&str| *known != IMAGES || !place.contains(".images.");
    let keys: Vec<_> = KEYS.iter().map(|(known, _)| *known).filter(is_here).collect();
    KEYS.iter().find(|(known, _)| *known == name).ok_or_else(|| Mistake {
        message: format!("unknown key `{name}` in the table {place}"),
        at: key.span(),
        label: match nearest(name, keys.iter().copied()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "no such key".to_owned(),
        },
        help: Some(format!("the keys are {}", keys.join(", "))),
    })
}
