//! `cargo oci registry prune`: what nothing in a repository needs any more.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::snapshots::{AMD64, elf};
use crate::support::project::{Call, Project};
use crate::support::strict::answer::Answer;
use crate::support::strict::http::{Body, Origin, Request, Server};
use crate::support::strict::referrers::Attaching;
use crate::support::strict::{Behaviour, StrictRegistry};

const REPOSITORY: &str = "acme/x";
/// 2026-01-01.
const UPLOADED: u64 = 1_767_225_600;

/// A package with programs for two platforms.
fn project() -> Project {
    let project = Project::new("x");
    for (name, machine) in [("amd64", AMD64), ("arm64", 183)] {
        std::fs::write(project.path(name), elf(machine)).expect("a file");
    }
    project
}

fn push(project: &Project, registry: &StrictRegistry, label: &str, more: &[&str]) -> String {
    let programs =
        ["--platform", "linux/amd64,linux/arm64", "--prebuilt=linux/amd64=amd64", "--prebuilt=linux/arm64=arm64"];
    let (repository, label) = (registry.reference(REPOSITORY), format!("round={label}"));
    let args = [&["--repository", &repository, "--label", &label][..], &programs, more].concat();
    project.push(&args).succeeds().stdout.trim().rsplit_once('@').expect("a digest").1.to_owned()
}

fn prune(project: &Project, registry: &StrictRegistry, args: &[&str]) -> Call {
    let repository = registry.reference(REPOSITORY);
    project.oci(&[&["registry", "prune", &repository], args].concat()).env("CARGO_OCI_TODAY", "2026-02-01")
}

fn unneeded(call: &Call) -> Vec<String> {
    let found: Value = serde_json::from_str(&call.succeeds().stdout).expect("JSON");
    let all = found["unneeded"].as_array().expect("a list").iter();
    all.map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}

fn manifests(registry: &StrictRegistry) -> Vec<String> {
    registry.repository(REPOSITORY).manifests.into_keys().collect()
}

#[test]
fn prune_deletes_untagged_images_and_what_is_attached() {
    let project = project();
    let (uploaded, attaching) = (Some(UPLOADED), Attaching::Api);
    let registry = StrictRegistry::start(Behaviour { uploaded, attaching, deletes: true, ..Behaviour::default() });
    push(&project, &registry, "one", &[]);
    let before = manifests(&registry);
    push(&project, &registry, "two", &[]);
    let third = push(&project, &registry, "three", &["--by-digest"]);
    // An index for one platform, of which the image is needed by what is tagged.
    let part = project.oci(&["index", &registry.reference("acme/x:part"), &registry.reference("acme/x:latest")]);
    part.succeeds();
    let listed = prune(&project, &registry, &["--untagged"]).succeeds();
    assert!(listed.stdout.contains("  index for linux/amd64, linux/arm64/v8\n"), "{}", listed.stdout);
    assert!(listed.stderr.contains("`--delete` deletes them"), "{}", listed.stderr);
    let all = unneeded(&prune(&project, &registry, &["--untagged", "--json"]));
    // The first and the third image, with SBOM and provenance of index and images.
    assert_eq!(all.len(), 2 * before.len(), "{}", listed.stdout);
    assert!(before.iter().all(|digest| all.contains(digest)) && all.contains(&third));
    // What is young, or one of so many, is kept with all that it needs.
    assert_eq!(unneeded(&prune(&project, &registry, &["--untagged", "--older-than", "5w", "--json"])).len(), 0);
    assert_eq!(unneeded(&prune(&project, &registry, &["--untagged", "--keep", "1", "--json"])).len(), before.len());
    assert_eq!(unneeded(&prune(&project, &registry, &["--json"])).len(), 0);
    let young = prune(&project, &registry, &["--untagged", "--older-than", "0", "--json"]);
    assert_eq!(unneeded(&young.env("CARGO_OCI_TODAY", "2026-01-01")).len(), 0);
    let deleted = prune(&project, &registry, &["--untagged", "--delete"]).succeeds();
    assert!(deleted.stderr.contains("Deleted"), "{}", deleted.stderr);
    let left = manifests(&registry);
    assert!(all.iter().all(|digest| !left.contains(digest)));
    project.oci(&["validate", &registry.reference("acme/x:latest")]).succeeds();
    assert_eq!(unneeded(&prune(&project, &registry, &["--untagged", "--json"])).len(), 0);
    assert_eq!(registry.violations(), [""; 0]);
}

#[test]
fn prune_deletes_lists_of_images_that_are_gone() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour { deletes: true, ..Behaviour::default() });
    push(&project, &registry, "one", &["--tag", "a", "--tag", "b"]);
    let first = registry.tag(REPOSITORY, "a").expect("a tag");
    push(&project, &registry, "two", &["--tag", "c"]);
    let words = prune(&project, &registry, &["--untagged"]).fails(1);
    assert!(words.contains("does not say which images have no tag"), "{words}");
    assert_eq!(unneeded(&prune(&project, &registry, &["--json"])).len(), 0);
    registry.remove_manifest(REPOSITORY, &first);
    // Nobody knows how old the list is: it may belong to an image that is pushed just now.
    assert_eq!(unneeded(&prune(&project, &registry, &["--older-than", "1d", "--delete", "--json"])).len(), 0);
    let later =
        prune(&project, &registry, &["--older-than", "1d", "--delete", "--json"]).env("CARGO_OCI_TODAY", "2026-02-02");
    assert_eq!(unneeded(&later).len(), 1);
    let tags = registry.repository(REPOSITORY).tags;
    assert!(!tags.contains_key(&first.replace(':', "-")), "{tags:?}");
    project.oci(&["validate", &registry.reference("acme/x:c")]).succeeds();
    let sboms = project.oci(&["referrers", &registry.reference("acme/x:c")]).succeeds().stdout;
    assert!(sboms.contains("cyclonedx"), "{sboms}");
}

#[test]
fn registry_that_forbids_deletes_is_named() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour { uploaded: Some(UPLOADED), ..Behaviour::default() });
    push(&project, &registry, "one", &["--by-digest"]);
    let words = prune(&project, &registry, &["--untagged", "--delete"]).fails(1);
    assert!(words.contains("cannot delete sha256:") && words.contains("storage.delete.enabled"), "{words}");
    for (wrong, why) in [("acme/x:latest", "without a tag"), ("acme/x@sha256:00", "without a tag")] {
        let words = project.oci(&["registry", "prune", &registry.reference(wrong)]).fails(2);
        assert!(words.contains(why), "{words}");
    }
    let nothing = registry.reference("acme/nothing");
    let words = project.oci(&["registry", "prune", &nothing]).fails(1);
    assert!(words.contains(&format!("cannot list what is in {nothing}")), "{words}");
}

/// GitHub's API for the packages of one registry, as its documentation of 2026 has it: pages of one version.
struct Packages {
    registry: Arc<StrictRegistry>,
    log: Mutex<Vec<String>>,
}

impl Origin for Packages {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        let authorization = request.header("authorization").unwrap_or_default();
        self.log.lock().expect("a log").push(format!("{} {} {authorization}", request.method, request.target));
        // The owner is a user.
        let Some(rest) = request.path().strip_prefix("/api/users/acme/packages/container/x/versions") else {
            return Answer::new(404).body(b"{\"message\":\"Not Found\"}".to_vec());
        };
        let repository = self.registry.repository(REPOSITORY);
        let number = |digest: &str| u64::from_str_radix(&digest[7..15], 16).expect("a number");
        let mut digests: Vec<_> = repository.manifests.keys().cloned().collect();
        digests.sort_by_key(|digest| number(digest));
        if request.method == "DELETE" {
            let wanted = rest.trim_start_matches('/');
            let found = digests.iter().find(|digest| number(digest).to_string() == wanted);
            if let Some(digest) = found {
                self.registry.remove_manifest(REPOSITORY, digest);
            }
            return Answer::new(if found.is_some() { 204 } else { 404 });
        }
        let page: usize = request.query("page").and_then(|page| page.parse().ok()).unwrap_or(1);
        let versions = digests.iter().skip(page - 1).take(1).map(|digest| {
            let tags: Vec<_> = repository.tags.iter().filter(|(_, of)| *of == digest).map(|(tag, _)| tag).collect();
            let metadata = json!({ "package_type": "container", "container": { "tags": tags } });
            let time = "2026-01-01T00:00:00Z";
            json!({ "id": number(digest), "name": digest, "created_at": time, "updated_at": time, "metadata": metadata })
        });
        let answer = Answer::new(200).with("Content-Type", "application/json");
        let answer = answer.body(json!(versions.collect::<Vec<_>>()).to_string().into_bytes());
        if page >= digests.len() {
            return answer;
        }
        answer.with("Link", format!("<{}?per_page=100&page={}>; rel=\"next\"", request.path(), page + 1))
    }
}

#[test]
fn github_deletes_what_no_tag_needs() {
    let project = project();
    let registry = Arc::new(StrictRegistry::start(Behaviour { attaching: Attaching::Api, ..Behaviour::default() }));
    push(&project, &registry, "one", &[]);
    let before = manifests(&registry);
    push(&project, &registry, "two", &[]);
    let packages = Arc::new(Packages { registry: Arc::clone(&registry), log: Mutex::default() });
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = Server::start(listener, Arc::clone(&packages) as Arc<dyn Origin>);
    let call = |args: &[&str]| {
        let call = prune(&project, &registry, args).env("GITHUB_API_URL", format!("http://{}/api/", server.address()));
        call.env("CARGO_OCI_REGISTRY_USERNAME", "acme").env("CARGO_OCI_REGISTRY_PASSWORD", "sesame")
    };
    let found = unneeded(&call(&["--untagged", "--json"]));
    assert_eq!(found.len(), before.len());
    assert!(before.iter().all(|digest| found.contains(digest)));
    let ran = call(&["--untagged", "--delete", "-v"]).succeeds();
    assert!(!ran.stderr.contains("sesame"), "{}", ran.stderr);
    assert!(found.iter().all(|digest| !manifests(&registry).contains(digest)));
    project.oci(&["validate", &registry.reference("acme/x:latest")]).succeeds();
    let log = packages.log.lock().expect("a log");
    assert!(
        log[0].starts_with("GET /api/orgs/acme/packages/container/x/versions?per_page=100 Bearer sesame"),
        "{log:?}"
    );
    assert!(log.iter().any(|line| line.starts_with("DELETE /api/users/acme/")), "{log:?}");
}
