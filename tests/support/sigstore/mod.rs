//! Stand-ins for sigstore's certificate authority, its log of certificates and its log of signatures, which nobody reaches
//! without the Internet. What they sign is signed as theirs is: cosign verifies it.

pub mod authority;
pub mod bundle;
pub mod log;
pub mod tuf;
pub mod workflow;

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};

use super::registry::sha256;
use super::strict::answer::Answer;
use super::strict::http::{Body, Origin, Request, Server};
use authority::{Authority, Claims, PublicKey};
use log::Log;

/// Who the token is for, and who has given it.
pub const IDENTITY: &str = "ci@example.org";
pub const ISSUER: &str = "https://issuer.example";

/// All services, on one port.
pub struct Sigstore {
    server: Server,
    pub world: Arc<World>,
}

/// What they sign with.
pub struct World {
    pub authority: Authority,
    pub log: Log,
    /// What was asked.
    paths: Mutex<Vec<String>>,
}

impl World {
    pub fn new() -> World {
        World { authority: Authority::new(), log: Log::new(), paths: Mutex::default() }
    }

    /// The trusted root of these services (protobuf-specs, `sigstore_trustroot.proto`).
    pub fn trusted_root(&self) -> Value {
        let valid = json!({ "start": "2024-01-01T00:00:00Z" });
        let log = |key: &KeyPair| {
            let public = key.subject_public_key_info();
            json!({
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": BASE64_STANDARD.encode(&public),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": { "keyId": BASE64_STANDARD.encode(hex(&sha256(&public))) },
            })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.log.key)],
            "ctlogs": [log(&self.authority.certificate_log)],
            "certificateAuthorities": [{
                "subject": { "organization": "example", "commonName": "authority" },
                "uri": "https://authority.example",
                "certChain": { "certificates": [{ "rawBytes": BASE64_STANDARD.encode(&self.authority.certificate) }] },
                "validFor": valid,
            }],
            "timestampAuthorities": [],
        })
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl Sigstore {
    pub fn start() -> Sigstore {
        let world = Arc::new(World::new());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Sigstore { server: Server::start(listener, world.clone()), world }
    }

    /// How often certificates and entries were asked for.
    pub fn requests(&self) -> usize {
        self.world.paths.lock().expect("nobody panics").len()
    }

    /// Writes which services these are, for who signs (`keyless.json`), and what they sign with, for who verifies
    /// (`root.json`).
    pub fn describe(&self, folder: &Path) {
        let service = json!([{
            "url": format!("http://{}", self.server.address()),
            "majorApiVersion": 1,
            "validFor": { "start": "2024-01-01T00:00:00Z" },
            "operator": "test",
        }]);
        let services = json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": service,
            "rekorTlogUrls": service,
            "rekorTlogConfig": { "selector": "ANY" },
            "tsaConfig": {},
        });
        std::fs::write(folder.join("keyless.json"), services.to_string()).expect("a file");
        std::fs::write(folder.join("root.json"), self.world.trusted_root().to_string()).expect("a file");
    }
}

/// A token that says who one is, for as long. Nobody has signed it.
pub fn token(lasts: Duration) -> String {
    let until = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time") + lasts;
    let claims = json!({ "iss": ISSUER, "sub": "1", "aud": "sigstore", "email": IDENTITY, "email_verified": true, "exp": until.as_secs() });
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.x", part(json!({ "alg": "RS256" })), part(claims))
}

impl Origin for World {
    fn answer(&self, request: &Request, body: &mut Body<'_>) -> Answer {
        self.paths.lock().expect("nobody panics").push(request.path().to_owned());
        let asked: Value = serde_json::from_slice(&body.all().unwrap_or_default()).unwrap_or_default();
        let answer = match request.path() {
            "/api/v2/signingCert" => self.certificate(&asked),
            "/api/v1/log/entries" => self.log.answer(&asked),
            _ => return Answer::new(404),
        };
        Answer::new(201).with("Content-Type", "application/json").body(answer.to_string().into_bytes())
    }
}

impl World {
    /// For the key that is asked for: whoever the token names.
    fn certificate(&self, asked: &Value) -> Value {
        let key = PublicKey::read(asked["publicKeyRequest"]["publicKey"]["content"].as_str().expect("a key"));
        let token = asked["credentials"]["oidcIdentityToken"].as_str().expect("a token");
        let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        let text = |name: &str| claims[name].as_str().expect("a text").to_owned();
        let mut identity = Claims { issuer: Some(text("iss")), ..Claims::default() };
        match workflow::named(&claims) {
            Some((workflow, more)) => (identity.workflow, identity.more) = (Some(workflow), more),
            None => identity.email = text("email"),
        }
        let certificates = [pem(&self.authority.issue(&key, &identity)), pem(&self.authority.certificate)];
        json!({ "signedCertificateEmbeddedSct": { "chain": { "certificates": certificates } } })
    }
}

fn pem(der: &[u8]) -> String {
    let lines = BASE64_STANDARD.encode(der);
    let lines = lines.as_bytes().chunks(64).map(|line| str::from_utf8(line).expect("base64"));
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

/// The bytes of a digest.
pub fn hex(digest: &str) -> Vec<u8> {
    let digits = digest.trim_start_matches("sha256:").as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("digits"), 16).expect("digits");
    digits.chunks(2).map(byte).collect()
}
