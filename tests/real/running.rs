//! What was built, unpacked by umoci and run by runc and crun, for this machine's architecture and for another.

use std::path::{Path, PathBuf};

use crate::support::container::{Runtime, run, unpack};
use crate::support::problems;
use crate::support::project::Project;

/// Architectures of images, and what Rust calls them.
const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];

/// Unpacks one architecture of a layout beside it.
fn bundle(project: &Project, layout: &Path, architecture: &str) -> PathBuf {
    let bundle = project.path(&format!("bundle-{architecture}"));
    unpack(layout, "latest", architecture, &bundle);
    bundle
}

/// Asserts what the program `hello` says of the image that it runs in.
#[track_caller]
fn assert_at_home(said: &str, architecture: &str, cwd: &str) {
    let value = |key: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
        line.unwrap_or_else(|| panic!("no {key} in:\n{said}")).to_owned()
    };
    assert!(said.starts_with(&format!("Hello from {architecture}!")), "{said}");
    assert_eq!((value("uid").as_str(), value("gid").as_str()), ("65532", "65532"), "{said}");
    assert_eq!(value("cwd"), cwd);
    assert_eq!(value("tmp_writable"), "true");
    assert!(value("path").ends_with(":/app"), "{said}");
    assert_ne!(value("certificates"), "0");
}

#[test]
fn programs_run_as_user_of_embedded_base() {
    let project = Project::fixture("hello");
    project.build(&[]).succeeds();
    assert_eq!(problems(&project.layout()), []);
    for (architecture, name) in ARCHITECTURES {
        let bundle = bundle(&project, &project.layout(), architecture);
        for runtime in [Runtime::Runc, Runtime::Crun] {
            let ran = run(&bundle, runtime, &["one", "two"]);
            assert_eq!(ran.status, 0, "{}", ran.stderr);
            assert_at_home(&ran.stdout, name, "/home/nonroot");
            assert!(ran.stdout.contains("args=one two"), "{}", ran.stdout);
        }
        assert_eq!(run(&bundle, Runtime::Runc, &["--exit", "7"]).status, 7);
    }
}

#[test]
fn programs_run_over_pulled_base() {
    let project = Project::fixture("hello");
    let base = crate::support::base::BaseImage::new().write(&project.path("base"));
    let registry = crate::support::registry::DockerRegistry::start();
    base.push_to(&registry, "distroless/static", "nonroot");
    project.oci(&["build", "--base", &registry.reference("distroless/static:nonroot")]).succeeds();
    assert_eq!(problems(&project.layout()), []);
    for (architecture, name) in ARCHITECTURES {
        let bundle = bundle(&project, &project.layout(), architecture);
        let ran = run(&bundle, Runtime::Runc, &[]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert_at_home(&ran.stdout, name, "/home/nonroot");
    }
}

#[test]
fn program_runs_over_scratch() {
    let project = Project::fixture("hello");
    project.oci(&["build", "--base", "scratch", "--user", "1234", "--workdir", "/app"]).succeeds();
    assert_eq!(problems(&project.layout()), []);
    let bundle = bundle(&project, &project.layout(), "amd64");
    let ran = run(&bundle, Runtime::Runc, &[]);
    assert!(ran.stdout.contains("uid=1234") && ran.stdout.contains("cwd=/app"), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("certificates=0"), "{}", ran.stdout);
}

#[test]
fn second_binary_of_image_runs() {
    let project = Project::with_table("bins = [\"x\", \"second\"]\nentrypoint = [\"second\"]\ncmd = [\"of\", \"two\"]")
        .file("src/bin/second.rs", "fn main() { println!(\"{:?}\", std::env::args().collect::<Vec<_>>()); }\n");
    project.build(&["--platform", "linux/amd64"]).succeeds();
    let ran = run(&bundle(&project, &project.layout(), "amd64"), Runtime::Runc, &[]);
    // Found by its name alone: the folder of the binaries is on PATH.
    assert_eq!(ran.stdout, "[\"second\", \"of\", \"two\"]\n", "{}", ran.stderr);
}
