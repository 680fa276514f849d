//! The images of a base, each with its platform.

use std::collections::HashSet;

use miette::miette;
use oci_spec::image::{Descriptor, Digest, MediaType};

use super::image::{BaseImage, platform_of_config, read_config, read_manifest};
use crate::error::Result;
use crate::image::manifest::{Manifest, is_for_none, platform_of};
use crate::image::media_type::as_oci;
use crate::platform::{Platform, Target};
use crate::store::Source;

/// More nested indexes than any real base has.
const MAX_DEPTH: usize = 4;
/// More images than any real base has.
const MAX_IMAGES: usize = 1_000;

/// An image of a base, of which only the platform is known.
pub struct ListedImage {
    pub platform: Platform,
    manifest: Descriptor,
}

impl ListedImage {
    /// Reads the image.
    ///
    /// # Errors
    /// Returns an error if it is not an image for its platform, or contradicts itself.
    pub fn read(&self, source: &dyn Source, target: Target) -> Result<BaseImage> {
        BaseImage::read(source, &self.manifest, &self.platform, target)
    }
}

/// Returns the images that `root` names, or is.
///
/// # Errors
/// Returns an error if it is neither an index nor an image, or exceeds a limit.
pub fn list_images(source: &dyn Source, root: &Descriptor) -> Result<Vec<ListedImage>> {
    let mut search = Search { source, found: Vec::new(), seen: HashSet::new() };
    search.collect(root, 0)?;
    Ok(search.found)
}

/// A search through the indexes of a base, each of which is read once.
struct Search<'a> {
    source: &'a dyn Source,
    found: Vec<ListedImage>,
    seen: HashSet<Digest>,
}

impl Search<'_> {
    fn collect(&mut self, descriptor: &Descriptor, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(miette!("its indexes exceed the limit of {MAX_DEPTH} levels"));
        }
        if !self.seen.insert(descriptor.digest().clone()) {
            return Ok(());
        }
        if self.seen.len() > MAX_IMAGES {
            return Err(miette!("it exceeds the limit of {MAX_IMAGES} images"));
        }
        // An entry for no platform is an attestation of another image.
        if is_for_none(descriptor) {
            return Ok(());
        }
        match (as_oci(descriptor.media_type()), platform_of(descriptor)) {
            (MediaType::ImageManifest, Some(platform)) => {
                self.found.push(ListedImage { platform, manifest: descriptor.clone() });
            }
            (MediaType::ImageIndex | MediaType::ImageManifest, _) => self.read(descriptor, depth)?,
            // Beside images there may be other content, but the root must be an image.
            _ if depth > 0 => {}
            _ => drop(read_manifest(self.source, descriptor)?),
        }
        Ok(())
    }

    fn read(&mut self, descriptor: &Descriptor, depth: usize) -> Result<()> {
        match read_manifest(self.source, descriptor)? {
            Manifest::Index(entries) => {
                for entry in entries {
                    self.collect(&entry, depth + 1)?;
                }
            }
            // Without an entry in an index, only the config names the platform.
            Manifest::Image { config, .. } => {
                let platform = platform_of_config(&read_config(self.source, &config)?);
                self.found.push(ListedImage { platform, manifest: descriptor.clone() });
            }
        }
        Ok(())
    }
}
