//! Uploads manifests and indexes.

use oci_spec::image::Descriptor;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::registry::client::Client;
use crate::registry::error::RequestError;

/// What a registry did with a manifest that names a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubjectStatus {
    /// It stored the manifest only: the client has to list it as a referrer.
    Unlisted,
    /// It listed the manifest as a referrer of its subject.
    Listed,
}

/// Uploads a manifest or an index under a tag or its digest.
///
/// # Errors
/// Returns an error if the registry rejects it, or stores it under another digest.
pub(crate) async fn put_manifest(
    client: &Client<'_>,
    descriptor: &Descriptor,
    name: &str,
    bytes: &[u8],
) -> Result<SubjectStatus, RequestError> {
    let url = client.url(&format!("manifests/{name}"));
    let media_type = descriptor.media_type().to_string();
    let sent = client.send(Method::PUT, &url, |request| request.header(CONTENT_TYPE, &media_type).body(bytes.to_vec()));
    let response = sent.await?;
    let stored_as = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
    match stored_as {
        Some(other) if other != descriptor.digest().as_ref() => {
            let cause = format!("expected the digest {}, got {}", descriptor.digest(), other.escape_debug());
            Err(RequestError::invalid_response(&Method::PUT, &url, cause))
        }
        _ if response.headers().contains_key("oci-subject") => Ok(SubjectStatus::Listed),
        _ => Ok(SubjectStatus::Unlisted),
    }
}
