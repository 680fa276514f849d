//! Content into a repository: blobs by mount, in one streamed PUT, or in chunks; then manifests, then tags
//! (distribution-spec, "Push").

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use miette::{Context as _, Report, miette};
use oci_spec::image::{Descriptor, Digest};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, LOCATION, RANGE};
use reqwest::{Body, Method, Response, StatusCode, Url};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::client::{Client, accepted};
use super::download;
use super::error::{Problem, RequestError};
use super::retry::Attempts;
use crate::error::Result;
use crate::event::transfer::{Activity, Counter, Transfer};
use crate::interrupt;
use crate::store::ReadError;
use crate::store::{Source, open};

/// Bytes that are read at a time, and how many such pieces wait at most: what a transfer takes of memory.
const PIECE: usize = 128 << 10;
const PIECES: usize = 4;
/// GHCR refuses larger chunks.
const MOST_CHUNK: u64 = 4 << 20;
const OCTETS: &str = "application/octet-stream";

/// An upload of one blob.
pub struct Upload<'a> {
    pub client: &'a Client<'a>,
    pub runtime: &'a Runtime,
    pub descriptor: &'a Descriptor,
    pub source: &'a dyn Source,
    /// Begun when the first byte is sent: what is mounted is no transfer.
    pub transfer: OnceLock<Transfer<'a>>,
}

/// What a registry answers to one who wants to upload.
enum Beginning {
    /// It has the blob.
    Done,
    /// It waits for the blob.
    Session(Session),
    /// It does not take the blob this way.
    Refused,
}

/// Where a blob is sent to.
struct Session {
    url: Url,
    /// The size of a chunk, where the blob is sent in such.
    chunk: u64,
}

/// How one attempt at an upload ended without success.
enum Failure {
    /// By the request's fault: perhaps another attempt helps.
    Request(RequestError),
    /// By the source's fault.
    Source(Report),
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Failure::Request(error)
    }
}

impl Upload<'_> {
    /// Brings the blob there: from the repository `mount` of the same registry if that works, else by sending it.
    ///
    /// # Errors
    /// Of the source; of the registry, after as many attempts as make sense.
    pub fn run(&self, mount: Option<&str>) -> Result<()> {
        let mut begun = match mount.map(|from| self.runtime.block_on(self.mount(from))) {
            Some(Beginning::Done) => return Ok(()),
            Some(Beginning::Session(session)) => Some(session),
            Some(Beginning::Refused) | None => None,
        };
        let retry = &self.client.options.retry;
        let mut attempts = Attempts::new(retry);
        let mut chunked = false;
        loop {
            let error = match self.attempt(chunked, begun.take()) {
                Ok(()) => return Ok(()),
                Err(Failure::Source(error)) => return Err(error),
                Err(Failure::Request(error)) => error,
            };
            // A registry or a proxy before it that takes no such body may take a smaller one.
            let refused = error.status().is_some_and(|status| matches!(status.as_u16(), 405 | 411 | 413 | 416 | 501));
            if refused && !chunked {
                chunked = true;
                continue;
            }
            // What broke may have been the answer alone.
            let is_there = error.is_passing() && self.runtime.block_on(self.is_there());
            if is_there {
                return Ok(());
            }
            let unknown = error.status() == Some(StatusCode::NOT_FOUND);
            let error = if unknown { lost_session(error) } else { error };
            self.runtime.block_on(self.client.pause(&mut attempts, error))?;
        }
    }

    async fn is_there(&self) -> bool {
        let url = self.client.url(&download::path(self.descriptor));
        self.client.once(&Method::HEAD, &url, &|request| request).await.is_ok()
    }

    /// Asks the registry to take the blob over from another of its repositories. Whatever it answers is no error: the
    /// blob is sent then, in the session that it offers or in one of its own.
    async fn mount(&self, from: &str) -> Beginning {
        let mut url = self.client.url("blobs/uploads/");
        url.query_pairs_mut().append_pair("mount", self.descriptor.digest().as_ref()).append_pair("from", from);
        self.begin(&url).await.unwrap_or(Beginning::Refused)
    }

    async fn begin(&self, url: &Url) -> std::result::Result<Beginning, RequestError> {
        let answer = self.client.once(&Method::POST, url, &|request| request.header(CONTENT_LENGTH, 0)).await?;
        // Mounted, or known already.
        if answer.status() == StatusCode::CREATED {
            return Ok(Beginning::Done);
        }
        let chunk = chunk_size(answer.headers());
        Ok(Beginning::Session(Session { url: location(&answer, url)?, chunk }))
    }

    /// Sends the blob, in a session that was `begun` or in a new one.
    fn attempt(&self, chunked: bool, begun: Option<Session>) -> Result<(), Failure> {
        let begin = || self.runtime.block_on(self.begin(&self.client.url("blobs/uploads/")));
        let Session { url: session, chunk } = match begun.map_or_else(begin, |begun| Ok(Beginning::Session(begun)))? {
            Beginning::Session(session) => session,
            Beginning::Done | Beginning::Refused => return Ok(()),
        };
        let sent = match chunked {
            false => self.put(&session, 0..self.descriptor.size()),
            true => self.chunks(session.clone(), chunk),
        };
        if sent.is_err() && interrupt::is_set() {
            self.runtime.block_on(self.give_back(&session));
        }
        sent
    }

    /// Ends a session for someone who is in a hurry.
    async fn give_back(&self, session: &Url) {
        let cancel = self.client.quick(Method::DELETE, session);
        let _ = tokio::time::timeout(Duration::from_secs(1), cancel).await;
    }

    /// Sends the whole in one request that ends the session.
    fn put(&self, session: &Url, range: std::ops::Range<u64>) -> Result<(), Failure> {
        let mut url = session.clone();
        with_digest(&mut url, self.descriptor.digest());
        let answer = self.stream(&Method::PUT, &url, range, |request| request)?;
        self.runtime.block_on(accepted(&Method::PUT, &url, answer))?;
        Ok(())
    }

    /// Sends the blob piece by piece, each to where the answer to the last one said.
    fn chunks(&self, mut session: Url, most: u64) -> Result<(), Failure> {
        let size = self.descriptor.size();
        let mut sent = 0;
        let mut attempts = Attempts::new(&self.client.options.retry);
        while sent < size {
            let end = size.min(sent + most);
            let range = format!("{sent}-{}", end - 1);
            let answer =
                self.stream(&Method::PATCH, &session, sent..end, |request| request.header(CONTENT_RANGE, &range));
            let answer = match answer {
                Ok(answer) => self.runtime.block_on(accepted(&Method::PATCH, &session, answer)),
                Err(Failure::Request(error)) => Err(error),
                Err(error) => return Err(error),
            };
            match answer {
                Ok(answer) => {
                    session = location(&answer, &session)?;
                    // Our own count: some registries' Range sticks.
                    sent = end;
                    attempts.progressed();
                }
                Err(error) => {
                    self.runtime.block_on(self.client.pause(&mut attempts, error))?;
                    (session, sent) = self.runtime.block_on(self.status(&session))?;
                }
            }
        }
        self.put(&session, size..size)
    }

    /// Where a session stands: its latest URL, and how many bytes it has.
    async fn status(&self, session: &Url) -> Result<(Url, u64), RequestError> {
        let answer = self.client.once(&Method::GET, session, &|request| request).await?;
        let range = answer.headers().get(RANGE).and_then(|value| value.to_str().ok());
        let last = range.and_then(|range| range.rsplit('-').next()?.parse::<u64>().ok());
        let has = last.map_or(0, |last| if last == 0 { 0 } else { last + 1 });
        Ok((location(&answer, session).unwrap_or_else(|_| session.clone()), has))
    }

    /// Sends a part of the blob as a request's body, and gives whatever is answered; with a new token once where the
    /// registry wants one in between.
    fn stream(
        &self,
        method: &Method,
        url: &Url,
        range: std::ops::Range<u64>,
        edit: impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<Response, Failure> {
        let send = || self.stream_once(method, url, range.clone(), &edit);
        let answer = send()?;
        match self.runtime.block_on(self.client.challenged(&answer))? {
            true => send(),
            false => Ok(answer),
        }
    }

    fn stream_once(
        &self,
        method: &Method,
        url: &Url,
        range: std::ops::Range<u64>,
        edit: &impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<Response, Failure> {
        let length = range.end - range.start;
        let request = self.client.request(method.clone(), url);
        let request = edit(request).header(CONTENT_LENGTH, length).header(CONTENT_TYPE, OCTETS);
        if length == 0 {
            let finish = super::client::after(self.client.options.retry.finish);
            return Ok(self.runtime.block_on(self.client.exchange(method, url, request, finish))?);
        }
        let (sender, receiver) = mpsc::channel(PIECES);
        let progress = Progress::begin();
        let counter = Arc::clone(self.transfer().counter());
        // Another attempt may begin before where the last one ended.
        counter.set(range.start);
        let body = Body::wrap_stream(Pieces { receiver, progress: progress.clone(), left: length, counter });
        std::thread::scope(|scope| {
            let feeder = scope.spawn(move || self.feed(range, &sender));
            let patience = progress.stall(&self.client.options.retry);
            let answer = self.runtime.block_on(self.client.exchange(method, url, request.body(body), patience));
            let fed = feeder.join().unwrap_or_else(|_| Err(miette!("a thread panicked")));
            match (answer, fed) {
                // An answer counts, also one that came before all was sent.
                (Ok(answer), _) => Ok(answer),
                (Err(_), Err(error)) => Err(Failure::Source(error)),
                (Err(error), Ok(())) => Err(Failure::Request(error)),
            }
        })
    }

    fn transfer(&self) -> &Transfer<'_> {
        let listener = self.client.options.notify;
        self.transfer.get_or_init(|| Transfer::of_blob(listener, Activity::Pushing, self.descriptor))
    }

    /// Reads the blob and hands the bytes of `range` on; the whole is read, and checked, from its beginning.
    fn feed(&self, range: std::ops::Range<u64>, sender: &mpsc::Sender<io::Result<Vec<u8>>>) -> Result<()> {
        let mut content = open(self.source, self.descriptor)?;
        let what = || format!("cannot read {} from {}", self.descriptor.digest(), self.source.location());
        let passed = io::copy(&mut (&mut content).take(range.start), &mut io::sink());
        passed.map_err(ReadError).map_err(Report::from).wrap_err_with(what)?;
        let mut left = range.end - range.start;
        while left > 0 {
            let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
            let read = match content.read(&mut piece) {
                Ok(read) => read,
                Err(error) => {
                    // An error in the body breaks the request off: a registry must not see the end of a wrong blob.
                    let _ = sender.blocking_send(Err(io::Error::other("the source failed")));
                    return Err(Report::from(ReadError(error))).wrap_err_with(what);
                }
            };
            piece.truncate(read);
            left -= read as u64;
            if sender.blocking_send(Ok(piece)).is_err() {
                // Nobody listens any more: the answer says why.
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A 404 within an upload is about the session, which another attempt begins anew.
fn lost_session(error: RequestError) -> RequestError {
    let says = match &error.problem {
        Problem::Status { says, .. } => says.clone(),
        _ => String::new(),
    };
    match says.contains("BLOB_UPLOAD") {
        true => RequestError { problem: Problem::Transport(format!("the upload was lost: {says}")), ..error },
        false => error,
    }
}

/// Where an answer says to go on, its query's bytes kept (RFC 3986, section 5).
fn location(answer: &Response, asked: &Url) -> Result<Url, RequestError> {
    let wrong = |why: &str| RequestError::new(&Method::POST, asked, Problem::Answer(why.to_owned()));
    let header = answer.headers().get(LOCATION).ok_or_else(|| wrong("the answer names no Location"))?;
    let text = header.to_str().map_err(|_| wrong("the answer's Location is not text"))?;
    let url = answer.url().join(text).map_err(|_| wrong("the answer's Location is not a URL"))?;
    match (answer.url().scheme(), url.scheme()) {
        ("https", "https") | ("http", "http" | "https") => Ok(url),
        _ => Err(wrong("the answer's Location leads away from https")),
    }
}

/// Adds `digest=` to a query, whose bytes stay as they are.
fn with_digest(url: &mut Url, digest: &Digest) {
    let digest = digest.to_string().replace(':', "%3A");
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&digest={digest}"),
        _ => format!("digest={digest}"),
    };
    url.set_query(Some(&query));
}

fn chunk_size(headers: &HeaderMap) -> u64 {
    let least = headers.get("oci-chunk-min-length").and_then(|value| value.to_str().ok()?.parse().ok());
    least.unwrap_or(0).max(MOST_CHUNK)
}

/// Sends a manifest or an index, and gives the digest that the registry calls it by.
///
/// # Errors
/// When the registry refuses it, or has it under another digest.
pub async fn put_document(
    client: &Client<'_>,
    descriptor: &Descriptor,
    name: &str,
    bytes: &[u8],
) -> Result<Put, RequestError> {
    let url = client.url(&format!("manifests/{name}"));
    let media_type = descriptor.media_type().to_string();
    let edit = |request: reqwest::RequestBuilder| request.header(CONTENT_TYPE, &media_type).body(bytes.to_vec());
    let answer = client.send(Method::PUT, &url, edit).await?;
    let called = answer.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
    match called {
        Some(called) if called != descriptor.digest().as_ref() => {
            let why = format!("sent as {}, the registry calls it {}", descriptor.digest(), called.escape_debug());
            Err(RequestError::new(&Method::PUT, &url, Problem::Answer(why)))
        }
        _ if answer.headers().contains_key("oci-subject") => Ok(Put::Listed),
        _ => Ok(Put::Kept),
    }
}

/// What a registry did with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It keeps it.
    Kept,
    /// It keeps it, and lists it among the referrers of its subject.
    Listed,
}

/// When the last byte of a body was taken.
#[derive(Clone)]
struct Progress(Arc<(Instant, AtomicU64, AtomicU64)>);

impl Progress {
    fn begin() -> Progress {
        Progress(Arc::new((Instant::now(), AtomicU64::new(0), AtomicU64::new(0))))
    }

    fn tick(&self, left: u64) {
        let (start, last, remaining) = &*self.0;
        last.store(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        remaining.store(left + 1, Ordering::Relaxed);
    }

    /// Ends when nothing was taken for too long; gives how long that was.
    async fn stall(self, retry: &super::Retry) -> Duration {
        let (start, last, remaining) = &*self.0;
        loop {
            // The last byte is out when one more than none remains: then the registry may take its time.
            let limit = if remaining.load(Ordering::Relaxed) == 1 { retry.finish } else { retry.progress };
            let still = start.elapsed().saturating_sub(Duration::from_millis(last.load(Ordering::Relaxed)));
            if still >= limit {
                return limit;
            }
            tokio::time::sleep(limit - still).await;
        }
    }
}

/// A body that another thread reads.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Vec<u8>>>,
    progress: Progress,
    left: u64,
    counter: Arc<Counter>,
}

impl Stream for Pieces {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.receiver.poll_recv(context);
        if let Poll::Ready(Some(Ok(piece))) = &polled {
            self.left = self.left.saturating_sub(piece.len() as u64);
            self.counter.add(piece.len() as u64);
            self.progress.tick(self.left);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    #[test]
    fn a_locations_query_keeps_its_bytes() {
        let mut url = Url::parse("https://example.org/up?_state=a%2Fb==&x").expect("a URL");
        with_digest(&mut url, &sha256(b""));
        let query = url.query().expect("a query");
        assert!(query.starts_with("_state=a%2Fb==&x&digest=sha256%3Ae3b0c4"), "{query}");
    }

    #[test]
    fn chunks_are_as_large_as_the_registry_wants_and_no_larger_than_all_take() {
        let mut headers = HeaderMap::new();
        assert_eq!(chunk_size(&headers), 4 << 20);
        headers.insert("oci-chunk-min-length", "5242880".parse().expect("a value"));
        assert_eq!(chunk_size(&headers), 5 << 20);
    }
}
