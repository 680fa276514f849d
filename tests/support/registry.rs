//! A real registry: Debian's `docker-registry`, on a free port of this machine, its storage in a temporary folder.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::environment;
use super::process::{Process, output};
use super::token_service::{Signer, TokenService};

/// How long it may take to start, or to write its log.
const LIMIT: Duration = Duration::from_secs(60);
/// How the requests of this module name their sender. [`DockerRegistry::requests`] leaves them out.
const OUR_AGENT: &str = "test-support";
/// The types of manifests; a registry gives none that is not asked for.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A `docker-registry` that runs; it is stopped on drop.
pub struct DockerRegistry {
    // Before the folder: what it writes into goes after it.
    server: Process,
    folder: TempDir,
    host: String,
    signer: Option<Arc<Signer>>,
    /// What its only user sends.
    basic: Option<String>,
}

/// A request that the registry answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// From `/v2/` on, with the query.
    pub path: String,
    /// Of the answer.
    pub status: u16,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.path, self.status)
    }
}

/// What the registry answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// Names in lowercase.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// The value of the header `name`, which is in lowercase.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl DockerRegistry {
    /// One that everyone may read and write.
    pub fn start() -> DockerRegistry {
        DockerRegistry::start_with(None, None)
    }

    /// One that lets nobody in but this user, whose name and password are in a file of Apache's `htpasswd`.
    pub fn with_htpasswd(user: &str, password: &str) -> DockerRegistry {
        DockerRegistry::start_with(None, Some((user, password)))
    }

    /// One that asks for tokens of `service`.
    pub fn with_tokens(service: &TokenService) -> DockerRegistry {
        DockerRegistry::start_with(Some(service), None)
    }

    /// One that speaks TLS as [`TLS_NAME`], with a certificate of an authority of its own ([`DockerRegistry::authority`])
    /// that ends in the year `until`.
    pub fn with_tls(until: i32) -> DockerRegistry {
        DockerRegistry::start_in(|folder, config| {
            let (authority, certificate, key) = certificate(until);
            for (name, pem) in [("authority.pem", authority), ("certificate.pem", certificate), ("key.pem", key)] {
                fs::write(folder.join(name), pem).expect("a temporary file");
            }
            let path = |name| folder.join(name);
            config["http"]["tls"] = json!({ "certificate": path("certificate.pem"), "key": path("key.pem") });
        })
    }

    /// The certificate of the authority that signed the registry's, as a file.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// The folder that it keeps all blobs in.
    pub fn blobs(&self) -> PathBuf {
        self.folder.path().join("storage/docker/registry/v2/blobs")
    }

    /// What a tag stands for, by the registry's own files.
    pub fn link(&self, repository: &str, tag: &str) -> Option<String> {
        let repositories = self.folder.path().join("storage/docker/registry/v2/repositories");
        let link = repositories.join(repository).join("_manifests/tags").join(tag).join("current/link");
        fs::read_to_string(link).ok()
    }

    /// One that deletes manifests, for whoever has a token of the service that lets them.
    pub fn with_deletes(service: &TokenService) -> DockerRegistry {
        let mut registry = DockerRegistry::start_in(|_, config| {
            config["storage"]["delete"] = json!({ "enabled": true });
            config["auth"] = json!({ "token": service.registry_config() });
        });
        registry.signer = Some(service.signer());
        registry
    }

    /// Deletes a manifest.
    pub fn delete_manifest(&self, repository: &str, digest: &str) {
        let answer = self.request(repository, "DELETE", &format!("/v2/{repository}/manifests/{digest}"), &[], &[]);
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    fn start_with(tokens: Option<&TokenService>, user: Option<(&str, &str)>) -> DockerRegistry {
        let mut registry = DockerRegistry::start_in(|folder, config| {
            if let Some(service) = tokens {
                config["auth"] = json!({ "token": service.registry_config() });
            }
            if let Some((user, password)) = user {
                let lines = output(environment::command("htpasswd").args(["-nbB", user, password]));
                let path = folder.join("htpasswd");
                fs::write(&path, lines).expect("a temporary file");
                config["auth"] = json!({ "htpasswd": { "realm": "registry.test", "path": path } });
            }
        });
        registry.basic = user.map(|(user, password)| BASE64_STANDARD.encode(format!("{user}:{password}")));
        registry.signer = tokens.map(TokenService::signer);
        registry
    }

    fn start_in(configure: impl FnOnce(&Path, &mut Value)) -> DockerRegistry {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name| folder.path().join(name);
        let mut config = json!({
            "version": "0.1",
            "log": { "level": "info" },
            "storage": { "filesystem": { "rootdirectory": path("storage") } },
            // The system chooses a free port; the log says which.
            "http": { "addr": "127.0.0.1:0" },
        });
        configure(folder.path(), &mut config);
        // The file should be YAML, and JSON is.
        fs::write(path("config.yml"), config.to_string()).expect("a temporary file");
        let file = |name| File::create(path(name)).expect("a temporary file");
        let mut server = Process::start(
            environment::command("docker-registry")
                .arg("serve")
                .arg(path("config.yml"))
                .stdout(file("access.log"))
                .stderr(file("registry.log")),
        );
        let log = || fs::read_to_string(path("registry.log")).unwrap_or_default();
        let port = wait_for(|| {
            assert!(server.ended().is_none(), "docker-registry ended:\n{}", log());
            port_in(&log())
        });
        let Some(port) = port else {
            panic!("docker-registry does not listen after {LIMIT:?}:\n{}", log());
        };
        DockerRegistry { server, host: format!("127.0.0.1:{port}"), signer: None, basic: None, folder }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The full name of `repo_tag`, such as `127.0.0.1:PORT/hello:latest` for `hello:latest`.
    pub fn reference(&self, repo_tag: &str) -> String {
        format!("{}/{repo_tag}", self.host)
    }

    /// What it was asked so far, in the order of the answers; without what this module asked. It has to run still.
    pub fn requests(&self) -> Vec<Request> {
        // A line is written at the end of its answer, so all are there once this one is.
        let marker = format!("/v2/?marker={}", self.log_lines().len());
        self.request("", "GET", &marker, &[], &[]);
        let all = wait_for(|| {
            let lines = self.log_lines();
            lines.iter().any(|(_, request)| request.path == marker).then_some(lines)
        });
        let all = all.expect("docker-registry writes its access log");
        let others = all.into_iter().filter(|(agent, _)| agent != OUR_AGENT);
        others.map(|(_, request)| request).collect()
    }

    /// The access log's lines: who asked, and what.
    fn log_lines(&self) -> Vec<(String, Request)> {
        let log = fs::read_to_string(self.folder.path().join("access.log"));
        let log = log.expect("docker-registry has an access log");
        let complete = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        complete.map(|line| log_line(line).unwrap_or_else(|| panic!("access log: {line}"))).collect()
    }

    /// Stops it: connections are refused from now on.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Changes a byte of a blob where the registry keeps it.
    pub fn corrupt(&self, digest: &str) {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.folder.path().join("storage/docker/registry/v2/blobs/sha256");
        let path = blobs.join(&hex[..2]).join(hex).join("data");
        let mut content = fs::read(&path).expect("a blob of the registry");
        content[0] ^= 1;
        fs::write(path, content).expect("a blob of the registry");
    }

    /// Puts a blob there, and returns its digest.
    pub fn put_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = sha256(content);
        let uploads = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.request(repository, "POST", &uploads, &[], &[]);
        let location = answer.header("location").filter(|_| answer.status == 202);
        let Some(location) = location else { panic!("POST {uploads}: {answer:?}") };
        let start = location.find("/v2/").expect("a location in the registry");
        let upload = format!("{}&digest={digest}", &location[start..]);
        let kind = [("Content-Type", "application/octet-stream")];
        let answer = self.request(repository, "PUT", &upload, &kind, content);
        assert!(answer.status == 201, "PUT {upload}: {answer:?}");
        digest
    }

    /// Puts a manifest or an index there, byte for byte; `reference` is a tag or its digest.
    pub fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, content: &[u8]) {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let kind = [("Content-Type", media_type)];
        let answer = self.request(repository, "PUT", &path, &kind, content);
        assert!(answer.status == 201, "PUT {path}: {answer:?}");
    }

    /// The manifest or index of a tag or digest: its media type and its bytes.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Vec<u8>)> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let accept = [("Accept", MANIFEST_TYPES)];
        let answer = self.found(self.request(repository, "GET", &path, &accept, &[]))?;
        Some((answer.header("content-type")?.to_owned(), answer.body))
    }

    /// The bytes of the blob `digest`.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        Some(self.found(self.request(repository, "GET", &path, &[], &[]))?.body)
    }

    fn found(&self, answer: Answer) -> Option<Answer> {
        assert!([200, 404].contains(&answer.status), "{}: {answer:?}", self.host);
        (answer.status == 200).then_some(answer)
    }

    /// Asks for `path`, with the right to do anything in `repository` where the registry wants tokens.
    fn request(&self, repository: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        // HTTP/1.0: the answer ends where the connection does.
        let mut head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nUser-Agent: {OUR_AGENT}\r\nContent-Length: {}\r\n",
            self.host,
            body.len(),
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(signer) = &self.signer {
            let token = signer.everything_in(repository);
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if let Some(basic) = &self.basic {
            head.push_str(&format!("Authorization: Basic {basic}\r\n"));
        }
        head.push_str("\r\n");
        let mut connection = TcpStream::connect(&self.host).expect("docker-registry listens");
        connection.set_read_timeout(Some(LIMIT)).expect("a limit on reading");
        let mut sent = connection.write_all(head.as_bytes());
        sent = sent.and_then(|()| connection.write_all(body));
        let mut received = Vec::new();
        let result = sent.and_then(|()| connection.read_to_end(&mut received));
        let answer = result.ok().and_then(|_| parse_answer(&received));
        answer.unwrap_or_else(|| panic!("{method} {path}: {:?}", String::from_utf8_lossy(&received)))
    }
}

/// Asks again until there is a result, for no longer than [`LIMIT`].
fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(found) = ask() {
            return Some(found);
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

/// The name that certificates of [`DockerRegistry::with_tls`] are for.
pub const TLS_NAME: &str = "registry.test";

/// An authority's certificate, one that it signed, and the key of that: all in PEM.
fn certificate(until: i32) -> (String, String, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    let key = || KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("an authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = key();
    let authority_pem = authority.self_signed(&authority_key).expect("a certificate").pem();
    let mut own = CertificateParams::new(vec![TLS_NAME.to_owned()]).expect("a certificate");
    own.not_before = date_time_ymd(2000, 1, 1);
    own.not_after = date_time_ymd(until, 1, 1);
    let own_key = key();
    let issuer = Issuer::new(authority, authority_key);
    let own_pem = own.signed_by(&own_key, &issuer).expect("a certificate").pem();
    (authority_pem, own_pem, own_key.serialize_pem())
}

/// The port in `… msg="listening on 127.0.0.1:PORT" …`.
fn port_in(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("msg=\"listening on 127.0.0.1:")?;
    rest.split(['"', ',']).next()?.parse().ok()
}

/// A line such as `127.0.0.1 - - [TIME] "GET /v2/ HTTP/1.1" 200 2 "" "agent"`.
fn log_line(line: &str) -> Option<(String, Request)> {
    let mut quoted = line.split('"');
    let mut words = quoted.nth(1)?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let status = quoted.next()?.split_whitespace().next()?.parse().ok()?;
    let agent = quoted.nth(2)?.to_owned();
    Some((agent, Request { method, path, status }))
}

fn parse_answer(received: &[u8]) -> Option<Answer> {
    let end = received.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = str::from_utf8(&received[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    Some(Answer { status, headers: headers.collect(), body: received[end + 4..].to_vec() })
}

/// The sha256 of `content`, as a digest.
pub fn sha256(content: &[u8]) -> String {
    let hex = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256:{hex}")
}
