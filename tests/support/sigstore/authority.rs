//! An authority that believes every token, and the log that it enters its certificates into.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SigningKey,
};

use super::super::registry::sha256;
use super::hex;

/// Fulcio's extension that says who has given the token, in its first form.
const ISSUED_BY: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 1];
/// Signed certificate timestamps (RFC 6962, section 3.3).
const TIMESTAMPS: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, as DER.
    pub certificate: Vec<u8>,
    /// The SHA-256 of its public key.
    key_hash: Vec<u8>,
    /// What the log of certificates signs with.
    pub certificate_log: KeyPair,
}

/// What a certificate says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Whom.
    pub email: String,
    /// Which workflow, in place of whom: a URL.
    pub workflow: Option<String>,
    /// Who has identified them.
    pub issuer: Option<String>,
    /// When it is valid, in seconds from now.
    pub valid: (i64, i64),
    /// Whether it is for signing code.
    pub signs_code: bool,
    /// Whether the log of certificates has it.
    pub is_logged: bool,
    /// What else Fulcio says: the last part of the object identifier, and the text.
    pub more: Vec<(u64, String)>,
}

impl Default for Claims {
    fn default() -> Claims {
        Claims {
            email: super::IDENTITY.to_owned(),
            workflow: None,
            issuer: Some(super::ISSUER.to_owned()),
            valid: (-60, 600),
            signs_code: true,
            is_logged: true,
            more: Vec::new(),
        }
    }
}

impl Authority {
    pub fn new() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut wanted = CertificateParams::new(Vec::new()).expect("an authority");
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        wanted.distinguished_name.push(DnType::CommonName, "authority");
        // gh chooses among roots by it.
        wanted.distinguished_name.push(DnType::OrganizationName, "authority.example");
        let certificate = wanted.self_signed(&key).expect("a certificate").der().to_vec();
        let key_hash = hex(&sha256(&key.subject_public_key_info()));
        let certificate_log = KeyPair::generate().expect("a key");
        Authority { issuer: Issuer::new(wanted, key), certificate, key_hash, certificate_log }
    }

    /// Issues a certificate for a key, as DER.
    pub fn issue(&self, key: &impl PublicKeyData, claims: &Claims) -> Vec<u8> {
        let now = SystemTime::now();
        let at = |seconds: i64| {
            let distance = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { now - distance } else { now + distance }
        };
        let mut wanted = CertificateParams::new(Vec::new()).expect("a certificate");
        wanted.serial_number = Some(SerialNumber::from_slice(&[7; 16]));
        let name = |text: &str| text.try_into().expect("an address");
        wanted.subject_alt_names = vec![match &claims.workflow {
            Some(workflow) => SanType::URI(name(workflow)),
            None => SanType::Rfc822Name(name(&claims.email)),
        }];
        wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let usage =
            if claims.signs_code { ExtendedKeyUsagePurpose::CodeSigning } else { ExtendedKeyUsagePurpose::ServerAuth };
        wanted.extended_key_usages = vec![usage];
        let issued_by = claims.issuer.iter().map(|issuer| (ISSUED_BY[8], issuer.clone().into_bytes()));
        let more = claims.more.iter().map(|(last, text)| (*last, der(0x0c, text.as_bytes())));
        wanted.custom_extensions = issued_by
            .chain(more)
            .map(|(last, content)| CustomExtension::from_oid_content(&[&ISSUED_BY[..8], &[last]].concat(), content))
            .collect();
        (wanted.not_before, wanted.not_after) = (at(claims.valid.0).into(), at(claims.valid.1).into());
        if claims.is_logged {
            let before = wanted.signed_by(key, &self.issuer).expect("a certificate");
            let list = self.timestamps(signed_part(before.der()));
            wanted.custom_extensions.push(CustomExtension::from_oid_content(&TIMESTAMPS, list));
        }
        wanted.signed_by(key, &self.issuer).expect("a certificate").der().to_vec()
    }

    /// The list of the one timestamp of a certificate, as DER (RFC 6962, sections 3.2 and 3.3).
    fn timestamps(&self, certificate: &[u8]) -> Vec<u8> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_millis();
        let time = u64::try_from(time).expect("a time").to_be_bytes();
        let length = u32::try_from(certificate.len()).expect("a length").to_be_bytes();
        // Version 1, a timestamp of a certificate; an entry for a certificate before it was issued; no extensions.
        let signed = [&[0, 0][..], &time, &[0, 1], &self.key_hash, &length[1..], certificate, &[0, 0]].concat();
        let signature = self.certificate_log.sign(&signed).expect("signs");
        let log = hex(&sha256(&self.certificate_log.subject_public_key_info()));
        // SHA-256 and ECDSA.
        let one = [&[0][..], &log, &time, &[0, 0], &[4, 3], &with_length(&signature)].concat();
        der(0x04, &with_length(&with_length(&one)))
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

fn with_length(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).expect("a length").to_be_bytes(), content].concat()
}

/// An element of DER, of fewer than 65,536 bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a length").to_be_bytes();
    let head = match content.len() {
        short @ ..128 => vec![tag, u8::try_from(short).expect("a length")],
        128..256 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [&head, content].concat()
}

/// The first element in a certificate: what is signed. Both have lengths of two bytes.
fn signed_part(certificate: &[u8]) -> &[u8] {
    let inner = &certificate[4..];
    assert!(certificate[1] == 0x82 && inner[1] == 0x82, "another length");
    &inner[..4 + usize::from(u16::from_be_bytes([inner[2], inner[3]]))]
}

/// A key on the curve P-256, as a point on that.
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads PEM: 26 bytes that are the same for all of them come before the point.
    pub fn read(pem: &str) -> PublicKey {
        let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        PublicKey(BASE64_STANDARD.decode(text).expect("base64").split_off(26))
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}
