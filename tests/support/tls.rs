//! A server that speaks TLS in front of a registry that does not, with certificates of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// An authority, which nobody trusts by default.
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Creates one.
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// The certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn issue(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        (params.signed_by(&key, &self.issuer).expect("a certificate"), key)
    }

    /// Writes a client's certificate that has expired, and its key.
    pub fn write_expired_client(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(folder.join(format!("{name}.cert")), certificate.pem()).expect("a file");
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("a file");
    }

    /// Writes a client's certificate and its key as `NAME.cert` and `NAME.key`.
    pub fn write_client(&self, folder: &Path, name: &str) {
        let (certificate, key) = self.issue(&[name]);
        std::fs::write(folder.join(format!("{name}.cert")), certificate.pem()).expect("a file");
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("a file");
    }
}

/// Listens on a port of 127.0.0.1, and passes on what it decrypts. Its threads end with the test's process, or when both
/// sides of their connection do.
pub struct TlsProxy {
    host: String,
}

impl TlsProxy {
    /// In front of `upstream`, `HOST:PORT`, with a certificate of `authority`.
    pub fn before(upstream: &str, authority: &Authority) -> TlsProxy {
        TlsProxy::start(upstream, authority, &["127.0.0.1"], false)
    }

    /// The same, with a certificate for these names.
    pub fn with_names(upstream: &str, authority: &Authority, names: &[&str]) -> TlsProxy {
        TlsProxy::start(upstream, authority, names, false)
    }

    /// The same, for clients alone that show a certificate of `authority`.
    pub fn with_client_certificates(upstream: &str, authority: &Authority) -> TlsProxy {
        TlsProxy::start(upstream, authority, &["127.0.0.1"], true)
    }

    fn start(upstream: &str, authority: &Authority, names: &[&str], asks_client: bool) -> TlsProxy {
        // It fails if there is one already, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (certificate, key) = authority.issue(names);
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = if asks_client {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.der().clone()).expect("an authority");
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
            ServerConfig::builder().with_client_cert_verifier(verifier)
        } else {
            ServerConfig::builder().with_no_client_auth()
        };
        let config = config.with_single_cert(vec![certificate.der().clone()], key).expect("a configuration");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let upstream = upstream.to_owned();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (config, upstream) = (Arc::clone(&config), upstream.clone());
                thread::spawn(move || pass(client, config, &upstream));
            }
        });
        TlsProxy { host }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// Passes bytes on, in turns, until one side ends.
fn pass(client: TcpStream, config: Arc<ServerConfig>, upstream: &str) -> Option<()> {
    const TURN: Duration = Duration::from_millis(2);
    let mut server = TcpStream::connect(upstream).ok()?;
    let mut tls = StreamOwned::new(ServerConnection::new(config).ok()?, client);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock).ok()?;
    }
    tls.sock.set_read_timeout(Some(TURN)).ok()?;
    server.set_read_timeout(Some(TURN)).ok()?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = received(tls.read(&mut buffer))?;
        server.write_all(&buffer[..count]).ok()?;
        let count = received(server.read(&mut buffer))?;
        tls.write_all(&buffer[..count]).ok()?;
        tls.flush().ok()?;
    }
}

/// How much was read, which is nothing if nothing came in time; `None` at the end.
fn received(read: std::io::Result<usize>) -> Option<usize> {
    match read {
        Ok(0) => None,
        Ok(count) => Some(count),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(0),
        Err(_) => None,
    }
}
