//! Whether a server speaks TLS. Only servers on this computer, and those that the user named as insecure, are asked: all
//! others must.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use reqwest::Client;
use reqwest::header::ACCEPT_ENCODING;

use super::certificate::{CertificateProblem, causes};
use crate::reference::is_loopback;

/// How long a server may take to begin TLS: on this computer, and elsewhere.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(10);

/// The scheme of a registry's URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        })
    }
}

/// Asks the server at `host` whether it speaks TLS. No credentials are sent. If it does not answer, `otherwise` is returned:
/// the first request will tell why.
pub(super) async fn detect(http: &Client, host: &str, otherwise: Scheme) -> Scheme {
    let timeout = if is_loopback(host) { LOCAL_TIMEOUT } else { TIMEOUT };
    let request = http.get(format!("https://{host}/v2/")).header(ACCEPT_ENCODING, "identity").timeout(timeout).send();
    match request.await {
        Ok(_) => Scheme::Https,
        Err(error) if speaks_plain_http(&error) => Scheme::Http,
        // A certificate that is not valid is one.
        Err(error) if CertificateProblem::find(&error).is_some() => Scheme::Https,
        Err(error) if error.is_connect() && is_hang_up(&error) => Scheme::Http,
        // TLS has begun: the server rejects this client, or closed the connection after.
        Err(error) if !error.is_connect() && !error.is_timeout() => Scheme::Https,
        Err(_) => otherwise,
    }
}

/// Returns whether a server answered the start of TLS with something else.
pub(super) fn speaks_plain_http(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidMessage(_))))
}

/// Returns whether a server closed the connection at the start of TLS.
fn is_hang_up(error: &(dyn Error + 'static)) -> bool {
    let mut kinds = causes(error).filter_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()));
    kinds.any(|kind| {
        matches!(kind, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    })
}
