//! `TAG` or `ALGORITHM:HEX`: the name of an image within its repository or layout.

use std::fmt;
use std::str::FromStr;

use oci_spec::image::{Digest, DigestAlgorithm};

/// The name of an image within its repository, layout or archive.
///
/// It is parsed once, so that no place can take a digest for a tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TagOrDigest {
    /// A tag, which may name another image tomorrow.
    Tag(String),
    /// A digest, which names exactly one image.
    Digest(Digest),
}

impl TagOrDigest {
    /// Returns the text of the tag or digest.
    pub fn as_str(&self) -> &str {
        match self {
            TagOrDigest::Tag(tag) => tag,
            TagOrDigest::Digest(digest) => digest.as_ref(),
        }
    }

    /// Returns the tag, or `None` if it is a digest.
    pub fn tag(&self) -> Option<&str> {
        match self {
            TagOrDigest::Tag(tag) => Some(tag),
            TagOrDigest::Digest(_) => None,
        }
    }

    /// Returns the digest, or `None` if it is a tag.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            TagOrDigest::Tag(_) => None,
            TagOrDigest::Digest(digest) => Some(digest),
        }
    }
}

impl FromStr for TagOrDigest {
    type Err = String;

    /// Parses a text with a colon as a digest, any other as a tag.
    fn from_str(text: &str) -> Result<TagOrDigest, String> {
        if text.contains(':') {
            parse_digest(text).map(TagOrDigest::Digest)
        } else if text.is_empty() {
            Err("expected a tag after the colon".to_owned())
        } else {
            Ok(TagOrDigest::Tag(text.to_owned()))
        }
    }
}

impl fmt::Display for TagOrDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Parses the digest of a reference, which must be one that content can be verified against.
///
/// # Errors
/// Returns the reason if it is not a digest (image-spec, `descriptor.md`, "Digests"), or if its algorithm is unsupported.
pub(super) fn parse_digest(text: &str) -> Result<Digest, String> {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return Err("expected a digest after the `@`, such as `sha256:` and 64 hex digits".to_owned());
    };
    let lowercase = algorithm.to_ascii_lowercase();
    let length = match lowercase.as_str() {
        "sha256" => 64,
        "sha512" => 128,
        _ => return Err(format!("unsupported digest algorithm `{algorithm}`: expected sha256 or sha512")),
    };
    if hex.len() != length {
        return Err(format!("expected {length} hex digits after `{algorithm}:`, found {}", hex.chars().count()));
    }
    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("expected only hex digits after `{algorithm}:`"));
    }
    let (digest, is_lowercase) = (format!("{lowercase}:{hex}"), *algorithm == lowercase);
    Digest::try_from(digest).ok().filter(|_| is_lowercase).ok_or_else(|| "digests must be lowercase".to_owned())
}

/// Returns whether what follows an `@` is meant as a digest, right or wrong. The path of a layout may have an `@`, too, such
/// as `target/oci/hello@linux-amd64:latest`.
pub(super) fn is_meant_as_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let is_word = algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
        && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_long_hex = hex.len() >= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let known = DigestAlgorithm::from(algorithm.to_ascii_lowercase().as_str());
    known.digest_hexlen().is_some() || is_word && is_long_hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_a_digest_or_a_tag() {
        let [sha256, sha512] = [("sha256", 64), ("sha512", 128)].map(|(name, n)| format!("{name}:{}", "a".repeat(n)));
        for digest in [sha256, sha512] {
            let name: TagOrDigest = digest.parse().expect("a digest");
            assert_eq!((name.tag(), name.to_string()), (None, digest));
        }
        assert_eq!("v1".parse(), Ok(TagOrDigest::Tag("v1".to_owned())));
        assert!("".parse::<TagOrDigest>().is_err());
    }

    #[test]
    fn invalid_digest_is_never_a_tag() {
        let error = |text: &str| text.parse::<TagOrDigest>().expect_err(text);
        for (text, reason) in [
            (format!("sha256:{}A", "0".repeat(63)), "digests must be lowercase"),
            (format!("SHA256:{}", "0".repeat(64)), "digests must be lowercase"),
            (format!("sha512:{}", "F".repeat(128)), "digests must be lowercase"),
            (format!("sha256:{}", "0".repeat(63)), "expected 64 hex digits after `sha256:`, found 63"),
            (format!("sha512:{}", "0".repeat(64)), "expected 128 hex digits after `sha512:`, found 64"),
            (format!("sha256:{}g", "0".repeat(63)), "expected only hex digits after `sha256:`"),
            (format!("sha384:{}", "0".repeat(96)), "unsupported digest algorithm `sha384`: expected sha256 or sha512"),
            ("md5:0".to_owned(), "unsupported digest algorithm `md5`: expected sha256 or sha512"),
        ] {
            assert_eq!(error(&text), reason);
        }
    }

    #[test]
    fn path_with_an_at_sign_is_not_a_digest() {
        let sha1 = "0123456789abcdef0123456789abcdef01234567";
        for path in ["linux-amd64", "linux-amd64:latest", &format!("linux-amd64:{sha1}"), "2:v1", ""] {
            assert!(!is_meant_as_digest(path), "{path}");
        }
        for digest in ["sha256:", "SHA256:0", &format!("sha265:{}", "0".repeat(64)), &format!("md5:{}", "0".repeat(32))]
        {
            assert!(is_meant_as_digest(digest), "{digest}");
        }
    }
}
