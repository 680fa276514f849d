//! Images that were built, put on a new base and copied: what other programs think of them.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::support::base::{BaseImage, TAG};
use crate::support::cosign::{self, Cosign, PASSWORD};
use crate::support::engine::Podman;
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::{Call, Project};
use crate::support::registry::DockerRegistry;

const BASE: &str = "base/static";

/// The base's tag names this base from now on.
fn put(base: &BaseImage, registry: &DockerRegistry) {
    let folder = tempfile::tempdir().expect("a folder");
    base.write(folder.path()).push_to(registry, BASE, TAG);
}

/// A crate on that base, which is pushed to `acme/hello`.
fn crate_on(registry: &DockerRegistry, name: &str, more: &str) -> Project {
    let (base, to) = (registry.reference(&format!("{BASE}:{TAG}")), registry.reference("acme/hello"));
    let table = format!("\n[package.metadata.oci]\nbase = \"{base}\"\nrepository = \"{to}\"\n{more}\n");
    Project::fixture(name).append("Cargo.toml", &table)
}

fn digest(line: &str) -> &str {
    line.trim().rsplit_once('@').expect("a digest").1
}

/// A call where there is neither source nor cargo.
fn elsewhere(folder: &Project, args: &[&str]) -> Call {
    folder.oci(args).env("CARGO", "/nonexistent").env("RUSTC", "/nonexistent").env("COSIGN_PASSWORD", PASSWORD)
}

fn assert_verified(cosign: &Cosign, image: &str) {
    let ran = cosign.verifies(&["verify", "--key", "cosign.pub", image]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn rebased_image_runs_and_is_that_of_a_rebuild() {
    let registry = DockerRegistry::start();
    put(&BaseImage::new(), &registry);
    let files = "files = [{ from = \"Cargo.toml\", to = \"/srv/\", owner = \"nonroot\" }]";
    let project = crate_on(&registry, "hello", files);
    let push = |tag: &str| project.oci(&["push", "--tag", tag]).succeeds().stdout;
    push("1");
    put(&BaseImage::new().big(1), &registry);
    let empty = Project::empty("elsewhere");
    let cosign = Cosign::new(empty.root());
    let image = registry.reference("acme/hello:1");
    let ran = elsewhere(&empty, &["rebase", &image, "--sign", "--key", "cosign.key"]).succeeds();
    let rebuilt = push("rebuilt");
    assert_eq!(digest(&ran.stdout), digest(&rebuilt), "{}", ran.stderr);
    assert_verified(&cosign, &image);
    let podman = Podman::new();
    let ran = podman.podman(&["run", "--rm", "--network", "none", "--tls-verify=false", &image]);
    assert!(ran.stdout.starts_with("Hello from"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn gnu_program_is_rebased_where_its_libraries_are() {
    let registry = DockerRegistry::start();
    put(&BaseImage::new().debian("trixie"), &registry);
    let project = crate_on(&registry, "hello", "libc = \"gnu\"");
    let push = |tag: &str| project.oci(&["push", "--tag", tag]).with_zig().succeeds().stdout;
    push("1");
    let empty = Project::empty("elsewhere");
    let rebase = |more: &[&str]| elsewhere(&empty, &[&["rebase", &registry.reference("acme/hello:1")], more].concat());
    put(&BaseImage::new().debian("trixie").big(1), &registry);
    let ran = rebase(&[]).succeeds().stdout;
    assert_eq!(digest(&ran), digest(&push("rebuilt")));
    // An older glibc may lack what the program needs; no glibc at all lacks it.
    for wrong in [BaseImage::new().debian("bookworm"), BaseImage::new()] {
        put(&wrong, &registry);
        let words = rebase(&[]).fails(1);
        assert!(words.contains("are linked with the libraries of their base"), "{words}");
    }
}

#[test]
fn copy_is_read_and_verified_by_others() {
    let [from, to] = [(); 2].map(|()| DockerRegistry::start());
    let project = Project::fixture("hello");
    let cosign = Cosign::new(project.root());
    let (image, there) = (from.reference("acme/hello:1"), to.reference("prod/hello:1"));
    let sign = ["--sign", "--key", "cosign.key", "--tag", "1", "--repository", &from.reference("acme/hello")];
    let pushed = project.push(&sign).env("COSIGN_PASSWORD", PASSWORD).succeeds().stdout;
    let args = ["copy", &image, &there, "oci-archive:hello.tar", "--require-signature", "cosign.pub"];
    let copied = project.oci(&args).succeeds().stdout;
    assert!(copied.lines().all(|line| digest(line) == digest(&pushed)), "{copied}");
    assert_verified(&cosign, &there);
    let crane = output(environment::command(cosign::path("crane")).args(["digest", "--insecure", &there]));
    assert_eq!(crane.trim(), digest(&pushed));
    let found = cosign::oras(project.root(), &["discover", "--plain-http", &there]);
    assert!(found.contains("application/vnd.cyclonedx+json") && found.contains("sigstore.bundle"), "{found}");
    let mut skopeo = environment::command("skopeo");
    let archive = format!("oci-archive:{}", project.path("hello.tar").display());
    assert!(output(skopeo.args(["inspect", "--raw", &archive])).contains("\"manifests\""));
}

#[test]
fn killed_rebase_and_copy_leave_no_half_image() {
    let registry = DockerRegistry::start();
    let bases = [BaseImage::new(), BaseImage::new().big(1)];
    put(&bases[0], &registry);
    let project = crate_on(&registry, "hello", "");
    project.oci(&["push", "--tag", "1"]).succeeds();
    let image = registry.reference("acme/hello:1");
    for round in 0..8_u64 {
        put(&bases[usize::from(round % 2 == 0)], &registry);
        let copy = registry.reference(&format!("copied/hello-{round}:1"));
        for args in [&["rebase", &image][..], &["copy", &image, &copy]] {
            let mut command = project.oci(args).direct();
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
            thread::sleep(Duration::from_millis(40 * round));
            let _ = child.kill();
            child.wait().expect("ends");
            project.oci(&["validate", &image]).succeeds();
            let made = project.oci(args).succeeds().stdout;
            project.oci(&["validate", made.trim()]).succeeds();
        }
    }
}
