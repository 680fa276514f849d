//! Package URLs, by which scanners look up packages (package-url specification, "A purl is a URL").

/// A package URL.
#[derive(Clone, Debug)]
pub struct Purl {
    name: String,
    version: Option<String>,
    qualifiers: Vec<(&'static str, String)>,
}

impl Purl {
    /// Creates the URL of a package. `kind` is a type without namespaces, such as `cargo`.
    pub fn new(kind: &str, name: &str) -> Purl {
        Purl { name: format!("pkg:{kind}/{}", encoded(name)), version: None, qualifiers: Vec::new() }
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: &str) -> Purl {
        self.version = Some(encoded(version));
        self
    }

    /// Adds a qualifier such as `repository_url`, `vcs_url` or `checksum`, unless the value is empty.
    #[must_use]
    pub fn qualifier(mut self, key: &'static str, value: Option<&str>) -> Purl {
        self.qualifiers.extend(value.filter(|value| !value.is_empty()).map(|value| (key, encoded(value))));
        self
    }

    /// Returns the text, with sorted qualifiers ("canonical form").
    pub fn text(mut self) -> String {
        self.qualifiers.sort();
        let mut text = self.name;
        for (mark, part) in self.version.iter().map(|version| ('@', version)) {
            text.push(mark);
            text += part;
        }
        for (at, (key, value)) in self.qualifiers.iter().enumerate() {
            text += &format!("{}{key}={value}", if at == 0 { '?' } else { '&' });
        }
        text
    }
}

/// Percent-encodes all but letters, digits, `.-_~` and `:` ("Character encoding").
fn encoded(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => all.push(char::from(byte)),
            other => all += &format!("%{other:02X}"),
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
