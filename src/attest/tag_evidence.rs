//! A bundle without a key → what cosign 2 keeps in annotations: the certificate, and the entry of Rekor's log with its promise.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miette::{Report, miette};
use serde_json::{Value, json};

use super::dsse::Envelope;
use super::pem;
use super::signature_tag::TaggedEvidence;
use crate::error::Result;

/// A bundle, as sigstore's library makes it.
#[derive(Debug)]
pub(super) struct IdentityBundle(Value);

/// Parses a bundle.
///
/// # Errors
/// Returns an error if it is not JSON.
pub(super) fn parse(bundle: &[u8]) -> Result<IdentityBundle> {
    let json = serde_json::from_slice(bundle).map_err(|error| miette!("invalid JSON: {error}"))?;
    Ok(IdentityBundle(json))
}

impl IdentityBundle {
    /// Returns the signature of a message.
    ///
    /// # Errors
    /// Returns an error if the bundle has another content.
    pub(super) fn signature(&self) -> Result<Vec<u8>> {
        let signature = self.0["messageSignature"]["signature"].as_str();
        signature.and_then(decode).ok_or_else(|| lacks("signature"))
    }

    /// Returns the envelope of a statement.
    ///
    /// # Errors
    /// Returns an error if the bundle has another content.
    pub(super) fn envelope(&self) -> Result<Envelope> {
        Envelope::read(&self.0["dsseEnvelope"]).ok_or_else(|| lacks("signed statement"))
    }

    /// Returns certificate and entry.
    ///
    /// # Errors
    /// Returns an error if one is missing. An entry of Rekor 2 has no promise.
    pub(super) fn evidence(&self) -> Result<TaggedEvidence> {
        let material = &self.0["verificationMaterial"];
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
        let log: String = log.iter().map(|byte| format!("{byte:02x}")).collect();
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
    fn identity_bundle_without_promise_is_an_error() {
        for at in ["/tlogEntries/0/inclusionPromise", "/tlogEntries/0", "/certificate"] {
            let mut lacking = bundle();
            *lacking["verificationMaterial"].pointer_mut(at).expect("a part") = Value::Null;
            assert!(parse(lacking.to_string().as_bytes()).expect("parses").evidence().is_err(), "{at}");
        }
    }
}
