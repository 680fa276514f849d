//! Registries and repositories, where images are pushed to.

use std::fmt;
use std::str::FromStr;

use super::error::ReferenceError;
use super::image::Reference;

/// A registry by itself, as references begin with it: `ghcr.io`, `127.0.0.1:5000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryName(String);

impl RegistryName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RegistryName {
    type Err = ReferenceError;

    /// Parses a host and a port. Docker's form with a scheme and a version (`https://index.docker.io/v1/`) is accepted, too.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let name = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let name = name.strip_suffix("/v1").or(name.strip_suffix("/v2")).unwrap_or(name);
        let reason = if name.contains("://") {
            "remove the scheme: only registries on this computer are reached without https"
        } else if name.contains('/') {
            "remove the path: credentials are stored for the whole registry"
        } else if name != "localhost" && !name.contains(['.', ':']) {
            "expected a host with a dot or a port, such as ghcr.io or localhost:5000"
        } else if let Ok(reference) = format!("{name}/x").parse::<Reference>() {
            return Ok(RegistryName(reference.registry().to_owned()));
        } else {
            "expected a host name"
        };
        Err(ReferenceError::new(text, "a registry", reason))
    }
}

/// A repository of a registry, without a tag or digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository(pub Reference);

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let reference: Reference = text.parse()?;
        let host = text.split(':').next().unwrap_or_default();
        let reason = if text.contains('@') {
            "remove the digest: the pushed image has its own"
        // A name without a slash is in Docker Hub, which has no names with a dot of its own.
        } else if !text.contains('/') && (host.contains('.') || host == "localhost") {
            "it is a registry: add the repository in it, as in `ghcr.io/acme/hello`"
        // A colon after the last slash begins a tag; one before it a port.
        } else if text.rsplit('/').next().is_some_and(|name| name.contains(':')) {
            "remove the tag, and use `--tag` or the key `tags`"
        } else {
            return Ok(Repository(reference));
        };
        Err(ReferenceError::new(text, "a repository", reason))
    }
}

/// A registry, or one of its repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRegistry {
    registry: String,
    repository: Option<String>,
}

impl NamedRegistry {
    /// Returns whether it names a repository.
    pub(crate) fn has_repository(&self) -> bool {
        self.repository.is_some()
    }

    /// Returns the repository, or some repository of the registry.
    pub(crate) fn reference(&self) -> String {
        format!("{}/{}", self.registry, self.repository.as_deref().unwrap_or("x"))
    }
}

impl FromStr for NamedRegistry {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<NamedRegistry, ReferenceError> {
        let name = text.trim_end_matches('/');
        let Some((host, rest)) = name.split_once('/').filter(|_| !name.contains("://")) else {
            return Ok(NamedRegistry { registry: text.parse::<RegistryName>()?.as_str().to_owned(), repository: None });
        };
        let host: RegistryName = host.parse()?;
        let reference: Reference = format!("{}/{rest}", host.as_str()).parse()?;
        let repository = Some(reference.repository().to_owned());
        Ok(NamedRegistry { registry: reference.registry().to_owned(), repository })
    }
}

impl fmt::Display for NamedRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.registry)?;
        self.repository.as_ref().map_or(Ok(()), |repository| write!(f, "/{repository}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_name_is_a_host_and_a_port() {
        for (text, registry) in [
            ("ghcr.io", "ghcr.io"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("localhost", "localhost"),
            ("https://quay.io/v2/", "quay.io"),
            ("https://index.docker.io/v1/", "docker.io"),
        ] {
            assert_eq!(text.parse::<RegistryName>().expect(text).as_str(), registry);
        }
        for (text, reason) in [
            ("http://ghcr.io", "remove the scheme"),
            ("ghcr.io/acme", "remove the path"),
            ("robot", "a dot or a port"),
            ("", "a dot or a port"),
            ("a b.io", "expected a host name"),
            ("user:secret@ghcr.io", "expected a host name"),
        ] {
            let error = text.parse::<RegistryName>().expect_err(text).to_string();
            assert!(error.contains("is not a registry") && error.contains(reason), "{error}");
        }
    }

    #[test]
    fn repository_has_neither_tag_nor_digest() {
        assert!("127.0.0.1:5000/a/b".parse::<Repository>().is_ok());
        let digest = format!("ghcr.io/a@sha256:{}", "0".repeat(64));
        for (text, reason) in [
            ("ghcr.io/a/b:1", "--tag"),
            (digest.as_str(), "remove the digest"),
            ("ghcr.io", "add the repository"),
            ("127.0.0.1:5000", "add the repository"),
            ("localhost:5000", "add the repository"),
            ("https://ghcr.io/a/b/", "remove the `https://`, as in `ghcr.io/a/b`"),
        ] {
            let error = text.parse::<Repository>().expect_err(text).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn named_registry_may_have_a_repository() {
        for (text, name) in [
            ("ghcr.io", "ghcr.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io/debian", "docker.io/library/debian"),
            ("127.0.0.1:5000/acme/x:1", "127.0.0.1:5000/acme/x"),
        ] {
            assert_eq!(text.parse::<NamedRegistry>().expect(text).to_string(), name);
        }
        for wrong in ["acme/x", "debian", "", "ghcr.io/Acme", "http://ghcr.io"] {
            assert!(wrong.parse::<NamedRegistry>().is_err(), "{wrong}");
        }
    }
}
