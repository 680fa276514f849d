//! Errors of requests to registries and token services: the request, what went wrong, and what to do about it.

use std::fmt;
use std::time::Duration;

use miette::Diagnostic;
use reqwest::{Method, StatusCode, Url};

use super::certificate::{CertificateProblem, causes};
use super::error_body::ErrorBody;
use super::phase::RequestPhase;
use super::scheme::speaks_plain_http;

/// A failed request.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) struct RequestError {
    /// `GET`, …
    pub method: Method,
    /// Without query and credentials, which may be secret.
    pub url: String,
    /// The cause.
    pub problem: RequestProblem,
    /// What else is known of it.
    pub context: Box<RequestContext>,
}

/// What is known of a failed request beside its cause.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestContext {
    /// The pause that the registry asks for before the next request.
    pub retry_after: Option<Duration>,
    /// The origin of the server that responded after a redirect, if it is another one.
    pub by: Option<String>,
    /// What the request was for, if its URL does not tell.
    pub phase: Option<RequestPhase>,
    /// Which attempt failed, and how many there may be; `None` if there was one.
    pub attempt: Option<(u32, u32)>,
    /// What the user can do about it.
    pub help: Option<String>,
}

/// The cause of a failed request.
#[derive(Clone, Debug)]
pub(crate) enum RequestProblem {
    /// There is no connection.
    Connect(String),
    /// The certificate of the server cannot be verified.
    Certificate(CertificateProblem),
    /// The server does not speak TLS.
    PlainHttp,
    /// The server closed the connection before the request was sent.
    Unsent,
    /// The connection broke.
    Transport(String),
    /// Nothing came from the server for this time.
    Timeout(Duration),
    /// The response has an error status.
    Status {
        /// The status.
        status: StatusCode,
        /// The error that the registry returned.
        body: ErrorBody,
    },
    /// The response is not what the protocol requires.
    InvalidResponse(String),
    /// The response is a manifest of Docker's schema 1, which is not supported.
    OldManifest,
    /// The request was not sent, because its URL is not to be trusted.
    Untrusted(String),
    /// The user pressed Ctrl-C.
    Interrupted,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequestError { method, url, problem, .. } = self;
        if matches!(problem, RequestProblem::Interrupted) {
            return f.write_str("interrupted");
        }
        write!(f, "{method} {url}")?;
        match problem {
            RequestProblem::Connect(cause) => write!(f, ": cannot connect: {cause}"),
            RequestProblem::Certificate(cause) => write!(f, ": {cause}"),
            RequestProblem::PlainHttp => f.write_str(": the server does not speak TLS"),
            RequestProblem::Unsent => f.write_str(": the server closed the connection before the request was sent"),
            RequestProblem::Transport(cause) => write!(f, ": {cause}"),
            RequestProblem::Timeout(time) => write!(f, ": the server was silent for {}", seconds(*time)),
            RequestProblem::Status { status, body } => {
                match &self.context.by {
                    Some(by) => write!(f, ": {by}, where it was redirected to, returned {status}")?,
                    None => write!(f, " returned {status}")?,
                }
                body.beyond(*status).map_or(Ok(()), |text| write!(f, ": {text}"))
            }
            RequestProblem::InvalidResponse(cause) => write!(f, " returned an invalid response: {cause}"),
            RequestProblem::OldManifest => f.write_str(" returned a manifest of Docker's schema 1, which is obsolete"),
            RequestProblem::Untrusted(cause) => write!(f, " was not sent: {cause}"),
            RequestProblem::Interrupted => Ok(()),
        }?;
        match self.context.attempt {
            Some((number, most)) => write!(f, " (attempt {number} of {most})"),
            None => Ok(()),
        }
    }
}

impl Diagnostic for RequestError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.context.help.as_ref().map(|help| -> Box<dyn fmt::Display> { Box::new(help) })
    }
}

impl RequestError {
    /// Creates an error of a request to `url`.
    pub(crate) fn new(method: &Method, url: &Url, problem: RequestProblem) -> RequestError {
        RequestError { method: method.clone(), url: public_url(url), problem, context: Box::default() }
    }

    /// Creates the error of a request that ended with Ctrl-C.
    pub(crate) fn interrupted() -> RequestError {
        RequestError {
            method: Method::GET,
            url: String::new(),
            problem: RequestProblem::Interrupted,
            context: Box::default(),
        }
    }

    /// Creates an error of a request that had no response within `time`.
    pub(crate) fn timeout(method: &Method, url: &Url, time: Duration) -> RequestError {
        RequestError::new(method, url, RequestProblem::Timeout(time))
    }

    /// Creates an error of a response that breaks the protocol.
    pub(crate) fn invalid_response(method: &Method, url: &Url, cause: impl Into<String>) -> RequestError {
        RequestError::new(method, url, RequestProblem::InvalidResponse(cause.into()))
    }

    /// Creates an error from that of the HTTP client.
    pub(crate) fn transport(method: &Method, url: &Url, error: &reqwest::Error) -> RequestError {
        let problem = match CertificateProblem::find(error) {
            Some(problem) => RequestProblem::Certificate(problem),
            None if speaks_plain_http(error) => RequestProblem::PlainHttp,
            None if error.is_redirect() => RequestProblem::InvalidResponse(root_cause(error)),
            None if error.is_connect() => RequestProblem::Connect(root_cause(error)),
            None if is_unsent(error) => RequestProblem::Unsent,
            None => RequestProblem::Transport(root_cause(error)),
        };
        RequestError::new(method, url, problem)
    }

    /// Returns the status of an error response.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match &self.problem {
            RequestProblem::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns whether the name service says that there is no such host, rather than nothing.
    pub(crate) fn is_unknown_host(&self) -> bool {
        // The words of glibc and musl, of macOS, and of Windows: std has no kind for it.
        const WORDS: [&str; 4] = [
            "Name or service not known",
            "Name does not resolve",
            "nodename nor servname provided",
            "No such host is known",
        ];
        matches!(&self.problem, RequestProblem::Connect(cause) if WORDS.iter().any(|words| cause.contains(words)))
    }

    /// Returns whether the registry says that there is no such repository.
    pub(crate) fn is_unknown_repository(&self) -> bool {
        matches!(&self.problem, RequestProblem::Status { body, .. } if body.has_code("NAME_UNKNOWN"))
    }

    /// Returns whether there was no response.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(
            self.problem,
            RequestProblem::Connect(_)
                | RequestProblem::Certificate(_)
                | RequestProblem::Unsent
                | RequestProblem::Transport(_)
                | RequestProblem::Timeout(_)
        )
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match &self.problem {
            // Registries do not find a blob for a moment while another client uploads the same one.
            RequestProblem::Status { status, body } => {
                matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504) || body.has_code("MANIFEST_BLOB_UNKNOWN")
            }
            // It does not change within seconds.
            RequestProblem::Certificate(_) => false,
            _ => self.is_unanswered(),
        }
    }
}

/// Returns whether the connection was closed before anything of the request was written to it.
fn is_unsent(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_canceled))
}

/// Returns the innermost cause, which is the only one that says more than "the request failed".
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "connection timed out".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Returns a time in seconds.
fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        1.0 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

/// Returns the URL without what may be secret in it: credentials, the query, and the name of an upload, as whoever knows it
/// can write there.
pub(crate) fn public_url(url: &Url) -> String {
    const UPLOADS: &str = "/blobs/uploads/";
    let url = format!("{}{}", url.origin().ascii_serialization(), url.path());
    match url.split_once(UPLOADS) {
        Some((before, name)) if !name.is_empty() => format!("{before}{UPLOADS}…"),
        _ => url,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::registry::http::HttpSettings;
    use crate::registry::{Connections, HostAccess};

    #[test]
    fn untrusted_certificate_is_reported_by_its_type() {
        let settings = HttpSettings { is_local: true, access: HostAccess::default() };
        let http = Connections::default().http(&settings).expect("a client");
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![signed.cert.der().clone()], key).expect("a configuration");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}/v2/", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut tls = rustls::ServerConnection::new(config.into()).expect("a connection");
            let _ = tls.complete_io(&mut stream);
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let error = runtime.block_on(http.get(&url).send()).expect_err("an unknown authority");
        let error = RequestError::transport(&Method::GET, &Url::parse(&url).expect("a URL"), &error);
        let cause = "cannot verify the server's certificate: unknown certificate authority";
        assert_eq!(error.to_string(), format!("GET {url}: {cause}"));
    }

    #[test]
    fn public_url_has_no_secrets() {
        let public = |url: &str| public_url(&Url::parse(url).expect("a URL"));
        assert_eq!(public("https://user:secret@example.org/v2/a?token=secret"), "https://example.org/v2/a");
        let upload = "https://example.org/v2/a/blobs/uploads/";
        assert_eq!(public(upload), upload);
        assert_eq!(public(&format!("{upload}secret?_state=secret")), format!("{upload}…"));
    }

    fn status(body: &[u8]) -> RequestError {
        let url = Url::parse("https://ghcr.io/v2/a/manifests/1").expect("a URL");
        let problem = RequestProblem::Status { status: StatusCode::SERVICE_UNAVAILABLE, body: ErrorBody::parse(body) };
        RequestError::new(&Method::GET, &url, problem)
    }

    #[test]
    fn status_is_told_with_what_the_body_adds() {
        let told = "GET https://ghcr.io/v2/a/manifests/1 returned 503 Service Unavailable";
        assert_eq!(status(b"service unavailable").to_string(), told);
        assert_eq!(status(b"closed today").to_string(), format!("{told}: closed today"));
    }

    #[test]
    fn error_names_attempt_and_who_answered() {
        let mut error = status(b"");
        error.context.attempt = Some((2, 5));
        error.context.by = Some("https://storage.example".to_owned());
        assert_eq!(
            error.to_string(),
            "GET https://ghcr.io/v2/a/manifests/1: https://storage.example, where it was redirected to, returned 503 Service \
             Unavailable (attempt 2 of 5)"
        );
    }
}
