//! Folders and files that others have a hand in, what killed runs leave, and the limits of a process.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::snapshots::{AMD64, elf};
use crate::support::base::BaseImage;
use crate::support::home::Home;
use crate::support::project::{Call, Project};
use crate::support::snapshot::Snapshot;
use crate::support::strict::{Behaviour, StrictRegistry};

const PREBUILT: [&str; 4] = ["--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];

/// A package whose program is compiled already, and has this size.
fn project(size: usize) -> Project {
    let project = Project::new("x");
    let mut program = elf(AMD64);
    // Not compressible.
    program.resize_with(size.max(program.len()), || fastrand::u8(..));
    fs::write(project.path("program"), program).expect("a file");
    project
}

fn build(project: &Project, args: &[&str]) -> Call {
    project.build(&[&PREBUILT, args].concat())
}

/// Returns a command that runs `call` in a shell, after `line`.
fn after(line: &str, call: &Call) -> Command {
    let direct = call.direct();
    let mut shell = call.command("sh");
    shell.args(["-c", &format!("{line}; exec \"$0\" \"$@\"")]).arg(direct.get_program()).args(direct.get_args());
    for (key, value) in direct.get_envs() {
        value.map(|value| shell.env(key, value));
    }
    shell
}

/// Returns the modes of all files and folders below `folder` that anybody may write to.
fn writable_by_all(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("an entry"));
    let entries = entries.filter(|entry| !entry.path_is_symlink());
    let modes = entries.map(|entry| (entry.metadata().expect("a file").permissions().mode() & 0o777, entry));
    modes
        .filter(|(mode, _)| mode & 0o002 != 0)
        .map(|(mode, entry)| format!("{mode:o} {}", entry.path().display()))
        .collect()
}

#[test]
fn linked_outputs_are_written_through() {
    let project = project(0);
    fs::create_dir(project.path("far")).expect("a folder");
    let links = ["oci.tar", "docker.tar", "metadata.json"];
    for (at, link) in links.iter().enumerate() {
        symlink(Path::new("far").join(link), project.path(link)).expect("links");
        if at % 2 == 0 {
            fs::write(project.path("far").join(link), "old").expect("a file");
        }
    }
    let outputs = ["-o", "oci-archive=oci.tar", "-o", "docker-archive=docker.tar", "--metadata-file", "metadata.json"];
    build(&project, &outputs).succeeds();
    for link in links {
        assert!(project.path(link).is_symlink(), "{link}");
        let target = project.path("far").join(link);
        assert!(!target.is_symlink() && target.metadata().expect("a file").len() > 300, "{link}");
    }
    project.oci(&["validate", "far/oci.tar"]).succeeds();
}

#[test]
fn folder_errors_match_snapshot() {
    let mut told = Snapshot::of("folders").after_building();
    for part in ["oci-layout", "index.json", "referrers.json", "blobs", ".cargo-oci-blobs"] {
        let project = project(0);
        build(&project, &[]).succeeds();
        let layout = project.layout();
        fs::rename(layout.join(part), project.path("elsewhere")).expect("moves");
        symlink(project.path("elsewhere"), layout.join(part)).expect("links");
        told.error("a layout with a link in it", &project, &[&["build", "--base", "scratch"], &PREBUILT[..]].concat());
    }
    for part in ["lock", "unfinished", "memory", "blobs"] {
        let project = project(0);
        let cache = project.path("cache");
        build(&project, &[]).env("CARGO_OCI_CACHE_DIR", &cache).succeeds();
        fs::rename(cache.join(part), project.path("elsewhere")).expect("moves");
        symlink(project.path("elsewhere"), cache.join(part)).expect("links");
        let list = project.oci(&["cache", "list"]).env("CARGO_OCI_CACHE_DIR", &cache);
        told.call("a cache with a link in it", &project, &["cache", "list"], list, 1);
    }
    let linked = project(0).file("dir/oci-layout", "{}");
    symlink(linked.root(), linked.path("dir/blobs")).expect("links");
    told.beside_cargo(false);
    let args = [&["build", "--base", "scratch"], &PREBUILT[..], &["-o", "oci-dir=dir"]].concat();
    told.error("an output with a link in it", &linked, &args);
    told.beside_cargo(true);
    let other = project(0).file("other/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}").file("other/blobs/x", "");
    let args = [&["build", "--base", "scratch"], &PREBUILT[..], &["-o", "oci-dir=other"]].concat();
    told.error("a layout that another program is writing", &other, &args);
    let limited = project(3 << 20);
    let args = [&["build", "--base", "scratch"], &PREBUILT[..]].concat();
    let ran = Call::ran(&mut after("ulimit -f 2048", &limited.oci(&args).env("NO_COLOR", "1")));
    told.heard("a limit of the size of files", &limited, &args, &ran.stderr);
    let future = project(0).file("Cargo.lock", "version = 99\n");
    let words = build(&future, &[]).fails(101);
    assert!(
        words.contains("lock file version `99` was found, but this version of Cargo does not understand"),
        "{words}"
    );
    told.check();
}

#[test]
fn next_run_sweeps_what_a_killed_one_left() {
    let project = project(0);
    let left = |folder: &str| {
        let path = project.path(folder).join(".cargo-oci-new-Kil1ed");
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, "half").expect("a file");
        path
    };
    build(&project, &[]).succeeds();
    let files = ["out", "target/oci/x", "target/oci/x/blobs/sha256"].map(left);
    let in_cache = project.cache().join("unfinished/.cargo-oci-new-Kil1ed");
    fs::write(&in_cache, "half").expect("a file");
    fs::write(project.path("out/precious"), "").expect("a file");
    // As the run that has it open would lock it.
    let alive = project.path("out/.cargo-oci-new-alive1");
    let open = fs::File::create(&alive).expect("a file");
    open.try_lock().expect("locks");
    build(&project, &["-o", "oci-archive=out/x.tar"]).succeeds();
    for file in files.iter().chain([&in_cache]) {
        assert!(!file.exists(), "{}", file.display());
    }
    assert!(alive.exists() && project.path("out/precious").exists());

    let home = Home::with_config("{}");
    fs::write(home.path(".docker/.cargo-oci-new-Kil1ed"), "half").expect("a file");
    fs::write(home.path(".docker/config.json123"), "of Docker's").expect("a file");
    fs::write(home.path(".docker/config.json"), r#"{"auths": {"ghcr.io": {"auth": "YTpi"}}}"#).expect("a file");
    home.oci(&["logout", "ghcr.io"], "");
    let mut names: Vec<_> =
        fs::read_dir(home.path(".docker")).expect("a folder").flatten().map(|file| file.file_name()).collect();
    names.sort();
    assert_eq!(names, ["config.json", "config.json123"]);
}

#[test]
fn umask_of_zero_makes_nothing_writable_by_all() {
    let project = project(0);
    let registry = StrictRegistry::start(Behaviour::default());
    BaseImage::new().write(&project.path("base"));
    registry.put_layout(&project.path("base"), "static", "1");
    let base = registry.reference("static:1");
    let outputs = ["-o", "oci-archive=x.tar", "-o", "oci-dir=dir", "--metadata-file", "x.json", "--sbom-dir", "sboms"];
    let args = [&["build", "--base", &base][..], &PREBUILT, &outputs].concat();
    for _ in 0..2 {
        let ran = Call::ran(&mut after("umask 0", &project.oci(&args)));
        assert_eq!(ran.status, 0, "{}", ran.stderr);
    }
    for path in [project.cache(), project.path("target/oci"), project.path("dir"), project.path("sboms")] {
        assert_eq!(writable_by_all(&path), Vec::<String>::new());
    }
    assert_eq!(writable_by_all(&project.path("x.tar")), Vec::<String>::new());
    let open: Vec<_> = walkdir::WalkDir::new(project.cache())
        .into_iter()
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.metadata().expect("a file").permissions().mode() & 0o077 != 0)
        .map(|entry| entry.path().to_owned())
        .collect();
    assert_eq!(open, Vec::<std::path::PathBuf>::new(), "the cache is for its user alone");
}

#[test]
fn build_and_push_need_few_open_files() {
    let project = project(1 << 20);
    let registry = StrictRegistry::start(Behaviour::default());
    BaseImage::new().write(&project.path("base"));
    registry.put_layout(&project.path("base"), "static", "1");
    let (base, repository) = (registry.reference("static:1"), registry.reference("acme/x"));
    let targets = ["linux/amd64", "linux/arm64"];
    let arm = elf(183);
    fs::write(project.path("arm"), arm).expect("a file");
    let prebuilt = ["--prebuilt", "linux/amd64=program", "--prebuilt", "linux/arm64=arm", "--platform"];
    let platforms = targets.join(",");
    let args = [&["push", "--base", &base, "--repository", &repository][..], &prebuilt, &[&platforms]].concat();
    let ran = Call::ran(&mut after("ulimit -n 64", &project.oci(&args)));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn open_file_limits_are_errors_not_panics() {
    let project = project(0);
    let mut failed = 0;
    for limit in 8..32 {
        let ran = Call::ran(&mut after(&format!("ulimit -n {limit}"), &build(&project, &[])));
        // Of this program, of cargo, or of the loader of programs.
        assert!(ran.status == 0 || ran.stderr.contains("error"), "{limit}: {}", ran.stderr);
        failed += usize::from(ran.status != 0);
        assert!(!ran.stderr.contains("panicked"), "{limit}: {}", ran.stderr);
    }
    assert!(failed > 0);
}
