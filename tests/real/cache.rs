//! The cache in company, under `kill -9`, and with nothing to do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::base::{BaseImage, WrittenBase};
use crate::support::process::{self, Process};
use crate::support::project::{Call, Project};
use crate::support::registry::{DockerRegistry, sha256};
use crate::support::strict::random::Random;
use crate::support::{digest, problems};

const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];
const PREBUILT: [&str; 4] = ["--prebuilt", "linux/amd64=amd64", "--prebuilt", "linux/arm64=arm64"];

/// How often something is done whose failures are rare: more often where a variable says so. `CARGO_OCI_TEST_ROUNDS` is
/// that of the company, `CARGO_OCI_TEST_KILLS` that of kills, a third of them each of build, pull and push, and
/// `CARGO_OCI_TEST_SEED` chooses the moments.
fn times(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// The programs of a package, for both platforms.
fn programs() -> [Vec<u8>; 2] {
    let project = Project::new("x");
    project.build(&[]).succeeds();
    TARGETS.map(|target| fs::read(project.path(&format!("target/{target}/release/x"))).expect("a program"))
}

/// A package whose programs are there already. Bytes behind their end make others of them.
fn prebuilt(programs: &[Vec<u8>; 2], more: &[u8]) -> Project {
    let project = Project::new("x");
    write(&project, programs, more);
    project
}

fn write(project: &Project, programs: &[Vec<u8>; 2], more: &[u8]) {
    for (program, name) in programs.iter().zip(["amd64", "arm64"]) {
        fs::write(project.path(name), [program, more].concat()).expect("a program");
    }
}

/// `cargo-oci ARGS` with those programs, as a process that can be killed.
fn command(project: &Project, args: &[&str]) -> Command {
    let args = [args, &PREBUILT].concat();
    let mut command = project.oci(&[]).command("cargo-oci");
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// All files and folders below a folder, with their times and inodes.
fn stamps(folder: &Path) -> BTreeMap<PathBuf, (u64, u64, i64, i64, i64, i64)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let found = fs::metadata(&folder).expect("a folder");
        let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else {
                all.insert(path.clone(), stamp(&fs::metadata(&path).expect("a file")));
            }
        }
        all.insert(folder, stamp(&found));
    }
    all
}

fn stamp(found: &fs::Metadata) -> (u64, u64, i64, i64, i64, i64) {
    (found.ino(), found.size(), found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec())
}

/// Asserts that every blob of a cache is what its name says.
#[track_caller]
fn assert_right(cache: &Path) {
    let blobs = fs::read_dir(cache.join("blobs/sha256")).into_iter().flatten();
    for blob in blobs.map(|blob| blob.expect("an entry")) {
        let content = fs::read(blob.path()).expect("a blob");
        assert_eq!(sha256(&content), format!("sha256:{}", blob.file_name().to_string_lossy()));
    }
}

/// Asserts that nothing unfinished is in a cache or a layout.
#[track_caller]
fn assert_no_temps(folders: &[&Path]) {
    for path in folders.iter().filter(|folder| folder.exists()).flat_map(|folder| stamps(folder).into_keys()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        assert!(!name.starts_with(".cargo-oci-new-"), "{} is left", path.display());
    }
}

fn based(project: &Project, mib: usize) -> (WrittenBase, DockerRegistry) {
    let base = BaseImage::new().big(mib).write(&project.path("base"));
    let registry = DockerRegistry::start();
    base.push_to(&registry, "static", "nonroot");
    (base, registry)
}

#[test]
fn concurrent_builds_and_pulls_agree() {
    let programs = programs();
    let first = prebuilt(&programs, b"");
    let (_, registry) = based(&first, 1);
    let reference = registry.reference("static:nonroot");
    let projects: Vec<_> = (0..32).map(|_| prebuilt(&programs, b"")).collect();
    for round in 0..times("CARGO_OCI_TEST_ROUNDS", 2) {
        let shared = tempfile::tempdir().expect("a folder");
        let cache = shared.path().join("cache");
        let build = |project: &Project| {
            // Every other round finds the layouts of the one before.
            if round % 2 == 0 {
                let _ = fs::remove_dir_all(project.path("target"));
            }
            let mut command = command(project, &["build", "--base", &reference]);
            let ran =
                Call::ran(command.env("CARGO_OCI_CACHE_DIR", &cache).stdout(Stdio::piped()).stderr(Stdio::piped()));
            assert_eq!(ran.status, 0, "round {round}: {}", ran.stderr);
            ran.stdout
        };
        let results: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = projects.iter().map(|project| scope.spawn(|| build(project))).collect();
            running.into_iter().map(|thread| thread.join().expect("a build")).collect()
        });
        assert!(results.iter().all(|result| *result == results[0]), "round {round}: {results:?}");
        assert_right(&cache);
        assert_no_temps(&[&cache]);
        for project in &projects {
            assert_eq!(problems(&project.layout()), [], "round {round}");
            assert_no_temps(&[&project.layout()]);
        }
    }
}

/// Kills a command at random moments, each time with what the run before has left or with nothing, and looks at what is
/// there then and after a run that is left alone.
fn kill(project: &Project, kind: &str, args: &[&str], check: impl Fn(&str)) {
    let programs = programs();
    let cache = project.cache();
    let variants = [&b""[..], b"other"];
    // What comes of each, and how long it takes.
    let mut wanted = Vec::new();
    let mut longest = Duration::ZERO;
    for more in variants {
        write(project, &programs, more);
        let _ = fs::remove_dir_all(&cache);
        let start = Instant::now();
        process::output(&mut command(project, args));
        longest = longest.max(start.elapsed());
        wanted.push(digest(&project.layout()));
    }
    let seed = times("CARGO_OCI_TEST_SEED", 1);
    let mut random = Random::new(seed as u64);
    let mut caught = 0;
    for moment in 0..times("CARGO_OCI_TEST_KILLS", 24) / 3 {
        let at = moment % variants.len();
        write(project, &programs, variants[at]);
        if moment % 3 == 0 {
            let _ = fs::remove_dir_all(&cache);
        }
        if moment % 5 == 0 {
            let _ = fs::remove_dir_all(project.path("target/oci"));
        }
        let pause = longest.mul_f64(f64::from(u32::try_from(random.below(1000)).expect("small")) / 1000.0);
        let mut running = Process::start(&mut command(project, args));
        thread::sleep(pause);
        caught += usize::from(running.ended().is_none());
        running.stop();
        let what = format!("{kind}, seed {seed}, moment {moment}, after {pause:?}");
        assert_right(&cache);
        if project.layout().join("index.json").exists() {
            assert_eq!(problems(&project.layout()), [], "{what}");
        }
        let mut again = command(project, args);
        let ran = Call::ran(again.stderr(Stdio::piped()));
        assert_eq!(ran.status, 0, "{what}: {}", ran.stderr);
        assert_eq!((digest(&project.layout()), problems(&project.layout()).len()), (wanted[at].clone(), 0), "{what}");
        assert_no_temps(&[&cache, &project.path("target/oci")]);
        check(&wanted[at]);
    }
    assert!(caught > 0, "none of the runs was still there to be killed");
}

#[test]
fn killed_build_leaves_nothing_corrupt() {
    let project = Project::new("x");
    kill(&project, "build", &["build", "--base", "embedded"], |_| ());
}

#[test]
fn killed_pull_leaves_nothing_corrupt() {
    let project = Project::new("x");
    let (_, registry) = based(&project, 4);
    kill(&project, "pull", &["build", "--base", &registry.reference("static:nonroot")], |_| ());
}

#[test]
fn killed_push_leaves_nothing_corrupt() {
    let project = Project::new("x");
    let registry = DockerRegistry::start();
    let repository = registry.reference("acme/x");
    kill(&project, "push", &["push", "--base", "embedded", "--repository", &repository], |wanted| {
        let reference = format!("{repository}:latest");
        process::output(project.oci(&[]).command("cargo-oci").args(["validate", "--quiet", &reference]));
        let (_, bytes) = registry.manifest("acme/x", "latest").expect("an image");
        assert_eq!(sha256(&bytes), wanted);
    });
}

/// The calls of each thread that `strace` has seen, as `NAME(ARGUMENTS) = RESULT`.
fn traced(project: &Project, args: &[&str]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = command(project, args);
    let mut strace = project.oci(&[]).command("strace");
    let calls = "trace=fsync,rename,renameat,renameat2,link,linkat";
    strace.args(["-ff", "-y", "-s", "4096", "-e", calls, "-o"]).arg(folder.path().join("calls"));
    strace.arg("cargo-oci").args(inner.get_args());
    let ran = process::run(&mut strace);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let files = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
    let lines = |path: PathBuf| fs::read_to_string(path).expect("calls").lines().map(str::to_owned).collect();
    files.map(lines).collect()
}

/// Asserts that whatever gets a name that `is_meant` was on the disk before, and the name after; gives how many there are.
#[track_caller]
fn assert_durable(threads: &[Vec<String>], is_meant: impl Fn(&str) -> bool) -> usize {
    let mut count = 0;
    for calls in threads {
        for (at, call) in calls.iter().enumerate().filter(|(_, call)| call.starts_with("rename")) {
            let paths: Vec<_> = call.split('"').skip(1).step_by(2).collect();
            let [from, to] = paths[..] else { panic!("{call}") };
            if !is_meant(to) || !call.ends_with("= 0") {
                continue;
            }
            count += 1;
            let synced = |path: &str| format!("<{path}>) = 0");
            let is_sync = |call: &&String, path: &str| call.starts_with("fsync(") && call.ends_with(&synced(path));
            // A link is as much on the disk as what it was made of.
            let link = calls[..at].iter().find(|call| call.starts_with("link") && call.contains(from));
            let source = link.and_then(|link| link.split('"').nth(1)).unwrap_or(from);
            let before = calls[..at].iter().any(|call| is_sync(&call, source) || is_sync(&call, from));
            assert!(before, "nothing wrote {from} to the disk before {call}: {calls:#?}");
            let folder = Path::new(to).parent().expect("a folder").display().to_string();
            assert!(calls[at..].iter().any(|call| is_sync(&call, &folder)), "{folder} was not written after {call}");
        }
    }
    count
}

#[test]
fn files_are_synced_before_they_are_renamed() {
    let programs = programs();
    let project = prebuilt(&programs, b"");
    let (_, registry) = based(&project, 1);
    let threads = traced(&project, &["build", "--base", &registry.reference("static:nonroot")]);
    let blobs = project.cache().join("blobs").display().to_string();
    let in_cache = fs::read_dir(project.cache().join("blobs/sha256")).expect("a folder").count();
    assert_eq!(assert_durable(&threads, |path| path.starts_with(&blobs)), in_cache);
    assert_eq!(assert_durable(&threads, |path| path.ends_with("target/oci/x/index.json")), 1);
}

#[test]
fn unchanged_build_writes_nothing() {
    let project = prebuilt(&programs(), b"");
    let (_, registry) = based(&project, 1);
    let reference = registry.reference("static:nonroot");
    let build = || process::output(&mut command(&project, &["build", "--base", &reference]));
    // The first builds. What it has written a moment ago is looked at once more by the second, and remembered.
    build();
    thread::sleep(Duration::from_millis(50));
    build();
    let before = [stamps(&project.cache()), stamps(&project.path("target/oci"))];
    build();
    assert_eq!([stamps(&project.cache()), stamps(&project.path("target/oci"))], before);
}

#[test]
fn cached_layer_is_reused_after_verification() {
    let programs = programs();
    let project = prebuilt(&programs, b"");
    let build = || process::run(&mut command(&project, &["build", "--base", "embedded", "--message-format", "json"]));
    let build = || assert_eq!(build().status, 0);
    build();
    let right = digest(&project.layout());
    let made = || {
        let blobs = fs::read_dir(project.cache().join("blobs/sha256")).expect("a folder");
        blobs
            .map(|blob| blob.expect("a blob").path())
            .map(|path| (stamp(&path.metadata().expect("a file")).0, path))
            .collect::<Vec<_>>()
    };
    let before = made();
    assert_eq!(before.len(), 2);
    // Programs of the same content and another time, and no layout: the layers are those of the cache.
    write(&project, &programs, b"");
    fs::remove_dir_all(project.path("target/oci")).expect("a layout");
    build();
    assert_eq!((digest(&project.layout()), made()), (right.clone(), before.clone()));
    // Other bytes in both places, of the same size and at the same time.
    for (_, path) in &before {
        let time = path.metadata().and_then(|found| found.modified()).expect("a time");
        let mut content = fs::read(path).expect("a blob");
        *content.last_mut().expect("some bytes") ^= 1;
        for place in [path, &project.layout().join("blobs/sha256").join(path.file_name().expect("a name"))] {
            fs::write(place, &content).expect("corrupts");
            fs::File::open(place).and_then(|file| file.set_modified(time)).expect("a time");
        }
    }
    build();
    assert_eq!((digest(&project.layout()), problems(&project.layout()).len()), (right, 0));
}

#[test]
fn offline_base_is_the_one_pulled_last() {
    let project = Project::fixture("hello");
    let (base, mut registry) = based(&project, 1);
    let tag = registry.reference("static:nonroot");
    let build = |base: &str| project.oci(&["build", "--offline", "--base", base]);
    let words = build(&tag).fails(1);
    assert!(words.contains("not in the cache") && words.contains("build once without --offline"), "{words}");
    assert_eq!(registry.requests(), []);
    project.oci(&["build", "--base", &tag]).succeeds();
    let before = registry.requests().len();
    build(&tag).succeeds();
    build(&format!("{}@{}", registry.reference("static"), base.digest)).succeeds();
    assert_eq!(registry.requests().len(), before);
    registry.stop();
    fs::remove_dir_all(project.path("target/oci")).expect("a layout");
    build(&tag).succeeds();
    assert_eq!(problems(&project.layout()), []);
}
