//! The authorities and logs to trust: sigstore's, by The Update Framework, or those in a file.

use std::path::{Path, PathBuf};

use miette::{Context, IntoDiagnostic, Report, miette};
use sigstore_verify::trust_root::{SigstoreInstance, TrustedRoot, TufBootstrap, TufConfig};

use super::certificate::CertificateVerifier;
use super::keyless::until_interrupted;
use crate::error::{Result, or_help};

/// A repository of The Update Framework with sigstore's trusted root.
#[derive(Clone, Debug)]
pub(crate) struct TrustRepository {
    /// Its URL, and the first `root.json` to trust; those of sigstore.dev if there is none.
    pub mirror: Option<TrustMirror>,
    /// The folder of what was fetched, which is verified again whenever it is read.
    pub folder: PathBuf,
}

/// The repository of another sigstore than the public one.
#[derive(Clone, Debug)]
pub(crate) struct TrustMirror {
    /// The URL.
    pub url: String,
    /// The content of the `root.json` that is trusted.
    pub root: Vec<u8>,
}

impl TrustRepository {
    /// Returns what it says now.
    ///
    /// # Errors
    /// Returns an error if it cannot be reached, or something in it is not signed as its root demands.
    pub(crate) fn fetch(&self, client: reqwest::Client) -> Result<CertificateVerifier> {
        load(self.config().with_http_client(client))
    }

    /// Returns what it said when it was fetched last, without a request.
    ///
    /// # Errors
    /// Returns an error if it was never fetched, or what it said has expired.
    pub(crate) fn fetched(&self) -> Result<CertificateVerifier> {
        load(self.config().offline())
    }

    fn config(&self) -> TufConfig {
        let config = match &self.mirror {
            Some(mirror) => TufConfig::custom(&mirror.url, TufBootstrap::trusted(&mirror.root)),
            None => TufConfig::production(),
        };
        config.with_cache_dir(self.folder.clone())
    }
}

fn load(config: TufConfig) -> Result<CertificateVerifier> {
    super::crypto::install();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    let root =
        runtime.block_on(until_interrupted(async { TrustedRoot::from_tuf(config).await.map_err(Report::from_err) }))?;
    CertificateVerifier::new(&root)
}

/// Returns what sigstore.dev said when this version of its library was made.
///
/// # Errors
/// Returns an error if a part of it is invalid.
pub(crate) fn built_in() -> Result<CertificateVerifier> {
    super::crypto::install();
    let root = TrustedRoot::from_embedded(SigstoreInstance::PublicGood).map_err(Report::from_err)?;
    CertificateVerifier::new(&root)
}

/// Reads a trusted root as `cosign trusted-root create` writes it (protobuf-specs, `sigstore_trustroot.proto`).
///
/// # Errors
/// Returns an error if the file cannot be read, or is none.
pub(crate) fn read(path: &Path) -> Result<CertificateVerifier> {
    let parse = || {
        let text = std::fs::read_to_string(path).into_diagnostic()?;
        super::crypto::install();
        let root = TrustedRoot::from_json(&text).map_err(|error| miette!("{error}"))?;
        CertificateVerifier::new(&root)
    };
    parse()
        .map_err(|error| or_help(error, || "create one with `cosign trusted-root create`".to_owned()))
        .wrap_err_with(|| format!("cannot use the trusted root {}", path.display()))
}
