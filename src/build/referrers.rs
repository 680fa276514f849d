//! SBOMs, provenance and VEX documents of an image, attached in its layout.

use miette::{IntoDiagnostic, miette};
use oci_spec::image::Descriptor;

use super::inputs::Inputs;
use super::parameters::ChosenBuild;
use crate::attest::Statement;
use crate::attest::base::ResolvedBase;
use crate::attest::document::{AttachedDocument, StoredDocument};
use crate::attest::provenance::{Dependencies, SourceCommit, provenance};
use crate::attest::sbom::Bom;
use crate::attest::sbom::contents::{ImageContents, ProgramFile, SbomSubject, of_index};
use crate::attest::statement::IN_TOTO;
use crate::attest::vex::VexFile;
use crate::attest::vex::product::VexImage;
use crate::base::Base;
use crate::compile::Binary;
use crate::config::SbomFormat;
use crate::error::Result;
use crate::event::{BuiltAttachment, BuiltImage, BuiltManifest};
use crate::image::attestation::IndexAttestation;
use crate::image::{Digest, predicate};
use crate::parallel::{FEW, each};
use crate::plan::{ImagePlan, Plan};
use crate::platform::{Platform, Target};
use crate::store::{LayoutWriter, Memory};

/// Makes the SBOMs and the provenance of an image, and reads its VEX documents.
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

impl Attachments<'_> {
    /// Makes the documents that the plan names, and attaches them in the layout.
    ///
    /// # Errors
    /// Returns an error if a document cannot be made, or the layout cannot be written.
    pub(crate) fn attach(&self, image: &BuiltImage, writer: &LayoutWriter) -> Result<Vec<BuiltAttachment>> {
        self.sboms(image)?
            .into_iter()
            .chain(self.provenances(image)?)
            .chain(self.vex(image)?)
            .map(|document| attach(document, self.plan, writer))
            .collect()
    }

    /// Makes the attestations that the plan wants in the index: what each image holds and how it was built. They say nothing of the
    /// index, whose digest depends on them.
    ///
    /// # Errors
    /// Returns an error if a document cannot be made.
    pub(crate) fn in_index(&self, images: &[BuiltManifest]) -> Result<Vec<Option<IndexAttestation>>> {
        let plan = self.plan;
        if !plan.attestations.is_in_index() {
            return Ok(Vec::new());
        }
        let images: Vec<_> = images.iter().zip(&self.base.images).collect();
        each(&images, FEW, |(image, below)| {
            let name = format!("{} {}", plan.name, image.platform);
            let mut statements = Vec::new();
            // Whatever the formats of the attached ones: BuildKit's clients read SPDX.
            if !plan.sbom.is_empty() {
                let bom = self.bom(below.target, &image.platform, Some(&image.digest))?;
                let document = bom.document(SbomFormat::Spdx, &format!("{} for {}", plan.name, image.platform))?;
                let document = serde_json::from_slice(&document).into_diagnostic()?;
                let statement = Statement::new(&name, &image.digest, predicate::SPDX, document);
                statements.push((predicate::SPDX, statement.bytes()));
            }
            if plan.provenance {
                let statement = self.provenance(vec![(name, image.digest.clone())])?;
                statements.push((predicate::PROVENANCE, statement.bytes()));
            }
            Ok((!statements.is_empty()).then(|| IndexAttestation::new(&image.digest, statements)))
        })
    }

    /// Returns a statement for each VEX document.
    fn vex(&self, image: &BuiltImage) -> Result<Vec<AttachedDocument>> {
        let files = VexFile::read_all(&self.plan.vex)?;
        let statement = |file: VexFile| {
            let bytes = file.statement(self.named_digests(image)).bytes();
            self.statements(image, predicate::VEX, &file.name, &bytes)
        };
        Ok(files.into_iter().flat_map(statement).collect())
    }

    /// Returns warnings about VEX documents that are not about the image.
    ///
    /// # Errors
    /// Returns an error if a document cannot be read.
    pub(crate) fn vex_warnings(&self, image: &BuiltImage) -> Result<Vec<String>> {
        let mut names = vec![self.plan.name.clone()];
        names.extend(self.plan.local_names());
        let subjects = self.named_digests(image);
        let digests: Vec<_> = subjects.iter().map(|(_, digest)| digest).collect();
        let targets = self.base.images.iter().map(|below| below.target);
        let crates = targets.flat_map(|target| self.inputs.crates(self.plan, target));
        let crates: Vec<_> = crates.map(|made| (made.name.as_str(), made.version.as_str())).collect();
        // Without an SBOM or a list in the binaries, nobody has asked cargo.
        let crates = (!crates.is_empty()).then_some(&crates[..]);
        let image = VexImage { names: &names, digests: &digests, crates };
        Ok(VexFile::read_all(&self.plan.vex)?.iter().filter_map(|file| file.mismatch(&image)).collect())
    }

    /// Returns the provenance.
    fn provenances(&self, image: &BuiltImage) -> Result<Vec<AttachedDocument>> {
        if !self.plan.provenance || !self.plan.attestations.has_referrers() {
            return Ok(Vec::new());
        }
        let bytes = self.provenance(self.named_digests(image))?.bytes();
        Ok(self.statements(image, predicate::PROVENANCE, &format!("{}.provenance.json", self.plan.name), &bytes))
    }

    /// Returns one statement about index and manifests, attached to each of them, so that it is found by any of their digests.
    fn statements(
        &self,
        image: &BuiltImage,
        predicate_type: &'static str,
        file: &str,
        bytes: &[u8],
    ) -> Vec<AttachedDocument> {
        let statement = |(_, subject): (String, &Descriptor)| AttachedDocument {
            subject: subject.clone(),
            artifact_type: IN_TOTO,
            predicate_type: Some(predicate_type),
            file: file.to_owned(),
            bytes: bytes.to_vec(),
        };
        self.subjects(image).into_iter().map(statement).collect()
    }

    /// Returns the index and the manifests, with their names in statements.
    fn subjects<'i>(&self, image: &'i BuiltImage) -> Vec<(String, &'i Descriptor)> {
        let root = (!self.plan.no_index).then(|| (self.plan.name.clone(), &image.root));
        let images = image.manifests.iter();
        let images = images.map(|made| (format!("{} {}", self.plan.name, made.platform), &made.descriptor));
        root.into_iter().chain(images).collect()
    }

    fn named_digests(&self, image: &BuiltImage) -> Vec<(String, Digest)> {
        let subjects = self.subjects(image).into_iter();
        subjects.map(|(name, subject)| (name, subject.digest().clone())).collect()
    }

    fn provenance(&self, subjects: Vec<(String, Digest)>) -> Result<Statement> {
        let (plan, lock) = (self.plan, self.inputs.lock());
        let targets: Vec<_> = self.base.images.iter().map(|image| image.target).collect();
        let chosen = ChosenBuild { whole: self.whole, plan, inputs: self.inputs, targets: &targets };
        let mut prebuilt = Vec::new();
        for (name, path) in chosen.prebuilt_programs() {
            prebuilt.push((name, self.inputs.digest(&path)?));
        }
        let commit = self.whole.commit.as_ref();
        let found = Dependencies {
            base: self.resolved_base(),
            commit: commit.map(|commit| SourceCommit {
                repository: plan.source.as_deref(),
                sha: &commit.sha,
                is_dirty: commit.dirty,
            }),
            lock: lock.as_ref(),
            allocator: chosen.allocator_crate(),
            prebuilt: &prebuilt,
            tools: &self.inputs.tools,
        };
        Ok(provenance(subjects, &chosen.parameters(), &found))
    }

    fn resolved_base(&self) -> Option<ResolvedBase<'_>> {
        let root = self.base.root.as_ref()?;
        Some(ResolvedBase { reference: &self.plan.base, digest: root.digest() })
    }

    fn sboms(&self, image: &BuiltImage) -> Result<Vec<AttachedDocument>> {
        let mut attachments = Vec::new();
        if self.plan.sbom.is_empty() || !self.plan.attestations.has_referrers() {
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

    fn documents(&self, bom: &Bom, subject: &Descriptor, platform: Option<&Platform>) -> Result<Vec<AttachedDocument>> {
        let plan = self.plan;
        let name = platform.map_or_else(|| plan.name.clone(), |platform| format!("{}-{platform}", plan.name));
        let what = platform.map_or_else(|| plan.name.clone(), |platform| format!("{} for {platform}", plan.name));
        plan.sbom
            .iter()
            .map(|format| {
                Ok(AttachedDocument {
                    subject: subject.clone(),
                    artifact_type: format.media_type(),
                    predicate_type: None,
                    file: format!("{}.{}", name.replace('/', "-"), format.extension()),
                    bytes: bom.document(*format, &what)?,
                })
            })
            .collect()
    }
}

/// Attaches a document in the layout.
fn attach(document: AttachedDocument, plan: &ImagePlan, writer: &LayoutWriter) -> Result<BuiltAttachment> {
    let memory = Memory::default();
    let StoredDocument { manifest, content } = document.store(plan.created, &memory);
    writer.attach(&manifest, &memory)?;
    Ok(BuiltAttachment {
        artifact_type: document.artifact_type.to_owned(),
        predicate_type: document.predicate_type.map(str::to_owned),
        subject: document.subject.digest().clone(),
        digest: manifest.digest().clone(),
        size: manifest.size(),
        file: document.file,
        content,
        descriptor: manifest,
    })
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
