//! Every request, told when its answer comes: what was asked of whom, and nothing that is secret.

use std::time::Instant;

use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method, Request, RequestBuilder, Response, Url};

use super::error::redacted;
use crate::event::{Event, Listener};

/// Makes a request, whose answer `notify` is told of. One that is dropped before it is answered is told as well.
///
/// # Errors
/// When there is no answer.
pub async fn ask(notify: Option<Listener<'_>>, request: RequestBuilder) -> reqwest::Result<Response> {
    let (http, request) = request.build_split();
    let request = request?;
    let mut asked = Asked::begin(notify, &request);
    let answer = http.execute(request).await?;
    asked.answer(&answer);
    Ok(answer)
}

/// The URL without what may be secret in it: also without the name of an upload, which is a right to write there.
fn shown(url: &Url) -> String {
    const UPLOADS: &str = "/blobs/uploads/";
    let url = redacted(url);
    match url.split_once(UPLOADS) {
        Some((before, name)) if !name.is_empty() => format!("{before}{UPLOADS}…"),
        _ => url,
    }
}

/// A request on its way; it is told when this is dropped.
struct Asked<'a> {
    notify: Option<Listener<'a>>,
    method: Method,
    url: String,
    begun: Instant,
    sent: Option<u64>,
    received: Option<u64>,
    status: Option<u16>,
    /// Who answered, where that is another host than was asked.
    by: Option<String>,
}

impl<'a> Asked<'a> {
    fn begin(notify: Option<Listener<'a>>, request: &Request) -> Asked<'a> {
        let said = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let sent = said.or_else(|| Some(request.body().and_then(Body::as_bytes)?.len() as u64));
        Asked {
            notify,
            method: request.method().clone(),
            url: shown(request.url()),
            begun: Instant::now(),
            sent: sent.filter(|bytes| *bytes > 0),
            received: None,
            status: None,
            by: None,
        }
    }

    fn answer(&mut self, answer: &Response) {
        // Of a path that somebody else has made up nobody knows what is in it.
        let by = answer.url().origin().ascii_serialization();
        self.by = Some(by).filter(|by| !self.url.starts_with(by.as_str()));
        self.status = Some(answer.status().as_u16());
        // The length in an answer to HEAD is that of what is not sent.
        self.received = answer.content_length().filter(|bytes| self.method != Method::HEAD && *bytes > 0);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let Some(notify) = self.notify else { return };
        notify(Event::Request {
            method: self.method.to_string(),
            url: std::mem::take(&mut self.url),
            by: self.by.take(),
            status: self.status,
            took: self.begun.elapsed(),
            bytes: self.sent.or(self.received),
        });
    }
}
