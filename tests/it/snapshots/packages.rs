//! Packages, tags and images that do not fit together.

use super::workspace;
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;

#[test]
fn package_errors_match_snapshot() {
    let mut told = Snapshot::of("packages");
    told.error("no Cargo.toml", &Project::empty("x"), &["build"]);
    told.error(
        "no Cargo.toml where one is named",
        &Project::empty("x"),
        &["build", "--manifest-path", "no/Cargo.toml"],
    );
    let broken = Project::empty("x").file("Cargo.toml", "[package]\nname = \"x\nedition = \"2024\"\n");
    told.call("a Cargo.toml that is not TOML", &broken, &["build"], broken.oci(&["build"]), 101);
    told.error("a virtual workspace without --package", &workspace("", ""), &["build"]);
    told.error("a package that the workspace does not have", &workspace("", ""), &["build", "-p", "sever"]);
    told.error("one that is like none", &workspace("", ""), &["build", "-p", "database"]);
    told.error("another version of a package", &workspace("", ""), &["build", "-p", "server@2"]);
    told.error("the folder of a package", &workspace("", ""), &["build", "-p", "./server"]);
    let library =
        Project::empty("x").file("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n").file("src/lib.rs", "");
    told.error("a library", &library, &["build"]);
    let off = Project::new("x").append("Cargo.toml", "[package.metadata]\noci = false\n");
    told.error("a package that is switched off", &off, &["build"]);
    let two = || {
        Project::empty("x")
            .file("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n")
            .file("src/bin/serve.rs", "fn main() {}\n")
            .file("src/bin/migrate.rs", "fn main() {}\n")
    };
    told.error("two binaries and no default-run", &two(), &["build"]);
    told.error("a binary that there is not", &two(), &["build", "--bin", "server"]);
    let table = "[package.metadata.oci]\nbins = [\"migrate\", \"server\"]\n";
    told.error("a binary that there is not, in the table", &two().append("Cargo.toml", table), &["build"]);
    // What the workspace says holds for packages that it does not know.
    let table = "[workspace.metadata.oci]\nbins = [\"y\"]\n";
    let project = Project::new("x").append("Cargo.toml", table);
    told.error("a binary that there is not, in the table of the workspace", &project, &["build"]);
    let exclude = ["build", "--workspace", "--exclude", "*"];
    told.error("all packages excluded", &workspace("", ""), &exclude);
    let same = "[[bin]]\nname = \"main\"\npath = \"src/main.rs\"\n";
    told.error("two packages with one name for their binaries", &workspace(same, same), &["build", "--workspace"]);
    told.check();
}

#[test]
fn tag_errors_match_snapshot() {
    let mut told = Snapshot::of("tags");
    let tagged = |tag: &str| Project::with_table(&format!("tags = [\"latest\", \"{tag}\"]"));
    told.error("a template with an unknown field", &tagged("v{verison}"), &["build"]);
    told.error("a template with a field that is like none", &tagged("{date}"), &["build"]);
    told.error("a template without an end", &tagged("v{version"), &["build"]);
    told.error("a tag that is none", &tagged("-v1"), &["build"]);
    let long = "x".repeat(125) + "{version}";
    told.error("a tag that becomes too long", &tagged(&long), &["build"]);
    let project = tagged("{git.short}");
    told.call("git is missing", &project, &["build"], project.oci(&["build"]).alone(), 1);
    told.error("no repository of git's", &tagged("{git.short}"), &["build"]);
    let git = |project: &Project, words: &[&str]| {
        let mut git = environment::command("git");
        git.args(["-c", "init.defaultBranch=main"]).args(words).current_dir(project.root());
        output(git.env("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z").env("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z"))
    };
    let project = tagged("{git.short}");
    git(&project, &["init", "--quiet"]);
    told.error("no commits", &project, &["build"]);
    let committed = |tag: &str| {
        let project = tagged(tag).file(".gitignore", "target\nclone\n");
        git(&project, &["init", "--quiet"]);
        git(&project, &["add", "."]);
        git(&project, &["commit", "--quiet", "-m", "All"]);
        project
    };
    let mut commit = |title: &str, project: &Project, args: &[&str]| {
        let sha = git(project, &["rev-parse", "HEAD"]);
        told.writing(sha.trim(), "COMMIT");
        told.error(title, project, args);
    };
    commit("a commit without a tag", &committed("{git.tag}"), &["build"]);
    let project = committed("{git.branch}");
    git(&project, &["checkout", "--quiet", "--detach"]);
    commit("a commit without a branch", &project, &["build"]);
    let project = committed("{git.tag}");
    git(&project, &["commit", "--quiet", "--allow-empty", "-m", "More"]);
    let origin = format!("file://{}", project.root().display());
    git(&project, &["clone", "--quiet", "--depth", "1", &origin, "clone"]);
    commit("a shallow clone without its tags", &project, &["build", "--manifest-path", "clone/Cargo.toml"]);
    told.check();
}

#[test]
fn image_errors_match_snapshot() {
    let mut told = Snapshot::of("images");
    let images = |table: &str| {
        let project = Project::with_table(&format!("repository = \"ghcr.io/acme/x\"\n{table}"));
        project.file("src/bin/y.rs", "fn main() {}\n")
    };
    let y = "[package.metadata.oci.images.y]\nbins = [\"y\"]";
    let own = "[package.metadata.oci.images.y]\nbins = [\"y\"]\nrepository = \"ghcr.io/acme/y\"";
    told.error("images that share a tag", &images(y), &["build"]);
    let share = &["build", "--repository", "ghcr.io/acme/z"];
    told.error("images that are given one repository", &images(own), share);
    let project = images(own);
    let call = project.oci(&["build"]).env("CARGO_OCI_REPOSITORY", "ghcr.io/acme/z");
    told.call("images that are given one repository by CARGO_OCI_REPOSITORY", &project, &["build"], call, 1);
    let other = || images(own).file("src/bin/other.rs", "fn main() {}\n");
    told.error("a binary that is in no image", &other(), &["build", "--bin", "other"]);
    told.error("a binary that there is not, of several images", &other(), &["build", "--bin", "another"]);
    told.error("an image called as the package's own", &images("[package.metadata.oci.images.x]"), &["build"]);
    told.error("an image that there is not", &images(own), &["build", "--image", "z"]);
    let image = "[package.metadata.oci.images.tool]";
    told.error("images of two packages that share a name", &workspace(image, ""), &["build", "--workspace"]);
    let fast = "[package.metadata.oci.images.y]\nfeatures = [\"fast\"]\n[features]\nfast = []";
    let package = |name: &str, bin: &str| {
        format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[[bin]]\nname = \"{bin}\"\npath = \"main.rs\"\n")
    };
    let case = Project::empty("ws")
        .file("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"a\", \"b\"]\n")
        .file("a/Cargo.toml", &package("Tool", "x"))
        .file("a/main.rs", "fn main() {}\n")
        .file("b/Cargo.toml", &package("tool", "y"))
        .file("b/main.rs", "fn main() {}\n");
    told.error("packages whose names differ in capitals alone", &case, &["build", "--workspace"]);
    told.error("one program in two ways", &Project::with_table(fast), &["build"]);
    told.error("one output for two images", &images(own), &["build", "-o", "oci-dir=out"]);
    told.error("one program to run, of two images", &images(own), &["run"]);
    told.error("no repository to push to", &Project::new("x"), &["push"]);
    told.error("one path for two bundles", &images(own), &["bundle", "out"]);
    told.check();
}
