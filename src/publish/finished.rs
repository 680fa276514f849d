//! An image that was built before, in a layout or an archive → repositories. Nothing is compiled.

use std::path::PathBuf;

use miette::{Context, IntoDiagnostic, miette};
use oci_spec::image::{ANNOTATION_BASE_IMAGE_DIGEST, ANNOTATION_BASE_IMAGE_NAME, ANNOTATION_TITLE, Descriptor, Digest};

use super::attachments::AttachmentSource;
use super::destination::{Destination, TaggedImage};
use super::dry_run::DryRun;
use super::policy;
use super::push_plan::PushPlan;
use crate::attest::Signer;
use crate::config::{Policy, SignatureFormat};
use crate::context::GlobalContext;
use crate::context::image::{OpenImage, reference};
use crate::context::subject::signable_manifests;
use crate::error::{Result, or_help};
use crate::event::{BuiltAttachment, BuiltBase, BuiltImage, BuiltManifest, PlannedPush};
use crate::image::attestation::attested_digest;
use crate::image::manifest::{Manifest, ManifestContent};
use crate::image::predicate;
use crate::inspect::referrers::group_by_subject;
use crate::platform::Platform;
use crate::reference::{BaseReference, Reference, TagOrDigest};
use crate::store::layout::tag;
use crate::store::{Missing, Source, read};
use crate::unique::each_once;

/// The help if content is missing. A push alone does not download the layers of the base.
const INCOMPLETE: &str = "write the whole image first, with `cargo oci build`";

/// An image that was built before.
pub(crate) struct FinishedImage<'a> {
    open: OpenImage<'a>,
    /// What it is.
    pub image: BuiltImage,
    /// How signatures are kept beside it.
    pub signature_format: SignatureFormat,
    base: BaseReference,
    no_index: bool,
}

impl<'a> FinishedImage<'a> {
    /// Reads the image that `from` names: the path of a layout or an archive.
    ///
    /// # Errors
    /// Returns an error if it is no such path, or if the image cannot be read.
    pub(crate) fn open(from: &str, context: &GlobalContext<'a>) -> Result<FinishedImage<'a>> {
        let place = reference(from)?;
        let (name, path) = match &place {
            BaseReference::Layout(on_disk) => (on_disk.path.file_name(), &on_disk.path),
            BaseReference::Archive(on_disk) => (on_disk.path.file_stem(), &on_disk.path),
            other => {
                return Err(miette!(
                    help = "`cargo oci copy` copies an image from one registry to another",
                    "cannot push from {other}: expected the path of a layout or an archive"
                ));
            }
        };
        let name = name.map_or_else(|| "image".to_owned(), |name| name.to_string_lossy().into_owned());
        let open = OpenImage::open(&place, context)?;
        read_image(&open, name, path.clone(), &place)
            .map(|(image, base, no_index)| FinishedImage {
                open,
                image,
                signature_format: SignatureFormat::default(),
                base,
                no_index,
            })
            .wrap_err_with(|| format!("cannot read {from}"))
    }

    /// Pushes it, and sets its tags, to each of the repositories; returns `registry/repository@digest` for each.
    ///
    /// # Errors
    /// Returns the first failure, which says what tags have moved.
    pub(crate) fn push(
        &self,
        repositories: &[Reference],
        signer: Option<&Signer>,
        context: &GlobalContext<'a>,
    ) -> Result<Vec<String>> {
        let plan = self.plan();
        let push = |repository: &Reference| {
            let destination = Destination::connect(0, &plan, repository, context)?;
            let (image, source) = (&self.image, self.open.source());
            let upload = TaggedImage { plan: &plan, image, tags: &image.tags, source, signer };
            let pushed = destination.push(&upload, context).map_err(|error| {
                let lacks_content = error.downcast_ref::<Missing>().is_some();
                if lacks_content { or_help(error, || INCOMPLETE.to_owned()) } else { error }
            });
            pushed.wrap_err_with(|| destination.failure(plan.name))?;
            Ok(repository.with_digest(image.digest.as_ref()))
        };
        repositories.iter().map(push).collect()
    }

    /// Checks that it keeps rules, before a tag moves.
    ///
    /// # Errors
    /// Returns an error with the rules that it breaks.
    pub(crate) fn check(&self, rules: &Policy, signer: Option<&Signer>, context: &GlobalContext) -> Result<()> {
        policy::check_image(rules, &self.image, self.open.source(), signer, context)
    }

    /// Returns what a push would send to each of the repositories.
    ///
    /// # Errors
    /// Returns an error if a registry does not respond, or denies access.
    pub(crate) fn dry_run(
        &self,
        repositories: &[Reference],
        dry_run: DryRun,
        context: &GlobalContext,
    ) -> Result<Vec<PlannedPush>> {
        let plan = self.plan();
        let planned = repositories.iter().map(|to| dry_run.push(&plan, &self.image, &self.image.tags, to, context));
        planned.collect()
    }

    fn plan(&self) -> PushPlan<'_> {
        PushPlan {
            name: &self.image.name,
            base: &self.base,
            no_index: self.no_index,
            layout: None,
            signature_format: self.signature_format,
            is_sbom_required: false,
            is_provenance_required: false,
            is_vex_required: false,
        }
    }
}

/// Returns the image, its base, and whether it is without an index.
fn read_image(
    open: &OpenImage,
    name: String,
    layout: PathBuf,
    place: &BaseReference,
) -> Result<(BuiltImage, BaseReference, bool)> {
    let source = open.source();
    let found = open.root()?;
    let root = Descriptor::new(found.media_type().clone(), found.size(), found.digest().clone());
    let whole = Manifest::parse(root.media_type(), &read(source, &root)?).into_diagnostic()?;
    let no_index = !whole.is_index();
    let base_name = whole.annotations.get(ANNOTATION_BASE_IMAGE_NAME);
    let base = base_name.and_then(|name| name.parse().ok()).unwrap_or(BaseReference::Scratch);
    let mut manifests = Vec::new();
    for one in signable_manifests(source, &root)? {
        let bytes = read(source, &one.descriptor)?;
        let manifest = Manifest::parse(one.descriptor.media_type(), &bytes).into_diagnostic()?;
        if let ManifestContent::Image { config, layers } = manifest.content {
            let descriptor = one.descriptor;
            manifests.push(BuiltManifest {
                platform: one.platform.map_or_else(|| platform_in(source, &config), Ok)?,
                digest: descriptor.digest().clone(),
                size: descriptor.size(),
                attestation: attestation_of(&whole, descriptor.digest()),
                config: *config,
                // Which of them are those of the base is not told.
                below: layers.len(),
                layers,
                descriptor,
            });
        }
    }
    let subjects = std::iter::once(&root).chain(manifests.iter().map(|manifest| &manifest.descriptor));
    let subjects = each_once(subjects.map(|subject| subject.digest().clone()));
    let blobs = manifests.iter().flat_map(|manifest| manifest.layers.iter().chain([&manifest.config]));
    let image = BuiltImage {
        local_names: vec![name.clone()],
        name,
        reference: place.with_digest(root.digest().as_ref()),
        digest: root.digest().clone(),
        size: each_once(blobs.map(|blob| (blob.digest(), blob.size()))).into_iter().map(|(_, size)| size).sum(),
        tags: tags(open, root.digest()),
        repositories: Vec::new(),
        layout,
        base: BuiltBase {
            name: base_name.cloned().unwrap_or_else(|| base.to_string()),
            digest: whole.annotations.get(ANNOTATION_BASE_IMAGE_DIGEST).and_then(|digest| digest.parse().ok()),
        },
        attached: attached(open, &subjects)?,
        manifests,
        root,
    };
    Ok((image, base, no_index))
}

/// Returns the manifest of what an index attests of an image.
fn attestation_of(index: &Manifest, image: &Digest) -> Option<Descriptor> {
    let ManifestContent::Index(entries) = &index.content else { return None };
    let found = entries.iter().find(|entry| attested_digest(entry) == Some(image.as_ref()))?;
    Some(Descriptor::new(found.media_type().clone(), found.size(), found.digest().clone()))
}

/// Returns the tag that was named, or all tags that the image has.
fn tags(open: &OpenImage, digest: &Digest) -> Vec<String> {
    if let Some(TagOrDigest::Tag(named)) = open.name() {
        return vec![named.clone()];
    }
    let same = open.entries().iter().filter(|entry| entry.digest() == digest);
    each_once(same.filter_map(tag).map(str::to_owned))
}

/// Returns the platform that a config names.
fn platform_in(source: &dyn Source, config: &Descriptor) -> Result<Platform> {
    let config: serde_json::Value = serde_json::from_slice(&read(source, config)?).into_diagnostic()?;
    let parts = ["os", "architecture", "variant"].into_iter().filter_map(|key| config[key].as_str());
    parts.collect::<Vec<_>>().join("/").parse().into_diagnostic()
}

/// Returns what is attached to the index and the manifests, and what is attached to that.
fn attached(open: &OpenImage, subjects: &[Digest]) -> Result<Vec<BuiltAttachment>> {
    let source = open.source();
    let listed = group_by_subject(source, open.entries());
    let list = |subject: &Digest| open.referrers(subject, &listed);
    let levels = AttachmentSource { source, list: &list }.all(subjects)?;
    levels.into_iter().flatten().map(|entry| attachment(source, &entry)).collect()
}

fn attachment(source: &dyn Source, entry: &Descriptor) -> Result<BuiltAttachment> {
    let manifest = Manifest::parse(entry.media_type(), &read(source, entry)?).into_diagnostic()?;
    let (config, layers) = match manifest.content {
        ManifestContent::Image { config, layers } => (Some(config), layers),
        ManifestContent::Index(entries) => (None, entries),
    };
    let artifact_type = manifest.artifact_type.or_else(|| Some(config?.media_type().to_string())).unwrap_or_default();
    let content = layers.first().cloned().unwrap_or_else(|| entry.clone());
    let title = content.annotations().as_ref().and_then(|all| all.get(ANNOTATION_TITLE)).cloned();
    let subject = manifest.subject.ok_or_else(|| miette!("{} is not attached to anything", entry.digest()))?;
    Ok(BuiltAttachment {
        predicate_type: manifest.annotations.get(predicate::ANNOTATION).cloned(),
        artifact_type,
        subject: subject.digest().clone(),
        digest: entry.digest().clone(),
        size: entry.size(),
        file: title.unwrap_or_default(),
        content,
        descriptor: Descriptor::new(entry.media_type().clone(), entry.size(), entry.digest().clone()),
    })
}
