//! The commit that an image names, in every kind of checkout.

use std::fs;
use std::path::Path;

use cargo_oci::store::Layout;
use serde_json::Value;

use crate::snapshots::{AMD64, elf};
use crate::support::environment;
use crate::support::process::{output, write_program};
use crate::support::project::{Call, Project};

/// A package whose program is compiled already.
fn project() -> Project {
    let project = Project::new("x").file(".gitignore", "target\nprogram\n");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    project
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut git = environment::command("git");
    git.args(["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"]).args(args).current_dir(folder);
    output(&mut git).trim().to_owned()
}

/// Commits all in a folder. Returns the commit.
fn committed(folder: &Path) -> String {
    git(folder, &["init", "--quiet"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", "All"]);
    git(folder, &["rev-parse", "HEAD"])
}

/// Returns the call that builds the package in `folder`, below the project.
fn call(project: &Project, folder: &str) -> Call {
    let program = format!("linux/amd64={}", project.path("program").display());
    let args = ["build", "--base", "scratch", "--platform", "linux/amd64", "--prebuilt", &program, "--target-dir"];
    project.oci(&args).with(&[&project.path("target").display().to_string()]).within(folder)
}

/// Builds. Returns the revision in the image, and the warnings.
fn built(project: &Project, call: &Call) -> (Option<String>, String) {
    let warnings = Call::ran(&mut call.direct());
    assert_eq!(warnings.status, 0, "{}", warnings.stderr);
    let warnings = warnings.stderr.lines().filter(|line| line.starts_with("warning: ")).map(str::to_owned);
    (revision(project), warnings.collect())
}

fn revision(project: &Project) -> Option<String> {
    let layout = Layout::open(&project.path("target/oci/x")).expect("a layout");
    let index = crate::support::blob(layout.root(), layout.entries()[0].digest().as_ref());
    let index: Value = serde_json::from_slice(&fs::read(index).expect("an index")).expect("JSON");
    index["annotations"]["org.opencontainers.image.revision"].as_str().map(str::to_owned)
}

#[track_caller]
fn assert_revision(project: &Project, folder: &str, revision: Option<&str>) {
    assert_eq!(built(project, &call(project, folder)), (revision.map(str::to_owned), String::new()));
}

#[test]
fn commit_of_a_hook_is_not_taken() {
    let project = project();
    let own = committed(project.root());
    // A commit in a linked worktree of another repository builds the package.
    let other = Project::empty("other").file("a", "");
    committed(other.root());
    git(other.root(), &["worktree", "add", "--quiet", "linked"]);
    let words: Vec<_> = call(&project, "").direct().get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let lines = [
        "env | grep -q ^GIT_DIR= && env | grep -q ^GIT_INDEX_FILE= || exit 1".to_owned(),
        format!("cd {} && exec {} {}", project.root().display(), env!("CARGO_BIN_EXE_cargo-oci"), words.join(" ")),
    ];
    let hook = other.path(".git/hooks/pre-commit");
    write_program(&hook, &lines.join("\n"));
    let mut commit = call(&project, "").command("git");
    commit.current_dir(other.path("linked")).env("CARGO", environment::cargo());
    output(commit.args(["commit", "--quiet", "--allow-empty", "-m", "More"]));
    assert_eq!(revision(&project), Some(own.clone()));
    // Variables of the same kind, each alone.
    for (key, value) in [
        ("GIT_DIR", other.path(".git")),
        ("GIT_WORK_TREE", other.root().to_owned()),
        ("GIT_INDEX_FILE", other.path(".git/index")),
        ("GIT_OBJECT_DIRECTORY", other.path(".git/objects")),
        ("GIT_COMMON_DIR", other.path(".git")),
        ("GIT_NAMESPACE", "other".into()),
        ("GIT_SHALLOW_FILE", other.path("a")),
    ] {
        let found = built(&project, &call(&project, "").env(key, value));
        assert_eq!(found, (Some(own.clone()), String::new()), "{key}");
    }
}

#[test]
fn ignored_package_has_no_commit() {
    let project = project();
    let package = |folder: &str| {
        let cargo_toml = fs::read_to_string(project.path("Cargo.toml")).expect("a file");
        fs::create_dir_all(project.path(folder).join("src")).expect("a folder");
        fs::write(project.path(folder).join("Cargo.toml"), cargo_toml).expect("a file");
        fs::write(project.path(folder).join("src/main.rs"), "fn main() {}\n").expect("a file");
    };
    package("vendor/ignored");
    package("vendor/added");
    fs::write(project.path(".gitignore"), "target\nprogram\nvendor\nCargo.lock\n").expect("a file");
    git(project.root(), &["init", "--quiet"]);
    git(project.root(), &["add", "--force", "vendor/added"]);
    let commit = committed(project.root());
    package("untracked");
    assert_revision(&project, "vendor/ignored", None);
    let words = call(&project, "vendor/ignored").with(&["--tag", "{git.short}"]).fails(1);
    assert!(words.contains("the repository ignores the package"), "{words}");
    assert_revision(&project, "vendor/added", Some(&commit));
    // The commit does not have it.
    assert_revision(&project, "untracked", Some(&format!("{commit}-dirty")));
}

#[test]
fn commit_is_found_in_every_kind_of_checkout() {
    let project = project();
    fs::write(project.path(".gitignore"), "target\nprogram\nCargo.lock\n").expect("a file");
    fs::create_dir(project.path("docs")).expect("a folder");
    fs::write(project.path("docs/a"), "a").expect("a file");
    let first = committed(project.root());
    let second = committed(project.root());
    let origin = format!("file://{}", project.root().display());
    let checkouts = Project::empty("x");
    fs::write(checkouts.path("program"), elf(AMD64)).expect("a file");
    let git = |args: &[&str]| git(checkouts.root(), args);
    git(&["clone", "--quiet", "--depth", "1", &origin, "shallow"]);
    git(&["clone", "--quiet", "--sparse", &origin, "sparse"]);
    git(&["-C", "sparse", "sparse-checkout", "set", "src"]);
    assert!(!checkouts.path("sparse/docs").exists());
    git(&["clone", "--quiet", "--bare", &origin, "bare.git"]);
    git(&["-C", "bare.git", "worktree", "add", "--quiet", "--detach", "../linked", &first]);
    git(&["-C", "bare.git", "worktree", "add", "--quiet", "inside", &second]);
    git(&["init", "--quiet", "super"]);
    git(&["-C", "super", "submodule", "--quiet", "add", &origin, "sub"]);
    for (folder, commit) in [
        ("shallow", &second),
        ("sparse", &second),
        ("linked", &first),
        ("bare.git/inside", &second),
        ("super/sub", &second),
    ] {
        assert_revision(&checkouts, folder, Some(commit));
    }
    // In a repository without a work tree, and in one without a commit.
    for folder in ["bare.git/package", "new"] {
        fs::create_dir_all(checkouts.path(folder).join("src")).expect("a folder");
        for file in ["Cargo.toml", "src/main.rs"] {
            fs::copy(project.path(file), checkouts.path(folder).join(file)).expect("a file");
        }
    }
    git(&["init", "--quiet", "new"]);
    assert_revision(&checkouts, "bare.git/package", None);
    assert_revision(&checkouts, "new", None);
}

#[test]
fn repository_of_another_user_must_be_trusted() {
    let project = project();
    let commit = committed(project.root());
    let other = || call(&project, "").env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    let trust = format!("`git config --global --add safe.directory {}`", project.root().display());
    let warning = format!(
        "warning: images will have no revision and no commit time: git cannot read the checkout: \
         the repository belongs to another user; to trust it, run {trust}"
    );
    assert_eq!(built(&project, &other()), (None, warning));
    let words = other().with(&["--tag", "{git.short}"]).fails(1);
    assert!(words.contains(&format!("help: to trust it, run {trust}")), "{words}");
    // As CI systems set it, without a file.
    let trusted = other().env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "safe.directory");
    assert_eq!(built(&project, &trusted.env("GIT_CONFIG_VALUE_0", "*")), (Some(commit), String::new()));
}

#[test]
fn git_does_not_see_credentials() {
    let project = project();
    committed(project.root());
    let program = project.path("monitor");
    write_program(&program, &format!("env > {}; exit 1", project.path("seen").display()));
    git(project.root(), &["config", "core.fsmonitor", &program.display().to_string()]);
    let call = call(&project, "").env("CARGO_OCI_REGISTRY_TOKEN", "sesame").env("COSIGN_PASSWORD", "sesame");
    assert_eq!(Call::ran(&mut call.direct()).status, 0);
    let seen = fs::read_to_string(project.path("seen")).expect("git ran the program");
    assert!(seen.contains("GIT_OPTIONAL_LOCKS=0") && !seen.contains("sesame"), "{seen}");
}

#[test]
fn branch_of_a_detached_commit_is_from_ci() {
    let project = project();
    let commit = committed(project.root());
    git(project.root(), &["checkout", "--quiet", "--detach"]);
    let tags = |call: Call| {
        let ran = Call::ran(&mut call.direct());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let layout = Layout::open(&project.path("target/oci/x")).expect("a layout");
        let names = layout.entries().iter().filter_map(|entry| entry.annotations().as_ref());
        names.filter_map(|names| names.get("org.opencontainers.image.ref.name").cloned()).collect::<Vec<_>>()
    };
    let gitlab =
        |tag: &str| call(&project, "").with(&["--tag", tag]).env("GITLAB_CI", "true").env("CI_COMMIT_SHA", &commit);
    assert_eq!(tags(gitlab("{git.branch}").env("CI_COMMIT_BRANCH", "feature/x")), ["feature-x"]);
    assert_eq!(tags(gitlab("{git.tag}").env("CI_COMMIT_TAG", "v1")), ["v1"]);
    let ran = Call::ran(&mut gitlab("{git.branch}").env("CI_COMMIT_TAG", "v1").direct());
    assert!(ran.stderr.contains("help: this run is for the tag v1: use `{git.tag}`"), "{}", ran.stderr);
}
