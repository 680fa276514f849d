//! What sigstore's crates verify and sign with: ring, which TLS uses too, and p256, as for keys. They bring a library of
//! their own, of C code that takes minutes to compile, or take another one in its place.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::ecdsa::{DerSignature, Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate;
use p256::pkcs8::DecodePrivateKey;
use ring::digest::{Context, SHA256, SHA384, SHA512};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
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
struct ShortLivedKey {
    key: SigningKey,
    /// The point of its public key, uncompressed.
    public: Vec<u8>,
}

impl ShortLivedKey {
    fn boxed(key: SigningKey) -> Box<dyn SigningKeyPair> {
        let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Box::new(ShortLivedKey { key, public })
    }
}

impl HashContext for RingHash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

impl SigningKeyPair for ShortLivedKey {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::EcdsaP256
    }

    fn public_key_bytes(&self) -> &[u8] {
        &self.public
    }

    fn sign_raw(&self, data: &[u8]) -> Result<Vec<u8>> {
        let signature: DerSignature = self.key.sign(data);
        Ok(signature.as_bytes().to_vec())
    }

    fn sign_prehashed(&self, digest: &[u8]) -> Result<Vec<u8>> {
        let signature: Signature = self.key.sign_prehash(digest).map_err(|error| Error::Signing(error.to_string()))?;
        Ok(signature.to_der().as_bytes().to_vec())
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
        // ring verifies content, not digests. Content other than statements is signed with such keys.
        if scheme != SigningScheme::EcdsaP256Sha256 {
            return Err(Error::UnsupportedAlgorithm(format!("signatures of files by {}", scheme.name())));
        }
        let verified = VerifyingKey::from_sec1_bytes(key)
            .and_then(|key| key.verify_prehash(digest, &Signature::from_der(signature)?));
        verified.map_err(|_| not_matching(scheme))
    }

    fn generate_key_pair(&self, algorithm: KeyAlgorithm) -> Result<Box<dyn SigningKeyPair>> {
        if algorithm != KeyAlgorithm::EcdsaP256 {
            return Err(Error::UnsupportedAlgorithm(format!("keys of the kind {algorithm:?}")));
        }
        let key = SigningKey::try_generate();
        key.map(ShortLivedKey::boxed).map_err(|error| Error::KeyGeneration(format!("no random numbers: {error}")))
    }

    fn key_pair_from_pkcs8_der(&self, key: &[u8]) -> Result<Box<dyn SigningKeyPair>> {
        let key = SigningKey::from_pkcs8_der(key);
        key.map(ShortLivedKey::boxed).map_err(|error| Error::InvalidKeyFormat(error.to_string()))
    }
}

fn not_matching(scheme: SigningScheme) -> Error {
    Error::Verification(format!("the {} signature does not match", scheme.name()))
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
