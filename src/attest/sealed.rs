//! A private key under a password, as cosign keeps it: JSON that says how it was encrypted, and what came of it.
//!
//! The password becomes a key by scrypt (RFC 7914), which seals the private key ([`secretbox`](super::secretbox)).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miette::{Report, miette};
use scrypt::Params;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::secretbox::{KEY, NONCE, open, seal};
use crate::error::Result;
use crate::secret::Secret;

/// What cosign writes: 64 MiB, and a fraction of a second.
const COST: Cost = Cost { n: 1 << 16, r: 8, p: 1 };
/// Bytes of memory that a file may ask for at most.
const MOST_MEMORY: u64 = 1 << 30;
/// Rounds that it may ask for at most.
const MOST_ROUNDS: u32 = 16;
const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";

#[derive(Serialize, Deserialize)]
struct Sealed {
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

/// The password opens nothing.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("this is not its password")]
#[diagnostic(help("set COSIGN_PASSWORD to its password, or unset it to be asked for that"))]
pub struct WrongPassword;

impl Cost {
    /// The key that a password stands for.
    fn derive(self, password: &Secret, salt: &[u8]) -> Result<Zeroizing<[u8; KEY]>> {
        let memory = self.n.checked_mul(u64::from(self.r)).and_then(|blocks| blocks.checked_mul(128));
        if !self.n.is_power_of_two() || memory.is_none_or(|bytes| bytes > MOST_MEMORY) || self.p > MOST_ROUNDS {
            return Err(unknown(&format!("scrypt with N {}, r {} and p {}", self.n, self.r, self.p)));
        }
        // A power of two has less than 64 zeros.
        let log_n = u8::try_from(self.n.trailing_zeros()).unwrap_or(u8::MAX);
        let params = Params::new(log_n, self.r, self.p).map_err(|_| unknown("scrypt with such parameters"))?;
        let mut key = Zeroizing::new([0; KEY]);
        let derived = scrypt::scrypt(password.expose().as_bytes(), salt, &params, &mut key[..]);
        derived.map_err(|error| miette!("cannot use the password: {error}"))?;
        Ok(key)
    }
}

fn unknown(what: &str) -> Report {
    miette!(help = MAKE, "it is encrypted with {what}, which is not read here")
}

/// How one comes by a key that is read.
pub const MAKE: &str = "`cargo oci generate-key` and `cosign generate-key-pair` make keys that are read here";

/// Puts a private key (PKCS#8, as DER) under a password.
///
/// # Errors
/// When this machine gives no random numbers.
pub fn under(password: &Secret, key: &[u8]) -> Result<Vec<u8>> {
    let (mut salt, mut nonce) = ([0; 32], [0; NONCE]);
    for random in [&mut salt[..], &mut nonce[..]] {
        getrandom::fill(random).map_err(|error| miette!("this machine gives no random numbers: {error}"))?;
    }
    let sealed = seal(&*COST.derive(password, &salt)?, &nonce, key);
    let encode = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let sealed = Sealed {
        kdf: Kdf { name: KDF.to_owned(), params: COST, salt: encode(&salt) },
        cipher: Cipher { name: CIPHER.to_owned(), nonce: encode(&nonce) },
        ciphertext: encode(&sealed),
    };
    serde_json::to_vec(&sealed).map_err(|error| miette!("cannot write the key: {error}"))
}

/// The private key again.
///
/// # Errors
/// [`WrongPassword`]; what is not such JSON, or was encrypted in another way.
pub fn opened(sealed: &[u8], password: &Secret) -> Result<Zeroizing<Vec<u8>>> {
    let damaged = || miette!(help = "take the file from where it was made, unchanged", "the encrypted key is damaged");
    let sealed: Sealed = serde_json::from_slice(sealed).map_err(|_| damaged())?;
    if sealed.kdf.name != KDF || sealed.cipher.name != CIPHER {
        return Err(unknown(&format!("{} and {}", sealed.kdf.name, sealed.cipher.name)));
    }
    let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| damaged());
    let (salt, boxed) = (decode(&sealed.kdf.salt)?, decode(&sealed.ciphertext)?);
    let nonce: [u8; NONCE] = decode(&sealed.cipher.nonce)?.try_into().map_err(|_| damaged())?;
    let key = sealed.kdf.params.derive(password, &salt)?;
    open(&key, &nonce, &boxed).ok_or_else(|| WrongPassword.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_opens_what_it_closed_and_no_other_does() {
        let sealed = under(&Secret::new("sesame"), b"a key").expect("is sealed");
        assert_eq!(*opened(&sealed, &Secret::new("sesame")).expect("opens"), b"a key");
        let error = opened(&sealed, &Secret::new("")).unwrap_err();
        assert!(error.downcast_ref::<WrongPassword>().is_some(), "{error}");
    }

    #[test]
    fn what_asks_for_too_much_or_is_encrypted_in_another_way_is_refused() {
        let sealed = |params: &str, cipher: &str| {
            format!(
                r#"{{"kdf":{{"name":"scrypt","params":{params},"salt":""}},"cipher":{{"name":"{cipher}","nonce":"{}"}},"ciphertext":""}}"#,
                BASE64_STANDARD.encode([0; NONCE])
            )
        };
        for (params, cipher, what) in [
            (r#"{"N":1048576,"r":4096,"p":1}"#, CIPHER, "scrypt with N"),
            (r#"{"N":65537,"r":8,"p":1}"#, CIPHER, "scrypt with N"),
            (r#"{"N":2,"r":1,"p":4000000000}"#, CIPHER, "scrypt with N"),
            (r#"{"N":2,"r":1,"p":1}"#, "aes", "scrypt and aes"),
        ] {
            let error = opened(sealed(params, cipher).as_bytes(), &Secret::new("")).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
        assert!(opened(b"{}", &Secret::new("")).unwrap_err().to_string().contains("damaged"));
    }
}
