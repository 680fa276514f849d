//! DSSE: a payload, what it is, and signatures of both (Dead Simple Signing Envelope 1.0).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::key::{PrivateKey, PublicKey};

/// A signed payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The bytes that are signed.
    pub payload: Vec<u8>,
    /// What they are, which is signed too.
    pub payload_type: String,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Envelope {
    /// Signs a payload.
    pub fn sign(key: &PrivateKey, payload_type: &str, payload: Vec<u8>) -> Envelope {
        let signature = key.sign(&encoded(payload_type, &payload));
        Envelope { payload, payload_type: payload_type.to_owned(), signature }
    }

    /// Whether the owner of the key has signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.has_signed(&encoded(&self.payload_type, &self.payload), &self.signature)
    }

    /// As JSON (section "Data structure").
    pub fn json(&self) -> Value {
        json!({
            "payload": BASE64_STANDARD.encode(&self.payload),
            "payloadType": self.payload_type,
            "signatures": [{ "sig": BASE64_STANDARD.encode(&self.signature) }],
        })
    }

    /// Reads one with one signature; nothing where it is not that.
    pub fn read(json: &Value) -> Option<Envelope> {
        let bytes = |value: &Value| BASE64_STANDARD.decode(value.as_str()?).ok();
        let [signature] = &json["signatures"].as_array()?[..] else { return None };
        Some(Envelope {
            payload: bytes(&json["payload"])?,
            payload_type: json["payloadType"].as_str()?.to_owned(),
            signature: bytes(&signature["sig"])?,
        })
    }
}

/// What is signed: the type and the payload, each behind its length (section "Signature definition").
fn encoded(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn type_and_payload_stand_behind_their_lengths() {
        let encoded = encoded("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn an_envelope_is_read_back_and_any_change_is_noticed() {
        let key = PrivateKey::generate().expect("a key");
        let envelope = Envelope::sign(&key, "text/plain", b"payload".to_vec());
        assert_eq!(Envelope::read(&envelope.json()), Some(envelope.clone()));
        assert!(envelope.is_signed_by(&key.public()));
        let other = PrivateKey::generate().expect("a key").public();
        assert!(!envelope.is_signed_by(&other));
        let typed = Envelope { payload_type: "text/html".to_owned(), ..envelope.clone() };
        let payload = Envelope { payload: b"Payload".to_vec(), ..envelope.clone() };
        assert!(!typed.is_signed_by(&key.public()) && !payload.is_signed_by(&key.public()));
        let mut twice = envelope.json();
        let one = twice["signatures"][0].clone();
        twice["signatures"] = json!([one, one]);
        assert_eq!(Envelope::read(&twice), None);
    }
}
