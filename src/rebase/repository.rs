//! Puts an image on a new base where it is: in a repository.

use miette::{Context, miette};
use oci_spec::image::{Descriptor, Digest};

use crate::attest::Signer;
use crate::config::SignatureFormat;
use crate::context::GlobalContext;
use crate::context::subject::Subject;
use crate::error::Result;
use crate::image::manifest::Document;
use crate::image::media_type::is_document;
use crate::parallel::{MANY, each};
use crate::publish::attachments::attach;
use crate::publish::sign::ImageSigner;
use crate::publish::tags::{TagMove, TagMoves};
use crate::reference::{BaseReference, Reference};
use crate::registry::Registry;
use crate::registry::download::FetchedManifest;
use crate::registry::tag_edit::{TagChange, TagEdit};
use crate::store::{Memory, Sink, Source, copy, read};

/// A repository with an image.
pub(crate) struct RebaseInRepository<'a> {
    /// The repository.
    pub registry: &'a Registry<'a>,
    /// Its name.
    pub reference: &'a Reference,
    /// The new base, to mount its layers.
    pub base: &'a BaseReference,
    /// Where its layers are read if they cannot be mounted.
    pub base_source: &'a dyn Source,
    /// The layers that the old image has: they are there.
    pub known: &'a [Descriptor],
    /// The new image: documents, and attachments.
    pub memory: &'a Memory,
    /// Signs it, if there is one.
    pub signer: Option<&'a Signer>,
    /// How signatures are kept.
    pub format: SignatureFormat,
    /// The context of the run.
    pub context: &'a GlobalContext<'a>,
}

impl RebaseInRepository<'_> {
    /// Sends everything but the tags.
    ///
    /// # Errors
    /// Returns an error if something cannot be read or sent.
    pub(crate) fn send(
        &self,
        layers: &[Descriptor],
        documents: &[Descriptor],
        attached: &[Descriptor],
        root: &Descriptor,
    ) -> Result<()> {
        let is_known = |layer: &&Descriptor| self.known.iter().any(|known| known.digest() == layer.digest());
        let missing: Vec<_> = layers.iter().filter(|layer| !is_known(layer)).cloned().collect();
        if let BaseReference::Registry(base) = self.base
            && base.registry() == self.reference.registry()
        {
            self.registry.mountable(base.repository(), &missing);
        }
        copy(self.base_source, self.registry, &missing)?;
        // Configs come before their manifests, and those before their index.
        let (root_document, parts): (Vec<_>, Vec<_>) =
            documents.iter().partition(|document| document.digest() == root.digest());
        let (manifests, configs): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| is_document(part.media_type()));
        for level in [configs, manifests, root_document] {
            each(&level, MANY, |document| Sink::push(self.registry, document, self.memory))?;
        }
        if !attached.is_empty() {
            attach(self.registry, attached, self.memory, self.context)?;
        }
        if let Some(signer) = self.signer {
            self.sign(root, signer).wrap_err("cannot sign it; no tag has been moved")?;
        }
        Ok(())
    }

    fn sign(&self, root: &Descriptor, signer: &Signer) -> Result<()> {
        let named: BaseReference = BaseReference::Registry(self.reference.pinned_to(root.digest()));
        let image = Subject::open(&named, self.context)?;
        let (format, listener) = (self.format, self.context.listener);
        ImageSigner { signer, image: &image, format, image_only: false, listener }.sign_all(&[])
    }

    /// Moves the tags that name the old image, unless others have moved them meanwhile.
    ///
    /// # Errors
    /// Returns an error if a tag does not move, which says what has moved before.
    pub(crate) fn move_tags(&self, tags: &[(String, FetchedManifest)], root: &Descriptor) -> Result<()> {
        let document = Document { descriptor: root.clone(), bytes: read(self.memory, root)? };
        each(tags, MANY, |(tag, before)| match TagEdit::new(self.registry, tag).write(Some(before), &document)? {
            TagChange::Kept => Ok(()),
            TagChange::Lost => Err(miette!(
                help = "run the same command again: it begins with what the tag names now",
                "cannot move the tag {tag}: somebody has pushed another image there meanwhile"
            )),
        })
        .map(drop)
    }

    /// Sets other tags, and leaves those of the old image.
    ///
    /// # Errors
    /// Returns an error if a tag does not move, which says what has moved before.
    pub(crate) fn set_tags(&self, tags: &[String], root: &Descriptor) -> Result<()> {
        let before = each(tags, MANY, |tag| self.registry.tagged(tag))?;
        let moves = tags.iter().zip(&before);
        let moves = moves.map(|(name, before)| TagMove { name, before: before.as_ref() }).collect();
        TagMoves { registry: self.registry, root, source: self.memory, tags: moves }.run()
    }

    /// Returns the name with the digest.
    pub(crate) fn named(&self, root: &Digest) -> String {
        self.reference.with_digest(root.as_ref())
    }
}
