//! Attachments that are many: `inspect` and `referrers` show some of them and say how many are left out, and `verify` fails.
//! Pages and redirects that lead in a circle end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::project::Project;
use crate::support::strict::answer::{Answer, Shape};
use crate::support::strict::http::{Body, Origin, Request, Server};
use crate::support::strict::single::image;
use crate::support::strict::tree::{TreeRegistry, TreeShape};

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What `inspect --json` or `referrers --json` says, and its warnings.
fn said(command: &str, registry: &TreeRegistry) -> (Value, String) {
    let project = Project::empty("x");
    let start = Instant::now();
    let ran = project.oci(&[command, "--json", &registry.image()]).succeeds();
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
    (serde_json::from_str(&ran.stdout).expect("JSON"), ran.stderr)
}

fn attached(value: &Value) -> &[Value] {
    value["attached"].as_array().expect("a list")
}

/// Counts what is attached to something, and to that, …
fn count(value: &Value) -> usize {
    attached(value).iter().map(|attached| 1 + count(attached)).sum()
}

#[test]
fn inspect_leaves_out_attachments_above_limit() {
    let shape = TreeShape { width: 40, depth: 4, ..TreeShape::default() };
    for (command, place) in [("inspect", "/images/0/manifests/0"), ("referrers", "/subjects/0")] {
        let registry = TreeRegistry::start(shape.clone());
        let (found, warnings) = said(command, &registry);
        let image = found.pointer(place).expect("an image");
        assert_eq!((attached(image).len(), count(image)), (40, 1_000));
        // Of the second level 640, and all of the third.
        assert_eq!(found["omitted"], 640 + 960 * 40);
        let warning = "attachments are left out, at least 39040: the limits are 1000 manifests and 64 MiB of them";
        assert!(warnings.contains(warning), "{warnings}");
        assert!(registry.requests() < 2_100, "{}", registry.requests());
    }
}

#[test]
fn inspect_reads_each_attachment_once() {
    let lying = TreeShape { width: 200, depth: 1, is_lying: true, ..TreeShape::default() };
    let registry = TreeRegistry::start(lying);
    let (found, warnings) = said("inspect", &registry);
    let image = &found["images"][0]["manifests"][0];
    assert_eq!((count(image), &found["omitted"], warnings.as_str()), (200, &Value::from(0), ""));
    assert!(registry.requests() < 410, "{}", registry.requests());
}

#[test]
fn attachments_are_read_in_parallel_in_order() {
    let latency = Duration::from_millis(5);
    let registry = TreeRegistry::start(TreeShape { width: 100, depth: 1, latency, ..TreeShape::default() });
    let (found, _) = said("referrers", &registry);
    let order = attached(&found["subjects"][0]).iter().map(|attached| attached["annotations"]["nth"].clone());
    assert_eq!(order.collect::<Vec<_>>(), (0..100).map(|nth| Value::from(nth.to_string())).collect::<Vec<_>>());
    assert!((4..=16).contains(&registry.most_at_once()), "{}", registry.most_at_once());
}

/// The error of `verify`, with a key that has signed nothing.
fn not_verified(shape: TreeShape) -> String {
    let project = Project::empty("x");
    project.oci(&["generate-key"]).env("COSIGN_PASSWORD", "").succeeds();
    let registry = TreeRegistry::start(shape);
    let start = Instant::now();
    let words = project.oci(&["verify", &registry.image(), "--key", "cosign.pub"]).fails(1);
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
    words
}

#[test]
fn verify_fails_above_limits() {
    let words = not_verified(TreeShape { width: 10_001, depth: 1, ..TreeShape::default() });
    assert!(words.contains("the list of what is attached to sha256:"), "{words}");
    assert!(words.contains("exceeds the limit of 10000 entries"), "{words}");
}

#[test]
fn verify_reads_what_is_attached_often_once() {
    let content = vec![b' '; 4 << 20];
    let sbom = Some(("application/vnd.cyclonedx+json", content));
    let words = not_verified(TreeShape { width: 80, depth: 1, content: sbom, ..TreeShape::default() });
    assert!(words.contains("no signature is attached to "), "{words}");
}

#[test]
fn inspect_counts_list_above_limit() {
    let registry = TreeRegistry::start(TreeShape { width: 10_001, depth: 1, ..TreeShape::default() });
    let (found, warnings) = said("inspect", &registry);
    assert_eq!((count(&found["images"][0]["manifests"][0]), &found["omitted"]), (0, &Value::from(1)));
    assert!(warnings.contains("attachments are left out, at least 1:"), "{warnings}");
}

#[test]
fn pages_in_a_circle_are_read_once() {
    for next_page in [
        |request: &Request| request.target.clone(),
        |request: &Request| {
            let other = if request.query("at").is_some() { "" } else { "?at=1" };
            format!("{}{other}", request.path())
        },
    ] {
        let next_page = Some(next_page as fn(&Request) -> String);
        let registry = TreeRegistry::start(TreeShape { width: 3, depth: 1, next_page, ..TreeShape::default() });
        let (found, _) = said("inspect", &registry);
        assert_eq!((count(&found["images"][0]["manifests"][0]), &found["omitted"]), (3, &Value::from(0)));
    }
    // Each page names another one.
    let next_page: fn(&Request) -> String = |request| {
        let at: usize = request.query("at").map_or(0, |at| at.parse().expect("a number"));
        format!("{}?at={}", request.path(), at + 1)
    };
    let words = not_verified(TreeShape { next_page: Some(next_page), ..TreeShape::default() });
    assert!(words.contains("exceeds the limit of 200 pages"), "{words}");
}

/// Redirects requests for some content to itself.
struct Circle(&'static str);

impl Origin for Circle {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        if request.path().contains(self.0) {
            return Answer::new(307).with("Location", request.target.clone());
        }
        image(request)
    }
}

#[test]
fn redirects_in_a_circle_are_an_error() {
    for part in ["/manifests/1", "/manifests/sha256:", "/blobs/"] {
        let server = Server::start(TcpListener::bind("127.0.0.1:0").expect("a port"), Arc::new(Circle(part)));
        let image = format!("{}/acme/x:1", server.address());
        let start = Instant::now();
        let words = Project::empty("x").oci(&["inspect", &image]).fails(1);
        assert!(words.contains("too many redirects"), "{part}: {words}");
        assert!(start.elapsed() < LIMIT, "{part}: it took {:?}", start.elapsed());
    }
}

/// A list of attachments that has no end.
struct EndlessList;

impl Origin for EndlessList {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        if request.path().contains("/referrers/") {
            return Answer::new(200).body(vec![b' '; 100_000]).shape(Shape::Endless(None));
        }
        image(request)
    }
}

#[test]
fn list_without_end_is_left_out() {
    let server = Server::start(TcpListener::bind("127.0.0.1:0").expect("a port"), Arc::new(EndlessList));
    let image = format!("{}/acme/x:1", server.address());
    let start = Instant::now();
    let warnings = Project::empty("x").oci(&["inspect", &image]).succeeds().stderr;
    assert!(warnings.contains("attachments are left out, at least 1:"), "{warnings}");
    let words = Project::empty("x").file("a", "a").oci(&["attach", &image, "a", "--artifact-type", "text/a"]).fails(1);
    assert!(words.contains("exceeds the limit of 4 MiB"), "{words}");
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
}
