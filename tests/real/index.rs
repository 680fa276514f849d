//! An index of parts that were compiled on two machines, and what reads it.

use std::path::{Path, PathBuf};

use crate::support::engine::{Docker, DockerOptions, Podman, Store};
use crate::support::environment;
use crate::support::process::{Ran, output, run};
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;

/// Two clones of one commit in two folders.
fn clones(original: &Project) -> [Project; 2] {
    let git = |args: &[&str], folder: &Path| {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
        output(environment::command("git").args(identity).args(args).current_dir(folder));
    };
    git(&["init", "--quiet"], original.root());
    git(&["add", "--all"], original.root());
    git(&["commit", "--quiet", "--message", "one"], original.root());
    ["one", "another"].map(|name| {
        let clone = Project::empty(name);
        git(&["clone", "--quiet", original.root().to_str().expect("a path"), "."], clone.root());
        clone
    })
}

fn signing_tool(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_OCI_TEST_SIGNING_PATH").expect("a folder: `.ci/test` sets it")).join(name)
}

fn printed(ran: Ran) -> String {
    assert!(ran.status == 0, "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

#[test]
fn index_of_two_machines_is_read_by_all() {
    let original = Project::fixture("hello").file(".gitignore", "target\n");
    let [amd64, arm64] = clones(&original);
    let registry = DockerRegistry::start();
    let (one, parts) = (registry.reference("acme/one"), registry.reference("acme/hello"));
    let built = original.push(&["--repository", &one]).succeeds().stdout;
    let folder = original.path("parts");
    std::fs::create_dir(&folder).expect("a folder");
    for (clone, platform) in [(&amd64, "linux/amd64"), (&arm64, "linux/arm64")] {
        let file = folder.join(format!("{}.json", platform.replace('/', "-")));
        let file = file.to_str().expect("a path");
        let args = ["--by-digest", "--metadata-file", file, "--platform", platform, "--repository", &parts];
        clone.push(&args).succeeds();
    }
    let made = amd64.oci(&["index", folder.to_str().expect("a path")]).succeeds().stdout;
    let digest = |line: &str| line.trim().rsplit_once('@').expect("a digest").1.to_owned();
    assert_eq!(digest(&made), digest(&built));

    let tagged = registry.reference("acme/hello:latest");
    let mut skopeo = environment::command("skopeo");
    let inspect = ["inspect", "--raw", "--tls-verify=false"];
    let raw = printed(run(skopeo.args(inspect).arg(format!("docker://{tagged}"))));
    assert_eq!(raw.matches("\"architecture\"").count(), 2, "{raw}");
    let crane = printed(run(environment::command(signing_tool("crane")).args(["digest", "--insecure", &tagged])));
    assert_eq!(crane.trim(), digest(&made));
    let mut oras = environment::command(signing_tool("oras"));
    let discovered = printed(run(oras.args(["discover", "--plain-http", &tagged])));
    assert!(discovered.contains("application/vnd.cyclonedx+json"), "{discovered}");

    let podman = Podman::new();
    for (platform, name) in [("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")] {
        let pull = ["pull", "--quiet", "--tls-verify=false", "--platform", platform, &tagged];
        printed(podman.podman(&pull));
        let said = printed(podman.podman(&["run", "--rm", "--network", "none", "--platform", platform, &tagged]));
        assert!(said.starts_with(&format!("Hello from {name}!")), "{said}");
    }
    for store in [Store::Classic, Store::Containerd] {
        let docker = Docker::start_with(DockerOptions { store, ..DockerOptions::default() });
        for (platform, name) in [("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")] {
            printed(docker.docker(&["pull", "--quiet", "--platform", platform, &tagged]));
            let said = printed(docker.docker(&["run", "--rm", "--network", "none", "--platform", platform, &tagged]));
            assert!(said.starts_with(&format!("Hello from {name}!")), "{said}");
        }
    }
}
