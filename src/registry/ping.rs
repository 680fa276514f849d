//! Checks a credential with its registry before it is stored.

use miette::{Diagnostic, Report, miette};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode};

use super::access::with_help_line;
use super::client::Client;
use super::credential_use::CredentialUse;
use super::credentials::Credential;
use super::error::RequestError;
use super::options::Options;
use crate::error::{Result, with_help};
use crate::event::Event;
use crate::reference::Reference;

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
    let runtime = options.connections.runtime()?;
    let client = Client::without_repository(reference, options)?;
    let url = client.api_root();
    let response = runtime.block_on(client.send(Method::GET, &url, |request| request));
    // A token that was granted without the credential proves nothing.
    if let CredentialUse::Withheld(service) = client.authorizer.credential_use() {
        return Ok(Ping::Withheld(service));
    }
    match response {
        Ok(response) if is_html(&response) => Err(miette!(
            help = "enter the host, and the port if there is one, that the names of images begin with, such as ghcr.io",
            "{registry} is not a container registry: it returned a web page"
        )),
        Ok(_) => Ok(Ping::Accepted),
        Err(error) => Err(explain(registry, &credential, with_help_line(error, &client))),
    }
}

fn explain(registry: &str, credential: &Credential, cause: RequestError) -> Report {
    let credential = described(credential);
    match (cause.status(), cause.help().map(|help| help.to_string())) {
        (Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), _) => {
            Report::from(cause).wrap_err(format!("{registry} does not accept {credential}"))
        }
        (Some(StatusCode::NOT_FOUND), Some(help)) => {
            miette!(help = help, "{registry} is not a container registry: {cause}")
        }
        (_, help) => {
            let error = Report::from(cause).wrap_err(format!("cannot ask {registry} whether it accepts {credential}"));
            match help {
                Some(help) => with_help(error, format!("nothing was stored; {help}")),
                None => error,
            }
        }
    }
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
