//! Why a registry denies access, by what is known of the credentials.

use miette::Report;
use reqwest::StatusCode;

use super::credentials::Credential;
use super::error::RequestError;
use super::options::Options;
use crate::error::with_help;
use crate::reference::Reference;

/// Adds to an error that access was denied which credentials were sent, and what to do about it. Other errors are returned
/// as they are.
pub(crate) fn explain(error: RequestError, reference: &Reference, options: &Options<'_>) -> Report {
    let registry = reference.registry();
    let Options { credential, credential_source: source, .. } = options;
    let is_anonymous = *credential == Credential::Anonymous;
    let Some(status) = error.status() else { return error.into() };
    let why = match status {
        StatusCode::TOO_MANY_REQUESTS if is_anonymous => {
            let help = format!(
                "try again later, or run `cargo oci login {registry}`: many registries allow users more requests"
            );
            return with_help(error.into(), help);
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if is_anonymous => {
            format!("{registry} requires credentials; found {source}")
        }
        StatusCode::UNAUTHORIZED => format!("{registry} rejects the credentials from {source}"),
        StatusCode::FORBIDDEN => {
            format!("the credentials from {source} do not allow this in {registry}/{}", reference.repository())
        }
        _ => return error.into(),
    };
    let help = if is_anonymous {
        format!(
            "run `cargo oci login {registry}`, or check the repository name: some registries return {} for repositories that do not exist",
            status.as_u16()
        )
    } else if options.is_credential_in_environment {
        format!("set these variables to other credentials, or unset them and run `cargo oci login {registry}`")
    } else {
        format!("run `cargo oci login {registry}` to replace them, and check the repository name")
    };
    with_help(Report::from(error).wrap_err(why), help)
}
