//! What actionlint and shellcheck say of workflows and scripts: nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::github::{CARGO_OCI, COMMIT, entries, parsed};
use super::place::{Place, copy_of_cargo_oci};
use super::recipes::pipelines;
use crate::support::environment;
use crate::support::process::run;
use crate::support::project::Project;

fn actionlint() -> PathBuf {
    let folder = std::env::var_os("CARGO_OCI_TEST_ACTIONLINT_PATH");
    Path::new(&folder.expect("a folder with actionlint in CARGO_OCI_TEST_ACTIONLINT_PATH: `.ci/test` sets it"))
        .join("actionlint")
}

#[track_caller]
fn has_no_complaint(command: &mut std::process::Command) {
    let ran = run(command);
    assert!(ran.status == 0 && ran.stdout.is_empty(), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn actionlint_has_no_complaint() {
    let place = Place::new();
    let folder = place.path("cargo-oci");
    copy_of_cargo_oci(&folder, &[]);
    let workflows = folder.join(".github/workflows");
    // The workflow that `init` writes, with the action by a path: then its inputs are checked, too.
    for (index, source) in
        [format!("https://github.com/{CARGO_OCI}#{COMMIT}"), "https://git.example.org/x".to_owned()].iter().enumerate()
    {
        let project = Project::new("hello");
        project.oci(&["init", "--ci", "github", "--install-from", source]).succeeds();
        let text = fs::read_to_string(project.path(".github/workflows/image.yml")).expect("a file");
        fs::write(workflows.join(format!("init-{index}.yml")), by_path(&text)).expect("a file");
    }
    // Those of the docs.
    for (index, text) in pipelines("GitHub").iter().enumerate() {
        fs::write(workflows.join(format!("docs-{index}.yml")), by_path(text)).expect("a file");
    }
    // All inputs of the action.
    let action = parsed(&fs::read_to_string(folder.join("action.yml")).expect("an action"));
    let with: serde_json::Map<_, _> = entries(&action["inputs"]).into_keys().map(|name| (name, json!("x"))).collect();
    let steps = json!([{ "uses": "./", "with": with }]);
    let workflow = json!({ "on": "push", "jobs": { "job": { "runs-on": "ubuntu-latest", "steps": steps } } });
    fs::write(workflows.join("inputs.yml"), workflow.to_string()).expect("a file");
    super::place::commit_in(&folder, "all");
    has_no_complaint(environment::command(actionlint()).current_dir(&folder));
}

/// The action and the workflow by a path, where actionlint finds what they take.
fn by_path(text: &str) -> String {
    let line = |line: &str| match line.split_once(&format!("uses: {CARGO_OCI}")) {
        Some((before, name)) if name.starts_with('@') => format!("{before}uses: ./\n"),
        Some((before, name)) => format!("{before}uses: .{}\n", name.split('@').next().unwrap_or_default()),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn shellcheck_has_no_complaint() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts =
        fs::read_dir(root.join(".github/action")).expect("scripts").map(|entry| entry.expect("an entry").path());
    has_no_complaint(environment::command("shellcheck").arg("--external-sources").args(scripts));
    // Scripts inside of YAML, with the shell that runs them.
    let place = Place::new();
    let check = |name: &str, lines: &[String]| {
        let file = place.path(name);
        fs::write(&file, format!("#!/bin/sh\nset -e\n{}\n", lines.join("\n"))).expect("a file");
        // Variables are set by what is around the script; words of some are split on purpose, where the script says so.
        has_no_complaint(environment::command("shellcheck").args(["--exclude", "SC2154"]).arg(&file));
    };
    let scene = super::Scene::new("");
    let component = scene.gitlab().component(&json!({ "source": "https://git.example.org/x" }));
    let jobs = entries(&parsed(&component));
    let lines = |job: &str| {
        let parts = [&jobs[".image-cargo-oci"]["before_script"], &jobs[job]["script"]]
            .map(|part| part.as_array().expect("lines").clone());
        parts.concat().iter().map(super::expression::shown).collect::<Vec<_>>()
    };
    check("platform.sh", &lines("image-platform"));
    check("index.sh", &lines("image-index"));
    let action = parsed(&fs::read_to_string(root.join("action.yml")).expect("an action"));
    for (index, step) in action["runs"]["steps"].as_array().expect("steps").iter().enumerate() {
        if let Some(script) = step["run"].as_str() {
            check(&format!("action-{index}.sh"), &[script.to_owned()]);
        }
    }
}
