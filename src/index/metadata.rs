//! The files that `cargo oci push --metadata-file` writes, as they are read again: what was pushed, and where to.

use std::fs;
use std::path::{Path, PathBuf};

use miette::miette;
use serde::Deserialize;
use serde_json::Value;

use crate::config::check::check_tag;
use crate::error::{Result, cannot_read};
use crate::image::{Descriptor, Digest};
use crate::platform::Platform;
use crate::reference::Reference;

/// How deep folders are looked through: CI services put each file into a folder of its own.
const MAX_DEPTH: usize = 8;
/// The help of errors about such files.
const WAY: &str =
    "name a file that `cargo oci push --by-digest --metadata-file FILE` has written, or a folder with such files";

/// A file, and the images that a run has pushed.
#[derive(Debug)]
pub(crate) struct PushMetadata {
    /// The path.
    pub path: PathBuf,
    /// The images.
    pub images: Vec<PushedImage>,
}

/// An image that was pushed.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PushedImage {
    /// Its name.
    pub name: String,
    /// The tags that it has, or would have without `--by-digest`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The repositories that it was pushed to, `registry/repository`.
    #[serde(default)]
    pub repositories: Vec<Reference>,
    /// Its image for each platform.
    pub manifests: Vec<PushedManifest>,
}

/// The image for one platform.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PushedManifest {
    /// The platform.
    pub platform: Platform,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The size of the manifest in bytes.
    pub size: u64,
    /// The manifest of what its index attests of it.
    #[serde(default)]
    pub attestation: Option<Descriptor>,
}

impl PushedImage {
    /// Checks what becomes a part of URLs and of names of files.
    fn check(&self) -> Result<(), String> {
        if !is_image_name(&self.name) {
            return Err(format!("invalid name of an image: {:?}", self.name));
        }
        self.tags.iter().try_for_each(|tag| check_tag(tag))
    }
}

impl PushMetadata {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or says nothing of images that were pushed.
    pub(crate) fn read(path: &Path) -> Result<PushMetadata> {
        let not_ours = || miette!(help = WAY, "{} is no metadata file", path.display());
        PushMetadata::find(path)?.ok_or_else(not_ours)
    }

    /// Reads all files in a folder, and in folders below it. JSON files of other kinds are skipped.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or is damaged, or if there is none.
    pub(crate) fn read_folder(folder: &Path) -> Result<Vec<PushMetadata>> {
        let mut paths = Vec::new();
        json_files(folder, MAX_DEPTH, &mut paths)?;
        paths.sort();
        let found = paths.iter().map(|path| PushMetadata::find(path)).collect::<Result<Vec<_>>>()?;
        let found: Vec<_> = found.into_iter().flatten().collect();
        if found.is_empty() {
            return Err(miette!(help = WAY, "there is no metadata file in {}", folder.display()));
        }
        Ok(found)
    }

    /// Returns `None` if the file is JSON of another kind.
    fn find(path: &Path) -> Result<Option<PushMetadata>> {
        let text = fs::read(path).map_err(|error| cannot_read(path, error))?;
        let damaged = |error: serde_json::Error| {
            miette!(help = "run the job that has written it again", "{} is no metadata file: {error}", path.display())
        };
        let json: Value = serde_json::from_slice(&text).map_err(damaged)?;
        let Some(images) = json.get("images").filter(|images| images.is_array()) else { return Ok(None) };
        let images: Vec<PushedImage> = serde_json::from_value(images.clone()).map_err(damaged)?;
        if images.is_empty() {
            return Err(miette!(help = WAY, "there is no image in {}", path.display()));
        }
        for image in &images {
            image.check().map_err(|why| {
                miette!(help = "run the job that has written it again", "{} is no metadata file: {why}", path.display())
            })?;
        }
        if let Some(image) = images.iter().find(|image| image.repositories.is_empty()) {
            return Err(miette!(
                help = "push it: `cargo oci push --by-digest --metadata-file FILE`",
                "{} is of a run that has not pushed {}",
                path.display(),
                image.name
            ));
        }
        Ok(Some(PushMetadata { path: path.to_owned(), images }))
    }
}

/// Returns whether a text can be the name of an image: it becomes a part of names of files.
pub(super) fn is_image_name(name: &str) -> bool {
    let is_one = |c: char| c.is_alphanumeric() || "._-".contains(c);
    !name.trim_matches('.').is_empty() && name.chars().all(is_one)
}

fn json_files(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    for entry in entries.map_err(|error| cannot_read(folder, error))? {
        let path = entry.path();
        if path.is_dir() && depth > 0 {
            json_files(&path, depth - 1, found)?;
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names_are_no_paths() {
        for name in ["hello", "hello-migrate", "Hello_2.x"] {
            assert!(is_image_name(name), "{name}");
        }
        for wrong in ["", "..", ".", "a/b", "../x", "a\\b", "a\nb", "a b"] {
            assert!(!is_image_name(wrong), "{wrong}");
        }
    }
}
