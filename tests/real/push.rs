//! To a registry: what is sent, what is not, and that the tag moves last.

use crate::support::base::BaseImage;
use crate::support::container::skopeo;
use crate::support::engine::{Docker, Podman};
use crate::support::process::Ran;
use crate::support::project::Project;
use crate::support::registry::{DockerRegistry, Request, TLS_NAME};
use crate::support::snapshot::Snapshot;
use crate::support::token_service::{TokenOptions, TokenService};
use crate::support::{digest, document, image, problems};

/// The digest that a tag stands for in a registry.
fn tagged(registry: &DockerRegistry, repository: &str, tag: &str) -> Option<String> {
    registry.manifest(repository, tag).map(|(_, bytes)| crate::support::registry::sha256(&bytes))
}

/// Requests that send or fetch the bytes of one of these blobs.
fn transfers<'r>(requests: &'r [Request], blobs: &[String]) -> Vec<&'r Request> {
    let moves = |request: &&Request| match request.method.as_str() {
        "GET" => blobs.iter().any(|blob| request.path.contains(blob)),
        "PUT" | "PATCH" => blobs.iter().any(|blob| request.path.contains(&blob.replace(':', "%3A"))),
        _ => false,
    };
    requests.iter().filter(moves).collect()
}

#[test]
fn pushed_image_equals_built_image() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    let repository = registry.reference("acme/hello");
    let ran = project.push(&["--repository", &repository, "--tag", "latest,v1"]).succeeds();
    let built = digest(&project.layout());
    assert_eq!(ran.stdout, format!("{repository}@{built}\n"));
    for tag in ["latest", "v1"] {
        assert_eq!(tagged(&registry, "acme/hello", tag).as_deref(), Some(built.as_str()));
    }
    let from = format!("docker://{repository}:v1");
    let seen = skopeo(&["inspect", "--tls-verify=false", &from]);
    assert!(seen.contains(&built), "{seen}");
    let back = project.path("back");
    skopeo(&["copy", "--all", "--src-tls-verify=false", &from, &format!("oci:{}:v1", back.display())]);
    assert_eq!(digest(&back), built);
    assert_eq!(problems(&back), []);
    // Each platform's manifest is there by its own digest too.
    for entry in document(&back, &built)["manifests"].as_array().expect("an index") {
        assert!(registry.manifest("acme/hello", entry["digest"].as_str().expect("a digest")).is_some());
    }
}

#[test]
fn unchanged_push_sends_two_requests() {
    let project = Project::fixture("hello");
    let (bases, target) = (DockerRegistry::start(), DockerRegistry::start());
    BaseImage::new().write(&project.path("base")).push_to(&bases, "static", "nonroot");
    let (base, repository) = (bases.reference("static:nonroot"), target.reference("acme/hello"));
    let push = || project.oci(&["push", "--base", &base, "--repository", &repository]).succeeds();
    let first = push();
    let (of_base, of_target) = (bases.requests().len(), target.requests().len());
    let second = push();
    assert_eq!(first.stdout, second.stdout);
    let of_base = bases.requests().split_off(of_base);
    let of_target = target.requests().split_off(of_target);
    assert_eq!((of_base.len(), of_target.len()), (1, 1), "{of_base:?} {of_target:?}");
    assert_eq!((of_base[0].method.as_str(), of_target[0].method.as_str()), ("HEAD", "HEAD"));
}

#[test]
fn base_layers_are_mounted_within_a_registry() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    let base = BaseImage::new().write(&project.path("base"));
    base.push_to(&registry, "static", "nonroot");
    let repository = registry.reference("acme/hello");
    project.oci(&["push", "--base", &registry.reference("static:nonroot"), "--repository", &repository]).succeeds();
    let layers: Vec<_> = base.platforms.iter().flat_map(|platform| platform.layers.clone()).collect();
    let requests = registry.requests();
    assert_eq!(transfers(&requests, &layers), Vec::<&Request>::new());
    let mounts = requests.iter().filter(|request| request.path.contains("mount=")).count();
    assert_eq!(mounts, 5, "two layers of one platform each, three of both: {requests:?}");
    let back = format!("oci:{}:latest", project.path("back").display());
    skopeo(&["copy", "--all", "--src-tls-verify=false", &format!("docker://{repository}:latest"), &back]);
    assert_eq!(problems(&project.path("back")), []);
}

#[test]
fn base_layers_are_copied_between_registries() {
    let project = Project::fixture("hello");
    let (bases, target) = (DockerRegistry::start(), DockerRegistry::start());
    let base = BaseImage::new().write(&project.path("base"));
    base.push_to(&bases, "static", "nonroot");
    let repository = target.reference("acme/hello");
    project.oci(&["push", "--base", &bases.reference("static:nonroot"), "--repository", &repository]).succeeds();
    for layer in &base.platform("linux/arm64/v8").layers {
        assert_eq!(target.blob("acme/hello", layer), Some(base.blob(layer)));
        let cached = project.root().with_file_name("cache").join("blobs").join(layer.replace(':', "/"));
        assert!(!cached.exists(), "{layer} was kept on its way");
    }
    // A build after it still writes a layout that is whole.
    project.oci(&["build", "--base", &bases.reference("static:nonroot")]).succeeds();
    assert_eq!(problems(&project.layout()), []);
}

#[test]
fn push_to_several_repositories_sends_same_digest() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    let (a, b) = (registry.reference("a/hello"), registry.reference("b/hello"));
    let ran = project.push(&["--repository", &a, "--repository", &b, "--by-digest"]).succeeds();
    let built = digest(&project.layout());
    assert_eq!(ran.stdout, format!("{a}@{built}\n{b}@{built}\n"));
    for repository in ["a/hello", "b/hello"] {
        assert!(registry.manifest(repository, &built).is_some());
        assert_eq!(tagged(&registry, repository, "latest"), None);
    }
}

#[test]
fn single_platform_push_can_omit_index() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    let repository = registry.reference("hello");
    project.push(&["--repository", &repository, "--platform", "linux/arm64", "--no-index"]).succeeds();
    let (media_type, _) = registry.manifest("hello", "latest").expect("a tag");
    assert_eq!(media_type, "application/vnd.oci.image.manifest.v1+json");
    let words = project.push(&["--repository", &repository, "--no-index"]).fails(1);
    assert!(words.contains("built for 2 platforms") && words.contains("help: choose one"), "{words}");
}

#[test]
fn repository_follows_precedence() {
    let registry = DockerRegistry::start();
    let table =
        format!("base = \"scratch\"\nplatforms = [\"linux/amd64\"]\nrepository = \"{}\"", registry.reference("table"));
    let project = Project::with_table(&table);
    let result = |ran: crate::support::process::Ran| ran.stdout.split('@').next().unwrap_or_default().to_owned();
    assert_eq!(result(project.oci(&["push"]).succeeds()), registry.reference("table"));
    let variable = project.oci(&["push"]).env("CARGO_OCI_REPOSITORY", registry.reference("variable"));
    assert_eq!(result(variable.succeeds()), registry.reference("variable"));
    let flag = project.oci(&["push", "--repository", &registry.reference("flag")]);
    assert_eq!(
        result(flag.env("CARGO_OCI_REPOSITORY", registry.reference("variable")).succeeds()),
        registry.reference("flag")
    );
}

#[test]
fn failed_push_keeps_previous_tag() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    let repository = registry.reference("hello");
    project.push(&["--repository", &repository]).succeeds();
    let before = tagged(&registry, "hello", "latest");
    // A layer that is not in the layout, and is not what the base's registry says either.
    let base = BaseImage::new().write(&project.path("base"));
    base.push_to(&registry, "elsewhere/base", "1");
    let layer = &base.platform("linux/amd64").layers[1];
    let other = DockerRegistry::start();
    base.push_to(&other, "base", "1");
    other.corrupt(layer);
    let words = project.oci(&["push", "--base", &other.reference("base:1"), "--repository", &repository]).fails(1);
    assert!(words.contains(layer.as_str()) && words.contains("wrong content: expected"), "{words}");
    assert_eq!(tagged(&registry, "hello", "latest"), before);
    assert!(registry.blob("hello", layer).is_none());
}

#[test]
fn push_and_build_make_same_layers() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    project.push(&["--repository", &registry.reference("hello")]).succeeds();
    let pushed = image(&project.layout(), "linux/amd64").0;
    project.build(&[]).succeeds();
    assert_eq!(image(&project.layout(), "linux/amd64").0, pushed);
}

#[test]
fn pushed_image_runs_in_docker_and_podman() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    let repository = registry.reference("acme/hello");
    let base = BaseImage::new().write(&project.path("base"));
    base.push_to(&registry, "static", "nonroot");
    // A base of gzip layers only: this Docker knows no zstd.
    let docker_base = BaseImage::new().docker_types().write(&project.path("docker-base"));
    docker_base.push_to(&registry, "docker-static", "nonroot");
    project
        .oci(&["push", "--base", &registry.reference("docker-static:nonroot"), "--repository", &repository])
        .succeeds();

    let docker = Docker::start();
    let image = format!("{repository}:latest");
    for (platform, name) in [("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")] {
        let pulled = docker.docker(&["pull", "--platform", platform, &image]);
        assert_eq!(pulled.status, 0, "{}{}", pulled.stdout, pulled.stderr);
        let ran = docker.docker(&["run", "--rm", "--network", "none", "--platform", platform, &image, "one"]);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.starts_with(&format!("Hello from {name}!")), "{}", ran.stdout);
        assert!(ran.stdout.contains("uid=65532") && ran.stdout.contains("tmp_writable=true"), "{}", ran.stdout);
    }
    let podman = Podman::new();
    let pulled = podman.podman(&["pull", "--tls-verify=false", "--platform", "linux/arm64", &image]);
    assert_eq!(pulled.status, 0, "{}{}", pulled.stdout, pulled.stderr);
    let seen = podman.podman(&["image", "inspect", "--format", "{{.Architecture}} {{.User}}", &image]);
    assert_eq!(seen.stdout, "arm64 65532\n", "{}", seen.stderr);
}

#[test]
fn push_authenticates_by_token_and_basic() {
    let service = TokenService::start(TokenOptions::default());
    let options = TokenOptions::default();
    for registry in
        [DockerRegistry::with_tokens(&service), DockerRegistry::with_htpasswd(&options.user, &options.password)]
    {
        let project = Project::fixture("hello");
        let repository = registry.reference("acme/hello");
        let anonymous = project.push(&["--repository", &repository]).env("HOME", project.root().as_os_str());
        let words = anonymous.fails(1);
        assert!(words.contains("requires credentials; found none"), "{words}");
        assert!(words.contains("help: run `cargo oci login"), "{words}");
        let wrong = project.push(&["--repository", &repository]);
        let wrong = wrong.env("CARGO_OCI_REGISTRY_USERNAME", "robot").env("CARGO_OCI_REGISTRY_PASSWORD", "guessed");
        let words = wrong.fails(1);
        assert!(words.contains("rejects the credentials from CARGO_OCI_REGISTRY_USERNAME"), "{words}");
        assert!(!words.contains("guessed"), "{words}");
        let right = project.push(&["--repository", &repository]);
        let right = right.env("CARGO_OCI_REGISTRY_USERNAME", options.user.as_str());
        right.env("CARGO_OCI_REGISTRY_PASSWORD", options.password.as_str()).succeeds();
        assert_eq!(tagged(&registry, "acme/hello", "latest"), Some(digest(&project.layout())));
    }
}

/// `cargo oci push` where the name in the registry's certificate is that of this machine.
fn push_by_name(project: &Project, registry: &DockerRegistry, authority: bool) -> Ran {
    let port = registry.host().rsplit(':').next().expect("a port");
    let repository = format!("{TLS_NAME}:{port}/acme/hello");
    std::fs::write(project.path("hosts"), format!("127.0.0.1 localhost {TLS_NAME}\n")).expect("a file");
    let call = project.push(&[]);
    let call = if authority { call.env("SSL_CERT_FILE", registry.authority()) } else { call };
    let mut command = call.command("unshare");
    if !authority {
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    }
    command.args(["--mount", "sh", "-c", "mount --bind hosts /etc/hosts && exec \"$@\"", "sh"]);
    command.args(["cargo", "oci", "push", "--base", "embedded", "--repository", &repository]);
    crate::support::process::run(&mut command)
}

fn refused_by_certificate(area: &str, title: &str, project: &Project, registry: &DockerRegistry, ran: Ran) {
    let mut told = Snapshot::of(area);
    let port = registry.host().rsplit(':').next().expect("a port");
    told.writing(&project.root().display(), "ROOT");
    told.writing(&format!("{TLS_NAME}:{port}"), "REGISTRY");
    told.ran(title, &["push", "--base", "embedded", "--repository", "REGISTRY/acme/hello"], &ran, 1);
    told.check();
}

#[test]
fn private_certificate_authority_is_trusted_if_named() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::with_tls(2099);
    let ran = push_by_name(&project, &registry, true);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(registry.link("acme/hello", "latest"), Some(digest(&project.layout())));
    let ran = push_by_name(&project, &registry, false);
    refused_by_certificate("real/unknown-authority", "an unknown authority", &project, &registry, ran);
}

#[test]
fn expired_certificate_is_rejected() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::with_tls(2020);
    let ran = push_by_name(&project, &registry, true);
    refused_by_certificate("real/old-certificate", "a certificate that has ended", &project, &registry, ran);
    assert_eq!(registry.link("acme/hello", "latest"), None);
}
