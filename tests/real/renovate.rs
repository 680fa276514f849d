//! The preset for Renovate, with the real one: it proposes the digest that `cargo oci base update` would write.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::base::{BaseImage, TAG};
use crate::support::environment;
use crate::support::process::{output, run_within};
use crate::support::project::{Call, Project};
use crate::support::registry::DockerRegistry;

/// How long Renovate may take. It takes some seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs Renovate in a project, which changes nothing, and returns the dependencies that it has found.
fn dependencies(project: &Project) -> Vec<Value> {
    let tools = PathBuf::from(std::env::var_os("CARGO_OCI_TEST_RENOVATE_PATH").expect("`.ci/renovate` sets it"));
    let call = project.oci(&[]).on_path(tools);
    let mut renovate = call.command("renovate");
    renovate.args(["--platform=local", "--dry-run=full"]).env("RENOVATE_BASE_DIR", project.home().join("renovate"));
    let ran = run_within(LIMIT, renovate.env("LOG_LEVEL", "debug").env("LOG_FORMAT", "json").stdin(Stdio::null()));
    let lines = ran.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut found = lines.filter(|line| line["msg"] == "packageFiles with updates");
    let found =
        found.next().unwrap_or_else(|| panic!("Renovate ended with {}: {}{}", ran.status, ran.stdout, ran.stderr));
    let files = found["config"]["regex"].as_array().expect("files").clone();
    files.iter().flat_map(|file| file["deps"].as_array().expect("dependencies").clone()).collect()
}

#[test]
#[ignore = "needs Renovate, which .ci/renovate installs"]
fn renovate_proposes_the_digest_of_base_update() {
    let registry = DockerRegistry::start();
    let project = Project::with_table("platforms = [\"linux/amd64\"] # ours");
    let base = registry.reference(&format!("distroless/static:{TAG}"));
    let project =
        project.append("Cargo.toml", &format!("base = \"{base}\" # pinned\n\n[package.metadata.oci.images]\n"));
    let project = project.append("Cargo.toml", &format!("y = {{ bins = [\"x\"], base = '{base}' }}\n"));
    let old = BaseImage::new().write(&project.home().join("old"));
    old.push_to(&registry, "distroless/static", TAG);
    project.oci(&["base", "pin"]).succeeds();
    let new = BaseImage::new().riscv64().write(&project.home().join("new"));
    new.push_to(&registry, "distroless/static", TAG);
    let preset = include_str!("../../renovate/bases.json");
    let mut config: Value = serde_json::from_str(preset).expect("JSON");
    config["enabledManagers"] = json!(["custom.regex"]);
    config["hostRules"] = json!([{ "matchHost": registry.host(), "insecureRegistry": true }]);
    let project = project.file("renovate.json", &config.to_string());
    for args in [&["init", "--quiet"][..], &["add", "Cargo.toml", "renovate.json"]] {
        output(environment::command("git").args(args).current_dir(project.root()));
    }
    let found = dependencies(&project);
    assert_eq!(found.len(), 2, "{found:?}");
    for dependency in found {
        assert_eq!(dependency["currentDigest"], old.digest);
        assert_eq!(dependency["updates"].as_array().map(Vec::len), Some(1), "{dependency}");
        assert_eq!(dependency["updates"][0]["newDigest"], new.digest);
    }
    let checked = Call::ran(&mut project.oci(&["base", "check", "--json"]).direct());
    let json: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!((checked.status, &json["bases"][0]["current"]["digest"]), (1, &json!(new.digest)));
}
