//! Bases from a real registry, with and without tokens, and from disk.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::base::{BaseImage, WrittenBase};
use crate::support::container::skopeo;
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;
use crate::support::token_service::{TokenField, TokenOptions, TokenService};
use crate::support::{blob, digest, document, image, problems};

/// A project, and a base that is in the project's folder `base` and in a registry.
fn pulled(base: BaseImage) -> (Project, WrittenBase, DockerRegistry) {
    let project = Project::fixture("hello");
    let base = base.write(&project.path("base"));
    let registry = DockerRegistry::start();
    base.push_to(&registry, "distroless/static", "nonroot");
    (project, base, registry)
}

fn digests(layers: &Value) -> Vec<&str> {
    layers.as_array().expect("layers").iter().map(|layer| layer["digest"].as_str().expect("a digest")).collect()
}

/// Asserts that the image's first layers are the base's, byte for byte, and that there is one more.
#[track_caller]
fn assert_over(layout: PathBuf, base: &WrittenBase, platform: &str) {
    assert_eq!(problems(&layout), []);
    let (manifest, config) = image(&layout, platform);
    let layers = digests(&manifest["layers"]);
    let (below, own) = layers.split_at(layers.len() - 1);
    let part = base.platform(platform);
    assert_eq!(below, part.layers);
    for layer in below {
        assert_eq!(std::fs::read(blob(&layout, layer)).expect("a blob"), base.blob(layer));
    }
    assert_eq!(own.len(), 1);
    let diff_ids = config["rootfs"]["diff_ids"].as_array().expect("diff_ids");
    let below: Vec<_> = diff_ids[..diff_ids.len() - 1].iter().filter_map(Value::as_str).collect();
    assert_eq!(below, part.diff_ids);
}

#[test]
fn base_layers_and_settings_are_inherited() {
    let (project, base, registry) = pulled(BaseImage::new());
    let reference = registry.reference("distroless/static:nonroot");
    let ran = project.oci(&["build", "--base", &reference]).succeeds();
    assert!(ran.stderr.contains(&format!("Pulling {reference}")), "{}", ran.stderr);
    for platform in ["linux/amd64", "linux/arm64/v8"] {
        assert_over(project.layout(), &base, platform);
        let (manifest, config) = image(&project.layout(), platform);
        let run = &config["config"];
        assert_eq!(run["User"], "65532");
        assert_eq!(run["WorkingDir"], "/home/nonroot");
        assert!(run["Env"].to_string().contains("SSL_CERT_FILE="), "{run}");
        assert_eq!(run["Entrypoint"], json!(["/app/hello"]));
        assert_eq!(run.get("Cmd"), None);
        assert!(run["Healthcheck"].is_object(), "{run}");
        assert!(run["Labels"]["com.example.kept"].is_string(), "{run}");
        assert_eq!(run["Labels"].get("org.opencontainers.image.source"), None);
        let annotations = &manifest["annotations"];
        assert_eq!(annotations["org.opencontainers.image.base.name"], reference.as_str());
        assert_eq!(annotations["org.opencontainers.image.base.digest"], base.digest.as_str());
    }
}

#[test]
fn updated_base_is_below_the_next_image() {
    let (project, old, registry) = pulled(BaseImage::new());
    let reference = registry.reference("distroless/static:nonroot");
    let table = format!("\n[package.metadata.oci]\nplatforms = [\"linux/amd64\"]\nbase = \"{reference}\"\n");
    let project = project.append("Cargo.toml", &table);
    project.oci(&["base", "pin"]).succeeds();
    let new = BaseImage::new().big(1).write(&project.path("newer"));
    new.push_to(&registry, "distroless/static", "nonroot");
    let built_over = |base: &WrittenBase| {
        project.oci(&["build"]).succeeds();
        assert_over(project.layout(), base, "linux/amd64");
        let (manifest, _) = image(&project.layout(), "linux/amd64");
        assert_eq!(manifest["annotations"]["org.opencontainers.image.base.digest"], base.digest.as_str());
    };
    built_over(&old);
    let checked = project.oci(&["base", "check", "--json"]).run();
    let json: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    let layers = &json["bases"][0]["changes"]["layers"];
    assert_eq!((checked.status, &layers["added"]), (1, &json!(1)), "{json}");
    assert!(layers["bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{json}");
    project.oci(&["base", "update"]).succeeds();
    assert_eq!(project.oci(&["base", "check"]).succeeds().stderr, "");
    built_over(&new);
}

#[test]
fn docker_base_becomes_oci_image() {
    let (project, base, registry) = pulled(BaseImage::new().docker_types());
    project.oci(&["build", "--base", &registry.reference("distroless/static:nonroot")]).succeeds();
    assert_over(project.layout(), &base, "linux/arm64/v8");
    let (manifest, _) = image(&project.layout(), "linux/amd64");
    assert!(!manifest.to_string().contains("docker"), "{manifest}");
    // What others make of it: every type must be one they know.
    let back = format!("oci:{}:x", project.path("copy").display());
    skopeo(&["copy", "--all", &format!("oci:{}:latest", project.layout().display()), &back]);
}

#[test]
fn platform_all_skips_attestations() {
    let (project, base, registry) = pulled(BaseImage::new().attestations());
    // Only two standard libraries are there: the third target is left to those who have it.
    let args =
        ["build", "--base", &registry.reference("distroless/static:nonroot"), "--platform", "linux/arm64,linux/amd64"];
    project.oci(&args).succeeds();
    let index = document(&project.layout(), &digest(&project.layout()));
    let architectures: Vec<_> = index["manifests"]
        .as_array()
        .expect("an index")
        .iter()
        .map(|entry| entry["platform"]["architecture"].as_str().unwrap_or_default())
        .collect();
    // In the order of all indexes.
    assert_eq!(architectures, ["amd64", "arm64"]);
    assert_over(project.layout(), &base, "linux/amd64");
}

#[test]
fn base_without_index_has_one_platform() {
    let (project, base, registry) = pulled(BaseImage::new().single("linux/amd64"));
    let reference = registry.reference("distroless/static:nonroot");
    project.oci(&["build", "--base", &reference, "--platform", "all"]).succeeds();
    assert_over(project.layout(), &base, "linux/amd64");
    let words = project.oci(&["build", "--base", &reference]).fails(1);
    assert!(words.contains("has no image for linux/arm64"), "{words}");
}

#[test]
fn base_tag_is_resolved_once_digest_never() {
    let (project, base, mut registry) = pulled(BaseImage::new());
    let tag = registry.reference("distroless/static:nonroot");
    project.oci(&["build", "--base", &tag]).succeeds();
    let before = registry.requests().len();
    project.oci(&["build", "--base", &tag]).succeeds();
    let requests = registry.requests().split_off(before);
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0].method, "HEAD");
    // What a digest names is in the cache, and nobody has to be asked.
    registry.stop();
    let pinned = format!("{tag}@{}", base.digest);
    project.oci(&["build", "--base", &pinned]).succeeds();
    assert_over(project.layout(), &base, "linux/amd64");
}

#[test]
fn corrupt_cached_blob_is_pulled_again() {
    let (project, base, registry) = pulled(BaseImage::new());
    let reference = registry.reference("distroless/static:nonroot");
    project.oci(&["build", "--base", &reference]).succeeds();
    let layer = &base.platform("linux/amd64").layers[1];
    let cached = project.root().with_file_name("cache").join("blobs").join(layer.replace(':', "/"));
    let size = std::fs::metadata(&cached).expect("a blob in the cache").len();
    std::fs::write(&cached, vec![0; usize::try_from(size).expect("a size")]).expect("corrupts");
    std::fs::remove_dir_all(project.path("target/oci")).expect("a layout");
    project.oci(&["build", "--base", &reference]).succeeds();
    assert_over(project.layout(), &base, "linux/amd64");
}

#[test]
fn token_field_has_either_name() {
    for field in [TokenField::Token, TokenField::AccessToken] {
        let service = TokenService::start(TokenOptions { field, ..TokenOptions::default() });
        let registry = DockerRegistry::with_tokens(&service);
        let project = Project::fixture("hello");
        let base = BaseImage::new().write(&project.path("base"));
        base.push_to(&registry, "distroless/static", "nonroot");
        let before = service.served();
        project.oci(&["build", "--base", &registry.reference("distroless/static:nonroot")]).succeeds();
        assert_over(project.layout(), &base, "linux/arm64/v8");
        // One token serves the whole run.
        assert_eq!(service.served() - before, 1);
        let asked = service.requests().pop().expect("a request");
        assert_eq!((asked.user, asked.scopes), (None, vec!["repository:distroless/static:pull".to_owned()]));
    }
}

#[test]
fn local_base_is_used_in_place() {
    let project = Project::fixture("hello");
    let base = BaseImage::new().write(&project.path("base"));
    project.oci(&["build", "--base", "oci:base:nonroot"]).succeeds();
    assert_over(project.layout(), &base, "linux/arm64/v8");
    let from_layout = digest(&project.layout());
    let archive = format!("oci-archive:{}:nonroot", project.path("base.tar").display());
    skopeo(&["copy", "--all", "--preserve-digests", &format!("oci:{}:nonroot", base.folder.display()), &archive]);
    project.oci(&["build", "--base", "oci-archive:base.tar"]).succeeds();
    assert_eq!(digest(&project.layout()), from_layout);
}

#[test]
fn base_path_is_relative_to_the_package() {
    let project = Project::with_table("base = \"oci:base\"\nplatforms = [\"linux/amd64\"]")
        .file("src/bin/y.rs", "fn main() {}\n");
    let base = BaseImage::new().write(&project.path("base"));
    project.oci(&["build"]).within("src/bin").succeeds();
    assert_over(project.layout(), &base, "linux/amd64");
}

/// Every content of a base that an image for two platforms is made of.
fn contents(base: &WrittenBase) -> Vec<String> {
    let parts = ["linux/amd64", "linux/arm64/v8"].map(|platform| base.platform(platform));
    let mut all: Vec<_> = parts
        .iter()
        .flat_map(|part| part.layers.iter().chain([&part.manifest, &part.config]))
        .chain([&base.digest])
        .cloned()
        .collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn corrupt_registry_content_never_enters_an_image() {
    let project = Project::fixture("hello");
    let base = BaseImage::new().write(&project.path("base"));
    let good = DockerRegistry::start();
    base.push_to(&good, "static", "nonroot");
    let reference = |registry: &DockerRegistry| format!("{}@{}", registry.reference("static"), base.digest);
    for digest in contents(&base) {
        let registry = DockerRegistry::start();
        base.push_to(&registry, "static", "nonroot");
        registry.corrupt(&digest);
        let cache = tempfile::tempdir().expect("a folder");
        let build = project.oci(&["build", "--base", &reference(&registry)]);
        let words = build.env("CARGO_OCI_CACHE_DIR", cache.path().as_os_str()).fails(1);
        assert!(words.contains("cannot use the base"), "{digest}: {words}");
        assert!(!project.layout().exists(), "{digest}");
    }
    project.oci(&["build", "--base", &reference(&good)]).succeeds();
    assert_over(project.layout(), &base, "linux/amd64");
}

#[test]
fn corrupt_cache_entries_are_pulled_again() {
    let (project, base, registry) = pulled(BaseImage::new());
    let reference = registry.reference("distroless/static:nonroot");
    project.oci(&["build", "--base", &reference]).succeeds();
    let right = digest(&project.layout());
    for content in contents(&base) {
        let path = project.root().with_file_name("cache").join("blobs").join(content.replace(':', "/"));
        let mut bytes = std::fs::read(&path).expect("a blob in the cache");
        bytes[0] ^= 1;
        std::fs::write(&path, bytes).expect("corrupts");
        std::fs::remove_dir_all(project.path("target/oci")).expect("a layout");
        project.oci(&["build", "--base", &reference]).succeeds();
        assert_eq!(digest(&project.layout()), right, "{content}");
        assert_eq!(problems(&project.layout()), []);
    }
}

#[test]
fn base_settings_can_be_overridden_or_removed() {
    let (project, _base, registry) = pulled(BaseImage::new());
    let key = |name: &str| format!("org.opencontainers.image.{name}");
    let [name, digest, title] = [key("base.name"), key("base.digest"), key("title")];
    let table = format!(
        "[package.metadata.oci]\nannotations = {{ \"{name}\" = false, \"{title}\" = \"Mine\" }}\n\
         labels = {{ \"{digest}\" = false, \"com.example.kept\" = false }}\n"
    );
    let project = project.append("Cargo.toml", &table);
    project.oci(&["build", "--base", &registry.reference("distroless/static:nonroot")]).succeeds();
    let (manifest, config) = image(&project.layout(), "linux/amd64");
    let (annotations, labels) = (&manifest["annotations"], &config["config"]["Labels"]);
    assert_eq!((annotations.get(&name), annotations[&title].as_str()), (None, Some("Mine")));
    assert!(annotations[&digest].is_string() && labels[&name].is_string(), "{annotations} {labels}");
    assert_eq!((labels.get(&digest), labels[&title].as_str()), (None, Some("hello")));
    // A label of the base's own goes in the same way.
    assert_eq!(labels.get("com.example.kept"), None);
}
