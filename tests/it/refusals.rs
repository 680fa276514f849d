//! Credentials that are refused: what is said of them, and how often they are shown.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use cargo_oci::image::digest::Digest;
use cargo_oci::registry::credentials::{Credential, Secret};
use cargo_oci::registry::{Options, Registry};
use cargo_oci::store::{Memory, copy};
use oci_spec::image::{Descriptor, MediaType};
use serde_json::json;

use crate::support::strict::answer::Answer;
use crate::support::strict::http::{Body, Origin, Request, Server};
use crate::support::strict::state::digest;

/// How many layers the image has.
const LAYERS: usize = 40;

/// A registry that counts what it refuses.
struct Refusing {
    address: SocketAddr,
    /// Method and path of each request that brought something and was refused.
    refused: Arc<Mutex<Vec<String>>>,
    _server: Server,
}

type Rule = fn(&Request, SocketAddr) -> Answer;

struct At {
    rule: Rule,
    address: SocketAddr,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Origin for At {
    fn answer(&self, request: &Request, body: &mut Body<'_>) -> Answer {
        let Ok(_) = body.all() else { return Answer::nothing() };
        let answer = (self.rule)(request, self.address);
        if matches!(answer.status, 401 | 403) && request.header("authorization").is_some() {
            let request = format!("{} {}", request.method, request.path());
            self.refused.lock().expect("no thread panics").push(request);
        }
        answer
    }
}

impl Refusing {
    fn start(rule: Rule) -> Refusing {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let refused = Arc::new(Mutex::default());
        let at = At { rule, address, refused: Arc::clone(&refused) };
        Refusing { address, refused, _server: Server::start(listener, Arc::new(at)) }
    }

    /// Connects to it with a password.
    fn connect(&self) -> Registry<'static> {
        self.connect_with(Credential::Basic { user: "robot".to_owned(), password: Secret::new("sesame") })
    }

    fn connect_with(&self, credential: Credential) -> Registry<'static> {
        let options = Options { credential, credential_source: "auths of FILE".to_owned(), ..Options::default() };
        let reference = format!("{}/acme/x:1", self.address).parse().expect("a reference");
        Registry::new(reference, options).expect("a client")
    }

    /// Pushes an image with many layers, which fails. Returns the error, and what was refused.
    fn push(&self) -> (String, Vec<String>) {
        let (memory, root, _) = image();
        let error = copy(&memory, &self.connect(), &[root]).expect_err("it is refused");
        (self.words(&error), self.refused())
    }

    fn refused(&self) -> Vec<String> {
        self.refused.lock().expect("no thread panics").clone()
    }

    fn words(&self, error: &miette::Report) -> String {
        let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
        causes.join("\n").replace(&self.address.to_string(), "HOST")
    }
}

/// An image with many layers, its manifest, and the layers.
fn image() -> (Memory, Descriptor, Vec<Descriptor>) {
    let memory = Memory::default();
    let put = |media_type: &str, bytes: Vec<u8>| {
        let digest = Digest::try_from(digest(&bytes).as_str()).expect("a digest");
        let descriptor = Descriptor::new(MediaType::from(media_type), bytes.len() as u64, digest);
        memory.put(&descriptor, bytes);
        descriptor
    };
    let layers: Vec<_> = (0..LAYERS)
        .map(|number| put("application/vnd.oci.image.layer.v1.tar", format!("layer {number}").into_bytes()))
        .collect();
    let config = put("application/vnd.oci.image.config.v1+json", b"{}".to_vec());
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers });
    let root = put(media_type, manifest.to_string().into_bytes());
    (memory, root, layers)
}

fn basic_challenge() -> Answer {
    Answer::error(401, "UNAUTHORIZED").with("WWW-Authenticate", "Basic realm=\"x\"")
}

fn token_challenge(address: SocketAddr, more: &str) -> Answer {
    let challenge = format!("Bearer realm=\"http://{address}/token\",service=\"x\"{more}");
    Answer::error(401, "UNAUTHORIZED").with("WWW-Authenticate", challenge)
}

fn is_read(request: &Request) -> bool {
    matches!(request.method.as_str(), "GET" | "HEAD")
}

fn has(request: &Request, scheme: &str) -> bool {
    request.header("authorization").is_some_and(|value| value.starts_with(scheme))
}

/// Grants all tokens.
fn token() -> Answer {
    Answer::new(200).body(br#"{"token": "T"}"#.to_vec())
}

#[test]
fn wrong_password_is_shown_once() {
    let registry = Refusing::start(|_, _| basic_challenge());
    let (words, refused) = registry.push();
    assert!(words.contains("HOST rejects the credentials from auths of FILE"), "{words}");
    assert_eq!(refused.len(), 1, "{refused:?}");
}

#[test]
fn wrong_password_is_shown_to_the_token_service_once() {
    let registry = Refusing::start(|request, address| match request.path() {
        "/token" => Answer::error(401, "UNAUTHORIZED"),
        _ => token_challenge(address, ""),
    });
    let (words, refused) = registry.push();
    assert!(words.contains("HOST rejects the credentials from auths of FILE"), "{words}");
    assert_eq!(refused, ["GET /token"]);
}

#[test]
fn wrong_password_is_shown_once_for_many_tags() {
    for rule in [(|_, _| basic_challenge()) as Rule, |request, address| match request.path() {
        "/token" => Answer::error(403, "DENIED"),
        _ => token_challenge(address, ""),
    }] {
        let server = Refusing::start(rule);
        let registry = server.connect();
        let failed = thread::scope(|scope| {
            let asked: Vec<_> = (0..20)
                .map(|number| {
                    let registry = &registry;
                    scope.spawn(move || registry.tagged(&format!("v{number}")).is_err())
                })
                .collect();
            asked.into_iter().map(|asked| asked.join().expect("no panic")).filter(|failed| *failed).count()
        });
        assert_eq!((failed, server.refused().len()), (20, 1), "{:?}", server.refused());
    }
}

#[test]
fn missing_right_to_push_is_asked_for_once() {
    let registry = Refusing::start(|request, address| match request.path() {
        "/token" => token(),
        _ if !has(request, "Bearer") => token_challenge(address, ""),
        _ if is_read(request) => Answer::error(404, "UNKNOWN"),
        _ => token_challenge(address, ",error=\"insufficient_scope\""),
    });
    let (words, refused) = registry.push();
    let expected = "HOST accepts the credentials from auths of FILE, but without the right to push to acme/x";
    assert!(words.contains(expected), "{words}");
    assert_eq!(refused, ["POST /v2/acme/x/blobs/uploads/"]);
}

#[test]
fn forbidden_push_is_asked_for_once() {
    let registry = Refusing::start(|request, _| match request {
        request if !has(request, "Basic") => basic_challenge(),
        request if is_read(request) => Answer::error(404, "UNKNOWN"),
        _ => Answer::error(403, "DENIED"),
    });
    let (words, refused) = registry.push();
    let expected = "HOST accepts the credentials from auths of FILE, but without the right to push to acme/x";
    assert!(words.contains(expected), "{words}");
    assert_eq!(refused.len(), 1, "{refused:?}");
}

#[test]
fn unasked_credentials_are_not_called_wrong() {
    for status in [401, 403] {
        let registry = Refusing::start(if status == 401 {
            |_, _| Answer::error(401, "X")
        } else {
            |_, _| Answer::error(403, "X")
        });
        let (words, refused) = registry.push();
        let expected = "HOST denies access, and has not asked for the credentials from auths of FILE";
        assert!(words.contains(expected), "{words}");
        assert_eq!(refused, [""; 0]);
    }
}

#[test]
fn token_that_registry_did_not_ask_for_is_not_wrong() {
    let registry = Refusing::start(|_, _| basic_challenge());
    let connected = registry.connect_with(Credential::RegistryToken(Secret::new("sesame")));
    let words = registry.words(&connected.tagged("1").expect_err("denied"));
    let expected = "the credentials from auths of FILE were not sent: HOST asks for a user and a password";
    assert!(words.contains(expected), "{words}");
    assert_eq!(registry.refused(), [""; 0]);
}

#[test]
fn denied_mount_scope_leaves_the_rest_of_the_token() {
    let registry = Refusing::start(|request, address| match request.path() {
        "/token" if request.target.contains("other") => Answer::error(403, "DENIED"),
        "/token" => token(),
        _ if !has(request, "Bearer") => token_challenge(address, ""),
        path if path.contains("/uploads/") && request.target.contains("mount=") => Answer::error(403, "DENIED"),
        path if path.contains("/uploads/") && request.method == "POST" => {
            Answer::new(202).with("Location", "/v2/acme/x/blobs/uploads/1")
        }
        _ if is_read(request) => Answer::error(404, "UNKNOWN"),
        _ => Answer::new(201),
    });
    let (memory, root, layers) = image();
    let connected = registry.connect();
    connected.mountable("other/base", &layers);
    copy(&memory, &connected, &[root]).expect("all is sent");
    let mounts = registry.refused().iter().filter(|request| request.starts_with("POST")).count();
    assert!((1..=LAYERS).contains(&mounts), "{mounts}");
}
