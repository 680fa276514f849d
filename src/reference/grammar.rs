//! The grammar of references, read by hand: the regular expression that oci-spec has for it takes longer to make than all
//! else that a run does when nothing has changed.

use oci_spec::distribution::{ParseError, Reference};

/// Docker Hub, whose name may be left out, and its older name.
const HUB: &str = "docker.io";
const OLD_HUB: &str = "index.docker.io";
/// What is meant where neither tag nor digest is written.
const LATEST: &str = "latest";
const MOST_REPOSITORY_BYTES: usize = 255;
const MOST_TAG_BYTES: usize = 128;

/// `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, completed.
///
/// # Errors
/// As oci-spec's own.
pub fn parse(text: &str) -> Result<Reference, ParseError> {
    if text.is_empty() {
        return Err(ParseError::NameEmpty);
    }
    let invalid = ParseError::ReferenceInvalidFormat;
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
    let has_form = is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    if !has_form {
        return Err(invalid);
    }
    let (registry, repository) = split(name);
    if repository.len() > MOST_REPOSITORY_BYTES {
        return Err(ParseError::NameTooLong);
    }
    digest.map_or(Ok(()), check_length)?;
    Ok(match (tag.map(str::to_owned), digest.map(str::to_owned)) {
        (Some(tag), Some(digest)) => Reference::with_tag_and_digest(registry, repository, tag, digest),
        (None, Some(digest)) => Reference::with_digest(registry, repository, digest),
        (tag, None) => Reference::with_tag(registry, repository, tag.unwrap_or_else(|| LATEST.to_owned())),
    })
}

fn is_name(name: &str) -> bool {
    match name.split_once('/') {
        None => is_part(name),
        Some((first, rest)) => (is_part(first) || is_host(first)) && rest.split('/').all(is_part),
    }
}

/// Small letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_part(part: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_separator =
        |between: &[u8]| matches!(between, [] | b"." | b"_" | b"__") || between.iter().all(|b| *b == b'-');
    let bytes = part.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.into_iter().all(|end| end.copied().is_some_and(is_plain))
        && bytes.split(|byte| is_plain(*byte)).all(is_separator)
}

/// Names with dots between them, and a port.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        let is_known = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_known && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host.split('.').all(is_label) && port.is_none_or(is_number)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_known = tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
    is_known && tag.bytes().next().is_some_and(is_word) && tag.len() <= MOST_TAG_BYTES
}

/// An algorithm of words with one of `-_+.` between them, and hex digits.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let is_word = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_alphanumeric()) && word.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_word) && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

fn check_length(digest: &str) -> Result<(), ParseError> {
    let (algorithm, hex) = digest.split_once(':').ok_or(ParseError::DigestInvalidFormat)?;
    let wanted = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(ParseError::DigestUnsupported),
    };
    if hex.len() == wanted { Ok(()) } else { Err(ParseError::DigestInvalidLength) }
}

/// The registry and the repository in it: what is before the first slash is a registry where it has a dot or a port.
fn split(name: &str) -> (String, String) {
    let is_registry = |first: &str| first.contains(['.', ':']) || first == "localhost";
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => (if first == OLD_HUB { HUB } else { first }, rest),
        _ => (HUB, name),
    };
    match registry == HUB && !repository.contains('/') {
        true => (registry.to_owned(), format!("library/{repository}")),
        false => (registry.to_owned(), repository.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether both read it alike.
    #[track_caller]
    fn alike(text: &str) {
        assert_eq!(parse(text), text.parse::<Reference>(), "{text:?}");
    }

    #[test]
    fn references_are_read_as_oci_spec_reads_them() {
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
                digests.iter().for_each(|digest| alike(&format!("{name}{tag}{digest}")));
            }
        }
        alike(&"a".repeat(256));
        alike(&format!("a.b/{}", "c/".repeat(127) + "d"));
        alike(&format!("a.b/{}", "c/".repeat(128) + "d"));
    }

    #[test]
    fn random_texts_are_read_as_oci_spec_reads_them() {
        let random = &mut fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let length = random.usize(1..14);
            let some = b"aaab01AZ..--__://@%";
            let text: String = (0..length).map(|_| char::from(some[random.usize(..some.len())])).collect();
            alike(&text);
        }
    }

    #[test]
    fn a_tag_is_ascii_as_the_specification_says() {
        assert_eq!(parse("a:ä"), Err(ParseError::ReferenceInvalidFormat));
    }
}
