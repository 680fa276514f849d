//! cosign's format for a password-protected private key: JSON with the ciphertext and the parameters of the encryption.
//!
//! scrypt (RFC 7914) derives a key from the password, which encrypts the private key ([`secretbox`](super::secretbox)).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miette::{Report, miette};
use scrypt::Params;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::secretbox::{KEY, NONCE, open, seal};
use crate::error::Result;
use crate::secret::Secret;

/// The cost that cosign uses: 64 MiB, and a fraction of a second.
const COST: Cost = Cost { n: 1 << 16, r: 8, p: 1 };
/// The most bytes of memory that a file may ask for.
const MOST_MEMORY: u64 = 1 << 30;
/// The most rounds that a file may ask for.
const MOST_ROUNDS: u32 = 16;
const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";
/// How to create a supported key.
pub(super) const CREATE_KEY: &str = "create a key with `cargo oci generate-key` or `cosign generate-key-pair`";

#[derive(Serialize, Deserialize)]
struct EncryptedKey {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Cost,
    salt: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Cost {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// The password does not decrypt the key.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("wrong password for {key}")]
#[diagnostic(help("set COSIGN_PASSWORD to the password of the key, or unset it to be prompted"))]
pub(super) struct WrongPassword {
    key: String,
}

impl Cost {
    /// Derives a key from a password.
    fn derive(self, password: &Secret, salt: &[u8]) -> Result<Zeroizing<[u8; KEY]>> {
        let memory = self.n.checked_mul(u64::from(self.r)).and_then(|blocks| blocks.checked_mul(128));
        if !self.n.is_power_of_two() || memory.is_none_or(|bytes| bytes > MOST_MEMORY) || self.p > MOST_ROUNDS {
            return Err(unsupported(&format!("scrypt with N {}, r {} and p {}", self.n, self.r, self.p)));
        }
        // A power of two has less than 64 zeros.
        let log_n = u8::try_from(self.n.trailing_zeros()).unwrap_or(u8::MAX);
        let params = Params::new(log_n, self.r, self.p).map_err(|_| unsupported("scrypt with invalid parameters"))?;
        let mut key = Zeroizing::new([0; KEY]);
        let derived = scrypt::scrypt(password.expose().as_bytes(), salt, &params, &mut key[..]);
        derived.map_err(|error| miette!("cannot derive a key from the password: {error}"))?;
        Ok(key)
    }
}

fn unsupported(what: &str) -> Report {
    miette!(help = CREATE_KEY, "unsupported encryption: {what}")
}

fn damaged() -> Report {
    miette!(help = "copy the file again from where it was created, or restore a backup", "the encrypted key is damaged")
}

/// Encrypts a private key (PKCS#8, as DER) with a password.
///
/// # Errors
/// Returns an error if the operating system provides no random numbers.
pub(super) fn encrypt(key: &[u8], password: &Secret) -> Result<Vec<u8>> {
    let (mut salt, mut nonce) = ([0; 32], [0; NONCE]);
    for random in [&mut salt[..], &mut nonce[..]] {
        getrandom::fill(random)
            .map_err(|error| miette!("cannot get random numbers from the operating system: {error}"))?;
    }
    let sealed = seal(&*COST.derive(password, &salt)?, &nonce, key);
    let encrypted = EncryptedKey {
        kdf: Kdf { name: KDF.to_owned(), params: COST, salt: BASE64_STANDARD.encode(salt) },
        cipher: Cipher { name: CIPHER.to_owned(), nonce: BASE64_STANDARD.encode(nonce) },
        ciphertext: BASE64_STANDARD.encode(sealed),
    };
    serde_json::to_vec(&encrypted).map_err(|error| miette!("cannot encode the key: {error}"))
}

/// Decrypts a private key; errors call it `name`.
///
/// # Errors
/// Returns an error if the password is wrong ([`WrongPassword`]), or the file is damaged or encrypted in another way.
pub(super) fn decrypt(encrypted: &[u8], name: &str, password: &Secret) -> Result<Zeroizing<Vec<u8>>> {
    let encrypted: EncryptedKey = serde_json::from_slice(encrypted).map_err(|_| damaged())?;
    if encrypted.kdf.name != KDF || encrypted.cipher.name != CIPHER {
        return Err(unsupported(&format!("{} and {}", encrypted.kdf.name, encrypted.cipher.name)));
    }
    let (salt, sealed) = (decode(&encrypted.kdf.salt)?, decode(&encrypted.ciphertext)?);
    let nonce: [u8; NONCE] = decode(&encrypted.cipher.nonce)?.try_into().map_err(|_| damaged())?;
    let key = encrypted.kdf.params.derive(password, &salt)?;
    open(&key, &nonce, &sealed).ok_or_else(|| WrongPassword { key: name.to_owned() }.into())
}

fn decode(base64: &str) -> Result<Vec<u8>> {
    BASE64_STANDARD.decode(base64).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decrypt_needs_the_password_of_encrypt() {
        let encrypted = encrypt(b"a key", &Secret::new("sesame")).expect("encrypts");
        assert_eq!(*decrypt(&encrypted, "x.key", &Secret::new("sesame")).expect("decrypts"), b"a key");
        let error = decrypt(&encrypted, "x.key", &Secret::new("")).unwrap_err();
        assert!(error.downcast_ref::<WrongPassword>().is_some(), "{error}");
        assert_eq!(error.to_string(), "wrong password for x.key");
    }

    #[test]
    fn decrypt_rejects_other_ciphers_and_high_costs() {
        for (params, cipher, what) in [
            (r#"{"N":1048576,"r":4096,"p":1}"#, CIPHER, "scrypt with N"),
            (r#"{"N":65537,"r":8,"p":1}"#, CIPHER, "scrypt with N"),
            (r#"{"N":2,"r":1,"p":4000000000}"#, CIPHER, "scrypt with N"),
            (r#"{"N":2,"r":1,"p":1}"#, "aes", "scrypt and aes"),
        ] {
            let encrypted = format!(
                r#"{{"kdf":{{"name":"scrypt","params":{params},"salt":""}},"cipher":{{"name":"{cipher}","nonce":"{}"}},"ciphertext":""}}"#,
                BASE64_STANDARD.encode([0; NONCE])
            );
            let error = decrypt(encrypted.as_bytes(), "x.key", &Secret::new("")).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
        assert!(decrypt(b"{}", "x.key", &Secret::new("")).unwrap_err().to_string().contains("damaged"));
    }
}
