//! What goes to a registry with an image: what is attached to it in its layout, and what is signed of it.

use std::collections::BTreeSet;

use miette::Context;
use oci_spec::image::Descriptor;

use crate::attest::sign::{lacking, unsigned};
use crate::attest::{Signer, Statement};
use crate::context::subject::Part;
use crate::error::Result;
use crate::event::{BuiltImage, Listener};
use crate::image::Digest;
use crate::parallel::{MANY, each};
use crate::registry::Registry;
use crate::store::cache::records::RecordKind;
use crate::store::{Cache, Fallback, Memory, Referrers, Source};

/// An image whose companions these are.
pub struct Companions<'a> {
    /// The image.
    pub image: &'a BuiltImage,
    /// Its index and its images.
    pub parts: &'a [Part],
    /// The layout that it was built in.
    pub layout: &'a dyn Source,
    /// Who signs it.
    pub signer: Option<&'a Signer>,
    /// What was attached before, where.
    pub cache: &'a Cache,
}

/// What is signed of a part of an image.
struct Signed {
    statements: Vec<Statement>,
    /// Those that were not signed there before.
    manifests: Vec<Descriptor>,
}

/// What a registry lacks of them.
pub struct Lacking {
    manifests: Vec<Descriptor>,
    /// Those that are signed, and what they name.
    signed: Memory,
    /// Of each part.
    said: Vec<Option<Signed>>,
}

impl Companions<'_> {
    /// What a registry lacks of them; nothing where nobody has to look. One that has the image still (`was_there`) has what was
    /// attached to it: nobody asks for what this computer has attached there before, unless it is to be signed.
    ///
    /// # Errors
    /// When the registry does not answer; of signing.
    pub fn lacking(&self, registry: &Registry, was_there: bool) -> Result<Option<Lacking>> {
        let is_known = || {
            let all = self.digests();
            all.is_empty()
                || was_there && self.cache.get(RecordKind::Attached, &self.about(registry)).as_ref() == Some(&all)
        };
        if self.signer.is_none() && is_known() {
            return Ok(None);
        }
        // To an image that was not there, nothing is attached yet.
        let listed = each(self.parts, MANY, |part| match was_there {
            true => registry.referrers(part.descriptor.digest()),
            false => Ok(Vec::new()),
        })?;
        let is_listed: BTreeSet<_> = listed.iter().flatten().map(|entry| entry.digest().as_ref()).collect();
        let own = self.image.attached.iter().map(|attached| &attached.descriptor);
        let mut manifests: Vec<_> = own.filter(|own| !is_listed.contains(own.digest().as_ref())).cloned().collect();
        let signed = Memory::default();
        let said = self.parts.iter().zip(&listed).map(|(part, listed)| self.sign(part, listed, registry, &signed));
        let said = said.collect::<Result<Vec<_>>>().wrap_err("cannot sign it")?;
        manifests.extend(said.iter().flatten().flat_map(|said| said.manifests.iter().cloned()));
        Ok(Some(Lacking { manifests, signed, said }))
    }

    /// Attaches that. It may be tried again.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub fn attach(&self, registry: &Registry, lacking: &Lacking) -> Result<()> {
        if !lacking.manifests.is_empty() {
            registry.attach(&lacking.manifests, &Fallback { primary: &lacking.signed, secondary: self.layout })?;
        }
        self.cache.put(RecordKind::Attached, &self.about(registry), self.digests());
        Ok(())
    }

    /// Says what was signed. The index comes last, as it does where each is signed by itself.
    pub fn tell(&self, registry: &Registry, lacking: &Lacking, listener: Listener) {
        for (part, said) in self.parts.iter().zip(&lacking.said).rev() {
            if let Some(Signed { statements, manifests }) = said {
                listener(part.signed(registry.location(), statements, manifests.is_empty()));
            }
        }
    }

    fn about(&self, registry: &Registry) -> String {
        format!("{}@{}", registry.location(), self.image.digest)
    }

    fn digests(&self) -> Vec<String> {
        self.image.attached.iter().map(|attached| attached.digest.to_string()).collect()
    }

    /// Signs a part of the image, and what is attached to that in the layout.
    fn sign(&self, part: &Part, listed: &[Descriptor], registry: &Registry, memory: &Memory) -> Result<Option<Signed>> {
        let Some(signer) = self.signer else { return Ok(None) };
        let digest = part.descriptor.digest();
        let mut statements = vec![Statement::signature(digest)];
        statements.extend(unsigned(self.layout, &self.attached_to(digest), digest, &registry.location())?);
        let manifests = lacking(signer, &part.descriptor, &statements, (listed, registry), memory)?;
        Ok(Some(Signed { statements, manifests }))
    }

    fn attached_to(&self, subject: &Digest) -> Vec<Descriptor> {
        let is_its = self.image.attached.iter().filter(|attached| attached.subject == *subject);
        let listed = is_its.map(|attached| {
            let mut entry = attached.descriptor.clone();
            entry.set_artifact_type(Some(attached.artifact_type.as_str().into()));
            entry
        });
        listed.collect()
    }
}
