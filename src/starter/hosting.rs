//! The URL of a git repository → the repository for images that its hosting service has for it.

use crate::reference::Repository;

/// Services with a registry for each repository: the host of git, that of images, and how many segments of a path name a
/// repository; `None` for any number.
const SERVICES: [(&str, &str, Option<usize>); 3] = [
    ("github.com", "ghcr.io", Some(2)),
    ("gitlab.com", "registry.gitlab.com", None),
    ("codeberg.org", "codeberg.org", Some(2)),
];

/// Returns the repository for images, in lowercase as registries require, or `None` if the service is not known.
pub(crate) fn image_repository(url: &str) -> Option<String> {
    let (host, path) = location(url)?;
    let (_, registry, segments) = SERVICES.into_iter().find(|(known, ..)| host.eq_ignore_ascii_case(known))?;
    // GitLab: what follows `/-/` is a page of the project.
    let path = path.split("/-/").next().unwrap_or_default();
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.len() < 2 {
        return None;
    }
    let path = parts[..segments.unwrap_or(parts.len())].join("/");
    let name = format!("{registry}/{}", path.strip_suffix(".git").unwrap_or(&path)).to_lowercase();
    name.parse::<Repository>().ok().map(|_| name)
}

/// Returns `OWNER/NAME` if it is a repository of GitHub.
pub(crate) fn github_repository(url: &str) -> Option<String> {
    let (host, path) = location(url)?;
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (host.eq_ignore_ascii_case("github.com") && path.split('/').count() == 2).then(|| path.to_owned())
}

/// Returns the host and the path of a URL, or of the short form of SSH: `git@host:path`.
fn location(url: &str) -> Option<(&str, &str)> {
    let (authority, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url.split_once(':').filter(|(host, _)| !host.contains('/'))?,
    };
    let host = authority.rsplit('@').next()?;
    let path = path.split(['?', '#']).next()?;
    Some((host.split(':').next()?, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_repository_belongs_to_git_repository() {
        for (url, repository) in [
            ("https://github.com/Acme/Hello", "ghcr.io/acme/hello"),
            ("https://github.com/acme/hello.git", "ghcr.io/acme/hello"),
            ("https://robot:secret@github.com/acme/hello/", "ghcr.io/acme/hello"),
            ("https://github.com/acme/tools/tree/main/hello", "ghcr.io/acme/tools"),
            ("git@github.com:acme/hello.git", "ghcr.io/acme/hello"),
            ("ssh://git@github.com:22/acme/hello.git", "ghcr.io/acme/hello"),
            ("https://gitlab.com/acme/team/hello.git", "registry.gitlab.com/acme/team/hello"),
            ("https://gitlab.com/acme/team/hello/-/tree/main", "registry.gitlab.com/acme/team/hello"),
            ("https://codeberg.org/acme/hello", "codeberg.org/acme/hello"),
        ] {
            assert_eq!(image_repository(url).as_deref(), Some(repository), "{url}");
        }
        for url in [
            "https://git.example.org/acme/hello",
            "/srv/hello.git",
            "../hello",
            "https://github.com/acme",
            "",
            "github.com",
        ] {
            assert_eq!(image_repository(url), None, "{url}");
        }
    }

    #[test]
    fn github_repository_is_owner_and_name() {
        assert_eq!(github_repository("https://github.com/acme/Cargo-oci.git").as_deref(), Some("acme/Cargo-oci"));
        for url in ["https://gitlab.com/acme/cargo-oci", "https://github.com/acme", "https://github.com/a/b/c"] {
            assert_eq!(github_repository(url), None, "{url}");
        }
    }
}
