//! Verifies that a base is signed as `base-verify` demands, before anything is compiled.

use miette::{Context, Report};
use oci_spec::image::Descriptor;

use crate::attest::trusted_signer::{SignedStatement, TrustedSigner};
use crate::base::Base;
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::context::image::OpenImage;
use crate::context::trusted;
use crate::context::verify::{ImageVerifier, RequiredSigner};
use crate::error::{Result, with_help};
use crate::event::Event;
use crate::plan::ImagePlan;
use crate::reference::{BaseReference, SignerReference};
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
    /// Returns an error if it cannot be verified, or is not signed by who must have signed it.
    pub(crate) fn check(&self, image: &ImagePlan, base: &Base) -> Result<()> {
        match (&image.base_verify, &base.root) {
            (Some(signer), Some(root)) => self.check_root(&image.base, root, signer),
            _ => Ok(()),
        }
    }

    /// Verifies that somebody has signed a base, whose index is `root`.
    ///
    /// # Errors
    /// Returns an error if it cannot be verified, or is not signed by them.
    pub(crate) fn check_root(&self, base: &BaseReference, root: &Descriptor, signer: &SignerReference) -> Result<()> {
        self.verify(base, root, signer).wrap_err_with(|| format!("base {base} rejected"))
    }

    fn verify(&self, base: &BaseReference, root: &Descriptor, signer: &SignerReference) -> Result<()> {
        let about = format!("{} by {signer}", root.digest());
        let cache = self.context.cache()?;
        if let Some(bundle) = cache.get::<String>(RecordKind::Signature, &about) {
            let verifies = |trusted: &TrustedSigner| is_signature(trusted, bundle.as_bytes(), root);
            if trusted::is_still(signer, self.context, verifies)? {
                return Ok(());
            }
        }
        if self.is_offline && matches!(base, BaseReference::Registry(_)) {
            return Err(miette::miette!(
                help = "build once without --offline: signatures are kept in the cache",
                "its signature is not in the cache, and --offline forbids asking the registry"
            ));
        }
        let named = OpenImage::open(base, self.context)?;
        let trusted = trusted::current(signer, self.is_offline, self.context)?;
        let required = RequiredSigner { reference: signer.clone(), trusted };
        let verifier = ImageVerifier { image: &named, signer: &required, name: &base.to_string() };
        let found = verifier.verify_root(root)?;
        let Some(signature) = found.signature() else {
            return Err(unsigned(found.not_signed_error(&base.to_string(), signer), signer));
        };
        self.keep(&about, signature)?;
        let (image, digest) = (base.to_string(), root.digest().clone());
        self.context.report(Event::Verified { image, digest, said: vec!["signature".to_owned()] });
        Ok(())
    }

    fn keep(&self, about: &str, signature: &SignedStatement) -> Result<()> {
        if let Ok(bundle) = str::from_utf8(&signature.evidence) {
            self.context.cache()?.put(RecordKind::Signature, about, bundle);
        }
        Ok(())
    }
}

fn is_signature(signer: &TrustedSigner, bundle: &[u8], root: &Descriptor) -> bool {
    signer.verify_again(bundle, root.digest()).is_ok_and(|signed| signed.statement.is_signature())
}

fn unsigned(error: Report, signer: &SignerReference) -> Report {
    let help = match signer {
        SignerReference::Key(_) => {
            "use a base that is signed with this key, or set the key of this one: `base-verify = { key = \"…\" }`"
        }
        SignerReference::Identity(_) => {
            "use a base that is signed by this identity, or set that of this one: `base-verify = { identity = \"…\", issuer = \
             \"…\" }`"
        }
    };
    with_help(error, help.to_owned())
}
