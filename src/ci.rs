//! What CI services say in environment variables: the branch or tag of a run, and credentials for their own registries.
//!
//! A service checks out a commit, not a branch, so that git knows no branch.

use crate::environment::Environment;

/// A CI service, with its variables.
struct Service {
    /// Set in each run.
    marker: &'static str,
    /// The commit, in hex.
    commit: &'static str,
    /// Branches: first that of a pull request, which others may not name truly.
    branches: &'static [&'static str],
    /// The tag, if the run is for one.
    tag: &'static str,
}

/// Services by their documentation. Gitea and Forgejo have the variables of GitHub, Woodpecker some of GitLab's.
const SERVICES: [Service; 11] = [
    Service {
        marker: "GITHUB_ACTIONS",
        commit: "GITHUB_SHA",
        branches: &["GITHUB_HEAD_REF", "GITHUB_REF"],
        tag: "GITHUB_REF",
    },
    Service {
        marker: "GITLAB_CI",
        commit: "CI_COMMIT_SHA",
        branches: &["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH"],
        tag: "CI_COMMIT_TAG",
    },
    Service {
        marker: "TF_BUILD",
        commit: "BUILD_SOURCEVERSION",
        branches: &["SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH"],
        tag: "BUILD_SOURCEBRANCH",
    },
    Service { marker: "CIRCLECI", commit: "CIRCLE_SHA1", branches: &["CIRCLE_BRANCH"], tag: "CIRCLE_TAG" },
    Service { marker: "BUILDKITE", commit: "BUILDKITE_COMMIT", branches: &["BUILDKITE_BRANCH"], tag: "BUILDKITE_TAG" },
    Service {
        marker: "BITBUCKET_BUILD_NUMBER",
        commit: "BITBUCKET_COMMIT",
        branches: &["BITBUCKET_BRANCH"],
        tag: "BITBUCKET_TAG",
    },
    Service {
        marker: "TRAVIS",
        commit: "TRAVIS_COMMIT",
        branches: &["TRAVIS_PULL_REQUEST_BRANCH", "TRAVIS_BRANCH"],
        tag: "TRAVIS_TAG",
    },
    Service { marker: "CIRRUS_CI", commit: "CIRRUS_CHANGE_IN_REPO", branches: &["CIRRUS_BRANCH"], tag: "CIRRUS_TAG" },
    Service {
        marker: "DRONE",
        commit: "DRONE_COMMIT_SHA",
        branches: &["DRONE_SOURCE_BRANCH", "DRONE_BRANCH"],
        tag: "DRONE_TAG",
    },
    Service {
        marker: "JENKINS_URL",
        commit: "GIT_COMMIT",
        branches: &["CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"],
        tag: "TAG_NAME",
    },
    Service {
        marker: "CI_COMMIT_SHA",
        commit: "CI_COMMIT_SHA",
        branches: &["CI_COMMIT_SOURCE_BRANCH", "CI_COMMIT_BRANCH"],
        tag: "CI_COMMIT_TAG",
    },
];

/// Credentials that a service has for a registry, with the names of their variables.
pub(crate) struct ServiceCredentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
    /// The variable that has the password.
    pub variable: &'static str,
}

/// Returns the branch of this CI run, or `None` if it is no CI run, or one for a tag.
pub(crate) fn branch(environment: &Environment) -> Option<String> {
    let service = service(environment)?;
    if tag_of(service, environment).is_some() {
        return None;
    }
    service.branches.iter().find_map(|variable| short(environment, variable, "refs/heads/"))
}

/// Returns the tag that this CI run is for, or `None` if it is for none, or for another commit than `commit`.
pub(crate) fn tag(environment: &Environment, commit: &str) -> Option<String> {
    let service = service(environment)?;
    let is_other = text(environment, service.commit).is_some_and(|other| other != commit);
    if is_other { None } else { tag_of(service, environment) }
}

/// Returns the credentials that the CI service of this run has for a registry: GitHub's token for the packages of the
/// repository's owner, those of GitLab for its registry and its dependency proxy. `is_target` says that the registry is pushed
/// to.
pub(crate) fn credentials(
    environment: &Environment,
    registry: &str,
    repository: &str,
    is_target: bool,
) -> Option<ServiceCredentials> {
    let found = |user: String, variable| {
        Some(ServiceCredentials { user, password: text(environment, variable)?.to_owned(), variable })
    };
    if environment.get("GITHUB_ACTIONS").is_some() && registry == "ghcr.io" {
        // A token without the right to read packages is denied also what anybody may read.
        let owner = text(environment, "GITHUB_REPOSITORY_OWNER").unwrap_or_default().to_ascii_lowercase();
        let is_own = repository.split('/').next().is_some_and(|first| first == owner);
        let user = text(environment, "GITHUB_ACTOR").unwrap_or("github-actions").to_owned();
        return if is_target || is_own { found(user, "GITHUB_TOKEN") } else { None };
    }
    environment.get("GITLAB_CI")?;
    for [host, user, password] in [
        ["CI_REGISTRY", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"],
        ["CI_DEPENDENCY_PROXY_SERVER", "CI_DEPENDENCY_PROXY_USER", "CI_DEPENDENCY_PROXY_PASSWORD"],
    ] {
        if let (Some(host), Some(user)) = (text(environment, host), text(environment, user))
            && host == registry
        {
            return found(user.to_owned(), password);
        }
    }
    None
}

fn service(environment: &Environment) -> Option<&'static Service> {
    SERVICES.iter().find(|service| environment.get(service.marker).is_some())
}

fn tag_of(service: &Service, environment: &Environment) -> Option<String> {
    short(environment, service.tag, "refs/tags/")
}

/// Returns the value of a variable without `prefix`, or `None` if it is another kind of reference.
fn short(environment: &Environment, variable: &str, prefix: &str) -> Option<String> {
    let value = text(environment, variable)?;
    // Jenkins names branches with their remote.
    let value = value.strip_prefix(prefix).or_else(|| value.strip_prefix("origin/")).unwrap_or(value);
    (!value.starts_with("refs/")).then(|| value.to_owned())
}

fn text<'e>(environment: &'e Environment, variable: &str) -> Option<&'e str> {
    environment.get(variable)?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(variables: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let environment: Environment = variables.iter().copied().collect();
        (branch(&environment), tag(&environment, "c0"))
    }

    fn is(branch: &str, tag: &str) -> (Option<String>, Option<String>) {
        let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (named(branch), named(tag))
    }

    #[test]
    fn github_names_branches_of_pull_requests() {
        let github = ("GITHUB_ACTIONS", "true");
        assert_eq!(facts(&[github, ("GITHUB_REF", "refs/heads/feature/x")]), is("feature/x", ""));
        let pull = [github, ("GITHUB_REF", "refs/pull/7/merge"), ("GITHUB_HEAD_REF", "fix")];
        assert_eq!(facts(&pull), is("fix", ""));
        assert_eq!(facts(&pull[..2]), is("", ""));
        let tag = [github, ("GITHUB_REF", "refs/tags/v1"), ("GITHUB_SHA", "c0")];
        assert_eq!(facts(&tag), is("", "v1"));
        assert_eq!(facts(&[tag[0], tag[1], ("GITHUB_SHA", "c1")]), is("", ""), "another commit");
        assert_eq!(facts(&[("GITHUB_REF", "refs/heads/main")]), is("", ""), "no run of GitHub");
    }

    #[test]
    fn services_name_branches_and_tags() {
        let gitlab = ("GITLAB_CI", "true");
        for (variables, branch, tag) in [
            (&[gitlab, ("CI_COMMIT_BRANCH", "main"), ("CI_COMMIT_SHA", "c0")][..], "main", ""),
            (&[gitlab, ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "fix")], "fix", ""),
            (&[gitlab, ("CI_COMMIT_TAG", "v1"), ("CI_COMMIT_SHA", "c0")], "", "v1"),
            (&[("TF_BUILD", "True"), ("BUILD_SOURCEBRANCH", "refs/heads/a/b")], "a/b", ""),
            (&[("TF_BUILD", "True"), ("BUILD_SOURCEBRANCH", "refs/tags/v2")], "", "v2"),
            (&[("JENKINS_URL", "http://ci/"), ("GIT_BRANCH", "origin/main")], "main", ""),
            (&[("TRAVIS", "true"), ("TRAVIS_BRANCH", "v3"), ("TRAVIS_TAG", "v3")], "", "v3"),
            (&[("CI_COMMIT_SHA", "c0"), ("CI_COMMIT_BRANCH", "main")], "main", ""),
        ] {
            assert_eq!(facts(variables), is(branch, tag), "{variables:?}");
        }
    }

    #[test]
    fn credentials_are_for_the_registry_of_the_service() {
        let github = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_TOKEN", "t"),
            ("GITHUB_ACTOR", "octocat"),
            ("GITHUB_REPOSITORY_OWNER", "Acme"),
        ];
        let gitlab = [
            ("GITLAB_CI", "true"),
            ("CI_REGISTRY", "registry.example:5050"),
            ("CI_REGISTRY_USER", "u"),
            ("CI_REGISTRY_PASSWORD", "p"),
            ("CI_DEPENDENCY_PROXY_SERVER", "gitlab.example:443"),
            ("CI_DEPENDENCY_PROXY_USER", "u"),
            ("CI_DEPENDENCY_PROXY_PASSWORD", "q"),
        ];
        let password = |variables: &[(&str, &str)], registry: &str, is_target| {
            let environment = variables.iter().copied().collect();
            credentials(&environment, registry, "acme/x", is_target).map(|found| found.user + ":" + &found.password)
        };
        assert_eq!(password(&github, "ghcr.io", true).as_deref(), Some("octocat:t"));
        assert_eq!(password(&github, "ghcr.io", false).as_deref(), Some("octocat:t"), "the owner's");
        assert_eq!(password(&github, "quay.io", true), None);
        let other = [github[0], github[1], ("GITHUB_REPOSITORY_OWNER", "other")];
        assert_eq!(password(&other, "ghcr.io", false), None, "another owner's image");
        assert_eq!(password(&github[1..], "ghcr.io", true), None, "no run of GitHub");
        assert_eq!(password(&gitlab, "registry.example:5050", false).as_deref(), Some("u:p"));
        assert_eq!(password(&gitlab, "gitlab.example:443", false).as_deref(), Some("u:q"));
        assert_eq!(password(&gitlab, "registry.example", true), None, "another port");
    }
}
