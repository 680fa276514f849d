//! The words of every error that a user's mistake, or the world's, can lead to: they are reviewed as carefully as code.
//!
//! Each test makes the mistakes of one area and compares all that is said with `tests/snapshots/AREA.txt`. After a change
//! of words, `UPDATE_SNAPSHOTS=1 cargo test --test snapshots` writes the files anew, and `git diff` shows what a user
//! will read from now on. What takes a cross toolchain, a registry, a small disk or half a minute to see is made in
//! `tests/real`, and kept in `tests/snapshots/real` (`UPDATE_SNAPSHOTS=1 cargo test --test real`).
//!
//! `ROOT` is the folder of the package and `PORT` a port of this machine; digests are told apart and not spelled out.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tar::EntryType;

use crate::support::base::BaseImage;
use crate::support::environment;
use crate::support::handmade::{self, Image, Layer};
use crate::support::home::Home;
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;
use crate::support::strict::answer::Answer;
use crate::support::strict::http::{Body, Origin, Request, Server};
use crate::support::strict::referrers::Attaching;
use crate::support::strict::{Behaviour, StrictRegistry};

/// A program, as far as its header says.
fn elf(machine: u8) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    header[16] = 2;
    header[18] = machine;
    header[20] = 1;
    header[52] = 64;
    header[54] = 56;
    header[58] = 64;
    header
}

const AMD64: u8 = 62;
const ARM64: u8 = 183;

/// A package whose program was compiled elsewhere, so that nothing is compiled here.
fn prebuilt() -> Project {
    let project = Project::new("x");
    fs::create_dir(project.path("dist")).expect("a folder");
    fs::write(project.path("dist/program"), elf(AMD64)).expect("a file");
    project
}

/// The project of a user who has Docker, but no credentials.
fn with_docker(project: Project) -> Project {
    fs::create_dir_all(project.home().join(".docker")).expect("a folder");
    fs::write(project.home().join(".docker/config.json"), "{}").expect("a file");
    project
}

/// `COMMAND --platform linux/amd64 --prebuilt linux/amd64=dist/program ARGS`.
fn of_prebuilt<'a>(command: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [&[command, "--platform", "linux/amd64", "--prebuilt", "linux/amd64=dist/program"], args].concat()
}

/// A workspace of the packages a and b, which may have more in their Cargo.toml.
fn workspace(a: &str, b: &str) -> Project {
    let package = |name: &str, more: &str| format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{more}\n");
    Project::empty("ws")
        .file("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"server\", \"tool\"]\n")
        .file("server/Cargo.toml", &package("server", a))
        .file("server/src/main.rs", "fn main() {}\n")
        .file("tool/Cargo.toml", &package("tool", b))
        .file("tool/src/main.rs", "fn main() {}\n")
}

#[test]
fn packages() {
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
fn tables() {
    let mut told = Snapshot::of("tables");
    let mut table = |title: &str, lines: &str| told.error(title, &Project::with_table(lines), &["build"]);
    table("an unknown key", "base = \"scratch\"\nplatform = [\"linux/amd64\"]");
    table("an unknown key that is like none", "replicas = 3");
    table("a wrong type", "platforms = \"linux/amd64\"");
    table("a wrong type in an array", "cmd = [\"--port\", 8080]");
    table("a wrong type in a table", "env = { PORT = 8080 }");
    table("a wrong type of a label", "labels = { team = true }");
    table("a platform that nobody knows", "platforms = [\"linux/amd64\", \"linux/amd46\"]");
    table("a platform that Rust has no target for", "platforms = [\"linux/amd64\", \"windows/amd64\"]");
    table("a base that is no reference", "base = \"Debian:12:slim\"");
    table("a repository with a tag", "repository = \"ghcr.io/acme/x:1\"");
    table("an unknown key of a base's signature", "base-verify = { kay = \"a.pub\" }");
    table("a base's signature without a key", "base-verify = {}");
    table("a base's signature by a key that is in no file", "base-verify = { key = \"awskms:///alias/a\" }");
    table("a port that is none", "expose = [\"8080\", \"70000/tcp\"]");
    table("a protocol that is none", "expose = [\"8080/http\"]");
    table("a signal that is none", "stop-signal = \"SIGTREM\"");
    table("a signal by a number that is none", "stop-signal = \"99\"");
    table("a control character in a label", "labels = { team = \"pay\\u0007ments\" }");
    table("a control character in the name of an annotation", "annotations = { \"com.acme\\n.tier\" = \"1\" }");
    table("a character that nobody sees in a label", "labels = { team = \"a\u{200b}b\" }");
    table("a folder that would delete the base's", "bin-dir = \"/.wh.etc\"");
    table("a user that is none", "user = \"a:b:c\"");
    table("a folder that is relative", "workdir = \"srv\"");
    table("a compression that there is not", "compression = \"xz\"");
    table("a format of SBOMs that is mistyped", "sbom = \"cyclondx\"");
    table("a format of SBOMs that there is not", "sbom = [\"spdx\", \"swid\"]");
    table("no format of SBOMs in an array", "sbom = []");
    table("a wrong type of a format of SBOMs", "sbom = true");
    table("a wrong type of what is true or false", "provenance = \"no\"");
    table("an unknown key of a file", "files = [{ from = \"a\", dest = \"/a\" }]");
    table("a file without a destination", "files = [{ from = \"a\" }]");
    table("an unknown key of an image", "[package.metadata.oci.images.y]\nplatform = [\"linux/amd64\"]");
    table("a port that is none, of an image", "[package.metadata.oci.images.y]\nexpose = [\"80\", \"70000\"]");
    table("a wrong type in an image", "[package.metadata.oci.images.y]\nexpose = 80");
    table("an image of an image", "[package.metadata.oci.images.y.images.z]");
    table("a name of an image that is none", "[package.metadata.oci.images.\"a b\"]");
    let workspace =
        |lines: &str| Project::new("x").append("Cargo.toml", &format!("[workspace.metadata.oci]\n{lines}\n"));
    told.error("an unknown key of the workspace", &workspace("user-name = \"65532\""), &["build"]);
    told.error("a signal that is none, of the workspace", &workspace("stop-signal = \"NOPE\""), &["build"]);
    told.error("a wrong type in the workspace", &workspace("tags = \"latest\""), &["build"]);
    let all = |value: &str| Project::new("x").append("Cargo.toml", &format!("[package.metadata]\noci = {value}\n"));
    told.error("something other than a table", &all("\"yes\""), &["build"]);
    told.check();
}

#[test]
fn arguments() {
    let mut told = Snapshot::of("arguments");
    let project = Project::new("x");
    let mut misuse = |title: &str, args: &[&str]| told.misuse(title, &project, args);
    misuse("a command that there is not", &["bild"]);
    misuse("a flag that there is not", &["build", "--plattform", "linux/amd64"]);
    misuse("a platform that Rust has no target for", &["build", "--platform", "windows/amd64"]);
    misuse("a platform that is mistyped", &["build", "--platform", "linux/amd46"]);
    misuse("a target that is not Linux", &["build", "--target", "x86_64-apple-darwin"]);
    misuse("a target that is none", &["build", "--target", "amd64"]);
    misuse("a base that is no reference", &["build", "--base", "Debian:12:slim"]);
    misuse("a repository with a tag", &["push", "--repository", "ghcr.io/acme/x:1"]);
    let digest = format!("ghcr.io/acme/x@sha256:{}", "0".repeat(64));
    misuse("a repository with a digest", &["push", "--repository", &digest]);
    misuse("an illegal name of a repository", &["push", "--repository", "ghcr.io/Acme/x"]);
    misuse("an illegal tag", &["push", "--tag", "v 1"]);
    misuse("a template with an unknown field", &["build", "--tag", "{verison}"]);
    misuse("a template without an end", &["build", "--tag", "{version"]);
    misuse("a port that is none", &["build", "--expose", "70000"]);
    misuse("a label without a value", &["build", "--label", "team"]);
    misuse("a control character in a label", &["build", "--label", "team=a\u{7}"]);
    misuse("a character that nobody sees", &["build", "--label", "team=a\u{200b}b"]);
    misuse("an order to the terminal in a folder", &["build", "--workdir", "/a\u{1b}[31m"]);
    misuse("an annotation without a value", &["build", "--annotation", "a"]);
    misuse("a variable without a value", &["build", "--env", "A"]);
    misuse("a line break in the name of a variable", &["build", "--env", "A\nB=1"]);
    misuse("a compression that there is not", &["build", "--compression", "xz"]);
    let required = ["verify", "x", "--key", "x.pub", "--require", "sboms"];
    misuse("something else that is required of a signed image", &required);
    misuse("a format of SBOMs that is mistyped", &["build", "--sbom", "cyclondx"]);
    misuse("a format of SBOMs that there is not", &["build", "--sbom", "spdx,swid"]);
    misuse("what is neither true nor false", &["build", "--provenance", "no"]);
    misuse("a user that is none", &["build", "--user", "a:b:c"]);
    misuse("a folder that is relative", &["build", "--workdir", "srv"]);
    misuse("an output of an unknown kind", &["build", "-o", "tar=x"]);
    misuse("prebuilt programs for nothing", &["build", "--prebuilt", "x"]);
    misuse("an unknown engine", &["load", "--engine", "lxc"]);
    misuse("an unknown engine that is like one", &["load", "--engine", "poodman"]);
    misuse("no registry to log in to", &["login"]);
    misuse("a registry with a path", &["login", "ghcr.io/acme"]);
    misuse("a registry with a scheme", &["login", "http://ghcr.io"]);
    misuse("a registry that is a word", &["login", "acme"]);
    misuse("nothing to look at", &["inspect"]);
    misuse("an image to bundle, and no place", &["bundle", "--from", "image"]);
    misuse("no key to sign with", &["sign", "base"]);
    misuse("a key in a service", &["sign", "base", "--key", "gcpkms://projects/a"]);
    misuse("a variable without a name", &["verify", "base", "--key", "env://"]);
    misuse("a type that is none", &["attach", "base", "a.txt", "--artifact-type", "sbom"]);
    misuse("a statement of a type that is none", &["sign", "base", "--key", "a.key", "--attest", "cyclonedy=a.json"]);
    misuse("a push that is to be signed without a key", &["push", "--sign"]);
    misuse("a key for a push that is not to be signed", &["push", "--key", "a.key"]);
    misuse("an unknown shell", &["completions", "zhs"]);
    told.check();
}

#[test]
fn variables() {
    let mut told = Snapshot::of("variables");
    let project = Project::new("x");
    for (key, value) in [
        ("CARGO_OCI_BASE", "Debian:12:slim"),
        ("CARGO_OCI_PLATFORMS", "linux/amd46"),
        ("CARGO_OCI_REPOSITORY", "ghcr.io/acme/x:1"),
        ("CARGO_OCI_TAGS", "latest,{verison}"),
        ("SOURCE_DATE_EPOCH", "yesterday"),
        ("SOURCE_DATE_EPOCH", "999999999999999"),
        ("CARGO_TERM_VERBOSE", "loud"),
    ] {
        told.call(&format!("{key}={value}"), &project, &["build"], project.oci(&["build"]).env(key, value), 1);
    }
    let call = project.oci(&["build"]).env("CARGO_TERM_QUIET", "1");
    told.call("CARGO_TERM_QUIET=1", &project, &["build"], call, 2);
    told.check();
}

#[test]
fn tags() {
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
fn images() {
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

#[test]
fn files() {
    let mut told = Snapshot::of("files");
    // It is told before a base is pulled.
    let mut rule = |title: &str, rule: &str| {
        let project = Project::with_table(&format!("base = \"127.0.0.1:9/none:1\"\nfiles = [\n  {rule},\n]"));
        let project = project.file("assets/index.html", "").file("deleted/.wh.old", "").file("hello.toml", "");
        fs::write(project.root().with_file_name("elsewhere"), "").expect("a file");
        symlink("/etc/hosts", project.path("hosts")).expect("a link");
        symlink("../elsewhere", project.path("elsewhere")).expect("a link");
        symlink("nowhere", project.path("dangling")).expect("a link");
        fs::create_dir(project.path("loop")).expect("a folder");
        symlink("..", project.path("loop/up")).expect("a link");
        fs::create_dir(project.path("round")).expect("a folder");
        symlink("b", project.path("round/a")).expect("a link");
        symlink("a", project.path("round/b")).expect("a link");
        output(environment::command("mkfifo").arg(project.path("pipe")));
        told.error(title, &project, &["build"]);
    };
    rule("a pattern that takes nothing", r#"{ from = "asets/**", to = "/srv/" }"#);
    rule(
        "a pattern that fits nothing",
        r#"{ from = "assets/*", to = "/srv/" }, { from = "as*ets/*.css", to = "/srv/" }"#,
    );
    rule("a file that is not there", r#"{ from = "helo.toml", to = "/etc/" }"#);
    rule("a pattern that is none", r#"{ from = "assets/[", to = "/srv/" }"#);
    rule("a path that leaves the package", r#"{ from = "../x", to = "/etc/" }"#);
    rule("an absolute path", r#"{ from = "/etc/hosts", to = "/etc/" }"#);
    rule("a relative destination", r#"{ from = "hello.toml", to = "etc/" }"#);
    rule("a destination that leads upwards", r#"{ from = "hello.toml", to = "/etc/../x" }"#);
    rule("a folder for a file", r#"{ from = "assets", to = "/srv/www" }"#);
    rule("a file where the binary is", r#"{ from = "hello.toml", to = "/app/x" }"#);
    rule("two files for one place", r#"{ from = "hello.toml", to = "/a" }, { from = "Cargo.toml", to = "/a" }"#);
    rule("a mode that is none", r#"{ from = "hello.toml", to = "/a", mode = "rw-r--r--" }"#);
    rule("an owner that is none", r#"{ from = "hello.toml", to = "/a", owner = "a b" }"#);
    rule("a link to an absolute path", r#"{ from = "hosts", to = "/etc/" }"#);
    rule("a link out of the package", r#"{ from = "elsewhere", to = "/etc/" }"#);
    rule("a link that leads nowhere", r#"{ from = "dangling", to = "/etc/" }"#);
    rule("a link that leads into itself", r#"{ from = "loop/", to = "/srv/" }"#);
    rule("links that lead to each other", r#"{ from = "round/", to = "/srv/" }"#);
    rule("a pipe", r#"{ from = "pipe", to = "/srv/" }"#);
    rule("a whiteout", r#"{ from = "deleted/", to = "/srv/" }"#);
    rule("$OUT_DIR without a build script", r#"{ from = "$OUT_DIR/x", to = "/srv/" }"#);
    rule("another variable", r#"{ from = "$HOME/x", to = "/srv/" }"#);
    let owned = |owner: &str| {
        let project = Project::with_table(&format!("files = [{{ from = \"a\", to = \"/a\", owner = \"{owner}\" }}]"));
        BaseImage::new().write(&project.path("base"));
        project.file("a", "")
    };
    told.error("an owner that the base does not know", &owned("www-data"), &["build", "--base", "oci:base"]);
    told.error("a group that the base does not know", &owned("root:www-data"), &["build", "--base", "oci:base"]);
    told.error("an owner by name over scratch", &owned("root"), &["build", "--base", "scratch"]);
    told.check();
}

/// A registry that answers everything alike.
struct Always(fn() -> Answer);

impl Origin for Always {
    fn answer(&self, _: &Request, body: &mut Body<'_>) -> Answer {
        let _ = body.all();
        self.0()
    }
}

fn always(answer: fn() -> Answer) -> Server {
    Server::start(TcpListener::bind("127.0.0.1:0").expect("a port"), Arc::new(Always(answer)))
}

fn page() -> Answer {
    let page = b"<!doctype html><title>Welcome</title>";
    Answer::new(200).with("Content-Type", "text/html").body(page.to_vec())
}

fn unauthorized() -> Answer {
    refusal(401, "UNAUTHORIZED", "authentication required").with("WWW-Authenticate", "Basic realm=\"x\"")
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({ "errors": [{ "code": code, "message": message }] });
    Answer::new(status).with("Content-Type", "application/json").body(body.to_string().into_bytes())
}

type Refusal = (&'static str, fn() -> Answer);

/// What registries refuse with, and how they say it.
const REFUSALS: [Refusal; 7] = [
    ("a registry that wants credentials (401)", unauthorized),
    ("a registry that denies (403)", || refusal(403, "DENIED", "requested access to the resource is denied")),
    ("a repository that is not there (NAME_UNKNOWN)", || {
        refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
    }),
    ("an answer for browsers (HTML)", page),
    ("a server that is no registry (404)", || Answer::new(404).body(b"404 page not found".to_vec())),
    ("a registry that limits (429)", || refusal(429, "TOOMANYREQUESTS", "rate limit").with("Retry-After", "0")),
    ("a registry that does not do it (501)", || Answer::new(501)),
];

#[test]
fn bases() {
    let mut told = Snapshot::of("bases");
    let project = with_docker(Project::new("x"));
    let mut base = |title: &str, base: &str| told.error(title, &project, &["build", "--base", base]);
    base("a layout that is not there", "oci:nowhere");
    base("an archive that is not there", "oci-archive:nowhere.tar");
    base("an archive that is none", "oci-archive:Cargo.toml");
    base("a folder for an archive", "oci-archive:src");
    base("a folder that is no layout", "oci:src");
    let offline = ["build", "--base", "127.0.0.1:9/base:1", "--offline"];
    told.error("a registry that may not be asked", &project, &offline);
    told.beside_cargo(true);
    told.error("a registry that does not answer", &project, &["build", "--base", "127.0.0.1:9/base:1"]);
    for (title, answer) in REFUSALS {
        let registry = always(answer);
        told.error(title, &project, &["build", "--base", &format!("{}/acme/base:1", registry.address())]);
    }
    told.beside_cargo(false);
    let project = Project::new("x");
    let written = BaseImage::new().write(&project.path("base"));
    let riscv = ["build", "--base", "oci:base", "--platform", "linux/amd64,linux/riscv64"];
    told.error("a base without the platform", &project, &riscv);
    told.error("a tag that the layout does not have", &project, &["build", "--base", "oci:base:v9"]);
    let project = Project::with_table("env = { PATH = \"/opt:$PATH\", HOME = \"$HOEM\" }");
    told.error("a variable that nobody sets", &project, &["build", "--base", "embedded"]);

    let project = Project::new("x");
    BaseImage::new().single("linux/amd64").write(&project.path("base"));
    told.error("a base for one platform of two", &project, &["build", "--base", "oci:base"]);
    let config = written.platform("linux/amd64").config.clone();
    let size = written.blob(&config).len();
    let index = |entry: serde_json::Value| json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    let wrong =
        index(json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size }));
    let project = project.file("base/index.json", &wrong);
    told.error("a base that is no image", &project, &["build", "--base", "oci:base"]);

    let damaged = |spoil: &dyn Fn(&Path)| {
        let project = Project::new("x");
        let base = BaseImage::new().write(&project.path("base"));
        spoil(&crate::support::blob(&base.folder, &base.platform("linux/amd64").config));
        project
    };
    let spoiled = damaged(&|blob| {
        let text = fs::read_to_string(blob).expect("a config").replace("65532", "00000");
        fs::write(blob, text).expect("a file");
    });
    told.error("a base with a wrong digest", &spoiled, &["build", "--base", "oci:base"]);
    let cut = damaged(&|blob| fs::write(blob, "{}").expect("a file"));
    told.error("a base with a wrong size", &cut, &["build", "--base", "oci:base"]);
    let gone = damaged(&|blob| fs::remove_file(blob).expect("a file"));
    told.error("a base that lacks its config", &gone, &["build", "--base", "oci:base"]);
    let project = Project::new("x");
    let base = BaseImage::new().write(&project.path("base"));
    fs::remove_file(crate::support::blob(&base.folder, &base.platform("linux/amd64").layers[2])).expect("a blob");
    told.error("a base that lacks a layer", &project, &["build", "--base", "oci:base"]);
    told.check();
}

#[test]
fn registries() {
    let mut told = Snapshot::of("registries").after_building();
    let project = with_docker(prebuilt());
    let push = |host: &dyn ToString| format!("{}/acme/x", host.to_string());
    for (title, answer) in REFUSALS {
        let registry = always(answer);
        let repository = push(&registry.address());
        let args = of_prebuilt("push", &["--base", "embedded", "--repository", &repository]);
        told.error(title, &project, &args);
    }
    let nobody = of_prebuilt("push", &["--base", "embedded", "--repository", "127.0.0.1:9/acme/x"]);
    told.error("a registry that does not answer", &project, &nobody);
    let registry = always(unauthorized);
    let repository = push(&registry.address());
    let args = of_prebuilt("push", &["--base", "embedded", "--repository", &repository]);
    let call = project.oci(&args).env("CARGO_OCI_REGISTRY_USERNAME", "robot");
    let call = call.env("CARGO_OCI_REGISTRY_PASSWORD", "open:sesame");
    told.call("a password that is not accepted", &project, &args, call, 1);
    let call = project.oci(&args).env("CARGO_OCI_REGISTRY_USERNAME", "robot");
    told.call("a user without a password", &project, &args, call, 1);
    told.check();
}

#[test]
fn credentials() {
    let mut told = Snapshot::of("credentials");
    told.beside_cargo(true);
    let mut config = |title: &str, config: &str, helper: &str| {
        let project = Project::new("x").file("docker/config.json", config);
        if !helper.is_empty() {
            project.program("docker-credential-bad", helper);
        }
        let args = ["build", "--base", "127.0.0.1:9/base:1"];
        let call = project.oci(&args).env("DOCKER_CONFIG", project.path("docker")).on_path(project.path("programs"));
        told.call(title, &project, &args, call, 1);
    };
    config(
        "a file of credentials that is not JSON",
        "{\n  \"auths\": {\n    \"ghcr.io\": {\"auth\": sesame}\n  }\n}\n",
        "",
    );
    config("an auth that is not base64", "{\"auths\": {\"127.0.0.1:9\": {\"auth\": \"sesame!\"}}}", "");
    config("an auth of the wrong type", "{\"auths\": {\"127.0.0.1:9\": {\"auth\": 7}}}", "");
    config("a helper with an illegal name", "{\"credsStore\": \"../../sesame\"}", "");
    config("a helper that is missing", "{\"credsStore\": \"bad\"}", "");
    config("a helper that fails", "{\"credsStore\": \"bad\"}", "echo sesame; echo sesame >&2; exit 3");
    config("a helper that prints rubbish", "{\"credsStore\": \"bad\"}", "echo sesame");
    config("a helper that prints without end", "{\"credHelpers\": {\"127.0.0.1:9\": \"bad\"}}", "exec yes sesame");

    let home = Home::new();
    let mut login = |title: &str, args: &[&str], input: &str| {
        let args = [&["login"], args].concat();
        told.ran(title, &args, home.oci(&args, input), 1);
    };
    login("nobody to ask for the user", &["ghcr.io"], "");
    login("nobody to ask for the password", &["ghcr.io", "-u", "robot"], "");
    login("an empty password", &["ghcr.io", "-u", "robot", "--password-stdin"], "\n");
    login("a password that is too long", &["ghcr.io", "-u", "robot", "--password-stdin"], &"x".repeat(70_000));
    login("an empty name", &["ghcr.io", "-u", "", "--password-stdin"], "sesame");
    login("a name with the password in it", &["ghcr.io", "-u", "robot:sesame", "--password-stdin"], "x");
    login("a registry that is not there", &["127.0.0.1:9", "-u", "robot", "--password-stdin"], "sesame");
    for (title, answer) in REFUSALS {
        let registry = always(answer);
        login(title, &[&registry.address().to_string(), "-u", "robot", "--password-stdin"], "sesame");
    }
    let home = Home::new().env("DOCKER_CONFIG", "/proc/nope");
    let open = always(|| Answer::new(200));
    let host = open.address().to_string();
    let args = ["login", &host, "-u", "robot", "--password-stdin"];
    told.ran("a file that cannot be written", &args, home.oci(&args, "sesame"), 1);
    told.check();
}

/// A compiler whose libraries are in `folder`, where there are none.
/// A folder with keys of all kinds, and the layouts `base` and `signed`.
fn with_keys() -> Project {
    let project = Project::empty("x").file("a.txt", "a").file("not.key", "hello").file("big.key", &"a".repeat(1 << 17));
    for layout in ["base", "signed"] {
        BaseImage::new().write(&project.path(layout));
    }
    let openssl = |args: &[&str]| output(environment::command("openssl").current_dir(project.root()).args(args));
    for (name, args) in [
        ("rsa", &["-algorithm", "rsa"][..]),
        ("ed25519", &["-algorithm", "ed25519"]),
        ("p384", &["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ] {
        openssl(&[&["genpkey", "-out", &format!("{name}.key")], args].concat());
        openssl(&["pkey", "-in", &format!("{name}.key"), "-pubout", "-out", &format!("{name}.pub")]);
    }
    let seal = ["pkcs8", "-topk8", "-in", "p384.key", "-passout", "pass:a", "-out", "pkcs8.key"];
    openssl(&seal);
    for name in ["cosign", "other"] {
        project.oci(&["generate-key", "-o", name]).env("COSIGN_PASSWORD", "sesame").succeeds();
    }
    project.oci(&["sign", "signed", "--key", "cosign.key"]).env("COSIGN_PASSWORD", "sesame").succeeds();
    project
}

#[test]
fn keys() {
    let mut told = Snapshot::of("keys");
    let project = with_keys();
    let mut call = |title: &str, args: &[&str], variables: &[(&str, &str)]| {
        let call = variables.iter().fold(project.oci(args), |call, (key, value)| call.env(key, *value));
        told.call(title, &project, args, call, 1);
    };
    let password = [("COSIGN_PASSWORD", "sesame")];
    call("a pair of keys that is there", &["generate-key"], &password);
    call("a password that nobody can be asked for", &["generate-key", "-o", "new"], &[]);
    let sign = |key: &'static str| ["sign", "base", "--key", key];
    call("a key that is not there", &sign("nowhere.key"), &password);
    call("a variable that is not set", &sign("env://NO_SUCH_KEY"), &password);
    call("a wrong password", &sign("cosign.key"), &[("COSIGN_PASSWORD", "open")]);
    call("an empty password", &sign("cosign.key"), &[("COSIGN_PASSWORD", "")]);
    call("no terminal to ask for a password at", &sign("cosign.key"), &[]);
    call("a key of RSA", &sign("rsa.key"), &password);
    call("a key of Ed25519", &sign("ed25519.key"), &password);
    call("a key of another curve", &sign("p384.key"), &password);
    call("a key that is encrypted in another way", &sign("pkcs8.key"), &password);
    call("a public key to sign with", &sign("cosign.pub"), &password);
    call("a file that is no key", &sign("not.key"), &password);
    call("a file that is too large for a key", &sign("big.key"), &password);
    call("a folder for a key", &sign("base"), &password);
    let verify = |key: &'static str| ["verify", "signed", "--key", key];
    call("a public key of RSA", &verify("rsa.pub"), &[]);
    call("a public key of Ed25519", &verify("ed25519.pub"), &[]);
    call("a private key to verify with", &verify("cosign.key"), &[]);
    told.check();
}

#[test]
fn signatures() {
    let mut told = Snapshot::of("signatures");
    let project = with_keys();
    let tar = ["-cf", "a.tar", "-C", "base", "."];
    output(environment::command("tar").current_dir(project.root()).args(tar));
    let mut call = |title: &str, args: &[&str]| {
        told.call(title, &project, args, project.oci(args).env("COSIGN_PASSWORD", "sesame"), 1);
    };
    call("an image that is not signed", &["verify", "base", "--key", "cosign.pub"]);
    let required = ["verify", "signed", "--key", "cosign.pub", "--require", "sbom"];
    call("an image without the signed SBOM that is required", &required);
    call("an image that another key has signed", &["verify", "signed", "--key", "other.pub"]);
    call("no image", &["verify", "./nowhere", "--key", "cosign.pub"]);
    call("an image that is not there", &["sign", "base:v2", "--key", "cosign.key"]);
    call("an archive to sign", &["sign", "a.tar", "--key", "cosign.key"]);
    call("a statement that is not there", &["sign", "base", "--key", "cosign.key", "--attest", "spdx=b.json"]);
    call("a statement that is no JSON", &["sign", "base", "--key", "cosign.key", "--attest", "spdx=a.txt"]);
    call("a file to attach that is not there", &["attach", "base", "b.txt", "--artifact-type", "text/b"]);
    call("a folder to attach", &["attach", "base", "signed", "--artifact-type", "text/b"]);
    let of_windows = ["attach", "base", "a.txt", "--artifact-type", "text/a", "--platform", "windows/amd64"];
    call("a platform that the image is not for", &of_windows);
    call("what is attached to no image", &["referrers", "base:v2"]);

    let registry = StrictRegistry::start(Behaviour { attaching: Attaching::Refused, ..Behaviour::default() });
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let image = registry.reference("static:nonroot");
    call("a registry that takes no artifacts", &["sign", &image, "--key", "cosign.key"]);
    let missing = registry.reference("static:v2");
    call("an image that no registry has", &["attach", &missing, "a.txt", "--artifact-type", "text/a"]);
    let registry = StrictRegistry::start(Behaviour::default());
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let digest = crate::support::digest(&project.path("base"));
    let manifest = fs::read(crate::support::blob(&project.path("base"), &digest)).expect("an index");
    let child: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    let child = child["manifests"][0]["digest"].as_str().expect("a digest");
    let child = fs::read(crate::support::blob(&project.path("base"), child)).expect("a manifest");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    registry.put_manifest("static", media_type, &child, Some(&digest.replace(':', "-")));
    let image = registry.reference("static:nonroot");
    call("a tag for a list that is none", &["attach", &image, "a.txt", "--artifact-type", "text/a"]);
    let registry =
        StrictRegistry::start(Behaviour { attaching: Attaching::Rivals(usize::MAX), ..Behaviour::default() });
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let image = registry.reference("static:nonroot");
    call("other clients that do not stop to write", &["attach", &image, "a.txt", "--artifact-type", "text/a"]);

    let changed = fs::read_dir(project.path("signed/blobs/sha256")).expect("blobs").flatten().find(|blob| {
        let content = fs::read(blob.path()).expect("a blob");
        content.starts_with(b"{\"dsseEnvelope\"")
    });
    let changed = changed.expect("a bundle").path();
    let mut content = fs::read(&changed).expect("a blob");
    content[40] ^= 1;
    fs::write(&changed, content).expect("a blob");
    call("a signature that was changed where it is kept", &["verify", "signed", "--key", "cosign.pub"]);
    told.check();
}

#[test]
fn base_signatures() {
    let mut told = Snapshot::of("base-signatures");
    let project = with_keys();
    let table = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
        [package.metadata.oci]\nbase-verify = { key = \"KEY\" }\nplatforms = [\"linux/amd64\"]\n";
    let project = project.file("src/main.rs", "fn main() {}\n");
    let with = |project: Project, key: &str| project.file("Cargo.toml", &table.replace("KEY", key));
    let project = with(project, "cosign.pub");
    told.error("a base that is not signed", &project, &["build", "--base", "oci:base"]);
    let registry = StrictRegistry::start(Behaviour::default());
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let image = registry.reference("static:nonroot");
    told.error("a base in a registry that is not signed", &project, &["build", "--base", &image]);
    told.error("a base that was not verified before", &project, &["build", "--offline", "--base", &image]);
    let project = with(project, "other.pub");
    told.error("a base that another key has signed", &project, &["build", "--base", "oci:signed"]);
    let project = with(project, "nowhere.pub");
    told.error("a key of a base that is not there", &project, &["build", "--base", "oci:signed"]);
    told.check();
}

fn rustc_in(folder: &str) -> String {
    let cargo = std::env::var_os("CARGO").expect("cargo runs the tests");
    let rustc = Path::new(&cargo).with_file_name("rustc");
    let libraries = format!("printf '%s\\n' '{folder}' '{folder}/lib/rustlib/HOST/lib'");
    format!("case \"$*\" in *target-libdir) {libraries} ;; *) exec '{}' \"$@\" ;; esac", rustc.display())
}

#[test]
fn programs() {
    let mut told = Snapshot::of("programs");
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    told.writing(&host, "HOST");
    let main = "fn main() {\n    compile_error!(\"the words of this error are cargo's own\");\n}\n";
    let project = Project::new("x").file("src/main.rs", main);
    BaseImage::new().glibc().write(&project.path("base"));
    let args = ["build", "--base", "oci:base", "--target", &host];
    let call = project.oci(&args).env("CARGO_TARGET_DIR", project.path("compiled"));
    told.call("a compile error", &project, &args, call, 101);
    let loong = ["build", "--base", "scratch", "--platform", "linux/loong64"];
    let project = Project::new("x");
    // Its toolchain is one that rustup has not installed.
    project.program("rustc", &rustc_in("/opt/rust"));
    let call =
        |project: &Project, args: &[&str]| project.oci(args).alone().env("RUSTC", project.path("programs/rustc"));
    told.call("a target that cannot be had", &project, &loong, call(&project, &loong), 1);
    let toolchain = project.path("toolchain");
    let project = project.file("toolchain/lib/rustlib/multirust-channel-manifest.toml", "");
    project.program("rustc", &rustc_in(&toolchain.display().to_string()));
    project.program("rustup", "exit 1");
    told.call("a target that rustup cannot bring", &project, &loong, call(&project, &loong), 1);
    let forbidden = [&loong[..], &["--no-install"]].concat();
    told.call("a target that may not be installed", &project, &forbidden, call(&project, &forbidden), 1);
    fs::remove_file(project.path("programs/rustup")).expect("a program");
    told.call("a target of rustup's without rustup", &project, &loong, call(&project, &loong), 1);

    let project = Project::with_table("bins = [\"x\", \"y\"]").file("src/bin/y.rs", "fn main() {}\n");
    let project = project.file("dist/x", "").file("one", "");
    let mut two = |title: &str, value: &str| {
        told.error(title, &project, &["build", "--base", "scratch", "--prebuilt", value]);
    };
    two("a prebuilt program that is not there", "linux/amd64=nowhere");
    two("a folder of prebuilt programs that lacks one", "linux/amd64=dist");
    two("one prebuilt program for two", "linux/amd64=one");
    two("prebuilt programs for a platform that is not built", "linux/riscv64=dist");
    let project = project.file("dist/y", "");
    let twice = ["build", "--base", "scratch", "--prebuilt", "linux/amd64=dist", "--prebuilt", "linux/amd64=one"];
    told.error("prebuilt programs for one platform twice", &project, &twice);
    let mut foreign = |title: &str, content: &[u8]| {
        let project = Project::new("x");
        fs::create_dir(project.path("dist")).expect("a folder");
        fs::write(project.path("dist/program"), content).expect("a file");
        told.error(title, &project, &of_prebuilt("build", &["--base", "scratch"]));
    };
    foreign("a program for another machine", &elf(ARM64));
    foreign("a program for another system (Mach-O)", &[0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    foreign("a program for another system (Windows)", b"MZ\x90\0 and more than sixteen bytes");
    foreign("something that is no program", b"#!/bin/sh\necho hello\n");
    foreign("a program that is cut off", &elf(AMD64)[..40]);
    let dynamic = ["build", "--base", "scratch", "--target", "riscv64gc-unknown-linux-gnu"];
    told.error("dynamic programs over a base without a loader", &Project::new("x"), &dynamic);
    let targets = ["build", "--target", "i686-unknown-linux-gnu", "--target", "i686-unknown-linux-musl"];
    told.error("two targets for one platform", &Project::new("x"), &targets);
    told.check();
}

#[test]
fn outputs() {
    let mut told = Snapshot::of("outputs");
    let project = prebuilt().file("folder/file", "");
    let mut output = |title: &str, args: &[&str]| {
        told.error(title, &project, &of_prebuilt("build", &[&["--base", "scratch"], args].concat()));
    };
    output("a folder that is not there", &["-o", "oci-archive=no/x.tar"]);
    output("a folder where a file should be", &["--metadata-file", "folder"]);
    output("two outputs at one place", &["-o", "oci-archive=x.tar", "-o", "docker-archive=x.tar"]);
    output("a folder with something else in it", &["-o", "oci-dir=folder"]);
    let both = ["build", "--base", "scratch", "--no-index"];
    told.error("no index for two platforms", &Project::new("x"), &both);
    let below = of_prebuilt("build", &["--base", "scratch", "--target-dir", "Cargo.toml/target"]);
    told.error("a target folder that cannot be", &project, &below);
    let lines = of_prebuilt("build", &["--base", "scratch", "--target-dir", "t\nb"]);
    told.error("a target folder that would make two lines of a result", &project, &lines);
    told.check();
}

/// A Docker that says this of itself, and does that when it is given an image.
fn docker(version: &str, architecture: &str, load: &str) -> Project {
    let info = format!("{{\"ServerVersion\":\"{version}\",\"OSType\":\"linux\",\"Architecture\":\"{architecture}\"}}");
    let project = prebuilt();
    project.program("docker", &format!("case $1-$2 in\ninfo-*) echo '{info}' ;;\nimage-load) {load} ;;\nesac"));
    project
}

fn with_engine(name: &str, lines: &str) -> Project {
    let project = prebuilt();
    project.program(name, lines);
    project
}

#[test]
fn engines() {
    let mut told = Snapshot::of("engines");
    let mut alone = |title: &str, project: &Project, args: &[&str]| {
        told.call(title, project, args, project.oci(args).alone(), 1);
    };
    let load = ["load"];
    alone("an unknown engine in the table", &Project::with_table("engine = \"lxc\""), &load);
    let machine = "echo 'Error: the machine is not running' >&2; exit 125";
    alone("no engine at all", &with_engine("podman", machine), &load);
    let down = "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1";
    alone("an engine that is down", &with_engine("docker", down), &["load", "--engine", "docker"]);
    alone("an engine that is down, to run", &with_engine("docker", down), &["run", "--engine", "docker"]);
    alone("an engine that is not installed", &prebuilt(), &["load", "--engine", "podman"]);
    let podman = "echo '{\"Client\":{\"Version\":\"2.2.1\",\"OsArch\":\"linux/amd64\"}}'";
    let containerd = |version: &str| format!("printf 'Client:\\n  Version: 1.6\\nServer:\\n  Version: {version}\\n'");
    for (engine, title, project) in [
        ("docker", "a Docker that is too old", docker("1.13.1", "x86_64", "")),
        ("podman", "a Podman that is too old", with_engine("podman", podman)),
        ("containerd", "a containerd that is too old", with_engine("ctr", &containerd("1.4.13"))),
    ] {
        // Also where it was not named: another engine would be a surprise.
        alone(title, &project, &load);
        alone(&format!("{title}, by its name"), &project, &["load", "--engine", engine]);
    }
    let rubbish = with_engine("docker", "echo rubbish");
    alone("an engine that answers rubbish", &rubbish, &["load", "--engine", "docker"]);
    let one =
        docker("28.5.2", "s390x", "").append("Cargo.toml", "[package.metadata.oci]\nplatforms = [\"linux/amd64\"]\n");
    alone("an engine for a platform that is not built", &one, &load);
    alone("an engine for a platform that Rust has no target for", &docker("28.5.2", "mips64", ""), &load);
    let two = ["load", "--platform", "linux/amd64,linux/arm64"];
    alone("two platforms for a store that keeps one", &docker("20.10.24", "x86_64", ""), &two);
    alone("a cluster that is not there", &with_engine("kind", "exit 0"), &["load", "--engine", "kind:dev"]);
    alone("a program to run in a cluster", &with_engine("kind", "echo node"), &["run", "--engine", "kind"]);
    let publish = ["run", "--engine", "containerd", "--publish", "80:80"];
    alone("a port to publish in containerd", &with_engine("ctr", &containerd("1.6.20")), &publish);
    let library =
        Project::empty("x").file("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n").file("src/lib.rs", "");
    alone("a library to run", &library, &["run"]);
    told.check();
}

#[test]
fn loads() {
    let mut told = Snapshot::of("loads").after_building();
    let mut alone = |title: &str, project: &Project, args: &[&str]| {
        told.call(title, project, args, project.oci(args).alone(), 1);
    };
    let full = "/bin/cat > /dev/null; echo 'Error processing tar file(exit status 1): write /app/x: no space left on device' >&2; exit 1";
    let embedded = of_prebuilt("load", &["--base", "embedded", "--engine", "docker"]);
    alone("an engine out of disk", &docker("20.10.24", "x86_64", full), &embedded);
    alone(
        "an engine that is killed meanwhile",
        &docker("20.10.24", "x86_64", "echo 'error during connect: EOF' >&2; exit 1"),
        &embedded,
    );
    alone("a client that is killed meanwhile", &docker("20.10.24", "x86_64", "kill -9 $$"), &embedded);
    told.check();
}

#[test]
fn bundles() {
    let mut told = Snapshot::of("bundles");
    let mut from = |title: &str, image: Image, args: &[&str]| {
        let project = Project::empty("x");
        image.write(&project.path("image"));
        let args = [&["bundle", "--from", "image"], args, &["out"]].concat();
        told.error(title, &project, &args);
    };
    let rootless = ["--platform", "linux/amd64", "--rootless"];
    let of = |layer: Layer| Image::new().layer(handmade::base()).layer(layer);
    from(
        "an image without entrypoint and command",
        Image::new().layer(handmade::base()).config("Entrypoint", json!([])),
        &rootless,
    );
    from("a name with `..`", of(Layer::new().file("../evil", b"x")), &rootless);
    from("a hard link to an absolute path", of(Layer::new().hard_link("a", "/etc/hostname")), &rootless);
    let through = Layer::new().symlink("out", "/").hard_link("a", "out/proc/self/exe");
    from("a hard link through a link", of(through), &rootless);
    let each_other = Layer::new().symlink("a", "b").symlink("b", "a").file("a/x", b"");
    from("links that lead to each other", of(each_other), &rootless);
    from("a file below a file", of(Layer::new().file("etc/passwd/x", b"")), &rootless);
    from("a device, rootless", of(Layer::new().special(EntryType::Char, "dev/null")), &rootless);
    let file = || Layer::new().file("a", &[7; 3000]);
    from("a gzip with garbage behind it", of(file().with_garbage(b"garbage")), &rootless);
    from("a gzip that is cut off", of(file().cut_by(20)), &rootless);
    from("a wrong diffID", of(file().wrong_diff_id()), &rootless);
    from("a layer that grows a thousandfold", of(Layer::new().file("a", &vec![0; 20 << 20])), &rootless);
    let user = |user: &str| Image::new().layer(handmade::base()).config("User", json!(user));
    from("a user that the image does not have", user("nobody"), &rootless);
    from("a group that the image does not have", user("web:video"), &rootless);
    from("a variable that is none", Image::new().layer(handmade::base()).config("Env", json!(["A"])), &rootless);
    let two = ["--platform", "linux/amd64,linux/arm64", "--rootless"];
    from("two platforms", of(file()), &two);
    from("a platform that the image is not for", of(file()), &["--platform", "linux/arm64", "--rootless"]);

    let project = Project::empty("x").file("taken/file", "").file("file", "");
    Image::new().layer(handmade::base()).layer(file()).write(&project.path("image"));
    let mut place = |title: &str, args: &[&str]| {
        told.error(title, &project, &[&["bundle", "--platform", "linux/amd64", "--rootless"], args].concat());
    };
    place("a place that is taken", &["--from", "image", "taken"]);
    place("a tar file that is there", &["--from", "image", "-o", "tar", "file"]);
    place("a folder that is not there", &["--from", "image", "no/out"]);
    place("a folder's name for a tar file", &["--from", "image", "-o", "tar", "out/"]);
    place("an image that is not there", &["--from", "./nowhere", "out"]);
    let manifest = crate::support::document(&project.path("image"), &crate::support::digest(&project.path("image")));
    let layer = manifest["layers"][1]["digest"].as_str().expect("a digest");
    let blob = crate::support::blob(&project.path("image"), layer);
    let mut bytes = fs::read(&blob).expect("a blob");
    bytes[30] ^= 1;
    fs::write(&blob, bytes).expect("a blob");
    place("a layer that was changed", &["--from", "image", "out"]);
    fs::remove_file(&blob).expect("a blob");
    place("a layer that is gone", &["--from", "image", "out"]);
    told.check();
}

#[test]
fn lookups() {
    let mut told = Snapshot::of("lookups");
    let project = Project::new("x");
    BaseImage::new().write(&project.path("base"));
    for command in ["inspect", "validate"] {
        let mut look = |title: &str, args: &[&str]| {
            told.error(&format!("{title}, to {command}"), &project, &[&[command], args].concat());
        };
        look("a layout that is not there", &["./nowhere"]);
        look("a file that is no archive", &["Cargo.toml"]);
        look("a folder that is no layout", &["./src"]);
        look("a tag that is not there", &["base:v9"]);
        look("a platform that is not there", &["base", "--platform", "linux/riscv64"]);
        look("a registry that is not there", &["127.0.0.1:9/x:1"]);
        look("nothing", &["scratch"]);
    }
    told.check();
}
