//! The section `metadata.oci` of a Cargo.toml.
//!
//! It is read from the text, because `cargo metadata` has neither positions nor order.

use std::borrow::Cow;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{any_string, in_order, strings, table, wrong_type};
use super::error::ValueError;
use super::files::ManifestSource;
use super::key::Key;
use super::keys::{IMAGES, IMAGES_EXAMPLE, KEYS, Table};
use crate::error::{Result, on_path};
use crate::habits::of_key;
use crate::reference::Reference;
use crate::suggest::nearest;

/// The tables for images in one Cargo.toml.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Whether it is `oci = false`: the package has no images.
    pub is_off: bool,
    /// The table, if there is one.
    pub table: Option<Table>,
    /// The tables `images.NAME` in it, in the order they are written.
    pub images: Vec<(String, Table)>,
}

/// Which section of a Cargo.toml is read.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// `[workspace.metadata.oci]`: defaults for every package.
    Workspace,
    /// `[package.metadata.oci]`.
    Package {
        /// The name of the package's own image, which no other image may have.
        image: &'a str,
        /// The names of its binaries; empty if they are not known.
        binaries: &'a [&'a str],
    },
}

/// The key whose values are binaries of the package.
const BINS: &str = "bins";

impl Section {
    /// Reads `metadata.oci` of a Cargo.toml. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, and one with its position for the first wrong key or value.
    pub fn read(manifest: &Path, whose: Whose) -> Result<Section> {
        let text = std::fs::read_to_string(manifest).map_err(|error| on_path("read", manifest, error))?;
        let section = Section::parse(&text, whose).map_err(|error| error.within(manifest, &text))?;
        Ok(section.written_in(&ManifestSource { path: manifest.to_owned(), text: text.into() }))
    }

    pub(crate) fn parse(text: &str, whose: Whose) -> Result<Section, ValueError> {
        let document = DeTable::parse(text).map_err(|error| ValueError {
            message: "invalid TOML".to_owned(),
            at: error.span().unwrap_or(0..0),
            label: error.message().to_owned(),
            help: None,
        })?;
        let mut keys = document.get_ref();
        let section = match whose {
            Whose::Workspace => "workspace",
            Whose::Package { .. } => "package",
        };
        for key in [section, "metadata", "oci"] {
            match (keys.get(key), whose) {
                (Some(value), _) if value.get_ref().is_table() => keys = table(value, "a table")?,
                (Some(value), Whose::Package { .. }) if key == "oci" && value.get_ref().as_bool() == Some(false) => {
                    return Ok(Section { is_off: true, ..Section::default() });
                }
                // `oci = 1` is wrong; a package without the table is not.
                (Some(value), _) if key == "oci" => {
                    let help = format!("write `[{section}.metadata.oci]` on a line of its own, and the keys below it");
                    return Err(ValueError { help: Some(help), ..wrong_type(value, "a table") });
                }
                _ => return Ok(Section::default()),
            }
        }
        Section::from_keys(keys, whose)
    }

    fn from_keys(keys: &DeTable, whose: Whose) -> Result<Section, ValueError> {
        let mut section = Section::default();
        let mut table = Table::default();
        for (key, value) in in_order(keys) {
            match whose {
                Whose::Package { image, binaries } if key.get_ref() == IMAGES => {
                    section.images = images(value, image, binaries)?;
                }
                Whose::Package { binaries, .. } => set(&mut table, key, value, &KeyContext { image: None, binaries })?,
                Whose::Workspace => set(&mut table, key, value, &KeyContext { image: None, binaries: &[] })?,
            }
        }
        Ok(Section { table: Some(table), ..section })
    }

    fn written_in(mut self, source: &ManifestSource) -> Section {
        let folder = source.path.parent().unwrap_or(Path::new("."));
        for table in self.table.iter_mut().chain(self.images.iter_mut().map(|(_, table)| table)) {
            table.base = table.base.take().map(|base| base.relative_to(folder));
            table.debug_base = table.debug_base.take().map(|base| base.relative_to(folder));
            table.base_verify = table.base_verify.take().map(|key| key.relative_to(folder));
            table.policy = table.policy.take().map(|policy| policy.relative_to(folder));
            table.test = table.test.take().map(|tests| tests.relative_to(folder));
            table.vex = table.vex.take().map(|paths| paths.relative_to(folder));
            let rules = table.files.take();
            table.files = rules.map(|rules| rules.into_iter().map(|rule| rule.written_in(source)).collect());
        }
        self
    }
}

/// The position of a key.
struct KeyContext<'a> {
    /// The image, if it is in a table `images.NAME`.
    image: Option<&'a str>,
    /// The package's binaries; empty if they are not known.
    binaries: &'a [&'a str],
}

/// Reads the key `images` of a package whose own image is called `own`.
fn images(value: &Spanned<DeValue>, own: &str, binaries: &[&str]) -> Result<Vec<(String, Table)>, ValueError> {
    let entries = table(value, "a table of tables").map_err(|error| error.with_example(IMAGES, IMAGES_EXAMPLE))?;
    let mut images = Vec::new();
    for (key, value) in in_order(entries) {
        let name = key.get_ref().as_ref();
        check_image_name(key, own)?;
        let mut image = Table::default();
        let entries = table(value, "a table").map_err(|error| error.with_example(IMAGES, IMAGES_EXAMPLE))?;
        for (key, value) in in_order(entries) {
            set(&mut image, key, value, &KeyContext { image: Some(name), binaries })?;
        }
        images.push((name.to_owned(), image));
    }
    Ok(images)
}

/// The name must be one for engines and registries, and also for a folder that is not hidden.
fn check_image_name(key: &Spanned<Cow<str>>, own: &str) -> Result<(), ValueError> {
    let name = key.get_ref().as_ref();
    let (message, label) = if name.contains(['/', ':', '@']) || name.parse::<Reference>().is_err() {
        let message = format!(
            "invalid image name `{name}`: expected lowercase letters and digits, with `.`, `_` or `-` between them"
        );
        (message, "invalid name")
    } else if name == own {
        (format!("the package has two images named `{name}`"), "the name of the package's own image")
    } else {
        return Ok(());
    };
    let help = "choose another name, such as `[package.metadata.oci.images.migrate]`".to_owned();
    Err(ValueError { message, at: key.span(), label: label.to_owned(), help: Some(help) })
}

fn set(
    table: &mut Table,
    key: &Spanned<Cow<str>>,
    value: &Spanned<DeValue>,
    context: &KeyContext,
) -> Result<(), ValueError> {
    if key.get_ref() == IMAGES {
        return Err(ValueError {
            message: "`images` is only allowed in [package.metadata.oci]".to_owned(),
            at: key.span(),
            label: "not allowed here".to_owned(),
            help: Some("move it to [package.metadata.oci]".to_owned()),
        });
    }
    let known = known(key, value, context)?;
    (known.value.read)(table, value).map_err(|error| error.with_example(known.name, known.example))?;
    if known.name == BINS && !context.binaries.is_empty() {
        strings(value)?.iter().try_for_each(|name| check_binary(name, context.binaries))?;
    }
    Ok(())
}

/// Checks that a package has a binary of that name.
fn check_binary(value: &Spanned<DeValue>, binaries: &[&str]) -> Result<(), ValueError> {
    let name = any_string(value)?;
    if binaries.contains(&name.as_str()) {
        return Ok(());
    }
    Err(ValueError {
        message: format!("the package has no binary `{name}`"),
        at: value.span(),
        label: nearest(&name, binaries.iter().copied())
            .map_or_else(|| "unknown binary".to_owned(), |near| format!("did you mean `{near}`?")),
        help: Some(format!("its binaries are {}", binaries.join(", "))),
    })
}

/// Returns the row of [`KEYS`] for a key.
fn known(
    key: &Spanned<Cow<str>>,
    value: &Spanned<DeValue>,
    context: &KeyContext,
) -> Result<&'static Key<Table>, ValueError> {
    let name = key.get_ref().as_ref();
    if let Some(known) = KEYS.iter().find(|known| known.name == name) {
        return Ok(known);
    }
    let table = context.image.map_or_else(|| "metadata.oci".to_owned(), |image| format!("metadata.oci.images.{image}"));
    // Images have no images of their own.
    let images = Some(IMAGES).filter(|_| context.image.is_none());
    let keys: Vec<_> = KEYS.iter().map(|known| known.name).chain(images).collect();
    let is_table_of_images = images.is_some() && value.get_ref().is_table() && nearest(name, images).is_some();
    let answer = of_key(name).filter(|_| !is_table_of_images);
    // A guess beside the answer would be another answer.
    let near = nearest(name, keys.iter().copied()).filter(|_| answer.is_none());
    Err(ValueError {
        message: format!("unknown key `{name}` in the table {table}"),
        at: key.span(),
        label: near.map_or_else(|| "unknown key".to_owned(), |near| format!("did you mean `{near}`?")),
        help: answer.or_else(|| Some(format!("the keys are {}", keys.join(", ")))),
    })
}
