//! `cargo oci reproduce` with the toolchain: the same digest, or the first byte that differs.

use crate::support::base::BaseImage;
use crate::support::digest;
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;

fn git(project: &Project, args: &[&str]) {
    let mut git = environment::command("git");
    output(git.args(["-c", "init.defaultBranch=main"]).args(args).current_dir(project.root()));
}

#[test]
fn reproduce_gives_the_same_digest() {
    let project = Project::fixture("hello").file(".gitignore", "target\n");
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "-m", "All"]);
    let registry = DockerRegistry::start();
    BaseImage::new().write(&project.path("target/base")).push_to(&registry, "distroless/static", "nonroot");
    let (base, to) = (registry.reference("distroless/static:nonroot"), registry.reference("acme/hello:1.0"));
    let args = ["push", &to, "--base", &base, "--platform", "linux/arm64,linux/amd64", "--compression", "zstd"];
    let pushed = project.oci(&args).succeeds().stdout;
    let built = digest(&project.path("target/oci/hello"));
    // The tag of the base moves.
    BaseImage::new().big(1).write(&project.path("target/other")).push_to(&registry, "distroless/static", "nonroot");
    let ran = project.oci(&["reproduce", &to]).succeeds();
    assert_eq!(ran.stdout, pushed);
    assert!(ran.stderr.contains("Reproduced "), "{}", ran.stderr);
    assert_eq!(digest(&project.path("target/oci/hello.reproduced")), built);
    // The image of one platform is reproduced with the index.
    let shown = project.oci(&["inspect", &to, "--platform", "linux/amd64", "--json"]).succeeds().stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let manifest = shown["images"][0]["manifests"][0]["digest"].as_str().expect("a digest");
    let part = registry.reference(&format!("acme/hello@{manifest}"));
    assert_eq!(project.oci(&["reproduce", &part]).succeeds().stdout, format!("{part}\n"));
}

#[test]
fn reproduce_finds_the_first_byte_that_differs() {
    let project = Project::fixture("hello");
    project.build(&["--platform", "linux/amd64"]).succeeds();
    let source = std::fs::read_to_string(project.path("src/main.rs")).expect("a file");
    let project = project.file("src/main.rs", &source.replace("Hello from", "Hallo from"));
    let ran = project.oci(&["reproduce", "target/oci/hello"]).run();
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    let first = ran.stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("first difference: linux/amd64, layer 2, /app/hello, byte "), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n  ~ /app/hello: content"), "{}", ran.stdout);
    assert!(ran.stderr.contains("is not reproduced: the same build has the digest sha256:"), "{}", ran.stderr);
    // That byte is other in both files.
    let byte: usize = first.rsplit(' ').next().and_then(|byte| byte.parse().ok()).expect("a number");
    let program = std::fs::read(project.path("target/x86_64-unknown-linux-musl/release/hello")).expect("a program");
    assert!(byte < program.len(), "{byte}");
}
