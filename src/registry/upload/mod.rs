//! Uploads content to a repository: blobs by mount, in one request or in chunks, then manifests (distribution-spec,
//! "Push").

mod body;
mod manifest;
pub(crate) mod session;

use std::sync::OnceLock;
use std::time::Duration;

use oci_spec::image::Descriptor;
use reqwest::header::{CONTENT_LENGTH, RANGE};
use reqwest::{Method, Response, StatusCode, Url};

use super::client::Client;
use super::download::content_path;
use super::error::{RequestError, RequestProblem};
use super::http::check_status;
use super::pool::RequestRuntime;
use super::retry::Attempts;
use crate::interrupt;
use crate::store::Source;
use body::BlobBody;
pub(crate) use body::UploadError;
pub(crate) use manifest::{SubjectStatus, put_manifest};
use session::{Session, add_digest, location};

/// How long the cancellation of a session may take after Ctrl-C.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// An upload of one blob.
pub(crate) struct BlobUpload<'a> {
    body: BlobBody<'a>,
}

/// A registry's response to the start of an upload.
enum Start {
    /// It has the blob.
    Exists,
    /// It expects the blob.
    Session(Session),
}

impl<'a> BlobUpload<'a> {
    /// Creates an upload of the blob of `source`.
    pub(crate) fn new(
        client: &'a Client<'a>,
        runtime: &'a RequestRuntime,
        descriptor: &'a Descriptor,
        source: &'a dyn Source,
    ) -> BlobUpload<'a> {
        BlobUpload { body: BlobBody { client, runtime, descriptor, source, transfer: OnceLock::new() } }
    }

    /// Mounts the blob from another repository of the registry if that works, and sends it otherwise. Returns how many bytes
    /// were sent.
    ///
    /// # Errors
    /// Returns an error if the blob cannot be read, or if all attempts to send it failed.
    pub(crate) fn run(&self, mount_from: Option<&str>) -> Result<u64, UploadError> {
        let (client, runtime) = (self.body.client, self.body.runtime);
        let mut session = match mount_from.map(|repository| runtime.block_on(self.mount(repository))) {
            Some(Ok(Start::Exists)) => return Ok(0),
            Some(Ok(Start::Session(session))) => Some(session),
            // A failed mount is no error: the blob is sent.
            Some(Err(_)) | None => None,
        };
        let mut attempts = Attempts::new(&client.options.retry);
        let mut is_chunked = false;
        loop {
            let error = match self.attempt(is_chunked, session.take()) {
                Err(UploadError::Request(error)) => error,
                ended => return ended,
            };
            // A registry, or a proxy in front of it, that rejects a large body may accept chunks.
            let is_rejected =
                error.status().is_some_and(|status| matches!(status.as_u16(), 405 | 411 | 413 | 416 | 501));
            if is_rejected && !is_chunked {
                is_chunked = true;
                continue;
            }
            // Perhaps only the response was lost.
            if error.is_transient() && runtime.block_on(self.find()).is_ok() {
                return Ok(self.body.descriptor.size());
            }
            runtime.block_on(client.back_off(&mut attempts, retryable(error)))?;
        }
    }

    /// Asks once for the blob.
    async fn find(&self) -> Result<Response, RequestError> {
        let url = self.body.client.url(&content_path(self.body.descriptor));
        self.body.client.send_once(&Method::HEAD, &url, &|request| request).await
    }

    async fn mount(&self, from: &str) -> Result<Start, RequestError> {
        let mut url = self.body.client.url("blobs/uploads/");
        url.query_pairs_mut().append_pair("mount", self.body.descriptor.digest().as_ref()).append_pair("from", from);
        self.start(&url).await
    }

    async fn start(&self, url: &Url) -> Result<Start, RequestError> {
        let client = self.body.client;
        let response = client.send_once(&Method::POST, url, &|request| request.header(CONTENT_LENGTH, 0)).await?;
        // Mounted, or known already.
        if response.status() == StatusCode::CREATED {
            return Ok(Start::Exists);
        }
        Ok(Start::Session(Session::start(&response, url)?))
    }

    /// Sends the blob in `session`, or in a new one. Returns how many bytes were sent.
    fn attempt(&self, is_chunked: bool, session: Option<Session>) -> Result<u64, UploadError> {
        let (client, runtime) = (self.body.client, self.body.runtime);
        let start = match session {
            Some(session) => Start::Session(session),
            None => runtime.block_on(self.start(&client.url("blobs/uploads/")))?,
        };
        let Start::Session(Session { url, chunk_bytes }) = start else {
            return Ok(0);
        };
        let sent = if is_chunked {
            self.patch_chunks(url.clone(), chunk_bytes)
        } else {
            self.put(&url, 0..self.body.descriptor.size())
        };
        if sent.is_err() && interrupt::is_set() {
            runtime.finish(self.cancel(&url));
        }
        sent.map(|()| self.body.descriptor.size())
    }

    /// Cancels a session, and does not wait long for it.
    async fn cancel(&self, session: &Url) {
        let cancel = self.body.client.send_and_forget(Method::DELETE, session);
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancel).await;
    }

    /// Sends the bytes of `range` in the request that ends the session.
    fn put(&self, session: &Url, range: std::ops::Range<u64>) -> Result<(), UploadError> {
        let mut url = session.clone();
        add_digest(&mut url, self.body.descriptor.digest());
        let response = self.body.send(&Method::PUT, &url, &range)?;
        self.body.runtime.block_on(check_status(&Method::PUT, &url, response))?;
        Ok(())
    }

    /// Sends the blob in chunks, each to the Location of the last response.
    fn patch_chunks(&self, mut session: Url, chunk_bytes: u64) -> Result<(), UploadError> {
        let (client, runtime, size) = (self.body.client, self.body.runtime, self.body.descriptor.size());
        let mut sent = 0;
        let mut attempts = Attempts::new(&client.options.retry);
        while sent < size {
            let end = size.min(sent + chunk_bytes);
            match self.patch(&session, sent..end) {
                Ok(next) => {
                    session = next;
                    // Not the response's Range: that of some registries does not move.
                    sent = end;
                    attempts.reset();
                }
                Err(UploadError::Request(error)) => {
                    runtime.block_on(client.back_off(&mut attempts, error))?;
                    (session, sent) = runtime.block_on(self.status(&session))?;
                }
                Err(error) => return Err(error),
            }
        }
        self.put(&session, size..size)
    }

    /// Sends one chunk, and returns the URL for the next request.
    fn patch(&self, session: &Url, range: std::ops::Range<u64>) -> Result<Url, UploadError> {
        let response = self.body.send(&Method::PATCH, session, &range)?;
        let response = self.body.runtime.block_on(check_status(&Method::PATCH, session, response))?;
        Ok(location(&response, session)?)
    }

    /// Returns the latest URL of a session, and how many bytes it has.
    async fn status(&self, session: &Url) -> Result<(Url, u64), RequestError> {
        let response = self.body.client.send_once(&Method::GET, session, &|request| request).await?;
        let range = response.headers().get(RANGE).and_then(|value| value.to_str().ok());
        let last = range.and_then(|range| range.rsplit('-').next()?.parse::<u64>().ok());
        let received = last.map_or(0, |last| if last == 0 { 0 } else { last + 1 });
        Ok((location(&response, session).unwrap_or_else(|_| session.clone()), received))
    }
}

/// Returns the error of an upload as a transient one if only its session was lost: another attempt starts a new session.
fn retryable(error: RequestError) -> RequestError {
    let RequestError { problem: RequestProblem::Status { status: StatusCode::NOT_FOUND, body }, .. } = &error else {
        return error;
    };
    if !body.has_code("BLOB_UPLOAD_UNKNOWN") && !body.has_code("BLOB_UPLOAD_INVALID") {
        return error;
    }
    RequestError { problem: RequestProblem::Transport(format!("the upload session was lost: {body}")), ..error }
}
