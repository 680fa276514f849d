//! Package URLs, by which scanners look up packages (package-url specification, "A purl is a URL").

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

#[cfg(test)]
mod tests {
    use super::*;

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
