//! Keyless signing: sigstore's Fulcio issues a certificate for an OIDC token, and Rekor, a public
//! log, records the signature.
//!
//! sigstore's own library does that. This module finds the token and the services.

use std::future::Future;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use miette::{Context, IntoDiagnostic, Report, miette};
use sigstore_sign::oidc::IdentityToken;
use sigstore_sign::rekor::RekorApiVersion;
use sigstore_sign::trust_root::SigningConfig;
use sigstore_sign::types::Bundle;
use sigstore_sign::{SigningContext, SigningServices, SigstoreInstance};
use tokio::runtime::Runtime;

use crate::error::{Result, or_help};
use crate::interrupt;
use crate::parallel::lock;

/// The identity that signs, as an OIDC token names it.
pub(crate) struct Identity {
    runtime: Runtime,
    token: Mutex<IdentityToken>,
    /// Whether the token is from SIGSTORE_ID_TOKEN, and cannot be renewed.
    is_given: bool,
    services: Option<SigningServices>,
    /// The signing context, created when it is first needed.
    context: OnceLock<SigningContext>,
    /// The same, with Rekor 1.
    first_log: OnceLock<SigningContext>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("services", &self.services).finish_non_exhaustive()
    }
}

const GET_TOKEN: &str = "in CI, allow the job to request an OIDC token (GitHub: `permissions: id-token: write`); elsewhere set \
                         SIGSTORE_ID_TOKEN to a token for the audience `sigstore`, or sign with `--key`";

impl Identity {
    /// Returns the identity of the token, or else that of the CI job. `services` is a signing config as `cosign
    /// signing-config create` writes it; without one, the services are those of sigstore.dev.
    ///
    /// # Errors
    /// Returns an error if there is no token, or the signing config cannot be read.
    pub(crate) fn find(token: Option<&str>, services: Option<&Path>) -> Result<Identity> {
        let services = services.map(read_services).transpose()?;
        super::crypto::install();
        // The same TLS provider as for registries. It fails if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.into_diagnostic()?;
        let found = match token {
            Some(token) => given(token),
            None => runtime.block_on(until_interrupted(ambient())),
        };
        let found = found.map_err(|error| or_help(error, || GET_TOKEN.to_owned()));
        let found = found.wrap_err("cannot sign without a key: no identity token")?;
        let (token, is_given) = (Mutex::new(found), token.is_some());
        Ok(Identity { runtime, token, is_given, services, context: OnceLock::new(), first_log: OnceLock::new() })
    }

    /// Signs a statement and returns the bytes of its bundle.
    ///
    /// # Errors
    /// Returns an error if a service fails or the token has expired.
    pub(crate) fn sign(&self, statement: &[u8]) -> Result<Vec<u8>> {
        self.bundle(async {
            let signer = self.context().await?.signer(self.token().await?);
            signer.sign_raw_statement(statement).await.map_err(Report::msg)
        })
    }

    /// Signs bytes that are no statement, and returns the bytes of the bundle. The log is Rekor 1, which promises an entry.
    ///
    /// # Errors
    /// Returns an error if a service fails or the token has expired.
    pub(crate) fn sign_payload(&self, payload: &[u8]) -> Result<Vec<u8>> {
        self.bundle(async {
            let signer = self.first_log_context().await?.signer(self.token().await?);
            signer.sign(payload).await.map_err(Report::msg)
        })
    }

    /// Signs a statement as [`Identity::sign`] does. The log is Rekor 1, which promises an entry.
    ///
    /// # Errors
    /// Returns an error if a service fails or the token has expired.
    pub(crate) fn sign_with_promise(&self, statement: &[u8]) -> Result<Vec<u8>> {
        self.bundle(async {
            let signer = self.first_log_context().await?.signer(self.token().await?);
            signer.sign_raw_statement(statement).await.map_err(Report::msg)
        })
    }

    fn bundle(&self, signed: impl Future<Output = Result<Bundle>>) -> Result<Vec<u8>> {
        let signed = self.runtime.block_on(until_interrupted(signed));
        let help = "check that the services of `--signing-config`, or those of sigstore.dev, are reachable";
        let signed = signed.map_err(|error| or_help(error, || help.to_owned()));
        let bundle = signed.wrap_err("cannot sign without a key")?;
        Ok(bundle.to_json().into_diagnostic()?.into_bytes())
    }

    /// Returns the context of services with Rekor 1, if they are those of sigstore.dev: else those that were chosen.
    async fn first_log_context(&self) -> Result<SigningContext> {
        if self.services.is_some() {
            return self.context().await;
        }
        if let Some(context) = self.first_log.get() {
            return Ok(context.clone());
        }
        let config = SigningConfig::from_tuf(SigstoreInstance::PublicGood.tuf_config()).await.map_err(Report::msg)?;
        let first = Some(RekorApiVersion::V1);
        let services = SigningServices::from_signing_config_with_rekor_version(&config, first).map_err(Report::msg)?;
        Ok(self.first_log.get_or_init(|| SigningContext::new(services)).clone())
    }

    async fn context(&self) -> Result<SigningContext> {
        if let Some(context) = self.context.get() {
            return Ok(context.clone());
        }
        let context = match &self.services {
            Some(services) => SigningContext::new(services.clone()),
            None => SigningContext::production().await.map_err(Report::msg)?,
        };
        Ok(self.context.get_or_init(|| context).clone())
    }

    /// Returns a token that has not expired. Tokens of CI last for minutes, and a build may take longer.
    async fn token(&self) -> Result<IdentityToken> {
        let token = lock(&self.token).clone();
        if !token.is_expired() {
            return Ok(token);
        }
        if self.is_given {
            return Err(expired());
        }
        let token = ambient().await?;
        *lock(&self.token) = token.clone();
        Ok(token)
    }
}

/// Returns the result of requests, or an error on Ctrl-C.
pub(super) async fn until_interrupted<T>(requests: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        result = requests => result,
        () = interrupt::wait() => Err(miette!("interrupted")),
    }
}

fn given(token: &str) -> Result<IdentityToken> {
    let token = IdentityToken::from_jwt(token.trim()).map_err(Report::msg)?;
    if token.is_expired() { Err(expired()) } else { Ok(token) }
}

fn expired() -> Report {
    miette!(help = GET_TOKEN, "the token in SIGSTORE_ID_TOKEN has expired")
}

/// Returns the token of the CI job.
async fn ambient() -> Result<IdentityToken> {
    let found = IdentityToken::detect_ambient().await.map_err(Report::msg)?;
    found.ok_or_else(|| miette!("SIGSTORE_ID_TOKEN is not set, and no CI identity token is available"))
}

fn read_services(path: &Path) -> Result<SigningServices> {
    parse_services(path)
        .map_err(|error| or_help(error, || "create one with `cosign signing-config create`".to_owned()))
        .wrap_err_with(|| format!("cannot read the signing config {}", path.display()))
}

fn parse_services(path: &Path) -> Result<SigningServices> {
    let config = SigningConfig::from_file(path).map_err(Report::msg)?;
    // Rekor v1 timestamps entries itself, but the library requires a timestamp authority in the config.
    let without_tsa = config.fulcio_url().zip(config.rekor_url(Some(1)));
    match without_tsa.filter(|_| config.eligible_tsa_urls().is_empty()) {
        Some((fulcio, rekor)) => Ok(SigningServices::new(&fulcio.url, &rekor.url)),
        None => SigningServices::from_signing_config(&config).map_err(Report::msg),
    }
}
