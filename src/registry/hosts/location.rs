//! Where a registry is, as registries.conf writes it: `HOST[:PORT][/PATH]`.

use std::fmt;
use std::str::FromStr;

use crate::reference::Reference;

/// A host, and the start of the names of its repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location(String);

impl Location {
    /// Returns the host and the port.
    pub(crate) fn host(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// Returns the location of what `rest` names below this one: a rest begins with `/`, or is empty.
    pub(crate) fn below(&self, rest: &str) -> Location {
        Location(format!("{}{rest}", self.0))
    }
}

impl From<&Reference> for Location {
    /// The location of a repository, as it is named.
    fn from(reference: &Reference) -> Location {
        Location(reference.location())
    }
}

impl FromStr for Location {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Location, &'static str> {
        if text.contains("://") {
            return Err("remove the scheme: `insecure = true` is the key for a registry without https");
        }
        let text = text.trim_end_matches('/');
        if text.is_empty() || text.starts_with('/') {
            return Err("expected a host, such as `mirror.example.com/cache`");
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || "@?#\\".contains(c)) {
            return Err("expected HOST[:PORT][/PATH]");
        }
        Ok(Location(text.to_owned()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_has_a_host() {
        let found: Location = "mirror.example.com:5000/cache/hub/".parse().expect("a location");
        assert_eq!(found.host(), "mirror.example.com:5000");
        assert_eq!(found.below("/library/debian").to_string(), "mirror.example.com:5000/cache/hub/library/debian");
        for wrong in ["https://ghcr.io", "", "/x", "a b", "a@sha256:0"] {
            assert!(wrong.parse::<Location>().is_err(), "{wrong}");
        }
    }
}
