//! Why the certificate of a server is rejected.

use std::error::Error;
use std::{fmt, io};

use rustls::{AlertDescription, CertificateError};

/// Why the certificate of a server, or of this client, is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CertificateProblem {
    /// It is signed by an authority that this computer does not trust.
    UnknownAuthority,
    /// It is valid for other names than that of the server.
    OtherName,
    /// It is no longer valid.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// Another reason, in the words of the TLS library.
    Other(String),
    /// The server rejects this client.
    Client(ClientRejection),
}

/// Why a server rejects a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientRejection {
    /// The client has shown no certificate.
    Required,
    /// Its certificate is no longer valid.
    Expired,
    /// Its certificate is not accepted for another reason.
    Unaccepted,
}

impl ClientRejection {
    fn new(alert: AlertDescription) -> Option<ClientRejection> {
        Some(match alert {
            AlertDescription::CertificateRequired => ClientRejection::Required,
            AlertDescription::CertificateExpired => ClientRejection::Expired,
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA => ClientRejection::Unaccepted,
            _ => return None,
        })
    }
}

impl CertificateProblem {
    /// Finds the problem among the causes of an error, or returns `None` if it has nothing to do with certificates.
    pub(crate) fn find(error: &(dyn Error + 'static)) -> Option<CertificateProblem> {
        causes(error).find_map(|cause| match cause.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(problem)) => Some(problem.into()),
            Some(rustls::Error::AlertReceived(alert)) => ClientRejection::new(*alert).map(CertificateProblem::Client),
            _ => None,
        })
    }

    /// Returns what the user can do about it.
    pub(crate) fn help(&self, registry: &str) -> String {
        match self {
            CertificateProblem::UnknownAuthority => {
                format!(
                    "if you trust {registry}, set SSL_CERT_FILE to a PEM file with the certificate of its authority"
                )
            }
            CertificateProblem::OtherName => format!("use a name of {registry} that its certificate is valid for"),
            CertificateProblem::Expired | CertificateProblem::NotYetValid => {
                format!("check the clock of this computer; if it is right, {registry} needs a new certificate")
            }
            CertificateProblem::Other(_) => format!("check the certificate of {registry}"),
            CertificateProblem::Client(ClientRejection::Required) => format!(
                "put a client certificate and its key into ~/.config/containers/certs.d/{registry}, as NAME.cert and NAME.key"
            ),
            CertificateProblem::Client(_) => {
                format!(
                    "replace NAME.cert and NAME.key in certs.d/{registry}: `cargo oci registry show {registry}` names the files"
                )
            }
        }
    }
}

impl From<&CertificateError> for CertificateProblem {
    fn from(error: &CertificateError) -> CertificateProblem {
        match error {
            CertificateError::UnknownIssuer => CertificateProblem::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                CertificateProblem::OtherName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateProblem::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                CertificateProblem::NotYetValid
            }
            other => CertificateProblem::Other(other.to_string()),
        }
    }
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            CertificateProblem::Client(ClientRejection::Required) => {
                return f.write_str("the server rejects the client: it requires a certificate");
            }
            CertificateProblem::Client(ClientRejection::Expired) => {
                return f.write_str("the server rejects the client: its certificate has expired");
            }
            CertificateProblem::Client(ClientRejection::Unaccepted) => {
                return f.write_str("the server rejects the client: its certificate is not accepted");
            }
            CertificateProblem::UnknownAuthority => "unknown certificate authority",
            CertificateProblem::OtherName => "it is not valid for this name",
            CertificateProblem::Expired => "it has expired",
            CertificateProblem::NotYetValid => "it is not valid yet",
            CertificateProblem::Other(cause) => cause,
        };
        write!(f, "cannot verify the server's certificate: {why}")
    }
}

/// Returns an error and all that caused it. The error in an I/O error is not its source, but the source of that.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), cause)
}

fn cause<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let error = *error;
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_problem_is_found_in_io_errors() {
        let inner = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = io::Error::other(io::Error::other(inner));
        assert_eq!(CertificateProblem::find(&error), Some(CertificateProblem::UnknownAuthority));
        assert_eq!(CertificateProblem::find(&io::Error::other("no certificate")), None);
    }
}
