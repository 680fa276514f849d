//! A bundle without a key ↔ what cosign 2 keeps in annotations: the certificate, and the entry of Rekor's log with its promise.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miette::{Report, miette};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore_verify::types::Sha256Hash;

use super::dsse::Envelope;
use super::pem;
use super::signature_tag::{TaggedContent, TaggedEvidence, TaggedSignature};
use crate::error::Result;
use crate::image::Digest;
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
        let log = log.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
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

/// Returns the bundle of what is under a tag, as version 0.1 has it: with the promise of the log alone. Returns `None` if there
/// is no certificate.
///
/// # Errors
/// Returns an error if the certificate or the entry cannot be read.
pub(super) fn bundle_of(tagged: &TaggedSignature) -> Result<Option<Vec<u8>>> {
    let Some(certificate) = &tagged.evidence.certificate else { return Ok(None) };
    let certificate =
        pem::decode(certificate).into_iter().next().ok_or_else(|| miette!("the certificate is not PEM"))?;
    let entry = tagged.evidence.rekor_bundle.as_deref().ok_or_else(|| miette!("no entry of a log is with it"))?;
    let entry: RekorBundle =
        serde_json::from_str(entry).map_err(|error| miette!("the entry of the log cannot be read: {error}"))?;
    let body = decode(&entry.payload.body).ok_or_else(|| miette!("the entry of the log is not base64"))?;
    let kind: RekorEntryKind =
        serde_json::from_slice(&body).map_err(|error| miette!("the entry of the log cannot be read: {error}"))?;
    let log = Digest::try_from(format!("sha256:{}", entry.payload.log_id));
    let log = log.map_err(|_| miette!("the entry does not name a log"))?;
    let log = Sha256Hash::from_hex(log.digest()).map_err(Report::from_err)?;
    let mut bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {
            // The certificates of the authority are in the trusted root.
            "x509CertificateChain": { "certificates": [{ "rawBytes": BASE64_STANDARD.encode(certificate.bytes) }] },
            "tlogEntries": [{
                "logIndex": entry.payload.log_index.to_string(),
                "logId": { "keyId": BASE64_STANDARD.encode(log.as_bytes()) },
                "kindVersion": { "kind": kind.kind, "version": kind.api_version },
                "integratedTime": entry.payload.integrated_time.to_string(),
                "inclusionPromise": { "signedEntryTimestamp": entry.signed_entry_timestamp },
                "canonicalizedBody": entry.payload.body,
            }],
        },
    });
    match &tagged.content {
        TaggedContent::Payload { bytes, signature } => {
            bundle["messageSignature"] = json!({
                "messageDigest": { "algorithm": "SHA2_256", "digest": BASE64_STANDARD.encode(Sha256::digest(bytes)) },
                "signature": BASE64_STANDARD.encode(signature),
            });
        }
        TaggedContent::Envelope(envelope) => bundle["dsseEnvelope"] = envelope.json(),
        TaggedContent::Unusable(why) => return Err(miette!("{why}")),
    }
    Ok(Some(bundle.to_string().into_bytes()))
}

/// The entry of a log, as cosign 2 keeps it.
#[derive(Deserialize)]
struct RekorBundle {
    #[serde(rename = "SignedEntryTimestamp")]
    signed_entry_timestamp: String,
    #[serde(rename = "Payload")]
    payload: RekorPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RekorPayload {
    body: String,
    integrated_time: i64,
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RekorEntryKind {
    kind: String,
    api_version: String,
}

/// What is kept of a signature under a tag, so that it can be verified again.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptSignature {
    layer: Digest,
    /// The payload and its signature, in base64; or an envelope.
    payload: Option<(String, String)>,
    envelope: Option<String>,
    certificate: Option<String>,
    rekor_bundle: Option<String>,
}

/// Returns a signature as JSON, with what proves it.
pub(super) fn kept(tagged: &TaggedSignature) -> Vec<u8> {
    let payload = match &tagged.content {
        TaggedContent::Payload { bytes, signature } => {
            Some((BASE64_STANDARD.encode(bytes), BASE64_STANDARD.encode(signature)))
        }
        _ => None,
    };
    let envelope = match &tagged.content {
        TaggedContent::Envelope(envelope) => Some(envelope.json().to_string()),
        _ => None,
    };
    let kept = KeptSignature {
        layer: tagged.layer.clone(),
        payload,
        envelope,
        certificate: tagged.evidence.certificate.clone(),
        rekor_bundle: tagged.evidence.rekor_bundle.clone(),
    };
    // Texts alone are always JSON.
    serde_json::to_vec(&kept).unwrap_or_default()
}

/// Returns what [`kept`] has written, or `None` if it is something else.
pub(super) fn read_kept(bytes: &[u8]) -> Option<TaggedSignature> {
    let KeptSignature { layer, payload, envelope, certificate, rekor_bundle } = serde_json::from_slice(bytes).ok()?;
    let content = match (payload, envelope) {
        (Some((bytes, signature)), None) => {
            TaggedContent::Payload { bytes: decode(&bytes)?, signature: decode(&signature)? }
        }
        (None, Some(envelope)) => TaggedContent::Envelope(Envelope::read(serde_json::from_str(&envelope).ok()?).ok()?),
        _ => return None,
    };
    let evidence = TaggedEvidence { certificate, rekor_bundle, ..TaggedEvidence::default() };
    Some(TaggedSignature { layer, content, evidence })
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
