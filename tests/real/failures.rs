//! What fails after the plan stands: the words, and that the last good layout is as it was.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::base::BaseImage;
use crate::support::environment;
use crate::support::process;
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;
use crate::support::snapshot::Snapshot;
use crate::support::{digest, problems};

/// Every file of a folder, with its content.
fn snapshot(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.clone(), fs::read(&path).expect("a file")));
        }
    }
    files.sort();
    files
}

/// A project with a good layout, and what that holds.
fn built() -> (Project, Vec<(std::path::PathBuf, Vec<u8>)>) {
    let project = Project::new("x");
    project.build(&["--platform", "linux/amd64"]).succeeds();
    let files = snapshot(&project.layout());
    (project, files)
}

/// A connection is waited for 10 seconds, and not twice, and five times for an answer of 2 seconds. On a busy computer seconds
/// are gone beside them.
const SOON: Duration = Duration::from_secs(28);

#[test]
fn compile_error_keeps_cargos_colors_and_status() {
    let (project, before) = built();
    let project = project.file("src/main.rs", "fn main() { let x: u32 = \"text\"; }\n");
    let words = project.build(&["--color", "always"]).fails(101);
    assert!(words.contains("error[E0308]") && words.contains("\u{1b}["), "{words}");
    let last = words.lines().last().unwrap_or_default();
    assert!(last.contains("could not compile `x`"), "cargo has the last word: {last}");
    assert_eq!(snapshot(&project.layout()), before);
}

#[test]
fn dynamic_program_never_reaches_a_static_image() {
    use std::os::unix::fs::PermissionsExt;
    let (project, before) = built();
    // A linker that leaves a program of this machine where the program for the target should be.
    let linker = "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\ncp /bin/true \"$2\"\n";
    let project = project.file("linker", linker).file("src/main.rs", "fn main() { println!(\"changed\"); }\n");
    let path = project.path("linker");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file");
    let build = |platform: &str, key: &str| project.build(&["--platform", platform]).env(key, path.clone()).fails(1);
    let mut told = Snapshot::of("real/linkers");
    let words = build("linux/amd64", "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER");
    told.heard("a program that is not static", &project, &["build", "--platform", "linux/amd64"], &words);
    let words = build("linux/arm64", "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER");
    told.heard("a program for another machine", &project, &["build", "--platform", "linux/arm64"], &words);
    told.check();
    assert_eq!(snapshot(&project.layout()), before);
}

#[test]
fn unreachable_registry_times_out() {
    let (project, before) = built();
    // A listener whose queue is full answers no further connection, as a host behind a firewall does.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let queue: Vec<_> = std::iter::from_fn(|| TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok())
        .take(10_000)
        .collect();
    let start = Instant::now();
    let args = ["build", "--base", &format!("{address}/base:1")];
    let words = project.oci(&args).fails(1);
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    let mut told = Snapshot::of("real/unreachable");
    told.heard("a registry that takes no connection", &project, &args, &words);
    told.check();
    assert_eq!(snapshot(&project.layout()), before);
    drop(queue);
}

#[test]
fn silent_registry_times_out() {
    let (project, before) = built();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let start = Instant::now();
    let args = ["build", "--base", &format!("{address}/base:1"), "--timeout", "2s"];
    let words = project.oci(&args).fails(1);
    let mut told = Snapshot::of("real/silent");
    told.heard("a registry that never answers", &project, &args, &words);
    told.check();
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    assert_eq!(snapshot(&project.layout()), before);
}

#[test]
fn missing_registry_content_is_named() {
    let (project, before) = built();
    let registry = DockerRegistry::start();
    BaseImage::new().write(&project.path("base")).push_to(&registry, "base", "1");
    let mut told = Snapshot::of("real/missing");
    let mut missing = |title: &str, base: &str| {
        let args = ["build", "--base", base];
        told.heard(title, &project, &args, &project.oci(&args).fails(1));
    };
    missing("a tag that the registry does not have", &registry.reference("base:2"));
    missing("a repository that the registry does not have", &registry.reference("bass:1"));
    let nothing = format!("{}@sha256:{}", registry.reference("base"), "0".repeat(64));
    missing("a digest that the registry does not have", &nothing);
    told.check();
    assert_eq!(snapshot(&project.layout()), before);
}

#[test]
fn registry_content_is_verified() {
    let (project, before) = built();
    let base = BaseImage::new().write(&project.path("base"));
    let registry = DockerRegistry::start();
    base.push_to(&registry, "base", "1");
    let layer = &base.platform("linux/amd64").layers[0];
    registry.corrupt(layer);
    let args = ["build", "--base", &registry.reference("base:1")];
    let words = project.oci(&args).fails(1);
    assert!(words.contains(layer.as_str()), "{words}");
    let mut told = Snapshot::of("real/other-bytes");
    told.heard("a registry that gives other bytes", &project, &args, &words);
    told.check();
    let cached = project.root().with_file_name("cache").join("blobs").join(layer.replace(':', "/"));
    assert!(!cached.exists());
    assert_eq!(snapshot(&project.layout()), before);
}

#[test]
fn missing_target_error_names_ways_to_install() {
    let (project, before) = built();
    let call = |args: &[&str]| {
        let args = [&["--platform", "linux/loong64"], args].concat();
        // No server answers there.
        project.build(&args).env("RUSTUP_DIST_SERVER", "http://127.0.0.1:9").env("RUSTUP_MAX_RETRIES", "0")
    };
    let words = call(&[]).fails(1);
    assert!(words.contains("standard library for loongarch64-unknown-linux-musl is not installed"), "{words}");
    assert!(words.contains("rustup target add loongarch64-unknown-linux-musl"), "{words}");
    let words = call(&["--no-install"]).fails(1);
    assert!(words.contains("help: ") && !words.contains("Installing"), "{words}");
    assert_eq!(snapshot(&project.layout()), before);
}

/// A small file system in memory, gone on drop.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(path: std::path::PathBuf, kib: usize) -> SmallDisk {
        fs::create_dir_all(&path).expect("a folder");
        let size = format!("size={kib}k,mode=0700");
        process::output(environment::command("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path));
        SmallDisk(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = environment::command("umount").arg(&self.0).output();
    }
}

#[test]
fn full_disk_keeps_previous_layout() {
    let project = Project::new("x");
    let disk = SmallDisk::mount(project.path("target/oci"), 700);
    project.build(&["--platform", "linux/amd64"]).succeeds();
    let before = snapshot(&disk.0);
    let big = format!(
        "static BIG: [u8; {0}] = *include_bytes!(\"../big\");\nfn main() {{ print!(\"{{:?}}\", BIG); }}\n",
        2 << 20
    );
    let noise: Vec<u8> = (0..2u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(project.path("big"), noise).expect("a file");
    let project = project.file("src/main.rs", &big);
    let words = project.build(&["--platform", "linux/amd64"]).fails(1);
    let mut told = Snapshot::of("real/full-disk");
    told.heard("a full disk", &project, &["build", "--platform", "linux/amd64"], &words);
    told.check();
    assert_eq!(snapshot(&disk.0), before);
    assert_eq!(problems(&project.layout()), []);
}

#[test]
fn full_cache_disk_leaves_no_partial_files() {
    let project = Project::new("x");
    let base = BaseImage::new().write(&project.path("base"));
    let registry = DockerRegistry::start();
    base.push_to(&registry, "base", "1");
    let disk = SmallDisk::mount(project.path("cache"), 32);
    let args = ["build", "--base", &registry.reference("base:1")];
    let words = project.oci(&args).env("CARGO_OCI_CACHE_DIR", disk.0.clone()).fails(1);
    let mut told = Snapshot::of("real/full-cache");
    told.heard("a full cache", &project, &args, &words);
    told.check();
    for (path, content) in snapshot(&disk.0.join("blobs")) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(format!("sha256:{name}"), crate::support::registry::sha256(&content));
    }
    assert!(!project.layout().exists());
}

#[test]
fn concurrent_builds_both_succeed() {
    let (project, _) = built();
    let digests: Vec<_> = std::thread::scope(|scope| {
        let builds: Vec<_> =
            (0..2).map(|_| scope.spawn(|| project.build(&["--platform", "linux/amd64"]).succeeds().stdout)).collect();
        builds.into_iter().map(|build| build.join().expect("a build")).collect()
    });
    assert_eq!(digests[0], digests[1]);
    assert!(digests[0].trim_end().ends_with(&digest(&project.layout())));
    assert_eq!(problems(&project.layout()), []);
}

#[test]
fn interrupt_ends_soon_without_partial_files() {
    let project = Project::new("x");
    let base = BaseImage::new().write(&project.path("base"));
    let registry = DockerRegistry::start();
    base.push_to(&registry, "base", "1");
    // A registry that answers with documents and never with layers.
    let stuck = crate::support::stall::Stall::before(&registry, "/blobs/", &base.platform("linux/amd64").layers[0]);
    let reference = format!("{}/base:1", stuck.host());
    let call = project.oci(&["build", "--base", &reference]);
    let mut command = call.command("cargo-oci");
    command
        .args(["build", "--base", &reference])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut running = process::Process::start(&mut command);
    stuck.wait();
    let start = Instant::now();
    process::output(environment::command("kill").args(["-INT", &running.id().to_string()]));
    let status = running.wait(Duration::from_secs(10)).expect("it ends");
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
    assert_eq!(status.code(), Some(130));
    assert!(!project.layout().exists());
    let cache = project.root().with_file_name("cache");
    let unfinished = |path: &std::path::PathBuf| path.to_string_lossy().contains("/.cargo-oci-new-");
    assert!(!snapshot(&cache).iter().any(|(path, _)| unfinished(path)));
}
