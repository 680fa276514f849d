//! The images of a base, each with its platform.

use std::collections::HashSet;

use miette::miette;
use oci_spec::image::{Descriptor, MediaType};

use super::image::{BaseImage, is_image_config, platform_of_config, read_config, read_manifest};
use crate::error::Result;
use crate::image::manifest::{ManifestContent, is_for_none, platform_of};
use crate::image::media_type::as_oci;
use crate::platform::{Platform, Target};
use crate::store::Source;
use crate::store::graph::{GraphError, GraphWalk, NodeContent};

/// More images than any real base has.
const MAX_IMAGES: usize = 1_000;

/// An image of a base, of which only the platform is known.
pub(crate) struct ListedImage {
    pub platform: Platform,
    manifest: Descriptor,
}

impl ListedImage {
    /// Reads the image. Returns `None` if it is an artifact.
    ///
    /// # Errors
    /// Returns an error if it is neither, or contradicts itself.
    pub(crate) fn read(&self, source: &dyn Source, target: Target) -> Result<Option<BaseImage>> {
        BaseImage::read(source, &self.manifest, &self.platform, target)
    }
}

/// Returns the images that `root` names, or is.
///
/// # Errors
/// Returns an error if it is neither an index nor an image, or exceeds a limit.
pub(crate) fn list_images(source: &dyn Source, root: &Descriptor) -> Result<Vec<ListedImage>> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    // A manifest whose platform the index lists is only read when it is chosen.
    let walk = GraphWalk::new(source, std::slice::from_ref(root)).descend_into(|entry| !has_known_platform(entry));
    for node in walk {
        let descriptor = node.descriptor;
        // An entry for no platform is an attestation of another image.
        if !node.is_listed
            || is_for_none(&descriptor)
            || is_artifact(&descriptor)
            || !seen.insert(descriptor.digest().clone())
        {
            continue;
        }
        if seen.len() > MAX_IMAGES {
            return Err(miette!("it exceeds the limit of {MAX_IMAGES} images"));
        }
        let platform = match node.content {
            NodeContent::Unusable(GraphError::Read(error)) => return Err(error),
            NodeContent::Unusable(error) => {
                return Err(error.into_report().wrap_err(format!("{} is not an image", descriptor.digest())));
            }
            NodeContent::Document(manifest) => match manifest.content {
                ManifestContent::Index(_) => None,
                // Beside images there may be artifacts, but the root must be an image.
                ManifestContent::Image { config, .. } if node.depth > 0 && !is_image_config(&config) => None,
                // Without an entry in an index, only the config names the platform.
                ManifestContent::Image { config, .. } => Some(platform_of_config(&read_config(source, &config)?)),
            },
            NodeContent::Leaf if is_image(&descriptor) => platform_of(&descriptor),
            // Beside images there may be other content, but the root must be an image.
            NodeContent::Leaf if node.depth > 0 => None,
            NodeContent::Leaf => return read_manifest(source, &descriptor).map(|_| Vec::new()),
        };
        found.extend(platform.map(|platform| ListedImage { platform, manifest: descriptor }));
    }
    Ok(found)
}

fn has_known_platform(entry: &Descriptor) -> bool {
    is_for_none(entry) || is_artifact(entry) || is_image(entry) && platform_of(entry).is_some()
}

/// Returns whether an index says that the entry is an artifact.
fn is_artifact(entry: &Descriptor) -> bool {
    entry.artifact_type().as_ref().is_some_and(|artifact| as_oci(artifact) != MediaType::ImageConfig)
}

fn is_image(descriptor: &Descriptor) -> bool {
    as_oci(descriptor.media_type()) == MediaType::ImageManifest
}
