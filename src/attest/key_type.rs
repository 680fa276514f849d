//! The types of keys that are not supported, so that errors can name them.

use miette::{Report, miette};
use p256::pkcs8::der::asn1::ObjectIdentifier;
use p256::pkcs8::spki::AlgorithmIdentifierRef;
use p256::pkcs8::{PrivateKeyInfoRef, SubjectPublicKeyInfoRef};

use super::encrypted_key::CREATE_KEY;

/// Key algorithms by object identifier (RFC 3279, RFC 5480, RFC 8410).
const ALGORITHMS: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.10", "RSA"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
];
/// Unsupported curves of ECDSA keys, likewise.
const CURVES: [(&str, &str); 3] =
    [("1.3.132.0.34", "ECDSA P-384"), ("1.3.132.0.35", "ECDSA P-521"), ("1.3.132.0.10", "ECDSA secp256k1")];
const ECDSA: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";

/// The reason why a key cannot be used.
pub(super) enum KeyType {
    /// The bytes are not a key, or not a valid ECDSA P-256 key.
    Damaged,
    /// The key is of another type.
    Unsupported(String),
}

impl KeyType {
    /// Returns the type of a PKCS#8 key.
    pub(super) fn of_private(der: &[u8]) -> KeyType {
        KeyType::of(PrivateKeyInfoRef::try_from(der).ok().map(|key| key.algorithm))
    }

    /// Returns the type of a SubjectPublicKeyInfo.
    pub(super) fn of_public(der: &[u8]) -> KeyType {
        KeyType::of(SubjectPublicKeyInfoRef::try_from(der).ok().map(|key| key.algorithm))
    }

    fn of(algorithm: Option<AlgorithmIdentifierRef>) -> KeyType {
        let Some(algorithm) = algorithm else { return KeyType::Damaged };
        match algorithm.parameters_oid() {
            Ok(curve) if algorithm.oid.to_string() == ECDSA && curve.to_string() == P256 => KeyType::Damaged,
            Ok(curve) if algorithm.oid.to_string() == ECDSA => KeyType::Unsupported(name(&CURVES, curve)),
            _ => KeyType::Unsupported(name(&ALGORITHMS, algorithm.oid)),
        }
    }

    /// Returns the error for the user.
    pub(super) fn error(&self) -> Report {
        match self {
            KeyType::Damaged => miette!(help = CREATE_KEY, "the key is damaged"),
            KeyType::Unsupported(name) => {
                miette!(help = CREATE_KEY, "unsupported key type {name}: expected ECDSA P-256")
            }
        }
    }
}

/// Returns the name of an algorithm or curve, or its object identifier if it is unknown.
fn name(names: &[(&str, &str)], found: ObjectIdentifier) -> String {
    let found = found.to_string();
    let known = names.iter().find(|(id, _)| *id == found);
    known.map_or(found, |(_, name)| (*name).to_owned())
}

/// Returns the error for a password-protected key that is not in cosign's format.
pub(super) fn other_encryption() -> Report {
    let help = "run `openssl pkcs8 -in FILE -out PLAIN.key` to decrypt it, then `cosign import-key-pair --key PLAIN.key` \
                to encrypt it in cosign's format";
    miette!(help = help, "unsupported key format: password-protected PKCS#8")
}
