//! What a key of `auths` or `credHelpers` is for: a registry, and perhaps only some repositories in it.

/// Docker Hub's key, since before there was another registry.
const HUB: &str = "https://index.docker.io/v1/";

/// The repository that credentials are wanted for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    registry: String,
    repository: &'a str,
}

impl<'a> Wanted<'a> {
    /// Of `repository` in `registry`; an empty one is only what all repositories have in common.
    pub fn new(registry: &str, repository: &'a str) -> Wanted<'a> {
        Wanted { registry: host(registry), repository }
    }

    /// The registry's name, as Docker writes it into its files and says it to helpers.
    pub fn key(&self) -> &str {
        match self.registry.as_str() {
            "docker.io" => HUB,
            registry => registry,
        }
    }

    /// The registry's name as a user knows it.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// How well `key` fits: nothing when it is for something else, and more the longer its path is. Of two spellings of
    /// one name, Docker's own fits best.
    pub fn fit(&self, key: &str) -> Option<(usize, bool)> {
        let (registry, path) = split(key);
        let rest = self.repository.strip_prefix(path)?;
        let within = path.is_empty() || rest.is_empty() || rest.starts_with('/');
        (registry == self.registry && within).then_some((path.len(), key == self.key()))
    }

    /// Whether `key` is the registry's, in any spelling, and all of it.
    pub fn is_whole(&self, key: &str) -> bool {
        split(key) == (self.registry.clone(), "")
    }
}

/// The registry and the path in a key: with or without a scheme, and with what Docker once wrote behind it.
fn split(key: &str) -> (String, &str) {
    let key = key.strip_prefix("https://").or(key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let (registry, path) = key.split_once('/').unwrap_or((key, ""));
    (host(registry), if ["v1", "v2"].contains(&path) { "" } else { path })
}

/// A registry's name by which it can be compared. Docker Hub has three.
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
    fn a_key_is_read_in_every_spelling() {
        let wanted = Wanted::new("ghcr.io", "acme/hello");
        for key in ["ghcr.io", "GHCR.io", "https://ghcr.io", "http://ghcr.io/", "https://ghcr.io/v1/", "ghcr.io/v2/"] {
            assert!(wanted.fit(key).is_some_and(|(path, _)| path == 0), "{key}");
            assert!(wanted.is_whole(key), "{key}");
        }
        for key in ["ghcr.io:443", "xghcr.io", "io", "", "https://", "docker.io"] {
            assert_eq!(wanted.fit(key), None, "{key}");
        }
    }

    #[test]
    fn docker_hub_goes_by_its_old_address() {
        for registry in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            let wanted = Wanted::new(registry, "library/debian");
            assert_eq!(wanted.key(), "https://index.docker.io/v1/");
            assert_eq!(wanted.fit("https://index.docker.io/v1/"), Some((0, true)));
            assert_eq!(wanted.fit("docker.io"), Some((0, false)));
            // Docker Desktop keeps tokens of its own beside it.
            assert_eq!(wanted.fit("https://index.docker.io/v1/access-token"), None);
        }
    }

    #[test]
    fn a_path_fits_whole_parts_of_the_repository() {
        let wanted = Wanted::new("ghcr.io", "acme/tools/hello");
        assert_eq!(wanted.fit("ghcr.io/acme"), Some((4, false)));
        assert_eq!(wanted.fit("https://ghcr.io/acme/tools/"), Some((10, false)));
        assert_eq!(wanted.fit("ghcr.io/acme/tools/hello"), Some((16, false)));
        for key in ["ghcr.io/ac", "ghcr.io/acme/tool", "ghcr.io/acme/tools/hello/x", "ghcr.io/tools"] {
            assert_eq!(wanted.fit(key), None, "{key}");
            assert!(!wanted.is_whole(key), "{key}");
        }
    }
}
