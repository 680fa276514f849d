//! A bill of materials, in no format yet.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::license::License;

/// A bill of materials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bom {
    /// The creation time of the image.
    pub created: Timestamp,
    /// The id of the component that the bill describes.
    pub root: String,
    /// All components by id.
    pub components: BTreeMap<String, Component>,
    /// The ids of the direct dependencies of a component.
    pub needs: BTreeMap<String, BTreeSet<String>>,
}

/// A part of an image, or a tool that built it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    /// The kind of component.
    pub kind: ComponentKind,
    /// The name.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    /// The package URL.
    pub purl: Option<String>,
    /// The name in security advisories (CPE 2.3).
    pub cpe: Option<String>,
    /// The SHA-256 of the content, in hexadecimal digits.
    pub sha256: Option<String>,
    /// The license.
    pub license: Option<License>,
    /// The description.
    pub description: Option<String>,
    /// The URL of the source repository.
    pub repository: Option<String>,
    /// The URL of the home page.
    pub homepage: Option<String>,
    /// The source of a package, as cargo names it.
    pub source: Option<String>,
    /// Whether the component is in the image, rather than only used to build it.
    pub is_shipped: bool,
}

/// The kinds of components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ComponentKind {
    /// An index, or an image for one platform.
    Image,
    /// The base image.
    Base,
    /// An executable file.
    Program,
    /// A crate.
    Crate,
    /// A program of the toolchain.
    Tool,
}

impl Component {
    /// Creates a component that is in the image, with nothing but a name.
    pub(crate) fn new(kind: ComponentKind, name: &str) -> Component {
        Component {
            kind,
            name: name.to_owned(),
            version: None,
            purl: None,
            cpe: None,
            sha256: None,
            license: None,
            description: None,
            repository: None,
            homepage: None,
            source: None,
            is_shipped: true,
        }
    }
}

impl Bom {
    /// Adds a component as a dependency of `parent`.
    pub(crate) fn add(&mut self, parent: &str, id: &str, component: Component) {
        self.components.entry(id.to_owned()).or_insert(component);
        self.needs.entry(parent.to_owned()).or_default().insert(id.to_owned());
    }

    /// Returns the direct dependencies of a component, by id.
    pub(crate) fn needs(&self, id: &str) -> impl Iterator<Item = (&String, &Component)> {
        let ids = self.needs.get(id).into_iter().flatten();
        ids.filter_map(|id| self.components.get_key_value(id))
    }
}
