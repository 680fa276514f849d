//! Checks a credential with its registry before it is stored.

use miette::{Diagnostic, Report, miette};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode};

use super::client::Client;
use super::credential_use::CredentialUse;
use super::credentials::Credential;
use super::error::RequestError;
use super::options::Options;
use crate::error::Result;
use crate::event::Event;
use crate::reference::Reference;

/// A registry rejects a credential.
#[derive(Debug, Diagnostic, thiserror::Error)]
#[error("{registry} does not accept {credential}")]
#[diagnostic(help(
    "check both; many registries expect an access token as the password, and some a user name such as `tenancy/user`"
))]
struct CredentialRejected {
    registry: String,
    credential: String,
    #[source]
    cause: RequestError,
}

/// A registry has not said whether it accepts a credential.
#[derive(Debug, Diagnostic, thiserror::Error)]
#[error("cannot ask {registry} whether it accepts {credential}")]
struct CredentialUnchecked {
    registry: String,
    credential: String,
    #[source]
    cause: RequestError,
    #[help]
    help: Option<String>,
}

/// What a registry says of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ping {
    /// It accepts it. A registry that anybody may use accepts all.
    Accepted,
    /// It was not asked: its token service at this host is in another domain.
    Withheld(String),
}

/// Asks the registry of `reference` whether it accepts the credential of the options.
///
/// # Errors
/// Returns an error if the registry rejects the credential, or if there is no registry.
pub(crate) fn ping(reference: &Reference, options: Options) -> Result<Ping> {
    let (registry, credential) = (reference.registry(), options.credential.clone());
    let listener = options.notify;
    let notify = |event| match (event, listener) {
        // The caller says what is to be done about it.
        (Event::Warning { .. }, _) | (_, None) => {}
        (other, Some(listener)) => listener(other),
    };
    let options = Options { notify: Some(&notify), ..options };
    let timeout = options.retry.first_response;
    let runtime = options.connections.runtime()?;
    let client = Client::without_repository(reference, options)?;
    let url = client.api_root();
    let response = runtime.block_on(async {
        let response = tokio::time::timeout(timeout, client.send(Method::GET, &url, |request| request)).await;
        response.unwrap_or_else(|_| Err(client.timeout_error(&Method::GET, &url, timeout)))
    });
    // A token that was granted without the credential proves nothing.
    if let CredentialUse::Withheld(service) = client.authorizer.credential_use() {
        return Ok(Ping::Withheld(service));
    }
    match response {
        Ok(response) if is_html(&response) => Err(no_registry(registry, "it returned a web page")),
        Ok(_) => Ok(Ping::Accepted),
        Err(error) => Err(explain(registry, &credential, error)),
    }
}

fn explain(registry: &str, credential: &Credential, cause: RequestError) -> Report {
    let (registry, credential) = (registry.to_owned(), described(credential));
    match cause.status() {
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            CredentialRejected { registry, credential, cause }.into()
        }
        Some(StatusCode::NOT_FOUND) => no_registry(&registry, &cause.to_string()),
        _ => {
            let help = cause.help().map(|help| format!("nothing was stored; {help}"));
            CredentialUnchecked { registry, credential, cause, help }.into()
        }
    }
}

fn no_registry(registry: &str, why: &str) -> Report {
    miette!(
        help = "enter the host, and the port if there is one, that the names of images begin with, such as ghcr.io",
        "{registry} is not a container registry: {why}"
    )
}

fn is_html(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|content_type| content_type.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

pub(super) fn described(credential: &Credential) -> String {
    match credential {
        Credential::Basic { user, .. } => format!("the user `{user}` with this password"),
        Credential::Anonymous => "anonymous access".to_owned(),
        Credential::IdentityToken(_) | Credential::RegistryToken(_) => "this token".to_owned(),
    }
}
