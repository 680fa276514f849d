//! Reports every request to the listener: method, URL and status, but no secrets.

use std::time::Instant;

use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method, RequestBuilder, Response};

use super::error::public_url;
use crate::event::{Event, Listener};

/// Sends a request and reports it to `notify`, also if it is dropped before the response.
///
/// # Errors
/// Returns an error if there is no response.
pub(crate) async fn execute(notify: Option<Listener<'_>>, request: RequestBuilder) -> reqwest::Result<Response> {
    let (http, request) = request.build_split();
    let request = request?;
    let mut traced = TracedRequest::start(notify, &request);
    let response = http.execute(request).await?;
    traced.respond(&response);
    Ok(response)
}

/// A request in progress, which is reported when it is dropped.
struct TracedRequest<'a> {
    notify: Option<Listener<'a>>,
    method: Method,
    url: String,
    start: Instant,
    sent: Option<u64>,
    received: Option<u64>,
    status: Option<u16>,
    /// The origin of the response if it is another than that of the request.
    redirected_to: Option<String>,
}

impl<'a> TracedRequest<'a> {
    fn start(notify: Option<Listener<'a>>, request: &reqwest::Request) -> TracedRequest<'a> {
        let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let sent = length.or_else(|| Some(request.body().and_then(Body::as_bytes)?.len() as u64));
        TracedRequest {
            notify,
            method: request.method().clone(),
            url: public_url(request.url()),
            start: Instant::now(),
            sent: sent.filter(|bytes| *bytes > 0),
            received: None,
            status: None,
            redirected_to: None,
        }
    }

    fn respond(&mut self, response: &Response) {
        // The origin only: the path of a redirect may be secret.
        let origin = response.url().origin().ascii_serialization();
        self.redirected_to = Some(origin).filter(|origin| !self.url.starts_with(origin.as_str()));
        self.status = Some(response.status().as_u16());
        // The length in a response to HEAD is that of a body that is not sent.
        self.received = response.content_length().filter(|bytes| self.method != Method::HEAD && *bytes > 0);
    }
}

impl Drop for TracedRequest<'_> {
    fn drop(&mut self) {
        let Some(notify) = self.notify else { return };
        notify(Event::Request {
            method: self.method.to_string(),
            url: std::mem::take(&mut self.url),
            by: self.redirected_to.take(),
            status: self.status,
            took: self.start.elapsed(),
            bytes: self.sent.or(self.received),
        });
    }
}
