//! Keys: ECDSA on the curve P-256 with SHA-256, as cosign makes them.
//!
//! A private key is PEM: cosign's own, under a password, or plain PKCS#8 (RFC 5958) or SEC 1 (RFC 5915). A public key is
//! PEM around a SubjectPublicKeyInfo (RFC 5280, section 4.1).

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

use super::kind::{kind_of_private, kind_of_public, other_kind, sealed_otherwise};
use super::pem::{Block, block, blocks};
use super::sealed::{MAKE, opened, under};
use crate::error::Result;
use crate::secret::Secret;

/// What cosign calls its private keys, and what it called them before.
const SEALED: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
const PKCS8: &str = "PRIVATE KEY";
const SEC1: &str = "EC PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// A key that signs. It does not print itself, and is wiped from memory when it is dropped.
pub struct PrivateKey(SigningKey);

/// The key that such signatures are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(***)")
    }
}

impl PrivateKey {
    /// A new one.
    ///
    /// # Errors
    /// When this machine gives no random numbers.
    pub fn generate() -> Result<PrivateKey> {
        let key = SigningKey::try_generate();
        key.map(PrivateKey).map_err(|error| miette!("this machine gives no random numbers: {error}"))
    }

    /// Reads one; `password` is asked for the password of one that has one.
    ///
    /// # Errors
    /// A text that holds no private key, or one of another kind; a password that is not there, or is wrong.
    pub fn read(text: &str, password: &mut dyn FnMut() -> Result<Secret>) -> Result<PrivateKey> {
        let blocks = blocks(text);
        // Some tools write the curve's parameters before the key.
        let key = blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY"));
        let Some(Block { label, bytes }) = key else {
            return Err(no_private_key(&blocks));
        };
        let unreadable = || miette!(help = MAKE, "the key is damaged: it cannot be read as what it is called");
        let key = match label.as_str() {
            label if SEALED.contains(&label) => from_pkcs8(&opened(bytes, &password()?)?)?,
            PKCS8 => from_pkcs8(bytes)?,
            SEC1 => SigningKey::from(SecretKey::from_sec1_der(bytes).map_err(|_| unreadable())?),
            "ENCRYPTED PRIVATE KEY" => return Err(sealed_otherwise()),
            label => return Err(other_kind(&format!("a key called {label}"))),
        };
        Ok(PrivateKey(key))
    }

    /// As cosign keeps it: PEM, under a password.
    ///
    /// # Errors
    /// When this machine gives no random numbers.
    pub fn under(&self, password: &Secret) -> Result<String> {
        let der = self.0.to_pkcs8_der().map_err(|error| miette!("cannot write the key: {error}"))?;
        Ok(block(SEALED[0], &under(password, der.as_bytes())?))
    }

    /// The key that its signatures are verified with.
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// The signature of a message, as ASN.1 (RFC 3279, section 2.2.3). One message has one signature (RFC 6979).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.0.sign(message);
        signature.as_bytes().to_vec()
    }
}

fn from_pkcs8(der: &[u8]) -> Result<SigningKey> {
    SigningKey::from_pkcs8_der(der).map_err(|_| other_kind(&kind_of_private(der)))
}

fn no_private_key(blocks: &[Block]) -> Report {
    match blocks.first() {
        Some(found) if found.label == PUBLIC => {
            miette!(
                help = "name the private key: `cargo oci generate-key` writes it to a file that ends in .key",
                "this is a public key, which verifies; the private one signs"
            )
        }
        Some(found) => miette!(help = MAKE, "it holds no private key, but: {}", found.label),
        None => miette!(help = MAKE, "there is no PEM in it, which begins with `-----BEGIN`"),
    }
}

impl PublicKey {
    /// Reads one.
    ///
    /// # Errors
    /// A text that holds no public key, or one of another kind.
    pub fn read(text: &str) -> Result<PublicKey> {
        let blocks = blocks(text);
        let help = "`cargo oci generate-key` and `cosign generate-key-pair` write the public key to a file of its own, \
                    which ends in .pub";
        match blocks.iter().find(|block| block.label == PUBLIC) {
            Some(Block { bytes, .. }) => {
                let key = VerifyingKey::from_public_key_der(bytes);
                key.map(PublicKey).map_err(|_| other_kind(&kind_of_public(bytes)))
            }
            None => Err(match blocks.first() {
                Some(found) if found.label.ends_with("PRIVATE KEY") => {
                    miette!(help = help, "this is a private key, which signs; the public one verifies")
                }
                Some(found) => miette!(help = help, "it holds no public key, but: {}", found.label),
                None => miette!(help = help, "there is no PEM in it, which begins with `-----BEGIN`"),
            }),
        }
    }

    /// As everybody reads it: PEM.
    ///
    /// # Errors
    /// Of the encoding.
    pub fn pem(&self) -> Result<String> {
        Ok(block(PUBLIC, &self.der()?))
    }

    fn der(&self) -> Result<Vec<u8>> {
        let der = self.0.to_public_key_der().map_err(|error| miette!("cannot write the key: {error}"))?;
        Ok(der.into_vec())
    }

    /// What a bundle calls the key it was signed with: the sha256 of its DER, in base64.
    ///
    /// # Errors
    /// Of the encoding.
    pub fn hint(&self) -> Result<String> {
        Ok(BASE64_STANDARD.encode(Sha256::digest(self.der()?)))
    }

    /// Whether the owner of the key has signed the message.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        DerSignature::from_bytes(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Result<Secret> {
        panic!("nobody is to be asked")
    }

    #[test]
    fn a_key_is_read_back_with_its_password() {
        let key = PrivateKey::generate().expect("a key");
        let text = key.under(&Secret::new("sesame")).expect("PEM");
        let read = PrivateKey::read(&text, &mut || Ok(Secret::new("sesame"))).expect("reads");
        assert_eq!(read.public(), key.public());
        let older = text.replace("SIGSTORE", "COSIGN");
        assert!(PrivateKey::read(&older, &mut || Ok(Secret::new("sesame"))).is_ok());
        assert_eq!(PublicKey::read(&key.public().pem().expect("PEM")).expect("reads"), key.public());
        assert_eq!(format!("{key:?}"), "PrivateKey(***)");
    }

    #[test]
    fn keys_without_a_password_are_read_in_both_forms() {
        let key = PrivateKey::generate().expect("a key");
        let secret = SecretKey::from(&key.0);
        let pkcs8 = block(PKCS8, secret.to_pkcs8_der().expect("DER").as_bytes());
        let sec1 = block("EC PARAMETERS", b"P-256") + &block(SEC1, &secret.to_sec1_der().expect("DER"));
        for text in [pkcs8, sec1] {
            assert_eq!(PrivateKey::read(&text, &mut nobody).expect("reads").public(), key.public());
        }
    }

    #[test]
    fn a_signature_is_the_same_every_time_and_for_its_message_alone() {
        let key = PrivateKey::generate().expect("a key");
        let signature = key.sign(b"a");
        assert_eq!(key.sign(b"a"), signature);
        assert!(key.public().has_signed(b"a", &signature) && !key.public().has_signed(b"b", &signature));
        let mut changed = signature.clone();
        for at in 0..signature.len() {
            changed[at] ^= 1;
            assert!(!key.public().has_signed(b"a", &changed), "{at}");
            changed[at] ^= 1;
        }
    }

    #[test]
    fn the_one_key_is_not_taken_for_the_other() {
        let key = PrivateKey::generate().expect("a key");
        let private = key.under(&Secret::new("")).expect("PEM");
        let public = key.public().pem().expect("PEM");
        assert!(PublicKey::read(&private).unwrap_err().to_string().contains("this is a private key"));
        assert!(PrivateKey::read(&public, &mut nobody).unwrap_err().to_string().contains("this is a public key"));
        for text in ["", "ssh-ed25519 AAAA"] {
            assert!(PrivateKey::read(text, &mut nobody).unwrap_err().to_string().contains("no PEM"));
            assert!(PublicKey::read(text).unwrap_err().to_string().contains("no PEM"));
        }
        assert!(PrivateKey::read(&block(PKCS8, b"\x30"), &mut nobody).is_err());
        assert!(PublicKey::read(&block(PUBLIC, b"\x30")).is_err());
    }
}
