//! Bundles of statements, signed by whom a certificate names.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{KeyPair, SigningKey};
use serde_json::{Value, json};

use super::authority::Claims;
use super::log::Log;
use super::{World, hex, pem};

const TYPE: &str = "application/vnd.in-toto+json";

/// The statement that content of a digest is signed.
pub fn signature_of(digest: &str) -> Value {
    let (algorithm, hex) = digest.split_once(':').expect("a digest");
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { algorithm: hex } }],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
}

impl World {
    /// Signs a statement, and returns the bundle.
    pub fn sign(&self, statement: &Value, claims: &Claims) -> Value {
        self.sign_as(TYPE, statement, claims)
    }

    /// Signs a statement as content of that type.
    pub fn sign_as(&self, payload_type: &str, statement: &Value, claims: &Claims) -> Value {
        let key = KeyPair::generate().expect("a key");
        let certificate = self.authority.issue(&key, claims);
        let payload = statement.to_string();
        let signed = format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len());
        let signature = BASE64_STANDARD.encode(key.sign(signed.as_bytes()).expect("signs"));
        let envelope = json!({
            "payload": BASE64_STANDARD.encode(&payload),
            "payloadType": payload_type,
            "signatures": [{ "sig": signature }],
        });
        let verifier = json!(BASE64_STANDARD.encode(pem(&certificate)));
        let entry = self.log.entry(&Log::body(&envelope.to_string(), &verifier));
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": BASE64_STANDARD.encode(certificate) },
                "tlogEntries": [tlog_entry(&entry)],
            },
            "dsseEnvelope": envelope,
        })
    }
}

/// An entry as bundles have it (protobuf-specs, `sigstore_rekor.proto`).
fn tlog_entry(entry: &Value) -> Value {
    let proof = &entry["verification"]["inclusionProof"];
    let base64 = |value: &Value| BASE64_STANDARD.encode(hex(value.as_str().expect("a digest")));
    json!({
        "logIndex": entry["logIndex"].to_string(),
        "logId": { "keyId": base64(&entry["logID"]) },
        "kindVersion": { "kind": "dsse", "version": "0.0.1" },
        "integratedTime": entry["integratedTime"].to_string(),
        "inclusionPromise": { "signedEntryTimestamp": entry["verification"]["signedEntryTimestamp"] },
        "inclusionProof": {
            "logIndex": proof["logIndex"].to_string(),
            "rootHash": base64(&proof["rootHash"]),
            "treeSize": proof["treeSize"].to_string(),
            "hashes": [],
            "checkpoint": { "envelope": proof["checkpoint"] },
        },
        "canonicalizedBody": entry["body"],
    })
}
