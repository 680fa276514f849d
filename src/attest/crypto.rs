//! What sigstore's crates verify and sign with: ring, which TLS uses too. They bring a library of their own, of C code that
//! takes minutes to compile, or take another one in its place.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use ring::digest::{Context, SHA256, SHA384, SHA512};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ED25519, EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use sigstore_verify::crypto::{
    CryptoProvider, Error, HashContext, KeyAlgorithm, Result, SigningKeyPair, SigningScheme, install_default_provider,
};
use sigstore_verify::types::HashAlgorithm;

/// Has sigstore's crates compute with ring. It must be called before anything of them is.
pub(super) fn install() {
    // It fails if it was installed before.
    let _ = install_default_provider(&Ring);
}

#[derive(Debug)]
struct Ring;

struct RingHash(Context);

/// A key that lives as long as its certificate.
struct RingKey(EcdsaKeyPair);

impl HashContext for RingHash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

impl SigningKeyPair for RingKey {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::EcdsaP256
    }

    fn public_key_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn sign_raw(&self, data: &[u8]) -> Result<Vec<u8>> {
        let signed = self.0.sign(&SystemRandom::new(), data);
        Ok(signed.map_err(|_| Error::Signing("no random numbers".to_owned()))?.as_ref().to_vec())
    }

    fn sign_prehashed(&self, _: &[u8]) -> Result<Vec<u8>> {
        Err(digest_alone())
    }
}

impl CryptoProvider for Ring {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>> {
        let algorithm = match algorithm {
            HashAlgorithm::Sha2256 => &SHA256,
            HashAlgorithm::Sha2384 => &SHA384,
            HashAlgorithm::Sha2512 => &SHA512,
            other => return Err(Error::UnsupportedAlgorithm(format!("digests by {other}"))),
        };
        Ok(Box::new(RingHash(Context::new(algorithm))))
    }

    fn verify_raw(&self, scheme: SigningScheme, key: &[u8], data: &[u8], signature: &[u8]) -> Result<()> {
        let verified = UnparsedPublicKey::new(algorithm(scheme)?, key).verify(data, signature);
        verified.map_err(|_| not_matching(scheme))
    }

    fn verify_prehashed(&self, scheme: SigningScheme, key: &[u8], digest: &[u8], signature: &[u8]) -> Result<()> {
        // ring wants the content. Signatures of content, other than of statements, are made with such keys.
        if scheme != SigningScheme::EcdsaP256Sha256 {
            return Err(digest_alone());
        }
        let verified = VerifyingKey::from_sec1_bytes(key)
            .and_then(|key| key.verify_prehash(digest, &Signature::from_der(signature)?));
        verified.map_err(|_| not_matching(scheme))
    }

    fn generate_key_pair(&self, algorithm: KeyAlgorithm) -> Result<Box<dyn SigningKeyPair>> {
        if algorithm != KeyAlgorithm::EcdsaP256 {
            return Err(Error::UnsupportedAlgorithm(format!("keys of the kind {algorithm:?}")));
        }
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let key = key.map_err(|_| Error::KeyGeneration("no random numbers".to_owned()))?;
        self.key_pair_from_pkcs8_der(key.as_ref())
    }

    fn key_pair_from_pkcs8_der(&self, key: &[u8]) -> Result<Box<dyn SigningKeyPair>> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key, &SystemRandom::new());
        Ok(Box::new(RingKey(key.map_err(|error| Error::InvalidKeyFormat(error.to_string()))?)))
    }
}

fn not_matching(scheme: SigningScheme) -> Error {
    Error::Verification(format!("the {} signature does not match", scheme.name()))
}

fn digest_alone() -> Error {
    Error::UnsupportedAlgorithm("signatures of a digest alone".to_owned())
}

fn algorithm(scheme: SigningScheme) -> Result<&'static dyn VerificationAlgorithm> {
    Ok(match scheme {
        SigningScheme::EcdsaP256Sha256 => &ECDSA_P256_SHA256_ASN1,
        SigningScheme::EcdsaP256Sha384 => &ECDSA_P256_SHA384_ASN1,
        SigningScheme::EcdsaP384Sha256 => &ECDSA_P384_SHA256_ASN1,
        SigningScheme::EcdsaP384Sha384 => &ECDSA_P384_SHA384_ASN1,
        SigningScheme::Ed25519 => &ED25519,
        SigningScheme::RsaPssSha256 => &RSA_PSS_2048_8192_SHA256,
        SigningScheme::RsaPssSha384 => &RSA_PSS_2048_8192_SHA384,
        SigningScheme::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
        SigningScheme::RsaPkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        SigningScheme::RsaPkcs1Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        SigningScheme::RsaPkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        other => return Err(Error::UnsupportedAlgorithm(format!("signatures by {}", other.name()))),
    })
}
