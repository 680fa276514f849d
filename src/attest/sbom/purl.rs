//! Package URLs: names of packages that scanners look up (package-url specification, "A purl is a URL").

/// Starts the name of a package of a type.
#[derive(Clone, Debug)]
pub struct Purl {
    name: String,
    version: Option<String>,
    qualifiers: Vec<(&'static str, String)>,
}

impl Purl {
    /// A package of a `type` that has no namespaces, such as `cargo`.
    pub fn new(kind: &str, name: &str) -> Purl {
        Purl { name: format!("pkg:{kind}/{}", encoded(name)), version: None, qualifiers: Vec::new() }
    }

    /// One version of it.
    #[must_use]
    pub fn version(mut self, version: &str) -> Purl {
        self.version = Some(encoded(version));
        self
    }

    /// What else it takes to tell it from others: `repository_url`, `vcs_url`, `checksum`, … An empty value is none.
    #[must_use]
    pub fn qualifier(mut self, key: &'static str, value: Option<&str>) -> Purl {
        self.qualifiers.extend(value.filter(|value| !value.is_empty()).map(|value| (key, encoded(value))));
        self
    }

    /// The text, with the qualifiers in their order ("canonical form").
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

/// Percent-encoded but for letters, digits, `.-_~` and `:` ("Character encoding").
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
    fn what_would_mean_something_else_in_a_url_is_encoded() {
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
