//! SBOMs and provenance of an image, attached in its layout.

use miette::miette;
use oci_spec::image::{ANNOTATION_CREATED, ANNOTATION_TITLE, Descriptor, MediaType};

use super::inputs::Inputs;
use crate::attest::base::ResolvedBase;
use crate::attest::provenance::{BuildParameters, Dependencies, SourceCommit, provenance};
use crate::attest::sbom::Bom;
use crate::attest::sbom::contents::{ImageContents, ProgramFile, SbomSubject, of_index};
use crate::attest::statement::IN_TOTO;
use crate::attest::{Referrer, Statement};
use crate::base::Base;
use crate::compile::Binary;
use crate::config::SbomFormat;
use crate::error::Result;
use crate::event::{BuiltAttachment, BuiltImage};
use crate::image::Digest;
use crate::image::digest::sha256;
use crate::image::manifest::Annotations;
use crate::parallel::{FEW, each};
use crate::plan::{ImagePlan, Plan};
use crate::platform::{Platform, Target};
use crate::reference::BaseReference;
use crate::store::{LayoutWriter, Memory};
use crate::unique::each_once;

/// Makes the SBOMs and the provenance of an image.
pub(crate) struct Attachments<'a> {
    /// The plan.
    pub whole: &'a Plan,
    /// The plan of the image.
    pub plan: &'a ImagePlan,
    /// The base.
    pub base: &'a Base,
    /// The binaries.
    pub binaries: &'a [Binary],
    /// The inputs of the binaries.
    pub inputs: &'a Inputs<'a>,
}

/// A document about an image.
struct Attachment {
    subject: Descriptor,
    artifact_type: &'static str,
    /// The name of the file.
    file: String,
    bytes: Vec<u8>,
}

impl Attachments<'_> {
    /// Makes the documents that the plan names, and attaches them in the layout.
    ///
    /// # Errors
    /// Returns an error if a document cannot be made, or the layout cannot be written.
    pub(crate) fn attach(&self, image: &BuiltImage, writer: &LayoutWriter) -> Result<Vec<BuiltAttachment>> {
        self.sboms(image)?
            .into_iter()
            .chain(self.provenances(image))
            .map(|attachment| attachment.attach(self.plan, writer))
            .collect()
    }

    /// Returns the provenance: one statement about index and manifests, attached to each of them, so that it is found by any
    /// of their digests.
    fn provenances(&self, image: &BuiltImage) -> Vec<Attachment> {
        if !self.plan.provenance {
            return Vec::new();
        }
        let root = (!self.plan.no_index).then(|| (self.plan.name.clone(), &image.root));
        let images = image.manifests.iter();
        let images = images.map(|made| (format!("{} {}", self.plan.name, made.platform), &made.descriptor));
        let subjects: Vec<_> = root.into_iter().chain(images).collect();
        let named = subjects.iter().map(|(name, subject)| (name.clone(), subject.digest().clone())).collect();
        let bytes = self.provenance(named).bytes();
        subjects
            .into_iter()
            .map(|(_, subject): (String, &Descriptor)| Attachment {
                subject: subject.clone(),
                artifact_type: IN_TOTO,
                file: format!("{}.provenance.json", self.plan.name),
                bytes: bytes.clone(),
            })
            .collect()
    }

    fn provenance(&self, subjects: Vec<(String, Digest)>) -> Statement {
        let (plan, lock) = (self.plan, self.inputs.lock());
        let chosen = BuildParameters {
            package: plan.spec.clone(),
            bins: plan.bins.clone(),
            targets: self.base.images.iter().map(|image| image.target.triple.to_owned()).collect(),
            libc: each_once(self.base.images.iter().map(|image| image.target.libc().to_string())).join(", "),
            profile: plan.profile.clone(),
            features: self.whole.compile.runs[plan.run].resolve.features.clone(),
            base: without_place(&plan.base),
            compression: plan.packing.compression.to_string(),
            prebuilt: self.whole.prebuilt.iter().map(|given| given.target.platform().to_string()).collect(),
        };
        let commit = self.whole.commit.as_ref();
        let found = Dependencies {
            base: self.resolved_base(),
            commit: commit.map(|commit| SourceCommit {
                repository: plan.source.as_deref(),
                sha: &commit.sha,
                is_dirty: commit.dirty,
            }),
            lock: lock.as_ref(),
            tools: &self.inputs.tools,
        };
        provenance(subjects, &chosen, &found)
    }

    fn resolved_base(&self) -> Option<ResolvedBase<'_>> {
        let root = self.base.root.as_ref()?;
        Some(ResolvedBase { reference: &self.plan.base, digest: root.digest() })
    }

    fn sboms(&self, image: &BuiltImage) -> Result<Vec<Attachment>> {
        let mut attachments = Vec::new();
        if self.plan.sbom.is_empty() {
            return Ok(attachments);
        }
        let images: Vec<_> = image.manifests.iter().zip(&self.base.images).collect();
        // New programs are hashed for it.
        let boms =
            each(&images, FEW, |(manifest, below)| self.bom(below.target, &manifest.platform, Some(&manifest.digest)))?;
        for (manifest, bom) in image.manifests.iter().zip(&boms) {
            attachments.extend(self.documents(bom, &manifest.descriptor, Some(&manifest.platform))?);
        }
        if !self.plan.no_index {
            let bom = of_index(self.named(Some(&image.digest)), &boms);
            attachments.extend(self.documents(&bom, &image.root, None)?);
        }
        Ok(attachments)
    }

    /// Returns the SBOM of the image for one platform, whose manifest may not exist yet.
    ///
    /// # Errors
    /// Returns an error if a program cannot be read.
    fn bom(&self, target: Target, platform: &Platform, digest: Option<&Digest>) -> Result<Bom> {
        let unit = self.plan.unit(target);
        let mut programs = Vec::new();
        for name in &self.plan.bins {
            let binary = self.binaries.iter().find(|binary| binary.unit == unit && binary.name == *name);
            let digest = binary.map(|binary| self.inputs.digest(&binary.path)).transpose()?;
            programs.push(ProgramFile { path: self.plan.bin_dir.join(name), digest });
        }
        let contents = ImageContents {
            image: self.named(digest),
            platform,
            base: self.resolved_base(),
            programs: &programs,
            crates: self.inputs.crates(self.plan, target),
            tools: &self.inputs.tools,
        };
        Ok(contents.bom())
    }

    /// Returns the SBOM of an image that was not built: without the digests of its programs and of the image.
    ///
    /// # Errors
    /// Returns an error if it is too large.
    pub(crate) fn unbuilt(&self, format: SbomFormat) -> Result<Vec<u8>> {
        let images = self.base.images.iter();
        let boms: Vec<_> = images.map(|below| self.bom(below.target, &below.platform, None)).collect::<Result<_>>()?;
        match &boms[..] {
            [bom] => bom.document(format, &self.plan.name),
            boms => of_index(self.named(None), boms).document(format, &self.plan.name),
        }
    }

    fn named<'n>(&'n self, digest: Option<&'n Digest>) -> SbomSubject<'n> {
        SbomSubject { name: &self.plan.name, version: &self.plan.version, digest, created: self.plan.created }
    }

    fn documents(&self, bom: &Bom, subject: &Descriptor, platform: Option<&Platform>) -> Result<Vec<Attachment>> {
        let plan = self.plan;
        let name = platform.map_or_else(|| plan.name.clone(), |platform| format!("{}-{platform}", plan.name));
        let what = platform.map_or_else(|| plan.name.clone(), |platform| format!("{} for {platform}", plan.name));
        plan.sbom
            .iter()
            .map(|format| {
                Ok(Attachment {
                    subject: subject.clone(),
                    artifact_type: format.media_type(),
                    file: format!("{}.{}", name.replace('/', "-"), format.extension()),
                    bytes: bom.document(*format, &what)?,
                })
            })
            .collect()
    }
}

impl Attachment {
    fn attach(self, plan: &ImagePlan, writer: &LayoutWriter) -> Result<BuiltAttachment> {
        let media_type = MediaType::from(self.artifact_type);
        let mut content = Descriptor::new(media_type, self.bytes.len() as u64, sha256(&self.bytes));
        content.set_annotations(Some([(ANNOTATION_TITLE.to_owned(), self.file.clone())].into()));
        let annotations = Annotations::from([(ANNOTATION_CREATED.to_owned(), plan.created.to_string())]);
        let referrer = Referrer::new(&self.subject, self.artifact_type, vec![content.clone()], &annotations);
        let memory = Memory::default();
        memory.put(&content, self.bytes);
        let descriptor = referrer.store(&memory);
        writer.attach(&descriptor, &memory)?;
        Ok(BuiltAttachment {
            artifact_type: self.artifact_type.to_owned(),
            subject: self.subject.digest().clone(),
            digest: descriptor.digest().clone(),
            size: descriptor.size(),
            file: self.file,
            content,
            descriptor,
        })
    }
}

/// Returns the name of a base, without the path of a layout or an archive.
fn without_place(base: &BaseReference) -> String {
    match base {
        BaseReference::Layout(_) => "oci".to_owned(),
        BaseReference::Archive(_) => "oci-archive".to_owned(),
        other => other.to_string(),
    }
}

/// Returns the only image of the plan.
///
/// # Errors
/// Returns an error if there are several.
pub(crate) fn only<T>(images: &[T]) -> Result<&T> {
    match images {
        [image] => Ok(image),
        images => Err(miette!(
            help = "choose one with `--package` or `--image`",
            "cannot print the SBOM of {} images at once",
            images.len()
        )),
    }
}
