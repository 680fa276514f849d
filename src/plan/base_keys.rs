//! The bases of all images of a workspace, as Cargo.toml names them: flags and variables do not count here.

use std::fmt;
use std::path::{Path, PathBuf};

use cargo_metadata::Package;

use super::candidates::{ImageCandidate, listed, local_name};
use super::facts::{base_verify, default_base, platforms};
use super::{compile, conflicts, manifest_folder, near_misses};
use crate::cli::CargoArgs;
use crate::config::{ConfigError, Section, Table, Whose};
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::PlatformChoice;
use crate::reference::{BaseReference, SignerReference};

/// The images of a workspace, and their bases.
#[derive(Debug)]
pub(crate) struct WorkspaceBases {
    /// The Cargo.toml of the workspace.
    pub root: PathBuf,
    /// Whether it has a table `[workspace.metadata.oci]`.
    pub has_table: bool,
    /// The images.
    pub images: Vec<ImageUse>,
    /// Tables and keys that are not read, but were probably meant for us.
    pub unread_tables: Vec<ConfigError>,
}

/// An image, and its base.
#[derive(Clone, Debug)]
pub(crate) struct ImageUse {
    /// The name of the image.
    pub image: String,
    /// The Cargo.toml of its package.
    pub manifest: PathBuf,
    /// Its own table: that of the package, or one below `images`.
    pub own: BaseTable,
    /// The base.
    pub base: BaseReference,
    /// The platforms that it is built for.
    pub platforms: Vec<PlatformChoice>,
    /// The key that must have signed the base.
    pub verify: Option<SignerReference>,
    /// The key `base` that says so, or `None` for the default base.
    pub key: Option<BaseKey>,
}

/// A key `base` in a Cargo.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseKey {
    /// The Cargo.toml.
    pub manifest: PathBuf,
    /// The table in it.
    pub table: BaseTable,
}

/// A table that may have the key `base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BaseTable {
    /// `[workspace.metadata.oci]`.
    Workspace,
    /// `[package.metadata.oci]`.
    Package,
    /// `[package.metadata.oci.images.NAME]`.
    Image(String),
}

impl BaseTable {
    /// Returns the names of the table and of those around it.
    pub(crate) fn path(&self) -> Vec<&str> {
        match self {
            BaseTable::Workspace => vec!["workspace", "metadata", "oci"],
            BaseTable::Package => vec!["package", "metadata", "oci"],
            BaseTable::Image(name) => vec!["package", "metadata", "oci", "images", name],
        }
    }
}

impl fmt::Display for BaseTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A dot in the name of an image would be a table more.
        let names = self
            .path()
            .into_iter()
            .map(|name| if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() });
        write!(f, "[{}]", names.collect::<Vec<_>>().join("."))
    }
}

impl WorkspaceBases {
    /// Reads the tables of all packages of the workspace; of the images only those with one of the names, if there are any.
    ///
    /// # Errors
    /// Returns an error if a table is wrong, or there is no image, or none with one of the names.
    pub(crate) fn read(
        manifest: Option<&Path>,
        names: &[String],
        quiet: bool,
        environment: &Environment,
    ) -> Result<WorkspaceBases> {
        manifest_folder(manifest)?;
        let mut args = CargoArgs { manifest_path: manifest.map(Path::to_owned), ..CargoArgs::default() };
        args.talk.quiet = quiet;
        let workspace = compile::metadata(environment, &args, &["--no-deps".into()])?;
        let metadata = &workspace.metadata;
        let root = metadata.workspace_root.join("Cargo.toml").into_std_path_buf();
        let shared = Section::read(&root, Whose::Workspace)?.table;
        let has_table = shared.is_some();
        let shared = shared.unwrap_or_default();
        let packages = metadata.workspace_packages();
        let unread_tables = near_misses(metadata, &packages, has_table);
        let mut images = Vec::new();
        for candidate in listed(&packages, &shared, names)? {
            if !candidate.is_left_to_others() {
                images.push(ImageUse::of(candidate, &root, &shared)?);
            }
        }
        if images.is_empty() {
            return Err(conflicts::no_image(&packages, &args));
        }
        Ok(WorkspaceBases { root, has_table, images, unread_tables })
    }
}

impl ImageUse {
    fn of(candidate: ImageCandidate, root: &Path, shared: &Table) -> Result<ImageUse> {
        let ImageCandidate { package, name, table, .. } = candidate;
        let manifest = package.manifest_path.clone().into_std_path_buf();
        let is_packages = name == local_name(&package.name);
        let own = if is_packages { BaseTable::Package } else { BaseTable::Image(name.clone()) };
        let key = base_key(package, &own, root, shared)?;
        let platforms = platforms(table.platforms.map(|platforms| platforms.0), Some(table.libc.unwrap_or_default()));
        let base = table.base.map_or_else(|| default_base(&platforms), Ok)?;
        let verify = base_verify(&name, &base, table.base_verify)?;
        Ok(ImageUse { image: name, manifest, own, base, platforms, verify, key })
    }
}

/// Returns the key that names the base of an image: in its own table, else in that of its package, else in the workspace's.
fn base_key(package: &Package, own: &BaseTable, root: &Path, shared: &Table) -> Result<Option<BaseKey>> {
    let manifest = package.manifest_path.as_std_path();
    let image = local_name(&package.name);
    let section = Section::read(manifest, Whose::Package { image: &image, binaries: &[] })?;
    let has_base = |name: &String| section.images.iter().any(|(other, table)| other == name && table.base.is_some());
    let table = match own {
        BaseTable::Image(name) if has_base(name) => BaseTable::Image(name.clone()),
        _ if section.table.is_some_and(|table| table.base.is_some()) => BaseTable::Package,
        _ if shared.base.is_some() => {
            return Ok(Some(BaseKey { manifest: root.to_owned(), table: BaseTable::Workspace }));
        }
        _ => return Ok(None),
    };
    Ok(Some(BaseKey { manifest: manifest.to_owned(), table }))
}
