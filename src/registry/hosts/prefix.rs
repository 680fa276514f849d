//! Which references a `[[registry]]` table of registries.conf is for.

use std::str::FromStr;

/// The prefix of references: `HOST[:PORT][/PATH]`, or `*.DOMAIN` for all hosts below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// The reference begins with it.
    Start(String),
    /// The host is below this domain.
    Subdomain(String),
}

impl Prefix {
    /// Returns how much of `repository` (`HOST[:PORT]/NAME`) the prefix matches, in bytes, or `None` if it does not match.
    ///
    /// As in containers/image, a prefix without a port matches all ports of the host.
    pub(crate) fn matches(&self, repository: &str) -> Option<usize> {
        let end = match self {
            Prefix::Start(start) => repository.starts_with(start.as_str()).then_some(start.len())?,
            Prefix::Subdomain(domain) => {
                let host_end = repository.find([':', '/']).unwrap_or(repository.len());
                let below = repository[..host_end].strip_suffix(domain.as_str())?.strip_suffix('.')?;
                (!below.is_empty()).then_some(host_end)?
            }
        };
        let next = repository[end..].chars().next();
        next.is_none_or(|next| next == '/' || next == ':').then_some(end)
    }

    /// Returns the prefix as it is written.
    pub(crate) fn text(&self) -> String {
        match self {
            Prefix::Start(start) => start.clone(),
            Prefix::Subdomain(domain) => format!("*.{domain}"),
        }
    }
}

impl FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Prefix, &'static str> {
        if let Some(domain) = text.strip_prefix("*.") {
            if domain.is_empty() || domain.contains(['*', '/', ':']) {
                return Err("a prefix with `*` must be `*.DOMAIN`, without a port or a path");
            }
            return Ok(Prefix::Subdomain(domain.to_owned()));
        }
        if text.contains('*') {
            return Err("`*` must be the first part of the host, as in `*.example.com`");
        }
        let text = text.trim_end_matches('/');
        if text.is_empty() || text.contains("://") || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("expected HOST[:PORT][/PATH] or *.DOMAIN");
        }
        Ok(Prefix::Start(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(prefix: &str, repository: &str) -> Option<usize> {
        prefix.parse::<Prefix>().expect(prefix).matches(repository)
    }

    #[test]
    fn prefix_matches_whole_parts() {
        assert_eq!(matched("ghcr.io", "ghcr.io/acme/x"), Some(7));
        assert_eq!(matched("ghcr.io/acme", "ghcr.io/acme/x"), Some(12));
        assert_eq!(matched("ghcr.io/acme/x", "ghcr.io/acme/x"), Some(14));
        assert_eq!(matched("ghcr.io/acm", "ghcr.io/acme/x"), None);
        assert_eq!(matched("ghcr", "ghcr.io/acme/x"), None);
        assert_eq!(matched("localhost", "localhost:5000/x"), Some(9));
        assert_eq!(matched("localhost:5000", "localhost:50000/x"), None);
    }

    #[test]
    fn wildcard_matches_hosts_below_a_domain() {
        assert_eq!(matched("*.example.com", "a.b.example.com:5000/x"), Some(15));
        assert_eq!(matched("*.example.com", "example.com/x"), None);
        assert_eq!(matched("*.example.com", "anexample.com/x"), None);
        assert_eq!(matched("*.example.com", "ghcr.io/a.example.com"), None);
        for wrong in ["*", "*.", "*.example.com/x", "a.*.com", "", "https://ghcr.io"] {
            assert!(wrong.parse::<Prefix>().is_err(), "{wrong}");
        }
    }
}
