//! `--message-format json`: what a program reads that called `cargo oci`.

use serde_json::Value;

use crate::support::base::BaseImage;
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;

/// Every line as an object with a reason.
#[track_caller]
fn objects(stdout: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let objects: Vec<Value> = stdout.lines().map(parse).collect();
    assert!(objects.iter().all(|object| object["reason"].is_string()), "{stdout}");
    objects
}

/// Those with this reason.
fn of<'a>(objects: &'a [Value], reason: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["reason"] == reason).collect()
}

#[test]
fn json_messages_cover_events_and_result() {
    let project = Project::new("x");
    let (from, to) = (DockerRegistry::start(), DockerRegistry::start());
    BaseImage::new().big(1).write(&project.path("base")).push_to(&from, "base", "1");
    let (base, repository) = (from.reference("base:1"), to.reference("x"));
    let build = ["build", "--base", &base, "--message-format", "json", "--metadata-file", "metadata.json"];
    let built = project.oci(&build).succeeds();
    let objects_of_build = objects(&built.stdout);
    let metadata = std::fs::read_to_string(project.path("metadata.json")).expect("a file");
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let mut finished = of(&objects_of_build, "finished")[0].clone();
    let fields = finished.as_object_mut().expect("an object");
    assert!(fields.remove("seconds").is_some_and(|seconds| seconds.is_f64()));
    fields.remove("reason");
    assert_eq!(finished, metadata["images"][0]);
    assert_eq!(of(&objects_of_build, "pulling").len(), 1);
    assert_eq!(of(&objects_of_build, "layered").len(), 2);
    let last = objects_of_build.last().expect("an object");
    assert_eq!((&last["reason"], &last["value"]), (&Value::from("result"), &finished["reference"]));
    // People are told the same as ever.
    let said = built.stderr;
    assert!(said.contains("     Pulling ") && said.contains("    Finished x for "), "{said}");

    let push = ["push", "--quiet", "--base", &base, "--repository", &repository];
    let pushed = project.oci(&[&push[..], &["--message-format", "json"]].concat()).succeeds();
    assert_eq!(pushed.stderr, "");
    let objects_of_push = objects(&pushed.stdout);
    assert_eq!(of(&objects_of_push, "pushed")[0]["to"], repository.as_str());
    let human = project.oci(&push).succeeds();
    assert_eq!(of(&objects_of_push, "result")[0]["value"], human.stdout.trim_end());
    for objects in [objects_of_build, objects_of_push] {
        let ids = |reason| of(&objects, reason).iter().map(|object| object["id"].as_u64()).collect::<Vec<_>>();
        let (mut begun, mut ended) = (ids("transfer-begun"), ids("transfer-ended"));
        begun.sort();
        ended.sort();
        assert!(!begun.is_empty() && begun == ended, "{begun:?} {ended:?}");
        assert!(of(&objects, "transfer-ended").iter().all(|ended| ended["done"] == ended["total"]), "{objects:?}");
        assert!(of(&objects, "request").is_empty(), "nobody asked for it");
    }
}

#[test]
fn json_output_of_failure_is_empty() {
    let project = Project::new("x").file("src/main.rs", "fn main() { let x: u32 = \"text\"; }\n");
    let args = ["--platform", "linux/amd64", "--message-format", "json"];
    let ran = project.build(&args).run();
    assert_eq!(ran.status, 101, "{}", ran.stderr);
    assert!(of(&objects(&ran.stdout), "result").is_empty(), "{}", ran.stdout);
    assert!(ran.stderr.contains("mismatched types"), "{}", ran.stderr);
}

#[test]
fn run_output_is_never_json() {
    let project = Project::new("x");
    let words = project.oci(&["run", "--message-format", "json"]).fails(2);
    assert!(words.contains("unexpected argument '--message-format'"), "{words}");
}
