//! `.github/workflows/release.yml`, each step as GitHub's runner runs it, but for compiling.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::VERSION;
use crate::support::cosign::{Cosign, PASSWORD};
use crate::support::engine::Podman;
use crate::support::process::{Ran, run_within};
use crate::support::project::{Call, Project};
use crate::support::registry::{DockerRegistry, sha256};
use crate::support::release::{self, Release, TARGETS, names};

/// A workflow for GitHub Actions.
struct Workflow(Value);

/// What the jobs of a release run on: a checkout, and stand-ins for what only GitHub has.
struct Runner {
    project: Project,
    registry: DockerRegistry,
    cosign: Cosign,
}

impl Workflow {
    fn read(name: &str) -> Workflow {
        let path = release::root().join(".github/workflows").join(name);
        Workflow(serde_saphyr::from_str(&fs::read_to_string(path).expect("a workflow")).expect("YAML"))
    }

    /// The commands of a job's steps.
    fn steps(&self, job: &str) -> Vec<String> {
        let steps = self.0["jobs"][job]["steps"].as_array().unwrap_or_else(|| panic!("a job {job} with steps"));
        steps.iter().filter_map(|step| Some(step["run"].as_str()?.to_owned())).collect()
    }
}

impl Runner {
    /// A checkout with the compiled programs.
    fn new() -> Runner {
        let project = Project::empty("checkout");
        let compiled = project.path("target/releases");
        fs::create_dir_all(&compiled).expect("a folder");
        for entry in fs::read_dir(release::root()).expect("the repository") {
            let entry = entry.expect("an entry");
            if entry.file_name() != "target" {
                symlink(entry.path(), project.path(entry.file_name().to_str().expect("UTF-8"))).expect("a link");
            }
        }
        for target in TARGETS {
            symlink(release::root().join("target/releases").join(target), compiled.join(target)).expect("a link");
        }
        // What `gh` does with a release: keeps its files, and gives them out again. Attestations are of files that it has.
        project.program(
            "gh",
            r#"store=$(dirname "$0")/../../released; mkdir -p "$store"; echo "$*" >> "$store.log"
case "$1 $2" in
"release create") shift 3; for file; do case $file in --*) ;; *) cp "$file" "$store/" ;; esac; done ;;
"release download") shift 3; pattern='*'; while [ $# -gt 0 ]; do case $1 in --dir) dir=$2 ;; --pattern) pattern=$2 ;; esac; shift 2; done
  mkdir -p "$dir"; cp "$store"/$pattern "$dir/" ;;
"attestation verify") cmp "$3" "$store/$(basename "$3")" ;;
*) exit 1 ;;
esac"#,
        );
        let home = project.home();
        fs::create_dir_all(&home).expect("a folder");
        Runner { cosign: Cosign::new(&home), project, registry: DockerRegistry::start() }
    }

    /// Runs the steps of a job, each as GitHub's runner does.
    fn run(&self, workflow: &Workflow, job: &str) -> Ran {
        let mut last = None;
        for step in workflow.steps(job) {
            // The programs are compiled already.
            if step == ".ci/release build ${{ matrix.targets }}" {
                continue;
            }
            let ran = run_within(release::PACKING, &mut self.shell(&step));
            assert!(ran.status == 0, "{job}: {step}\nended with {}:\n{}{}", ran.status, ran.stdout, ran.stderr);
            last = Some(ran);
        }
        last.unwrap_or_else(|| panic!("the job {job} runs nothing"))
    }

    fn shell(&self, step: &str) -> Command {
        let key = self.project.home().join("cosign.key");
        // On loopback in place of GHCR, and with a key in place of the identity that GitHub gives a job.
        let step = step.replace("ghcr.io", self.registry.host()).replace("${{ matrix.targets }}", &TARGETS.join(" "));
        let step = step.replace("--keyless", &format!("--key {}", key.display()));
        let call: Call = self.project.oci(&[]).on_path(self.project.path("programs"));
        let mut shell = call.command("bash");
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &step]);
        shell.env("RELEASE_PROFILE", release::profile());
        shell.env("GITHUB_ACTIONS", "true").env("GITHUB_REPOSITORY", "Acme/cargo-oci");
        shell.env("GITHUB_REF_NAME", format!("v{VERSION}")).env("GITHUB_REF", format!("refs/tags/v{VERSION}"));
        shell.env("CARGO_OCI_BASE", "embedded").env("COSIGN_PASSWORD", PASSWORD);
        shell
    }
}

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn release_workflow_publishes_files_wheels_and_image() {
    let (workflow, runner) = (Workflow::read("release.yml"), Runner::new());
    let matrix = workflow.0["jobs"]["programs"]["strategy"]["matrix"]["include"].as_array().expect("a matrix");
    assert_eq!(matrix[0]["targets"].as_str(), Some(TARGETS.join(" ").as_str()));
    runner.run(&workflow, "programs");
    runner.run(&workflow, "draft");
    let released = names(&runner.project.root().with_file_name("released"));
    assert_eq!(released, names(Release::get().folder()));
    // Another job: it has a checkout of its own.
    fs::remove_dir_all(runner.project.path("target/releases/files")).expect("a folder");
    let pushed = runner.run(&workflow, "image").stdout.lines().last().expect("a line").to_owned();
    let wheels: Vec<_> = released.iter().filter(|name| has_suffix(name, "whl")).cloned().collect();
    runner.run(&workflow, "wheels");
    assert_eq!(names(&runner.project.path("wheels")), wheels);
    // What was run for it at GitHub's.
    let asked = fs::read_to_string(runner.project.root().with_file_name("released.log")).expect("a log");
    assert!(asked.starts_with(&format!("release create v{VERSION} --draft --verify-tag")), "{asked}");
    assert_eq!(asked.lines().filter(|line| line.starts_with("attestation verify")).count(), 2, "{asked}");
    image_runs_and_is_signed(&runner, &pushed);
}

fn has_suffix(name: &str, suffix: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == suffix)
}

/// The image that a release has pushed: in Podman, for both architectures, with SBOM, provenance and signature.
fn image_runs_and_is_signed(runner: &Runner, pushed: &str) {
    let repository = format!("{}/acme/cargo-oci", runner.registry.host());
    let digest = pushed.strip_prefix(&format!("{repository}@")).unwrap_or_else(|| panic!("{pushed}"));
    let (_, index) = runner.registry.manifest("acme/cargo-oci", VERSION).expect("the tag of the version");
    assert_eq!(sha256(&index), digest);
    let podman = Podman::new();
    let image = format!("{repository}:{VERSION}");
    for platform in ["linux/amd64", "linux/arm64"] {
        let container = |args: &[&str]| {
            let run =
                ["run", "--rm", "--tls-verify=false", "--network", "host", "--pull", "always", "--platform", platform];
            podman.podman(&[&run[..], &[&image], args].concat())
        };
        let ran = container(&["oci", "--version"]);
        assert_eq!(ran.stdout, format!("cargo oci {VERSION}\n"), "{platform}: {}", ran.stderr);
        // Without arguments it says what it can; it needs no cargo to read an image.
        assert!(container(&[]).stdout.contains("Usage: cargo oci"), "{platform}");
        let ran = container(&["oci", "validate", pushed]);
        assert_eq!(ran.status, 0, "{platform}: {}{}", ran.stdout, ran.stderr);
    }
    for command in [
        &["verify"][..],
        &["verify-attestation", "--type", "cyclonedx"],
        &["verify-attestation", "--type", "slsaprovenance1"],
    ] {
        let ran = runner.cosign.verifies(&[command, &["--key", "cosign.pub", pushed]].concat());
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    }
}
