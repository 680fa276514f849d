//! Several runs attach to the same image at once, in a registry without the referrers API: each reads the list of referrers
//! and writes it again, and none of them may be lost.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use cargo_oci::commands::{self, Cli};
use cargo_oci::context::GlobalContext;
use cargo_oci::environment::Environment;
use cargo_oci::event::Question;
use clap::Parser;
use serde_json::Value;

use crate::support::base::BaseImage;
use crate::support::process::{Ran, succeed_at_once};
use crate::support::project::{Call, Project};
use crate::support::strict::referrers::Etags;
use crate::support::strict::{Behaviour, StrictRegistry};

/// How many runs attach at once.
const RUNS: usize = 8;

fn project() -> Project {
    let project = Project::empty("x");
    BaseImage::new().write(&project.path("base"));
    (0..RUNS).fold(project, |project, nth| project.file(&format!("{nth}.txt"), &nth.to_string()))
}

/// Returns how many artifacts are attached to the index and to each platform.
fn counts(project: &Project, image: &str) -> Vec<usize> {
    let Ran { stdout, .. } = project.oci(&["referrers", "--json", image]).succeeds();
    let found: Value = serde_json::from_str(&stdout).expect("JSON");
    let subjects = found["subjects"].as_array().expect("subjects");
    subjects.iter().map(|subject| subject["attached"].as_array().expect("a list").len()).collect()
}

#[test]
fn attach_at_once_loses_nothing_without_api() {
    let project = project();
    for etags in [Etags::None, Etags::Ignored, Etags::Kept, Etags::Refused] {
        let latency = Duration::from_millis(10);
        let registry = StrictRegistry::start(Behaviour { etags, latency, is_shared: true, ..Behaviour::default() });
        registry.put_layout(&project.path("base"), "static", "nonroot");
        let image = registry.reference("static:nonroot");
        for round in 1..=2 {
            succeed_at_once((0..RUNS).map(|nth| {
                let kind = format!("text/{round}");
                project.oci(&["attach", &image, &format!("{nth}.txt"), "--artifact-type", &kind]).direct()
            }));
            assert_eq!(counts(&project, &image)[0], RUNS * round, "{etags:?}\n{}", registry.log());
        }
        assert_eq!(registry.violations(), Vec::<String>::new(), "{etags:?}");
    }
}

/// Creates the keys `one` and `two`, and puts the image into a registry.
fn keys_and_image(project: &Project) -> (StrictRegistry, String) {
    for key in ["one", "two"] {
        signing(project, &["generate-key", "--output", key]).succeeds();
    }
    let latency = Duration::from_millis(10);
    let registry = StrictRegistry::start(Behaviour { latency, is_shared: true, ..Behaviour::default() });
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let image = registry.reference("static:nonroot");
    (registry, image)
}

fn signing(project: &Project, args: &[&str]) -> Call {
    project.oci(args).env("COSIGN_PASSWORD", "sesame")
}

#[test]
fn sign_at_once_loses_nothing_without_api() {
    let project = project();
    let (registry, image) = keys_and_image(&project);
    let keys = ["one.key", "two.key"];
    succeed_at_once(keys.into_iter().map(|key| signing(&project, &["sign", &image, "--key", key]).direct()));
    assert_eq!(counts(&project, &image), [2, 2, 2, 2], "{}", registry.log());
}

#[test]
fn sign_at_once_in_one_process_loses_nothing() {
    let project = project();
    let (registry, image) = keys_and_image(&project);
    thread::scope(|scope| {
        for key in ["one.key", "two.key"] {
            let (project, image) = (&project, &image);
            scope.spawn(move || {
                let key = project.path(key).display().to_string();
                let command = Cli::try_parse_from(["cargo-oci", "sign", image, "--key", &key]).expect("parses").command;
                let home = project.home().into_os_string();
                let environment: Environment =
                    [("COSIGN_PASSWORD", OsString::from("sesame")), ("HOME", home)].into_iter().collect();
                let prompt = |_: Question| Err(ErrorKind::NotFound.into());
                let context = GlobalContext::new(environment, &|_| (), &prompt);
                commands::run(&command, &context).expect("signs");
            });
        }
    });
    assert_eq!(counts(&project, &image), [2, 2, 2, 2], "{}", registry.log());
}
