//! Tests of the strict registry itself: it accepts a correct push, and notes each violation.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::strict::image::{Content, Image};
use crate::support::strict::random::Random;
use crate::support::strict::scene::{REPOSITORY, TAG};
use crate::support::strict::state::digest;
use crate::support::strict::tokens::{Access, PASSWORD};
use crate::support::strict::{Behaviour, StrictRegistry};

const OCTETS: &str = "Content-Type: application/octet-stream";
const ACCEPT: &str = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// An answer: status, head, body.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name} in {}", self.head)).1
    }
}

/// A client that sends any request, legal or not.
struct Client {
    registry: StrictRegistry,
    image: Image,
}

impl Client {
    fn new(behaviour: Behaviour) -> Client {
        Client { registry: StrictRegistry::start(behaviour), image: Image::random(&mut Random::new(4), None) }
    }

    fn plain() -> Client {
        Client::new(Behaviour::default())
    }

    /// Asks with these lines in the head; `target` is a path in the registry, or a URL.
    fn ask(&self, method: &str, target: &str, lines: &[&str], body: &[u8]) -> Answer {
        let host = self.registry.reference("");
        let host = host.trim_end_matches('/');
        let (host, target) =
            match target.strip_prefix("http://").map(|rest| rest.split_at(rest.find('/').unwrap_or(rest.len()))) {
                Some(parts) => parts,
                None => (host, target),
            };
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        for line in lines {
            head.push_str(&format!("{line}\r\n"));
        }
        if !lines.iter().any(|line| line.starts_with("Accept-Encoding")) {
            head.push_str("Accept-Encoding: identity\r\n");
        }
        if matches!(method, "POST" | "PUT" | "PATCH") && !lines.iter().any(|line| line.starts_with("Transfer")) {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut connection = TcpStream::connect(host).expect("the registry listens");
        connection.write_all(format!("{head}\r\n").as_bytes()).expect("the registry reads");
        connection.write_all(body).expect("the registry reads");
        connection.shutdown(std::net::Shutdown::Write).expect("the registry reads");
        let mut received = Vec::new();
        connection.read_to_end(&mut received).expect("the registry answers");
        let end = received.windows(4).position(|part| part == b"\r\n\r\n").expect("the head of an answer");
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head, body: received[end + 4..].to_vec() }
    }

    /// Starts an upload, and returns its Location.
    fn begin(&self) -> String {
        let answer = self.ask("POST", &format!("/v2/{REPOSITORY}/blobs/uploads/"), &[], &[]);
        assert_eq!(answer.status, 202);
        answer.header("Location").to_owned()
    }

    fn put_blob(&self, blob: &Content) -> u16 {
        let location = self.begin();
        self.ask("PUT", &with_digest(&location, &blob.digest), &[OCTETS], &blob.bytes).status
    }

    fn put_manifest(&self, reference: &str, manifest: &Content) -> u16 {
        let kind = format!("Content-Type: {}", manifest.media_type);
        self.ask("PUT", &format!("/v2/{REPOSITORY}/manifests/{reference}"), &[&kind], &manifest.bytes).status
    }

    /// Sends a chunk, and returns the next Location.
    fn patch(&self, location: &str, from: usize, chunk: &[u8]) -> String {
        let range = format!("Content-Range: {from}-{}", from + chunk.len() - 1);
        let answer = self.ask("PATCH", location, &[OCTETS, &range], chunk);
        assert!(answer.status < 300, "{}", answer.head);
        answer.header("Location").to_owned()
    }

    fn put_image(&self) {
        self.image.blobs.iter().for_each(|blob| assert!(self.put_blob(blob) < 300));
        for manifest in self.image.manifests.iter().chain([&self.image.index]) {
            assert!(self.put_manifest(&manifest.digest, manifest) < 300);
        }
        assert!(self.put_manifest(TAG, &self.image.index) < 300);
    }

    #[track_caller]
    fn assert_legal(&self) {
        assert_eq!(self.registry.violations(), Vec::<String>::new(), "{}", self.registry.log());
    }

    #[track_caller]
    fn assert_illegal(&self, why: &str) {
        let violations = self.registry.violations();
        assert!(violations.len() == 1 && violations[0].contains(why), "{violations:?}\n{}", self.registry.log());
    }
}

fn with_digest(location: &str, digest: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

/// A layer of several bytes.
fn layer(image: &Image) -> &Content {
    image.blobs.iter().find(|blob| blob.bytes.len() > 100).expect("a layer")
}

#[test]
fn push_in_order_is_legal() {
    let client = Client::plain();
    client.put_image();
    client.assert_legal();
    assert_eq!(client.registry.tag(REPOSITORY, TAG), Some(client.image.index.digest.clone()));
    let answer = client.ask("GET", &format!("/v2/{REPOSITORY}/manifests/{TAG}"), &[ACCEPT], &[]);
    assert_eq!(answer.body, client.image.index.bytes);
    let blob = layer(&client.image);
    let path = format!("/v2/{REPOSITORY}/blobs/{}", blob.digest);
    assert_eq!(client.ask("GET", &path, &[], &[]).body, blob.bytes);
    assert_eq!(client.ask("GET", &path, &["Range: bytes=7-"], &[]).body, blob.bytes[7..]);
    assert_eq!(client.ask("HEAD", &path, &[], &[]).header("Content-Length"), blob.bytes.len().to_string());
    client.assert_legal();
}

#[test]
fn consecutive_chunks_are_legal() {
    let client = Client::plain();
    let blob = layer(&client.image);
    let (first, second) = blob.bytes.split_at(40);
    let location = client.patch(&client.begin(), 0, first);
    let state = client.ask("GET", &location, &[], &[]);
    assert_eq!((state.status, state.header("Range")), (204, "0-39"));
    let location = client.patch(state.header("Location"), 40, second);
    assert_eq!(client.ask("PUT", &with_digest(&location, &blob.digest), &[], &[]).status, 201);
    client.assert_legal();
    assert!(client.registry.repository(REPOSITORY).blobs.contains_key(&blob.digest));
}

#[test]
fn manifest_before_its_blobs_is_noted() {
    let client = Client::plain();
    let manifest = &client.image.manifests[0];
    assert_eq!(client.put_manifest(&manifest.digest, manifest), 404);
    client.assert_illegal("a manifest before what it names");
}

#[test]
fn index_before_its_manifests_is_noted() {
    let client = Client::plain();
    client.image.blobs.iter().for_each(|blob| client.registry.put_blob(REPOSITORY, &blob.bytes));
    client.put_manifest(&client.image.index.digest, &client.image.index);
    client.assert_illegal("a manifest before what it names");
}

#[test]
fn tag_before_its_manifest_is_noted() {
    let client = Client::plain();
    client.image.blobs.iter().for_each(|blob| client.registry.put_blob(REPOSITORY, &blob.bytes));
    client.put_manifest(TAG, &client.image.manifests[0]);
    client.assert_illegal("a tag before");
}

#[test]
fn manifest_content_type_is_checked() {
    let client = Client::plain();
    client.image.blobs.iter().for_each(|blob| client.registry.put_blob(REPOSITORY, &blob.bytes));
    let manifest = &client.image.manifests[0];
    let other = Content { media_type: "application/json", ..manifest.clone() };
    client.put_manifest(&manifest.digest, &other);
    client.assert_illegal("Content-Type is \"application/json\"");
}

#[test]
fn manifest_digest_is_checked() {
    let client = Client::plain();
    client.image.blobs.iter().for_each(|blob| client.registry.put_blob(REPOSITORY, &blob.bytes));
    client.put_manifest(&digest(b"other"), &client.image.manifests[0]);
    client.assert_illegal("the manifest is sha256:");
}

#[test]
fn finished_upload_session_is_rejected() {
    for is_put in [true, false] {
        let client = Client::plain();
        let (blob, location) = (layer(&client.image), client.begin());
        let put = with_digest(&location, &blob.digest);
        if is_put {
            client.ask("PUT", &put, &[OCTETS], &blob.bytes)
        } else {
            client.ask("DELETE", &location, &[], &[])
        };
        client.assert_legal();
        assert_eq!(client.ask("PUT", &put, &[OCTETS], &blob.bytes).status, 404);
        client.assert_illegal("the session is");
    }
}

#[test]
fn outdated_location_is_noted() {
    let client = Client::plain();
    let blob = layer(&client.image);
    let first = client.begin();
    client.patch(&first, 0, &blob.bytes[..40]);
    client.ask("PATCH", &first, &[OCTETS, "Content-Range: 40-49"], &blob.bytes[40..50]);
    client.assert_illegal("not the latest Location");
}

#[test]
fn invented_location_is_noted() {
    let client = Client::plain();
    let (blob, location) = (layer(&client.image), client.begin());
    let rebuilt = location.split('?').next().expect("a path");
    client.ask("PUT", &with_digest(rebuilt, &blob.digest), &[OCTETS], &blob.bytes);
    client.assert_illegal("a Location that was never given");
}

#[test]
fn chunks_with_gaps_or_too_small_are_noted() {
    let client = Client::plain();
    let blob = layer(&client.image);
    let location = client.patch(&client.begin(), 0, &blob.bytes[..40]);
    let answer = client.ask("PATCH", &location, &[OCTETS, "Content-Range: 41-50"], &blob.bytes[41..51]);
    assert_eq!(answer.status, 416);
    client.assert_illegal("Content-Range Some(\"41-50\")");

    let seed = (0..1000).find(|seed| {
        let client = Client::new(Behaviour { seed: Some(*seed), ..Behaviour::default() });
        let answer = client.ask("POST", &format!("/v2/{REPOSITORY}/blobs/uploads/"), &[], &[]);
        answer.head.contains("OCI-Chunk-Min-Length: 1000") && answer.header("Location").starts_with("http")
    });
    let client = Client::new(Behaviour { seed, ..Behaviour::default() });
    let blob = layer(&client.image);
    let mut location = client.begin();
    for (nth, chunk) in blob.bytes.chunks(40).take(2).enumerate() {
        let range = format!("Content-Range: {}-{}", nth * 40, nth * 40 + chunk.len() - 1);
        let answer = client.ask("PATCH", &location, &[OCTETS, &range], chunk);
        if nth == 0 {
            location = client.absolute(&location, answer.header("Location"));
        }
    }
    client.assert_illegal("smaller than 1000 bytes");
}

#[test]
fn blob_digest_is_checked() {
    let client = Client::plain();
    let put = with_digest(&client.begin(), &digest(b"other"));
    assert_eq!(client.ask("PUT", &put, &[OCTETS], b"this").status, 400);
    client.assert_illegal("4 bytes that are sha256:");
}

#[test]
fn missing_content_length_is_noted() {
    let client = Client::plain();
    let put = with_digest(&client.begin(), &digest(b"this"));
    client.ask("PUT", &put, &["Transfer-Encoding: chunked", OCTETS], b"4\r\nthis\r\n0\r\n\r\n");
    let violations = client.registry.violations();
    assert!(violations.iter().any(|violation| violation.contains("Content-Length is []")), "{violations:?}");
}

#[test]
fn blob_content_type_is_checked() {
    let client = Client::plain();
    let put = with_digest(&client.begin(), &digest(b"this"));
    client.ask("PUT", &put, &["Content-Type: text/plain"], b"this");
    client.assert_illegal("Content-Type of a blob is");
}

#[test]
fn request_headers_and_paths_are_checked() {
    let manifest = format!("/v2/{REPOSITORY}/manifests/{TAG}");
    let client = Client::plain();
    client.ask("GET", &manifest, &["Accept: application/vnd.oci.image.index.v1+json"], &[]);
    assert_eq!(client.registry.violations().len(), 3, "{}", client.registry.log());

    let client = Client::plain();
    client.ask("GET", &manifest, &[ACCEPT, "Accept-Encoding: gzip, identity"], &[]);
    client.assert_illegal("Accept-Encoding is [\"gzip, identity\"]");

    let client = Client::plain();
    client.ask("GET", "/v2/_catalog", &[], &[]);
    client.assert_illegal("nothing is there");

    let client = Client::plain();
    client.ask("GET", &format!("http://{}/layers/one", client.registry.storage()), &[], &[]);
    client.assert_illegal("a URL that was never given");

    let client = Client::plain();
    client.ask("HEAD", &manifest, &[ACCEPT, "Cookie: a=b"], &[]);
    client.assert_illegal("a cookie");
}

#[test]
fn secrets_outside_their_header_are_noted() {
    let client = Client::new(Behaviour { access: Access::Bearer, ..Behaviour::default() });
    let storage = format!("http://{}/anything", client.registry.storage());
    let header = format!("X-Tidied-Up: {PASSWORD}");
    client.ask("GET", &storage, &[&header], &[]);
    client.ask("GET", &storage, &["Authorization: Bearer whatever"], &[]);
    client.ask("GET", &format!("/v2/?account={PASSWORD}"), &[], &[]);
    let violations = client.registry.violations().join("\n");
    for wanted in ["the password is none of", "an Authorization header is none of", "business of registry"] {
        assert!(violations.contains(wanted), "{violations}");
    }
}

#[test]
fn endless_requests_are_noted() {
    let client = Client::plain();
    for _ in 0..1_000 {
        client.ask("HEAD", &format!("/v2/{REPOSITORY}/manifests/{TAG}"), &[ACCEPT], &[]);
    }
    client.assert_illegal("1000 requests are too many");
}

impl Client {
    /// A Location as a URL, as it stands in the answer to a request to `asked`.
    fn absolute(&self, asked: &str, location: &str) -> String {
        let (host, path) = match asked.strip_prefix("http://").and_then(|rest| rest.split_once('/')) {
            Some((host, path)) => (host.to_owned(), format!("/{path}")),
            None => (self.registry.reference("").trim_end_matches('/').to_owned(), asked.to_owned()),
        };
        let folder = path.split('?').next().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
        match location {
            url if url.starts_with("http://") => url.to_owned(),
            rest if rest.starts_with("//") => format!("http:{rest}"),
            path if path.starts_with('/') => format!("http://{host}{path}"),
            name => format!("http://{host}{folder}/{name}"),
        }
    }
}
