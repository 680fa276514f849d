//! The programs for Linux.

use std::fs;
use std::path::Path;

use super::VERSION;
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::release::{self, AMD64, ARM64, Release};

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn linux_programs_are_static_and_build_the_same_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = Project::new("hello");
    let expected = project.build(&[]).succeeds().stdout;
    for target in [AMD64, ARM64] {
        let program = Release::get().program(target, folder.path());
        let headers = output(environment::command("readelf").args(["-lW"]).arg(&program));
        assert!(!headers.contains("INTERP") && !headers.contains("NEEDED"), "{headers}");
        assert_has_no_paths_of_this_machine(&program);
        let call = |args: &[&str]| project.oci(&[]).command(program.to_str().expect("UTF-8")).args(args).output();
        let version = call(&["oci", "--version"]).expect("a program");
        assert_eq!(String::from_utf8_lossy(&version.stdout), format!("cargo oci {VERSION}\n"), "{version:?}");
        fs::remove_dir_all(project.path("target/oci")).expect("a folder");
        let built = call(&["oci", "build", "--base", "embedded"]).expect("a program");
        let (stdout, stderr) = (String::from_utf8_lossy(&built.stdout), String::from_utf8_lossy(&built.stderr));
        assert_eq!(stdout, expected, "{target}: {stderr}");
    }
}

/// The folders of the one who compiled a program are in no message of it.
fn assert_has_no_paths_of_this_machine(program: &Path) {
    let bytes = fs::read(program).expect("a program");
    let home = std::env::var("HOME").expect("a home");
    for path in [format!("{home}/.cargo/"), format!("{home}/.rustup/"), format!("{}/", release::root().display())] {
        let found = bytes.windows(path.len()).position(|part| part == path.as_bytes());
        let around = found.map(|at| String::from_utf8_lossy(&bytes[at..(at + 120).min(bytes.len())]).into_owned());
        assert_eq!(around, None, "{}", program.display());
    }
}
