//! The keys `base` of a workspace, each with the images that it is for. Where a base is not written, the default base is, and a
//! pin of it goes to the table that fits: the workspace's if all images share the default, else that of the package or image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::context::GlobalContext;
use crate::error::Result;
use crate::event::Event;
use crate::plan::base_keys::{BaseKey, BaseTable, ImageUse, WorkspaceBases};
use crate::platform::PlatformChoice;
use crate::reference::{BaseReference, SignerReference};
use crate::unique::each_once;

/// A key `base`, and what it is used for.
#[derive(Clone, Debug)]
pub(super) struct BaseUsage {
    /// The key; that of a default base is not written yet.
    pub key: BaseKey,
    /// Whether it is written.
    pub is_written: bool,
    /// The base.
    pub base: BaseReference,
    /// The images, by name.
    pub images: Vec<String>,
    /// All platforms that they are built for.
    pub platforms: Vec<PlatformChoice>,
    /// The keys of signatures that they require.
    pub verify: Vec<SignerReference>,
}

/// Reads the keys of a workspace, in the order of its images; of the images only those with one of the names, if there are any.
///
/// # Errors
/// Returns an error if a table is wrong, or there is no image, or none with one of the names.
pub(super) fn read(
    manifest: Option<&Path>,
    names: &[String],
    quiet: bool,
    context: &GlobalContext,
) -> Result<Vec<BaseUsage>> {
    let workspace = WorkspaceBases::read(manifest, names, quiet, &context.environment)?;
    for warning in &workspace.unread_tables {
        context.report(Event::UnreadTable { warning: Arc::new(warning.clone()) });
    }
    Ok(usages(&workspace, names.is_empty()))
}

/// Returns the keys. `is_whole` is whether these are all images of the workspace.
fn usages(workspace: &WorkspaceBases, is_whole: bool) -> Vec<BaseUsage> {
    let mut found: Vec<BaseUsage> = Vec::new();
    for image in &workspace.images {
        let key = image.key.clone().unwrap_or_else(|| default_key(workspace, image, is_whole));
        // Without a key, two images of one table may have different defaults: the later one has its own table then.
        match found.iter_mut().find(|usage| usage.key == key && usage.base == image.base) {
            Some(usage) => usage.add(image),
            None => found.push(BaseUsage::new(key, image)),
        }
    }
    found
}

impl BaseUsage {
    fn new(key: BaseKey, image: &ImageUse) -> BaseUsage {
        let mut usage = BaseUsage {
            key,
            is_written: image.key.is_some(),
            base: image.base.clone(),
            images: Vec::new(),
            platforms: Vec::new(),
            verify: Vec::new(),
        };
        usage.add(image);
        usage
    }

    fn add(&mut self, image: &ImageUse) {
        self.images.push(image.image.clone());
        self.platforms = each_once(self.platforms.drain(..).chain(image.platforms.iter().copied()));
        self.verify = each_once(self.verify.drain(..).chain(image.verify.clone()));
    }

    /// Returns the table and the file for messages: `[package.metadata.oci] of Cargo.toml`.
    pub(super) fn location(&self) -> String {
        format!("{} of {}", self.key.table, relative(&self.key.manifest).display())
    }
}

/// Returns where the base of an image without the key is pinned.
fn default_key(workspace: &WorkspaceBases, image: &ImageUse, is_whole: bool) -> BaseKey {
    let without: Vec<_> = workspace.images.iter().filter(|other| other.key.is_none()).collect();
    let is_shared = without.iter().all(|other| other.base == image.base);
    let packages = each_once(without.iter().map(|other| other.manifest.clone()));
    if is_whole && is_shared && (workspace.has_table || packages.len() > 1) {
        return BaseKey { manifest: workspace.root.clone(), table: BaseTable::Workspace };
    }
    // The images of a package inherit from its table.
    let first = without.iter().find(|other| other.manifest == image.manifest);
    let is_first = first.is_some_and(|first| first.base == image.base);
    let table = if is_whole && is_first { BaseTable::Package } else { image.own.clone() };
    BaseKey { manifest: image.manifest.clone(), table }
}

/// Returns a path as it is written in the current folder, if it is below it.
pub(super) fn relative(path: &Path) -> PathBuf {
    let current = std::env::current_dir().and_then(|current| current.canonicalize());
    current.ok().and_then(|current| path.strip_prefix(current).ok()).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATIC: &str = "gcr.io/distroless/static-debian13:nonroot";
    const GLIBC: &str = "gcr.io/distroless/cc-debian13:nonroot";

    fn image(manifest: &str, own: BaseTable, base: &str) -> ImageUse {
        ImageUse {
            image: format!("{manifest} {own}"),
            manifest: manifest.into(),
            own,
            base: base.parse().expect("a base"),
            platforms: vec!["linux/amd64".parse().expect("a platform")],
            verify: None,
            key: None,
        }
    }

    /// Returns the tables that pins of default bases go to.
    fn tables(images: Vec<ImageUse>, has_table: bool, is_whole: bool) -> Vec<String> {
        let workspace = WorkspaceBases { root: "root".into(), has_table, images, unread_tables: Vec::new() };
        let found = usages(&workspace, is_whole);
        found.iter().map(|usage| format!("{} {}", usage.key.manifest.display(), usage.key.table)).collect()
    }

    #[test]
    fn default_base_is_pinned_where_it_is_shared() {
        let package = |manifest: &str, base: &str| image(manifest, BaseTable::Package, base);
        let other = |base: &str| image("a", BaseTable::Image("b".to_owned()), base);
        let shared = "root [workspace.metadata.oci]";
        assert_eq!(tables(vec![package("a", STATIC)], false, true), ["a [package.metadata.oci]"]);
        assert_eq!(tables(vec![package("a", STATIC)], true, true), [shared]);
        assert_eq!(tables(vec![package("a", STATIC), package("b", STATIC)], false, true), [shared]);
        assert_eq!(tables(vec![package("a", STATIC), other(STATIC)], false, true), ["a [package.metadata.oci]"]);
        assert_eq!(
            tables(vec![package("a", STATIC), package("b", GLIBC)], true, true),
            ["a [package.metadata.oci]", "b [package.metadata.oci]"]
        );
        assert_eq!(
            tables(vec![package("a", STATIC), other(GLIBC)], false, true),
            ["a [package.metadata.oci]", "a [package.metadata.oci.images.b]"]
        );
        assert_eq!(tables(vec![other(STATIC)], true, false), ["a [package.metadata.oci.images.b]"]);
    }
}
