//! `[package.metadata.oci]`: wrong keys, types and values, and rules for files.

use crate::support::base::BaseImage;
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn table_errors_match_snapshot() {
    let mut told = Snapshot::of("tables");
    let mut table = |title: &str, lines: &str| told.error(title, &Project::with_table(lines), &["build"]);
    table("an unknown key", "base = \"scratch\"\nplatform = [\"linux/amd64\"]");
    table("an unknown key that is like none", "replicas = 3");
    table("a wrong type", "platforms = \"linux/amd64\"");
    table("a wrong type in an array", "cmd = [\"--port\", [8080]]");
    table("a wrong type in a table", "env = { PORT = [8080] }");
    table("an unknown placeholder in a variable", "env = { COMMIT = \"{git.shaa}\" }");
    table("a wrong type of a label", "labels = { team = true }");
    table("an unknown platform", "platforms = [\"linux/amd64\", \"linux/amd46\"]");
    table("a platform that Rust has no target for", "platforms = [\"linux/amd64\", \"windows/amd64\"]");
    table("a base that is no reference", "base = \"Debian:12:slim\"");
    table("a repository with a tag", "repository = \"ghcr.io/acme/x:1\"");
    table("an unknown key of a base's signature", "base-verify = { kay = \"a.pub\" }");
    table("a base's signature without a key", "base-verify = {}");
    table("a base's signature by a key that is in no file", "base-verify = { key = \"awskms:///alias/a\" }");
    table("a signed base that is scratch", "base = \"scratch\"\nbase-verify = { key = \"a.pub\" }");
    table("a signed base that is embedded", "base = \"embedded\"\nbase-verify = { key = \"a.pub\" }");
    table("a wrong type of a base's signature", "base-verify = true");
    table("ports of this machine and of the container", "expose = [\"8080:80\"]");
    table("a port that is none", "expose = [\"8080\", \"70000/tcp\"]");
    table("a protocol that is none", "expose = [\"8080/http\"]");
    table("a signal that is none", "stop-signal = \"SIGTREM\"");
    table("a signal by a number that is none", "stop-signal = \"99\"");
    table("a control character in a label", "labels = { team = \"pay\\u0007ments\" }");
    table("a control character in the name of an annotation", "annotations = { \"com.acme\\n.tier\" = \"1\" }");
    table("an invisible character in a label", "labels = { team = \"a\u{200b}b\" }");
    table("a folder that would delete the base's", "bin-dir = \"/.wh.etc\"");
    table("a user that is none", "user = \"a:b:c\"");
    table("a negative user", "user = -1");
    table("a port as a number that is none", "expose = [8080, 80800]");
    table("a folder that is relative", "workdir = \"srv\"");
    table("a compression that there is not", "compression = \"xz\"");
    table("a size with a unit that there is not", "max-size = \"20 megs\"");
    table("a size of nothing", "max-size = 0");
    table("a negative size", "max-size = -1");
    table("a format of SBOMs that is mistyped", "sbom = \"cyclondx\"");
    table("a format of SBOMs that there is not", "sbom = [\"spdx\", \"swid\"]");
    table("no format of SBOMs in an array", "sbom = []");
    table("a wrong type of a format of SBOMs", "sbom = true");
    table("a wrong type of what is true or false", "provenance = \"no\"");
    table("an unknown key of a file", "files = [{ from = \"a\", dest = \"/a\" }]");
    table("a time of files that is none", "files = [{ from = \"a\", to = \"/a\", mtime = \"now\" }]");
    table("a time of files before 1970", "files = [{ from = \"a\", to = \"/a\", mtime = -1 }]");
    table("a wrong type of an owner", "files = [{ from = \"a\", to = \"/a\", owner = 0.5 }]");
    table("an exclusion that leads upwards", "files = [{ from = \"a\", to = \"/a\", exclude = [\"../b\"] }]");
    table("an exception from exclusions", "files = [{ from = \"a\", to = \"/a\", exclude = [\"*.env\", \"!a.env\"] }]");
    table("an exclusion without a source", "files = [{ to = \"/data/\", exclude = [\"*.map\"] }]");
    table("a root without a source", "files = [{ to = \"/\", owner = \"nonroot\" }]");
    table("a file without a destination", "files = [{ from = \"a\" }]");
    table("an unknown key of an image", "[package.metadata.oci.images.y]\nplatform = [\"linux/amd64\"]");
    table("a table of images in the singular", "[package.metadata.oci.image.migrate]\nbins = [\"migrate\"]");
    table("a repository of an image as its image", "[package.metadata.oci.images.y]\nimage = \"ghcr.io/acme/y\"");
    table("an image that is no table", "[package.metadata.oci.images]\nimage = \"ghcr.io/acme/y\"");
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
fn file_rule_errors_match_snapshot() {
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
    rule("several files for one", r#"{ from = "*.toml", to = "/srv/www" }"#);
    rule("a file that the rule leaves out", r#"{ from = "hello.toml", to = "/etc/", exclude = ["*.toml"] }"#);
    rule("a folder where a file is", r#"{ from = "hello.toml", to = "/a" }, { to = "/a/" }"#);
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

#[test]
fn user_errors_match_snapshot() {
    let mut told = Snapshot::of("users");
    let project = |table: &str| {
        let project = Project::with_table(table);
        BaseImage::new().write(&project.path("base"));
        project
    };
    told.error("a user that the base does not know", &project("user = \"app\""), &["build", "--base", "oci:base"]);
    let group = project("user = \"65532:app\"");
    told.error("a group that the base does not know", &group, &["build", "--base", "oci:base"]);
    told.error("a user by name over scratch", &project("user = \"app\""), &["build", "--base", "scratch"]);
    let flag = ["build", "--base", "oci:base", "--user", "app"];
    told.error("a user of a flag", &project("volumes = [\"/data\"]"), &flag);
    told.check();
}
