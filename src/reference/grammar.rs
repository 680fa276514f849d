//! The grammar of references. It is parsed by hand: compiling the regular expression of oci-spec takes longer than all else
//! in a run without changes.

use std::net::Ipv6Addr;

use oci_spec::image::Digest;

use super::name::parse_digest;

/// Docker Hub, whose name is optional, and its old name.
const HUB: &str = "docker.io";
const OLD_HUB: &str = "index.docker.io";
const MAX_REPOSITORY_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;

/// The parts of a reference.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReferenceParts {
    /// The registry.
    pub registry: String,
    /// The repository within the registry.
    pub repository: String,
    /// The tag that was written.
    pub tag: Option<String>,
    /// The digest that was written.
    pub digest: Option<Digest>,
}

/// Why a text has not the form of a reference.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrammarError {
    /// The name or the tag has another form.
    #[error("expected REGISTRY/REPOSITORY:TAG, such as `ghcr.io/acme/hello:1`")]
    Form,
    /// The name of the repository is too long.
    #[error("repository names are limited to {MAX_REPOSITORY_BYTES} bytes")]
    TooLong,
    /// What follows the `@` is not a digest, for this reason.
    #[error("{0}")]
    Digest(String),
}

/// Parses `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`. What follows an `@` is a digest or an error.
///
/// # Errors
/// See [`GrammarError`].
pub(crate) fn parse(text: &str) -> Result<ReferenceParts, GrammarError> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    // A colon before the last slash is that of a port.
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[last..].split_once(':') {
        Some((end, tag)) => (&rest[..last + end.len()], Some(tag)),
        None => (rest, None),
    };
    if !is_name(name) || !tag.is_none_or(is_tag) {
        return Err(GrammarError::Form);
    }
    let (registry, repository) = split(name);
    if repository.len() > MAX_REPOSITORY_BYTES {
        return Err(GrammarError::TooLong);
    }
    let digest = digest.map(parse_digest).transpose().map_err(GrammarError::Digest)?;
    Ok(ReferenceParts { registry, repository, tag: tag.map(str::to_owned), digest })
}

fn is_name(name: &str) -> bool {
    match name.split_once('/') {
        None => is_path_component(name),
        Some((first, rest)) => (is_path_component(first) || is_host(first)) && rest.split('/').all(is_path_component),
    }
}

/// Returns whether a text is lowercase letters and digits, separated by `.`, `_`, `__` or dashes.
fn is_path_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.into_iter().all(|end| end.copied().is_some_and(is_lowercase_or_digit))
        && bytes.split(|byte| is_lowercase_or_digit(*byte)).all(is_separator)
}

fn is_lowercase_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_separator(bytes: &[u8]) -> bool {
    matches!(bytes, [] | b"." | b"_" | b"__") || bytes.iter().all(|byte| *byte == b'-')
}

/// Returns whether a text is labels, separated by dots, or an IPv6 address in brackets, and perhaps a port.
fn is_host(text: &str) -> bool {
    if let Some((address, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
        return address.parse::<Ipv6Addr>().is_ok() && is_port;
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    host.split('.').all(is_host_label) && port.is_none_or(is_number)
}

fn is_host_label(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_tag(tag: &str) -> bool {
    tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && !tag.is_empty()
        && !tag.starts_with(['.', '-'])
        && tag.len() <= MAX_TAG_BYTES
}

/// Splits a name into registry and repository: the part before the first slash is a registry if it has a dot or a port.
fn split(name: &str) -> (String, String) {
    let (registry, repository) = match name.split_once('/') {
        Some((OLD_HUB, rest)) => (HUB, rest),
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (HUB, name),
    };
    if registry == HUB && !repository.contains('/') {
        return (registry.to_owned(), format!("library/{repository}"));
    }
    (registry.to_owned(), repository.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::distribution::Reference;

    /// Compares with oci-spec, except that it takes digests in capital letters, and those that cannot be verified.
    #[track_caller]
    fn assert_parsed_as_by_oci_spec(text: &str) {
        let theirs = text.parse::<Reference>();
        let digest = theirs.as_ref().ok().and_then(|theirs| theirs.digest());
        match (parse(text), theirs.as_ref()) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!((&*ours.registry, &*ours.repository), (theirs.registry(), theirs.repository()), "{text:?}");
                assert_eq!(ours.digest.as_ref().map(AsRef::as_ref), digest, "{text:?}");
                let tag = ours.tag.as_deref().or(if digest.is_none() { Some("latest") } else { None });
                assert_eq!(tag, theirs.tag(), "{text:?}");
            }
            (Err(GrammarError::Digest(_)), Ok(_)) => {
                assert!(digest.is_some_and(|digest| parse_digest(digest).is_err()), "{text:?}");
            }
            (ours, theirs) => assert!(ours.is_err() && theirs.is_err(), "{text:?}: {ours:?}, {theirs:?}"),
        }
    }

    #[test]
    fn references_parse_as_in_oci_spec() {
        let long = "a".repeat(128);
        let (sha256, sha512) = (format!("sha256:{}", "0".repeat(64)), format!("sha512:{}", "F".repeat(128)));
        let names = [
            "",
            "a",
            "A",
            "a/b",
            "A/b",
            "a/B",
            "a.b/c",
            "a.b:1/c",
            "a:1/b",
            "a:x/b",
            "localhost/a",
            "docker.io/a",
            "index.docker.io/a",
            "a..b",
            "a__b",
            "a___b",
            "a--b",
            "a-",
            "-a",
            "a_-b",
            "a//b",
            "/a",
            "a/",
            "a-b.c/d",
            "-a.b/c",
            "a.b-/c",
            "a b",
            "ä/b",
            "a.b./c",
        ];
        let tags = ["", ":", ":1", ":a.b-c_d", ":.a", ":a/b", ":a:b", ":A", &format!(":{long}"), &format!(":{long}a")];
        let short = format!("@sha256:{}", "0".repeat(63));
        let other = format!("@x-y+z.1:{}", "0".repeat(64));
        let digests = [
            "",
            "@",
            "@x",
            &format!("@{sha256}"),
            &format!("@{sha512}"),
            &short,
            &other,
            "@sha256:0",
            &format!("@{sha256}@x"),
        ];
        for name in names {
            for tag in tags {
                for digest in digests {
                    assert_parsed_as_by_oci_spec(&format!("{name}{tag}{digest}"));
                }
            }
        }
        assert_parsed_as_by_oci_spec(&"a".repeat(256));
        assert_parsed_as_by_oci_spec(&format!("a.b/{}", "c/".repeat(127) + "d"));
        assert_parsed_as_by_oci_spec(&format!("a.b/{}", "c/".repeat(128) + "d"));
    }

    #[test]
    fn random_texts_parse_as_in_oci_spec() {
        let random = &mut fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let length = random.usize(1..14);
            let some = b"aaab01AZ..--__://@%";
            let text: String = (0..length).map(|_| char::from(some[random.usize(..some.len())])).collect();
            assert_parsed_as_by_oci_spec(&text);
        }
    }

    #[test]
    fn tag_must_be_ascii() {
        assert_eq!(parse("a:ä"), Err(GrammarError::Form));
    }
}
