//! What a layout lists: its images in `index.json`, and in a file of its own what is attached to them.
//!
//! Programs that read a layout without being told a tag, such as Podman, Skopeo and crane, expect a single entry in its
//! `index.json`. So what is attached is listed in `referrers.json`, in the same form. In layouts of other programs, and if the
//! user wants that, `index.json` lists it too.

use std::collections::HashSet;
use std::path::Path;

use miette::{Report, miette};
use oci_spec::image::Descriptor;
use serde_json::{Value, json};

use super::index::{parse_index, tag, write_index};
use super::subject_lists::is_attached;
use crate::error::{Result, or_help};
use crate::reference::TagOrDigest;
use crate::store::source::Source;

/// The file that lists what is attached to the images of a layout, in the form of an `index.json`.
pub(crate) const REFERRERS: &str = "referrers.json";

/// Where a layout lists what is attached to its images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferrersPlace {
    /// In a file of its own, so that `index.json` has the image alone.
    #[default]
    Beside,
    /// In `index.json`, among the images.
    Index,
}

/// The lists of a layout, of which each has its own file.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayoutLists {
    /// The entries of `index.json`, and then those of `referrers.json`.
    entries: Vec<Descriptor>,
    /// How many entries are those of `index.json`.
    images: usize,
}

impl LayoutLists {
    /// Creates the lists of the layout `place` from the entries of its `index.json`, and the content of its `referrers.json` if
    /// there is one.
    ///
    /// # Errors
    /// Returns an error if `referrers` is invalid.
    pub(crate) fn new(images: Vec<Descriptor>, referrers: Option<&[u8]>, place: &Path) -> Result<LayoutLists> {
        let mut lists = LayoutLists { images: images.len(), entries: images };
        if let Some(referrers) = referrers {
            lists.entries.extend(parse_index(referrers).map_err(|error| unusable(place, error))?);
        }
        Ok(lists)
    }

    /// Returns all entries: those of `index.json` first.
    pub(crate) fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// Returns the entries of `index.json`.
    pub(crate) fn images(&self) -> &[Descriptor] {
        &self.entries[..self.images]
    }

    /// Returns the entries of `referrers.json`.
    pub(crate) fn referrers(&self) -> &[Descriptor] {
        &self.entries[self.images..]
    }

    /// Returns the entry with a tag or digest. Without a name: the only image.
    ///
    /// # Errors
    /// Returns an error if there is no such entry, or several images and no name.
    pub(crate) fn resolve(&self, source: &dyn Source, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        let images = self.images();
        let found = match name {
            Some(TagOrDigest::Tag(name)) => images.iter().find(|entry| tag(entry) == Some(name)).cloned(),
            Some(TagOrDigest::Digest(digest)) => self.entries.iter().find(|entry| entry.digest() == digest).cloned(),
            None => only_image(source, images),
        };
        if let Some(found) = found {
            return Ok(found);
        }
        let location = source.location();
        let tags: Vec<_> = images.iter().filter_map(tag).collect();
        let help = match &tags[..] {
            [] => "none of its images has a tag: name one by its digest".to_owned(),
            tags => format!("it has {}: append one after a colon", tags.join(", ")),
        };
        Err(match name {
            Some(name) => {
                let kind = if name.digest().is_some() { "digest" } else { "tag" };
                miette!(help = help, "{location} has no {kind} {name}")
            }
            None => miette!(help = help, "{location} has {} images: expected a tag", images.len()),
        })
    }
}

/// Returns the error of an invalid `referrers.json`.
fn unusable(place: &Path, error: Report) -> Report {
    let error =
        error.wrap_err(format!("cannot read what is attached in {}: its {REFERRERS} is invalid", place.display()));
    or_help(error, || format!("build or copy the image again, or remove {REFERRERS}: then nothing is attached"))
}

/// Returns the content of a `referrers.json`, or `None` without entries: then there is no such file.
pub(crate) fn write_referrers(entries: &[Value]) -> Option<Vec<u8>> {
    (!entries.is_empty()).then(|| write_index(entries))
}

/// Returns the content of a `referrers.json` with all entries of two.
pub(crate) fn merge_referrers(first: Option<&[u8]>, second: Option<&[u8]>) -> Option<Vec<u8>> {
    let lists = [first, second].into_iter().flatten();
    let mut seen = HashSet::new();
    // What is invalid is replaced.
    let mut entries: Vec<_> = lists.flat_map(|list| parse_index(list).unwrap_or_default()).collect();
    entries.retain(|entry| seen.insert(entry.digest().clone()));
    write_referrers(&entries.iter().map(|entry| json!(entry)).collect::<Vec<_>>())
}

/// Returns the only image: all entries, or those that are not attached to another, have the same digest.
fn only_image(source: &dyn Source, entries: &[Descriptor]) -> Option<Descriptor> {
    let all: Vec<_> = entries.iter().collect();
    let image = same_image(&all).or_else(|| {
        let images: Vec<_> = all.into_iter().filter(|entry| !is_attached(source, entry)).collect();
        same_image(&images)
    });
    image.cloned()
}

/// Returns the first entry if all have the same digest: one image may have several tags.
fn same_image<'a>(entries: &[&'a Descriptor]) -> Option<&'a Descriptor> {
    let first = *entries.first()?;
    entries.iter().all(|entry| entry.digest() == first.digest()).then_some(first)
}
