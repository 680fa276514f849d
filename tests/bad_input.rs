//! Mistakes that are found before anything is compiled: the words, the exit status, and that nothing is written.

mod support;

use std::fs;

use support::base::BaseImage;
use support::project::Project;

/// The error of `cargo oci build ARGS`, without the paths of this run; it has written nothing.
fn error(project: &Project, args: &[&str]) -> String {
    let words = project.oci(&[&["build"], args].concat()).env("NO_COLOR", "1").fails(1);
    assert!(!project.path("target/oci").exists(), "{words}");
    words.replace(&project.root().display().to_string(), "ROOT")
}

#[track_caller]
fn assert_says(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in:\n{words}");
    }
}

#[test]
fn no_cargo_toml() {
    let words = error(&Project::empty("x"), &[]);
    assert_says(&words, &["error: there is no Cargo.toml in ROOT", "help: ", "--manifest-path"]);
    let words = error(&Project::empty("x"), &["--manifest-path", "nope/Cargo.toml"]);
    assert_says(&words, &["error: there is no file nope/Cargo.toml"]);
}

#[test]
fn a_workspace_without_a_package_chosen() {
    let project = Project::empty("ws")
        .file("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"server\", \"tool\"]\n")
        .file("server/Cargo.toml", "[package]\nname = \"server\"\nedition = \"2024\"\n")
        .file("server/src/main.rs", "fn main() {}\n")
        .file("tool/Cargo.toml", "[package]\nname = \"tool\"\nedition = \"2024\"\n")
        .file("tool/src/main.rs", "fn main() {}\n");
    assert_says(&error(&project, &[]), &["no package was chosen", "help: choose with `--package NAME` (server, tool)"]);
    assert_says(&error(&project, &["-p", "sever"]), &["no package `sever`", "help: did you mean `server`?"]);
    let words = error(&project, &["--workspace", "--base", "scratch", "-o", "oci-dir=out"]);
    assert_says(&words, &["2 images are built", "help: choose one image with `--package`"]);
}

#[test]
fn a_library() {
    let project =
        Project::empty("x").file("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n").file("src/lib.rs", "");
    assert_says(&error(&project, &[]), &["error: the package x is a library: it has no binary", "help: "]);
}

#[test]
fn two_binaries_and_nothing_that_says_which() {
    let project = Project::empty("x")
        .file("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n")
        .file("src/bin/a.rs", "fn main() {}\n")
        .file("src/bin/b.rs", "fn main() {}\n");
    assert_says(&error(&project, &[]), &["has 2 binaries", "`bins = [\"a\", \"b\"]`"]);
    assert_says(&error(&project, &["--bin", "c"]), &["has no binary `c`", "help: its binaries are a, b"]);
}

#[test]
fn two_packages_whose_programs_or_images_would_be_one_file() {
    let member = |name: &str, bin: &str| {
        format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[[bin]]\nname = \"{bin}\"\npath = \"main.rs\"\n")
    };
    let workspace = |a: (&str, &str), b: (&str, &str)| {
        Project::empty("ws")
            .file("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"a\", \"b\"]\n")
            .file("a/Cargo.toml", &member(a.0, a.1))
            .file("a/main.rs", "fn main() {}\n")
            .file("b/Cargo.toml", &member(b.0, b.1))
            .file("b/main.rs", "fn main() {}\n")
    };
    let words = error(&workspace(("a", "server"), ("b", "server")), &["--workspace", "--base", "scratch"]);
    assert_says(&words, &["a and b both have a binary `server`", "help: build one at a time"]);
    let words = error(&workspace(("Foo", "x"), ("foo", "y")), &["--workspace", "--base", "scratch"]);
    assert_says(&words, &["the images of Foo and foo have the same name, foo"]);
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_anything_is_compiled() {
    let project = Project::new("x").file("folder/file", "");
    let words = error(&project, &["--base", "scratch", "-o", "oci-archive=no/x.tar"]);
    assert_says(&words, &["cannot write no/x.tar: there is no folder no", "help: create it first: mkdir -p no"]);
    assert_says(&error(&project, &["--metadata-file", "folder"]), &["cannot write folder: it is a folder"]);
    let words = error(&project, &["-o", "oci-archive=x.tar", "-o", "docker-archive=x.tar"]);
    assert_says(&words, &["two outputs name x.tar"]);
}

#[test]
fn an_unknown_key_with_its_line_and_the_nearest_known_one() {
    let words = error(&Project::with_table("base = \"scratch\"\nplatform = [\"linux/amd64\"]"), &[]);
    assert_says(
        &words,
        &[
            "error: unknown key `platform` in the table metadata.oci",
            "ROOT/Cargo.toml:8:1",
            "8 │ platform = [\"linux/amd64\"]",
            "────┬───",
            "did you mean `platforms`?",
            "help: the keys are base, platforms,",
        ],
    );
}

#[test]
fn a_wrong_type_with_its_line_and_an_example() {
    let words = error(&Project::with_table("platforms = \"linux/amd64\""), &[]);
    assert_says(
        &words,
        &[
            "error: wrong type in the table metadata.oci: an array of strings is wanted here",
            "7 │ platforms = \"linux/amd64\"",
            "this is a string",
            "help: write it as in `platforms = [\"linux/amd64\", \"linux/arm64\"]`",
        ],
    );
}

#[test]
fn an_unknown_platform_in_the_table_with_its_line() {
    let words = error(&Project::with_table("platforms = [\"linux/amd64\", \"linux/mips\"]"), &[]);
    assert_says(
        &words,
        &["`linux/mips` cannot be built", "there is one for linux/amd64,", "7 │ platforms", "──────┬─────"],
    );
}

#[test]
fn an_impossible_platform_on_the_command_line() {
    let project = Project::new("x");
    let words = project.oci(&["build", "--platform", "windows/amd64"]).fails(2);
    assert_says(&words, &["'windows/amd64' for '--platform <LIST>'", "there is no musl target for it"]);
    assert!(!project.path("target").exists());
}

#[test]
fn a_variable_that_nobody_sets() {
    let project = Project::with_table("env = { A = \"$NOPE\" }");
    let words = error(&project, &["--base", "embedded"]);
    assert_says(&words, &["neither the base nor an earlier variable sets `NOPE`", "help: write `$$`"]);
}

#[test]
fn a_time_that_is_none() {
    let project = Project::new("x");
    let words = project.build(&[]).env("SOURCE_DATE_EPOCH", "today").fails(1);
    assert_says(&words, &["SOURCE_DATE_EPOCH is `today`", "help: "]);
}

#[test]
fn a_base_that_does_not_exist() {
    let project = Project::new("x");
    assert_says(
        &error(&project, &["--base", "oci:nowhere"]),
        &["cannot use the base oci:nowhere", "no OCI layout in nowhere"],
    );
    assert_says(&error(&project, &["--base", "oci-archive:nowhere.tar"]), &["cannot read nowhere.tar", "No such file"]);
    // Nothing listens on port 9.
    let words = error(&project, &["--base", "127.0.0.1:9/base:1"]);
    assert_says(
        &words,
        &[
            "cannot use the base 127.0.0.1:9/base:1",
            "HEAD http://127.0.0.1:9/v2/base/manifests/1",
            "`--base embedded` needs neither",
        ],
    );
}

#[test]
fn a_base_without_the_platform() {
    let project = Project::new("x");
    BaseImage::new().write(&project.path("base"));
    let words = error(&project, &["--base", "oci:base", "--platform", "linux/amd64,linux/riscv64"]);
    assert_says(&words, &["has no image for linux/riscv64", "linux/amd64, linux/arm64/v8, linux/arm/v7"]);
    assert_says(&error(&project, &["--base", "oci:base:v9"]), &["has no v9", "help: it has nonroot"]);
}

#[test]
fn a_base_that_is_no_image() {
    let project = Project::new("x");
    let base = BaseImage::new().single("linux/amd64").write(&project.path("base"));
    let index = fs::read_to_string(project.path("base/index.json")).expect("a layout");
    let config = &base.platform("linux/amd64").config;
    let size = base.blob(config).len();
    let lie = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":{size}}}]}}"#
    );
    fs::write(project.path("base/index.json"), lie).expect("a file");
    assert_ne!(index, fs::read_to_string(project.path("base/index.json")).expect("a layout"));
    let words = error(&project, &["--base", "oci:base"]);
    assert_says(&words, &["is not an image", "application/vnd.oci.image.config.v1+json"]);
}

#[test]
fn a_base_that_lacks_a_layer() {
    let project = Project::new("x");
    let base = BaseImage::new().write(&project.path("base"));
    let layer = &base.platform("linux/amd64").layers[2];
    fs::remove_file(support::blob(&base.folder, layer)).expect("a blob");
    let words = error(&project, &["--base", "oci:base"]);
    assert_says(
        &words,
        &["cannot use the base oci:base", &format!("lacks the layer {layer}"), "help: copy the base anew"],
    );
}

#[test]
fn a_base_that_is_not_what_its_digests_say() {
    let project = Project::new("x");
    let base = BaseImage::new().write(&project.path("base"));
    let config = &base.platform("linux/amd64").config;
    let path = support::blob(&base.folder, config);
    let changed = fs::read_to_string(&path).expect("a config").replace("65532", "00000");
    fs::write(&path, changed).expect("a file");
    let words = error(&project, &["--base", "oci:base"]);
    assert_says(
        &words,
        &["cannot use the base oci:base", &format!("{config} was asked for, but the content is sha256:")],
    );
}

#[test]
fn nowhere_to_push_to() {
    let project = Project::new("x");
    let words = project.oci(&["push"]).fails(1);
    assert_says(
        &words,
        &["there is no repository to push x to", "--repository ghcr.io/you/x", "repository = \"ghcr.io/you/x\""],
    );
    assert!(!project.path("target").exists());
    for (wrong, why) in [("ghcr.io/a/b:1", "has no tag here"), ("ghcr.io/A/b", "is not an image reference")] {
        let words = project.oci(&["push", "--repository", wrong]).fails(2);
        assert_says(&words, &[wrong, why]);
    }
    let words = project.oci(&["push", "--repository", "ghcr.io/a/b", "--tag", "a b"]).fails(1);
    assert_says(&words, &["in `--tag`: `a b` is not a tag"]);
}

#[test]
fn wrong_usage_has_status_2() {
    let project = Project::new("x");
    for args in [&["bild"][..], &["build", "--nope"], &["build", "-o", "tar=x"], &["build", "--env", "A"]] {
        project.oci(args).fails(2);
    }
}
