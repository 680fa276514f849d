//! NaCl's `crypto_secretbox`: XSalsa20, and Poly1305 over what it made ("Cryptography in NaCl", section 10).

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

/// Bytes of a key.
pub const KEY: usize = 32;
/// Bytes of a nonce.
pub const NONCE: usize = 24;
/// Bytes of the tag, which stands before the rest.
const TAG: usize = 16;

/// The first bytes of the stream are the key of the tag; the message takes those behind.
fn stream(key: &[u8; KEY], nonce: &[u8; NONCE], message: &[u8]) -> (Zeroizing<[u8; KEY]>, Zeroizing<Vec<u8>>) {
    let mut buffer = Zeroizing::new(vec![0; KEY]);
    buffer.extend_from_slice(message);
    XSalsa20::new(&(*key).into(), &(*nonce).into()).apply_keystream(&mut buffer);
    let mut of_tag = Zeroizing::new([0; KEY]);
    of_tag.copy_from_slice(&buffer[..KEY]);
    (of_tag, Zeroizing::new(buffer[KEY..].to_vec()))
}

fn tag(key: &[u8; KEY], sealed: &[u8]) -> [u8; TAG] {
    Poly1305::new(&(*key).into()).compute_unpadded(sealed).into()
}

/// A message that nobody reads or changes without the key. A nonce is used once.
pub fn seal(key: &[u8; KEY], nonce: &[u8; NONCE], message: &[u8]) -> Vec<u8> {
    let (of_tag, sealed) = stream(key, nonce, message);
    [&tag(&of_tag, &sealed)[..], &sealed[..]].concat()
}

/// The message again; nothing where the key is another one, or a byte has changed.
pub fn open(key: &[u8; KEY], nonce: &[u8; NONCE], boxed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (said, sealed) = boxed.split_at_checked(TAG)?;
    let (of_tag, message) = stream(key, nonce, sealed);
    // All bytes are looked at, whichever differs first.
    let differs = tag(&of_tag, sealed).iter().zip(said).fold(0, |differs, (is, said)| differs | (is ^ said));
    (differs == 0).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    }

    /// The example of the paper, section 10: `firstkey`, `nonce`, and the beginning and the end of what becomes of it.
    #[test]
    fn the_example_of_the_paper_comes_out() {
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
    fn a_changed_bit_anywhere_opens_nothing() {
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
