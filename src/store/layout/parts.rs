//! The files and folders of a layout that is written to: no link leads from them to elsewhere.

use std::fs;
use std::path::Path;

use miette::miette;

use super::index::{INDEX, OCI_LAYOUT};
use super::lists::REFERRERS;
use super::own::OWN_BLOBS;
use crate::error::Result;

/// The folders of blobs that are written.
const FOLDERS: [&str; 3] = ["blobs", "blobs/sha256", "blobs/sha512"];

/// Checks that everything that exists of the layout in `root` is a file or a folder, as it should be.
///
/// # Errors
/// Returns an error if a part is a link or anything else: writing and removing would change files elsewhere, or wait.
pub(crate) fn check_parts(root: &Path) -> Result<()> {
    let files = [OCI_LAYOUT, INDEX, REFERRERS, OWN_BLOBS].map(|name| (name, false));
    for (name, is_folder) in files.into_iter().chain(FOLDERS.map(|name| (name, true))) {
        let path = root.join(name);
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        let what = if found.is_symlink() {
            "a symbolic link"
        } else if is_folder && !found.is_dir() {
            "not a folder"
        } else if !is_folder && !found.is_file() {
            "not a file"
        } else {
            continue;
        };
        return Err(miette!(
            help = format!("choose another folder, or remove {} first", path.display()),
            "cannot write the layout {}: {name} is {what}",
            root.display()
        ));
    }
    Ok(())
}
