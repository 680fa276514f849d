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
    let project = project.append("Cargo.toml", "[package.metadata.oci]\nbins = [\"a\", \"bb\"]\n");
    assert_says(
        &error(&project, &[]),
        &[
            "the package has no binary `bb`",
            "ROOT/Cargo.toml:5:14",
            "5 │ bins",
            "did you mean `b`?",
            "its binaries are a, b",
        ],
    );
    // What the workspace says holds for packages that it does not know.
    let project = Project::new("x").append("Cargo.toml", "[workspace.metadata.oci]\nbins = [\"y\"]\n");
    assert_says(
        &error(&project, &[]),
        &[
            "the package x has no binary `y`, and `bins` in [workspace.metadata.oci] asks for it in the image x",
            "help: its binaries are x; `bins` in its own Cargo.toml",
        ],
    );
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
    let image = "[package.metadata.oci.images.y]\n";
    let project = workspace(("x", "x"), ("y", "y")).append("a/Cargo.toml", image);
    let words = error(&project, &["--workspace", "--base", "scratch"]);
    assert_says(&words, &["the images of x and y have the same name, y", "help: build one at a time with `--package`"]);
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
fn a_target_folder_that_would_make_two_lines_of_a_result() {
    let words = error(&Project::new("x"), &["--target-dir", "t\nb"]);
    assert_says(&words, &["the name of the target folder \"t\\nb\" has", "help: name another with `--target-dir`"]);
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
fn a_mistake_is_shown_where_it_is_without_orders_to_the_terminal() {
    let project = Project::empty("we\u{1b}[31mird")
        .file("Cargo.toml", "[package]\nname = \"x\"\n[package.metadata.oci]\nnope = \"a\u{202e}b\"\n")
        .file("src/main.rs", "fn main() {}\n");
    let words = project.build(&["--color", "always"]).fails(1);
    assert_says(&words, &["we\\u{1b}[31mird/Cargo.toml:4:1", "nope = \"a\u{fffd}b\""]);
    assert!(!words.contains("we\u{1b}") && !words.contains('\u{202e}'), "{words:?}");
}

#[test]
fn a_wrong_type_with_its_line_and_an_example() {
    let words = error(&Project::with_table("platforms = \"linux/amd64\""), &[]);
    assert_says(
        &words,
        &[
            "error: wrong type: an array of strings is wanted here",
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

/// The error of `cargo oci build` over these `files` (beside a file `a/b`), before anything was pulled or compiled.
fn error_of_files(rules: &str) -> String {
    let project = Project::with_table(&format!("base = \"127.0.0.1:9/no/base:1\"\nfiles = [\n  {rules}\n]"));
    let project = project.file("a/b", "");
    std::os::unix::fs::symlink("/etc/hosts", project.path("out")).expect("a link");
    let words = error(&project, &[]);
    assert!(!project.path("target").exists(), "{words}");
    words
}

#[test]
fn files_that_are_not_there_with_their_line() {
    let words = error_of_files(r#"{ from = "a/*", to = "/srv/" }, { from = "as*ets/**", to = "/srv/" }"#);
    assert_says(
        &words,
        &[
            "error: `as*ets/**` takes nothing: no file fits",
            "ROOT/Cargo.toml:9:44",
            "9 │   { from = \"a/*\", to = \"/srv/\" }, { from = \"as*ets/**\", to = \"/srv/\" }",
            "help: paths begin in ROOT;",
        ],
    );
}

#[test]
fn files_that_cannot_go_where_they_should_with_their_line() {
    let words = error_of_files(r#"{ from = "a", to = "/srv/www" }"#);
    assert_says(
        &words,
        &[
            "`a` is a folder, but `/srv/www` is one file",
            ":9:22]",
            "help: a folder ends in a slash: `to = \"/srv/www/\"`",
        ],
    );
    let words = error_of_files(r#"{ from = "a/b", to = "/app/x" }"#);
    assert_says(&words, &["`a/b` puts /app/x in the way of the binary /app/x", ":9:12]"]);
    let words = error_of_files(r#"{ from = "out", to = "/etc/" }"#);
    assert_says(&words, &["out leads to /etc/hosts, out of the package", ":9:12]"]);
    let words = error_of_files(r#"{ from = "$OUT_DIR/x", to = "/etc/" }"#);
    assert_says(&words, &["the package x has no build script, and so no $OUT_DIR", ":9:12]", "help: add a build.rs"]);
    let words = error_of_files(r#"{ from = "../x", to = "/etc/" }"#);
    assert_says(&words, &["`..` leaves the folder of this Cargo.toml", ":9:12]", "help: write it as in `files = "]);
    let words = error_of_files(r#"{ from = "a/b", to = "/etc/", mode = "rwx" }"#);
    assert_says(&words, &["`rwx` is not a mode", ":9:40]"]);
}

#[test]
fn an_owner_whom_the_base_does_not_know_with_those_it_knows() {
    let project = Project::with_table("files = [{ from = \"a\", to = \"/a\", owner = \"www-data\" }]").file("a", "");
    BaseImage::new().write(&project.path("base"));
    let words = error(&project, &["--base", "oci:base"]);
    assert_says(
        &words,
        &[
            "error: the base for linux/amd64 has no user `www-data`",
            "ROOT/Cargo.toml:7:43",
            "help: it knows root, nobody, nonroot; a number needs no name",
        ],
    );
    assert_says(&error(&project, &["--base", "scratch"]), &["help: it knows no user by name"]);
}

#[test]
fn an_impossible_platform_on_the_command_line() {
    let project = Project::new("x");
    let words = project.oci(&["build", "--platform", "windows/amd64"]).fails(2);
    assert_says(&words, &["'windows/amd64' for '--platform <LIST>'", "there is no musl target for it"]);
    assert!(!project.path("target").exists());
}

#[test]
fn a_value_of_every_level_with_its_line() {
    let images = "[package.metadata.oci.images.y]\nexpose = [\"80\", \"70000\"]";
    let words = error(&Project::with_table(images), &[]);
    assert_says(&words, &["`70000` is not a port: write 1 to 65535", "8 │ expose", "ROOT/Cargo.toml:8:17"]);
    assert_says(&words, &["help: write it as in `expose = [\"8080/tcp\", \"9000/udp\"]`"]);
    let project = Project::new("x").append("Cargo.toml", "[workspace.metadata.oci]\nstop-signal = \"NOPE\"\n");
    assert_says(&error(&project, &[]), &["`NOPE` is not a signal", "6 │ stop-signal = \"NOPE\"", "such as SIGTERM"]);
    let project = Project::with_table("labels = { team = \"a\\u0007b\" }");
    assert_says(&error(&project, &[]), &["control characters and invisible ones are not allowed here"]);
    let project = Project::with_table("labels = { team = \"a\u{202e}b\" }");
    assert_says(
        &error(&project, &[]),
        &["invisible ones are not allowed here", "7 │ labels = { team = \"a\u{fffd}b\""],
    );
    let words = error(&Project::with_table("[package.metadata.oci.images.y]\nplatform = []"), &[]);
    assert_says(&words, &["unknown key `platform` in the table metadata.oci.images.y", "did you mean `platforms`?"]);
    assert_says(
        &error(&Project::with_table("[package.metadata.oci.images.x]"), &[]),
        &["the package has two images called `x`", "the package's own is called so"],
    );
    assert_says(
        &error(&Project::new("x").append("Cargo.toml", "[package.metadata]\noci = true\n"), &[]),
        &["wrong type: a table is wanted here", "this is a boolean"],
    );
}

#[test]
fn a_template_that_means_nothing() {
    let words = error(&Project::with_table("tags = [\"latest\", \"v{verison}\"]"), &[]);
    assert_says(&words, &["unknown placeholder `{verison}`: did you mean `{version}`?", "7 │ tags", "{git.tag}"]);
    let project = Project::new("x");
    let words = project.oci(&["build", "--tag", "{nope}"]).fails(2);
    assert_says(&words, &["'{nope}' for '--tag <TAG>': unknown placeholder `{nope}`: there are {name}"]);
    let words = project.build(&[]).env("CARGO_OCI_TAGS", "a,{git.sh").fails(1);
    assert_says(&words, &["in CARGO_OCI_TAGS: a `{` of `{git.sh` is never closed"]);
    let long = format!("{}{{version}}", "x".repeat(125));
    assert_says(&error(&project, &["--tag", &long]), &["of x cannot be made", "a tag has 1 to 128"]);
}

#[test]
fn tags_of_git_without_git() {
    let project = Project::with_table("tags = [\"{git.short}\"]");
    let words = project.build(&[]).alone().fails(1);
    assert_says(&words, &["the tag `{git.short}` of x cannot be made", "there is no `git` on PATH", "help: "]);
    assert!(!project.path("target").exists());
    let words = error(&project, &[]);
    assert_says(&words, &["git knows no commit of ROOT: not a git repository"]);
}

#[test]
fn two_images_that_would_be_called_the_same() {
    let images = |table: &str| {
        Project::new("x")
            .append("Cargo.toml", &format!("[package.metadata.oci]\nrepository = \"ghcr.io/acme/x\"\n{table}\n"))
            .file("src/bin/y.rs", "fn main() {}\n")
    };
    let words = error(&images("[package.metadata.oci.images.y]\nbins = [\"y\"]"), &[]);
    assert_says(
        &words,
        &["the images x and y are both called ghcr.io/acme/x:latest", "help: give each a `repository`"],
    );
    // One of them alone is in nobody's way.
    let project = images("[package.metadata.oci.images.y]\nbins = [\"y\"]");
    assert_says(&error(&project, &["--image", "y", "--base", "oci:nowhere"]), &["no OCI layout in nowhere"]);
    let project = images("[package.metadata.oci.images.y]\nbins = [\"y\"]\nrepository = \"ghcr.io/acme/y\"");
    assert_says(&error(&project, &["--base", "oci:nowhere"]), &["no OCI layout in nowhere"]);
    assert_says(
        &error(&project, &["--base", "scratch", "-o", "oci-dir=out"]),
        &["2 images are built", "`--package` or `--image`"],
    );
    let words = error(&project, &["--repository", "ghcr.io/acme/z", "--base", "scratch"]);
    assert_says(
        &words,
        &["the images x and y are both called ghcr.io/acme/z:latest", "help: `--repository` holds for"],
    );
    let words = project.build(&[]).env("CARGO_OCI_REPOSITORY", "ghcr.io/acme/z").fails(1);
    assert_says(&words, &["are both called ghcr.io/acme/z:latest", "help: CARGO_OCI_REPOSITORY holds for both: give"]);
    assert_says(&error(&project, &["--image", "z"]), &["there is no image `z`", "help: the images are x, y"]);
}

#[test]
fn nothing_to_make_an_image_of() {
    let project = Project::with_table("[package.metadata.oci.images.y]\nuser = \"1\"");
    let project = project.file("src/bin/other.rs", "fn main() {}\n");
    let words = error(&project, &["--bin", "other"]);
    assert_says(
        &words,
        &["`other` is in none of the images", "help: add it to the `bins` of one, or say with `--image`"],
    );
    let words = error(&project, &["--bin", "another"]);
    assert_says(&words, &["none of the packages has a binary `another`", "help: their binaries are other, x"]);
    let words = error(&project, &["--workspace", "--exclude", "x*"]);
    assert_says(&words, &["`--exclude` takes all packages of the workspace out", "help: leave one"]);
}

#[test]
fn one_program_that_would_have_to_be_built_in_two_ways() {
    let table = "[package.metadata.oci.images.y]\nfeatures = [\"fast\"]\n[features]\nfast = []";
    let words = error(&Project::with_table(table), &["--base", "scratch"]);
    assert_says(
        &words,
        &["the images x and y have the binary `x` built in two ways", "help: give one of them a `profile`"],
    );
}

#[test]
fn prebuilt_programs_that_are_not_there_or_not_enough() {
    let project = Project::with_table("bins = [\"x\", \"y\"]").file("src/bin/y.rs", "fn main() {}\n");
    let project = project.file("dist/x", "").file("one", "");
    let prebuilt = |value: &str| error(&project, &["--base", "scratch", "--prebuilt", value]);
    assert_says(&prebuilt("linux/amd64=dist"), &["there is no program dist/y for linux/amd64", "help: name a program"]);
    assert_says(&prebuilt("linux/amd64=nowhere"), &["there is no program nowhere for linux/amd64"]);
    assert_says(&prebuilt("linux/amd64=one"), &["one is one program, and 2 are wanted: x, y", "into one folder"]);
    assert_says(&prebuilt("linux/riscv64=dist"), &["has programs for linux/riscv64, which nothing is built for"]);
    let twice = ["--prebuilt", "linux/amd64=dist", "--prebuilt", "linux/amd64=one"];
    assert_says(&error(&project.file("dist/y", ""), &twice), &["`--prebuilt` names programs for linux/amd64 twice"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_program_that_was_linked_with_a_newer_glibc_than_the_bases() {
    let project = Project::new("x");
    BaseImage::new().glibc().write(&project.path("glibc"));
    let mut program = fs::read("/bin/true").expect("a program");
    let args = ["--base", "oci:glibc", "--platform", "host", "--prebuilt", "host=program"];
    let name = b"GLIBC_2.34";
    let found =
        program.windows(name.len()).position(|bytes| bytes == name).expect("a version that all new programs need");
    program[found..][..name.len()].copy_from_slice(b"GLIBC_2.99");
    fs::write(project.path("program"), &program).expect("a file");
    let words = error(&project, &args);
    assert_says(
        &words,
        &[
            "is dynamic: it needs libc.so.6 with GLIBC_2.99, which the base oci:glibc does not have: the highest there is \
             GLIBC_2.",
            "help: choose a newer base with `--base`",
            "make a static program with `--platform linux/",
        ],
    );
    fs::copy("/bin/true", project.path("program")).expect("a copy");
    project.oci(&[&["build"], &args[..]].concat()).succeeds();
}

#[test]
fn two_targets_of_one_platform() {
    let project = Project::new("x");
    let targets = ["--target", "x86_64-unknown-linux-gnu", "--target", "x86_64-unknown-linux-musl"];
    let words = error(&project, &targets);
    assert_says(&words, &["x86_64-unknown-linux-gnu and x86_64-unknown-linux-musl are both for linux/amd64", "help: "]);
    let words = project.oci(&["build", "--target", "x86_64-apple-darwin"]).fails(2);
    assert_says(&words, &["`x86_64-apple-darwin` is not a Rust target that images are made for"]);
}

#[test]
fn a_variable_that_nobody_sets() {
    let project = Project::with_table("env = { A = \"$NOPE\" }");
    let words = error(&project, &["--base", "embedded"]);
    assert_says(&words, &["the image x has env A = \"$NOPE\": neither the base nor an earlier variable sets `NOPE`"]);
    assert_says(&words, &["help: write `$$`"]);
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
    assert_says(&error(&project, &["--base", "oci:base:v9"]), &["has no tag v9", "help: it has nonroot"]);
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
        &["cannot use the base oci:base", &format!("lacks the layer {layer}"), "help: copy the image anew"],
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
    for (wrong, why) in [("ghcr.io/a/b:1", "leave the tag out"), ("ghcr.io/A/b", "is not an image reference: ")] {
        let words = project.oci(&["push", "--repository", wrong]).fails(2);
        assert_says(&words, &[wrong, why]);
    }
    let words = project.oci(&["push", "--repository", "ghcr.io/a/b", "--tag", "a b"]).fails(2);
    assert_says(&words, &["'a b' for '--tag <TAG>': `a b` is not a tag"]);
}

#[test]
fn wrong_usage_has_status_2() {
    let project = Project::new("x");
    for args in [&["bild"][..], &["build", "--nope"], &["build", "-o", "tar=x"], &["build", "--env", "A"]] {
        project.oci(args).fails(2);
    }
    for args in [
        ["--expose", "0"],
        ["--compression", "xz"],
        ["--prebuilt", "x"],
        ["--target", "x"],
        ["--user", "a:b:c"],
        ["--workdir", "srv"],
        ["--label", "a=b\u{7}"],
        ["--annotation", "a"],
    ] {
        project.oci(&[&["build"][..], &args].concat()).fails(2);
    }
    let mut command = project.oci(&[]).env("CARGO_TERM_QUIET", "1").command(env!("CARGO_BIN_EXE_cargo-oci"));
    let ran = support::project::Call::ran(command.arg("build"));
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert_says(&ran.stderr, &["CARGO_TERM_QUIET is to be `true` or `false`"]);
}

#[test]
fn no_folder_and_no_flag_is_an_order_to_anybody() {
    let project = Project::new("x").append("Cargo.toml", "[package.metadata.oci]\nbin-dir = \"/.wh.etc\"\n");
    assert_says(&error(&project, &[]), &["`/.wh.etc` would delete files of the base", "bin-dir = \"/.wh.etc\""]);
    for args in [["--workdir", "/a\u{1b}[31m"], ["--env", "A\nB=1"]] {
        let words = Project::new("x").oci(&[&["build"], &args[..]].concat()).env("NO_COLOR", "1").fails(2);
        assert_says(&words, &["control characters and invisible ones are not allowed here"]);
    }
}
