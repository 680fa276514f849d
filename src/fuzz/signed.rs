//! Keys, and what is signed with them.

use miette::miette;

use crate::attest::bundle::Bundle;
use crate::attest::dsse::Envelope;
use crate::attest::pem;
use crate::attest::signature_tag::SignatureManifest;
use crate::attest::simple_signing::{SimpleSigning, SimpleSigningError};
use crate::attest::statement::IN_TOTO;
use crate::attest::trusted_signer::TrustedSigner;
use crate::attest::{PrivateKey, PublicKey, Statement};
use crate::image::digest::sha256;
use crate::image::manifest::Document;
use crate::image::{Descriptor, MediaType};

pub(super) const WORDS: &[&str] = &[
    "-----BEGIN ",
    "-----END ",
    "-----",
    "PUBLIC KEY",
    "PRIVATE KEY",
    "EC PRIVATE KEY",
    "ENCRYPTED SIGSTORE PRIVATE KEY",
    "\n",
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
    "\"payload\":",
    "\"payloadType\":\"application/vnd.in-toto+json\"",
    "\"signatures\":[",
    "{\"sig\":\"",
    "\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"",
    "\"dsseEnvelope\":",
    "\"subject\":[",
    "\"predicateType\":",
    "\"predicate\":",
    "\"_type\":\"https://in-toto.io/Statement/v1\"",
    "\"digest\":{\"sha256\":\"",
    "\"critical\":{",
    "\"identity\":{\"docker-reference\":\"x\"}",
    "\"image\":{\"docker-manifest-digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}",
    "\"type\":\"cosign container image signature\"",
    "\"config\":{\"mediaType\":\"a/b\",\"size\":0,\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}",
    "\"layers\":[",
    "==",
    "{",
    "}",
    "]",
    ",",
    "null",
];

/// A key that was made once, for signatures that do not depend on chance.
const KEY: &str = include_str!("signed.pub");

pub(super) fn signed(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for block in pem::decode(&text) {
        let again = pem::decode(&pem::encode(&block.label, &block.bytes));
        assert!(again.len() == 1 && again[0].label == block.label && again[0].bytes == block.bytes, "{}", block.label);
    }
    let key = PublicKey::from_pem(KEY).expect("a key");
    if let Ok(read) = PublicKey::from_pem(&text) {
        let again = PublicKey::from_pem(&read.to_pem().expect("PEM")).expect("its own PEM");
        assert_eq!(again, read);
    }
    let mut no_password = || Err(miette!("no password"));
    if let Ok(private) = PrivateKey::from_pem(&text, "key", &mut no_password) {
        let signature = private.sign(data);
        assert!(private.public().verifies(data, &signature));
    }
    if let Ok(json) = serde_json::from_slice(data)
        && let Ok(envelope) = Envelope::read(json)
    {
        let again = serde_json::from_value(envelope.json()).expect("its own JSON");
        assert_eq!(Envelope::read(again).expect("its own JSON"), envelope);
        assert!(!envelope.is_signed_by(&key), "a forged signature");
    }
    if let Ok(bundle) = Bundle::read(data) {
        assert_eq!(bundle.envelope.payload_type, IN_TOTO);
        let again = Bundle::read(&bundle.bytes()).expect("its own bytes");
        assert_eq!((again.hint, again.envelope), (bundle.hint.clone(), bundle.envelope.clone()));
        assert!(bundle.verify(&key).is_err(), "a forged signature");
    }
    if let Ok(payload) = SimpleSigning::read(data) {
        assert_eq!(SimpleSigning::read(&payload.payload()).as_ref(), Ok(&payload));
        let verified = SimpleSigning::verify(data, data, &payload.digest, &key);
        assert_eq!(verified, Err(SimpleSigningError::OtherKey), "a forged signature");
    }
    let layer = Descriptor::new(MediaType::from("a/b"), data.len() as u64, sha256(data));
    let descriptor = Descriptor::new(MediaType::ImageManifest, data.len() as u64, sha256(data));
    let before = Document { descriptor, bytes: data.to_vec() };
    if let Ok(Some(made)) = SignatureManifest::with_layers(Some(&before), &[&layer]) {
        let again = SignatureManifest::with_layers(Some(&made.manifest), &[&layer]);
        assert!(again.is_ok_and(|again| again.is_none()), "a layer is added twice");
    }
    let signer = TrustedSigner::Key(key);
    assert!(signer.verify(data.to_vec(), &sha256(b"")).is_err(), "a forged signature");
    if let Ok(statement) = Statement::read(data) {
        let again = Statement::read(&statement.bytes()).expect("its own bytes");
        assert_eq!(again.bytes(), statement.bytes());
        assert_eq!(again.subjects, statement.subjects);
    }
}
