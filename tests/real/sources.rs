//! Where packages come from, and what they need beside their code.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::environment;
use crate::support::process;
use crate::support::project::{Call, Project};
use crate::support::{document, image, problems};

const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

fn manifest(name: &str, version: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n{rest}")
}

/// A library that says where its code is.
const PLACE: &str = "#[inline(never)]\npub fn place() -> &'static str {\n    file!()\n}\n";

/// Runs the programs for both platforms, which must print the same line, and returns it.
fn printed(project: &Project, name: &str) -> String {
    let ran = TARGETS.map(|triple| {
        let program = project.path(&format!("target/{triple}/release/{name}"));
        process::output(&mut Command::new(program))
    });
    assert_eq!(ran[0], ran[1]);
    ran[0].trim_end().to_owned()
}

/// The configuration for packages that are [`vendored`].
const VENDORED: &str = "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"vendor\"\n";

/// Writes a package into a folder as `cargo vendor` does.
fn vendored(project: Project, name: &str, version: &str) -> Project {
    let checksum = format!("{{\"files\":{{}},\"package\":\"{}\"}}", "0".repeat(64));
    let folder = format!("vendor/{name}");
    project
        .file(&format!("{folder}/Cargo.toml"), &manifest(name, version, ""))
        .file(&format!("{folder}/src/lib.rs"), PLACE)
        .file(&format!("{folder}/.cargo-checksum.json"), &checksum)
}

#[test]
fn member_named_as_its_dependency_is_built() {
    let project = Project::empty("work").file(".cargo/config.toml", VENDORED);
    let project = vendored(project, "same", "1.2.3")
        .file("Cargo.toml", "[workspace]\nmembers = [\"same\", \"other\"]\nresolver = \"3\"\n")
        .file("same/Cargo.toml", &manifest("same", "1.2.3", "[dependencies]\nother.path = \"../other\"\n"))
        .file("same/src/main.rs", "fn main() {\n    println!(\"member {}\", other::place());\n}\n")
        .file("other/Cargo.toml", &manifest("other", "0.1.0", "[dependencies]\nsame = \"1\"\n"))
        .file("other/src/lib.rs", "pub use same::place;\n");
    let id = format!("path+file://{}#1.2.3", project.path("same").display());
    for spec in ["same", "same@1.2", "same:1.2.3", &id] {
        project.build(&["-p", spec]).succeeds();
        let layout = project.path("target/oci/same");
        assert_eq!(problems(&layout), []);
        assert!(image(&layout, "linux/arm64/v8").1["config"]["Entrypoint"][0] == "/app/same", "{spec}");
    }
    assert_eq!(printed(&project, "same"), "member /cargo/registry/same/src/lib.rs");
    let words = project.build(&["-p", "same@2"]).fails(1);
    assert!(words.contains("the workspace has no package `same@2`"), "{words}");
    let words = project.build(&["-p", "./same"]).fails(1);
    assert!(words.contains("help: did you mean `same`?"), "{words}");
}

#[test]
fn packages_outside_the_workspace_are_remapped() {
    let project = Project::empty("work")
        .file("app/Cargo.toml", &manifest("app", "0.1.0", "[dependencies]\nplace.path = \"../shared/place\"\n"))
        .file("app/src/main.rs", "fn main() {\n    println!(\"{}\", place::place());\n}\n")
        .file("shared/place/Cargo.toml", &manifest("place", "0.2.0", ""))
        .file("shared/place/src/lib.rs", PLACE);
    project.build(&[]).within("app").succeeds();
    for triple in TARGETS {
        let program = project.path(&format!("app/target/{triple}/release/app"));
        let printed = process::output(&mut Command::new(&program));
        assert_eq!(printed, "/dependencies/place-0.2.0/src/lib.rs\n");
        let bytes = fs::read(program).expect("a program");
        let root = project.root().to_str().expect("text").as_bytes();
        assert!(!bytes.windows(root.len()).any(|window| window == root), "{triple}");
    }
}

#[test]
fn git_and_vendored_sources_have_stable_paths() {
    let repository =
        Project::empty("place").file("Cargo.toml", &manifest("place", "0.2.0", "")).file("src/lib.rs", PLACE);
    for args in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--message=x"]] {
        process::output(environment::command("git").args(args).current_dir(repository.root()));
    }
    let dependencies =
        format!("[dependencies]\nplace.git = \"file://{}\"\nother = \"1\"\n", repository.root().display());
    let project = Project::new("app")
        .file("Cargo.toml", &manifest("app", "0.1.0", &dependencies))
        .file("src/main.rs", "fn main() {\n    println!(\"{} {}\", place::place(), other::place());\n}\n")
        .file(".cargo/config.toml", VENDORED);
    let project = vendored(project, "other", "1.0.0");
    project.build(&[]).succeeds();
    let printed = printed(&project, "app");
    let (git, vendored) = printed.split_once(' ').expect("two paths");
    assert!(git.starts_with("/cargo/git/checkouts/place-") && git.ends_with("/src/lib.rs"), "{printed}");
    assert_eq!(vendored, "/cargo/registry/other/src/lib.rs");
}

#[test]
fn patches_and_overrides_of_the_configuration_count() {
    let patch = "[patch.crates-io]\nplace.path = \"patches/place\"\n";
    let config = format!("paths = [\"overrides/other\"]\n{patch}{VENDORED}");
    let project = Project::new("app")
        .append("Cargo.toml", "[dependencies]\nplace = \"1\"\nother = \"1\"\n")
        .file("src/main.rs", "fn main() {\n    println!(\"{} {}\", place::place(), other::place());\n}\n")
        .file(".cargo/config.toml", &config)
        .file("patches/place/Cargo.toml", &manifest("place", "1.2.0", ""))
        .file("patches/place/src/lib.rs", &PLACE.replace("file!()", "\"patched\""))
        .file("overrides/other/Cargo.toml", &manifest("other", "1.0.0", ""))
        .file("overrides/other/src/lib.rs", &PLACE.replace("file!()", "\"overridden\""));
    let project = vendored(vendored(project, "place", "1.0.0"), "other", "1.0.0");
    project.build(&[]).succeeds();
    assert_eq!(printed(&project, "app"), "patched overridden");
}

/// Returns the paths of all files and folders.
fn tree(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name();
    entries.into_iter().map(|entry| entry.expect("an entry").path().display().to_string()).collect()
}

#[test]
fn sources_are_only_read() {
    let project = Project::empty("work");
    let project = project
        .file("sources/Cargo.toml", &manifest("app", "0.1.0", ""))
        .file("sources/src/main.rs", "fn main() {\n    println!(\"Hello\");\n}\n")
        .file("sources/Cargo.lock", "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n");
    let before = tree(&project.path("sources"));
    process::output(Command::new("chmod").args(["-R", "a-w"]).arg(project.path("sources")));
    let target = project.path("target").display().to_string();
    let ran = project.build(&["--locked", "--target-dir", &target]).within("sources").run();
    process::output(Command::new("chmod").args(["-R", "u+w"]).arg(project.path("sources")));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(tree(&project.path("sources")), before);
    assert_eq!(problems(&project.path("target/oci/app")), []);
    assert_eq!(printed(&project, "app"), "Hello");
}

#[test]
fn build_needs_no_home() {
    let project = Project::new("app");
    let homeless = |home: Option<&str>| {
        let mut command = project.build(&[]).whole();
        command.env_remove("HOME").envs(home.map(|home| ("HOME", home)));
        let ran = Call::ran(&mut command);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        ran.stdout
    };
    let digest = project.build(&[]).succeeds().stdout;
    assert_eq!(homeless(None), digest);
    assert_eq!(homeless(Some("")), digest);
}

#[test]
fn configuration_is_that_of_the_current_folder() {
    let flags = |name: &str| format!("[build]\nrustflags = [\"--cfg\", \"{name}\"]\n");
    let main = "#![allow(unexpected_cfgs)]\nfn main() {\n    println!(\"{} {}\", cfg!(here), cfg!(there));\n}\n";
    let project = Project::new("app")
        .file("src/main.rs", main)
        .file(".cargo/config.toml", &flags("there"))
        .file("../elsewhere/.cargo/config.toml", &flags("here"));
    let manifest = project.path("Cargo.toml").display().to_string();
    project.build(&["--manifest-path", &manifest]).within("../elsewhere").succeeds();
    assert_eq!(printed(&project, "app"), "true false");
    project.build(&[]).succeeds();
    assert_eq!(printed(&project, "app"), "false true");
}

#[test]
fn toolchain_file_is_obeyed() {
    let project = Project::new("app");
    let mut rustc = project.build(&[]).command("rustc");
    let sysroot = process::output(rustc.args(["--print", "sysroot"]));
    let file = format!("[toolchain]\npath = \"{}\"\n", sysroot.trim_end());
    let project = project.file("rust-toolchain.toml", &file);
    let mut command = project.build(&[]).whole();
    let ran = Call::ran(command.env_remove("RUSTUP_TOOLCHAIN"));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(printed(&project, "app"), "Hello");
}

#[test]
fn required_features_come_from_flag_or_table() {
    let bin =
        "[features]\nextra = []\n[[bin]]\nname = \"app\"\npath = \"src/main.rs\"\nrequired-features = [\"extra\"]\n";
    let project = Project::new("app").append("Cargo.toml", bin);
    let words = project.build(&[]).fails(101);
    assert!(words.contains("requires the features: `extra`"), "{words}");
    let by_flag = project.build(&["--features", "extra"]).succeeds().stdout;
    let project = project.append("Cargo.toml", "[package.metadata.oci]\nfeatures = [\"extra\"]\n");
    assert_eq!(project.build(&[]).succeeds().stdout, by_flag);
    assert_eq!(printed(&project, "app"), "Hello");
}

#[test]
fn artifact_dependencies_are_not_in_the_image() {
    let main = "fn main() {\n    println!(\"{} {}\", include_bytes!(env!(\"CARGO_BIN_FILE_TOOL\")).len() > 0, env!(\"TOOL\"));\n}\n";
    let build = "fn main() {\n    let tool = std::env::var(\"CARGO_BIN_FILE_TOOL\").unwrap();\n    \
                 let ran = std::process::Command::new(tool).output().unwrap();\n    \
                 println!(\"cargo::rustc-env=TOOL={}\", String::from_utf8(ran.stdout).unwrap().trim());\n}\n";
    let tool = "tool = { path = \"tool\", artifact = \"bin\" }\n";
    let project = Project::new("app")
        .append("Cargo.toml", &format!("[dependencies]\n{tool}[build-dependencies]\n{tool}"))
        .file("build.rs", build)
        .file("src/main.rs", main)
        .file("tool/Cargo.toml", &manifest("tool", "0.1.0", ""))
        .file("tool/src/main.rs", "fn main() {\n    println!(\"made\");\n}\n")
        .file(".cargo/config.toml", "[unstable]\nbindeps = true\n");
    project.build(&[]).env("RUSTC_BOOTSTRAP", "1").succeeds();
    assert_eq!(printed(&project, "app"), "true made");
    let layout = project.layout();
    let (_, config) = image(&layout, "linux/amd64");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/app/app"]));
}

/// The folder in which the standard library is compiled, kept between runs.
const STD_TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/fixtures-std");

#[test]
fn build_std_makes_platforms_without_std() {
    let config = "[unstable]\nbuild-std = [\"std\", \"panic_abort\"]\n[profile.release]\nopt-level = 0\nstrip = true\n";
    let project = Project::new("app").file(".cargo/config.toml", config);
    // Without remaps, the library is compiled with the same flags each time.
    let build = |platform: &str| {
        project.build(&["--platform", platform, "--target-dir", STD_TARGET, "--no-install", "--no-remap-path-prefix"])
    };
    // Unstable options do not count in a stable release.
    let words = build("linux/s390x").fails(1);
    assert!(words.contains("the Rust standard library for s390x-unknown-linux-musl is not installed"), "{words}");
    let platforms = "linux/amd64,linux/arm64,linux/s390x";
    build(platforms).env("RUSTC_BOOTSTRAP", "1").with_zig().succeeds();
    let layout = Path::new(STD_TARGET).join("oci/app");
    assert_eq!(problems(&layout), []);
    let index = document(&layout, &crate::support::digest(&layout));
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(3), "{index}");
    for triple in TARGETS {
        let program = Path::new(STD_TARGET).join(triple).join("release/app");
        assert_eq!(process::output(&mut Command::new(program)), "Hello\n");
    }
}

#[test]
fn dynamic_musl_programs_need_musl_in_the_base() {
    let project = Project::new("app").file("empty", "");
    let variable = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS";
    let flags = "-C target-feature=-crt-static";
    let words = project.build(&[]).env(variable, flags).fails(1);
    assert!(words.contains("programs for aarch64-unknown-linux-musl are dynamic"), "{words}");
    assert!(words.contains("remove `-C target-feature=-crt-static` from your rustflags"), "{words}");
    assert!(!words.contains("Compiling"), "{words}");
    // Over a base with musl, such a program must be linked with musl. This linker leaves one of this machine.
    let triple = if cfg!(target_arch = "aarch64") { TARGETS[1] } else { TARGETS[0] };
    let loaders = ["x86_64", "aarch64"].map(|architecture| format!("/lib/ld-musl-{architecture}.so.1"));
    let files = loaders.map(|path| format!("{{ from = \"empty\", to = \"{path}\" }}")).join(", ");
    let base = Project::with_table(&format!("files = [{files}]")).file("empty", "");
    base.build(&[]).succeeds();
    project.program("linker", "while [ \"$1\" != -o ]; do shift; done\ncp /bin/true \"$2\"");
    let key = |end: &str| format!("CARGO_TARGET_{}_{end}", triple.to_uppercase().replace('-', "_"));
    let over = format!("oci:{}", base.layout().display());
    let call = project.oci(&["build", "--base", &over]).env(&key("RUSTFLAGS"), flags);
    let words = call.env(&key("LINKER"), project.path("programs/linker")).fails(1);
    assert!(
        words.contains("is compiled for musl, but linked with another C library: its interpreter is /lib"),
        "{words}"
    );
    assert!(words.contains("help: link it with musl: `pip install ziglang`"), "{words}");
    // The other target is as it was.
    let static_alone = project.build(&["--platform", "linux/amd64"]).env(variable, flags).succeeds().stdout;
    assert_eq!(project.build(&["--platform", "linux/amd64"]).succeeds().stdout, static_alone);
}
