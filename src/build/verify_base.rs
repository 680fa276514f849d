//! A base that is not signed by the key of `base-verify` is refused, before anything is compiled.

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;

use crate::attest::PublicKey;
use crate::attest::verify::{look, said};
use crate::base::Base;
use crate::context::Registries;
use crate::context::image::Named;
use crate::context::key;
use crate::error::{Result, with_help};
use crate::event::Event;
use crate::inspect::attached::among;
use crate::plan::ImagePlan;
use crate::reference::{BaseReference, KeyReference};
use crate::store::Cache;
use crate::store::cache::records::RecordKind;

/// Who looks whether bases are signed.
pub struct BaseVerifier<'a> {
    /// Remembers signatures, which are verified again: so that nobody has to be asked for them.
    pub cache: &'a Cache,
    /// Whether registries are not to be asked.
    pub is_offline: bool,
    /// As whom they are asked, and who hears of it.
    pub registries: &'a Registries<'a>,
}

impl BaseVerifier<'_> {
    /// Looks at the base of an image, if that has to be signed. What cargo-oci itself brings has no other signature than its
    /// own program's.
    ///
    /// # Errors
    /// When the key cannot be read, or has not signed the base.
    pub fn check(&self, image: &ImagePlan, base: &Base) -> Result<()> {
        match (&image.base_verify, &base.root) {
            (Some(key), Some(root)) if image.base != BaseReference::Embedded => {
                let public = key::public(key, self.registries.environment)?;
                let verified = self.verify(&image.base, root, key, &public);
                verified.wrap_err_with(|| format!("the base {} is refused", image.base))
            }
            _ => Ok(()),
        }
    }

    fn verify(&self, base: &BaseReference, root: &Descriptor, key: &KeyReference, public: &PublicKey) -> Result<()> {
        let about = format!("{} by {}", root.digest(), public.hint()?);
        let known = self.cache.get::<String>(RecordKind::Signature, &about);
        if known
            .is_some_and(|bundle| said(bundle.as_bytes(), root.digest(), public).is_ok_and(|said| said.is_signature()))
        {
            return Ok(());
        }
        if self.is_offline && matches!(base, BaseReference::Registry(_)) {
            return Err(miette!(
                help = "build once without --offline: a signature that was found is kept",
                "no signature of it is in the cache, and --offline forbids to ask the registry for one"
            ));
        }
        let named = Named::of(base, self.registries)?;
        let listed = named.referrers(root.digest(), &among(named.source(), named.entries()))?;
        let found = look(named.source(), &listed, root.digest(), public)?;
        let Some(signature) = found.signature() else {
            return Err(unsigned(found.unsigned(&base.to_string(), &key.to_string())));
        };
        if let Ok(bundle) = str::from_utf8(&signature.bundle) {
            self.cache.put(RecordKind::Signature, &about, bundle);
        }
        let (image, digest) = (base.to_string(), root.digest().clone());
        (self.registries.listener)(Event::Verified { image, digest, said: vec!["signature".to_owned()] });
        Ok(())
    }
}

fn unsigned(error: Report) -> Report {
    let help = "take a base that is signed with this key, or name the key that signs this one: `base-verify = { key = \"…\" }`";
    with_help(error, help.to_owned())
}
