//! An image that was built, on its way to an engine.

use miette::miette;
use oci_spec::image::Descriptor;

use crate::error::Result;
use crate::event::counter::Activity;
use crate::event::transfer::Transfer;
use crate::event::{BuiltImage, BuiltManifest, Listener};
use crate::image::Digest;
use crate::store::archive::{ArchiveContents, DockerImage};
use crate::store::{Cache, Layout};

/// An image that was built and is to be loaded.
#[derive(Clone, Copy)]
pub(crate) struct LocalImage<'a> {
    /// The image and its names.
    pub image: &'a BuiltImage,
    /// The layout that holds it.
    pub layout: &'a Layout,
    /// The cache, which keeps the manifests of loaded images: an engine lists images, but not their blobs.
    pub cache: &'a Cache,
    /// The mtime of files in archives: seconds since 1970.
    pub time: u64,
    /// Receives the progress.
    pub listener: Listener<'a>,
}

/// An image in an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoadedImage {
    /// The engine's id of the image: the digest of the config, the manifest or the index.
    pub id: Digest,
    /// The number of bytes written to the engine, or `None` if it reads the layout itself.
    pub sent: Option<u64>,
    /// Whether the engine had the image before.
    pub was_present: bool,
}

impl<'a> LocalImage<'a> {
    /// Returns the first manifest: the only one of an image for one platform.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub(crate) fn manifest(&self) -> Result<&'a BuiltManifest> {
        self.image.manifests.first().ok_or_else(|| miette!("the image {} has no platforms", self.image.name))
    }

    /// Returns the image in Docker's own format, which holds one platform.
    ///
    /// # Errors
    /// Returns an error if the image has no platforms.
    pub(crate) fn docker_image(&self) -> Result<DockerImage<'a>> {
        Ok(DockerImage { manifest: &self.manifest()?.descriptor, names: self.image.tagged_names() })
    }

    /// Returns the image as an OCI layout.
    ///
    /// # Errors
    /// Returns an error if the layout cannot be read.
    pub(crate) fn as_layout(&self) -> Result<ArchiveContents<'a>> {
        ArchiveContents::of_image(self.layout, &self.image.root, &self.image.tagged_names())
    }

    /// Returns the image in the format that every engine reads: an OCI layout and a docker-archive in one.
    ///
    /// # Errors
    /// Returns an error if the layout cannot be read.
    pub(crate) fn as_both(&self) -> Result<ArchiveContents<'a>> {
        self.as_layout()?.with_docker_image(&self.docker_image()?)
    }

    /// Begins the transfer of `contents` to an engine.
    pub(crate) fn transfer(&self, contents: &ArchiveContents) -> Transfer<'a> {
        Transfer::begin(Some(self.listener), Activity::Loading, &self.image.name, contents.size())
    }

    /// Returns the descriptor of the index, or of the manifest of an image without an index.
    pub(crate) fn root(&self) -> &'a Descriptor {
        &self.image.root
    }
}
