//! `registry/repository:tag@digest`: an image in a registry.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use oci_spec::image::Digest;

use super::error::ReferenceError;
use super::grammar::{self, GrammarError};
use super::name::TagOrDigest;

/// A registry, a repository in it, and a tag or a digest of that repository.
///
/// Short names are completed as Docker does: `debian` is `docker.io/library/debian:latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    /// The tag beside a digest, which is not looked at.
    tag_beside: Option<String>,
    name: TagOrDigest,
}

/// The default tag.
const LATEST: &str = "latest";

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let invalid = |error: &GrammarError| ReferenceError::new(text, "an image reference", reason(text, error));
        let parts = grammar::parse(text).map_err(|error| invalid(&error))?;
        // oci-spec takes `Acme/hello` for a repository of Docker Hub, which has none of that name.
        if parts.repository.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(invalid(&GrammarError::Form));
        }
        let (tag_beside, name) = match (parts.tag, parts.digest) {
            (tag, Some(digest)) => (tag, TagOrDigest::Digest(digest)),
            (tag, None) => (None, TagOrDigest::Tag(tag.unwrap_or_else(|| LATEST.to_owned()))),
        };
        Ok(Reference { registry: parts.registry, repository: parts.repository, tag_beside, name })
    }
}

fn reason(text: &str, error: &GrammarError) -> String {
    if let Some((scheme, rest)) = text.split_once("://") {
        return format!("remove the `{scheme}://`, as in `{}`", rest.trim_end_matches('/'));
    }
    // A tag may have uppercase letters.
    let name = text.split('@').next().unwrap_or_default();
    let tag = name.rfind(':').filter(|colon| !name[*colon..].contains('/'));
    let name = &name[..tag.unwrap_or(name.len())];
    match error {
        GrammarError::Form if name.contains(|c: char| c.is_ascii_uppercase()) => {
            format!("repository names must be lowercase: `{}`", name.to_lowercase())
        }
        other => other.to_string(),
    }
}

impl Reference {
    /// Returns whether a text names a tag or a digest, and not only a repository.
    pub(crate) fn is_named_in(text: &str) -> bool {
        grammar::parse(text).is_ok_and(|parts| parts.tag.is_some() || parts.digest.is_some())
    }

    /// Returns the reference to the tag, which may be beside a digest; `None` without a tag.
    pub(crate) fn without_digest(&self) -> Option<Reference> {
        let name = TagOrDigest::Tag(self.tag()?.to_owned());
        Some(Reference { tag_beside: None, name, ..self.clone() })
    }

    /// Returns the reference to a digest, with the tag beside it.
    pub(crate) fn pinned_to(&self, digest: &Digest) -> Reference {
        let tag_beside = self.tag().map(str::to_owned);
        Reference { tag_beside, name: TagOrDigest::Digest(digest.clone()), ..self.clone() }
    }

    /// Returns whether it is on Docker Hub, as all short names are.
    pub(crate) fn is_on_docker_hub(&self) -> bool {
        self.registry == "docker.io"
    }

    /// Returns the registry's name as users write it, with the port: `ghcr.io`, `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the repository within the registry: `library/debian`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the digest, or the tag if there is no digest.
    pub fn name(&self) -> &TagOrDigest {
        &self.name
    }

    /// Returns the tag, also beside a digest.
    pub fn tag(&self) -> Option<&str> {
        self.name.tag().or(self.tag_beside.as_deref())
    }

    /// Returns the host and the port of the registry's API: `registry-1.docker.io`, `127.0.0.1:5000`.
    pub fn api_host(&self) -> &str {
        match self.registry() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            registry => registry,
        }
    }

    /// Returns `registry/repository`.
    pub fn location(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Returns `registry/repository@digest`.
    pub fn with_digest(&self, digest: &str) -> String {
        format!("{}/{}@{digest}", self.registry(), self.repository())
    }

    /// Returns `registry/repository:tag`.
    pub fn with_tag(&self, tag: &str) -> String {
        format!("{}/{}:{tag}", self.registry(), self.repository())
    }

    /// Returns whether the registry can only be on this computer.
    pub fn is_local(&self) -> bool {
        is_loopback(self.registry())
    }
}

/// Returns whether the host of `host[:port]` can only be this computer.
pub(crate) fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => registry.rsplit_once(':').map_or(registry, |(host, _port)| host),
    };
    host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

impl<'de> serde::Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match (&self.tag_beside, &self.name) {
            (_, TagOrDigest::Tag(tag)) => write!(f, ":{tag}"),
            (None, TagOrDigest::Digest(digest)) => write!(f, "@{digest}"),
            (Some(tag), TagOrDigest::Digest(digest)) => write!(f, ":{tag}@{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Reference {
        text.parse().expect(text)
    }

    fn error(text: &str) -> String {
        text.parse::<Reference>().expect_err(text).to_string()
    }

    #[test]
    fn short_names_are_in_docker_hub() {
        let debian = parse("debian");
        assert_eq!(debian.repository(), "library/debian");
        assert_eq!(debian.name().tag(), Some("latest"));
        assert_eq!(debian.api_host(), "registry-1.docker.io");
    }

    #[test]
    fn digest_takes_precedence_over_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let both = format!("ghcr.io/a/b:1@{digest}");
        assert_eq!(parse(&both).name().digest().map(AsRef::as_ref), Some(digest.as_str()));
        assert_eq!(parse(&both).to_string(), both);
    }

    #[test]
    fn text_after_an_at_sign_must_be_a_digest() {
        let upper = format!("ghcr.io/a/b@sha256:{}", "A".repeat(64));
        assert_eq!(error(&upper), format!("`{upper}` is not an image reference: digests must be lowercase"));
        for (text, reason) in [
            ("ghcr.io/a/b@", "expected a digest after the `@`"),
            ("ghcr.io/a/b@latest", "expected a digest after the `@`"),
            ("ghcr.io/a/b:1@sha256:0", "expected 64 hex digits after `sha256:`, found 1"),
            ("ghcr.io/a/b@sha384:0", "unsupported digest algorithm `sha384`"),
        ] {
            assert!(error(text).contains(reason), "{}", error(text));
        }
    }

    #[test]
    fn loopback_registry_is_local() {
        for local in ["127.0.0.1:5000/a/b", "localhost:5000/a/b", "localhost/a", "[::1]:5000/a", "[::1]/a"] {
            assert!(parse(local).is_local(), "{local}");
        }
        for remote in ["10.0.0.1:5000/a", "127.example.org/a", "[2001:db8::1]:5000/a:1"] {
            assert!(!parse(remote).is_local(), "{remote}");
        }
    }

    #[test]
    fn uppercase_repository_is_named_as_the_reason() {
        for text in ["ghcr.io/Acme/x", "Debian", "Debian:12:slim", "Acme/hello", "Acme/hello:1"] {
            assert!(error(text).contains("repository names must be lowercase: `"), "{}", error(text));
        }
        for text in ["ghcr.io/acme/x:1:RC", "ghcr.io/acme/x:a b", "ghcr.io/acme//x:RC"] {
            assert!(error(text).contains("such as `ghcr.io/acme/hello:1`"), "{}", error(text));
        }
        assert!(error("Not A Reference").contains("`Not A Reference`"));
    }
}
