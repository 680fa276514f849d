//! NaCl's `crypto_secretbox`: XSalsa20, and Poly1305 over the ciphertext ("Cryptography in NaCl", section 10).

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

/// The length of a key in bytes.
pub(super) const KEY: usize = 32;
/// The length of a nonce in bytes.
pub(super) const NONCE: usize = 24;
/// The length of the tag in bytes. The ciphertext follows it.
const TAG: usize = 16;

/// Returns the key of the tag, which is the start of the key stream, and the message encrypted with the rest.
fn stream(key: &[u8; KEY], nonce: &[u8; NONCE], message: &[u8]) -> (Zeroizing<[u8; KEY]>, Zeroizing<Vec<u8>>) {
    let mut buffer = Zeroizing::new(vec![0; KEY]);
    buffer.extend_from_slice(message);
    XSalsa20::new(&(*key).into(), &(*nonce).into()).apply_keystream(&mut buffer);
    let mut tag_key = Zeroizing::new([0; KEY]);
    tag_key.copy_from_slice(&buffer[..KEY]);
    (tag_key, Zeroizing::new(buffer[KEY..].to_vec()))
}

fn tag(key: &[u8; KEY], sealed: &[u8]) -> [u8; TAG] {
    Poly1305::new(&(*key).into()).compute_unpadded(sealed).into()
}

/// Encrypts and authenticates a message. A nonce must be used only once.
pub(super) fn seal(key: &[u8; KEY], nonce: &[u8; NONCE], message: &[u8]) -> Vec<u8> {
    let (tag_key, sealed) = stream(key, nonce, message);
    [&tag(&tag_key, &sealed)[..], &sealed[..]].concat()
}

/// Returns the message, or `None` if the key is wrong or a byte has changed.
pub(super) fn open(key: &[u8; KEY], nonce: &[u8; NONCE], boxed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (expected, sealed) = boxed.split_at_checked(TAG)?;
    let (tag_key, message) = stream(key, nonce, sealed);
    // Constant time: compares all bytes.
    let differs =
        tag(&tag_key, sealed).iter().zip(expected).fold(0, |differs, (actual, expected)| differs | (actual ^ expected));
    (differs == 0).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    }

    /// The example of the paper, section 10: `firstkey`, `nonce`, and the start of the ciphertext.
    #[test]
    fn seal_matches_the_example_of_the_paper() {
        let key: [u8; KEY] =
            bytes("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389").try_into().expect("32");
        let nonce: [u8; NONCE] = bytes("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37").try_into().expect("24");
        let message = bytes(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f4\
             1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52\
             f0a089bc76897040e082f937763848645e0705",
        );
        let sealed = seal(&key, &nonce, &message);
        assert!(sealed.starts_with(&bytes("f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce")));
        assert_eq!(sealed.len(), message.len() + TAG);
        assert_eq!(open(&key, &nonce, &sealed).as_deref(), Some(&message));
    }

    #[test]
    fn open_rejects_any_changed_bit() {
        let (key, nonce) = ([1; KEY], [2; NONCE]);
        let sealed = seal(&key, &nonce, b"message");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key, &nonce, &changed), None, "{at}");
        }
        assert_eq!(open(&[3; KEY], &nonce, &sealed), None);
        assert_eq!(open(&key, &nonce, &sealed[..TAG - 1]), None);
    }
}
