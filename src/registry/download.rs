//! Content from a repository: documents whole, blobs as they come, taken up again where a connection broke.

use std::io::{self, Read};

use oci_spec::image::{Descriptor, Digest, MediaType};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use tokio::runtime::Runtime;

use super::client::{Client, bounded};
use super::error::{Problem, RequestError};
use super::retry::Attempts;
use crate::image::digest::sha256;
use crate::image::manifest::sniff;
use crate::image::media_type::{DOCKER_INDEX, DOCKER_MANIFEST, is_document};
use crate::interrupt;
use crate::store::MAX_DOCUMENT_BYTES;

/// The types of documents that are understood.
pub fn documents(request: RequestBuilder) -> RequestBuilder {
    let types = [MediaType::ImageIndex.to_string(), MediaType::ImageManifest.to_string()];
    request.header(ACCEPT, format!("{}, {DOCKER_INDEX}, {DOCKER_MANIFEST}", types.join(", ")))
}

/// Where content of this type is, below the repository.
pub fn path(descriptor: &Descriptor) -> String {
    let kind = if is_document(descriptor.media_type()) { "manifests" } else { "blobs" };
    format!("{kind}/{}", descriptor.digest())
}

/// The request for content of a type.
fn typed(descriptor: &Descriptor) -> fn(RequestBuilder) -> RequestBuilder {
    if is_document(descriptor.media_type()) { documents } else { |request| request }
}

/// Whether the repository has the content.
///
/// # Errors
/// When it does not say.
pub async fn exists(client: &Client<'_>, descriptor: &Descriptor) -> Result<bool, RequestError> {
    let url = client.url(&path(descriptor));
    match client.send(Method::HEAD, &url, typed(descriptor)).await {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
        // Some registries know no HEAD, and answer GET.
        Err(error) if error.status() == Some(StatusCode::METHOD_NOT_ALLOWED) => {
            match client.send(Method::GET, &url, typed(descriptor)).await {
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
                answer => answer.map(|_| true),
            }
        }
        Err(error) => Err(error),
    }
}

/// What a tag or digest stands for: one HEAD where the registry tells all in it, else a GET of the document.
///
/// # Errors
/// When there is no such document, or no answer.
pub async fn resolve(client: &Client<'_>, name: &str) -> Result<Descriptor, RequestError> {
    let url = client.url(&format!("manifests/{name}"));
    let head = match client.send(Method::HEAD, &url, documents).await {
        Ok(answer) => described(answer.headers()),
        // An error without a body says little, and some registries know no HEAD: GET tells more.
        Err(error) if error.status().is_some_and(|status| status.is_client_error()) => None,
        Err(error) => return Err(error),
    };
    match head {
        Some(descriptor) => Ok(descriptor),
        None => get_document(client, &url).await,
    }
}

/// The same for a tag that may not be there.
///
/// # Errors
/// When there is no answer, or one that says neither yes nor no.
pub async fn tagged(client: &Client<'_>, tag: &str) -> Result<Option<Descriptor>, RequestError> {
    let url = client.url(&format!("manifests/{tag}"));
    let found = match client.send(Method::HEAD, &url, documents).await {
        Ok(answer) => match described(answer.headers()) {
            Some(descriptor) => Ok(descriptor),
            None => get_document(client, &url).await,
        },
        Err(error) if error.status() == Some(StatusCode::METHOD_NOT_ALLOWED) => get_document(client, &url).await,
        Err(error) => Err(error),
    };
    match found {
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
        found => found.map(Some),
    }
}

/// What the head of an answer says of the content, if it says all.
fn described(headers: &HeaderMap) -> Option<Descriptor> {
    let text = |key: &str| headers.get(key)?.to_str().ok();
    let digest = Digest::try_from(text("docker-content-digest")?).ok()?;
    let media_type = text(CONTENT_TYPE.as_str())?.split(';').next()?.trim();
    let size = text(CONTENT_LENGTH.as_str())?.parse().ok()?;
    let descriptor = Descriptor::new(media_type.into(), size, digest);
    (is_document(descriptor.media_type()) && descriptor.size() > 0).then_some(descriptor)
}

async fn get_document(client: &Client<'_>, url: &Url) -> Result<Descriptor, RequestError> {
    let method = Method::GET;
    let mut answer = client.send(method.clone(), url, documents).await?;
    let typed = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let typed = typed.and_then(|text| text.split(';').next()).map(|text| MediaType::from(text.trim()));
    let most = usize::try_from(MAX_DOCUMENT_BYTES).unwrap_or(usize::MAX);
    let progress = client.options.retry.progress;
    let body = tokio::time::timeout(progress, bounded(&mut answer, most)).await;
    let silent = |_| RequestError::new(&method, url, Problem::Silent(progress.as_secs()));
    let body = body.map_err(silent)?.map_err(|error| RequestError::transport(&method, url, &error))?;
    let wrong = |why: &str| RequestError::new(&method, url, Problem::Answer(why.to_owned()));
    if body.len() > most {
        return Err(wrong("the answer is too large for a manifest"));
    }
    let media_type = typed.filter(is_document).or_else(|| sniff(&body));
    let media_type = media_type.ok_or_else(|| wrong("the answer is not a manifest: is this a registry?"))?;
    Ok(Descriptor::new(media_type, body.len() as u64, sha256(&body)))
}

/// The content of a descriptor, as it comes.
pub struct Body<'a> {
    client: &'a Client<'a>,
    runtime: &'a Runtime,
    descriptor: Descriptor,
    url: Url,
    /// The answer that is being read; nothing after it broke.
    answer: Option<Response>,
    /// Bytes that came, and those of them that were given out.
    chunk: io::Cursor<Vec<u8>>,
    /// How many bytes have come in all.
    offset: u64,
    attempts: Attempts<'a>,
    started_over: bool,
}

impl<'a> Body<'a> {
    /// Asks for the content and waits for the head of the answer.
    ///
    /// # Errors
    /// When the registry says no, or nothing.
    pub fn begin(
        client: &'a Client<'a>,
        runtime: &'a Runtime,
        descriptor: &Descriptor,
    ) -> Result<Body<'a>, RequestError> {
        let url = client.url(&path(descriptor));
        let answer = runtime.block_on(client.send(Method::GET, &url, typed(descriptor)))?;
        Ok(Body {
            client,
            runtime,
            descriptor: descriptor.clone(),
            url,
            answer: Some(answer),
            chunk: io::Cursor::default(),
            offset: 0,
            attempts: Attempts::new(&client.options.retry),
            started_over: false,
        })
    }

    /// The next bytes; none at the end.
    async fn next(&mut self) -> Result<Vec<u8>, RequestError> {
        loop {
            let error = match self.chunk().await {
                Ok(bytes) if !bytes.is_empty() => {
                    self.attempts.progressed();
                    self.offset += bytes.len() as u64;
                    return Ok(bytes);
                }
                Ok(_) if self.offset >= self.descriptor.size() => return Ok(Vec::new()),
                Ok(_) => self.broken("the answer ended early"),
                Err(error) => error,
            };
            self.client.pause(&mut self.attempts, error).await?;
            self.resume().await?;
        }
    }

    fn broken(&self, why: &str) -> RequestError {
        RequestError::new(&Method::GET, &self.url, Problem::Transport(why.to_owned()))
    }

    async fn chunk(&mut self) -> Result<Vec<u8>, RequestError> {
        let progress = self.client.options.retry.progress;
        let Some(answer) = &mut self.answer else {
            return Err(self.broken("the connection broke"));
        };
        let chunk = tokio::select! {
            chunk = tokio::time::timeout(progress, answer.chunk()) => chunk,
            () = interrupt::wait() => return Err(RequestError::new(&Method::GET, &self.url, Problem::Interrupted)),
        };
        match chunk {
            Ok(Ok(chunk)) => Ok(chunk.map(Vec::from).unwrap_or_default()),
            Ok(Err(error)) => Err(RequestError::transport(&Method::GET, &self.url, &error)),
            Err(_) => Err(RequestError::new(&Method::GET, &self.url, Problem::Silent(progress.as_secs()))),
        }
    }

    /// Asks for the rest: 206 has to be just that, 200 is the whole once more, 416 is asked for the whole once.
    async fn resume(&mut self) -> Result<(), RequestError> {
        self.answer = None;
        let (size, from) = (self.descriptor.size(), self.offset);
        let edit = typed(&self.descriptor);
        let range = |request| edit(request).header(RANGE, format!("bytes={from}-"));
        let asked = match from {
            0 => self.client.once(&Method::GET, &self.url, &edit).await,
            _ => self.client.once(&Method::GET, &self.url, &range).await,
        };
        let wanted = format!("bytes {from}-{}/{size}", size.saturating_sub(1));
        let is_other_part = |answer: &Response| {
            let range = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
            answer.status() == StatusCode::PARTIAL_CONTENT && range != Some(&wanted)
        };
        // A registry that cannot give the rest can give the whole once more.
        let cannot = match &asked {
            Err(error) => error.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE),
            Ok(answer) => is_other_part(answer),
        };
        let answer = match cannot && !self.started_over {
            true => {
                self.started_over = true;
                self.client.once(&Method::GET, &self.url, &edit).await
            }
            false => asked,
        };
        let answer = match answer {
            Ok(answer) => answer,
            // The next read finds no answer, and counts that as one more attempt.
            Err(error) if error.is_passing() => return Ok(()),
            Err(error) => return Err(error),
        };
        if is_other_part(&answer) {
            let why = format!("asked for {wanted}, it answers with another part");
            return Err(RequestError::new(&Method::GET, &self.url, Problem::Answer(why)));
        }
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            self.answer = Some(answer);
            return Ok(());
        }
        self.answer = Some(answer);
        self.skip(from).await;
        Ok(())
    }

    /// Passes over what was given out already.
    async fn skip(&mut self, mut left: u64) {
        while left > 0 {
            match self.chunk().await {
                Ok(bytes) if bytes.is_empty() => return,
                Ok(mut bytes) => {
                    let known = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    left -= known as u64;
                    if known < bytes.len() {
                        let rest = bytes.split_off(known);
                        self.offset += rest.len() as u64;
                        self.chunk = io::Cursor::new(rest);
                    }
                }
                // Found again by the next read.
                Err(_) => {
                    self.answer = None;
                    return;
                }
            }
        }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let runtime = self.runtime;
            let bytes = runtime.block_on(self.next()).map_err(io::Error::other)?;
            if bytes.is_empty() && self.chunk.position() == self.chunk.get_ref().len() as u64 {
                return Ok(0);
            }
            if !bytes.is_empty() {
                // What a restart brought beyond the known bytes comes before what came after it.
                let position = usize::try_from(self.chunk.position()).unwrap_or(usize::MAX);
                let mut waiting = self.chunk.get_ref().get(position..).unwrap_or_default().to_vec();
                waiting.extend_from_slice(&bytes);
                self.chunk = io::Cursor::new(waiting);
            }
        }
    }
}
