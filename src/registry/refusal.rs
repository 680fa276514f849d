//! What a registry refuses for a reason that lasts: tags that must not move, and artifacts that it does not take.

use miette::Report;

use super::error::{RequestError, RequestProblem};

/// What registries write about a tag that must not move, in lowercase: Amazon ECR, Google Artifact Registry, Harbor, Docker
/// Hub, GitLab, Quay; Nexus.
pub(super) const IMMUTABLE: [&str; 4] = ["immutable", "immutability", "overwritten", "does not allow updating"];

/// Returns whether a registry rejects a tag because it must not move.
pub(crate) fn is_immutable(error: &RequestError) -> bool {
    let RequestProblem::Status { status, body } = &error.problem else { return false };
    status.is_client_error() && body.mentions(&IMMUTABLE)
}

/// Returns whether a registry that takes images rejects a manifest of another kind, such as that of an SBOM.
pub(crate) fn is_unsupported_artifact(error: &RequestError) -> bool {
    let RequestProblem::Status { status, body } = &error.problem else { return false };
    let is_about_content =
        ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "NAME_UNKNOWN"].iter().any(|code| body.has_code(code));
    matches!(status.as_u16(), 400 | 404 | 405 | 406 | 415 | 422 | 501) && !is_about_content
}

/// Returns whether an error is that of a tag that must not move.
pub(crate) fn is_immutable_tag(error: &Report) -> bool {
    error.chain().any(|cause| cause.downcast_ref().is_some_and(is_immutable))
}

/// Returns what a registry answered, without the request.
pub(crate) fn reason(error: &Report) -> String {
    let answer = error.chain().find_map(|cause| match &cause.downcast_ref::<RequestError>()?.problem {
        RequestProblem::Status { status, body } => match body.beyond(*status) {
            Some(text) => Some(format!("{status}: {text}")),
            None => Some(status.to_string()),
        },
        _ => None,
    });
    answer.unwrap_or_else(|| error.to_string())
}
