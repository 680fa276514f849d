//! An OCI layout on disk (image-spec, `image-layout.md`): read as a [`Source`], written by a [`LayoutWriter`].
//!
//! What is attached to an image is an entry of `index.json` without a name, with its artifact type: those who look for an
//! image by its name pass it over. [`LayoutEdit`] adds such entries to a layout of anybody's.

mod edit;
mod lock;
mod writer;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{IntoDiagnostic, miette};
use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, MediaType};
use serde_json::{Value, json};

use super::{MOST_DOCUMENT_BYTES, Missing, Source, read};
use crate::error::{Result, on_path};
use crate::image::about::About;
use crate::image::canonical_json;
use crate::image::digest::Digest;
use crate::image::manifest::{Manifest, parse};
use crate::image::media_type::is_document;
use crate::reference::Reference;

pub use edit::LayoutEdit;
pub use writer::{LayoutFolder, LayoutWriter};

/// The file that lists the images of a layout.
pub(super) const INDEX: &str = "index.json";
/// The name containerd imports an image by, as an annotation of an entry of `index.json`; here it also tells whose a
/// layout is.
const IMAGE_NAME: &str = "io.containerd.image.name";
/// The file that marks a layout, and its whole content.
pub(super) const MARK: &str = "oci-layout";
pub(super) const MARK_CONTENT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// A layout to read from.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    entries: Vec<Descriptor>,
    /// Held by who has just written it: nobody replaces it until all of its readers are done.
    _mark: Option<Arc<File>>,
}

/// The path of a blob in a layout, relative to its root.
pub fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.digest())
}

/// The entry of an `index.json` that calls `descriptor` by the name `image` (`NAME:TAG`), in full as containerd wants it.
pub(super) fn entry(descriptor: &Descriptor, image: &str) -> Value {
    let reference = image.parse::<Reference>();
    let mut entry = json!(descriptor);
    entry["annotations"] = json!({
        ANNOTATION_REF_NAME: image.rsplit(':').next(),
        IMAGE_NAME: reference.map_or(image.to_owned(), |reference| reference.to_string()),
    });
    entry
}

/// An `index.json` with these entries.
pub(super) fn index(entries: &[Value]) -> Vec<u8> {
    canonical_json(&json!({ "schemaVersion": 2, "mediaType": MediaType::ImageIndex, "manifests": entries }))
}

/// The images that an `index.json` lists.
pub(super) fn entries(index: &[u8]) -> Result<Vec<Descriptor>> {
    match parse(&MediaType::ImageIndex, index).into_diagnostic()? {
        Manifest::Index(entries) => Ok(entries),
        Manifest::Image { .. } => Ok(Vec::new()),
    }
}

/// The tag that an entry of an `index.json` has.
pub fn tag(entry: &Descriptor) -> Option<&str> {
    entry.annotations().as_ref()?.get(ANNOTATION_REF_NAME).map(String::as_str)
}

/// Whether an entry of an `index.json` is attached to another: it is an artifact, or its manifest names a subject.
pub(super) fn is_attached(source: &dyn Source, entry: &Descriptor) -> bool {
    let has_subject = || read(source, entry).is_ok_and(|bytes| About::read(&bytes).subject.is_some());
    entry.artifact_type().is_some() || is_document(entry.media_type()) && has_subject()
}

/// The entry of an `index.json` that a tag or a digest names; without a name, the only one that is an image.
pub(super) fn find(source: &dyn Source, entries: &[Descriptor], name: Option<&str>) -> Result<Descriptor> {
    let place = source.location();
    let found = match name {
        Some(name) => entries.iter().find(|entry| tag(entry) == Some(name) || entry.digest().as_ref() == name).cloned(),
        None => {
            let only = |entries: &[&'_ Descriptor]| {
                let first = entries.first()?.digest();
                // Several tags of one image are one image.
                entries.iter().all(|entry| entry.digest() == first).then(|| entries[0].clone())
            };
            let all: Vec<_> = entries.iter().collect();
            only(&all)
                .or_else(|| only(&all.into_iter().filter(|entry| !is_attached(source, entry)).collect::<Vec<_>>()))
        }
    };
    if let Some(found) = found {
        return Ok(found);
    }
    let tags: Vec<_> = entries.iter().filter_map(tag).collect();
    let help = match &tags[..] {
        [] => "it holds no image with a name".to_owned(),
        tags => format!("it has {}: name one behind a colon", tags.join(", ")),
    };
    Err(match name {
        Some(name) => {
            let kind = if name.contains(':') { "digest" } else { "tag" };
            miette!(help = help, "{place} has no {kind} {name}")
        }
        None => miette!(help = help, "{place} holds {} images, and none was named", entries.len()),
    })
}

impl Layout {
    /// Opens the layout in the folder `root`.
    ///
    /// # Errors
    /// When there is none, or its `index.json` cannot be read.
    pub fn open(root: &Path) -> Result<Layout> {
        let path = root.join(INDEX);
        if !path.exists() {
            return Err(miette!(
                help = "name the folder that holds its oci-layout and index.json",
                "there is no OCI layout in {}",
                root.display()
            ));
        }
        let index = read_index(&path)?;
        let entries =
            entries(&index).map_err(|error| error.wrap_err(format!("{} is not an OCI layout", root.display())))?;
        Ok(Layout { root: root.to_owned(), entries, _mark: None })
    }

    /// What the layout's `index.json` lists.
    pub fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The bytes of its `index.json`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn index(&self) -> Result<Vec<u8>> {
        read_index(&self.root.join(INDEX))
    }
}

fn read_index(path: &Path) -> Result<Vec<u8>> {
    let mut index = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_DOCUMENT_BYTES).read_to_end(&mut index))
        .map_err(|error| on_path("read", path, error))?;
    Ok(index)
}

impl Source for Layout {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        find(self, &self.entries, name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let metadata = fs::metadata(self.root.join(blob_path(descriptor.digest())));
        Ok(metadata.is_ok_and(|found| found.len() == descriptor.size()))
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let path = self.root.join(blob_path(descriptor.digest()));
        match File::open(&path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Missing::blob(descriptor, self.location())),
            Err(error) => Err(on_path("read", &path, error)),
        }
    }

    fn location(&self) -> String {
        format!("the layout {}", self.root.display())
    }
}
