//! Errors before anything is compiled, where a test checks more than the words: those are all in
//! `tests/snapshots`.

use std::fs;

use crate::support::base::BaseImage;
use crate::support::project::Project;

/// The error of `cargo oci build ARGS`, which has written nothing.
fn error(project: &Project, args: &[&str]) -> String {
    let words = project.oci(&[&["build"], args].concat()).env("NO_COLOR", "1").fails(1);
    assert!(!project.path("target/oci").exists(), "{words}");
    words
}

#[track_caller]
fn assert_says(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in:\n{words}");
    }
}

#[test]
fn table_error_shows_its_line_without_control_characters() {
    let project = Project::empty("we\u{1b}[31mird")
        .file("Cargo.toml", "[package]\nname = \"x\"\n[package.metadata.oci]\nnope = \"a\u{202e}b\"\n")
        .file("src/main.rs", "fn main() {}\n");
    let words = project.build(&["--color", "always"]).fails(1);
    assert_says(&words, &["we\\u{1b}[31mird/Cargo.toml:4:1", "nope = \"a\u{fffd}b\""]);
    assert!(!words.contains("we\u{1b}") && !words.contains('\u{202e}'), "{words:?}");
}

#[test]
fn image_flag_resolves_duplicate_names() {
    let images = |table: &str| {
        Project::new("x")
            .append("Cargo.toml", &format!("[package.metadata.oci]\nrepository = \"ghcr.io/acme/x\"\n{table}\n"))
            .file("src/bin/y.rs", "fn main() {}\n")
    };
    let project = images("[package.metadata.oci.images.y]\nbins = [\"y\"]");
    assert_says(&error(&project, &["--image", "y", "--base", "oci:nowhere"]), &["no OCI layout in nowhere"]);
    let project = images("[package.metadata.oci.images.y]\nbins = [\"y\"]\nrepository = \"ghcr.io/acme/y\"");
    assert_says(&error(&project, &["--base", "oci:nowhere"]), &["no OCI layout in nowhere"]);
}

#[cfg(target_os = "linux")]
#[test]
fn prebuilt_program_needs_glibc_of_base() {
    let project = Project::new("x");
    BaseImage::new().glibc().write(&project.path("glibc"));
    let mut program = fs::read("/bin/true").expect("a program");
    let args = ["--base", "oci:glibc", "--platform", "host", "--prebuilt", "host=program"];
    let name = b"GLIBC_2.34";
    let found =
        program.windows(name.len()).position(|bytes| bytes == name).expect("a version that all new programs need");
    program[found..][..name.len()].copy_from_slice(b"GLIBC_2.99");
    fs::write(project.path("program"), &program).expect("a file");
    let words = error(&project, &args);
    assert_says(
        &words,
        &[
            "is dynamic: it needs GLIBC_2.99 (symbol ",
            " of libc.so.6, but the base oci:glibc has glibc 2.",
            "help: choose a newer base with `--base`",
        ],
    );
    fs::copy("/bin/true", project.path("program")).expect("a copy");
    project.oci(&[&["build"], &args[..]].concat()).succeeds();
}
