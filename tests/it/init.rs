//! `cargo oci init`: what it writes, and that it changes nothing else.

use std::fs::{self, Permissions};

use serde_json::Value;

use crate::support::environment;
use crate::support::process::output;
use crate::support::project::Project;

/// Where CI installs cargo-oci from.
const SOURCE: [&str; 2] = ["--install-from", "https://github.com/acme/cargo-oci#v0.1.0"];

/// A package in a git repository with this remote.
fn cloned(remote: &str) -> Project {
    let project = Project::new("hello");
    git(&project, &["init", "--quiet", "--initial-branch", "main"]);
    git(&project, &["remote", "add", "origin", remote]);
    project
}

fn git(project: &Project, args: &[&str]) {
    output(environment::command("git").arg("-C").arg(project.root()).args(args));
}

fn read(project: &Project, path: &str) -> String {
    fs::read_to_string(project.path(path)).expect("a file")
}

/// Runs `cargo oci init ARGS`, and returns what it appended to Cargo.toml.
fn appended(project: &Project, args: &[&str]) -> String {
    let before = read(project, "Cargo.toml");
    project.oci(&[&["init"], args].concat()).succeeds();
    let after = read(project, "Cargo.toml");
    after.strip_prefix(&before).unwrap_or_else(|| panic!("changed:\n{after}")).to_owned()
}

/// Whether the plan of a build stands: it fails at the base, and not before.
fn assert_is_planned(project: &Project, args: &[&str]) {
    let words = project.oci(&[&["build", "--base", "oci:nowhere"], args].concat()).env("NO_COLOR", "1").fails(1);
    assert!(words.contains("no OCI layout in nowhere"), "{words}");
}

#[test]
fn init_appends_repository_of_git_remote() {
    let project = cloned("git@github.com:Acme/Hello.git");
    let ran = project.oci(&["init"]).succeeds();
    assert_eq!(ran.stdout, "Cargo.toml\n");
    for part in ["Writing Cargo.toml", "note: `cargo oci build` builds the image, `cargo oci push` pushes it"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    let end = "edition = \"2024\"\n\n\
               # The container image of this package. `cargo oci schema` lists all keys.\n\
               [package.metadata.oci]\n\
               # `cargo oci push` pushes to this repository.\n\
               repository = \"ghcr.io/acme/hello\"\n\
               # Accept the base only if its builders have signed it. This asks sigstore.dev once for each base.\n\
               # base-verify = \"distroless\"\n";
    let manifest = read(&project, "Cargo.toml");
    assert!(manifest.ends_with(end), "{manifest}");
    assert_is_planned(&project, &[]);
}

#[test]
fn init_keeps_comments_and_line_endings() {
    let project = Project::new("hello");
    let before = "# \u{e9}\r\n[package] # ours\r\nname='hello'\r\nversion = \"0.1.0\"\r\nedition = \"2024\"\r\n\r\n\r\n[dependencies]";
    let project = project.file("Cargo.toml", before);
    let text = appended(&project, &["--repository", "ghcr.io/acme/hello"]);
    assert!(text.starts_with("\r\n\r\n# The container image"), "{text:?}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert_is_planned(&project, &[]);
}

#[test]
fn init_without_known_repository_leaves_it_to_user() {
    let project = cloned("https://git.example.org/acme/hello.git");
    let text = appended(&project, &[]);
    assert!(text.contains("\n# repository = \"ghcr.io/OWNER/hello\"\n"), "{text}");
    // The one in Cargo.toml is as good as git's remote.
    let with_url =
        "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nrepository = \"https://gitlab.com/acme/team/hello\"\n";
    let project = Project::new("hello").file("Cargo.toml", with_url);
    let text = appended(&project, &[]);
    assert!(text.contains("\nrepository = \"registry.gitlab.com/acme/team/hello\"\n"), "{text}");
}

#[test]
fn init_names_binaries_and_folders() {
    let project = Project::new("hello")
        .file("src/bin/a.rs", "fn main() {}\n")
        .file("src/bin/b.rs", "fn main() {}\n")
        .file("static/index.html", "");
    // The binary named as the package is the one by default.
    let text = appended(&project, &[]);
    assert!(!text.contains("bins"), "{text}");
    let files = "\n# files = [{ from = \"static/**\", to = \"/srv/static/\" }]\n# workdir = \"/srv\"\n";
    assert!(text.ends_with(files), "{text}");
    // What is proposed there is accepted.
    let manifest = read(&project, "Cargo.toml").replace("# files", "files").replace("# workdir", "workdir");
    let project = project.file("Cargo.toml", &manifest);
    assert_is_planned(&project, &[]);
    let project = Project::new("hello").file("src/bin/a.rs", "fn main() {}\n").file("src/bin/b.rs", "fn main() {}\n");
    fs::remove_file(project.path("src/main.rs")).expect("a file");
    let text = appended(&project, &[]);
    assert!(text.contains("\nbins = [\"a\", \"b\"]\n"), "{text}");
    assert_is_planned(&project, &[]);
}

/// A workspace with two programs and a library, in a folder of a git repository.
fn workspace() -> Project {
    let member = |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    let project = Project::empty("tools")
        .file("rust/Cargo.toml", "[workspace]\nmembers = [\"*\"]\nresolver = \"3\"\n")
        .file("rust/one/Cargo.toml", &member("one"))
        .file("rust/one/src/main.rs", "fn main() {}\n")
        .file("rust/two/Cargo.toml", &member("two"))
        .file("rust/two/src/main.rs", "fn main() {}\n")
        .file("rust/lib/Cargo.toml", &member("lib"))
        .file("rust/lib/src/lib.rs", "");
    git(&project, &["init", "--quiet", "--initial-branch", "trunk"]);
    git(&project, &["remote", "add", "origin", "https://github.com/acme/tools"]);
    project
}

#[test]
fn init_in_workspace_is_for_one_package() {
    let project = workspace();
    let words = project.oci(&["init"]).within("rust").fails(1);
    assert!(words.contains("is a virtual workspace, and no package is selected"), "{words}");
    let words = project.oci(&["init", "--package", "lib"]).within("rust").fails(1);
    assert!(words.contains("the package lib has no binary: it is a library"), "{words}");
    let words = project.oci(&["init", "--package", "three"]).within("rust").fails(1);
    assert!(words.contains("the workspace has no package `three`"), "{words}");
    let args = [&["init", "--package", "two", "--ci", "github"][..], &SOURCE].concat();
    let ran = project.oci(&args).within("rust").succeeds();
    assert!(
        ran.stdout.starts_with("two/Cargo.toml\n") && ran.stdout.ends_with("/.github/workflows/image.yml\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("`cargo oci build --package two`"), "{}", ran.stderr);
    assert!(read(&project, "rust/two/Cargo.toml").contains("\nrepository = \"ghcr.io/acme/tools/{name}\"\n"));
    let workflow = read(&project, ".github/workflows/image.yml");
    let push = "run: cargo oci push --manifest-path rust/Cargo.toml --package two --locked\n";
    assert!(workflow.contains(push) && workflow.contains("branches: [trunk]"), "{workflow}");
    // In its folder, a member needs no flag. What the workspace says is not said again.
    let project = project.append("rust/Cargo.toml", "[workspace.metadata.oci]\nrepository = \"quay.io/acme/{name}\"\n");
    project.oci(&["init"]).within("rust/one").succeeds();
    assert!(!read(&project, "rust/one/Cargo.toml").contains("repository"));
    let words = project.oci(&["build", "--base", "oci:nowhere", "--workspace"]).within("rust").fails(1);
    assert!(words.contains("no OCI layout in nowhere"), "{words}");
}

#[test]
fn init_replaces_no_table() {
    for table in [
        "[package.metadata.oci]\n",
        "[package.metadata.oci]\nrepository = \"ghcr.io/acme/hello\"\n",
        "[package.metadata]\noci = {}\n",
        "[package.metadata.oci.images.b]\n",
        "[package.metadata]\noci = false\n",
    ] {
        let project = Project::new("hello").append("Cargo.toml", table);
        let before = read(&project, "Cargo.toml");
        let words = project.oci(&["init"]).fails(1);
        let is_said =
            words.contains("has a table [package.metadata.oci] already") || words.contains("has `oci = false`");
        assert!(is_said && words.contains("help: "), "{words}");
        assert_eq!(read(&project, "Cargo.toml"), before);
    }
    // A table that cannot be continued is shown.
    let project = Project::new("hello").append("Cargo.toml", "metadata = { x = 1 }\n");
    let before = read(&project, "Cargo.toml");
    let words = project.oci(&["init"]).fails(1);
    assert!(
        words.contains("cannot add [package.metadata.oci] to ") && words.contains("write `metadata` as a table"),
        "{words}"
    );
    assert_eq!(read(&project, "Cargo.toml"), before);
}

#[test]
fn init_with_ci_leaves_table_that_is_there() {
    let project = Project::with_table("tags = [\"v1\"]");
    let before = read(&project, "Cargo.toml");
    let ran = project.oci(&[&["init", "--ci", "gitlab"][..], &SOURCE].concat()).succeeds();
    assert_eq!(ran.stdout, ".gitlab-ci.yml\n");
    assert_eq!(read(&project, "Cargo.toml"), before);
    // Nothing says where images go: GitLab does.
    assert!(read(&project, ".gitlab-ci.yml").contains("CARGO_OCI_REPOSITORY: $CI_REGISTRY_IMAGE\n"));
    // And no file is replaced, nor is a table written beside it.
    let project = project.file("Cargo.toml", &before.replace("[package.metadata.oci]\ntags = [\"v1\"]", ""));
    let (manifest, pipeline) = (read(&project, "Cargo.toml"), read(&project, ".gitlab-ci.yml"));
    let words = project.oci(&[&["init", "--ci", "gitlab"][..], &SOURCE].concat()).fails(1);
    assert!(words.contains(".gitlab-ci.yml already exists"), "{words}");
    assert_eq!((read(&project, "Cargo.toml"), read(&project, ".gitlab-ci.yml")), (manifest, pipeline));
}

#[test]
fn init_with_ci_needs_place_of_cargo_oci() {
    let project = Project::new("hello");
    let home = project.path("cargo");
    fs::create_dir(&home).expect("a folder");
    let init = || project.oci(&["init", "--ci", "github"]).env("CARGO_HOME", &home);
    let words = init().fails(1);
    assert!(
        words.contains("cannot tell where CI installs cargo-oci from") && words.contains("--install-from"),
        "{words}"
    );
    assert!(!read(&project, "Cargo.toml").contains("oci") && !project.path(".github").exists());
    // What `cargo install --git` has recorded says it.
    let package =
        concat!("cargo-oci ", env!("CARGO_PKG_VERSION"), " (git+https://github.com/acme/cargo-oci?branch=main#c0ffee)");
    fs::write(home.join(".crates.toml"), format!("[v1]\n\"{package}\" = [\"cargo-oci\"]\n")).expect("a file");
    init().succeeds();
    let workflow = read(&project, ".github/workflows/image.yml");
    assert!(workflow.contains("      - uses: acme/cargo-oci@c0ffee # cargo-oci "), "{workflow}");
    for wrong in ["acme/cargo-oci", "https://x/y#a;b", "https://x/$(y)", "https://x/y#"] {
        let words = project.oci(&["init", "--ci", "github", "--install-from", wrong]).fails(2);
        assert!(words.contains("expected "), "{words}");
    }
}

#[test]
fn init_files_for_ci_are_yaml() {
    let parsed = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let elsewhere = ["--install-from", "https://git.example.org/acme/cargo-oci"];
    for (service, path) in [("github", ".github/workflows/image.yml"), ("gitlab", ".gitlab-ci.yml")] {
        for source in [SOURCE, elsewhere] {
            let project = cloned("https://git.example.org/acme/hello");
            git(&project, &["checkout", "--quiet", "-b", "9.x"]);
            let project = project.file(".gitignore", "Cargo.lock\n");
            project.oci(&[&["init", "--ci", service][..], &source].concat()).succeeds();
            let text = read(&project, path);
            let file = parsed(&text);
            assert!(!text.contains('@') || source == SOURCE || text.contains("actions/checkout@"), "{text}");
            assert!(!text.contains("oci build --locked"), "Cargo.lock is ignored: {text}");
            if service == "github" {
                assert_eq!(file["on"]["push"]["branches"][0], "9.x", "{text}");
                assert!(file["jobs"]["image"]["steps"].as_array().is_some_and(|steps| steps.len() == 4), "{text}");
            } else {
                assert_eq!(file["image-push"]["extends"], ".cargo-oci", "{text}");
            }
        }
    }
}

#[test]
fn init_with_wrong_input_writes_nothing() {
    let words = Project::empty("hello").oci(&["init"]).fails(1);
    assert!(words.contains("cannot find Cargo.toml in "), "{words}");
    let words = Project::new("hello").oci(&["init", "--manifest-path", "nowhere/Cargo.toml"]).fails(1);
    assert!(words.contains("cannot find nowhere/Cargo.toml"), "{words}");
    let words = Project::new("hello").oci(&["init", "--repository", "ghcr.io/Acme/hello"]).fails(2);
    assert!(words.contains("repository names must be lowercase"), "{words}");
    // Cargo says what is wrong with what it cannot read.
    let project = Project::new("hello");
    fs::write(project.path("Cargo.toml"), b"[package]\nname = \"hello\"\n# \xff\n").expect("a file");
    let words = project.oci(&["init"]).fails(101);
    assert!(words.to_lowercase().contains("utf-8"), "{words}");
    // A file that is not to be written, whoever asks.
    let project = Project::new("hello");
    let before = read(&project, "Cargo.toml");
    let mut permissions: Permissions = project.path("Cargo.toml").metadata().expect("a file").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(project.path("Cargo.toml"), permissions).expect("a file");
    let args = [&["init", "--ci", "gitlab"][..], &SOURCE].concat();
    let words = project.oci(&args).fails(1);
    assert!(words.contains("cannot write ") && words.contains("help: make it writable"), "{words}");
    assert!(read(&project, "Cargo.toml") == before && !project.path(".gitlab-ci.yml").exists());
}
