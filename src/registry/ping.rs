//! Whether a registry knows a user: asked before a password is kept.

use std::sync::Mutex;

use miette::{Diagnostic, IntoDiagnostic, Report, miette};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode};

use super::client::Client;
use super::credentials::Credential;
use super::{Options, RequestError};
use crate::error::Result;
use crate::event::{Event, Listener};
use crate::parallel::lock;
use crate::reference::Reference;

/// A registry said no to a credential.
#[derive(Debug, Diagnostic, thiserror::Error)]
#[error("{registry} does not accept {whom}")]
#[diagnostic(help(
    "check both; many registries take an access token as the password, and some want more than the user's name, such as `tenancy/user`"
))]
struct Rejected {
    registry: String,
    whom: String,
    #[source]
    cause: RequestError,
}

/// A registry did not say whether it accepts a credential.
#[derive(Debug, Diagnostic, thiserror::Error)]
#[error("cannot ask {registry} about {whom}")]
#[diagnostic(help(
    "nothing was kept. Check the registry's name and the network (and HTTPS_PROXY), or try again later"
))]
struct Unanswered {
    registry: String,
    whom: String,
    #[source]
    cause: RequestError,
}

/// Shows a credential to a registry. One that lets everybody in takes any.
///
/// # Errors
/// When it does not accept the credential, when that must not be sent to where the registry wants it, or when there is
/// no registry.
pub fn ping(registry: &str, credential: &Credential, listener: Listener) -> Result<()> {
    // No repository is asked for; this one only makes it a reference.
    let reference: Reference = format!("{registry}/x").parse().into_diagnostic()?;
    let stranger = Mutex::new(None);
    let notify = |event| match event {
        Event::Warning { message } => *lock(&stranger) = Some(message),
        other => listener(other),
    };
    let options = Options { credential: credential.clone(), notify: Some(&notify), ..Options::default() };
    let patience = options.retry.first_answer;
    let runtime = options.connections.runtime()?;
    let client = Client::of_no_repository(&reference, options)?;
    let url = client.root();
    let answer = runtime.block_on(async {
        let answer = client.send(Method::GET, &url, |request| request);
        let silent = |_| Err(client.silent(&Method::GET, &url, patience));
        tokio::time::timeout(patience, answer).await.unwrap_or_else(silent)
    });
    // What everybody is granted proves nothing.
    if let Some(why) = lock(&stranger).take() {
        return Err(miette!(
            help = "nothing was sent there and nothing was kept; put the credentials into the file of Docker or Podman yourself if that service is right",
            "cannot ask {registry} about {}: {why}",
            whom(credential)
        ));
    }
    match answer {
        Ok(answer) if is_page(&answer) => Err(no_registry(registry, "it answers with a page for browsers")),
        Ok(_) => Ok(()),
        Err(error) => Err(told(registry, credential, error)),
    }
}

fn told(registry: &str, credential: &Credential, cause: RequestError) -> Report {
    let (registry, whom) = (registry.to_owned(), whom(credential));
    match cause.status() {
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Rejected { registry, whom, cause }.into(),
        Some(StatusCode::NOT_FOUND) => no_registry(&registry, &cause.to_string()),
        _ => Unanswered { registry, whom, cause }.into(),
    }
}

fn no_registry(registry: &str, why: &str) -> Report {
    miette!(
        help = "name the host that image names begin with, such as ghcr.io, and its port if it has one",
        "{registry} is no registry: {why}"
    )
}

fn is_page(answer: &Response) -> bool {
    let typed = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    typed.is_some_and(|typed| typed.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

fn whom(credential: &Credential) -> String {
    match credential {
        Credential::Basic { user, .. } => format!("the user `{user}` with this password"),
        Credential::Anonymous => "one who has no credentials".to_owned(),
        Credential::IdentityToken(_) | Credential::RegistryToken(_) => "this token".to_owned(),
    }
}
