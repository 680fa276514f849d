//! The referrers that are pushed with an image: those in its layout, and signatures.

use std::collections::BTreeSet;

use miette::{Context, IntoDiagnostic, miette};
use oci_spec::image::Descriptor;

use super::push_plan::PushPlan;
use super::signature_tags::{MissingTagged, SignatureTags};
use crate::attest::bundle::BUNDLE;
use crate::attest::sign::{SubjectSigner, unsigned_statements};
use crate::attest::{Referrer, Signer, Statement};
use crate::config::sbom::{SPDX_AS_TEXT, SbomFormat};
use crate::context::subject::SignableManifest;
use crate::error::Result;
use crate::event::{BuiltAttachment, BuiltImage, Listener};
use crate::image::manifest::{Manifest, ManifestContent};
use crate::image::{Digest, predicate};
use crate::parallel::{MANY, each};
use crate::registry::Registry;
use crate::registry::referrers::{AcceptedReferrers, RejectedReferrers};
use crate::registry::refusal::reason;
use crate::store::cache::records::RecordKind;
use crate::store::{Cache, Fallback, LimitedSource, Memory, Source, read};

/// The referrers of an image.
pub(crate) struct ReferrersUpload<'a> {
    /// The plan.
    pub plan: &'a PushPlan<'a>,
    /// The image.
    pub image: &'a BuiltImage,
    /// Its index and its manifests.
    pub manifests: &'a [SignableManifest],
    /// The layout that it was built in.
    pub layout: &'a dyn Source,
    /// Signs it, if there is one.
    pub signer: Option<&'a Signer>,
    /// Caches what was attached before, and where.
    pub cache: &'a Cache,
}

/// The statements about a manifest that are signed.
struct SignedManifest {
    statements: Vec<Statement>,
    /// The signatures that are missing.
    signatures: Vec<Descriptor>,
    /// Those that the tags of cosign 2 lack, if there are to be such tags.
    tagged: Option<MissingTagged>,
}

/// The referrers that a registry does not have.
#[derive(Default)]
pub(crate) struct MissingReferrers {
    /// Warnings about what the registry has rejected before.
    pub warnings: Vec<String>,
    /// Their manifests.
    pub referrers: Vec<Descriptor>,
    /// The signatures among them, with their subjects.
    signatures: Memory,
    /// The signed statements of each manifest.
    signed: Vec<Option<SignedManifest>>,
}

impl MissingReferrers {
    /// Puts the missing signatures under the tags of cosign 2.
    ///
    /// # Errors
    /// Returns an error if the registry rejects them, or does not respond.
    pub(crate) fn tag_signatures(&self, registry: &Registry) -> Result<()> {
        let tagged = self.signed.iter().flatten().filter_map(|signed| signed.tagged.as_ref());
        SignatureTags { registry, memory: &self.signatures }.add(&tagged.collect::<Vec<_>>())
    }
}

impl ReferrersUpload<'_> {
    /// Returns the referrers that a registry lacks. A registry that still has the image (`was_there`) also has what this machine attached to it before; only signatures need a
    /// request.
    ///
    /// # Errors
    /// Returns an error if the registry does not respond, or signing fails.
    pub(crate) fn missing(&self, registry: &Registry, was_there: bool) -> Result<MissingReferrers> {
        let known = if was_there { self.remembered(registry) } else { None };
        if let Some(warnings) = known.filter(|warnings| warnings.is_empty() || !self.is_any_required())
            && self.signer.is_none()
        {
            return Ok(MissingReferrers { warnings, ..MissingReferrers::default() });
        }
        let listed = each(self.manifests, MANY, |manifest| {
            // A new image has no referrers yet.
            if was_there { registry.referrers(manifest.descriptor.digest()) } else { Ok(Vec::new()) }
        })?;
        let known: BTreeSet<_> = listed.iter().flatten().map(|entry| entry.digest().as_ref()).collect();
        let own = self.image.attached.iter().map(|attached| &attached.descriptor);
        let mut referrers: Vec<_> = own.filter(|own| !known.contains(own.digest().as_ref())).cloned().collect();
        let (signatures, source) = (Memory::default(), LimitedSource::new(registry));
        let mut signed = Vec::new();
        for (manifest, listed) in self.manifests.iter().zip(&listed) {
            let tags = SignatureTags { registry, memory: &signatures };
            let tags = Some((tags, was_there)).filter(|_| self.plan.signature_format.has_tags());
            signed.push(self.sign(manifest, listed, &source, &signatures, tags).wrap_err("cannot sign it")?);
        }
        referrers.extend(signed.iter().flatten().flat_map(|signed| signed.signatures.iter().cloned()));
        Ok(MissingReferrers { warnings: Vec::new(), referrers, signatures, signed })
    }

    /// Returns the warnings about the image if this machine has attached all there, as far as the registry accepts it.
    fn remembered(&self, registry: &Registry) -> Option<Vec<String>> {
        let all = self.digests();
        let record: Option<Vec<String>> = self.cache.get(RecordKind::Attached, &record(registry, &self.image.digest));
        match record {
            Some(record) => record.strip_prefix(&all[..]).map(<[String]>::to_vec),
            None => all.is_empty().then(Vec::new),
        }
    }

    /// Attaches some of the missing referrers. It may be called again.
    ///
    /// # Errors
    /// Returns an error if content cannot be sent. What the registry rejects is in the result.
    pub(crate) fn attach(
        &self,
        registry: &Registry,
        missing: &MissingReferrers,
        referrers: &[Descriptor],
    ) -> Result<AcceptedReferrers> {
        if referrers.is_empty() {
            return Ok(AcceptedReferrers::default());
        }
        let source = Fallback { primary: &missing.signatures, secondary: self.layout };
        let mut accepted = registry.attach_accepted(referrers, &source)?;
        self.attach_spdx_as_text(registry, &mut accepted)?;
        Ok(accepted)
    }

    /// Attaches rejected SPDX documents by the media type they had before: some registries have a list of types with that alone.
    ///
    /// # Errors
    /// Returns an error if content cannot be read or sent. What is rejected again stays in `accepted`.
    fn attach_spdx_as_text(&self, registry: &Registry, accepted: &mut AcceptedReferrers) -> Result<()> {
        let memory = Memory::default();
        let mut renamed = Vec::new();
        for manifest in accepted.rejected.iter().flat_map(|rejected| &rejected.manifests) {
            if self.attached(manifest).is_some_and(|own| own.artifact_type == SbomFormat::Spdx.media_type()) {
                renamed.push((manifest.digest().clone(), self.spdx_as_text(manifest)?.store(&memory)));
            }
        }
        if renamed.is_empty() {
            return Ok(());
        }
        let manifests: Vec<_> = renamed.iter().map(|(_, manifest)| manifest.clone()).collect();
        let again = registry.attach_accepted(&manifests, &Fallback { primary: &memory, secondary: self.layout })?;
        accepted.lists.extend(again.lists);
        let rejected: Vec<_> = again.rejected.iter().flat_map(|rejected| &rejected.manifests).collect();
        renamed.retain(|(_, manifest)| rejected.iter().all(|rejected| rejected.digest() != manifest.digest()));
        for entry in &mut accepted.rejected {
            entry.manifests.retain(|manifest| renamed.iter().all(|(digest, _)| digest != manifest.digest()));
        }
        accepted.rejected.retain(|entry| !entry.manifests.is_empty());
        Ok(())
    }

    /// Returns the same SPDX document as a referrer with the older media type.
    fn spdx_as_text(&self, manifest: &Descriptor) -> Result<Referrer> {
        let found = Manifest::parse(manifest.media_type(), &read(self.layout, manifest)?).into_diagnostic()?;
        let (Some(subject), ManifestContent::Image { mut layers, .. }) = (found.subject, found.content) else {
            return Err(miette!("{} is not attached to anything", manifest.digest()));
        };
        for document in &mut layers {
            document.set_media_type(SPDX_AS_TEXT.into());
        }
        Ok(Referrer::new(&subject, SPDX_AS_TEXT, layers, &found.annotations))
    }

    fn attached(&self, manifest: &Descriptor) -> Option<&BuiltAttachment> {
        self.image.attached.iter().find(|attached| attached.digest == *manifest.digest())
    }

    /// Returns warnings about what the registry rejects.
    ///
    /// # Errors
    /// Returns an error if it was asked for on the command line, as signatures always are.
    pub(crate) fn left_out(&self, registry: &Registry, rejected: Vec<RejectedReferrers>) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        for rejected in rejected {
            if rejected.manifests.iter().any(|manifest| self.is_required(manifest)) {
                return Err(rejected.error(registry.host()));
            }
            // The root cause names no platform: a type that is rejected for each of them is told once.
            warnings.push(format!(
                "{} was pushed without its attachments of the type {}: {}",
                registry.location(),
                rejected.types.join(" and "),
                reason(&rejected.cause)
            ));
        }
        Ok(warnings)
    }

    /// Returns whether something must be attached: then it is an error if the registry rejects it.
    pub(crate) fn is_any_required(&self) -> bool {
        self.signer.is_some() || self.image.attached.iter().any(|attached| self.is_required(&attached.descriptor))
    }

    fn is_required(&self, manifest: &Descriptor) -> bool {
        let Some(attached) = self.attached(manifest) else {
            // Signatures are always required.
            let artifact_type = manifest.artifact_type().as_ref().map(ToString::to_string);
            return artifact_type.is_none_or(|one| one != SPDX_AS_TEXT) || self.plan.is_sbom_required;
        };
        match attached.predicate_type.as_deref() {
            // A signature that came with the layout.
            None if attached.artifact_type == BUNDLE => true,
            Some(predicate::VEX) => self.plan.is_vex_required,
            Some(_) => self.plan.is_provenance_required,
            None => self.plan.is_sbom_required,
        }
    }

    /// Remembers that the registry has the image, and all that is attached to it but what `warnings` are about.
    pub(crate) fn remember(&self, registry: &Registry, warnings: &[String]) {
        let known = [&self.digests()[..], warnings].concat();
        self.cache.put(RecordKind::Attached, &record(registry, &self.image.digest), known);
    }

    /// Reports what was signed, the index last.
    pub(crate) fn report_signed(&self, registry: &Registry, missing: &MissingReferrers, listener: Listener) {
        for (manifest, signed) in self.manifests.iter().zip(&missing.signed).rev() {
            if let Some(SignedManifest { statements, signatures, tagged }) = signed {
                let was_there = signatures.is_empty() && tagged.as_ref().is_none_or(MissingTagged::is_empty);
                listener(manifest.signed(registry.location(), statements, was_there));
            }
        }
    }

    fn digests(&self) -> Vec<String> {
        self.image.attached.iter().map(|attached| attached.digest.to_string()).collect()
    }

    /// Signs a manifest of the image, and its referrers in the layout.
    fn sign(
        &self,
        manifest: &SignableManifest,
        listed: &[Descriptor],
        source: &LimitedSource,
        memory: &Memory,
        tags: Option<(SignatureTags, bool)>,
    ) -> Result<Option<SignedManifest>> {
        let Some(signer) = self.signer else { return Ok(None) };
        let digest = manifest.descriptor.digest();
        let mut statements = vec![Statement::signature(digest)];
        statements.extend(unsigned_statements(self.layout, &self.attached_to(digest), digest, &source.location())?);
        let signatures = if self.plan.signature_format.has_bundles() {
            let subject = SubjectSigner { signer, subject: &manifest.descriptor, listed, source };
            subject.sign_missing(&statements, memory)?
        } else {
            Vec::new()
        };
        let tagged = tags.map(|(tags, was_there)| tags.sign_missing(signer, digest, &statements, was_there));
        Ok(Some(SignedManifest { statements, signatures, tagged: tagged.transpose()? }))
    }

    fn attached_to(&self, subject: &Digest) -> Vec<Descriptor> {
        let mut listed = Vec::new();
        for attached in self.image.attached.iter().filter(|attached| attached.subject == *subject) {
            let mut entry = attached.descriptor.clone();
            entry.set_artifact_type(Some(attached.artifact_type.as_str().into()));
            listed.push(entry);
        }
        listed
    }
}

/// Returns whether this machine has pushed an image to a repository before.
pub(crate) fn was_pushed(cache: &Cache, registry: &Registry, image: &Digest) -> bool {
    cache.get::<Vec<String>>(RecordKind::Attached, &record(registry, image)).is_some()
}

/// Returns the key of the cache's record of what was attached to an image.
fn record(registry: &Registry, image: &Digest) -> String {
    format!("{}@{image}", registry.location())
}
