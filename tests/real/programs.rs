//! Programs that are not compiled here, or not for musl.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::base::BaseImage;
use crate::support::container::{Runtime, run, unpack};
use crate::support::environment;
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;
use crate::support::{digest, image, problems};

/// The target and platform of this computer, with glibc.
const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// The program that cargo has left for a target.
fn compiled(project: &Project, target: &str, name: &str) -> std::path::PathBuf {
    project.path(&format!("target/{target}/release/{name}"))
}

#[test]
fn prebuilt_programs_give_same_image() {
    let project = Project::new("x");
    project.build(&[]).succeeds();
    let before = digest(&project.layout());
    fs::create_dir(project.path("dist")).expect("a folder");
    for (target, place) in [("x86_64-unknown-linux-musl", "dist/amd64"), ("aarch64-unknown-linux-musl", "dist/x")] {
        fs::copy(compiled(&project, target, "x"), project.path(place)).expect("a program");
    }
    // Neither the sources nor what was made of them is of use any more.
    let project = project.file("src/main.rs", "nonsense\n");
    fs::remove_dir_all(project.path("target")).expect("a folder");
    // A file for one platform, a folder for the other. They are from these crates: nobody else can know that.
    let prebuilt = ["--prebuilt", "linux/amd64=dist/amd64", "--prebuilt", "linux/arm64=dist"];
    let args = [&prebuilt[..], &["--auditable", "true"]].concat();
    let ran = project.build(&args).succeeds();
    assert!(!ran.stderr.contains("Compiling"), "{}", ran.stderr);
    assert_eq!(digest(&project.layout()), before);
}

#[test]
fn prebuilt_platforms_are_not_compiled() {
    let project = Project::new("x");
    project.build(&["--platform", "linux/amd64"]).succeeds();
    fs::copy(compiled(&project, "x86_64-unknown-linux-musl", "x"), project.path("x")).expect("a program");
    fs::remove_dir_all(project.path("target")).expect("a folder");
    project.build(&["--prebuilt", "linux/amd64=x"]).succeeds();
    assert_eq!(problems(&project.layout()), []);
    assert!(compiled(&project, "aarch64-unknown-linux-musl", "x").is_file());
    assert!(!project.path("target/x86_64-unknown-linux-musl").exists());
}

#[test]
fn prebuilt_program_of_wrong_kind_is_rejected() {
    let project = Project::new("x").file("script", "#!/bin/sh\n");
    let wrong = |args: &[&str]| {
        let words = project.build(args).fails(1);
        assert!(!project.path("target").exists(), "{words}");
        words
    };
    let words = wrong(&["--platform", "linux/amd64", "--prebuilt", "linux/amd64=script"]);
    assert!(words.contains("x for linux/amd64 cannot go into an image"), "{words}");
    assert!(words.contains("script is a script, not an ELF program"), "{words}");
    let other = if cfg!(target_arch = "aarch64") { "linux/amd64" } else { "linux/arm64" };
    let words = wrong(&["--platform", other, "--prebuilt", &format!("{other}=/bin/true")]);
    assert!(words.contains("/bin/true is for another machine"), "{words}");
    let words = wrong(&["--platform", "host", "--prebuilt", "host=/bin/true"]);
    assert!(words.contains("is dynamic: it needs the interpreter /lib"), "{words}");
    assert!(words.contains("which the base embedded does not have") && words.contains("help: "), "{words}");
}

#[test]
fn dynamic_program_runs_on_matching_base() {
    let project = Project::new("x");
    BaseImage::new().glibc().write(&project.path("glibc"));
    let ran = project.oci(&["build", "--base", "oci:glibc", "--target", TARGET]).succeeds();
    assert!(ran.stdout.starts_with("oci:target/oci/x@sha256:"), "{}", ran.stdout);
    assert_eq!(problems(&project.layout()), []);
    let bundle = project.path("bundle");
    unpack(&project.layout(), "latest", ARCHITECTURE, &bundle);
    let ran = run(&bundle, Runtime::Runc, &[]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "Hello\n"), "{}", ran.stderr);

    // The same, where it was compiled before.
    let program = compiled(&project, TARGET, "x").display().to_string();
    let platform = format!("linux/{ARCHITECTURE}");
    let prebuilt = format!("{platform}={program}");
    let before = digest(&project.layout());
    let args =
        ["build", "--base", "oci:glibc", "--platform", &platform, "--prebuilt", &prebuilt, "--auditable", "true"];
    project.oci(&args).succeeds();
    assert_eq!(digest(&project.layout()), before);
}

#[test]
fn dynamic_program_push_leaves_base_layers_in_place() {
    let project = Project::new("x");
    let registry = DockerRegistry::start();
    BaseImage::new().glibc().write(&project.path("glibc")).push_to(&registry, "cc", "latest");
    BaseImage::new().write(&project.path("static")).push_to(&registry, "static", "latest");
    let repository = registry.reference("acme/x");
    let push = |base: &str| {
        let base = registry.reference(base);
        project.oci(&["push", "--base", &base, "--target", TARGET, "--repository", &repository])
    };
    let words = push("static").fails(1);
    assert!(words.contains("has no loader for them"), "{words}");
    let ran = push("cc").succeeds();
    let pushed = ran.stdout.trim_end().rsplit('@').next().expect("a digest").to_owned();
    assert!(registry.manifest("acme/x", &pushed).is_some(), "{}", ran.stdout);
}

#[test]
fn dynamic_program_needs_base_with_loader() {
    let project = Project::new("x");
    BaseImage::new().write(&project.path("static"));
    for base in ["oci:static", "embedded", "scratch"] {
        let words = project.oci(&["build", "--base", base, "--target", TARGET]).fails(1);
        assert!(words.contains(&format!("programs for {TARGET} are dynamic")), "{words}");
        assert!(words.contains("has no loader for them"), "{words}");
        let help = format!("or make a static program with `--platform linux/{ARCHITECTURE}");
        assert!(words.contains("gcr.io/distroless/cc-debian13") && words.contains(&help), "{words}");
        assert!(!words.contains("Compiling") && !project.path("target").exists(), "{words}");
    }
    // Unless it was asked to be static.
    let call = project.oci(&["build", "--base", "scratch", "--target", TARGET]);
    call.env("RUSTFLAGS", "-C target-feature=+crt-static").succeeds();
    let (_, config) = image(&project.layout(), &host_platform());
    assert_eq!(config["config"]["Entrypoint"][0], "/app/x");
}

fn host_platform() -> String {
    if cfg!(target_arch = "aarch64") { "linux/arm64/v8".to_owned() } else { "linux/amd64".to_owned() }
}

#[test]
fn missing_library_in_base_is_named() {
    let project = Project::new("x");
    BaseImage::new().glibc().write(&project.path("glibc"));
    // A linker that asks for one library more.
    let linker = "#!/bin/sh\nexec cc \"$@\" -Wl,--no-as-needed -lz-of-mine -L\"$(dirname \"$0\")\"\n";
    let project = project.file("linker", linker).file("empty.c", "");
    let path = |name: &str| project.path(name).display().to_string();
    fs::set_permissions(project.path("linker"), fs::Permissions::from_mode(0o755)).expect("a file");
    let library = path("libz-of-mine.so");
    let args = ["-shared", "-Wl,-soname,libz-of-mine.so.1", "-o", &library, &path("empty.c")];
    crate::support::process::output(environment::command("cc").args(args));
    let key = format!("CARGO_TARGET_{}_LINKER", TARGET.to_uppercase().replace('-', "_"));
    let call = project.oci(&["build", "--base", "oci:glibc", "--target", TARGET]).env(&key, path("linker"));
    let words = call.fails(1);
    assert!(words.contains("is dynamic: it needs libz-of-mine.so.1, which the base oci:"), "{words}");
    assert!(!Path::new(&project.layout()).exists());
}
