//! The flags that are only about images that are built.

use super::table::flags;

/// The other flags for building.
const FOR_BUILDING: [&str; 22] = [
    "targets",
    "prebuilt",
    "images",
    "no_index",
    "packages",
    "workspace",
    "exclude",
    "bins",
    "manifest_path",
    "features",
    "all_features",
    "no_default_features",
    "profile",
    "release",
    "target_dir",
    "jobs",
    "locked",
    "offline",
    "frozen",
    "config",
    "no_remap_path_prefix",
    "no_install",
];

/// Returns the arguments that are only for images that are built, without those that are `kept` for others too.
pub(super) fn for_building(kept: &[&str]) -> Vec<&'static str> {
    flags().map(|(key, _)| key.name).chain(FOR_BUILDING).filter(|name| !kept.contains(name)).collect()
}
