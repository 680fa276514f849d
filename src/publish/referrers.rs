//! The referrers that are pushed with an image: those in its layout, and signatures.

use std::collections::BTreeSet;

use miette::Context;
use oci_spec::image::Descriptor;

use crate::attest::sign::{SubjectSigner, unsigned_statements};
use crate::attest::{Signer, Statement};
use crate::context::subject::SignableManifest;
use crate::error::Result;
use crate::event::{BuiltImage, Listener};
use crate::image::Digest;
use crate::parallel::{MANY, each};
use crate::registry::Registry;
use crate::store::cache::records::RecordKind;
use crate::store::{Cache, Fallback, LimitedSource, Memory, Referrers, Source};

/// The referrers of an image.
pub(crate) struct ReferrersUpload<'a> {
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
}

/// The referrers that a registry does not have.
pub(crate) struct MissingReferrers {
    referrers: Vec<Descriptor>,
    /// The signatures among them, with their subjects.
    signatures: Memory,
    /// The signed statements of each manifest.
    signed: Vec<Option<SignedManifest>>,
}

impl ReferrersUpload<'_> {
    /// Returns the referrers that a registry lacks, or `None` if no request is needed to know that it lacks none. A registry
    /// that still has the image (`was_there`) also has what this machine attached to it before; only signatures need a
    /// request.
    ///
    /// # Errors
    /// Returns an error if the registry does not respond, or signing fails.
    pub(crate) fn missing(&self, registry: &Registry, was_there: bool) -> Result<Option<MissingReferrers>> {
        if self.signer.is_none() && self.is_attached_already(registry, was_there) {
            return Ok(None);
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
            signed.push(self.sign(manifest, listed, &source, &signatures).wrap_err("cannot sign it")?);
        }
        referrers.extend(signed.iter().flatten().flat_map(|signed| signed.signatures.iter().cloned()));
        Ok(Some(MissingReferrers { referrers, signatures, signed }))
    }

    fn is_attached_already(&self, registry: &Registry, was_there: bool) -> bool {
        let all = self.digests();
        all.is_empty()
            || was_there && self.cache.get(RecordKind::Attached, &self.record(registry)).as_ref() == Some(&all)
    }

    /// Attaches the missing referrers. It may be called again.
    ///
    /// # Errors
    /// Returns an error if the registry rejects one.
    pub(crate) fn attach(&self, registry: &Registry, missing: &MissingReferrers) -> Result<()> {
        if !missing.referrers.is_empty() {
            let source = Fallback { primary: &missing.signatures, secondary: self.layout };
            registry.attach(&missing.referrers, &source)?;
        }
        self.cache.put(RecordKind::Attached, &self.record(registry), self.digests());
        Ok(())
    }

    /// Reports what was signed, the index last.
    pub(crate) fn report_signed(&self, registry: &Registry, missing: &MissingReferrers, listener: Listener) {
        for (manifest, signed) in self.manifests.iter().zip(&missing.signed).rev() {
            if let Some(SignedManifest { statements, signatures }) = signed {
                listener(manifest.signed(registry.location(), statements, signatures.is_empty()));
            }
        }
    }

    /// The key of the cache's record of what was attached.
    fn record(&self, registry: &Registry) -> String {
        format!("{}@{}", registry.location(), self.image.digest)
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
    ) -> Result<Option<SignedManifest>> {
        let Some(signer) = self.signer else { return Ok(None) };
        let digest = manifest.descriptor.digest();
        let mut statements = vec![Statement::signature(digest)];
        statements.extend(unsigned_statements(self.layout, &self.attached_to(digest), digest, &source.location())?);
        let subject = SubjectSigner { signer, subject: &manifest.descriptor, listed, source };
        let signatures = subject.sign_missing(&statements, memory)?;
        Ok(Some(SignedManifest { statements, signatures }))
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
