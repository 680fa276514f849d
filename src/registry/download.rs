//! Reads content from a repository: manifests whole, blobs as streams that resume after the connection broke.

use std::io::{self, Read};

use oci_spec::image::{Descriptor, Digest, MediaType};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use super::access::with_help_line;
use super::client::Client;
use super::conditional::strong_etag;
use super::error::{RequestError, RequestProblem};
use super::http::read_body;
use super::pool::RequestRuntime;
use super::retry::Attempts;
use crate::error::in_io;
use crate::image::digest::sha256;
use crate::image::manifest::{Document, sniff};
use crate::image::media_type::{DOCKER_INDEX, DOCKER_MANIFEST, is_document};
use crate::store::MAX_DOCUMENT_BYTES;

/// The limit for manifests and indexes in memory.
pub(crate) const MAX_MANIFEST_BYTES: usize = MAX_DOCUMENT_BYTES as usize;

/// Accepts the media types of manifests and indexes.
pub(crate) fn accept_manifests(request: RequestBuilder) -> RequestBuilder {
    let types = [MediaType::ImageIndex.to_string(), MediaType::ImageManifest.to_string()];
    request.header(ACCEPT, format!("{}, {DOCKER_INDEX}, {DOCKER_MANIFEST}", types.join(", ")))
}

/// Returns the path of content within its repository.
pub(crate) fn content_path(descriptor: &Descriptor) -> String {
    let kind = if is_document(descriptor.media_type()) { "manifests" } else { "blobs" };
    format!("{kind}/{}", descriptor.digest())
}

/// Returns what a request for content needs by its media type.
fn accept(descriptor: &Descriptor) -> fn(RequestBuilder) -> RequestBuilder {
    if is_document(descriptor.media_type()) { accept_manifests } else { |request| request }
}

/// Whether the repository has the content.
///
/// # Errors
/// Returns an error if the response is neither a success nor a 404.
pub(crate) async fn exists(client: &Client<'_>, descriptor: &Descriptor) -> Result<bool, RequestError> {
    let url = client.url(&content_path(descriptor));
    let mut found = client.send(Method::HEAD, &url, accept(descriptor)).await;
    // Some registries do not implement HEAD.
    if found.as_ref().is_err_and(|error| error.status() == Some(StatusCode::METHOD_NOT_ALLOWED)) {
        found = client.send(Method::GET, &url, accept(descriptor)).await;
    }
    match found {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
        found => found.map(|_| true),
    }
}

/// Returns the manifest or index that a tag or digest names: by a HEAD request if its response has all headers, else by
/// GET.
///
/// # Errors
/// Returns an error if there is none, or no valid response.
pub(crate) async fn resolve(client: &Client<'_>, name: &str) -> Result<Descriptor, RequestError> {
    let url = client.url(&format!("manifests/{name}"));
    let described = match client.send(Method::HEAD, &url, accept_manifests).await {
        Ok(response) => described(response.headers()),
        // Some registries do not implement HEAD, and only GET has a body that explains the error.
        Err(error) if error.status().is_some_and(|status| status.is_client_error()) => None,
        Err(error) => return Err(error),
    };
    match described {
        Some(descriptor) => Ok(descriptor),
        None => get_manifest(client, &url).await,
    }
}

/// Returns the manifest or index that a tag names, or `None` if there is no such tag.
///
/// # Errors
/// Returns an error if the response is neither a success nor a 404.
pub(crate) async fn resolve_tag(client: &Client<'_>, tag: &str) -> Result<Option<Descriptor>, RequestError> {
    let url = client.url(&format!("manifests/{tag}"));
    let found = match client.send(Method::HEAD, &url, accept_manifests).await {
        Ok(response) => match described(response.headers()) {
            Some(descriptor) => Ok(descriptor),
            None => get_manifest(client, &url).await,
        },
        Err(error) if error.status() == Some(StatusCode::METHOD_NOT_ALLOWED) => get_manifest(client, &url).await,
        Err(error) => Err(error),
    };
    match found {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
        found => found.map(Some),
    }
}

/// Returns the descriptor that the headers of a response make, or `None` if one is missing.
fn described(headers: &HeaderMap) -> Option<Descriptor> {
    let digest = headers.get("docker-content-digest")?.to_str().ok()?;
    let size = headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    let descriptor = Descriptor::new(media_type(headers)?, size, Digest::try_from(digest).ok()?);
    (is_document(descriptor.media_type()) && descriptor.size() > 0).then_some(descriptor)
}

fn media_type(headers: &HeaderMap) -> Option<MediaType> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(MediaType::from(content_type.split(';').next()?.trim()))
}

async fn get_manifest(client: &Client<'_>, url: &Url) -> Result<Descriptor, RequestError> {
    let mut response = client.send(Method::GET, url, accept_manifests).await?;
    let declared = media_type(response.headers()).filter(is_document);
    let body = read_body(url, &mut response, MAX_MANIFEST_BYTES, client.options.retry.stall_timeout).await?;
    if body.len() > MAX_MANIFEST_BYTES {
        return Err(RequestError::invalid_response(&Method::GET, url, "it is too large for a manifest"));
    }
    let Some(media_type) = declared.or_else(|| sniff(&body)) else {
        if is_schema_1(&body) {
            return Err(RequestError::new(&Method::GET, url, RequestProblem::OldManifest));
        }
        return Err(RequestError::invalid_response(&Method::GET, url, "expected a manifest or an index"));
    };
    Ok(Descriptor::new(media_type, body.len() as u64, sha256(&body)))
}

/// A manifest or an index, and the version of the tag that named it.
#[derive(Clone, Debug)]
pub(crate) struct FetchedManifest {
    /// The manifest or index.
    pub document: Document,
    /// The version, for a conditional write.
    pub(super) etag: Option<HeaderValue>,
}

/// Reads the manifest or index that a tag or a digest names; `None` if there is none.
///
/// # Errors
/// Returns an error if there is no valid response.
pub(super) async fn get_document(client: &Client<'_>, name: &str) -> Result<Option<FetchedManifest>, RequestError> {
    let url = client.url(&format!("manifests/{name}"));
    let mut response = match client.send(Method::GET, &url, accept_manifests).await {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(None),
        response => response?,
    };
    let (etag, declared) = (strong_etag(response.headers()), media_type(response.headers()).filter(is_document));
    let bytes = read_body(&url, &mut response, MAX_MANIFEST_BYTES, client.options.retry.stall_timeout).await?;
    let invalid = |why| RequestError::invalid_response(&Method::GET, &url, why);
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(invalid("it is too large for a manifest"));
    }
    let media_type = declared.or_else(|| sniff(&bytes)).ok_or_else(|| invalid("expected a manifest or an index"))?;
    let descriptor = Descriptor::new(media_type, bytes.len() as u64, sha256(&bytes));
    Ok(Some(FetchedManifest { document: Document { descriptor, bytes }, etag }))
}

/// Returns whether a body is a manifest of Docker's schema 1, which registries converted others to for old clients.
fn is_schema_1(body: &[u8]) -> bool {
    let content: Value = serde_json::from_slice(body).unwrap_or_default();
    content["schemaVersion"] == 1 && content["fsLayers"].is_array()
}

/// Reads the content of a descriptor from its repository.
pub(crate) struct BlobReader<'a> {
    client: &'a Client<'a>,
    runtime: &'a RequestRuntime,
    descriptor: Descriptor,
    url: Url,
    /// The response that is being read, or `None` after the connection broke.
    response: Option<Response>,
    /// Bytes that were received, and the position of those that were read.
    buffer: io::Cursor<Vec<u8>>,
    /// How many bytes were received in all.
    offset: u64,
    attempts: Attempts<'a>,
    has_restarted: bool,
}

impl<'a> BlobReader<'a> {
    /// Requests the content and waits for the head of the response.
    ///
    /// # Errors
    /// Returns an error if there is no successful response.
    pub(crate) fn open(
        client: &'a Client<'a>,
        runtime: &'a RequestRuntime,
        descriptor: &Descriptor,
    ) -> Result<BlobReader<'a>, RequestError> {
        let url = client.url(&content_path(descriptor));
        let response = runtime.block_on(client.send(Method::GET, &url, accept(descriptor)))?;
        Ok(BlobReader {
            client,
            runtime,
            descriptor: descriptor.clone(),
            url,
            response: Some(response),
            buffer: io::Cursor::default(),
            offset: 0,
            attempts: Attempts::new(&client.options.retry),
            has_restarted: false,
        })
    }

    /// Receives the next bytes, or none at the end.
    async fn receive(&mut self) -> Result<Vec<u8>, RequestError> {
        loop {
            let error = match self.receive_once().await {
                Ok(bytes) if !bytes.is_empty() => {
                    self.attempts.reset();
                    self.offset += bytes.len() as u64;
                    return Ok(bytes);
                }
                Ok(_) if self.offset >= self.descriptor.size() => return Ok(Vec::new()),
                Ok(_) => self.broken("the response ended early"),
                Err(error) => error,
            };
            self.client.back_off(&mut self.attempts, error).await?;
            self.resume().await?;
        }
    }

    async fn receive_once(&mut self) -> Result<Vec<u8>, RequestError> {
        let timeout = self.client.options.retry.stall_timeout;
        let Some(response) = &mut self.response else {
            return Err(self.broken("the connection broke"));
        };
        match tokio::time::timeout(timeout, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk.map(Vec::from).unwrap_or_default()),
            Ok(Err(error)) => Err(RequestError::transport(&Method::GET, &self.url, &error)),
            Err(_) => Err(RequestError::timeout(&Method::GET, &self.url, timeout)),
        }
    }

    fn broken(&self, cause: &str) -> RequestError {
        RequestError::new(&Method::GET, &self.url, RequestProblem::Transport(cause.to_owned()))
    }

    /// Requests the rest of the content. If the registry cannot send it, the whole is requested, once.
    async fn resume(&mut self) -> Result<(), RequestError> {
        self.response = None;
        let from = self.offset;
        let mut response = self.request_from(from).await;
        let is_unavailable = match &response {
            Err(error) => error.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE),
            Ok(response) => self.is_other_range(response, from),
        };
        if is_unavailable && !self.has_restarted {
            self.has_restarted = true;
            response = self.request_from(0).await;
        }
        let response = match response {
            Ok(response) => response,
            // The next read finds no response, and counts that as another attempt.
            Err(error) if error.is_transient() => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.is_other_range(&response, from) {
            let cause = format!("expected {}, got another range", self.range_from(from));
            return Err(RequestError::invalid_response(&Method::GET, &self.url, cause));
        }
        let is_whole = response.status() != StatusCode::PARTIAL_CONTENT;
        self.response = Some(response);
        if is_whole {
            self.skip(from).await;
        }
        Ok(())
    }

    async fn request_from(&self, from: u64) -> Result<Response, RequestError> {
        let accept = accept(&self.descriptor);
        if from == 0 {
            return self.client.send_once(&Method::GET, &self.url, &accept).await;
        }
        let range = format!("bytes={from}-");
        self.client.send_once(&Method::GET, &self.url, &|request| accept(request).header(RANGE, &range)).await
    }

    /// Returns whether a response holds a part of the content, but not the rest that begins at `from`.
    fn is_other_range(&self, response: &Response, from: u64) -> bool {
        let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        response.status() == StatusCode::PARTIAL_CONTENT && range != Some(&self.range_from(from))
    }

    /// Returns the value of Content-Range for the rest that begins at `from`.
    fn range_from(&self, from: u64) -> String {
        let size = self.descriptor.size();
        format!("bytes {from}-{}/{size}", size.saturating_sub(1))
    }

    /// Skips `left` bytes, which were received before.
    async fn skip(&mut self, mut left: u64) {
        while left > 0 {
            match self.receive_once().await {
                Ok(bytes) if bytes.is_empty() => return,
                Ok(mut bytes) => {
                    let known = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    left -= known as u64;
                    if known < bytes.len() {
                        let rest = bytes.split_off(known);
                        self.offset += rest.len() as u64;
                        self.buffer = io::Cursor::new(rest);
                    }
                }
                // The next read fails in the same way.
                Err(_) => {
                    self.response = None;
                    return;
                }
            }
        }
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.buffer.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let runtime = self.runtime;
            let bytes =
                runtime.block_on(self.receive()).map_err(|error| in_io(with_help_line(error, self.client).into()))?;
            if bytes.is_empty() && self.buffer.position() == self.buffer.get_ref().len() as u64 {
                return Ok(0);
            }
            if !bytes.is_empty() {
                // What a restart brought after the known bytes comes before the new bytes.
                let position = usize::try_from(self.buffer.position()).unwrap_or(usize::MAX);
                let mut waiting = self.buffer.get_ref().get(position..).unwrap_or_default().to_vec();
                waiting.extend_from_slice(&bytes);
                self.buffer = io::Cursor::new(waiting);
            }
        }
    }
}
