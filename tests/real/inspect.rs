//! `cargo oci inspect` and `cargo oci validate` of images in a real registry, by us and by others.

use serde_json::{Value, json};

use crate::support::base::{BaseImage, WrittenBase};
use crate::support::container::skopeo;
use crate::support::project::Project;
use crate::support::registry::{DockerRegistry, sha256};
use crate::support::token_service::{TokenOptions, TokenService};
use crate::support::{digest, problems};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A folder, and a base in a registry as `static:nonroot`.
fn pushed(base: BaseImage) -> (Project, WrittenBase, DockerRegistry) {
    let project = Project::empty("x");
    let base = base.write(&project.path("base"));
    let registry = DockerRegistry::start();
    base.push_to(&registry, "static", "nonroot");
    (project, base, registry)
}

#[track_caller]
fn json_of(project: &Project, image: &str) -> Value {
    let ran = project.oci(&["inspect", "--json", image]).succeeds();
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn inspect_of_pushed_image_reads_no_layers() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    let base = BaseImage::new().write(&project.path("base"));
    base.push_to(&registry, "static", "nonroot");
    let (below, repository) = (registry.reference("static:nonroot"), registry.reference("acme/hello"));
    project.oci(&["push", "--base", &below, "--repository", &repository]).succeeds();
    let asked = registry.requests().len();
    let ran = project.oci(&["inspect", &format!("{repository}:latest")]).succeeds();
    let built = digest(&project.layout());
    assert!(ran.stdout.starts_with(&format!("{repository}:latest  ")), "{}", ran.stdout);
    let parts = [
        format!("\n{built}\n"),
        "├─ linux/amd64  ".to_owned(),
        "├─ linux/arm64/v8  ".to_owned(),
        "  cargo oci build (binaries)\n".to_owned(),
        format!("base  {below}\n│  │  {}\n", base.digest),
        "\n└─ attached\n".to_owned(),
    ];
    for part in &parts {
        assert!(ran.stdout.contains(part), "{part} is not in\n{}", ran.stdout);
    }
    assert_eq!(ran.stderr, "");
    let blobs = registry.requests().split_off(asked);
    let blobs: Vec<_> = blobs.iter().filter(|request| request.path.contains("/blobs/")).collect();
    assert_eq!(blobs.len(), 2, "one config a platform: {blobs:?}");
    // The same by its digest, and as it is in the layout.
    let pinned = json_of(&project, &format!("{repository}@{built}"));
    let local = json_of(&project, "oci:target/oci/hello:latest");
    assert_eq!((&pinned["images"][0]["tags"], &local["images"][0]["tags"]), (&json!([]), &json!(["latest"])));
    assert_eq!(pinned["images"][0]["manifests"], local["images"][0]["manifests"]);
    // The layers of the base are in the registry alone.
    let ran = project.oci(&["validate", &repository]).succeeds();
    assert!(
        ran.stdout.is_empty() && ran.stderr.contains(&format!("Validated {repository}:latest (")),
        "{}",
        ran.stderr
    );
}

#[test]
fn inspect_reads_images_copied_by_skopeo() {
    let (project, base, registry) = pushed(BaseImage::new().docker_types());
    let (from, to) = (format!("docker://{}", registry.reference("static:nonroot")), registry.reference("copy:v1"));
    let insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    for form in ["oci", "v2s2"] {
        skopeo(
            &[
                &["copy", "--format", form, "--override-arch", "amd64"],
                &insecure[..],
                &[&from, &format!("docker://{to}")],
            ]
            .concat(),
        );
        let all = json_of(&project, &to);
        let found = &all["images"][0]["manifests"][0];
        assert_eq!(found["platform"], "linux/amd64");
        let layers = found["layers"].as_array().expect("a list");
        let diff_ids: Vec<_> = layers.iter().filter_map(|layer| layer["diffId"].as_str()).collect();
        assert_eq!(diff_ids, base.platform("linux/amd64").diff_ids);
        assert_eq!(found["mediaType"].as_str().expect("a type").contains("docker"), form == "v2s2");
        project.oci(&["validate", &to]).succeeds();
    }
    for kind in ["oci", "oci-archive", "docker-archive"] {
        let path = project.path(kind);
        skopeo(&["copy", "--override-arch", "arm64", insecure[0], &from, &format!("{kind}:{}:x/y:v1", path.display())]);
        let ran = project.oci(&["inspect", &path.display().to_string()]).run();
        // Docker's own archive has no index of OCI's in it.
        assert_eq!(ran.status == 0, kind != "docker-archive", "{}", ran.stderr);
        assert!(ran.status == 1 || ran.stdout.contains("linux/arm64"), "{}", ran.stdout);
    }
    assert_eq!(problems(&project.path("oci")), []);
}

#[test]
fn referrers_tag_is_read_without_api() {
    let (project, base, registry) = pushed(BaseImage::new());
    let empty = registry.put_blob("static", b"{}");
    let content = registry.put_blob("static", b"an SBOM");
    let sbom = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/spdx+json",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2 },
        "layers": [{ "mediaType": "application/spdx+json", "digest": content, "size": 7 }],
        "subject": { "mediaType": INDEX, "digest": base.digest, "size": base.blob(&base.digest).len() },
    })
    .to_string();
    let of_sbom = sha256(sbom.as_bytes());
    registry.put_manifest("static", &of_sbom, MANIFEST, sbom.as_bytes());
    let entry = json!({ "mediaType": MANIFEST, "digest": of_sbom, "size": sbom.len() });
    let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] }).to_string();
    registry.put_manifest("static", &base.digest.replace(':', "-"), INDEX, list.as_bytes());
    let image = registry.reference("static:nonroot");
    let asked = registry.requests().len();
    let found = &json_of(&project, &image)["images"][0]["attached"];
    assert_eq!((&found[0]["digest"], &found[0]["artifactType"]), (&json!(of_sbom), &json!("application/spdx+json")));
    assert_eq!(found[0]["contents"][0]["size"], 7);
    let requests = registry.requests().split_off(asked);
    let of_api = requests.iter().filter(|request| request.path.contains("/referrers/")).count();
    assert_eq!(of_api, 1, "it is asked once for what it does not know: {requests:?}");
    let tree = project.oci(&["inspect", &image]).succeeds().stdout;
    assert!(
        tree.ends_with(&format!("└─ attached\n   └─ {}        7 B  application/spdx+json\n", &of_sbom[7..19])),
        "{tree}"
    );
}

#[test]
fn validate_names_corrupt_and_missing_registry_content() {
    let (project, base, registry) = pushed(BaseImage::new());
    let image = registry.reference("static:nonroot");
    let part = base.platform("linux/amd64");
    project.oci(&["validate", &image]).succeeds();
    registry.corrupt(&part.layers[0]);
    let ran = project.oci(&["validate", &image]).run();
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with(&format!("{}: its content has the digest sha256:", part.layers[0])),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    project.oci(&["inspect", &image]).succeeds();
    registry.corrupt(&part.config);
    let words = project.oci(&["inspect", &image]).fails(1);
    assert!(words.contains(&format!("cannot inspect {image}")) && words.contains(&part.config), "{words}");
    let words = project.oci(&["inspect", &registry.reference("static:other")]).fails(1);
    assert!(words.contains("has no tag other"), "{words}");
}

#[test]
fn inspect_uses_pull_credentials() {
    let service = TokenService::start(TokenOptions::default());
    let registry = DockerRegistry::with_tokens(&service);
    let project = Project::empty("x");
    BaseImage::new().write(&project.path("base")).push_to(&registry, "static", "nonroot");
    let ran = project.oci(&["inspect", &registry.reference("static:nonroot")]).succeeds();
    assert!(ran.stdout.contains("linux/arm/v7"), "{}", ran.stdout);
}
