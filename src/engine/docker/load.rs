//! Loads images into Docker and nerdctl.

use std::collections::HashSet;

use super::{Docker, ImageStore};
use crate::engine::inventory::{
    InventoryImage, diff_ids, full_name, images, known_layers, missing_names, remember_manifests, remove_unnamed,
    replaced_images, shared_layers,
};
use crate::engine::local_image::{LoadedImage, LocalImage};
use crate::engine::program::{ProgramError, ProgramOutput};
use crate::error::Result;
use crate::image::Digest;
use crate::store::archive::ArchiveContents;

/// The errors of a Docker before version 28 that cannot check the platforms of an image. Then only the output of the load
/// tells whether it succeeded.
const NO_PLATFORM_CHECK: [&str; 2] = ["unknown flag", "API version"];
/// The start of the line that `docker load` prints for each name.
const LOADED: &str = "Loaded image";

impl Docker {
    /// Loads an image, without the layers that the engine has.
    pub(in crate::engine) fn load(&self, image: LocalImage) -> Result<LoadedImage> {
        let id = match self.store {
            ImageStore::Classic => image.manifest()?.config.digest(),
            ImageStore::Containerd | ImageStore::Nerdctl => image.root().digest(),
        };
        let names = image.image.tagged_names();
        let listed = images(&self.program)?;
        let replaced = replaced_images(&listed, id.as_ref(), &names);
        if let Some(missing) = missing_names(&listed, id.as_ref(), &names)
            && (self.store != ImageStore::Containerd || self.is_complete(image, "")?)
        {
            self.tag(id, &missing)?;
            remove_unnamed(&self.program, &replaced);
            return Ok(LoadedImage { id: id.clone(), sent: Some(0), was_present: true });
        }
        let sent = match self.store {
            ImageStore::Classic => self.load_docker_image(image, &listed)?,
            ImageStore::Containerd => self.load_layout(image, &listed)?,
            ImageStore::Nerdctl => self.send(image, &image.as_layout()?, &["load", "--all-platforms"])?.sent,
        };
        remove_unnamed(&self.program, &replaced);
        Ok(LoadedImage { id: id.clone(), sent: Some(sent), was_present: false })
    }

    fn tag(&self, id: &Digest, names: &[String]) -> Result<()> {
        for name in names {
            self.program.run(["image", "tag", id.as_ref(), name])?;
        }
        Ok(())
    }

    /// Loads a docker-archive into the classic store.
    fn load_docker_image(&self, image: LocalImage, listed: &[InventoryImage]) -> Result<u64> {
        let manifest = image.manifest()?;
        let wanted = diff_ids(image.layout, &manifest.config)?;
        // An older version of the image shares most layers. Others are only inspected if it does not.
        let own = image.image.local_names.iter().filter_map(|name| full_name(name));
        let own: HashSet<_> = own.map(|name| without_tag(&name)).collect();
        let older = listed.iter().filter(|one| one.name.as_ref().is_some_and(|name| own.contains(&without_tag(name))));
        let mut shared = shared_layers(&wanted, &self.layer_chains(older));
        if shared + 1 < wanted.len() {
            shared = shared.max(shared_layers(&wanted, &self.layer_chains(listed.iter())));
        }
        let known: HashSet<_> = manifest.layers.iter().take(shared).map(|layer| layer.digest().clone()).collect();
        let docker_image = image.docker_image()?;
        if !known.is_empty() {
            let contents = ArchiveContents::of_docker_image(image.layout, &docker_image, self.supports_zstd)?;
            if let Some(output) = self.send_without(image, contents, &known)? {
                return Ok(output.sent);
            }
        }
        let contents = ArchiveContents::of_docker_image(image.layout, &docker_image, self.supports_zstd)?;
        Ok(self.send(image, &contents, IMAGE_LOAD)?.sent)
    }

    /// Loads a layout into containerd's store. The store accepts an incomplete layout without an error: so the image comes
    /// without names, and gets them when it is complete.
    fn load_layout(&self, image: LocalImage, listed: &[InventoryImage]) -> Result<u64> {
        let known = known_layers(image.cache, listed, &self.platform);
        let mut sent = 0;
        let mut is_complete = false;
        if !known.is_empty() {
            let contents = ArchiveContents::of_image(image.layout, image.root(), &[])?;
            if let Some(output) = self.send_without(image, contents, &known)? {
                sent = output.sent;
                is_complete = self.is_complete(image, &output.stdout)?;
            }
        }
        if !is_complete {
            let contents = ArchiveContents::of_image(image.layout, image.root(), &[])?;
            let output = self.send(image, &contents, IMAGE_LOAD)?;
            sent += output.sent;
            if !self.is_complete(image, &output.stdout)? {
                let message = output.stdout.lines().find(|line| !line.starts_with(LOADED));
                let message = message.unwrap_or("the image is incomplete after loading").to_owned();
                return Err(ProgramError::Failed { program: "docker image load".to_owned(), message }.into());
            }
        }
        self.tag(image.root().digest(), &image.image.tagged_names())?;
        let manifests = image.image.manifests.iter().map(|manifest| manifest.descriptor.clone());
        remember_manifests(image.cache, image.layout, manifests.chain([image.root().clone()]));
        Ok(sent)
    }

    /// Returns whether the engine has every platform of the image with all its blobs. `load_output` is the output of the load.
    fn is_complete(&self, image: LocalImage, load_output: &str) -> Result<bool> {
        let id = image.root().digest().as_ref();
        for manifest in &image.image.manifests {
            let platform = manifest.platform.to_string();
            match self.program.query(["image", "inspect", "--platform", &platform, "--format", "{{.Id}}", id]) {
                Ok(output) if output.stdout.trim() == manifest.digest.as_ref() => {}
                Ok(_) => return Ok(false),
                Err(ProgramError::Failed { message, .. }) => {
                    let is_unchecked = NO_PLATFORM_CHECK.iter().any(|old| message.contains(old));
                    return Ok(is_unchecked && !load_output.lines().any(|line| line.starts_with("Error")));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn send(
        &self,
        image: LocalImage,
        contents: &ArchiveContents,
        args: &[&str],
    ) -> Result<ProgramOutput, ProgramError> {
        self.program.run_with_input(args, &image.transfer(contents), |input| contents.write(image.time, input))
    }

    /// Sends an image without the layers that the engine has. Returns `None` if the engine rejects it: then the whole image
    /// is sent, and that error counts.
    fn send_without(
        &self,
        image: LocalImage,
        contents: ArchiveContents,
        known: &HashSet<Digest>,
    ) -> Result<Option<ProgramOutput>> {
        match self.send(image, &contents.without(|digest| known.contains(digest)), IMAGE_LOAD) {
            Ok(output) => Ok(Some(output)),
            // The user has interrupted, or the layout cannot be read.
            Err(error @ ProgramError::Io { .. }) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// Returns the diffIDs of images, each from the lowest layer, or nothing if the engine fails: then all layers are sent.
    fn layer_chains<'a>(&self, images: impl Iterator<Item = &'a InventoryImage>) -> Vec<Vec<String>> {
        let ids: HashSet<_> = images.map(|image| image.id.as_str()).collect();
        if ids.is_empty() {
            return Vec::new();
        }
        let format = ["image", "inspect", "--format", "{{json .RootFS.Layers}}"];
        // Fails if an image was removed meanwhile.
        let output = self.program.query(format.into_iter().chain(ids)).unwrap_or_default();
        output.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

const IMAGE_LOAD: &[&str] = &["image", "load"];

/// Removes the tag from a name.
fn without_tag(name: &str) -> String {
    name.rsplit_once(':').map_or(name, |(name, _)| name).to_owned()
}
