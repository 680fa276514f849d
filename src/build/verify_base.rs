//! Verifies that a base is signed with the key of `base-verify`, before anything is compiled.

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;

use crate::attest::PublicKey;
use crate::attest::verify::{verify_bundle, verify_referrers};
use crate::base::Base;
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::context::image::OpenImage;
use crate::context::key;
use crate::error::{Result, with_help};
use crate::event::Event;
use crate::inspect::referrers::group_by_subject;
use crate::plan::ImagePlan;
use crate::reference::{BaseReference, KeyReference};
use crate::store::LimitedSource;
use crate::store::cache::records::RecordKind;

/// Verifies signatures of bases.
pub(crate) struct BaseVerifier<'a> {
    is_offline: bool,
    /// Caches signatures, so that they are verified again without a request.
    context: &'a GlobalContext<'a>,
}

impl<'a> BaseVerifier<'a> {
    /// Creates a verifier with the context of the bases.
    pub(crate) fn new(bases: &Bases<'a>) -> BaseVerifier<'a> {
        BaseVerifier { context: bases.context(), is_offline: bases.is_offline() }
    }

    /// Verifies the base of an image, if it must be signed.
    ///
    /// # Errors
    /// Returns an error if the key cannot be read, or has not signed the base.
    pub(crate) fn check(&self, image: &ImagePlan, base: &Base) -> Result<()> {
        match (&image.base_verify, &base.root) {
            (Some(key), Some(root)) => self.check_root(&image.base, root, key),
            _ => Ok(()),
        }
    }

    /// Verifies that a key has signed a base, whose index is `root`.
    ///
    /// # Errors
    /// Returns an error if the key cannot be read, or has not signed the base.
    pub(crate) fn check_root(&self, base: &BaseReference, root: &Descriptor, key: &KeyReference) -> Result<()> {
        let public = key::public(key, &self.context.environment)?;
        self.verify(base, root, key, &public).wrap_err_with(|| format!("base {base} rejected"))
    }

    fn verify(&self, base: &BaseReference, root: &Descriptor, key: &KeyReference, public: &PublicKey) -> Result<()> {
        let about = format!("{} by {}", root.digest(), public.hint()?);
        let cache = self.context.cache()?;
        let known = cache.get::<String>(RecordKind::Signature, &about);
        if known.is_some_and(|bundle| {
            verify_bundle(bundle.as_bytes(), root.digest(), public).is_ok_and(|found| found.is_signature())
        }) {
            return Ok(());
        }
        if self.is_offline && matches!(base, BaseReference::Registry(_)) {
            return Err(miette!(
                help = "build once without --offline: signatures are kept in the cache",
                "its signature is not in the cache, and --offline forbids asking the registry"
            ));
        }
        let named = OpenImage::open(base, self.context)?;
        let listed = named.referrers(root.digest(), &group_by_subject(named.source(), named.entries()))?;
        let found = verify_referrers(&LimitedSource::new(named.source()), &listed, root.digest(), public)?;
        let Some(signature) = found.signature() else {
            return Err(unsigned(found.not_signed_error(&base.to_string(), &key.to_string())));
        };
        if let Ok(bundle) = str::from_utf8(&signature.bundle) {
            cache.put(RecordKind::Signature, &about, bundle);
        }
        let (image, digest) = (base.to_string(), root.digest().clone());
        self.context.report(Event::Verified { image, digest, said: vec!["signature".to_owned()] });
        Ok(())
    }
}

fn unsigned(error: Report) -> Report {
    let help = "use a base that is signed with this key, or set the key of this one: `base-verify = { key = \"…\" }`";
    with_help(error, help.to_owned())
}
