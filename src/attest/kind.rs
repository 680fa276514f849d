//! What kind of key one is that is not read here, so that its owner is told.

use miette::{Report, miette};
use p256::pkcs8::der::asn1::ObjectIdentifier;
use p256::pkcs8::spki::AlgorithmIdentifierRef;
use p256::pkcs8::{PrivateKeyInfoRef, SubjectPublicKeyInfoRef};

use super::sealed::MAKE;

/// Algorithms of keys, by their identifiers (RFC 3279, RFC 5480, RFC 8410).
const ALGORITHMS: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.1", "an RSA key"),
    ("1.2.840.113549.1.1.10", "an RSA key"),
    ("1.3.101.112", "an Ed25519 key"),
    ("1.3.101.113", "an Ed448 key"),
];
/// The curves of ECDSA keys, likewise.
const CURVES: [(&str, &str); 4] = [
    ("1.2.840.10045.3.1.7", "a damaged key of the curve P-256"),
    ("1.3.132.0.34", "a key of the curve P-384"),
    ("1.3.132.0.35", "a key of the curve P-521"),
    ("1.3.132.0.10", "a key of the curve secp256k1"),
];
const ECDSA: &str = "1.2.840.10045.2.1";

/// A key under a password, in a form that is not cosign's.
pub fn sealed_otherwise() -> Report {
    let help = "`openssl pkcs8 -in FILE -out PLAIN.key` writes it without a password, and `cosign import-key-pair --key \
                PLAIN.key` puts that under one which is read here";
    miette!(help = help, "this is a PKCS#8 key under a password, which is not read here")
}

/// A key that is not read here, and is called so.
pub fn other_kind(what: &str) -> Report {
    let own = if what.contains("P-256") { "" } else { "; keys are of ECDSA on the curve P-256 here" };
    miette!(help = MAKE, "this is {what}{own}")
}

/// What a PKCS#8 key is.
pub fn kind_of_private(der: &[u8]) -> String {
    name(PrivateKeyInfoRef::try_from(der).ok().map(|key| key.algorithm))
}

/// What a SubjectPublicKeyInfo is of.
pub fn kind_of_public(der: &[u8]) -> String {
    name(SubjectPublicKeyInfoRef::try_from(der).ok().map(|key| key.algorithm))
}

fn name(algorithm: Option<AlgorithmIdentifierRef>) -> String {
    let Some(algorithm) = algorithm else {
        return "a damaged key".to_owned();
    };
    let known = |names: &[(&str, &str)], found: ObjectIdentifier| {
        let found = found.to_string();
        let known = names.iter().find(|(id, _)| *id == found);
        known.map_or_else(|| format!("a key of the algorithm {found}"), |(_, name)| (*name).to_owned())
    };
    match algorithm.parameters_oid() {
        Ok(curve) if algorithm.oid.to_string() == ECDSA => known(&CURVES, curve),
        _ => known(&ALGORITHMS, algorithm.oid),
    }
}
