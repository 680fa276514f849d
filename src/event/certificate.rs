//! What the certificate of a signature says.

use jiff::Timestamp;
use serde::Serialize;

/// What a certificate says, and when it was used. All of it is verified, except that what a token has not named is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Who has signed: an e-mail address, or the URI of a workflow.
    pub subject: String,
    /// The URL of the service that has identified them.
    pub issuer: String,
    /// When it was signed, by a log or a timestamp authority.
    pub signed_at: Option<Timestamp>,
    /// The URL of the repository of the workflow's source.
    pub repository: Option<String>,
    /// The commit.
    pub revision: Option<String>,
    /// The branch or tag, such as `refs/tags/v1`.
    pub git_ref: Option<String>,
    /// The URI of the workflow that began the run.
    pub workflow: Option<String>,
    /// What began the run, such as `push`.
    pub trigger: Option<String>,
    /// The URL of the run.
    pub run: Option<String>,
    /// The position in the log.
    pub log_index: Option<u64>,
}
