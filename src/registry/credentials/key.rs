//! Keys of `auths` and `credHelpers`: each is for a registry, or for some of its repositories.

/// Docker Hub's key, which dates from before other registries.
const HUB: &str = "https://index.docker.io/v1/";

/// The repository to find credentials for.
#[derive(Clone, Debug)]
pub(crate) struct Query<'a> {
    registry: String,
    repository: &'a str,
}

impl<'a> Query<'a> {
    /// Creates a query for `repository` in `registry`. An empty repository matches keys for the whole registry only.
    pub(crate) fn new(registry: &str, repository: &'a str) -> Query<'a> {
        Query { registry: host(registry), repository }
    }

    /// Returns the registry's name, as Docker writes it to files and to helpers.
    pub(crate) fn key(&self) -> &str {
        match self.registry.as_str() {
            "docker.io" => HUB,
            registry => registry,
        }
    }

    /// Returns the registry's name, as a user types it.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns how well `key` matches, or `None` if it does not. A longer path matches better; of two spellings of one
    /// name, Docker's matches better.
    pub(crate) fn fit(&self, key: &str) -> Option<(usize, bool)> {
        let (registry, path) = split(key);
        let rest = self.repository.strip_prefix(path)?;
        let within = path.is_empty() || rest.is_empty() || rest.starts_with('/');
        (registry == self.registry && within).then_some((path.len(), key == self.key()))
    }

    /// Returns whether `key` stands for the whole registry, in any spelling.
    pub(crate) fn is_whole(&self, key: &str) -> bool {
        split(key) == (self.registry.clone(), "")
    }
}

/// Returns the registry and the path of a key, without the scheme and the API version that old keys have.
fn split(key: &str) -> (String, &str) {
    let key = key.strip_prefix("https://").or(key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let (registry, path) = key.split_once('/').unwrap_or((key, ""));
    (host(registry), if ["v1", "v2"].contains(&path) { "" } else { path })
}

/// Returns a registry's name in canonical form. Docker Hub has three names.
fn host(registry: &str) -> String {
    match registry.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        registry => registry.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_matches_in_every_spelling() {
        let query = Query::new("ghcr.io", "acme/hello");
        for key in ["ghcr.io", "GHCR.io", "https://ghcr.io", "http://ghcr.io/", "https://ghcr.io/v1/", "ghcr.io/v2/"] {
            assert!(query.fit(key).is_some_and(|(path, _)| path == 0), "{key}");
            assert!(query.is_whole(key), "{key}");
        }
        for key in ["ghcr.io:443", "xghcr.io", "io", "", "https://", "docker.io"] {
            assert_eq!(query.fit(key), None, "{key}");
        }
    }

    #[test]
    fn docker_hub_has_its_old_key() {
        for registry in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            let query = Query::new(registry, "library/debian");
            assert_eq!(query.key(), "https://index.docker.io/v1/");
            assert_eq!(query.fit("https://index.docker.io/v1/"), Some((0, true)));
            assert_eq!(query.fit("docker.io"), Some((0, false)));
            // Docker Desktop stores its own tokens under this key.
            assert_eq!(query.fit("https://index.docker.io/v1/access-token"), None);
        }
    }

    #[test]
    fn key_path_matches_whole_components() {
        let query = Query::new("ghcr.io", "acme/tools/hello");
        assert_eq!(query.fit("ghcr.io/acme"), Some((4, false)));
        assert_eq!(query.fit("https://ghcr.io/acme/tools/"), Some((10, false)));
        assert_eq!(query.fit("ghcr.io/acme/tools/hello"), Some((16, false)));
        for key in ["ghcr.io/ac", "ghcr.io/acme/tool", "ghcr.io/acme/tools/hello/x", "ghcr.io/tools"] {
            assert_eq!(query.fit(key), None, "{key}");
            assert!(!query.is_whole(key), "{key}");
        }
    }
}
