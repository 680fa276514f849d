//! The registry protocol (distribution-spec 1.1), as a [`Source`]: tags and digests, manifests, blobs.
//!
//! Requests are made on a small runtime of their own; to the rest of the house a registry is read like a file.

mod auth;
mod error;

use std::io::{self, Read};
use std::sync::Mutex;
use std::time::Duration;

use miette::{IntoDiagnostic, Report, miette};
use oci_spec::image::{Descriptor, Digest, MediaType};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, Response, StatusCode, Url};
use tokio::runtime::Runtime;

use crate::error::Result;
use crate::image::digest::sha256;
use crate::image::manifest::sniff;
use crate::image::media_type::{DOCKER_INDEX, DOCKER_MANIFEST, is_document};
use crate::reference::Reference;
use crate::store::{MOST_DOCUMENT_BYTES, Missing, Source};

use auth::Challenge;
pub use error::{Problem, RequestError};

/// A repository of a registry.
pub struct Registry {
    reference: Reference,
    client: Client,
    runtime: Runtime,
    token: Mutex<Option<String>>,
}

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the first answer may take: someone waits for it, and nothing has been done yet.
const FIRST_ANSWER: Duration = Duration::from_secs(14);
/// How long an answer may make no progress.
const PROGRESS: Duration = Duration::from_secs(30);
const MOST_REDIRECTS: usize = 10;
const MOST_TOKEN_BYTES: usize = 128 << 10;
const MOST_ERROR_BYTES: usize = 64 << 10;

/// The types of documents that are understood.
fn accept() -> String {
    [
        MediaType::ImageIndex.to_string(),
        MediaType::ImageManifest.to_string(),
        DOCKER_INDEX.to_owned(),
        DOCKER_MANIFEST.to_owned(),
    ]
    .join(", ")
}

/// Follows redirects as registries use them, for blobs that are kept elsewhere. Credentials stay behind: reqwest takes
/// them off on another host, port or scheme.
fn follow(attempt: Attempt) -> reqwest::redirect::Action {
    let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if was_secure && attempt.url().scheme() != "https" {
        return attempt.error("it redirects from https to http");
    }
    if attempt.previous().len() > MOST_REDIRECTS {
        return attempt.error("it redirects too often");
    }
    attempt.follow()
}

fn client(reference: &Reference) -> reqwest::Result<Client> {
    // Set once a process; a second time is no error worth telling.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A proxy's loopback is not ours.
    let builder = || match reference.is_local() {
        true => Client::builder().no_proxy(),
        false => Client::builder(),
    };
    let builder = || {
        builder()
            .user_agent(concat!("cargo-oci/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(PROGRESS)
            .redirect(Policy::custom(follow))
    };
    // A machine without certificates of its own (a bare container) still knows Mozilla's.
    builder().build().or_else(|_| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let bundled = bundled.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok());
        builder().tls_certs_only(bundled).build()
    })
}

impl Registry {
    /// The repository of `reference`. Nothing is asked of the registry yet.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(reference: Reference) -> Result<Registry> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().into_diagnostic()?;
        Ok(Registry { client: client(&reference).into_diagnostic()?, reference, runtime, token: Mutex::default() })
    }

    fn url(&self, kind: &str, name: &str) -> Result<Url> {
        let (origin, repository) = (self.reference.origin(), self.reference.repository());
        let url = format!("{origin}/v2/{repository}/{kind}/{name}");
        Url::parse(&url).map_err(|error| miette!("{url} is not a URL: {error}"))
    }

    /// Sends a request, with a token where the registry wants one, and waits for the head of an answer that says yes.
    async fn send(&self, method: Method, url: &Url, patience: Duration) -> Result<Response, RequestError> {
        let token = crate::store::lock(&self.token).clone();
        let answer = self.send_once(&method, url, token.as_deref(), patience).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return accepted(&method, url, answer).await;
        }
        let Some(token) = self.new_token(answer.headers(), patience).await? else {
            return accepted(&method, url, answer).await;
        };
        *crate::store::lock(&self.token) = Some(token.clone());
        let answer = self.send_once(&method, url, Some(&token), patience).await?;
        accepted(&method, url, answer).await
    }

    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        token: Option<&str>,
        patience: Duration,
    ) -> Result<Response, RequestError> {
        let mut request = self.client.request(method.clone(), url.clone());
        request = request.header(ACCEPT_ENCODING, "identity");
        if url.path().contains("/manifests/") {
            request = request.header(ACCEPT, accept());
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = tokio::time::timeout(patience, request.send()).await;
        answer
            .map_err(|_| RequestError::new(method, url, Problem::Silent(patience.as_secs())))?
            .map_err(|error| RequestError::transport(method, url, &error))
    }

    /// A token from the service that the answer names; nothing when it names none.
    async fn new_token(&self, headers: &HeaderMap, patience: Duration) -> Result<Option<String>, RequestError> {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
        let challenge = challenges.filter_map(|header| Challenge::parse(header.to_str().ok()?)).next();
        let Some(url) = challenge.and_then(|challenge| challenge.pull_url(self.reference.repository())) else {
            return Ok(None);
        };
        let method = Method::GET;
        let answer = self.send_once(&method, &url, None, patience).await?;
        let mut answer = accepted(&method, &url, answer).await?;
        let body = bounded(&mut answer, MOST_TOKEN_BYTES).await;
        let body = body.map_err(|error| RequestError::transport(&method, &url, &error))?;
        match auth::token(&body) {
            Some(token) => Ok(Some(token)),
            None => Err(RequestError::new(&method, &url, Problem::Answer("the answer holds no token".to_owned()))),
        }
    }

    fn missing(&self, name: &str, error: RequestError) -> Report {
        match error.problem {
            Problem::Status { status: StatusCode::NOT_FOUND, .. } => {
                let missing = Missing { name: name.to_owned(), place: self.place() };
                Report::from(error).wrap_err(missing)
            }
            _ => error.into(),
        }
    }
}

/// The answer if it says yes, else what it says.
async fn accepted(method: &Method, url: &Url, mut answer: Response) -> Result<Response, RequestError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = bounded(&mut answer, MOST_ERROR_BYTES).await.unwrap_or_default();
    let says = error::said(&body);
    Err(RequestError::new(method, url, Problem::Status { status, says }))
}

/// The body, cut off behind `most` bytes and the chunk they end in.
async fn bounded(answer: &mut Response, most: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() <= most
        && let Some(chunk) = answer.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What the head of an answer says of the content, if it says all.
fn described(headers: &HeaderMap) -> Option<Descriptor> {
    let text = |key: &str| headers.get(key)?.to_str().ok();
    let digest = Digest::try_from(text("docker-content-digest")?).ok()?;
    let media_type = text(CONTENT_TYPE.as_str())?.split(';').next()?.trim();
    let size = text(CONTENT_LENGTH.as_str())?.parse().ok()?;
    Some(Descriptor::new(media_type.into(), size, digest))
}

impl Source for Registry {
    /// One HEAD where the registry tells all in it, else a GET of the document.
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        let name = name.unwrap_or(self.reference.name());
        let url = self.url("manifests", name)?;
        let head = self.runtime.block_on(self.send(Method::HEAD, &url, FIRST_ANSWER));
        let head = match head {
            // An error without a body says little, and some registries know no HEAD: GET tells more.
            Err(RequestError { problem: Problem::Status { .. }, .. }) => None,
            head => described(head?.headers()),
        };
        let found = match head {
            Some(descriptor) => descriptor,
            None => self.runtime.block_on(self.get_document(&url)).map_err(|error| self.missing(name, error))?,
        };
        match Digest::try_from(name) {
            Ok(wanted) if wanted != *found.digest() => {
                Err(miette!("{} answers {} when asked for {wanted}", self.place(), found.digest()))
            }
            _ => Ok(found),
        }
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let url = self.url(kind(descriptor), descriptor.digest().as_ref())?;
        match self.runtime.block_on(self.send(Method::HEAD, &url, PROGRESS)) {
            Ok(_) => Ok(true),
            Err(RequestError { problem: Problem::Status { status: StatusCode::NOT_FOUND, .. }, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let name = descriptor.digest().as_ref();
        let url = self.url(kind(descriptor), name)?;
        let answer = self.runtime.block_on(self.send(Method::GET, &url, PROGRESS));
        let answer = answer.map_err(|error| self.missing(name, error))?;
        Ok(Box::new(Body { answer, url, runtime: &self.runtime, chunk: Default::default() }))
    }

    fn place(&self) -> String {
        format!("{}/{}", self.reference.registry(), self.reference.repository())
    }
}

impl Registry {
    async fn get_document(&self, url: &Url) -> Result<Descriptor, RequestError> {
        let method = Method::GET;
        let mut answer = self.send(method.clone(), url, FIRST_ANSWER).await?;
        let typed = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let typed = typed.and_then(|text| text.split(';').next()).map(|text| MediaType::from(text.trim()));
        let most = usize::try_from(MOST_DOCUMENT_BYTES).unwrap_or(usize::MAX);
        let body = bounded(&mut answer, most).await;
        let body = body.map_err(|error| RequestError::transport(&method, url, &error))?;
        let wrong = |why: &str| RequestError::new(&method, url, Problem::Answer(why.to_owned()));
        if body.len() > most {
            return Err(wrong("the answer is too large for a manifest"));
        }
        let media_type = typed.filter(is_document).or_else(|| sniff(&body));
        let media_type = media_type.ok_or_else(|| wrong("the answer is not a manifest"))?;
        Ok(Descriptor::new(media_type, body.len() as u64, sha256(&body)))
    }
}

/// Where in a repository content of this type is.
fn kind(descriptor: &Descriptor) -> &'static str {
    match is_document(descriptor.media_type()) {
        true => "manifests",
        false => "blobs",
    }
}

/// The body of an answer, as it comes.
struct Body<'a> {
    answer: Response,
    url: Url,
    runtime: &'a Runtime,
    chunk: io::Cursor<Vec<u8>>,
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.chunk.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        match self.runtime.block_on(self.answer.chunk()) {
            Ok(Some(chunk)) => {
                self.chunk = io::Cursor::new(chunk.into());
                self.read(buffer)
            }
            Ok(None) => Ok(0),
            Err(error) => Err(io::Error::other(RequestError::transport(&Method::GET, &self.url, &error))),
        }
    }
}
