//! Why a registry denies access, by what is known of the credentials.

use miette::Report;
use reqwest::StatusCode;

use super::authorizer::Authorizer;
use super::credential_use::CredentialUse;
use super::credentials::Credential;
use super::error::RequestError;
use super::options::Options;
use crate::error::with_help;
use crate::reference::Reference;

/// Adds to an error that access was denied which credentials were sent, and what to do about it. Other errors are returned
/// as they are.
pub(crate) fn explain(
    error: RequestError,
    reference: &Reference,
    options: &Options<'_>,
    authorizer: &Authorizer,
) -> Report {
    let registry = reference.registry();
    let is_anonymous = options.credential == Credential::Anonymous;
    match error.status() {
        Some(StatusCode::TOO_MANY_REQUESTS) if is_anonymous => {
            let help = format!(
                "try again later, or run `cargo oci login {registry}`: many registries allow users more requests"
            );
            with_help(error.into(), help)
        }
        Some(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
            let denial = Denial { status, registry, repository: reference.repository(), options, authorizer };
            let (why, help) = if is_anonymous { denial.of_nobody() } else { denial.of_user() };
            with_help(Report::from(error).wrap_err(why), help)
        }
        _ => error.into(),
    }
}

/// A response that denies access.
struct Denial<'a> {
    status: StatusCode,
    registry: &'a str,
    repository: &'a str,
    options: &'a Options<'a>,
    authorizer: &'a Authorizer,
}

impl Denial<'_> {
    /// Returns why access is denied without credentials, and what helps.
    fn of_nobody(&self) -> (String, String) {
        let Denial { registry, options, .. } = self;
        (
            format!("{registry} requires credentials; found {}", options.credential_source),
            format!(
                "run `cargo oci login {registry}`, or check the repository name: some registries return {} for repositories that do not exist",
                self.status.as_u16()
            ),
        )
    }

    /// Returns why access is denied in spite of credentials, and what helps. Nothing is said of credentials that nobody has seen.
    fn of_user(&self) -> (String, String) {
        let Denial { registry, repository, options, .. } = self;
        let source = &options.credential_source;
        let right = if self.authorizer.is_for_push() { "push to" } else { "pull from" };
        match self.authorizer.credential_use() {
            CredentialUse::Unused => (
                format!("{registry} denies access, and has not asked for the credentials from {source}"),
                format!("check the repository name, and that {registry} accepts users and passwords, or tokens"),
            ),
            CredentialUse::OfAnotherKind => (
                format!("the credentials from {source} were not sent: {registry} asks for a user and a password"),
                self.other_credentials(),
            ),
            CredentialUse::Withheld(service) => (
                format!(
                    "the credentials from {source} were not sent: the token service {service} of {registry} is in another domain"
                ),
                format!(
                    "if {service} belongs to {registry}, run `cargo oci login {registry} --trust-token-service {service}`"
                ),
            ),
            CredentialUse::Sent if self.status == StatusCode::UNAUTHORIZED => {
                (format!("{registry} rejects the credentials from {source}"), self.other_credentials())
            }
            CredentialUse::Sent => (
                format!("{registry} does not give the credentials from {source} the right to {right} {repository}"),
                self.other_credentials(),
            ),
            CredentialUse::Accepted => (
                format!(
                    "{registry} accepts the credentials from {source}, but without the right to {right} {repository}"
                ),
                format!("check the repository name, and what the user or token may do in {registry}"),
            ),
        }
    }

    /// Returns how to use other credentials.
    fn other_credentials(&self) -> String {
        let Denial { registry, options, .. } = self;
        if options.is_credential_in_environment {
            return format!(
                "set these variables to other credentials, or unset them and run `cargo oci login {registry}`"
            );
        }
        format!("run `cargo oci login {registry}` to replace them, and check the repository name")
    }
}
