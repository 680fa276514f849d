//! What is done while cargo runs. Build scripts wait for it, so that nothing depends on how fast anything is: a run in which
//! it is done later than that fails.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::base::BaseImage;
use crate::support::problems;
use crate::support::project::{Call, Project};
use crate::support::registry::DockerRegistry;
use crate::support::slow::Slow;

/// A build script that, for the target `WAITING`, ends when there are `FILES` blobs of `BYTES` or more below `FOLDER`; or
/// when nobody waits for it any more.
const WAITS: &str = r#"
use std::{env, fs, os::unix::process::parent_id, path::Path, thread, time::{Duration, Instant}};

fn count(folder: &Path, least: u64) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => count(&entry.path(), least),
        Ok(found) if found.len() >= least => {
            let name = entry.file_name();
            usize::from(name == "data" || name.len() == 64)
        }
        _ => 0,
    }).sum()
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name| env::var(name).expect(name);
    let number = |name| variable(name).parse().expect("a number");
    let (parent, begun) = (parent_id(), Instant::now());
    if env::var("TARGET") != env::var("WAITING") {
        return;
    }
    while count(Path::new(&variable("FOLDER")), number("BYTES")) < number("FILES") as usize {
        thread::sleep(Duration::from_millis(20));
        if parent_id() != parent {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "it is done later");
    }
    fs::write(variable("CAME"), "").expect("a file");
}
"#;

const AMD64: &str = "x86_64-unknown-linux-musl";
const ARM64: &str = "aarch64-unknown-linux-musl";

/// `cargo oci ARGS` whose build script waits so, and for two minutes at most.
fn waiting(project: &Project, args: &[&str], target: &str, folder: &Path, files: usize, bytes: usize) -> Call {
    let args = [args, &["--jobs", "2"]].concat();
    let call = project.oci(&args).env("WAITING", target).env("FOLDER", folder).env("CAME", project.path("came"));
    call.env("FILES", files.to_string()).env("BYTES", bytes.to_string())
}

fn project() -> Project {
    Project::new("x").file("build.rs", WAITS)
}

const MIB: usize = 1 << 20;

#[test]
fn base_is_pulled_while_cargo_runs() {
    let (project, registry) = (project(), DockerRegistry::start());
    BaseImage::new().big(1).write(&project.path("base")).push_to(&registry, "static", "1");
    let args = ["build", "--base", &registry.reference("static:1")];
    waiting(&project, &args, AMD64, &project.cache().join("blobs"), 1, MIB).succeeds();
    assert!(project.path("came").exists());
    assert_eq!(problems(&project.layout()), []);
}

#[test]
fn layer_starts_when_its_program_is_compiled() {
    let project = project();
    // That of the base, and that of the program for the other platform.
    let blobs = project.layout().join("blobs");
    waiting(&project, &["build", "--base", "embedded"], ARM64, &blobs, 2, 0).succeeds();
    assert!(project.path("came").exists());
    assert_eq!(problems(&project.layout()), []);
}

#[test]
fn base_layers_are_pushed_while_cargo_runs() {
    let project = project();
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    BaseImage::new().big(1).write(&project.path("base")).push_to(&from, "static", "1");
    let (base, repository) = (from.reference("static:1"), to.reference("acme/x"));
    let args = ["push", "--base", &base, "--repository", &repository];
    waiting(&project, &args, AMD64, &to.blobs(), 1, MIB).succeeds();
    assert!(project.path("came").exists());
    assert!(to.manifest("acme/x", "latest").is_some());
    // Each was sent once.
    let sent = to.requests().into_iter().filter(|request| request.method == "PUT");
    let mut digests: Vec<_> =
        sent.filter_map(|request| Some(request.path.split_once("digest=")?.1.to_owned())).collect();
    let all = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!((digests.len(), all > 0), (all, true), "{digests:?}");
}

#[test]
fn missing_base_stops_cargo() {
    let (project, registry) = (project(), DockerRegistry::start());
    let args = ["build", "--base", &registry.reference("nothing:1")];
    let words = waiting(&project, &args, AMD64, Path::new("/nowhere"), 1, 0).fails(1);
    assert!(words.contains("cannot use the base") && words.contains("has no tag 1"), "{words}");
    assert!(!project.path("came").exists() && !project.path("target/oci").exists());
}

#[test]
fn compile_error_stops_the_pull() {
    let project = Project::new("x").file("src/main.rs", "fn main() { nonsense }");
    let registry = DockerRegistry::start();
    BaseImage::new().big(4).write(&project.path("base")).push_to(&registry, "static", "1");
    // It would take more than a minute.
    let slow = Slow::before(&registry, 64);
    let begun = Instant::now();
    let words = project.oci(&["build", "--base", &slow.reference("static:1")]).fails(101);
    assert!(begun.elapsed() < Duration::from_secs(45), "{words}");
    assert!(words.contains("cannot find value `nonsense`") && !words.contains("interrupted"), "{words}");
    assert!(!project.path("target/oci").exists());
    assert_eq!(fs::read_dir(project.cache().join("unfinished")).expect("a folder").count(), 0);
}
