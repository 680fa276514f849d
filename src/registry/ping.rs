//! Checks a credential with its registry before it is stored.

use std::sync::Mutex;

use miette::{Diagnostic, IntoDiagnostic, Report, miette};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode};

use super::access::with_help_line;
use super::client::Client;
use super::credentials::Credential;
use super::error::RequestError;
use super::options::Options;
use super::retry::Retry;
use crate::error::{Result, with_help};
use crate::event::{Event, Listener};
use crate::parallel::lock;
use crate::reference::Reference;

/// Checks that a registry accepts a credential. A registry that anybody may use accepts all.
///
/// # Errors
/// Returns an error if the registry rejects the credential, if the credential must not be sent to its token service, or if
/// there is no registry.
pub(crate) fn ping(registry: &str, credential: &Credential, retry: Retry, listener: Listener) -> Result<()> {
    // A reference has a repository; no access to it is requested.
    let reference: Reference = format!("{registry}/x").parse().into_diagnostic()?;
    let withheld = Mutex::new(None);
    let notify = |event| match event {
        Event::Warning { message } => *lock(&withheld) = Some(message),
        other => listener(other),
    };
    let options = Options { credential: credential.clone(), retry, notify: Some(&notify), ..Options::default() };
    let runtime = options.connections.runtime()?;
    let client = Client::without_repository(&reference, options)?;
    let url = client.api_root();
    let response = runtime.block_on(client.send(Method::GET, &url, |request| request));
    // A token that was granted without the credential proves nothing.
    if let Some(why) = lock(&withheld).take() {
        return Err(miette!(
            help =
                "nothing was stored; if you trust that service, add the credentials to ~/.docker/config.json yourself",
            "cannot ask {registry} whether it accepts {}: {why}",
            described(credential)
        ));
    }
    match response {
        Ok(response) if is_html(&response) => Err(miette!(
            help = "enter the host, and the port if there is one, that the names of images begin with, such as ghcr.io",
            "{registry} is not a container registry: it returned a web page"
        )),
        Ok(_) => Ok(()),
        Err(error) => Err(explain(registry, credential, with_help_line(error, &client))),
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

fn described(credential: &Credential) -> String {
    match credential {
        Credential::Basic { user, .. } => format!("the user `{user}` with this password"),
        Credential::Anonymous => "anonymous access".to_owned(),
        Credential::IdentityToken(_) | Credential::RegistryToken(_) => "this token".to_owned(),
    }
}
