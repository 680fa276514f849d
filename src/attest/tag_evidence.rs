//! A bundle without a key → what cosign 2 keeps in annotations: the certificate, and the entry of Rekor's log with its promise.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miette::{Report, miette};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::pem;
use super::signature_tag::TaggedEvidence;
use crate::error::Result;
use crate::image::digest::sha256;

/// A bundle, as sigstore's library makes it.
#[derive(Debug)]
pub(super) struct IdentityBundle {
    content: Value,
    /// The envelope, byte for byte.
    envelope: Option<Vec<u8>>,
}

/// The part of a bundle that must stay as it is.
#[derive(Deserialize)]
struct RawBundle<'a> {
    #[serde(rename = "dsseEnvelope", borrow)]
    envelope: Option<&'a RawValue>,
}

/// Parses a bundle.
///
/// # Errors
/// Returns an error if it is not JSON.
pub(super) fn parse(bundle: &[u8]) -> Result<IdentityBundle> {
    let invalid = |error: serde_json::Error| miette!("invalid JSON: {error}");
    let raw: RawBundle = serde_json::from_slice(bundle).map_err(invalid)?;
    let envelope = raw.envelope.map(|envelope| envelope.get().as_bytes().to_vec());
    Ok(IdentityBundle { content: serde_json::from_slice(bundle).map_err(invalid)?, envelope })
}

impl IdentityBundle {
    /// Returns the signature of a message.
    ///
    /// # Errors
    /// Returns an error if the bundle has another content.
    pub(super) fn signature(&self) -> Result<Vec<u8>> {
        let signature = self.content["messageSignature"]["signature"].as_str();
        signature.and_then(decode).ok_or_else(|| lacks("signature"))
    }

    /// Returns the envelope of a statement, as the log knows it.
    ///
    /// # Errors
    /// Returns an error if the bundle has another content, or the log knows the envelope in other bytes.
    pub(super) fn envelope(&self) -> Result<Vec<u8>> {
        let envelope = self.envelope.clone().ok_or_else(|| lacks("signed statement"))?;
        let body = self.content["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"].as_str();
        let body: Value = body.and_then(decode).and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        let known = body["spec"]["envelopeHash"]["value"].as_str();
        if known == Some(sha256(&envelope).digest()) { Ok(envelope) } else { Err(lacks("entry for the statement")) }
    }

    /// Returns certificate and entry.
    ///
    /// # Errors
    /// Returns an error if one is missing. An entry of Rekor 2 has no promise.
    pub(super) fn evidence(&self) -> Result<TaggedEvidence> {
        let material = &self.content["verificationMaterial"];
        let certificate = material["certificate"]["rawBytes"].as_str().and_then(decode);
        let certificate = certificate.ok_or_else(|| lacks("certificate"))?;
        let entry = &material["tlogEntries"][0];
        let promise = entry["inclusionPromise"]["signedEntryTimestamp"].as_str().filter(|text| !text.is_empty());
        let promise = promise.ok_or_else(|| {
            miette!(
                help = "sign with `--signature-format bundle`, or name services with Rekor 1 with `--signing-config`",
                "the log promises nothing: cosign 2 needs an entry of Rekor 1"
            )
        })?;
        let log = entry["logId"]["keyId"].as_str().and_then(decode).ok_or_else(|| lacks("log"))?;
        let log = log.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let rekor_bundle = json!({
            "SignedEntryTimestamp": promise,
            "Payload": {
                "body": entry["canonicalizedBody"],
                "integratedTime": number(&entry["integratedTime"])?,
                "logIndex": number(&entry["logIndex"])?,
                "logID": log,
            },
        });
        Ok(TaggedEvidence {
            certificate: Some(pem::encode("CERTIFICATE", &certificate)),
            rekor_bundle: Some(rekor_bundle.to_string()),
            ..TaggedEvidence::default()
        })
    }
}

/// Returns a number, which Protobuf writes as a string. Zero is left out.
fn number(value: &Value) -> Result<i64> {
    match value {
        Value::Null => Ok(0),
        Value::String(text) => text.parse().map_err(|_| lacks("number")),
        other => other.as_i64().ok_or_else(|| lacks("number")),
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

fn lacks(what: &str) -> Report {
    miette!("the signing services returned no {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> Value {
        let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        json!({
            "verificationMaterial": {
                "certificate": { "rawBytes": text(b"certificate") },
                "tlogEntries": [{
                    "logIndex": "7",
                    "logId": { "keyId": text(&[0, 255]) },
                    "integratedTime": "1700000000",
                    "inclusionPromise": { "signedEntryTimestamp": text(b"promise") },
                    "canonicalizedBody": text(b"{}"),
                }],
            },
            "messageSignature": { "signature": text(b"signature") },
        })
    }

    #[test]
    fn identity_bundle_becomes_annotations_of_cosign() {
        let parsed = parse(bundle().to_string().as_bytes()).expect("parses");
        assert_eq!(parsed.signature().expect("a signature"), b"signature");
        assert!(parsed.envelope().is_err());
        let evidence = parsed.evidence().expect("evidence");
        assert!(evidence.certificate.expect("a certificate").starts_with("-----BEGIN CERTIFICATE-----\n"));
        let rekor: Value = serde_json::from_str(&evidence.rekor_bundle.expect("an entry")).expect("JSON");
        let payload = json!({ "body": "e30=", "integratedTime": 1_700_000_000, "logIndex": 7, "logID": "00ff" });
        assert_eq!(rekor, json!({ "SignedEntryTimestamp": BASE64_STANDARD.encode(b"promise"), "Payload": payload }));
    }

    #[test]
    fn envelope_must_be_the_one_in_the_log() {
        let envelope = "{ \"payload\":\"e30=\" }";
        for (hash, is_known) in [(sha256(envelope.as_bytes()), true), (sha256(b"other"), false)] {
            let body = json!({ "spec": { "envelopeHash": { "value": hash.digest() } } }).to_string();
            let entry = json!({ "tlogEntries": [{ "canonicalizedBody": BASE64_STANDARD.encode(body) }] });
            let bundle = format!("{{\"verificationMaterial\":{entry},\"dsseEnvelope\":{envelope}}}");
            let found = parse(bundle.as_bytes()).expect("parses").envelope();
            assert_eq!(found.ok(), is_known.then(|| envelope.as_bytes().to_vec()));
        }
    }

    #[test]
    fn identity_bundle_without_promise_is_an_error() {
        for at in ["/tlogEntries/0/inclusionPromise", "/tlogEntries/0", "/certificate"] {
            let mut lacking = bundle();
            *lacking["verificationMaterial"].pointer_mut(at).expect("a part") = Value::Null;
            assert!(parse(lacking.to_string().as_bytes()).expect("parses").evidence().is_err(), "{at}");
        }
    }
}
