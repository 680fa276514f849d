//! DSSE envelopes: a payload, its type, and a signature over both (Dead Simple Signing Envelope 1.0).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miette::miette;
use serde::Deserialize;
use serde_json::{Value, json};

use super::key::{PrivateKey, PublicKey};
use crate::error::Result;
use crate::image::canonical_json;

/// A signed payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// The media type of the payload, which is signed too.
    pub payload_type: String,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Envelope {
    /// Signs a payload.
    pub(crate) fn sign(key: &PrivateKey, payload_type: &str, payload: Vec<u8>) -> Envelope {
        let signature = key.sign(&pre_authentication_encoding(payload_type, &payload));
        Envelope { payload, payload_type: payload_type.to_owned(), signature }
    }

    /// Returns whether the signature is by the owner of the key.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(&pre_authentication_encoding(&self.payload_type, &self.payload), &self.signature)
    }

    /// Returns the envelope as JSON (section "Data structure").
    pub(crate) fn json(&self) -> Value {
        json!({
            "payload": BASE64_STANDARD.encode(&self.payload),
            "payloadType": self.payload_type,
            "signatures": [{ "sig": BASE64_STANDARD.encode(&self.signature) }],
        })
    }

    /// Returns the envelope as the bytes of JSON. Equal envelopes give equal bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        canonical_json(&self.json())
    }

    /// Decodes an envelope.
    ///
    /// # Errors
    /// Returns an error if it is malformed, or does not have exactly one signature.
    pub(crate) fn read(json: EnvelopeJson) -> Result<Envelope> {
        let signature = match &json.signatures[..] {
            [one] => decode("signature", &one.sig)?,
            [] => return Err(miette!("the envelope has no signature")),
            many => return Err(miette!("the envelope has {} signatures: expected one", many.len())),
        };
        Ok(Envelope { payload: decode("payload", &json.payload)?, payload_type: json.payload_type, signature })
    }
}

/// An envelope as JSON (section "Data structure"). What else is in it is not kept, as anybody may have written it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvelopeJson {
    payload: String,
    payload_type: String,
    #[serde(default)]
    signatures: Vec<SignatureJson>,
}

#[derive(Deserialize)]
struct SignatureJson {
    sig: String,
}

fn decode(what: &str, base64: &str) -> Result<Vec<u8>> {
    BASE64_STANDARD.decode(base64).map_err(|_| miette!("the {what} of the envelope is not base64"))
}

/// Returns the bytes that are signed: type and payload, each preceded by its length (section "Signature definition").
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn encoding_prefixes_type_and_payload_with_lengths() {
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn envelope_round_trips_and_detects_changes() {
        let key = PrivateKey::generate().expect("a key");
        let envelope = Envelope::sign(&key, "text/plain", b"payload".to_vec());
        let read = |json: Value| Envelope::read(serde_json::from_value(json).expect("an envelope"));
        assert_eq!(read(envelope.json()).expect("reads"), envelope);
        assert!(envelope.is_signed_by(&key.public()));
        let other = PrivateKey::generate().expect("a key").public();
        assert!(!envelope.is_signed_by(&other));
        let typed = Envelope { payload_type: "text/html".to_owned(), ..envelope.clone() };
        let payload = Envelope { payload: b"Payload".to_vec(), ..envelope.clone() };
        assert!(!typed.is_signed_by(&key.public()) && !payload.is_signed_by(&key.public()));
        let mut twice = envelope.json();
        let one = twice["signatures"][0].clone();
        twice["signatures"] = json!([one, one]);
        assert_eq!(read(twice).unwrap_err().to_string(), "the envelope has 2 signatures: expected one");
    }
}
