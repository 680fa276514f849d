//! How the server of an endpoint is connected to.

use std::path::Path;

use miette::miette;
use reqwest::{Certificate, ClientBuilder, Identity};

use super::certificates::HostCertificates;
use crate::error::Result;

/// How a server is connected to. By default: TLS, a certificate of an authority that the system trusts, and a proxy if the
/// environment names one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAccess {
    /// What says that any certificate, or plain HTTP, will do. `None`: neither will.
    pub(crate) insecure: Option<String>,
    /// The certificates for the host.
    pub(crate) certificates: HostCertificates,
}

impl HostAccess {
    /// Adds the certificates to a client.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or is not PEM.
    pub(crate) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder> {
        if self.insecure.is_some() {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        for file in &self.certificates.authorities {
            let certificates = Certificate::from_pem_bundle(&read(file)?).unwrap_or_default();
            if certificates.is_empty() {
                return Err(miette!(
                    help = "write the certificate of the registry's authority there, in PEM: `-----BEGIN CERTIFICATE-----`",
                    "cannot use {}: it holds no certificate",
                    file.display()
                ));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if let Some(client) = &self.certificates.client {
            let mut pem = read(&client.certificate)?;
            pem.push(b'\n');
            pem.extend(read(&client.key)?);
            let identity = Identity::from_pem(&pem).map_err(|_| {
                miette!(
                    help = "both must be PEM, and the key without a password",
                    "cannot use {} with {} as a client certificate",
                    client.certificate.display(),
                    client.key.display()
                )
            })?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file)
        .map_err(|error| miette!(help = "make the file readable", "cannot read {}: {error}", file.display()))
}
