//! Says of a failed request what is known of the credentials, and what to do about it.

use miette::Report;
use reqwest::{StatusCode, Url};

use super::client::Client;
use super::credential_use::CredentialUse;
use super::error::RequestError;
use super::help::{HelpContext, has_other_reason, help};
use super::phase::{RequestPhase, Shown};
use super::proxy;

/// Adds to an error what the user can do about it, and if access was denied, which credentials were sent.
pub(crate) fn explain(error: RequestError, client: &Client<'_>) -> Report {
    let mut error = with_help_line(error, client);
    if error.status().is_some_and(is_denied)
        && let Some(help) = help_for_unsent(client)
    {
        error.context.help = Some(help);
    }
    match denial(&error, &context(&error, client), client) {
        Some(why) => Report::from(error).wrap_err(why),
        None => error.into(),
    }
}

/// Adds to an error what the user can do about it.
pub(crate) fn with_help_line(mut error: RequestError, client: &Client<'_>) -> RequestError {
    error.context.help = help(&error, &context(&error, client));
    error
}

fn context<'a>(error: &RequestError, client: &'a Client<'_>) -> HelpContext<'a> {
    let phase = phase(error, client);
    HelpContext {
        phase,
        shown: client.authorizer.shown(&client.options),
        registry: &client.registry,
        repository: &client.repository,
        is_proxied: !client.is_local && Url::parse(&error.url).is_ok_and(|url| proxy::is_used_for(&url)),
    }
}

/// Returns what an error that access was denied says of the credentials, or `None` if it is another error.
fn denial(error: &RequestError, context: &HelpContext<'_>, client: &Client<'_>) -> Option<String> {
    let HelpContext { phase, shown, registry, repository, .. } = context;
    let source = &client.options.credential_source;
    let right = if client.authorizer.is_push() { "push to" } else { "pull from" };
    let status = error.status().filter(|status| is_denied(*status))?;
    if *phase == RequestPhase::Storage || has_other_reason(error, context) {
        return None;
    }
    Some(match shown {
        Shown::Nothing => format!("{registry} requires credentials; found {source}"),
        Shown::Withheld => match client.authorizer.credential_use() {
            CredentialUse::Withheld(service) => format!(
                "the credentials from {source} were not sent: the token service {service} of {registry} is in another domain"
            ),
            CredentialUse::OfAnotherKind => {
                format!("the credentials from {source} were not sent: {registry} asks for a user and a password")
            }
            _ => format!("{registry} denies access, and has not asked for the credentials from {source}"),
        },
        Shown::Accepted => {
            format!("{registry} accepts the credentials from {source}, but without the right to {right} {repository}")
        }
        _ if status == StatusCode::UNAUTHORIZED => format!("{registry} rejects the credentials from {source}"),
        _ => format!("{registry} does not give the credentials from {source} the right to {right} {repository}"),
    })
}

/// Returns how to have credentials sent that were not, if that is known.
fn help_for_unsent(client: &Client<'_>) -> Option<String> {
    let registry = &client.registry;
    match client.authorizer.credential_use() {
        CredentialUse::Withheld(service) => Some(format!(
            "if {service} belongs to {registry}, run `cargo oci login {registry} --trust-token-service {service}`"
        )),
        CredentialUse::OfAnotherKind => Some(format!(
            "run `cargo oci login {registry}`, or set CARGO_OCI_REGISTRY_USERNAME and CARGO_OCI_REGISTRY_PASSWORD"
        )),
        _ => None,
    }
}

fn phase(error: &RequestError, client: &Client<'_>) -> RequestPhase {
    if error.context.by.is_some() {
        return RequestPhase::Storage;
    }
    let is_login = client.repository.is_empty();
    if is_login && error.status().is_some_and(is_denied) {
        return RequestPhase::Login;
    }
    let by_url = || {
        let url = Url::parse(&error.url).ok()?;
        Some(RequestPhase::of(&error.method, &url, client.origin(), client.authorizer.is_push()))
    };
    error.context.phase.or_else(by_url).unwrap_or(RequestPhase::Pull)
}

fn is_denied(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}
