//! Signatures without a key (the feature `keyless`): sigstore's Fulcio gives a certificate to whoever shows a token that says
//! who that is, and Rekor, a public log, keeps what was signed with it.
//!
//! All of that is sigstore's own library. Here is where the token comes from, and which services are asked.

use std::path::Path;
use std::sync::{Mutex, OnceLock};

use miette::{Context, IntoDiagnostic, Report, miette};
use sigstore_sign::oidc::IdentityToken;
use sigstore_sign::trust_root::SigningConfig;
use sigstore_sign::{SigningContext, SigningServices};
use tokio::runtime::Runtime;

use crate::error::{Result, or_help};
use crate::parallel::lock;

/// Whoever runs this, as a token says.
pub struct Identity {
    runtime: Runtime,
    token: Mutex<IdentityToken>,
    /// Whether it was given, and no other can be had.
    is_given: bool,
    services: Option<SigningServices>,
    /// How to sign, found out when something is to be signed.
    context: OnceLock<SigningContext>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("services", &self.services).finish_non_exhaustive()
    }
}

const WHERE_FROM: &str = "in CI, let the job ask for a token that says who it is (GitHub: `permissions: id-token: write`); elsewhere set \
                          SIGSTORE_ID_TOKEN to one for the audience `sigstore`, or sign with `--key`";

impl Identity {
    /// That of the token, else that which CI gives to a job. The services are those of a file as `cosign signing-config
    /// create` writes it, else those of sigstore.dev, which are asked for when something is signed.
    ///
    /// # Errors
    /// When there is no token, or no such file.
    pub fn find(token: Option<&str>, services: Option<&Path>) -> Result<Identity> {
        let services = services.map(read_services).transpose()?;
        // What speaks TLS here is what speaks it to registries; another that was there before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.into_diagnostic()?;
        let found = match token {
            Some(token) => given(token),
            None => runtime.block_on(ambient()),
        };
        let found = found.map_err(|error| or_help(error, || WHERE_FROM.to_owned()));
        let found = found.wrap_err("cannot sign without a key: nothing says who you are")?;
        let (token, is_given) = (Mutex::new(found), token.is_some());
        Ok(Identity { runtime, token, is_given, services, context: OnceLock::new() })
    }

    /// The bytes of a bundle with the signed statement.
    ///
    /// # Errors
    /// Of the services.
    pub fn sign(&self, statement: &[u8]) -> Result<Vec<u8>> {
        let signed = self.runtime.block_on(async {
            let signer = self.context().await?.signer(self.token().await?);
            signer.sign_raw_statement(statement).await.map_err(Report::msg)
        });
        let help =
            || "see that the services of `--signing-config`, else those of sigstore.dev, can be reached".to_owned();
        let bundle = signed.map_err(|error| or_help(error, help)).wrap_err("cannot sign without a key")?;
        Ok(bundle.to_json().into_diagnostic()?.into_bytes())
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

    /// A token that is still good: CI's are so for minutes, and a build may take longer.
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

fn given(token: &str) -> Result<IdentityToken> {
    let token = IdentityToken::from_jwt(token.trim()).map_err(Report::msg)?;
    if token.is_expired() { Err(expired()) } else { Ok(token) }
}

fn expired() -> Report {
    miette!(help = WHERE_FROM, "the token in SIGSTORE_ID_TOKEN has expired")
}

/// What CI says of the job that this runs in.
async fn ambient() -> Result<IdentityToken> {
    let found = IdentityToken::detect_ambient().await.map_err(Report::msg)?;
    found.ok_or_else(|| miette!("there is no SIGSTORE_ID_TOKEN, and this is no job of a CI that gives such tokens"))
}

fn read_services(path: &Path) -> Result<SigningServices> {
    let read = || -> Result<SigningServices> {
        let config = SigningConfig::from_file(path).map_err(Report::msg)?;
        // A log of the first version says itself when an entry came: nobody else has to. The library wants somebody all the same.
        let alone = config.fulcio_url().zip(config.rekor_url(Some(1)));
        match alone.filter(|_| config.eligible_tsa_urls().is_empty()) {
            Some((fulcio, rekor)) => Ok(SigningServices::new(&fulcio.url, &rekor.url)),
            None => SigningServices::from_signing_config(&config).map_err(Report::msg),
        }
    };
    let help = || "`cosign signing-config create` writes such files".to_owned();
    let read = read().map_err(|error| or_help(error, help));
    read.wrap_err_with(|| format!("cannot use the signing config {}", path.display()))
}
