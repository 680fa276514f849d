//! What the layer of assets is made of: the plan of an image, and what its base decides.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::{FileRule, Folder, PatternRoot};
use crate::image::layer::ROOT_FOLDERS;

/// A user and a group by number.
pub(crate) type OwnerIds = (u64, u64);

/// What the layer of assets is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AssetPlan<'a> {
    /// The name of the image.
    pub(crate) name: &'a str,
    /// The rules.
    pub(crate) rules: &'a [FileRule],
    /// The volumes.
    pub(crate) volumes: &'a [Folder],
    /// The user that the image runs as; `None` for the base's.
    pub(crate) user: Option<&'a str>,
    /// The program that starts, if its path is absolute.
    pub(crate) program: Option<&'a str>,
    /// The paths of the binaries in the image, without their leading slash.
    pub(crate) binaries: &'a [String],
    /// Cargo's target directory.
    pub(crate) target_dir: &'a Path,
    /// The time of the image, in seconds since 1970.
    pub(crate) image_time: u64,
    /// Whether there is no base.
    pub(crate) is_scratch: bool,
}

/// What the base decides of a layer of assets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BaseFacts {
    /// The owner of each rule's files.
    pub(crate) owners: Vec<OwnerIds>,
    /// The owner of the folders of volumes: the user of the image.
    pub(crate) volumes: OwnerIds,
    /// The paths that the base has, of those of folders that may be made; without their leading slash.
    pub(crate) present: BTreeSet<String>,
    /// Whether neither the base nor the image has the program that starts.
    pub(crate) lacks_program: bool,
}

/// Returns whether the files of a rule may not exist before cargo has run.
pub(super) fn is_generated(rule: &FileRule, target_dir: &Path) -> bool {
    rule.pattern().is_some_and(|from| {
        from.root != PatternRoot::Package || rule.folder().join(&from.fixed).starts_with(target_dir)
    })
}

/// Returns the destination as a path in a layer.
pub(super) fn path(rule: &FileRule) -> &str {
    rule.to.get_ref().trim_matches('/')
}

/// Returns whether every base has this directory.
pub(super) fn is_standard_directory(path: &str) -> bool {
    let path = path.trim_matches('/');
    path.is_empty() || ROOT_FOLDERS.contains(&path)
}

/// Returns the parent directories of a path, the uppermost first.
pub(super) fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}
