//! To a registry: what is sent, what is not, and that the tag moves last.

use crate::support::base::BaseImage;
use crate::support::container::skopeo;
use crate::support::project::Project;
use crate::support::registry::{DockerRegistry, Request};
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
fn what_is_pushed_is_what_was_built_and_others_take_it() {
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
fn with_nothing_changed_one_request_goes_to_the_target_and_one_to_the_base() {
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
fn layers_of_a_base_in_the_same_registry_are_neither_fetched_nor_sent() {
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
fn layers_of_a_base_elsewhere_go_from_registry_to_registry() {
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
fn several_repositories_get_the_same_and_a_digest_needs_no_tag() {
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
fn one_platform_can_go_without_an_index() {
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
fn the_repository_is_the_flags_then_the_variables_then_the_tables() {
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
fn a_push_that_fails_leaves_the_tag_where_it_was() {
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
    assert!(words.contains(layer.as_str()) && words.contains("but the content is"), "{words}");
    assert_eq!(tagged(&registry, "hello", "latest"), before);
    assert!(registry.blob("hello", layer).is_none());
}

#[test]
fn the_layers_of_a_push_are_those_of_a_build() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    project.push(&["--repository", &registry.reference("hello")]).succeeds();
    let pushed = image(&project.layout(), "linux/amd64").0;
    project.build(&[]).succeeds();
    assert_eq!(image(&project.layout(), "linux/amd64").0, pushed);
}
