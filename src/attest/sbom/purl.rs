//! Package URLs, by which scanners look up packages (package-url specification, "A purl is a URL").

use std::collections::BTreeMap;

/// The parts of a package URL that was read, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PurlParts {
    /// The type, such as `cargo`.
    pub kind: String,
    /// The name, without namespace.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    /// The qualifiers.
    pub qualifiers: BTreeMap<String, String>,
}

impl PurlParts {
    /// Parses a package URL ("How to parse a purl string"). Returns `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<PurlParts> {
        let rest = text.strip_prefix("pkg:")?.trim_start_matches('/');
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, path) = rest.split_once('/')?;
        let path = path.trim_end_matches('/');
        let name = path.rsplit('/').next().unwrap_or(path);
        let (name, version) = name.rsplit_once('@').map_or((name, None), |(name, version)| (name, Some(version)));
        let qualifiers = qualifiers.split('&').filter_map(|pair| pair.split_once('='));
        Some(PurlParts {
            kind: kind.to_lowercase(),
            name: percent_decoded(name),
            version: version.map(percent_decoded).filter(|version| !version.is_empty()),
            qualifiers: qualifiers.map(|(key, value)| (key.to_lowercase(), percent_decoded(value))).collect(),
        })
    }
}

/// A package URL.
#[derive(Clone, Debug)]
pub(crate) struct Purl {
    name: String,
    version: Option<String>,
    qualifiers: Vec<(&'static str, String)>,
}

impl Purl {
    /// Creates the URL of a package. `kind` is a type without namespaces, such as `cargo`.
    pub(crate) fn new(kind: &str, name: &str) -> Purl {
        Purl { name: format!("pkg:{kind}/{}", percent_encoded(name)), version: None, qualifiers: Vec::new() }
    }

    /// Sets the version.
    #[must_use]
    pub(crate) fn version(mut self, version: &str) -> Purl {
        self.version = Some(percent_encoded(version));
        self
    }

    /// Adds a qualifier such as `repository_url`, `vcs_url` or `checksum`, unless the value is empty.
    #[must_use]
    pub(crate) fn qualifier(mut self, key: &'static str, value: Option<&str>) -> Purl {
        self.qualifiers.extend(value.filter(|value| !value.is_empty()).map(|value| (key, percent_encoded(value))));
        self
    }

    /// Returns the text, with sorted qualifiers ("canonical form").
    pub(crate) fn text(mut self) -> String {
        self.qualifiers.sort();
        let mut text = self.name;
        if let Some(version) = &self.version {
            text.push('@');
            text += version;
        }
        for (at, (key, value)) in self.qualifiers.iter().enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            text += key;
            text.push('=');
            text += value;
        }
        text
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Percent-encodes all but letters, digits, `.-_~` and `:` ("Character encoding").
fn percent_encoded(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => all.push(char::from(byte)),
            other => {
                all.push('%');
                all.extend([other >> 4, other & 15].map(|digit| char::from(HEX[usize::from(digit)])));
            }
        }
    }
    all
}

/// Decodes `%XX`. What is no such sequence stays as it is.
fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut left) = (Vec::new(), text.as_bytes());
    while let [byte, rest @ ..] = left {
        let code = text_of(rest.get(..2)).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *byte == b'%');
        bytes.push(code.unwrap_or(*byte));
        left = if code.is_some() { &rest[2..] } else { rest };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn text_of(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok().filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purl_parts_are_decoded() {
        let text = "pkg:OCI/acme/hello@sha256%3Aab?repository_url=ghcr.io%2Facme%2Fhello&tag=1%zz#sub";
        let purl = PurlParts::parse(text).expect("a package URL");
        assert_eq!((purl.kind.as_str(), purl.name.as_str()), ("oci", "hello"));
        assert_eq!(purl.version.as_deref(), Some("sha256:ab"));
        let qualifiers: Vec<_> = purl.qualifiers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(qualifiers, [("repository_url", "ghcr.io/acme/hello"), ("tag", "1%zz")]);
        assert_eq!(PurlParts::parse("pkg:cargo/a").and_then(|purl| purl.version), None);
        for other in ["", "pkg:", "pkg:cargo", "ghcr.io/acme/hello"] {
            assert_eq!(PurlParts::parse(other), None, "{other}");
        }
    }

    #[test]
    fn purl_encodes_reserved_characters() {
        let purl = Purl::new("cargo", "a")
            .version("1.0.0+x@y")
            .qualifier("vcs_url", Some("git+https://example.org/a b#c"))
            .qualifier("repository_url", None)
            .qualifier("checksum", Some("sha256:ab"));
        let text = "pkg:cargo/a@1.0.0%2Bx%40y?checksum=sha256:ab&vcs_url=git%2Bhttps:%2F%2Fexample.org%2Fa%20b%23c";
        assert_eq!(purl.text(), text);
        assert_eq!(Purl::new("generic", "rustc").text(), "pkg:generic/rustc");
    }
}
