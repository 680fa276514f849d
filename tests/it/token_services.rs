//! Registries and token services that answer in unusual ways.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use crate::support::connect_proxy::ConnectProxy;
use crate::support::home::Home;
use crate::support::process::Ran;
use crate::support::strict::answer::Answer;
use crate::support::strict::http::{Body, Origin, Request, Server};
use crate::support::strict::state::digest;
use crate::support::tls::{Authority, TlsProxy};
use serde_json::json;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry with one image whose answers to some requests are the test's.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    _server: Server,
}

struct Answers<F> {
    rule: F,
    seen: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
}

impl<F: Fn(&Request, SocketAddr) -> Option<Answer> + Send + Sync + 'static> Origin for Answers<F> {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        self.seen.lock().expect("no thread panics").push(format!("{} {}", request.method, request.path()));
        (self.rule)(request, self.address).unwrap_or_else(|| image(request))
    }
}

impl Registry {
    /// Answers by `rule`; with what the image has where that returns `None`.
    pub(crate) fn start(rule: impl Fn(&Request, SocketAddr) -> Option<Answer> + Send + Sync + 'static) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::default());
        let answers = Answers { rule, seen: Arc::clone(&seen), address };
        Registry { address, seen, _server: Server::start(listener, Arc::new(answers)) }
    }

    /// Has a user with a password inspect the image.
    fn inspect(&self) -> Ran {
        user(&self.address.to_string()).oci(&["inspect", &format!("{}/acme/x:1", self.address)], "")
    }

    fn count(&self, request: &str) -> usize {
        self.seen.lock().expect("no thread panics").iter().filter(|seen| *seen == request).count()
    }
}

/// A user with a password for a registry.
pub(crate) fn user(registry: &str) -> Home {
    Home::with_config(&json!({ "auths": { registry: { "username": "robot", "password": "sesame" } } }).to_string())
}

fn config() -> Vec<u8> {
    json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] } })
        .to_string()
        .into_bytes()
}

fn image(request: &Request) -> Answer {
    let config = config();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len(),
        },
        "layers": [],
    })
    .to_string()
    .into_bytes();
    if request.path().contains("/manifests/") {
        let digest = digest(&manifest);
        return Answer::new(200).with("Content-Type", MANIFEST).with("Docker-Content-Digest", digest).body(manifest);
    }
    if request.path().contains("/blobs/") {
        return Answer::new(200).with("Content-Type", "application/octet-stream").body(config);
    }
    Answer::error(404, "UNSUPPORTED")
}

fn challenge(address: SocketAddr) -> Answer {
    let challenge = format!("Bearer realm=\"http://{address}/token\",service=\"test\"");
    Answer::error(401, "UNAUTHORIZED").with("WWW-Authenticate", challenge)
}

fn token(body: &str) -> Answer {
    Answer::new(200).with("Content-Type", "application/json").body(body.as_bytes().to_vec())
}

fn shows(request: &Request, token: &str) -> bool {
    request.header("authorization") == Some(&format!("Bearer {token}"))
}

#[track_caller]
fn assert_inspected(ran: &Ran) {
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("linux/amd64"), "{}", ran.stdout);
}

#[test]
fn token_service_may_redirect_to_itself() {
    let registry = Registry::start(|request, address| match request.path() {
        "/token" => Some(Answer::new(307).with("Location", "/token/v2")),
        "/token/v2" => Some(token(r#"{"token": "T"}"#)),
        _ => (!shows(request, "T")).then(|| challenge(address)),
    });
    assert_inspected(&registry.inspect());
}

#[test]
fn token_service_may_not_redirect_to_another_origin() {
    let other = Registry::start(|_, _| Some(token(r#"{"token": "T"}"#)));
    let elsewhere = format!("http://{}/token", other.address);
    let registry = Registry::start(move |request, address| match request.path() {
        "/token" => Some(Answer::new(307).with("Location", elsewhere.clone())),
        _ => (!shows(request, "T")).then(|| challenge(address)),
    });
    let ran = registry.inspect();
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("/token returned 307"), "{}", ran.stderr);
    assert_eq!(other.seen.lock().expect("no thread panics").len(), 0);
}

#[test]
fn token_may_be_named_access_token_alone() {
    let registry = Registry::start(|request, address| match request.path() {
        "/token" => Some(token(r#"{"token": "", "access_token": "T", "expires_in": "300.0"}"#)),
        _ => (!shows(request, "T")).then(|| challenge(address)),
    });
    assert_inspected(&registry.inspect());
    assert_eq!(registry.count("GET /token"), 1);
}

#[test]
fn refusal_without_challenge_asks_root_for_one() {
    for status in [401, 403, 404] {
        let registry = Registry::start(move |request, address| match request.path() {
            "/token" => Some(token(r#"{"token": "T"}"#)),
            "/v2/" => Some(challenge(address)),
            _ => (!shows(request, "T")).then(|| Answer::error(status, "DENIED")),
        });
        assert_inspected(&registry.inspect());
        assert_eq!(registry.count("GET /v2/"), 1, "{status}");
    }
}

#[test]
fn expired_token_is_renewed_without_challenge() {
    let used = Mutex::new(0);
    let granted = Mutex::new(0);
    let registry = Registry::start(move |request, address| {
        if request.path() == "/token" {
            let mut granted = granted.lock().expect("no thread panics");
            *granted += 1;
            return Some(token(&format!("{{\"token\": \"T{granted}\"}}")));
        }
        let mut used = used.lock().expect("no thread panics");
        *used += usize::from(shows(request, "T1"));
        match *used {
            0 => Some(challenge(address)),
            1 => None,
            // The first token serves one request.
            _ => (!shows(request, "T2")).then(|| Answer::error(401, "UNAUTHORIZED")),
        }
    });
    assert_inspected(&registry.inspect());
    assert_eq!(registry.count("GET /token"), 2);
}

#[test]
fn names_behind_a_proxy_are_not_looked_up() {
    // Names that no resolver knows.
    let names = ["registry.proxied.test", "auth.proxied.test"];
    let registry = Registry::start(|request, _| match request.path() {
        "/token" => Some(token(r#"{"token": "T"}"#)),
        _ => (!shows(request, "T")).then(|| {
            let challenge = "Bearer realm=\"https://auth.proxied.test/token\",service=\"test\"";
            Answer::error(401, "UNAUTHORIZED").with("WWW-Authenticate", challenge)
        }),
    });
    let authority = Authority::new();
    let tls = TlsProxy::with_names(&registry.address.to_string(), &authority, &names);
    let proxy =
        ConnectProxy::start(&names.map(|name| format!("{name}:443")).each_ref().map(|name| (&**name, tls.host())));
    let home = user("registry.proxied.test").env("HTTPS_PROXY", proxy.url());
    std::fs::write(home.path("ca.pem"), authority.pem()).expect("a file");
    let pem = home.path("ca.pem");
    let ran = home.env("SSL_CERT_FILE", pem).oci(&["inspect", "registry.proxied.test/acme/x:1"], "");
    assert_inspected(&ran);
    assert!(proxy.asked().contains(&"auth.proxied.test:443".to_owned()), "{:?}", proxy.asked());
}

#[test]
fn trusted_token_service_receives_credentials() {
    // Both names are this computer's, and different hosts for a client.
    let registry = Registry::start(|request, address| match request.path() {
        "/token" if request.header("authorization").is_some() => Some(token(r#"{"token": "T"}"#)),
        "/token" => Some(Answer::error(401, "UNAUTHORIZED")),
        "/v2/" if shows(request, "T") => Some(Answer::new(200)),
        _ => (!shows(request, "T")).then(|| {
            let realm = format!("Bearer realm=\"http://localhost:{}/token\",service=\"x\"", address.port());
            Answer::error(401, "UNAUTHORIZED").with("WWW-Authenticate", realm)
        }),
    });
    let (host, service) = (registry.address.to_string(), format!("localhost:{}", registry.address.port()));
    let command = format!("cargo oci login {host} --trust-token-service {service}");
    let ran = registry.inspect();
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    let why = format!(
        "the credentials from auths of ~/.docker/config.json were not sent: the token service {service} of {host} is in another domain"
    );
    assert!(ran.stderr.contains(&why) && ran.stderr.matches(&command).count() == 2, "{}", ran.stderr);
    let home = Home::new();
    let login = ["login", &*host, "-u", "robot", "--password-stdin"];
    let words = home.fails(1, &login, "sesame");
    let why = format!("the password was not sent: the token service {service} of {host} is in another domain");
    assert!(words.contains(&why) && words.contains(&command), "{words}");
    // Another port is another service.
    let words = home.fails(1, &[&login[..], &["--trust-token-service", "localhost:1"]].concat(), "sesame");
    assert!(words.contains(&why), "{words}");
    assert!(!home.path(".docker").exists() && !home.path(".config").exists());
    home.succeeds(&[&login[..], &["--trust-token-service", &service]].concat(), "sesame");
    let kept = format!("[[token-service]]\nregistry = \"{host}\"\ntrust = \"{service}\"\n");
    assert_eq!(home.read(".config/cargo-oci/registries.toml"), kept);
    assert_inspected(&home.oci(&["inspect", &format!("{host}/acme/x:1")], ""));
    // Once is enough.
    home.succeeds(&[&login[..], &["--trust-token-service", &service]].concat(), "sesame");
    assert_eq!(home.read(".config/cargo-oci/registries.toml"), kept);
    home.succeeds(&login, "sesame");
}
