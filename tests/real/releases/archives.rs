//! The archives and their checksums.

use std::collections::BTreeSet;
use std::fs;

use super::VERSION;
use crate::support::environment;
use crate::support::process::{output, run};
use crate::support::release::{AMD64, ARM64, Release, TARGETS, WINDOWS, folder_name, names};

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn archives_hold_program_texts_and_nothing_else() {
    let (release, folder) = (Release::get(), tempfile::tempdir().expect("a folder"));
    for target in TARGETS {
        let unpacked = release.unpack(target, folder.path());
        let program = if target == WINDOWS { "cargo-oci.exe" } else { "cargo-oci" };
        assert_eq!(names(&unpacked), ["LICENSE", "README.md", program, "completions", "man"]);
        let completions = ["_cargo-oci", "_cargo-oci.ps1", "cargo-oci.bash", "cargo-oci.elv", "cargo-oci.fish"];
        assert_eq!(names(&unpacked.join("completions")), completions);
        let man = names(&unpacked.join("man"));
        assert!(man.contains(&"cargo-oci-push.1".to_owned()), "{man:?}");
        let page = environment::command("man").arg("-l").arg(unpacked.join("man/cargo-oci.1")).output();
        assert!(page.is_err() || page.is_ok_and(|page| page.status.success()), "man reads it, where it is");
        output(environment::command("bash").arg("-n").arg(unpacked.join("completions/cargo-oci.bash")));
    }
    assert_eq!(names(folder.path()), BTreeSet::from(TARGETS.map(folder_name)).into_iter().collect::<Vec<_>>());
    for target in [AMD64, ARM64] {
        let listed =
            output(environment::command("tar").arg("-tvf").arg(release.archive(target)).arg("--numeric-owner"));
        let mut paths = Vec::new();
        for line in listed.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let [mode, owner, _, day, _, path] = words[..] else { panic!("{line}") };
            let is_program = path.ends_with("/cargo-oci");
            assert_eq!((mode, owner), (if is_program { "-rwxr-xr-x" } else { "-rw-r--r--" }, "0/0"), "{line}");
            assert_eq!(day, "2023-11-14", "{line}");
            paths.push(path.to_owned());
        }
        assert!(paths.is_sorted(), "{paths:?}");
    }
}

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn files_are_reproducible_and_match_their_checksums() {
    let (release, folder) = (Release::get(), tempfile::tempdir().expect("a folder"));
    let again = Release::packed(folder.path());
    let all = names(release.folder());
    assert_eq!(all.len(), TARGETS.len() * 2 + 1, "{all:?}");
    assert_eq!(names(again.folder()), all);
    for name in &all {
        let read = |release: &Release| fs::read(release.folder().join(name)).expect("a file");
        assert!(read(release) == read(&again), "{name}");
    }
    let checked = output(&mut again.command("check"));
    assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), all.len() - 1, "{checked}");
    fs::write(again.archive(AMD64), "another").expect("a file");
    let ran = run(&mut again.command("check"));
    assert!(ran.status != 0 && ran.stdout.contains(": FAILED"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn release_of_another_tag_is_rejected() {
    let release = Release::get();
    output(release.command("tag").arg(format!("v{VERSION}")));
    for tag in ["v99.0.0", VERSION, ""] {
        let ran = run(release.command("tag").arg(tag));
        assert_eq!(ran.status, 1);
        assert!(ran.stderr.contains(&format!("version {VERSION} in Cargo.toml")), "{}", ran.stderr);
    }
    let ran = run(release.command("build").arg("riscv64gc-unknown-linux-musl"));
    assert!(ran.status == 1 && ran.stderr.contains("no program is released for riscv64gc"), "{}", ran.stderr);
}
