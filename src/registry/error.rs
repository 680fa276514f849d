//! Errors of requests to registries and token services: the request, what went wrong, and what to do about it.

use std::fmt;
use std::time::Duration;

use miette::Diagnostic;
use reqwest::{Method, StatusCode, Url};

use super::certificate::CertificateProblem;
use super::error_body::ErrorBody;
use super::scheme::speaks_plain_http;
use crate::reference::is_loopback;

/// A failed request.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) struct RequestError {
    /// `GET`, …
    pub method: Method,
    /// Without query and credentials, which may be secret.
    pub url: String,
    /// The cause.
    pub problem: RequestProblem,
    /// The pause that the registry asks for before the next request.
    pub retry_after: Option<Duration>,
    /// Whether the response came from another origin, which the registry redirects to.
    pub is_from_elsewhere: bool,
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
    /// The connection broke.
    Transport(String),
    /// There was no response within so many seconds.
    Timeout(u64),
    /// The response has an error status.
    Status {
        /// The status.
        status: StatusCode,
        /// The error that the registry returned.
        body: ErrorBody,
    },
    /// The response is not what the protocol requires.
    InvalidResponse(String),
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
            RequestProblem::Certificate(cause) => write!(f, ": cannot verify the server's certificate: {cause}"),
            RequestProblem::PlainHttp => f.write_str(": the server does not speak TLS"),
            RequestProblem::Transport(cause) => write!(f, ": {cause}"),
            RequestProblem::Timeout(seconds) => write!(f, ": no response within {seconds} seconds"),
            RequestProblem::Status { status, body } if !body.is_empty() => write!(f, " returned {status}: {body}"),
            RequestProblem::Status { status, .. } if self.is_push() && is_unsupported(*status) => {
                write!(f, " returned {status}: the registry is read-only or does not accept pushes")
            }
            RequestProblem::Status { status, .. } => write!(f, " returned {status}"),
            RequestProblem::InvalidResponse(cause) => write!(f, " returned an invalid response: {cause}"),
            RequestProblem::Untrusted(cause) => write!(f, " was not sent: {cause}"),
            RequestProblem::Interrupted => Ok(()),
        }
    }
}

impl Diagnostic for RequestError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let registry = self.registry();
        let help = match &self.problem {
            RequestProblem::Certificate(problem) => problem.help(registry),
            RequestProblem::Connect(_) | RequestProblem::Timeout(_) if self.is_local() => {
                format!("check that a registry runs at {registry} on this computer")
            }
            RequestProblem::Connect(_) | RequestProblem::Timeout(_) => {
                format!("check the host {registry} and the network; set HTTPS_PROXY if the network requires a proxy")
            }
            RequestProblem::PlainHttp => format!(
                "if {registry} has no TLS and you trust the network up to it, add `--insecure-registry {registry}`"
            ),
            RequestProblem::Transport(_) => {
                format!("try again; if it fails again, check the network between here and {registry}")
            }
            RequestProblem::Status { status, body } => self.status_help(*status, body),
            RequestProblem::InvalidResponse(_) => format!("check that {registry} is a container registry"),
            RequestProblem::Untrusted(_) => {
                "check the registry's host; if it is right, its operator has to fix the address of the token service"
                    .to_owned()
            }
            RequestProblem::Interrupted => return None,
        };
        Some(Box::new(help))
    }
}

impl RequestError {
    /// Creates an error of a request to `url`.
    pub(crate) fn new(method: &Method, url: &Url, problem: RequestProblem) -> RequestError {
        RequestError {
            method: method.clone(),
            url: redacted(url),
            problem,
            retry_after: None,
            is_from_elsewhere: false,
        }
    }

    /// Creates the error of a request that ended with Ctrl-C.
    pub(crate) fn interrupted() -> RequestError {
        RequestError {
            method: Method::GET,
            url: String::new(),
            problem: RequestProblem::Interrupted,
            retry_after: None,
            is_from_elsewhere: false,
        }
    }

    /// Creates an error of a request that had no response within `time`.
    pub(crate) fn timeout(method: &Method, url: &Url, time: Duration) -> RequestError {
        RequestError::new(method, url, RequestProblem::Timeout(time.as_secs()))
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

    /// Returns whether there was no response.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(
            self.problem,
            RequestProblem::Connect(_)
                | RequestProblem::Certificate(_)
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

    /// Returns the registry's name as users write it.
    fn registry(&self) -> &str {
        match self.url.split("://").nth(1).and_then(|rest| rest.split('/').next()) {
            Some("registry-1.docker.io") => "docker.io",
            Some(host) => host,
            None => &self.url,
        }
    }

    /// Returns whether the server is on this computer.
    fn is_local(&self) -> bool {
        is_loopback(self.registry())
    }

    fn is_push(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }

    fn status_help(&self, status: StatusCode, body: &ErrorBody) -> String {
        let registry = self.registry();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!("run `cargo oci login {registry}`"),
            StatusCode::NOT_FOUND if body.is_foreign() => {
                format!("check that {registry} is a container registry, and check the repository name")
            }
            StatusCode::NOT_FOUND if self.is_push() => {
                "check the repository name, or create the repository: some registries (such as Amazon ECR) require that before the first push"
                    .to_owned()
            }
            StatusCode::NOT_FOUND if body.has_code("NAME_UNKNOWN") => "check the repository name".to_owned(),
            StatusCode::NOT_FOUND => "check the repository name, and its tag or digest".to_owned(),
            StatusCode::TOO_MANY_REQUESTS => "try again later".to_owned(),
            StatusCode::PAYLOAD_TOO_LARGE => format!("raise the limit for request bodies of {registry} or of its proxy"),
            status if is_unsupported(status) && self.is_push() => {
                "push to another registry: `--repository` or the key `repository`".to_owned()
            }
            status if status.is_server_error() && !is_unsupported(status) => {
                format!("try again later; if it fails again, report it to the operator of {registry}")
            }
            _ => format!("check that {registry} is a container registry that supports OCI images"),
        }
    }
}

/// Returns whether the status means that a server does not implement a method.
fn is_unsupported(status: StatusCode) -> bool {
    matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
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

/// Returns the URL without what may be secret in it.
pub(crate) fn redacted(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::registry::http::HttpSettings;
    use crate::registry::{Connections, HostAccess};

    fn error(method: &Method, status: StatusCode, body: &[u8]) -> RequestError {
        let url = Url::parse("https://ghcr.io/v2/a/blobs/uploads/").expect("a URL");
        RequestError::new(method, &url, RequestProblem::Status { status, body: ErrorBody::parse(body) })
    }

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
    fn redacted_url_has_no_secrets() {
        let url = Url::parse("https://user:secret@example.org/v2/a?token=secret").expect("a URL");
        assert_eq!(redacted(&url), "https://example.org/v2/a");
    }

    #[test]
    fn unsupported_push_says_registry_is_read_only() {
        let error = error(&Method::POST, StatusCode::METHOD_NOT_ALLOWED, b"");
        assert_eq!(
            error.to_string(),
            "POST https://ghcr.io/v2/a/blobs/uploads/ returned 405 Method Not Allowed: the registry is read-only or does not accept pushes"
        );
    }

    #[test]
    fn not_found_help_fits_the_error_code() {
        let help = |method: Method, body: &[u8]| {
            let error = error(&method, StatusCode::NOT_FOUND, body);
            error.help().map(|help| help.to_string()).unwrap_or_default()
        };
        let unknown = br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}"#;
        assert_eq!(help(Method::GET, unknown), "check the repository name");
        assert!(help(Method::POST, unknown).contains("create the repository"));
        assert!(help(Method::POST, b"404 page not found").contains("is a container registry"));
        assert_eq!(help(Method::HEAD, b""), "check the repository name, and its tag or digest");
    }
}
