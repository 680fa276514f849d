//! Warnings of files that hardly belong in an image.

use super::{of_prebuilt, prebuilt};
use crate::support::environment;
use crate::support::process::{Ran, output};
use crate::support::project::{Call, Project};
use crate::support::snapshot::Snapshot;

/// The begin of a private key, which is put together so that nobody takes this file for one.
fn key() -> String {
    ["-----BEGIN", "EC", "PRIVATE", "KEY-----\nAAAA\n"].join(" ")
}

/// A package with these rules. Git ignores logs, `dist`, `.env` and `*.key`, but tracks `web/kept.log`.
fn project(rules: &str) -> Project {
    let project = prebuilt().append("Cargo.toml", &format!("[package.metadata.oci]\nfiles = [{rules}]\n"));
    let names = ["a.log", "b.log", "c.log", "d[1].log", "kept.log", "index.html", "sub/e.log", ".env", ".env.example"];
    let project = names.iter().fold(project, |project, name| project.file(&format!("web/{name}"), "x"));
    let project =
        project.file("web/tls/server.pem", &format!("text in front\n{}", key())).file("web/tls/id_rsa.pub", "x");
    let certificate = key().replace("EC PRIVATE KEY", "CERTIFICATE");
    let project = project.file("web/tls/ca.pem", &certificate).file("cosign.key", &key()).file("dist/made.js", "x");
    project
        .file(".gitignore", "*.log\ndist\n.env\n*.key\ntarget\nbuilt/*\n!built/.gitkeep\n")
        .file("built/made.js", "x")
        .file("built/.gitkeep", "")
}

fn init(project: &Project) {
    for args in [&["init", "--quiet"][..], &["add", "."], &["add", "--force", "web/kept.log"]] {
        output(environment::command("git").args(args).current_dir(project.root()));
    }
}

/// Returns what is said of a call that succeeds.
fn warnings(project: &Project, args: &[&str]) -> Ran {
    let call = project.oci(args).env("NO_COLOR", "1").env("COSIGN_PASSWORD", "sesame");
    let ran = Call::ran(&mut call.direct());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let warnings = ran.stderr.lines().filter(|line| line.starts_with("warning")).map(|line| format!("{line}\n"));
    Ran { stdout: String::new(), stderr: warnings.collect(), status: 0 }
}

#[test]
fn unwanted_file_warnings_match_snapshot() {
    let mut told = Snapshot::of("unwanted");
    let build = of_prebuilt("build", &["--base", "scratch"]);
    let mut case = |title: &str, rules: &str, is_git: bool| {
        let project = project(rules);
        if is_git {
            init(&project);
        }
        told.ran(title, &build, &warnings(&project, &build), 0);
    };
    let web = r#"{ from = "web", to = "/srv/" }"#;
    case("files that git ignores, and keys", web, true);
    case("keys without git", web, false);
    case("a key that is named", r#"{ from = "cosign.key", to = "/etc/" }"#, true);
    case("a key under another name", r#"{ from = "*.key", to = "/etc/key" }"#, true);
    let few = r#"{ from = "web/*.log", to = "/srv/", exclude = ["[ab].log"] }"#;
    case("a pattern of files that git ignores", few, true);
    told.check();
}

#[test]
fn ignored_files_of_submodules_are_warned_of() {
    let project = project(r#"{ from = "web", to = "/srv/", exclude = ["*.log", ".env", "sub", "tls"] }"#);
    let project =
        project.file("web/module/.gitignore", "*.tmp\n").file("web/module/a.tmp", "").file("web/module/b", "");
    let git = |args: &[&str]| output(environment::command("git").args(args).current_dir(project.path("web/module")));
    for args in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "All"]] {
        git(args);
    }
    init(&project);
    let ran = warnings(&project, &of_prebuilt("build", &["--base", "scratch"]));
    assert!(ran.stderr.contains("gets files that git ignores: web/module/a.tmp; leave"), "{}", ran.stderr);
}

#[test]
fn wanted_files_are_not_warned_of() {
    let build = of_prebuilt("build", &["--base", "scratch"]);
    for rules in [
        r#"{ from = "dist", to = "/srv/" }"#,
        r#"{ from = "built", to = "/srv/" }"#,
        r#"{ from = "dist/made.js", to = "/srv/" }, { from = "web/a.log", to = "/srv/" }, { from = "target/made/**", to = "/" }"#,
        r#"{ from = "web", to = "/srv/", exclude = ["**/[a-e]*.log", ".env", "tls/server.pem"] }"#,
    ] {
        let project = project(rules).file("target/made/a.log", "");
        init(&project);
        assert_eq!(warnings(&project, &build).stderr, "", "{rules}");
    }
    // A package that git ignores is no part of the repository.
    let project = project(r#"{ from = "web/*.html", to = "/srv/" }"#).file(".gitignore", "*\n");
    output(environment::command("git").args(["init", "--quiet"]).current_dir(project.root()));
    let ran = warnings(&project, &build);
    assert!(!ran.stderr.contains("gets files"), "{}", ran.stderr);
}

#[test]
fn generated_key_must_be_ignored() {
    let mut told = Snapshot::of("generated-keys");
    let project = Project::empty("x").file("keys/.gitignore", "/b.key\n");
    let plain = warnings(&project, &["generate-key"]);
    assert_eq!(plain.stderr, "");
    output(environment::command("git").args(["init", "--quiet"]).current_dir(project.root()));
    for (title, args) in [
        ("a key beside Cargo.toml", &["generate-key", "-o", "a"][..]),
        ("a key in a folder", &["generate-key", "-o", "keys/a"]),
    ] {
        told.ran(title, args, &warnings(&project, args), 0);
    }
    assert_eq!(warnings(&project, &["generate-key", "-o", "keys/b"]).stderr, "");
    told.check();
}
