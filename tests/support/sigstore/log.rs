//! A log with one entry at a time.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use serde_json::{Value, json};

use super::super::registry::sha256;
use super::hex;

pub struct Log {
    /// What it signs with.
    pub key: KeyPair,
}

impl Log {
    pub fn new() -> Log {
        Log { key: KeyPair::generate().expect("a key") }
    }

    /// The answer to who enters what is signed (Rekor 1: `dsse` 0.0.1, or `hashedrekord` 0.0.1).
    pub fn answer(&self, asked: &Value) -> Value {
        let content = &asked["spec"]["proposedContent"];
        if content.is_null() {
            return json!({ "log": self.entry(&asked.to_string()) });
        }
        let envelope = content["envelope"].as_str().expect("an envelope");
        json!({ "log": self.entry(&Log::body(envelope, &content["verifiers"][0])) })
    }

    /// The text that is in the log for an envelope and a certificate, which is base64 of PEM.
    pub fn body(text: &str, verifier: &Value) -> String {
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
                "signatures": [{ "signature": envelope["signatures"][0]["sig"], "verifier": verifier }],
            },
        })
        .to_string()
    }

    /// The entry of a text, in a log whose only entry it is.
    pub fn entry(&self, text: &str) -> Value {
        let body = BASE64_STANDARD.encode(text);
        let leaf = [&[0][..], text.as_bytes()].concat();
        let (root, log) = (hex(&sha256(&leaf)), sha256(&self.key.subject_public_key_info()));
        let (root_text, log) = (BASE64_STANDARD.encode(&root), log.trim_start_matches("sha256:"));
        let note = format!("log.example - 1\n1\n{root_text}\n");
        let signed = self.key.sign(note.as_bytes()).expect("signs");
        let signature = BASE64_STANDARD.encode([&hex(log)[..4], &signed].concat());
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
        // In the order of RFC 8785, as the log signs it.
        let promise = format!("{{\"body\":\"{body}\",\"integratedTime\":{time},\"logID\":\"{log}\",\"logIndex\":0}}");
        let promise = BASE64_STANDARD.encode(self.key.sign(promise.as_bytes()).expect("signs"));
        json!({
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
                    "rootHash": sha256(&leaf).trim_start_matches("sha256:"),
                    "treeSize": 1,
                },
            },
        })
    }
}

impl Default for Log {
    fn default() -> Log {
        Log::new()
    }
}
