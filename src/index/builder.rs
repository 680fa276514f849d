//! Parts → index, attachments, signatures, and last the tags.

use jiff::Timestamp;
use miette::{Context, IntoDiagnostic, Report, miette};
use oci_spec::image::{ANNOTATION_CREATED, ANNOTATION_REF_NAME, ANNOTATION_VERSION, Descriptor, Digest};

use super::agreement::{add, check, check_required, common_annotations, remove, warn_of_bases};
use super::documents::{IndexSubject, PartDocuments, of_index};
use super::job::{IndexJob, PartSource};
use super::metadata::is_image_name;
use super::part::{IndexPart, OpenParts, PartPlace, parts_of};
use crate::attest::Signer;
use crate::attest::sbom::contents::SbomSubject;
use crate::config::SignatureFormat;
use crate::context::GlobalContext;
use crate::context::subject::Subject;
use crate::error::Result;
use crate::event::{Event, MadeIndex, MadeManifest};
use crate::image::attestation::no_platform;
use crate::image::manifest::{Annotations, Document, Manifest, index_of_entries};
use crate::parallel::{MANY, each};
use crate::platform::Platform;
use crate::publish::attachments::{AttachmentSource, attach, attach_missing};
use crate::publish::sign::ImageSigner;
use crate::publish::tags::{TagMove, TagMoves};
use crate::reference::BaseReference;
use crate::registry::Registry;
use crate::registry::download::FetchedManifest;
use crate::registry::tag_edit::{TagChange, TagEdit};
use crate::store::{Fallback, Memory, Sink, Source, copy};
use crate::unique::each_once;

/// How often an index is changed if other clients change it too.
const MAX_EDITS: u32 = 16;

/// How indexes are made.
pub(crate) struct IndexBuilder<'a> {
    /// The context of the run.
    pub context: &'a GlobalContext<'a>,
    /// The platforms that must be there.
    pub required: &'a [Platform],
    /// Annotations in addition to those of the parts.
    pub annotations: &'a [(String, String)],
    /// Whether parts may be of different images, versions and commits.
    pub allow_mixed: bool,
    /// Whether parts are added to the index that is there.
    pub append: bool,
    /// The platforms that are removed from the index that is there.
    pub remove: &'a [Platform],
    /// Signs the index, if there is one.
    pub signer: Option<&'a Signer>,
    /// How signatures are kept.
    pub format: SignatureFormat,
    /// Whether nothing is sent.
    pub dry_run: bool,
}

/// The index of a job on its way: its repository, and the sources that were opened.
struct IndexWork<'a, 'b> {
    builder: &'b IndexBuilder<'a>,
    job: &'b IndexJob,
    registry: Registry<'a>,
    sources: Vec<OpenParts<'a>>,
}

/// An index that was made.
struct NewIndex {
    document: Document,
    parts: Vec<IndexPart>,
}

impl IndexBuilder<'_> {
    /// Makes the index of a job, and moves its tags last. Returns it, and its bytes.
    ///
    /// # Errors
    /// Returns an error if a part is missing or does not belong to the others, or if the registry does not take the index. Then
    /// no tag has moved, except those that the error names.
    pub(crate) fn make(&self, job: &IndexJob) -> Result<(MadeIndex, Vec<u8>)> {
        self.make_index(job).wrap_err_with(|| format!("cannot make the index in {}", job.repository.location()))
    }

    fn make_index(&self, job: &IndexJob) -> Result<(MadeIndex, Vec<u8>)> {
        let registry = self.context.connect_to_push(&job.repository)?;
        let open = |source: &PartSource| OpenParts::open(source, &registry, &job.repository, self.context);
        let sources = each(&job.sources, MANY, open)?;
        let work = IndexWork { builder: self, job, registry, sources };
        let made = if self.append || !self.remove.is_empty() { work.edit()? } else { work.create()? };
        let digest = made.document.descriptor.digest().clone();
        let result = MadeIndex {
            name: work.name(&made.parts),
            reference: job.repository.with_digest(digest.as_ref()),
            digest,
            tags: job.tags.clone(),
            repositories: vec![work.registry.location()],
            manifests: made.parts.iter().map(made_manifest).collect(),
        };
        Ok((result, made.document.bytes))
    }
}

fn made_manifest(part: &IndexPart) -> MadeManifest {
    let descriptor = &part.descriptor;
    MadeManifest { platform: part.platform.clone(), digest: descriptor.digest().clone(), size: descriptor.size() }
}

impl IndexWork<'_, '_> {
    /// Makes an index of the parts alone.
    fn create(&self) -> Result<NewIndex> {
        let made = self.made(Vec::new(), &Annotations::new())?;
        if !self.builder.dry_run {
            self.send(&made)?;
            self.move_tags(&made, &self.job.tags)?;
        }
        Ok(made)
    }

    /// Changes the index that the first tag names, so that no other change is lost.
    fn edit(&self) -> Result<NewIndex> {
        let Some((tag, more)) = self.job.tags.split_first() else { return Err(miette!("there is no tag to change")) };
        let mut edit = TagEdit::new(&self.registry, tag);
        for attempt in 0..MAX_EDITS {
            let before = edit.read()?.ok_or_else(|| self.nothing_to_change(tag))?;
            let made = self.changed(tag, &before)?;
            if self.builder.dry_run {
                return Ok(made);
            }
            self.send(&made)?;
            let is_there = before.document.descriptor.digest() == made.document.descriptor.digest();
            if is_there || edit.write(Some(&before), &made.document)? == TagChange::Kept {
                self.pushed(&made, if is_there { &[] } else { std::slice::from_ref(tag) });
                if !more.is_empty() {
                    self.move_tags(&made, more)?;
                }
                return Ok(made);
            }
            edit.pause(attempt)?;
        }
        Err(miette!(
            help = "run the same command again, when fewer others change the tag",
            "cannot change {}: others have moved it {MAX_EDITS} times meanwhile",
            self.job.repository.with_tag(tag)
        ))
    }

    fn nothing_to_change(&self, tag: &str) -> Report {
        miette!(
            help = "leave out `--append` and `--remove` to make it, of all its parts",
            "there is no {}",
            self.job.repository.with_tag(tag)
        )
    }

    /// Returns the index that a tag names, changed.
    fn changed(&self, tag: &str, before: &FetchedManifest) -> Result<NewIndex> {
        let memory = Memory::default();
        let root = memory.put_document(before.document.clone());
        let source = Fallback { primary: &memory, secondary: &self.registry };
        let name = self.job.repository.with_tag(tag);
        let mut parts = parts_of(&source, &root, &name).wrap_err_with(|| format!("cannot change {name}"))?;
        remove(&mut parts, &each_once(self.builder.remove.iter().cloned()), &name)?;
        let known = Manifest::parse(root.media_type(), &before.document.bytes);
        // What an index says that none of its images does was added by somebody.
        let mut own = known.map(|known| known.annotations).unwrap_or_default();
        own.retain(|key, _| parts.iter().all(|part| !part.annotations.contains_key(key)));
        self.made(parts, &own)
    }

    /// Returns the index of `parts` and of those of the sources.
    fn made(&self, mut parts: Vec<IndexPart>, own: &Annotations) -> Result<NewIndex> {
        let builder = self.builder;
        let is_edit = builder.append || !builder.remove.is_empty();
        add(&mut parts, self.sources.iter().flat_map(|source| source.parts.clone()), is_edit)?;
        if !builder.allow_mixed {
            check(&parts)?;
        }
        let origins = parts.iter().map(|part| part.origin.clone()).chain(self.job.origins.iter().cloned());
        check_required(&parts, builder.required, &each_once(origins))?;
        if parts.is_empty() {
            return Err(miette!(
                help = "delete the tag instead, with the means of the registry",
                "nothing would be left in the index"
            ));
        }
        if let Some(warning) = warn_of_bases(&parts) {
            builder.context.warn_once(warning);
        }
        parts.sort_by_cached_key(|part| (part.platform.position(), part.platform.to_string(), part.entry.to_string()));
        let mut annotations = common_annotations(&parts);
        annotations.extend(own.clone());
        annotations.extend(builder.annotations.iter().cloned());
        let mut entries: Vec<_> = parts.iter().map(|part| (part.platform.clone(), part.entry.clone())).collect();
        let none = no_platform();
        let attestations = parts.iter().flat_map(|part| part.attestations.clone());
        entries.extend(attestations.map(|(_, entry)| (none.clone(), entry)));
        Ok(NewIndex { document: index_of_entries(entries, &annotations), parts })
    }

    /// Sends everything but the tags.
    fn send(&self, made: &NewIndex) -> Result<()> {
        let context = self.builder.context;
        context.report(Event::Indexing {
            image: self.name(&made.parts),
            to: self.registry.location(),
            platforms: made.parts.iter().map(|part| part.platform.clone()).collect(),
        });
        for source in &self.sources {
            self.copy(source)?;
        }
        let memory = Memory::default();
        let root = memory.put_document(made.document.clone());
        Sink::push(&self.registry, &root, &memory)?;
        self.attach(made, &root, &memory)?;
        if let Some(signer) = self.builder.signer {
            self.sign(&root, signer).wrap_err("cannot sign it; no tag has been moved")?;
        }
        Ok(())
    }

    /// Copies parts that are elsewhere, and what is attached to them.
    fn copy(&self, open: &OpenParts) -> Result<()> {
        let PartPlace::Elsewhere(..) = &open.place else { return Ok(()) };
        let source = open.place.source(&self.registry);
        if let Some(from) = open.repository.as_ref().filter(|from| from.registry() == self.job.repository.registry()) {
            self.registry.mountable(from.repository(), open.parts.iter().flat_map(|part| &part.content));
        }
        let attestations = open.parts.iter().flat_map(|part| part.attestations.iter().map(|(one, _)| one));
        let roots: Vec<_> = open.parts.iter().map(|part| &part.descriptor).chain(attestations).cloned().collect();
        copy(source, &self.registry, &roots)?;
        let list = |subject: &Digest| open.place.referrers(&self.registry, subject);
        let attachments = AttachmentSource { source, list: &list };
        let mut subjects: Vec<_> = open.parts.iter().map(|part| part.descriptor.digest().clone()).collect();
        for level in attachments.all(&subjects)? {
            attach_missing(&self.registry, &subjects, &level, source, self.builder.context)?;
            subjects = level.iter().map(|manifest| manifest.digest().clone()).collect();
        }
        Ok(())
    }

    /// Attaches the documents of the index.
    fn attach(&self, made: &NewIndex, root: &Descriptor, memory: &Memory) -> Result<()> {
        // After they were copied, all parts are here.
        let here = PartPlace::Here;
        let documents = each(&made.parts, MANY, |part| PartDocuments::read(part, &here, &self.registry))?;
        let repository = self.registry.location();
        let parts: Vec<_> =
            made.parts.iter().zip(documents).map(|(part, own)| (part, own, Some(repository.clone()))).collect();
        let common = common_annotations(&made.parts);
        let created =
            common.get(ANNOTATION_CREATED).and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let named = SbomSubject {
            name: &self.name(&made.parts),
            version: common.get(ANNOTATION_VERSION).map(String::as_str).unwrap_or_default(),
            digest: Some(root.digest()),
            created,
        };
        let documents = of_index(&IndexSubject { named, root }, &parts)?;
        let manifests: Vec<_> = documents.iter().map(|document| document.store(created, memory).manifest).collect();
        if manifests.is_empty() { Ok(()) } else { attach(&self.registry, &manifests, memory, self.builder.context) }
    }

    fn sign(&self, root: &Descriptor, signer: &Signer) -> Result<()> {
        let reference = self.job.repository.with_digest(root.digest().as_ref()).parse::<BaseReference>();
        let context = self.builder.context;
        let image = Subject::open(&reference.into_diagnostic()?, context)?;
        let (format, listener) = (self.builder.format, context.listener);
        ImageSigner { signer, image: &image, format, image_only: false, listener }.sign_all(&[])
    }

    fn move_tags(&self, made: &NewIndex, tags: &[String]) -> Result<()> {
        let root = &made.document.descriptor;
        let memory = Memory::default();
        memory.put_document(made.document.clone());
        let before = each(tags, MANY, |tag| self.registry.tagged(tag))?;
        let is_there =
            |before: &&Option<Descriptor>| before.as_ref().is_some_and(|there| there.digest() == root.digest());
        let moves = tags.iter().zip(&before).filter(|(_, before)| !is_there(before));
        let moves: Vec<_> = moves.map(|(name, before)| TagMove { name, before: before.as_ref() }).collect();
        let moved: Vec<_> = moves.iter().map(|one| one.name.to_owned()).collect();
        TagMoves { registry: &self.registry, root, source: &memory, tags: moves }.run()?;
        self.pushed(made, &moved);
        Ok(())
    }

    fn pushed(&self, made: &NewIndex, tags: &[String]) {
        self.builder.context.report(Event::Pushed {
            image: self.name(&made.parts),
            to: self.registry.location(),
            tags: tags.to_vec(),
            sent: self.registry.sent(),
            was_there: tags.is_empty(),
        });
    }

    /// Returns the name of the image: by metadata files, else by its annotations, else by its repository.
    fn name(&self, parts: &[IndexPart]) -> String {
        // Images of others are annotated with what others want.
        let annotated = || {
            let mut names = parts.iter().filter_map(|part| part.annotations.get(ANNOTATION_REF_NAME));
            names.find(|name| is_image_name(name)).cloned()
        };
        let named = self.job.name.clone().or_else(annotated);
        named.unwrap_or_else(|| {
            let repository = self.job.repository.repository();
            repository.rsplit('/').next().unwrap_or(repository).to_owned()
        })
    }
}
