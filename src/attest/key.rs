//! Keys: ECDSA P-256 with SHA-256, as cosign creates them.
//!
//! A private key is PEM: cosign's own password-protected format, or plain PKCS#8 (RFC 5958) or SEC 1 (RFC 5915). A public
//! key is a SubjectPublicKeyInfo as PEM (RFC 5280, section 4.1).

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miette::{Report, miette};
use p256::SecretKey;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use sha2::{Digest, Sha256};

use super::encrypted_key::{CREATE_KEY, decrypt, encrypt};
use super::key_type::{KeyType, other_encryption};
use super::pem::{self, PemBlock};
use crate::error::Result;
use crate::secret::Secret;

/// The labels of cosign's private keys: the current one, and the one before it.
const ENCRYPTED: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
const ENCRYPTED_PKCS8: &str = "ENCRYPTED PRIVATE KEY";
const PKCS8: &str = "PRIVATE KEY";
const SEC1: &str = "EC PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// A key that signs. Its `Debug` output hides it, and it is wiped from memory when it is dropped.
pub(crate) struct PrivateKey(SigningKey);

/// A key that verifies signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey(VerifyingKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(***)")
    }
}

impl PrivateKey {
    /// Generates a key.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no random numbers.
    pub(crate) fn generate() -> Result<PrivateKey> {
        let key = SigningKey::try_generate();
        key.map(PrivateKey).map_err(|error| miette!("cannot get random numbers from the operating system: {error}"))
    }

    /// Parses a key that errors call `name`. Calls `password` if the key is encrypted.
    ///
    /// # Errors
    /// Returns an error if the text has no supported private key, or the password is missing or wrong.
    pub(crate) fn from_pem(text: &str, name: &str, password: &mut dyn FnMut() -> Result<Secret>) -> Result<PrivateKey> {
        let blocks = pem::decode(text);
        // Some tools write the curve's parameters before the key.
        let key = blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY"));
        let Some(PemBlock { label, bytes }) = key else {
            return Err(no_private_key(&blocks));
        };
        let key = match label.as_str() {
            label if ENCRYPTED.contains(&label) => from_pkcs8(&decrypt(bytes, name, &password()?)?)?,
            PKCS8 => from_pkcs8(bytes)?,
            SEC1 => SigningKey::from(SecretKey::from_sec1_der(bytes).map_err(|_| KeyType::Damaged.error())?),
            ENCRYPTED_PKCS8 => return Err(other_encryption()),
            label => return Err(KeyType::Unsupported(format!("`{label}`")).error()),
        };
        Ok(PrivateKey(key))
    }

    /// Returns the key in cosign's format: PEM, encrypted with a password.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no random numbers.
    pub(crate) fn to_encrypted_pem(&self, password: &Secret) -> Result<String> {
        let der = self.0.to_pkcs8_der().map_err(|error| miette!("cannot encode the key: {error}"))?;
        Ok(pem::encode(ENCRYPTED[0], &encrypt(der.as_bytes(), password)?))
    }

    /// Returns the public key.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// Signs a message and returns the signature as ASN.1 (RFC 3279, section 2.2.3). It is deterministic (RFC 6979).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.0.sign(message);
        signature.as_bytes().to_vec()
    }
}

fn from_pkcs8(der: &[u8]) -> Result<SigningKey> {
    SigningKey::from_pkcs8_der(der).map_err(|_| KeyType::of_private(der).error())
}

fn no_private_key(blocks: &[PemBlock]) -> Report {
    match blocks.first() {
        Some(found) if found.label == PUBLIC => {
            miette!(
                help = "pass the private key: `cargo oci generate-key` writes it to a file that ends in .key",
                "expected a private key, found a public key"
            )
        }
        Some(found) => miette!(help = CREATE_KEY, "expected a private key, found `{}`", found.label),
        None => miette!(help = CREATE_KEY, "expected a private key as PEM: found no `-----BEGIN` line"),
    }
}

fn no_public_key(blocks: &[PemBlock]) -> Report {
    let help = "pass the public key: `cargo oci generate-key` and `cosign generate-key-pair` write it to a file that ends \
                in .pub";
    match blocks.first() {
        Some(found) if found.label.ends_with("PRIVATE KEY") => {
            miette!(help = help, "expected a public key, found a private key")
        }
        Some(found) => miette!(help = help, "expected a public key, found `{}`", found.label),
        None => miette!(help = help, "expected a public key as PEM: found no `-----BEGIN` line"),
    }
}

impl PublicKey {
    /// Parses a key.
    ///
    /// # Errors
    /// Returns an error if the text has no supported public key.
    pub(crate) fn from_pem(text: &str) -> Result<PublicKey> {
        let blocks = pem::decode(text);
        let Some(PemBlock { bytes, .. }) = blocks.iter().find(|block| block.label == PUBLIC) else {
            return Err(no_public_key(&blocks));
        };
        let key = VerifyingKey::from_public_key_der(bytes);
        key.map(PublicKey).map_err(|_| KeyType::of_public(bytes).error())
    }

    /// Returns the key as PEM.
    ///
    /// # Errors
    /// Returns an error if the key cannot be encoded.
    pub(crate) fn to_pem(&self) -> Result<String> {
        Ok(pem::encode(PUBLIC, &self.der()?))
    }

    fn der(&self) -> Result<Vec<u8>> {
        let der = self.0.to_public_key_der().map_err(|error| miette!("cannot encode the key: {error}"))?;
        Ok(der.into_vec())
    }

    /// Returns the name that bundles give the key: the SHA-256 of its DER, in base64.
    ///
    /// # Errors
    /// Returns an error if the key cannot be encoded.
    pub(crate) fn hint(&self) -> Result<String> {
        Ok(BASE64_STANDARD.encode(Sha256::digest(self.der()?)))
    }

    /// Returns whether the signature of the message is by the owner of the key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        DerSignature::from_bytes(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_prompt() -> Result<Secret> {
        panic!("no password is needed")
    }

    fn read_private(text: &str) -> Result<PrivateKey> {
        PrivateKey::from_pem(text, "x.key", &mut no_prompt)
    }

    #[test]
    fn encrypted_key_round_trips() {
        let key = PrivateKey::generate().expect("a key");
        let text = key.to_encrypted_pem(&Secret::new("sesame")).expect("PEM");
        let read = PrivateKey::from_pem(&text, "x.key", &mut || Ok(Secret::new("sesame"))).expect("reads");
        assert_eq!(read.public(), key.public());
        let older = text.replace("SIGSTORE", "COSIGN");
        assert!(PrivateKey::from_pem(&older, "x.key", &mut || Ok(Secret::new("sesame"))).is_ok());
        assert_eq!(PublicKey::from_pem(&key.public().to_pem().expect("PEM")).expect("reads"), key.public());
        assert_eq!(format!("{key:?}"), "PrivateKey(***)");
    }

    #[test]
    fn plain_keys_are_read_in_both_formats() {
        let key = PrivateKey::generate().expect("a key");
        let secret = SecretKey::from(&key.0);
        let pkcs8 = pem::encode(PKCS8, secret.to_pkcs8_der().expect("DER").as_bytes());
        let sec1 = pem::encode("EC PARAMETERS", b"P-256") + &pem::encode(SEC1, &secret.to_sec1_der().expect("DER"));
        for text in [pkcs8, sec1] {
            assert_eq!(read_private(&text).expect("reads").public(), key.public());
        }
    }

    #[test]
    fn signature_is_deterministic_and_bound_to_message() {
        let key = PrivateKey::generate().expect("a key");
        let signature = key.sign(b"a");
        assert_eq!(key.sign(b"a"), signature);
        assert!(key.public().verifies(b"a", &signature) && !key.public().verifies(b"b", &signature));
        let mut changed = signature.clone();
        for at in 0..signature.len() {
            changed[at] ^= 1;
            assert!(!key.public().verifies(b"a", &changed), "{at}");
            changed[at] ^= 1;
        }
    }

    #[test]
    fn keys_of_the_wrong_half_are_rejected() {
        let key = PrivateKey::generate().expect("a key");
        let private = key.to_encrypted_pem(&Secret::new("")).expect("PEM");
        let public = key.public().to_pem().expect("PEM");
        assert!(PublicKey::from_pem(&private).unwrap_err().to_string().contains("found a private key"));
        assert!(read_private(&public).unwrap_err().to_string().contains("found a public key"));
        for text in ["", "ssh-ed25519 AAAA"] {
            assert!(read_private(text).unwrap_err().to_string().contains("found no `-----BEGIN` line"));
            assert!(PublicKey::from_pem(text).unwrap_err().to_string().contains("found no `-----BEGIN` line"));
        }
        assert!(read_private(&pem::encode(PKCS8, b"\x30")).is_err());
        assert!(PublicKey::from_pem(&pem::encode(PUBLIC, b"\x30")).is_err());
    }
}
