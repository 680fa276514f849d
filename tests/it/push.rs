//! `cargo oci push` to registries that differ: what is left out where artifacts are refused, in which order tags move, and how
//! many requests there are.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::snapshots::{AMD64, elf};
use crate::support::base::BaseImage;
use crate::support::process::Ran;
use crate::support::project::{Call, Project};
use crate::support::strict::faults::{Fault, Planned, Point};
use crate::support::strict::referrers::{Attaching, rivals};
use crate::support::strict::tags::{Dashed, Immutable};
use crate::support::strict::{Behaviour, StrictRegistry};

const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const REPOSITORY: &str = "acme/x";

/// A package whose program was compiled elsewhere, so that nothing is compiled here.
fn project() -> Project {
    let project = Project::new("x");
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    project
}

fn push(project: &Project, registry: &StrictRegistry, more: &[&str]) -> Call {
    let repository = registry.reference(REPOSITORY);
    let args = ["push", "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
    project.oci(&[&args[..], &["--repository", &repository], more].concat())
}

/// The artifact types of what is attached to the index and to its image.
fn attached(project: &Project, registry: &StrictRegistry) -> Vec<Vec<String>> {
    let Ran { stdout, .. } = project.oci(&["referrers", "--json", &registry.reference("acme/x:latest")]).succeeds();
    let found: Value = serde_json::from_str(&stdout).expect("JSON");
    let types = |subject: &Value| {
        let all = subject["attached"].as_array().expect("a list").iter();
        let mut types: Vec<_> = all.map(|one| one["artifactType"].as_str().expect("a type").to_owned()).collect();
        types.sort();
        types
    };
    found["subjects"].as_array().expect("subjects").iter().map(types).collect()
}

fn tag(registry: &StrictRegistry, tag: &str) -> Option<String> {
    registry.tag(REPOSITORY, tag)
}

/// The last parts of the targets of PUTs of manifests, in the order that they came.
fn puts(registry: &StrictRegistry) -> Vec<String> {
    let log = registry.log();
    let targets = log.lines().filter_map(|line| line.split_once(" PUT ")?.1.split(' ').next());
    targets.filter_map(|target| Some(target.rsplit_once("/manifests/")?.1.to_owned())).collect()
}

/// The requests since a count, as method and the last part of the target.
fn since(registry: &StrictRegistry, count: usize) -> Vec<String> {
    let log = registry.log();
    let lines = log.lines().filter_map(|line| line.split_once(" registry "));
    let requests = lines.map(|(_, request)| {
        let (method, rest) = request.split_once(' ').unwrap_or_default();
        let target = rest.split([' ', '?']).next().unwrap_or_default();
        format!("{method} {}", target.rsplit('/').next().unwrap_or_default())
    });
    requests.skip(count).collect()
}

#[test]
fn push_takes_repository_and_tag_as_argument() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    let args = ["push", "--base", "embedded", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
    let whole = registry.reference("acme/x:v1");
    let pushed = project.oci(&[&args[..], &[&whole, "--tag", "v2"]].concat()).succeeds().stdout;
    assert!(pushed.starts_with(&registry.reference("acme/x@sha256:")), "{pushed}");
    assert!(tag(&registry, "v1").is_some() && tag(&registry, "v1") == tag(&registry, "v2"));
    assert_eq!(tag(&registry, "latest"), None);
    // Without a tag, the key `tags` counts.
    project.oci(&[&args[..], &[&registry.reference("acme/{name}")]].concat()).succeeds();
    assert_eq!(tag(&registry, "latest"), tag(&registry, "v1"));
}

#[test]
fn dry_run_shows_what_a_push_sends() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    let dry = |more: &[&str]| push(&project, &registry, &[&["--dry-run"], more].concat()).succeeds().stdout;
    let shown = dry(&["--tag", "v1"]);
    let requests = since(&registry, 0);
    let is_read = |request: &String| request.starts_with("GET ") || request.starts_with("HEAD ");
    assert!(!requests.is_empty() && requests.iter().all(is_read), "{requests:?}");
    assert!(shown.starts_with(&format!("{}@sha256:", registry.reference(REPOSITORY))), "{shown}");
    let count = |what: &str| shown.lines().filter(|line| line.starts_with(what)).count();
    assert_eq!((count("  tag     v1: new"), count("  exists"), count("  mount")), (1, 0, 0), "{shown}");
    for part in ["  layer linux/amd64", "  config linux/amd64", "  manifest linux/amd64", CYCLONEDX, IN_TOTO, "  index"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let sent = count("  send");
    assert!(shown.lines().last().is_some_and(|line| line.contains(&format!("{sent} of {sent} to send"))), "{shown}");
    // The push agrees.
    push(&project, &registry, &["--tag", "v1"]).succeeds();
    let after = dry(&["--tag", "v1,v2"]);
    assert!(after.contains("  tag     v1: unchanged\n  tag     v2: new\n"), "{after}");
    assert!(after.contains(&format!("\n  0 of {sent} to send, 0 B\n")), "{after}");
    let moved = dry(&["--tag", "v1", "--label", "a=b", "--message-format", "json"]);
    let last: Value = serde_json::from_str(moved.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["reason"], "planned-push");
    assert_eq!(last["tags"][0]["before"].as_str(), tag(&registry, "v1").as_deref());
    assert!(last["content"].as_array().expect("a list").iter().any(|part| part["transfer"] == "exists"));
}

#[test]
fn debug_tag_pushes_the_twin_beside_the_image() {
    let project =
        project().append("Cargo.toml", "\n[package.metadata.oci]\ndebug-base = \"oci:debug\"\nmax-size = \"1MiB\"\n");
    BaseImage::new().big(2).write(&project.path("debug"));
    let registry = StrictRegistry::start(Behaviour::default());
    let pushed = push(&project, &registry, &["--tag", "v1,v2"]).succeeds().stdout;
    let image = tag(&registry, "v1").expect("a tag");
    // The twin may be larger than the image, and its tag moves first. stdout has the image alone.
    assert_eq!(push(&project, &registry, &["--tag", "v1,v2", "--debug-tag"]).succeeds().stdout, pushed);
    let twin = tag(&registry, "v1-debug").expect("a tag");
    assert_eq!((tag(&registry, "v1"), tag(&registry, "v2-debug")), (Some(image.clone()), Some(twin.clone())));
    assert_ne!(image, twin);
    push(&project, &registry, &["--tag", "v3", "--debug-tag=debug", "--label", "a=b"]).succeeds();
    let names: Vec<_> = puts(&registry).into_iter().filter(|name| !name.starts_with("sha256")).collect();
    assert_eq!(names.last_chunk::<2>().map(|names| names.each_ref().map(String::as_str)), Some(["debug", "v3"]));
    let shown = push(&project, &registry, &["--dry-run", "--tag", "v1", "--debug-tag"]).succeeds().stdout;
    assert!(shown.contains("  tag     v1: ") && shown.contains("  tag     v1-debug: "), "{shown}");
    let words = push(&project, &registry, &["--tag", "v1", "--debug-tag=v1"]).fails(1);
    assert!(words.contains("the debug twin of x cannot have the tag v1: the image has it"), "{words}");
    push(&project, &registry, &["--by-digest", "--debug-tag"]).fails(2);
}

#[test]
fn list_is_not_read_from_the_image_itself() {
    let project = project();
    for attaching in [Attaching::Tags, Attaching::Rivals(1)] {
        let dashed = Dashed::TagOrDigest;
        let registry = StrictRegistry::start(Behaviour { attaching, dashed, ..Behaviour::default() });
        registry.put_manifest(REPOSITORY, "x", &rivals(), None);
        for _ in 0..2 {
            let ran = push(&project, &registry, &[]).succeeds();
            assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        }
        for types in attached(&project, &registry) {
            assert_eq!(types.iter().filter(|one| [CYCLONEDX, IN_TOTO].contains(&one.as_str())).count(), 2, "{types:?}");
        }
        assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
    }
}

#[test]
fn image_is_pushed_where_no_list_is_kept() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour { dashed: Dashed::Digest, ..Behaviour::default() });
    let ran = push(&project, &registry, &[]).succeeds();
    assert!(ran.stderr.contains("was pushed without its attachments of the type"), "{}", ran.stderr);
    assert!(ran.stderr.contains("returns the image itself in place of the list"), "{}", ran.stderr);
    assert_eq!(tag(&registry, "latest"), Some(crate::support::digest(&project.layout())));
    assert_eq!(attached(&project, &registry), [Vec::<String>::new(), Vec::new()]);
    let before = registry.requests();
    let again = push(&project, &registry, &[]).succeeds();
    assert_eq!(since(&registry, before), ["HEAD latest"]);
    assert!(again.stderr.contains("was pushed without its attachments of the type"), "{}", again.stderr);
    let words = push(&project, &registry, &["--sbom", "spdx", "--tag", "v1"]).fails(1);
    assert!(words.contains("does not accept attachments of the type application/spdx+json"), "{words}");
    assert!(words.contains("no tag has been moved"), "{words}");
    assert_eq!(tag(&registry, "v1"), None);
    assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
}

#[test]
fn refused_types_are_left_out_with_a_warning() {
    let project = project();
    for attaching in [Attaching::Tags, Attaching::Api, Attaching::ApiForWhatIsThere] {
        let types = Some(&[IN_TOTO][..]);
        let registry = StrictRegistry::start(Behaviour { attaching, types, ..Behaviour::default() });
        let ran = push(&project, &registry, &[]).succeeds();
        let warning = format!("was pushed without its attachments of the type {CYCLONEDX}: 400");
        assert_eq!(ran.stderr.matches(&warning).count(), 1, "{}", ran.stderr);
        assert!(!ran.stderr.contains("type application/vnd.in-toto"), "{}", ran.stderr);
        assert_eq!(attached(&project, &registry), [[IN_TOTO], [IN_TOTO]]);
        for more in [&["--sbom", "spdx"][..], &["--provenance", "true", "--sbom", "cyclonedx"]] {
            let words = push(&project, &registry, &[more, &["--tag", "v1"]].concat()).fails(1);
            assert!(
                words.contains("does not accept attachments of the type") && words.contains("no tag has been moved")
            );
            assert_eq!(tag(&registry, "v1"), None, "{words}");
        }
        // What is in the table is no demand.
        push(&project, &registry, &["--provenance", "true"]).succeeds();
        assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
    }
    let registry = StrictRegistry::start(Behaviour { attaching: Attaching::Refused, ..Behaviour::default() });
    let ran = push(&project, &registry, &[]).succeeds();
    assert_eq!(ran.stderr.matches("warning: ").count(), 2, "{}", ran.stderr);
    let words = push(&project, &registry, &["--provenance", "true", "--tag", "v1"]).fails(1);
    assert!(words.contains(IN_TOTO), "{words}");
    assert_eq!((tag(&registry, "latest").is_some(), tag(&registry, "v1")), (true, None));
}

#[test]
fn spdx_is_attached_as_text_where_required() {
    let project = project();
    for attaching in [Attaching::Tags, Attaching::Api, Attaching::ApiForWhatIsThere] {
        let types = Some(&[IN_TOTO, "text/spdx+json"][..]);
        let registry = StrictRegistry::start(Behaviour { attaching, types, ..Behaviour::default() });
        let ran = push(&project, &registry, &["--sbom", "spdx"]).succeeds();
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        let expected = [IN_TOTO, "text/spdx+json"];
        assert_eq!(attached(&project, &registry), [expected, expected]);
        let image = registry.reference("acme/x:latest");
        let sbom = project.oci(&["sbom", "--from", &image]).succeeds().stdout;
        assert!(sbom.contains("\"spdxVersion\""), "{sbom}");
        let before = registry.requests();
        push(&project, &registry, &["--sbom", "spdx"]).succeeds();
        assert_eq!(since(&registry, before), ["HEAD latest"], "it is remembered");
        assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
    }
}

#[test]
fn list_that_is_read_late_is_waited_for() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour { stale_reads: 2, ..Behaviour::default() });
    let ran = push(&project, &registry, &["--sbom", "cyclonedx"]).succeeds();
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    let lists = puts(&registry).iter().filter(|name| name.starts_with("sha256-")).count();
    assert_eq!(lists, 2, "no list is written again: {:?}", puts(&registry));
    assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
}

#[test]
fn tags_that_exist_move_first_in_order() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    let tags = ["--tag", "n1,e2,n2,e1"];
    let other = push(&project, &registry, &["--label", "a=b", "--tag", "e1,e2"]).succeeds();
    let before = puts(&registry).len();
    push(&project, &registry, &tags).succeeds();
    let moved: Vec<_> = puts(&registry).split_off(before).into_iter().filter(|name| name.len() == 2).collect();
    assert_eq!(moved[..2], ["e2", "e1"], "{other:?}");
    assert_eq!(moved.len(), 4);
    assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
}

#[test]
fn tag_moves_after_everything_else() {
    let project = project();
    for attaching in [Attaching::Tags, Attaching::Api, Attaching::ApiForWhatIsThere] {
        let registry = StrictRegistry::start(Behaviour { attaching, ..Behaviour::default() });
        push(&project, &registry, &[]).succeeds();
        assert_eq!(puts(&registry).last().map(String::as_str), Some("latest"), "{}", registry.log());
        let digest = tag(&registry, "latest").expect("a tag");
        let is_twice = puts(&registry).contains(&digest);
        assert_eq!(is_twice, attaching == Attaching::ApiForWhatIsThere, "the index is sent once");
        assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
    }
}

#[test]
fn immutable_tags_are_named_as_such() {
    let project = project();
    for whose in Immutable::ALL {
        let registry = StrictRegistry::start(Behaviour { immutable: Some(whose), ..Behaviour::default() });
        push(&project, &registry, &["--label", "a=b", "--tag", "v1"]).succeeds();
        let before = tag(&registry, "v1").expect("a tag");
        let words = push(&project, &registry, &["--tag", "latest,v1"]).fails(1);
        let is_named = words.contains(&format!("cannot move the tag v1: it is immutable, and names {before}"));
        assert_eq!(is_named, whose != Immutable::Unnamed, "{whose:?}: {words}");
        assert!(words.contains("cannot move the tag v1"), "{whose:?}: {words}");
        assert!(!is_named || words.contains("help: push another tag with `--tag`"), "{whose:?}: {words}");
        assert_eq!((tag(&registry, "v1"), tag(&registry, "latest")), (Some(before), None), "{whose:?}");
        // The same image again is no move.
        push(&project, &registry, &["--label", "a=b", "--tag", "v1"]).succeeds();
        assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
    }
}

#[test]
fn failure_names_the_tags_that_moved() {
    let project = project();
    let content = Some("e2".to_owned());
    let faults = vec![Planned { fault: Fault::Refused, point: Point::PutManifest, content, times: None }];
    let registry = StrictRegistry::start(Behaviour { faults, ..Behaviour::default() });
    for tag in ["e1", "e2"] {
        registry.put_manifest(REPOSITORY, "application/vnd.oci.image.manifest.v1+json", &rivals(), Some(tag));
    }
    let other = tag(&registry, "e2");
    let words = push(&project, &registry, &["--tag", "n1,e1,e2"]).fails(1);
    assert!(words.contains("cannot move the tag e2; moved before it: e1"), "{words}");
    assert_eq!((tag(&registry, "n1"), tag(&registry, "e2")), (None, other));
    assert_eq!(tag(&registry, "e1"), Some(crate::support::digest(&project.layout())));
}

#[test]
fn new_tag_costs_three_requests() {
    let project = project();
    let registry = StrictRegistry::start(Behaviour::default());
    push(&project, &registry, &[]).succeeds();
    let digest = tag(&registry, "latest").expect("a tag");
    let before = registry.requests();
    push(&project, &registry, &["--tag", "v1"]).succeeds();
    assert_eq!(tag(&registry, "v1"), Some(digest.clone()));
    assert_eq!(since(&registry, before), ["HEAD v1".to_owned(), format!("HEAD {digest}"), "PUT v1".to_owned()]);
    let before = registry.requests();
    push(&project, &registry, &["--tag", "v1"]).succeeds();
    assert_eq!(since(&registry, before), ["HEAD v1"]);
    // Another machine does not know what is attached, and asks.
    fs::remove_dir_all(project.cache()).expect("a cache");
    fs::remove_dir_all(project.layout()).expect("a layout");
    let before = registry.requests();
    push(&project, &registry, &["--tag", "v2"]).succeeds();
    assert!(registry.requests() - before <= 8, "{:?}", since(&registry, before));
    assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
}

#[test]
fn new_image_is_pushed_in_few_round_trips() {
    let project = project();
    let latency = Duration::from_millis(100);
    let registry = StrictRegistry::start(Behaviour { attaching: Attaching::Api, latency, ..Behaviour::default() });
    push(&project, &registry, &[]).succeeds();
    let heads = since(&registry, 0).iter().filter(|request| request.starts_with("HEAD")).count();
    assert!(heads <= 6, "the tag, the index and the base's layers: {:?}", since(&registry, 0));
    assert_eq!(registry.violations(), [""; 0], "{}", registry.log());
}
