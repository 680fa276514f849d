//! Other programs at work beside builds, in the same cache and the same layout.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cargo_oci::store::{Layout, validate};

use crate::snapshots::{AMD64, elf};
use crate::support::base::BaseImage;
use crate::support::project::{Call, Project};
use crate::support::strict::{Behaviour, StrictRegistry};

/// How often each test does what it does: some seconds as a rule.
fn rounds() -> usize {
    std::env::var("CARGO_OCI_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// Each build is of another program.
fn write_program(project: &Project, number: usize) {
    let program = [elf(AMD64), format!("{}{number}", "x".repeat(64 << 10)).into()].concat();
    fs::write(project.path("program"), program).expect("a file");
}

fn build(project: &Project, base: &str) -> Call {
    let prebuilt = ["--platform", "linux/amd64", "--prebuilt", "linux/amd64=program", "--base", base];
    project.oci(&[&["build", "--sbom", "false", "--provenance", "false"][..], &prebuilt].concat())
}

/// Runs `other` again and again while `builds` run. Returns how often it ran.
fn beside(other: impl Fn() + Sync, builds: impl FnOnce()) -> usize {
    let (is_done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::SeqCst) {
                other();
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        // Also if a build fails: the other thread must end.
        let built = catch_unwind(AssertUnwindSafe(builds));
        is_done.store(true, Ordering::SeqCst);
        if let Err(panic) = built {
            resume_unwind(panic);
        }
    });
    count.into_inner()
}

#[test]
fn prune_beside_builds_makes_none_fail() {
    let registry = StrictRegistry::start(Behaviour::default());
    let projects = [Project::new("one"), Project::new("two")];
    BaseImage::new().write(&projects[0].path("base"));
    registry.put_layout(&projects[0].path("base"), "static", "1");
    let base = registry.reference("static:1");
    let cache = projects[0].cache();
    let prune = projects[0].oci(&["cache", "prune", "--quiet"]);
    let pruned = beside(
        || assert_eq!(Call::ran(&mut prune.direct()).stderr, ""),
        || {
            thread::scope(|scope| {
                for project in &projects {
                    scope.spawn(|| {
                        for number in 0..12 * rounds() {
                            // Every other build finds its layer in the cache, or not.
                            write_program(project, number / 2);
                            let _ = fs::remove_dir_all(project.path("target"));
                            build(project, &base).env("CARGO_OCI_CACHE_DIR", &cache).succeeds();
                        }
                    });
                }
            });
        },
    );
    assert!(pruned > 20, "pruned only {pruned} times");
    for project in &projects {
        let layout = Layout::open(&project.layout()).expect("a layout");
        let problems: Vec<_> = layout.entries().iter().flat_map(|image| validate::validate(&layout, image)).collect();
        assert_eq!(problems, []);
    }
}

#[test]
fn readers_beside_builds_find_every_blob() {
    let project = Project::new("x");
    write_program(&project, 0);
    build(&project, "embedded").succeeds();
    let begun = Instant::now();
    let read = beside(
        || {
            let layout = Layout::open(&project.layout()).expect("a layout");
            // A slow reader: some builds end before it has read all.
            thread::sleep(Duration::from_millis(begun.elapsed().subsec_millis().into()) / 2);
            let problems: Vec<_> =
                layout.entries().iter().flat_map(|image| validate::validate(&layout, image)).collect();
            assert_eq!(problems, []);
        },
        || {
            for number in 1..16 * rounds() {
                write_program(&project, number);
                build(&project, "embedded").succeeds();
            }
        },
    );
    assert!(read > 3, "read only {read} times");
}
