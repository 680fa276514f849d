//! Who must have signed → what it takes to verify that: a key, or the authorities and logs to trust.

use std::time::Duration;

use miette::{Context, miette};

use super::{GlobalContext, key};
use crate::attest::certificate::CertificateVerifier;
use crate::attest::trusted_root::{self, TrustMirror, TrustRepository};
use crate::attest::trusted_signer::TrustedSigner;
use crate::environment::{TUF_MIRROR, TUF_ROOT};
use crate::error::{Result, cannot_read};
use crate::interrupt;
use crate::parallel::lock;
use crate::reference::SignerReference;
use crate::registry::service_client;

/// The longest time for the few documents of the repository.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// The folder in the cache.
const FOLDER: &str = "tuf";

/// Returns who that is, with what is to be trusted now. Whoever signs without a key is known by sigstore's trusted root,
/// which is fetched unless this is `offline`; if that fails, a warning says so, and the last one counts.
///
/// # Errors
/// Returns an error if a key, or a file with a trusted root, cannot be used.
pub(crate) fn current(signer: &SignerReference, offline: bool, context: &GlobalContext) -> Result<TrustedSigner> {
    let identity = match signer {
        SignerReference::Key(name) => return Ok(TrustedSigner::Key(key::public(name, &context.environment)?)),
        SignerReference::Identity(identity) => identity,
    };
    let verifier = match &identity.trusted_root {
        Some(path) => trusted_root::read(path)?,
        None if offline => last(&repository(context)?).map(|(verifier, _)| verifier)?,
        None => fetched(context)?,
    };
    Ok(TrustedSigner::Identity((**identity).clone(), verifier))
}

/// Returns whether what was verified before still is, without a request: with what is built in first, which takes no file.
///
/// # Errors
/// Returns an error if a key, or a file with a trusted root, cannot be used.
pub(crate) fn is_still(
    signer: &SignerReference,
    context: &GlobalContext,
    verifies: impl Fn(&TrustedSigner) -> bool,
) -> Result<bool> {
    let identity = match signer {
        SignerReference::Identity(identity) if identity.trusted_root.is_none() => identity,
        _ => return Ok(verifies(&current(signer, true, context)?)),
    };
    let by = |verifier| verifies(&TrustedSigner::Identity((**identity).clone(), verifier));
    let repository = repository(context)?;
    let is_built_in = repository.mirror.is_none() && by(trusted_root::built_in()?);
    Ok(is_built_in || repository.fetched().is_ok_and(by))
}

/// Returns what the repository says, which is asked once in a run.
fn fetched(context: &GlobalContext) -> Result<CertificateVerifier> {
    let mut known = lock(&context.trusted_root);
    if let Some(known) = &*known {
        return Ok(known.clone());
    }
    Ok(known.insert(fetch(context)?).clone())
}

fn fetch(context: &GlobalContext) -> Result<CertificateVerifier> {
    let repository = repository(context)?;
    let is_local = repository.mirror.as_ref().is_some_and(|mirror| mirror.url.starts_with("http://"));
    let error = match service_client(is_local, FETCH_TIMEOUT).and_then(|client| repository.fetch(client)) {
        Ok(verifier) => return Ok(verifier),
        Err(error) if interrupt::is_set() => return Err(error),
        Err(error) => error,
    };
    let Ok((known, what)) = last(&repository) else {
        let from = repository.mirror.map_or("sigstore.dev".to_owned(), |mirror| mirror.url);
        return Err(error).wrap_err_with(|| format!("cannot fetch the trusted root of {from}"));
    };
    context.warn_once(format!("cannot fetch sigstore's trusted root: {error}; cargo-oci trusts {what}"));
    Ok(known)
}

/// Returns what was to be trusted last, and what that is.
fn last(repository: &TrustRepository) -> Result<(CertificateVerifier, &'static str)> {
    match repository.fetched() {
        Ok(known) => Ok((known, "what was fetched before")),
        Err(_) if repository.mirror.is_none() => Ok((trusted_root::built_in()?, "what was known when it was compiled")),
        // Nobody else's is built in.
        Err(error) => Err(error),
    }
}

fn repository(context: &GlobalContext) -> Result<TrustRepository> {
    let mirror = mirror(context)?;
    let name = mirror.as_ref().map_or("sigstore.dev".to_owned(), |mirror| {
        mirror.url.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect()
    });
    Ok(TrustRepository { mirror, folder: context.environment.cache_folder()?.join(FOLDER).join(name) })
}

/// Returns the repository of another sigstore, if variables name one.
fn mirror(context: &GlobalContext) -> Result<Option<TrustMirror>> {
    let Some(url) = context.environment.get(TUF_MIRROR) else { return Ok(None) };
    let Some(path) = context.environment.get(TUF_ROOT) else {
        return Err(miette!(
            help = format!("set {TUF_ROOT} to a root.json that you trust, of the same repository"),
            "{TUF_MIRROR} is set, but not {TUF_ROOT}"
        ));
    };
    let url = url.to_string_lossy().into_owned();
    let root = std::fs::read(path).map_err(|error| cannot_read(path.as_ref(), error))?;
    Ok(Some(TrustMirror { url, root }))
}
