//! Digests: names of content that are made from the content (image-spec, `descriptor.md`, "Digests").

use std::fmt;
use std::io::{self, Read, Write};

pub use oci_spec::image::Digest;
use oci_spec::image::{Descriptor, DigestAlgorithm};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// The digest of a layer's uncompressed tar (image-spec, `config.md`, "Layer DiffID").
///
/// It is a type of its own because the layer's blob has a [`Digest`] too, and they must never be swapped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The sha256 of `content`.
pub fn sha256(content: &[u8]) -> Digest {
    let mut hasher = Hasher::sha256();
    hasher.update(content);
    hasher.finish()
}

/// A digest in the making.
#[derive(Clone)]
pub enum Hasher {
    /// What this program writes.
    Sha256(Sha256),
    /// What a base may use.
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// The algorithm of all digests made here.
    pub fn sha256() -> Hasher {
        Hasher::Sha256(Sha256::new())
    }

    /// A hasher of the algorithm `digest` is of; nothing for an algorithm that cannot be checked.
    pub fn like(digest: &Digest) -> Option<Hasher> {
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => Some(Hasher::sha256()),
            DigestAlgorithm::Sha512 => Some(Hasher::Sha512(Box::new(Sha512::new()))),
            _ => None,
        }
    }

    /// Takes the next bytes of the content.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(sha) => sha.update(bytes),
            Hasher::Sha512(sha) => sha.update(bytes),
        }
    }

    /// The digest of all that was taken.
    pub fn finish(self) -> Digest {
        let (name, hash) = match self {
            Hasher::Sha256(sha) => ("sha256", sha.finalize().to_vec()),
            Hasher::Sha512(sha) => ("sha512", sha.finalize().to_vec()),
        };
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        // An algorithm's name and the right number of lower-case hex digits is what a digest is.
        #[allow(clippy::unwrap_used)]
        Digest::try_from(format!("{name}:{hex}")).unwrap()
    }
}

/// A writer that hashes and counts what passes.
pub struct HashWriter<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> HashWriter<W> {
    /// Passes all on to `inner`.
    pub fn new(inner: W) -> HashWriter<W> {
        HashWriter { inner, hasher: Hasher::sha256(), size: 0 }
    }

    /// The digest and the size in bytes of what passed, and the writer it went to.
    pub fn finish(self) -> (Digest, u64, W) {
        (self.hasher.finish(), self.size, self.inner)
    }
}

impl<W: Write> Write for HashWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A reader that ends in an error unless the content is what its descriptor says.
///
/// The error comes no later than one byte past the described size, and its inner error is a [`Mismatch`].
pub struct VerifyReader<R> {
    inner: R,
    expected: Digest,
    hasher: Option<Hasher>,
    left: u64,
    size: u64,
    /// Whether more came than was described.
    goes_on: bool,
}

/// Content that is not what its descriptor says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Too few or too many bytes.
    #[error("{digest} should have {wanted} bytes, but {got}")]
    Size {
        /// The digest of the descriptor.
        digest: Digest,
        /// The size in the descriptor, in bytes.
        wanted: u64,
        /// What was found, in words.
        got: String,
    },
    /// The right number of the wrong bytes.
    #[error("{wanted} was asked for, but the content is {got}")]
    Digest {
        /// The digest of the descriptor.
        wanted: Digest,
        /// The digest of the content.
        got: Digest,
    },
    /// A digest that nobody here can check.
    #[error("{0} is of an algorithm other than sha256 and sha512, and cannot be checked")]
    Algorithm(Digest),
}

impl<R: Read> VerifyReader<R> {
    /// Holds what `inner` gives against `descriptor`.
    pub fn new(inner: R, descriptor: &Descriptor) -> VerifyReader<R> {
        VerifyReader {
            inner,
            expected: descriptor.digest().clone(),
            hasher: Hasher::like(descriptor.digest()),
            left: descriptor.size(),
            size: descriptor.size(),
            goes_on: false,
        }
    }

    fn wrong_size(&self, got: String) -> io::Error {
        invalid(Mismatch::Size { digest: self.expected.clone(), wanted: self.size, got })
    }

    /// At the end of the content: was it the right one?
    fn check(&self) -> io::Result<()> {
        if self.left > 0 {
            return Err(self.wrong_size(format!("ended after {}", self.size - self.left)));
        }
        match self.hasher.clone().map(Hasher::finish) {
            Some(got) if got == self.expected => Ok(()),
            Some(got) => Err(invalid(Mismatch::Digest { wanted: self.expected.clone(), got })),
            None => Err(invalid(Mismatch::Algorithm(self.expected.clone()))),
        }
    }
}

fn invalid(mismatch: Mismatch) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, mismatch)
}

impl<R: Read> Read for VerifyReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        crate::interrupt::check()?;
        let read = self.inner.read(buffer)?;
        if read == 0 && !self.goes_on {
            self.check()?;
        }
        // Said again to those who read on.
        self.goes_on |= read as u64 > self.left;
        if self.goes_on {
            return Err(self.wrong_size("goes on".to_owned()));
        }
        self.left -= read as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        // Wrong content is held back before its last byte is out: nobody downstream has then seen a whole of it.
        if self.left == 0 && read > 0 {
            self.check()?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::image::MediaType;

    fn read(content: &[u8], digest: Digest, size: u64) -> Result<Vec<u8>, String> {
        let descriptor = Descriptor::new(MediaType::ImageLayer, size, digest);
        let mut found = Vec::new();
        VerifyReader::new(content, &descriptor)
            .read_to_end(&mut found)
            .map(|_| found)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let known = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b"").to_string(), known);
    }

    #[test]
    fn the_described_content_passes_unchanged() {
        assert_eq!(read(b"abc", sha256(b"abc"), 3), Ok(b"abc".to_vec()));
        let mut sha512 = Hasher::Sha512(Box::default());
        sha512.update(b"abc");
        assert_eq!(read(b"abc", sha512.finish(), 3), Ok(b"abc".to_vec()));
    }

    #[test]
    fn other_content_a_shorter_and_a_longer_one_are_errors() {
        assert!(read(b"abd", sha256(b"abc"), 3).unwrap_err().contains("but the content is"));
        assert!(read(b"ab", sha256(b"abc"), 3).unwrap_err().contains("ended after 2"));
        assert!(read(b"abcd", sha256(b"abc"), 3).unwrap_err().contains("goes on"));
    }

    #[test]
    fn who_reads_on_hears_the_same_error_again() {
        for (content, what) in [(&b"abd"[..], "but the content is"), (b"ab", "ended after 2"), (b"abcd", "goes on")] {
            let descriptor = Descriptor::new(MediaType::ImageLayer, 3, sha256(b"abc"));
            let mut reader = VerifyReader::new(content, &descriptor);
            for _ in 0..2 {
                let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
                assert!(error.to_string().contains(what), "{error}");
            }
        }
    }
}
