//! Writes an image to a destination, its tags last.

use std::collections::HashSet;
use std::path::Path;

use miette::{Context, Report, miette};
use oci_spec::image::{Descriptor, Digest};

use super::copied::{CopiedImage, CopySource};
use super::destination::{CopyDestination, DestinationPlace};
use crate::context::GlobalContext;
use crate::error::{Result, on_path};
use crate::event::Event;
use crate::parallel::{MANY, each};
use crate::publish::attachments::attach_missing;
use crate::publish::tags::{TagMove, TagMoves};
use crate::reference::{LayoutReference, Reference};
use crate::registry::Registry;
use crate::store::archive::ArchiveContents;
use crate::store::layout::LayoutFolder;
use crate::store::{Fallback, Layout, LayoutWriter, Memory, ReferrersPlace, Sink, Source, copy};

/// The tag of an image in a layout without any.
const LATEST: &str = "latest";

/// Copies images to one destination.
pub(crate) struct Copier<'a> {
    /// The source.
    pub source: &'a CopySource<'a>,
    /// The destination.
    pub destination: &'a CopyDestination,
    /// The name of the image, for a layout.
    pub image: &'a str,
}

impl Copier<'_> {
    /// Copies the image `root`, and sets `tags`, or the tag of the destination. Returns the name of the copy with its digest.
    ///
    /// # Errors
    /// Returns an error if the image cannot be read or written. Then no tag has moved, except those that the error names.
    pub(crate) fn copy(&self, root: &Descriptor, tags: &[String]) -> Result<String> {
        let tags = match &self.destination.tag {
            Some(tag) => vec![tag.clone()],
            None => tags.to_vec(),
        };
        match &self.destination.place {
            DestinationPlace::Registry(reference) => self.to_registry(reference, root, &tags),
            DestinationPlace::Layout(place) => {
                let digest = self.to_layout(&place.path, root, tags)?.0;
                self.source.context.report(Event::Wrote { path: place.path.clone(), only: None });
                Ok(format!("oci:{}@{digest}", place.path.display()))
            }
            DestinationPlace::Archive(place) => self.to_archive(place, root, tags),
        }
    }

    fn to_registry(&self, to: &Reference, root: &Descriptor, tags: &[String]) -> Result<String> {
        let registry = self.source.context.connect_to_push(to)?;
        let upload = RegistryCopy { registry: &registry, source: self.source, image: self.image, to };
        let copied = upload.run(root, tags);
        let digest = copied.wrap_err_with(|| format!("cannot copy {} to {}", self.source.name, to.location()))?;
        Ok(to.with_digest(digest.as_ref()))
    }

    /// Writes a layout, which replaces that of the same image. Returns it with the digest of the image.
    fn to_layout(&self, folder: &Path, root: &Descriptor, mut tags: Vec<String>) -> Result<(Digest, Layout)> {
        let copied = self.source.select(root)?;
        let writer = LayoutWriter::begin(folder, self.image, LayoutFolder::UserNamed, self.source.context.listener)?;
        let (memory, source) = (Memory::default(), self.source.source);
        let from = with_index(&copied, &memory, source);
        copy(&from, &writer, std::slice::from_ref(&copied.root))?;
        if tags.is_empty() {
            tags.push(LATEST.to_owned());
        }
        for tag in &tags {
            writer.tag(&copied.root, tag)?;
        }
        for manifest in copied.attached.iter().flatten() {
            writer.attach(manifest, source)?;
        }
        if !copied.beside.is_empty() {
            self.source.context.warn(format!(
                "{} is without its {} tags of cosign 2, which a layout has no place for: sign it with cosign 3 or `cargo oci sign`",
                folder.display(),
                copied.beside.len()
            ));
        }
        Ok((copied.root.digest().clone(), writer.commit()?))
    }

    fn to_archive(&self, place: &LayoutReference, root: &Descriptor, tags: Vec<String>) -> Result<String> {
        let parent = place.path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        let folder = tempfile::tempdir_in(parent).map_err(|error| on_path("write in", parent, error))?;
        let (digest, layout) = self.to_layout(folder.path(), root, tags)?;
        ArchiveContents::of_layout(&layout, ReferrersPlace::Beside)?.write_file(0, &place.path)?;
        self.source.context.report(Event::Wrote { path: place.path.clone(), only: None });
        Ok(format!("oci-archive:{}@{digest}", place.path.display()))
    }
}

/// Returns the source of an image whose index may be new.
fn with_index<'s>(copied: &CopiedImage, memory: &'s Memory, source: &'s dyn Source) -> Fallback<'s> {
    if let Some(index) = &copied.index {
        memory.put_document(index.clone());
    }
    Fallback { primary: memory, secondary: source }
}

/// An image on its way to a repository.
struct RegistryCopy<'a> {
    registry: &'a Registry<'a>,
    source: &'a CopySource<'a>,
    image: &'a str,
    to: &'a Reference,
}

impl RegistryCopy<'_> {
    fn run(&self, root: &Descriptor, tags: &[String]) -> Result<Digest> {
        // Nothing is asked or sent before what must be signed is verified.
        let verified = if self.source.required.is_some() { Some(self.source.select(root)?) } else { None };
        let before = each(tags, MANY, |tag| self.registry.tagged(tag))?;
        let is = |there: &Option<Descriptor>, root: &Descriptor| {
            there.as_ref().is_some_and(|there| there.digest() == root.digest())
        };
        let is_whole = self.source.platforms.is_empty() && verified.is_none();
        let is_there = !tags.is_empty() && before.iter().all(|there| is(there, root));
        if is_whole && is_there && self.has_attachments(root)? {
            self.pushed(&[], true);
            return Ok(root.digest().clone());
        }
        let copied = verified.map_or_else(|| self.source.select(root), Ok)?;
        let context = self.source.context;
        context.report(Event::Pushing { image: self.image.to_owned(), to: self.registry.location() });
        self.send(&copied, context)?;
        let moves = tags.iter().zip(&before).filter(|(_, before)| !is(before, &copied.root));
        let moves: Vec<_> = moves.map(|(name, before)| TagMove { name, before: before.as_ref() }).collect();
        let moved: Vec<_> = moves.iter().map(|one| one.name.to_owned()).collect();
        let memory = Memory::default();
        let source = with_index(&copied, &memory, self.source.source);
        TagMoves { registry: self.registry, root: &copied.root, source: &source, tags: moves }.run()?;
        self.pushed(&moved, false);
        Ok(copied.root.digest().clone())
    }

    /// Returns whether the destination lists all that is attached to the image at its source. Whoever signs an image later signs
    /// its index too: that of platforms is not asked for.
    fn has_attachments(&self, root: &Descriptor) -> Result<bool> {
        if !self.source.referrers {
            return Ok(true);
        }
        let theirs = self.source.referrers(root.digest())?;
        if theirs.is_empty() {
            return Ok(true);
        }
        let here: HashSet<_> = self.registry.referrers(root.digest())?.iter().map(|one| one.digest().clone()).collect();
        Ok(theirs.iter().all(|one| here.contains(one.digest())))
    }

    /// Sends everything but the tags.
    fn send(&self, copied: &CopiedImage, context: &GlobalContext) -> Result<()> {
        let source = self.source.source;
        let is_other = |from: &&Reference| from.repository() != self.to.repository();
        let same_registry = |from: &&Reference| from.registry() == self.to.registry();
        if let Some(from) = self.source.repository.filter(same_registry).filter(is_other) {
            self.registry.mountable(from.repository(), &copied.blobs(source)?);
        }
        let memory = Memory::default();
        copy(&with_index(copied, &memory, source), self.registry, std::slice::from_ref(&copied.root))?;
        let mut subjects = copied.subjects.clone();
        for level in &copied.attached {
            attach_missing(self.registry, &subjects, level, source, context)?;
            subjects = level.iter().map(|manifest| manifest.digest().clone()).collect();
        }
        let beside: Vec<_> = copied.beside.iter().map(|(_, manifest)| manifest.clone()).collect();
        copy(source, self.registry, &beside)?;
        each(&copied.beside, MANY, |(tag, manifest)| self.registry.tag_from(manifest, tag, source)).map(drop)
    }

    fn pushed(&self, tags: &[String], was_there: bool) {
        self.source.context.report(Event::Pushed {
            image: self.image.to_owned(),
            to: self.registry.location(),
            tags: tags.to_vec(),
            sent: self.registry.sent(),
            was_there,
        });
    }
}

/// Returns the error of tags that one destination cannot have.
pub(crate) fn too_many_tags(text: &str) -> Report {
    miette!(
        help = format!("leave out the tag in `{text}`, or `--tag` and `--all-tags`"),
        "{text} names one tag, and others are to be set there"
    )
}
