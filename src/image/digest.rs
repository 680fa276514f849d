//! Digests: content identifiers (image-spec, `descriptor.md`, "Digests").

use std::fmt::{self, Write as _};
use std::io::{self, Read, Write};

pub use oci_spec::image::Digest;
use oci_spec::image::{Descriptor, DigestAlgorithm};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// The digest of a layer's uncompressed tar (image-spec, `config.md`, "Layer DiffID").
///
/// This is a separate type because the layer's blob has a [`Digest`] too, and the two must not be confused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Returns the sha256 digest of `content`.
pub fn sha256(content: &[u8]) -> Digest {
    let mut hasher = Hasher::sha256();
    hasher.update(content);
    hasher.finish()
}

/// An incremental hasher.
#[derive(Clone)]
pub enum Hasher {
    /// The algorithm of all digests written here.
    Sha256(Sha256),
    /// An algorithm that a base may use.
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// Creates a sha256 hasher.
    pub fn sha256() -> Hasher {
        Hasher::Sha256(Sha256::new())
    }

    /// Creates a hasher of the algorithm of `digest`, or returns `None` if it is unsupported.
    pub fn for_digest(digest: &Digest) -> Option<Hasher> {
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => Some(Hasher::sha256()),
            DigestAlgorithm::Sha512 => Some(Hasher::Sha512(Box::new(Sha512::new()))),
            _ => None,
        }
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(sha) => sha.update(bytes),
            Hasher::Sha512(sha) => sha.update(bytes),
        }
    }

    /// Returns the digest of all bytes.
    pub fn finish(self) -> Digest {
        match self {
            Hasher::Sha256(sha) => named("sha256", &sha.finalize()),
            Hasher::Sha512(sha) => named("sha512", &sha.finalize()),
        }
    }
}

/// Returns the digest of content with this hash.
pub(crate) fn of_sha256(hash: &[u8; 32]) -> Digest {
    named("sha256", hash)
}

#[allow(clippy::unwrap_used)]
fn named(algorithm: &str, hash: &[u8]) -> Digest {
    let mut digest = format!("{algorithm}:");
    for byte in hash {
        // Writing to a string cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    // The name of an algorithm and the right number of lowercase hex digits are a valid digest.
    Digest::try_from(digest).unwrap()
}

/// A writer that hashes and counts the bytes it passes on.
pub struct HashWriter<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> HashWriter<W> {
    /// Creates a writer to `inner`.
    pub fn new(inner: W) -> HashWriter<W> {
        HashWriter { inner, hasher: Hasher::sha256(), size: 0 }
    }

    /// Returns the digest, the size in bytes and the inner writer.
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

/// A reader that fails unless the content matches its descriptor.
///
/// It fails at most one byte past the described size. The inner error is a [`Mismatch`].
pub struct VerifyReader<R> {
    inner: R,
    expected: Digest,
    hasher: Option<Hasher>,
    remaining: u64,
    size: u64,
    /// Whether there was more content than described.
    is_too_long: bool,
}

/// The error of content that does not match its descriptor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The content has another size.
    #[error("{digest} has the wrong size: expected {expected} bytes, found {found}")]
    Size {
        /// The digest of the descriptor.
        digest: Digest,
        /// The size in the descriptor, in bytes.
        expected: u64,
        /// The size that was found.
        found: FoundSize,
    },
    /// The content has another digest.
    #[error("wrong content: expected {expected}, found {found}")]
    Digest {
        /// The digest of the descriptor.
        expected: Digest,
        /// The digest of the content.
        found: Digest,
    },
    /// The algorithm of the digest is not supported.
    #[error("cannot verify {0}: expected sha256 or sha512")]
    Algorithm(Digest),
}

/// The size of content that has the wrong size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundSize {
    /// The content ended after this many bytes.
    Only(u64),
    /// The content was longer than described. The rest was not read.
    More,
}

impl fmt::Display for FoundSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FoundSize::Only(bytes) => write!(f, "only {bytes}"),
            FoundSize::More => f.write_str("more"),
        }
    }
}

impl<R: Read> VerifyReader<R> {
    /// Creates a reader that verifies `inner` against `descriptor`.
    pub fn new(inner: R, descriptor: &Descriptor) -> VerifyReader<R> {
        VerifyReader {
            inner,
            expected: descriptor.digest().clone(),
            hasher: Hasher::for_digest(descriptor.digest()),
            remaining: descriptor.size(),
            size: descriptor.size(),
            is_too_long: false,
        }
    }

    fn wrong_size(&self, found: FoundSize) -> io::Error {
        invalid(Mismatch::Size { digest: self.expected.clone(), expected: self.size, found })
    }

    /// Verifies the size and the digest at the end of the content.
    fn check(&self) -> io::Result<()> {
        if self.remaining > 0 {
            return Err(self.wrong_size(FoundSize::Only(self.size - self.remaining)));
        }
        match self.hasher.clone().map(Hasher::finish) {
            Some(found) if found == self.expected => Ok(()),
            Some(found) => Err(invalid(Mismatch::Digest { expected: self.expected.clone(), found })),
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
        if read == 0 && !self.is_too_long {
            self.check()?;
        }
        // A caller that reads on gets the same error again.
        self.is_too_long |= read as u64 > self.remaining;
        if self.is_too_long {
            return Err(self.wrong_size(FoundSize::More));
        }
        self.remaining -= read as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        // Verify before returning the last bytes, so that nobody downstream gets complete but wrong content.
        if self.remaining == 0 && read > 0 {
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
    fn digest_of_empty_content_is_known() {
        let known = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b"").to_string(), known);
    }

    #[test]
    fn verify_reader_passes_described_content() {
        assert_eq!(read(b"abc", sha256(b"abc"), 3), Ok(b"abc".to_vec()));
        let mut sha512 = Hasher::Sha512(Box::default());
        sha512.update(b"abc");
        assert_eq!(read(b"abc", sha512.finish(), 3), Ok(b"abc".to_vec()));
    }

    #[test]
    fn verify_reader_rejects_other_content_and_sizes() {
        assert!(read(b"abd", sha256(b"abc"), 3).unwrap_err().contains("wrong content: expected"));
        assert!(read(b"ab", sha256(b"abc"), 3).unwrap_err().contains("expected 3 bytes, found only 2"));
        assert!(read(b"abcd", sha256(b"abc"), 3).unwrap_err().contains("expected 3 bytes, found more"));
    }

    #[test]
    fn verify_reader_repeats_its_error() {
        for (content, what) in [(&b"abd"[..], "wrong content"), (b"ab", "found only 2"), (b"abcd", "found more")] {
            let descriptor = Descriptor::new(MediaType::ImageLayer, 3, sha256(b"abc"));
            let mut reader = VerifyReader::new(content, &descriptor);
            for _ in 0..2 {
                let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
                assert!(error.to_string().contains(what), "{error}");
            }
        }
    }
}
