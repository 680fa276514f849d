//! References: where an image is in a registry (`registry/repository:tag@digest`), where a base is, where a key is, and which
//! engine.

mod engine;
mod grammar;
mod key;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use oci_spec::distribution;

pub use engine::{EngineKind, EngineReference};
pub use key::KeyReference;

/// A registry, a repository in it, and a tag or a digest of that repository.
///
/// Short names are completed as Docker Hub's: `debian` is `docker.io/library/debian:latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference(distribution::Reference);

/// Why a text is not a reference.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not {kind}: {why}")]
pub struct ReferenceError {
    text: String,
    kind: &'static str,
    why: String,
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        grammar::parse(text).map(Reference).map_err(|error| ReferenceError {
            text: text.to_owned(),
            kind: "an image reference",
            why: why(text, &error),
        })
    }
}

fn why(text: &str, error: &distribution::ParseError) -> String {
    // A tag may have capitals.
    let name = text.split('@').next().unwrap_or_default();
    let tag = name.rfind(':').filter(|colon| !name[*colon..].contains('/'));
    let name = &name[..tag.unwrap_or(name.len())];
    match error {
        distribution::ParseError::ReferenceInvalidFormat if name.contains(|c: char| c.is_ascii_uppercase()) => {
            "a repository is written in small letters".to_owned()
        }
        distribution::ParseError::ReferenceInvalidFormat => "one is written like `ghcr.io/acme/hello:1`".to_owned(),
        other => other.to_string(),
    }
}

impl Reference {
    /// The registry's name as users write it, with the port: `ghcr.io`, `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// The repository within the registry: `library/debian`.
    pub fn repository(&self) -> &str {
        self.0.repository()
    }

    /// The digest, else the tag: the digest is what counts where both are written.
    pub fn name(&self) -> &str {
        self.0.digest().or(self.0.tag()).unwrap_or("latest")
    }

    /// Where the registry's API answers, without a path: `https://registry-1.docker.io`.
    ///
    /// Plain HTTP is spoken to loopback addresses only.
    pub fn origin(&self) -> String {
        match self.registry() {
            "docker.io" | "index.docker.io" => "https://registry-1.docker.io".to_owned(),
            registry if self.is_local() => format!("http://{registry}"),
            registry => format!("https://{registry}"),
        }
    }

    /// `registry/repository@digest`, for what was pushed there.
    pub fn with_digest(&self, digest: &str) -> String {
        format!("{}/{}@{digest}", self.registry(), self.repository())
    }

    /// `registry/repository:tag`.
    pub fn with_tag(&self, tag: &str) -> String {
        format!("{}/{}:{tag}", self.registry(), self.repository())
    }

    /// Whether the registry can only be on this computer.
    pub fn is_local(&self) -> bool {
        is_loopback(self.registry())
    }
}

/// Whether the host of `host[:port]` can only be this computer.
fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _port)| host);
    host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A registry by itself, as references begin with it: `ghcr.io`, `127.0.0.1:5000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryName(String);

impl RegistryName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RegistryName {
    type Err = ReferenceError;

    /// Docker's own spelling with a scheme and a version is read too.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |why: &str| ReferenceError { text: text.to_owned(), kind: "a registry", why: why.to_owned() };
        let name = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let name = name.strip_suffix("/v1").or(name.strip_suffix("/v2")).unwrap_or(name);
        if name.contains("://") {
            return Err(wrong("leave the scheme out: https is spoken to all but this computer"));
        }
        if name.contains('/') {
            return Err(wrong("leave the path out: credentials are kept for all of a registry"));
        }
        if name != "localhost" && !name.contains(['.', ':']) {
            return Err(wrong("its name has a dot or a port in it, as in ghcr.io or localhost:5000"));
        }
        let reference: Reference = format!("{name}/x").parse().map_err(|_| wrong("this is not the name of a host"))?;
        Ok(RegistryName(reference.registry().to_owned()))
    }
}

/// A repository of a registry, without a tag or digest: where images are pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository(pub Reference);

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |why: &str| ReferenceError { text: text.to_owned(), kind: "a repository", why: why.to_owned() };
        let reference: Reference = text.parse()?;
        if text.contains('@') {
            return Err(wrong("leave the digest out: what is pushed has its own"));
        }
        // A colon behind the last slash begins a tag; one before it a port.
        if text.rsplit('/').next().is_some_and(|name| name.contains(':')) {
            return Err(wrong("leave the tag out: it goes into `--tag` or the key `tags`"));
        }
        Ok(Repository(reference))
    }
}

/// Where a base is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BaseReference {
    /// In a registry.
    Registry(Reference),
    /// `oci:PATH[:NAME]`: in a layout on disk.
    Layout(OnDisk),
    /// `oci-archive:PATH[:NAME]`: in a layout in a tar file.
    Archive(OnDisk),
    /// `scratch`: nothing at all.
    Scratch,
    /// `embedded`: in cargo-oci itself.
    Embedded,
}

/// An image in a folder or file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OnDisk {
    /// The folder or file.
    pub path: PathBuf,
    /// Which of its images, where it has several.
    pub name: Option<String>,
}

impl OnDisk {
    /// Reads `PATH[:NAME]`. A tag holds no `/` and no `\`, which tells it from a path (and from `C:\layout`).
    pub fn parse(text: &str) -> OnDisk {
        let name_start = match text.rfind("@sha256:").or(text.rfind("@sha512:")) {
            Some(at) => Some(at),
            None => text.rfind(':').filter(|at| !text[*at..].contains(['/', '\\'])),
        };
        let (path, name) = match name_start {
            Some(at) if at > 0 => (&text[..at], Some(text[at + 1..].to_owned())),
            _ => (text, None),
        };
        OnDisk { path: PathBuf::from(path), name }
    }
}

impl BaseReference {
    /// The same place, and the image there that has this digest.
    pub fn with_digest(&self, digest: &str) -> String {
        match self {
            BaseReference::Registry(reference) => reference.with_digest(digest),
            BaseReference::Layout(place) => format!("oci:{}@{digest}", place.path.display()),
            BaseReference::Archive(place) => format!("oci-archive:{}@{digest}", place.path.display()),
            other => other.to_string(),
        }
    }

    /// The same base, with its path taken from `folder` where it is relative.
    pub fn relative_to(self, folder: &Path) -> BaseReference {
        let within = |place: OnDisk| OnDisk { path: folder.join(place.path), name: place.name };
        match self {
            BaseReference::Layout(place) => BaseReference::Layout(within(place)),
            BaseReference::Archive(place) => BaseReference::Archive(within(place)),
            other => other,
        }
    }
}

impl FromStr for BaseReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match text.split_once(':') {
            _ if text == "scratch" => Ok(BaseReference::Scratch),
            _ if text == "embedded" => Ok(BaseReference::Embedded),
            Some(("oci", path)) if !path.is_empty() => Ok(BaseReference::Layout(OnDisk::parse(path))),
            Some(("oci-archive", path)) if !path.is_empty() => Ok(BaseReference::Archive(OnDisk::parse(path))),
            _ => text.parse().map(BaseReference::Registry),
        }
    }
}

impl fmt::Display for BaseReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, place) = match self {
            BaseReference::Registry(reference) => return reference.fmt(f),
            BaseReference::Scratch => return f.write_str("scratch"),
            BaseReference::Embedded => return f.write_str("embedded"),
            BaseReference::Layout(place) => ("oci", place),
            BaseReference::Archive(place) => ("oci-archive", place),
        };
        write!(f, "{kind}:{}", place.path.display())?;
        match &place.name {
            Some(name) if name.contains(':') => write!(f, "@{name}"),
            Some(name) => write!(f, ":{name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Reference {
        text.parse().expect(text)
    }

    #[test]
    fn short_names_are_docker_hubs() {
        let debian = parse("debian");
        assert_eq!(debian.repository(), "library/debian");
        assert_eq!(debian.name(), "latest");
        assert_eq!(debian.origin(), "https://registry-1.docker.io");
    }

    #[test]
    fn a_digest_counts_more_than_a_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(parse(&format!("ghcr.io/a/b:1@{digest}")).name(), digest);
    }

    #[test]
    fn only_loopback_is_spoken_to_without_tls() {
        assert_eq!(parse("127.0.0.1:5000/a/b").origin(), "http://127.0.0.1:5000");
        assert_eq!(parse("localhost:5000/a/b").origin(), "http://localhost:5000");
        assert_eq!(parse("10.0.0.1:5000/a").origin(), "https://10.0.0.1:5000");
        assert_eq!(parse("127.example.org/a").origin(), "https://127.example.org");
    }

    #[test]
    fn a_base_is_in_a_registry_on_disk_or_nowhere() {
        let base = |text: &str| text.parse::<BaseReference>().expect(text);
        let on_disk = |path: &str, name: Option<&str>| OnDisk { path: path.into(), name: name.map(str::to_owned) };
        assert_eq!(base("scratch"), BaseReference::Scratch);
        assert_eq!(base("embedded"), BaseReference::Embedded);
        assert!(matches!(base("alpine:3"), BaseReference::Registry(_)));
        assert_eq!(base("oci:a/b"), BaseReference::Layout(on_disk("a/b", None)));
        assert_eq!(base("oci:a/b:c"), BaseReference::Layout(on_disk("a/b", Some("c"))));
        assert_eq!(base("oci-archive:a.tar:v1"), BaseReference::Archive(on_disk("a.tar", Some("v1"))));
        let digest = format!("sha256:{}", "0".repeat(64));
        let pinned = base(&format!("oci:a@{digest}"));
        assert_eq!(pinned, BaseReference::Layout(on_disk("a", Some(&digest))));
        assert_eq!(base(&pinned.to_string()), pinned);
        assert_eq!(base("oci:C:\\x\\y"), BaseReference::Layout(on_disk("C:\\x\\y", None)));
    }

    #[test]
    fn a_registry_is_a_host_and_nothing_more() {
        let name = |text: &str| text.parse::<RegistryName>().map(|name| name.0).map_err(|error| error.to_string());
        for (text, registry) in [
            ("ghcr.io", "ghcr.io"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("localhost", "localhost"),
            ("https://quay.io/v2/", "quay.io"),
            ("https://index.docker.io/v1/", "docker.io"),
        ] {
            assert_eq!(name(text).as_deref(), Ok(registry));
        }
        for (text, why) in [
            ("http://ghcr.io", "leave the scheme out"),
            ("ghcr.io/acme", "leave the path out"),
            ("robot", "a dot or a port"),
            ("", "a dot or a port"),
            ("a b.io", "not the name of a host"),
            ("user:secret@ghcr.io", "not the name of a host"),
        ] {
            let error = name(text).expect_err(text);
            assert!(error.contains("is not a registry") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_repository_to_push_to_has_neither_tag_nor_digest() {
        let repository = |text: &str| text.parse::<Repository>().map_err(|error| error.to_string());
        assert!(repository("127.0.0.1:5000/a/b").is_ok());
        assert!(repository("ghcr.io/a/b:1").unwrap_err().contains("--tag"));
        assert!(repository(&format!("ghcr.io/a@sha256:{}", "0".repeat(64))).unwrap_err().contains("the digest out"));
    }

    #[test]
    fn who_writes_a_repository_in_capitals_is_told_so() {
        let why = |text: &str| text.parse::<Reference>().expect_err(text).to_string();
        for text in ["ghcr.io/Acme/x", "Debian", "Debian:12:slim"] {
            assert!(why(text).ends_with("a repository is written in small letters"), "{}", why(text));
        }
        for text in ["ghcr.io/acme/x:1:RC", "ghcr.io/acme/x:a b", "ghcr.io/acme//x:RC"] {
            assert!(why(text).ends_with("one is written like `ghcr.io/acme/hello:1`"), "{}", why(text));
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let error = "Not A Reference".parse::<Reference>().unwrap_err();
        assert!(error.to_string().contains("`Not A Reference`"), "{error}");
    }
}
