//! Writes to a tag on the condition that no other client has written it meanwhile (RFC 9110, section 13).
//!
//! Few registries support that, and the others do not say so.

use oci_spec::image::MediaType;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};

use super::client::Client;
use super::error::RequestError;
use super::refusal::is_immutable;

/// What a tag named when it was read.
#[derive(Clone, Copy, Debug)]
pub(super) enum FoundTag<'a> {
    /// There is no such tag.
    Nothing,
    /// It names a manifest.
    Manifest {
        /// Its version, for a conditional write.
        etag: Option<&'a HeaderValue>,
    },
}

/// The conditions of writes to one tag.
#[derive(Default)]
pub(super) struct Conditions {
    are_unsupported: bool,
    /// The last condition.
    last: Option<(HeaderName, HeaderValue)>,
}

impl Conditions {
    /// Writes a manifest, on the condition that the tag still names what was found. Returns whether it was written.
    ///
    /// # Errors
    /// Returns an error if the registry rejects it, for another reason than the condition.
    pub(super) async fn put(
        &mut self,
        client: &Client<'_>,
        tag: &str,
        media_type: &MediaType,
        content: &[u8],
        found: FoundTag<'_>,
    ) -> Result<bool, RequestError> {
        let condition = self.next(found);
        match put(client, tag, media_type, content, condition.as_ref()).await {
            Err(error) if error.status() == Some(StatusCode::PRECONDITION_FAILED) && !is_immutable(&error) => Ok(false),
            Err(error) if condition.is_some() && error.status().is_some_and(may_be_about_header) => {
                self.are_unsupported = true;
                put(client, tag, media_type, content, None).await.map(|()| true)
            }
            written => written.map(|()| true),
        }
    }

    /// Returns the condition that the tag is still as it was found, or `None` if the registry cannot check that.
    fn next(&mut self, found: FoundTag<'_>) -> Option<(HeaderName, HeaderValue)> {
        let condition = match found {
            FoundTag::Manifest { etag } => etag.cloned().map(|etag| (IF_MATCH, etag)),
            FoundTag::Nothing => Some((IF_NONE_MATCH, HeaderValue::from_static("*"))),
        };
        // The same content again was not written meanwhile: the registry rejects every condition.
        self.are_unsupported |= condition.is_some() && condition == self.last;
        self.last.clone_from(&condition);
        condition.filter(|_| !self.are_unsupported)
    }
}

/// Returns the ETag if it is a strong one (RFC 9110, section 8.8.3): only such a one identifies bytes.
pub(super) fn strong_etag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned()
}

/// Returns whether a registry may have rejected a request because of a header that it does not know.
fn may_be_about_header(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 405 | 417 | 422 | 501)
}

async fn put(
    client: &Client<'_>,
    tag: &str,
    media_type: &MediaType,
    content: &[u8],
    condition: Option<&(HeaderName, HeaderValue)>,
) -> Result<(), RequestError> {
    let url = client.url(&format!("manifests/{tag}"));
    let response = client.send(Method::PUT, &url, |request| {
        let request = request.header(CONTENT_TYPE, media_type.to_string()).body(content.to_vec());
        match condition {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    });
    response.await.map(drop)
}
