//! Stand-ins for sigstore's certificate authority and its log, which nobody reaches without the Internet: an authority that
//! believes every token, and a log with one entry at a time. What they sign is signed as theirs is: cosign verifies it.

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SigningKey,
};
use serde_json::{Value, json};

use super::cosign::Cosign;
use super::registry::sha256;
use super::strict::answer::Answer;
use super::strict::http::{Body, Origin, Request, Server};
use super::workflow::name_workflow;

/// Who the token is for, and who has given it.
pub const IDENTITY: &str = "ci@example.org";
pub const ISSUER: &str = "https://issuer.example";

/// Both services, on one port.
pub struct Sigstore {
    server: Server,
    world: Arc<World>,
}

struct World {
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
    log: KeyPair,
    /// What was asked.
    paths: Mutex<Vec<String>>,
}

impl Sigstore {
    pub fn start() -> Sigstore {
        let (key, log) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let mut authority = CertificateParams::new(Vec::new()).expect("an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority.distinguished_name.push(DnType::CommonName, "authority");
        // gh chooses among roots by it.
        authority.distinguished_name.push(DnType::OrganizationName, "authority.example");
        let authority_pem = authority.self_signed(&key).expect("a certificate").pem();
        let authority = Issuer::new(authority, key);
        let world = Arc::new(World { authority, authority_pem, log, paths: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Sigstore { server: Server::start(listener, world.clone()), world }
    }

    /// How often certificates and entries were asked for.
    pub fn requests(&self) -> usize {
        self.world.paths.lock().expect("nobody panics").len()
    }

    /// Has cosign write which services these are, for who signs (`keyless.json`), and what they sign with, for who verifies
    /// (`root.json`).
    pub fn describe(&self, cosign: &Cosign, folder: &Path) {
        let url = format!("http://{}", self.server.address());
        let service = format!("url={url},api-version=1,start-time=2024-01-01T00:00:00Z,operator=test");
        let services = ["--fulcio", &service, "--rekor", &service, "--rekor-config", "ANY", "--out", "keyless.json"];
        super::process::output(&mut cosign.command(&[&["signing-config", "create"][..], &services].concat()));
        std::fs::write(folder.join("authority.pem"), &self.world.authority_pem).expect("a file");
        std::fs::write(folder.join("log.pem"), self.world.log.public_key_pem()).expect("a file");
        let fulcio = format!("url={url},certificate-chain=authority.pem,start-time=2024-01-01T00:00:00Z");
        let rekor = format!("url={url},public-key=log.pem,start-time=2024-01-01T00:00:00Z");
        let root = ["trusted-root", "create", "--fulcio", &fulcio, "--rekor", &rekor, "--out", "root.json"];
        super::process::output(&mut cosign.command(&root));
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
            "/api/v1/log/entries" => self.entry(&asked),
            _ => return Answer::new(404),
        };
        Answer::new(201).with("Content-Type", "application/json").body(answer.to_string().into_bytes())
    }
}

impl World {
    /// For the key that is asked for: whoever the token names.
    fn certificate(&self, asked: &Value) -> Value {
        let key = asked["publicKeyRequest"]["publicKey"]["content"].as_str().expect("a key");
        let key = PublicKey::read(key);
        let token = asked["credentials"]["oidcIdentityToken"].as_str().expect("a token");
        let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        let text = |name: &str| claims[name].as_str().expect("a text").to_owned();
        let mut wanted = CertificateParams::new(Vec::new()).expect("a certificate");
        if claims["email"].is_string() {
            wanted.subject_alt_names = vec![SanType::Rfc822Name(text("email").try_into().expect("an address"))];
        }
        wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        // Fulcio's own extension: who has given the token.
        let issuer = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 1], text("iss").into_bytes());
        wanted.custom_extensions = vec![issuer];
        name_workflow(&claims, &mut wanted);
        let now = std::time::SystemTime::now();
        (wanted.not_before, wanted.not_after) =
            ((now - Duration::from_secs(60)).into(), (now + Duration::from_secs(600)).into());
        let made = wanted.signed_by(&key, &self.authority).expect("a certificate");
        json!({ "signedCertificateEmbeddedSct": { "chain": { "certificates": [made.pem(), self.authority_pem] } } })
    }

    /// A log whose only entry is this one.
    fn entry(&self, asked: &Value) -> Value {
        let body = if asked["kind"] == "hashedrekord" { asked.clone() } else { World::statement(asked) };
        let body = BASE64_STANDARD.encode(body.to_string());
        let leaf = [&[0][..], &BASE64_STANDARD.decode(&body).expect("base64")].concat();
        self.log_of(&body, &leaf)
    }

    /// The body of the entry of an envelope.
    fn statement(asked: &Value) -> Value {
        let content = &asked["spec"]["proposedContent"];
        let text = content["envelope"].as_str().expect("an envelope");
        let envelope: Value = serde_json::from_str(text).expect("JSON");
        let payload = BASE64_STANDARD.decode(envelope["payload"].as_str().expect("a payload")).expect("base64");
        let hash =
            |bytes: &[u8]| json!({ "algorithm": "sha256", "value": sha256(bytes).trim_start_matches("sha256:") });
        json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": hash(text.as_bytes()),
                "payloadHash": hash(&payload),
                "signatures": [{ "signature": envelope["signatures"][0]["sig"], "verifier": content["verifiers"][0] }],
            },
        })
    }

    /// An entry with this body, as the log returns it.
    fn log_of(&self, body: &str, leaf: &[u8]) -> Value {
        let (root, log) = (hex(&sha256(leaf)), sha256(&self.log.subject_public_key_info()));
        let (root_text, log) = (BASE64_STANDARD.encode(&root), log.trim_start_matches("sha256:"));
        let note = format!("log.example - 1\n1\n{root_text}\n");
        let signed = self.log.sign(note.as_bytes()).expect("signs");
        let signature = BASE64_STANDARD.encode([&hex(log)[..4], &signed].concat());
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
        // In the order of RFC 8785, as the log signs it.
        let promise = format!("{{\"body\":\"{body}\",\"integratedTime\":{time},\"logID\":\"{log}\",\"logIndex\":0}}");
        let promise = BASE64_STANDARD.encode(self.log.sign(promise.as_bytes()).expect("signs"));
        json!({ log: {
            "body": body,
            "integratedTime": time,
            "logID": log,
            "logIndex": 0,
            "verification": {
                "signedEntryTimestamp": promise,
                "inclusionProof": {
                    "checkpoint": format!("{note}\n\u{2014} log.example {signature}\n"),
                    "hashes": [],
                    "logIndex": 0,
                    "rootHash": sha256(leaf).trim_start_matches("sha256:"),
                    "treeSize": 1,
                },
            },
        } })
    }
}

/// A key on the curve P-256, as a point on that.
struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads PEM: 26 bytes that are the same for all of them come before the point.
    fn read(pem: &str) -> PublicKey {
        let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        PublicKey(BASE64_STANDARD.decode(text).expect("base64").split_off(26))
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

/// The bytes of a digest.
fn hex(digest: &str) -> Vec<u8> {
    let digits = digest.trim_start_matches("sha256:").as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("digits"), 16).expect("digits");
    digits.chunks(2).map(byte).collect()
}
