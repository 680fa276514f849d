//! The body of an upload request: a thread reads the blob while the request streams it.

use std::io::{self, Read};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_core::Stream;
use miette::{Report, miette};
use oci_spec::image::Descriptor;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use reqwest::{Body, Method, Response, Url};
use tokio::sync::mpsc;

use crate::error::Result;
use crate::event::counter::{Activity, Counter};
use crate::event::transfer::Transfer;
use crate::interrupt::inherit;
use crate::registry::client::Client;
use crate::registry::error::RequestError;
use crate::registry::pool::RequestRuntime;
use crate::registry::silence::UploadProgress;
use crate::store::ReadError;
use crate::store::{Source, open};

/// The bytes that are read at a time, and how many such buffers wait: the memory that an upload needs.
const BUFFER_BYTES: usize = 128 << 10;
const WAITING_BUFFERS: usize = 4;
const OCTET_STREAM: &str = "application/octet-stream";

/// Why an attempt at an upload failed.
pub(crate) enum UploadError {
    /// The request failed. Another attempt may succeed.
    Request(RequestError),
    /// The blob cannot be read.
    Source(Report),
}

impl From<RequestError> for UploadError {
    fn from(error: RequestError) -> Self {
        UploadError::Request(error)
    }
}

/// A blob that is sent as the body of requests, whole or in ranges.
pub(crate) struct BlobBody<'a> {
    pub client: &'a Client<'a>,
    pub runtime: &'a RequestRuntime,
    pub descriptor: &'a Descriptor,
    pub source: &'a dyn Source,
    /// Started with the first byte: a blob that is mounted is not transferred.
    pub transfer: OnceLock<Transfer<'a>>,
}

impl BlobBody<'_> {
    /// Sends a range of the blob, again with a new token if the registry wants one, and returns the response whatever its
    /// status.
    ///
    /// # Errors
    /// Returns an error if the blob cannot be read, or if there is no response.
    pub(crate) fn send(&self, method: &Method, url: &Url, range: &Range<u64>) -> Result<Response, UploadError> {
        let response = self.send_once(method, url, range)?;
        let challenge = self.client.authorizer.answer_challenge(&response, &self.client.options, false);
        if self.runtime.block_on(challenge)? { self.send_once(method, url, range) } else { Ok(response) }
    }

    fn send_once(&self, method: &Method, url: &Url, range: &Range<u64>) -> Result<Response, UploadError> {
        let length = range.end - range.start;
        let mut request = self.client.request(method.clone(), url);
        request = request.header(CONTENT_LENGTH, length).header(CONTENT_TYPE, OCTET_STREAM);
        // PATCH sends a chunk, PUT the whole or nothing.
        if *method == Method::PATCH {
            request = request.header(CONTENT_RANGE, format!("{}-{}", range.start, range.end.saturating_sub(1)));
        }
        if length == 0 {
            return Ok(self.runtime.block_on(self.client.execute(&mut None, method, url, request, None))?);
        }
        let (sender, receiver) = mpsc::channel(WAITING_BUFFERS);
        let progress = UploadProgress::start();
        let counter = Arc::clone(self.transfer().counter());
        // Another attempt may begin before the end of the last one.
        counter.set(range.start);
        let body = BodyStream { receiver, progress: progress.clone(), left: length, counter };
        let request = request.body(Body::wrap_stream(body));
        std::thread::scope(|scope| {
            let reader = scope.spawn(inherit(move || self.read(range, &sender)));
            let response = self.runtime.block_on(self.client.execute(&mut None, method, url, request, Some(&progress)));
            let read = reader.join().unwrap_or_else(|_| Err(miette!("a thread panicked")));
            match (response, read) {
                // A response counts, also one before the end of the body.
                (Ok(response), _) => Ok(response),
                (Err(_), Err(error)) => Err(UploadError::Source(error)),
                (Err(error), Ok(())) => Err(UploadError::Request(error)),
            }
        })
    }

    fn transfer(&self) -> &Transfer<'_> {
        let listener = self.client.options.notify;
        self.transfer.get_or_init(|| Transfer::of_blob(listener, Activity::Pushing, self.descriptor))
    }

    /// Reads the blob from its beginning, because its digest is checked, and sends the bytes of `range`.
    fn read(&self, range: &Range<u64>, sender: &mpsc::Sender<io::Result<Vec<u8>>>) -> Result<()> {
        let mut content = open(self.source, self.descriptor)?;
        let skipped = io::copy(&mut (&mut content).take(range.start), &mut io::sink());
        skipped.map_err(|error| self.read_error(error))?;
        let mut left = range.end - range.start;
        while left > 0 {
            let mut buffer = vec![0; BUFFER_BYTES.min(usize::try_from(left).unwrap_or(BUFFER_BYTES))];
            let read = match content.read(&mut buffer) {
                Ok(read) => read,
                Err(error) => {
                    // An error in the body aborts the request: the registry must not take a wrong blob as complete.
                    let _ = sender.blocking_send(Err(io::Error::other("cannot read the blob")));
                    return Err(self.read_error(error));
                }
            };
            buffer.truncate(read);
            left -= read as u64;
            if sender.blocking_send(Ok(buffer)).is_err() {
                // The request has ended: its response says why.
                return Ok(());
            }
        }
        Ok(())
    }

    fn read_error(&self, error: io::Error) -> Report {
        let error = Report::from(ReadError(error));
        error.wrap_err(format!("cannot read {} from {}", self.descriptor.digest(), self.source.location()))
    }
}

/// A request body whose bytes come from another thread.
struct BodyStream {
    receiver: mpsc::Receiver<io::Result<Vec<u8>>>,
    progress: UploadProgress,
    left: u64,
    counter: Arc<Counter>,
}

impl Stream for BodyStream {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.receiver.poll_recv(context);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            self.left = self.left.saturating_sub(bytes.len() as u64);
            self.counter.add(bytes.len() as u64);
            self.progress.taken(self.left);
        }
        polled
    }
}
