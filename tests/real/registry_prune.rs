//! `cargo oci registry prune` on a real registry.

use serde_json::Value;

use crate::support::project::{Call, Project};
use crate::support::registry::DockerRegistry;
use crate::support::token_service::{TokenOptions, TokenService};

/// The digests that nothing needs.
fn unneeded(call: &Call) -> Vec<String> {
    let found: Value = serde_json::from_str(&call.succeeds().stdout).expect("JSON");
    let all = found["unneeded"].as_array().expect("a list").iter();
    all.map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}

#[test]
fn prune_deletes_lists_of_images_that_are_gone() {
    let service = TokenService::start(TokenOptions::default());
    let registry = DockerRegistry::with_deletes(&service);
    let (project, repository) = (Project::new("x"), registry.reference("acme/x"));
    let call = |args: &[&str]| {
        let TokenOptions { user, password, .. } = TokenOptions::default();
        project.oci(args).env("CARGO_OCI_REGISTRY_USERNAME", user).env("CARGO_OCI_REGISTRY_PASSWORD", password)
    };
    let push = |tag: &str| {
        let label = format!("round={tag}");
        let args = ["push", "--base", "embedded", "--repository", &repository, "--tag", tag, "--label", &label];
        call(&args).succeeds().stdout.trim().rsplit_once('@').expect("a digest").1.to_owned()
    };
    let (old, new) = (push("old"), push("new"));
    registry.delete_manifest("acme/x", &old);
    let prune = |day: &str, more: &[&str]| {
        let args = [&["registry", "prune", &repository, "--older-than", "1d", "--json"], more].concat();
        call(&args).env("CARGO_OCI_TODAY", day)
    };
    assert_eq!(unneeded(&prune("2026-02-01", &["--delete"])).len(), 0);
    // The list of the index; its images are there still, and so are theirs.
    assert_eq!(unneeded(&prune("2026-02-02", &["--delete"])).len(), 1);
    assert_eq!(unneeded(&prune("2026-02-03", &[])).len(), 0);
    let list = |digest: &str| registry.manifest("acme/x", &digest.replace(':', "-")).is_some();
    assert_eq!((list(&old), list(&new)), (false, true));
    call(&["validate", &format!("{repository}@{new}")]).succeeds();
}
