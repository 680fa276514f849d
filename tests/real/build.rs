//! From Cargo.toml to a multi-arch layout.

use serde_json::json;

use crate::support::container::skopeo;
use crate::support::environment;
use crate::support::process;
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;
use crate::support::{digest, document, image, problems};

const DIGEST: &str = "@sha256:";

/// Whether it ends in a digest, as the one line of a result does.
fn is_result(line: &str) -> bool {
    let hex = line.rsplit_once(DIGEST).map_or("", |(_, hex)| hex);
    hex.len() == 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

#[test]
fn new_crate_builds_for_two_platforms() {
    let project = Project::empty("work");
    process::output(project.build(&[]).command("cargo").args(["new", "--quiet", "x"]));
    let ran = project.build(&[]).within("x").succeeds();
    let layout = project.path("x/target/oci/x");
    assert_eq!(ran.stdout, format!("oci:target/oci/x@{}\n", digest(&layout)));
    let index = document(&layout, &digest(&layout));
    let platforms: Vec<_> =
        index["manifests"].as_array().expect("an index").iter().map(|entry| entry["platform"].clone()).collect();
    let amd64 = json!({"os": "linux", "architecture": "amd64"});
    let arm64 = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    assert_eq!(platforms, [amd64, arm64]);
    assert_eq!(problems(&layout), []);
    let raw = skopeo(&["inspect", "--raw", &format!("oci:{}:latest", layout.display())]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&raw).expect("JSON"), index);
}

#[test]
fn result_is_the_last_line_of_output() {
    let project = Project::new("x");
    let piped = project.build(&[]).command("sh").args(["-c", "cargo oci build --base embedded | tail -1"]).output();
    let piped = String::from_utf8(piped.expect("a shell").stdout).expect("text");
    assert_eq!(piped.lines().count(), 1);
    assert!(is_result(piped.trim_end()), "{piped}");
    let script = "cargo oci build --base embedded";
    let terminal = project.build(&[]).command("script").args(["-qec", script, "/dev/null"]).output();
    let terminal = String::from_utf8(terminal.expect("a terminal").stdout).expect("text");
    assert!(terminal.contains("\u{1b}["), "no colours: {terminal}");
    let last = terminal.lines().last().unwrap_or_default().trim_end();
    assert_eq!(last, piped.trim_end());
}

#[test]
fn same_sources_give_same_digest() {
    let project = Project::fixture("hello");
    let build = || {
        project.build(&[]).succeeds();
        digest(&project.layout())
    };
    let first = build();
    assert_eq!(build(), first);
    std::fs::remove_dir_all(project.path("target")).expect("a folder");
    assert_eq!(build(), first);
}

#[test]
fn image_survives_a_registry_unchanged() {
    let project = Project::fixture("hello");
    project.build(&[]).succeeds();
    let registry = DockerRegistry::start();
    let (here, there) = (project.layout(), registry.reference("hello:latest"));
    let back = project.path("back");
    let to = format!("docker://{there}");
    skopeo(&["copy", "--all", "--dest-tls-verify=false", &format!("oci:{}:latest", here.display()), &to]);
    let from = format!("oci:{}:latest", back.display());
    skopeo(&["copy", "--all", "--src-tls-verify=false", &to, &from]);
    assert_eq!(digest(&back), digest(&here));
    assert_eq!(problems(&back), []);
}

#[test]
fn table_settings_reach_the_image() {
    let project = Project::fixture("service");
    // Dependencies are compiled once for all runs of the tests.
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target/fixtures");
    let ran = project.oci(&["build", "--target-dir", target]).succeeds();
    let layout = std::path::Path::new(target).join("oci/service");
    assert!(ran.stdout.trim_end().ends_with(&digest(&layout)), "{}", ran.stdout);
    assert_eq!(problems(&layout), []);
    let (manifest, config) = image(&layout, "linux/arm64/v8");
    assert_eq!(config["config"]["Entrypoint"], json!(["/app/service"]));
    assert_eq!(config["config"]["Cmd"], json!(["--listen", "0.0.0.0:8080"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["WorkingDir"], "/tmp");
    let env = config["config"]["Env"].to_string();
    assert!(env.contains("SERVICE_GREETING=Hello from the image") && env.contains(":/app\""), "{env}");
    assert_eq!(config["config"]["Labels"]["com.example.team"], "storefront");
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.licenses"], "MIT");
    assert_eq!(manifest["annotations"]["com.example.tier"], "1");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], "1.2.3");
    let index = document(&layout, &digest(&layout));
    assert_eq!(index["annotations"], manifest["annotations"]);
    let history = config["history"].as_array().expect("a history");
    let ours: Vec<_> = history[history.len() - 2..].iter().map(|entry| entry["created_by"].clone()).collect();
    assert_eq!(ours, ["cargo oci build (assets)", "cargo oci build (binaries)"]);
    for tag in ["latest", "stable"] {
        skopeo(&["inspect", "--raw", &format!("oci:{}:{tag}", layout.display())]);
    }
}

#[test]
fn flags_override_environment_which_overrides_table() {
    let project = Project::with_table("tags = [\"table\"]\nuser = \"1\"\nenv = { A = \"table\", B = \"table\" }");
    let tags = |args: &[&str], variable: &str| {
        let args = [&["--platform", "linux/amd64", "--env", "A=flag"], args].concat();
        project.build(&args).env("CARGO_OCI_TAGS", variable).succeeds();
        let layout = cargo_oci::store::Layout::open(&project.layout()).expect("a layout");
        let annotations = layout.entries()[0].annotations().clone().expect("annotations");
        annotations["org.opencontainers.image.ref.name"].clone()
    };
    assert_eq!(tags(&["--tag", "flag"], "variable"), "flag");
    assert_eq!(tags(&[], "variable"), "variable");
    let (_, config) = image(&project.layout(), "linux/amd64");
    assert_eq!(config["config"]["User"], "1");
    let env = config["config"]["Env"].to_string();
    assert!(env.contains("\"A=flag\"") && env.contains("\"B=table\""), "{env}");
}

#[test]
fn git_commit_sets_date_and_tag() {
    let project = Project::new("x").file(".gitignore", "target\n");
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
        process::output(environment::command("git").args(identity).args(args).current_dir(project.root()))
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message=x", "--date=2001-02-03T04:05:06Z"]);
    let sha = git(&["rev-parse", "HEAD"]).trim_end().to_owned();
    let time = git(&["log", "-1", "--format=%ct"]);
    let annotations = |args: &[&str]| {
        project.build(&[&["--platform", "linux/amd64"], args].concat()).succeeds();
        image(&project.layout(), "linux/amd64").0["annotations"].clone()
    };
    // The first build has written a Cargo.lock, which git does not track: that is no change of what was committed.
    assert_eq!(annotations(&[])["org.opencontainers.image.revision"], sha.as_str());
    let created = annotations(&[])["org.opencontainers.image.created"].clone();
    let seconds = process::output(environment::command("date").args(["-d", created.as_str().expect("a time"), "+%s"]));
    assert_eq!(seconds, time);
    let project = project.append("src/main.rs", "// changed\n");
    project.build(&["--platform", "linux/amd64"]).succeeds();
    let changed = image(&project.layout(), "linux/amd64").0["annotations"].clone();
    assert_eq!(changed["org.opencontainers.image.revision"], format!("{sha}-dirty"));
}

#[test]
fn workspace_builds_with_one_cargo_run() {
    let member = |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"a\", \"b\", \"c\"]\n";
    let project = Project::empty("ws")
        .file("Cargo.toml", &format!("{workspace}[workspace.metadata.oci]\nuser = \"7\"\n"))
        .file("a/Cargo.toml", &member("a"))
        .file("a/src/main.rs", "fn main() {}\n")
        .file("b/Cargo.toml", &format!("{}[package.metadata.oci]\nuser = \"8\"\n", member("b")))
        .file("b/src/main.rs", "fn main() {}\n")
        .file("c/Cargo.toml", &member("c"))
        .file("c/src/lib.rs", "");
    let ran = project.build(&["--workspace", "--platform", "linux/amd64"]).succeeds();
    assert_eq!(ran.stdout.lines().filter(|line| is_result(line)).count(), 2);
    // Cargo says once that it has finished.
    assert_eq!(ran.stderr.matches("Finished `release`").count(), 1, "{}", ran.stderr);
    for (name, user) in [("a", "7"), ("b", "8")] {
        let (_, config) = image(&project.path("target/oci").join(name), "linux/amd64");
        assert_eq!(config["config"]["User"], user);
    }
    let ran = project.build(&["--platform", "linux/amd64"]).within("b").succeeds();
    assert_eq!(ran.stdout.lines().count(), 1);
}

#[test]
fn build_scripts_compile_once_for_both_targets() {
    let project = Project::new("x").file("build.rs", "fn main() {\n    println!(\"cargo::warning=ran\");\n}\n");
    let ran = project.build(&["-v"]).succeeds();
    assert_eq!(ran.stderr.matches("--crate-name build_script_build").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("--crate-name x").count(), 2, "{}", ran.stderr);
}

#[test]
fn validate_finds_corrupt_blob() {
    let project = Project::new("x");
    project.build(&[]).succeeds();
    assert_eq!(problems(&project.layout()), []);
    let (manifest, _) = image(&project.layout(), "linux/amd64");
    let layer = manifest["layers"][1]["digest"].as_str().expect("a digest");
    let path = crate::support::blob(&project.layout(), layer);
    let mut bytes = std::fs::read(&path).expect("a blob");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("a blob");
    let found = problems(&project.layout());
    assert!(found.iter().any(|problem| problem.digest == layer), "{found:?}");
    // The next build does not take it for the layer it was.
    project.build(&[]).succeeds();
    assert_eq!(problems(&project.layout()), []);
}

#[test]
fn cargo_variable_chooses_cargo() {
    use std::os::unix::fs::PermissionsExt;
    let script = "#!/bin/sh\necho \"$1\" >>calls\nexec cargo \"$@\"\n";
    let project = Project::new("x").file("my-cargo", script);
    let cargo = project.path("my-cargo");
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).expect("a file");
    let calls = || {
        let call = project.build(&[]).env("CARGO", &cargo);
        process::output(call.command("cargo-oci").args(["build", "--base", "embedded"]));
        let calls = std::fs::read_to_string(project.path("calls")).expect("a file");
        std::fs::remove_file(project.path("calls")).expect("a file");
        calls.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut first = calls();
    // Once it has compiled, it is asked for what: which release it is, and for each of two targets.
    first[2..].sort();
    assert_eq!(first, ["metadata", "build", "--version", "metadata", "metadata", "tree", "tree"]);
    assert_eq!(calls(), ["metadata", "build"]);
}

#[test]
fn image_names_are_lowercase() {
    let project = Project::empty("shout")
        .file("Cargo.toml", "[package]\nname = \"Shout\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .file("src/main.rs", "fn main() {}\n");
    let ran = project.build(&["--platform", "linux/amd64"]).succeeds();
    assert!(ran.stdout.starts_with("oci:target/oci/shout@sha256:"), "{}", ran.stdout);
    let (_, config) = image(&project.layout(), "linux/amd64");
    assert_eq!(config["config"]["Entrypoint"], json!(["/app/Shout"]));
}

#[test]
fn folder_named_like_a_target_is_ignored() {
    let project = Project::empty("x86_64-unknown-linux-musl")
        .file("p/Cargo.toml", "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .file("p/src/main.rs", "fn main() {}\n");
    project.build(&[]).within("p").succeeds();
    assert_eq!(problems(&project.path("p/target/oci/p")), []);
}

#[test]
fn build_scripts_see_no_registry_credentials() {
    let script = "fn main() {\n    let seen = std::env::vars().any(|(key, _)| key.starts_with(\"CARGO_OCI_REGISTRY\"));\n    \
                  assert!(!seen, \"a secret\");\n}\n";
    let project = Project::new("x").file("build.rs", script);
    let keys = ["TOKEN", "USERNAME", "PASSWORD"].map(|key| format!("CARGO_OCI_REGISTRY_{key}"));
    let call = project.build(&["--platform", "linux/amd64"]);
    keys.iter().fold(call, |call, key| call.env(key, "sesame")).succeeds();
}
