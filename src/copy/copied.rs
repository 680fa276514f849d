//! What of an image is copied.

use std::collections::HashMap;

use miette::miette;
use oci_spec::image::{Descriptor, Digest};

use crate::context::GlobalContext;
use crate::context::image::{OpenImage, no_image_for};
use crate::context::subject::signable_manifests;
use crate::context::verify::{ImageVerifier, RequiredSigner};
use crate::error::{Result, with_help};
use crate::image::cosign_tag::CosignTag;
use crate::image::manifest::{Document, Manifest, index_entry, index_of_entries};
use crate::parallel::{MANY, each};
use crate::platform::Platform;
use crate::publish::attachments::AttachmentSource;
use crate::reference::Reference;
use crate::store::graph::{GraphWalk, NodeContent};
use crate::store::{Source, read};
use crate::unique::each_once;

/// The source of a copy.
pub(crate) struct CopySource<'a> {
    /// The image, or the repository of several.
    pub image: &'a OpenImage<'a>,
    /// Its content, documents read once.
    pub source: &'a dyn Source,
    /// What is listed as attached in a layout or an archive.
    pub listed: &'a HashMap<String, Vec<Descriptor>>,
    /// The repository, if it is in one.
    pub repository: Option<&'a Reference>,
    /// The name of the image, for errors.
    pub name: &'a str,
    /// The platforms to copy; all if there are none.
    pub platforms: &'a [Platform],
    /// Who must have signed it.
    pub required: Option<&'a RequiredSigner>,
    /// Whether what is attached is copied.
    pub referrers: bool,
    /// The context of the run.
    pub context: &'a GlobalContext<'a>,
}

/// What is copied of one image.
pub(crate) struct CopiedImage {
    /// Its index or manifest.
    pub root: Descriptor,
    /// The index, if it is a new one.
    pub index: Option<Document>,
    /// The manifests that something may be attached to.
    pub subjects: Vec<Digest>,
    /// What is attached to them, and what is attached to that.
    pub attached: Vec<Vec<Descriptor>>,
    /// What cosign 2 has put beside the image: tags, each with its manifest.
    pub beside: Vec<(String, Descriptor)>,
}

impl CopySource<'_> {
    /// Returns what is attached to the index or manifest of an image.
    ///
    /// # Errors
    /// Returns an error if it cannot be listed.
    pub(crate) fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        self.image.referrers(subject, self.listed)
    }

    /// Returns what is copied of the image `root`.
    ///
    /// # Errors
    /// Returns an error if the image cannot be read, lacks a platform, or is not signed as it must be.
    pub(crate) fn select(&self, root: &Descriptor) -> Result<CopiedImage> {
        let mut signed = None;
        if let Some(signer) = self.required {
            let verifier = ImageVerifier { image: self.image, signer, name: self.name };
            let found = verifier.verify(root).map_err(|error| {
                let help = format!("nothing was copied; sign it first: `cargo oci sign {}`", self.name);
                with_help(error, help)
            })?;
            signed = Some(found.into_iter().flat_map(|(_, known)| known.signed).collect::<Vec<_>>());
        }
        let mut copied = self.with_platforms(root)?;
        if !self.referrers {
            return Ok(copied);
        }
        let list = |subject: &Digest| self.referrers(subject);
        copied.attached = AttachmentSource { source: self.source, list: &list }.all(&copied.subjects)?;
        copied.beside = self.beside(&copied.subjects)?;
        if let Some(signed) = signed {
            self.keep_signed(&mut copied, &signed);
        }
        Ok(copied)
    }

    /// Leaves out what is not signed.
    fn keep_signed(&self, copied: &mut CopiedImage, signed: &[Digest]) {
        let mut left_out = Vec::new();
        for level in &mut copied.attached {
            level.retain(|manifest| {
                let is_signed = signed.contains(manifest.digest());
                if !is_signed {
                    left_out.push(manifest.artifact_type().as_ref().map_or("unknown".to_owned(), ToString::to_string));
                }
                is_signed
            });
        }
        // Signatures speak for themselves; the rest of what is beside an image is anybody's.
        copied.beside.retain(|(tag, _)| CosignTag::Signatures.is(tag));
        if !left_out.is_empty() {
            self.context.warn(format!(
                "{} is copied without {} attachments that this signer has not signed, of the types {}",
                self.name,
                left_out.len(),
                each_once(left_out).join(", ")
            ));
        }
    }

    /// Returns the image, of the platforms that were chosen.
    fn with_platforms(&self, root: &Descriptor) -> Result<CopiedImage> {
        let plain =
            |found: &Descriptor| Descriptor::new(found.media_type().clone(), found.size(), found.digest().clone());
        let manifests = signable_manifests(self.source, root)?;
        let copied = |root: Descriptor, index, subjects| CopiedImage {
            root,
            index,
            subjects,
            attached: Vec::new(),
            beside: Vec::new(),
        };
        if self.platforms.is_empty() {
            let subjects = manifests.iter().map(|manifest| manifest.descriptor.digest().clone()).collect();
            return Ok(copied(plain(root), None, subjects));
        }
        let known: Vec<_> = manifests.iter().filter_map(|manifest| manifest.platform.clone()).collect();
        let mut chosen = Vec::new();
        for platform in each_once(self.platforms.iter()) {
            let found = manifests.iter().find(|manifest| {
                manifest.platform.as_ref().is_some_and(|own| own == platform || own.agrees_with(platform))
            });
            match found {
                Some(found) => chosen.push((platform.clone(), found.descriptor.clone())),
                None if known.is_empty() => {
                    return Err(miette!(
                        help = "leave out `--platform`: it is an image for one platform, without an index",
                        "cannot choose {platform} of {}",
                        self.name
                    ));
                }
                None => return Err(no_image_for(platform, self.source, &known)),
            }
        }
        let subjects: Vec<_> = chosen.iter().map(|(_, image)| image.digest().clone()).collect();
        if let [(_, only)] = &chosen[..] {
            return Ok(copied(plain(only), None, subjects));
        }
        if chosen.len() == known.len() {
            let subjects = std::iter::once(root.digest().clone()).chain(subjects).collect();
            return Ok(copied(plain(root), None, subjects));
        }
        let annotations = Manifest::parse(root.media_type(), &read(self.source, root)?);
        let annotations = annotations.map(|index| index.annotations).unwrap_or_default();
        let entries = chosen.iter().map(|(platform, image)| (platform.clone(), index_entry(platform, &plain(image))));
        let index = index_of_entries(entries.collect(), &annotations);
        Ok(copied(index.descriptor.clone(), Some(index), subjects))
    }

    /// Returns what cosign 2 has put beside the manifests of an image.
    fn beside(&self, subjects: &[Digest]) -> Result<Vec<(String, Descriptor)>> {
        if self.repository.is_none() {
            return Ok(Vec::new());
        }
        let tags = subjects.iter().flat_map(|subject| CosignTag::ALL.map(|kind| kind.of(subject)));
        let tags: Vec<_> = tags.collect();
        let found = each(&tags, MANY, |tag| Ok(self.image.tagged(tag)?.map(|manifest| (tag.clone(), manifest))))?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl CopiedImage {
    /// Returns the blobs that an image refers to, those of attachments included.
    ///
    /// # Errors
    /// Returns an error if a document cannot be read.
    pub(crate) fn blobs(&self, source: &dyn Source) -> Result<Vec<Descriptor>> {
        let beside = self.beside.iter().map(|(_, manifest)| manifest);
        let roots: Vec<_> =
            std::iter::once(&self.root).chain(self.attached.iter().flatten()).chain(beside).cloned().collect();
        let mut blobs = Vec::new();
        for node in GraphWalk::new(source, &roots) {
            match node.content {
                NodeContent::Leaf => blobs.push(node.descriptor),
                NodeContent::Document(_) => {}
                NodeContent::Unusable(error) => return Err(error.in_document(&node.descriptor, source)),
            }
        }
        Ok(blobs)
    }
}
