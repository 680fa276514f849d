//! The action, the reusable workflow, the component for GitLab, the files that `cargo oci init --ci` writes and the recipes in
//! docs/ci.md: every script of them is run as CI runs it, from a commit to a verified image. What only CI has is stood in for:
//! checkouts, caches and artifacts are folders, a registry on loopback takes the token of the job, a server on loopback has the
//! releases.

mod action;
mod expression;
mod github;
mod gitlab;
mod index;
mod init;
mod lint;
mod place;
mod recipes;

use github::{GitHub, USER};
use gitlab::GitLab;
use place::repository;

use crate::support::environment;
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::registry::{DockerRegistry, sha256};

/// A project, a registry for whoever has the token of the job, and CI services that run for the project's commit.
struct Scene {
    project: Project,
    registry: DockerRegistry,
    sha: String,
}

impl Scene {
    /// A program with this in its Cargo.toml.
    fn new(table: &str) -> Scene {
        let project = repository(table);
        let sha = output(environment::command("git").arg("-C").arg(project.root()).args(["rev-parse", "HEAD"]));
        Scene { project, registry: DockerRegistry::with_htpasswd(USER.0, USER.1), sha: sha.trim().to_owned() }
    }

    fn github(&self) -> GitHub {
        GitHub::new(self.project.root(), &self.sha)
    }

    fn gitlab(&self) -> GitLab {
        GitLab::new(self.project.root(), &self.sha, self.registry.host(), USER)
    }

    /// The registry in the place of ghcr.io.
    fn instead_of_ghcr(&self) -> Vec<(String, String)> {
        vec![("ghcr.io".to_owned(), self.registry.host().to_owned())]
    }

    /// The digest of a tag of the image.
    fn tagged(&self, tag: &str) -> Option<String> {
        self.registry.manifest("acme/hello", tag).map(|(_, bytes)| sha256(&bytes))
    }

    /// `REGISTRY/acme/hello@DIGEST` of a tag, whose content is what its digests say, for both platforms, with SBOM and provenance.
    #[track_caller]
    fn whole_image(&self, tag: &str) -> String {
        let digest = self.tagged(tag).unwrap_or_else(|| panic!("no tag {tag}"));
        let image = format!("{}@{digest}", self.registry.reference("acme/hello"));
        self.project.oci(&["login", self.registry.host(), "--username", USER.0, "--password", USER.1]).succeeds();
        assert_eq!(self.project.oci(&["validate", &image]).succeeds().stdout, "");
        let inspected = self.project.oci(&["inspect", &image]).succeeds().stdout;
        for part in ["linux/amd64", "linux/arm64/v8", "application/vnd.cyclonedx+json", "slsa.dev/provenance"] {
            assert!(inspected.contains(part), "{part}: {inspected}");
        }
        image
    }

    /// The digest of what one machine makes of the same commit.
    fn built_here(&self) -> String {
        self.project.build(&["--locked"]).succeeds();
        crate::support::digest(&self.project.layout())
    }
}
