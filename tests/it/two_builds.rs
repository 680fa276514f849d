//! Two builds in one process: nothing of a run is kept outside of its context.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cargo_oci::commands::{self, Cli, Outcome};
use cargo_oci::context::GlobalContext;
use cargo_oci::environment::Environment;
use cargo_oci::event::{Event, Question};
use clap::Parser;

use crate::snapshots::{AMD64, elf};
use crate::support::environment;
use crate::support::project::Project;

/// A package whose program is compiled already, and ends with `content`.
fn project(name: &str, content: &str) -> Project {
    let project = Project::new(name);
    fs::write(project.path("program"), [elf(AMD64), content.into()].concat()).expect("a file");
    project
}

fn args(project: &Project) -> Vec<String> {
    let manifest = project.path("Cargo.toml").display().to_string();
    let prebuilt = format!("linux/amd64={}", project.path("program").display());
    let args = ["build", "--base", "scratch", "--platform", "linux/amd64", "--prebuilt", &prebuilt];
    args.into_iter().chain(["--manifest-path", &manifest]).map(str::to_owned).collect()
}

/// Returns the environment of this process, with the cache of the project.
fn environment(project: &Project) -> Environment {
    std::env::vars_os().chain([("CARGO_OCI_CACHE_DIR".into(), project.cache().into())]).collect()
}

fn no_prompt(_: Question) -> std::io::Result<String> {
    Err(std::io::ErrorKind::NotFound.into())
}

/// Builds through the library. Returns the digest of the index.
fn build(project: &Project, context: &GlobalContext) -> Result<String, String> {
    let typed = ["cargo-oci".to_owned()].into_iter().chain(args(project));
    let command = Cli::try_parse_from(typed).expect("parses").command;
    match commands::run(&command, context) {
        Ok(Outcome::Results(lines)) => Ok(digest(&lines[0])),
        Ok(other) => panic!("not the result of a build: {other:?}"),
        Err(error) => Err(error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")),
    }
}

fn digest(line: &str) -> String {
    line.rsplit_once('@').expect("a digest").1.trim().to_owned()
}

/// Builds with a context of its own, and returns the digest and the names of the images that were layered.
fn build_alone(project: &Project) -> (String, Vec<String>) {
    let layered = Mutex::new(Vec::new());
    let listener = |event| {
        if let Event::Layered { image, .. } = event {
            layered.lock().expect("no panic").push(image);
        }
    };
    let context = GlobalContext::new(environment(project), &listener, &no_prompt);
    let digest = build(project, &context).expect("builds");
    (digest, layered.into_inner().expect("no panic"))
}

/// Returns the digest that the program builds, in a process of its own.
fn built_by_program(project: &Project) -> String {
    fs::remove_dir_all(project.path("target")).expect("a build before");
    let args = args(project);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    digest(&project.oci(&args).succeeds().stdout)
}

#[test]
fn builds_in_one_process_are_independent() {
    environment::alone("two_builds::builds_in_one_process_are_independent", || {
        let projects = [project("one", "first"), project("two", "second")];
        let in_turn = [build_alone(&projects[0]), build_alone(&projects[1])];
        assert_ne!(in_turn[0].0, in_turn[1].0);
        let expected = projects.each_ref().map(built_by_program);
        let others = [project("one", "first"), project("two", "second")];
        let [first, second] = &others;
        let beside = thread::scope(|scope| {
            let first = scope.spawn(|| build_alone(first));
            [build_alone(second), first.join().expect("no panic")]
        });
        for (digest, layered, at) in [
            (&in_turn[0].0, &in_turn[0].1, 0),
            (&in_turn[1].0, &in_turn[1].1, 1),
            (&beside[1].0, &beside[1].1, 0),
            (&beside[0].0, &beside[0].1, 1),
        ] {
            assert_eq!(digest, &expected[at]);
            assert_eq!(layered, &[["one", "two"][at]], "each listener gets the events of its own run");
        }
        for (project, digest) in others.iter().zip(&expected) {
            let index = fs::read_to_string(project.layout().join("index.json")).expect("a layout");
            assert!(index.contains(digest.as_str()), "{index}");
        }
    });
}

/// A build waits in the middle of its work, until the test has seen that it is there.
#[derive(Default)]
struct Pause {
    begun: AtomicBool,
    ended: AtomicBool,
}

impl Pause {
    fn at(&self, event: &Event) {
        if matches!(event, Event::TransferBegun { .. }) {
            self.begun.store(true, Ordering::SeqCst);
            wait_for(&self.ended);
        }
    }
}

/// Waits, but not for ever: a failed test must end.
fn wait_for(flag: &AtomicBool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !flag.load(Ordering::SeqCst) && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn cancelled_build_does_not_stop_the_other() {
    environment::alone("two_builds::cancelled_build_does_not_stop_the_other", || {
        let (stopped, other) = (project("stopped", "first"), project("other", "second"));
        let (stopped_pause, other_pause) = (Pause::default(), Pause::default());
        let stopped_listener = |event| stopped_pause.at(&event);
        let other_listener = |event| other_pause.at(&event);
        let stopped_context = GlobalContext::new(environment(&stopped), &stopped_listener, &no_prompt);
        let other_context = GlobalContext::new(environment(&other), &other_listener, &no_prompt);
        let (failed, built) = thread::scope(|scope| {
            let failed = scope.spawn(|| build(&stopped, &stopped_context));
            let built = scope.spawn(|| build(&other, &other_context));
            wait_for(&stopped_pause.begun);
            wait_for(&other_pause.begun);
            stopped_context.cancellation.cancel();
            for pause in [&stopped_pause, &other_pause] {
                pause.ended.store(true, Ordering::SeqCst);
            }
            (failed.join().expect("no panic"), built.join().expect("no panic"))
        });
        let failure = failed.expect_err("it was cancelled");
        assert!(failure.ends_with("interrupted"), "{failure}");
        assert!(!stopped.layout().exists(), "nothing was committed");
        assert_eq!(built.expect("builds"), built_by_program(&other));
    });
}
