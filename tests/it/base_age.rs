//! The default base, and what is said of bases that have grown old.

use std::fs;

use serde_json::Value;

use crate::snapshots::{AMD64, elf};
use crate::support::base::{BaseImage, PLATFORMS, RISCV64};
use crate::support::handmade::{Image, Layer, base};
use crate::support::process::Ran;
use crate::support::project::{Call, Project};
use crate::support::strict::{Behaviour, StrictRegistry};

/// Returns a program of 64 bits for an ELF machine, or one of 32 bits for ARM's.
fn program(machine: u8) -> Vec<u8> {
    let mut header = elf(machine);
    if machine == 40 {
        header[4] = 1;
        // The sizes of the header, of its entries, and of those of sections are elsewhere in it.
        header[32..].fill(0);
        (header[40], header[42], header[46]) = (52, 32, 40);
    }
    header
}

#[test]
fn all_platforms_of_debian_13_include_riscv64() {
    let project = Project::new("x");
    BaseImage::new().riscv64().write(&project.path("base"));
    let mut args = vec!["build".to_owned(), "--base=oci:base".to_owned(), "--platform=all".to_owned()];
    for (platform, machine) in PLATFORMS.into_iter().chain([RISCV64]).zip([AMD64, 183, 40, 243]) {
        fs::write(project.path(&machine.to_string()), program(machine)).expect("a program");
        args.push(format!("--prebuilt={platform}={machine}"));
    }
    let words = project.oci(&args.iter().map(String::as_str).collect::<Vec<_>>()).succeeds().stderr;
    assert!(words.contains("Finished x for linux/amd64, linux/arm64/v8, linux/arm/v7, linux/riscv64 ("), "{words}");
}

/// A package whose program is compiled already, over a base with this os-release.
fn over(os_release: &str) -> Project {
    let project = Project::new("x");
    fs::write(project.path("program"), elf(AMD64)).expect("a program");
    let release = Layer::new().file("usr/lib/os-release", os_release.as_bytes());
    let release = release.symlink("etc/os-release", "../usr/lib/os-release");
    Image::new().layer(base()).layer(release).write(&project.path("base"));
    project
}

/// Builds over a base on a day.
fn built(project: &Project, base: &str, day: &str, args: &[&str]) -> Ran {
    let own = ["build", "--base", base, "--platform", "linux/amd64", "--prebuilt", "linux/amd64=program"];
    let call = project.oci(&[&own[..], args].concat()).env("CARGO_OCI_TODAY", day);
    Call::ran(&mut call.direct())
}

#[test]
fn end_of_base_is_said_once_a_day() {
    let project = over("PRETTY_NAME=\"Distroless\"\nID=\"debian\"\nVERSION_ID=\"12\"\n");
    let said = "warning: the base oci:base is distroless Debian 12, which has no fixes since 2026-09-30: use distroless \
                Debian 13\n";
    let on = |day: &str, args: &[&str]| {
        let ran = built(&project, "oci:base", day, args);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        ran
    };
    assert!(!on("2026-09-30", &[]).stderr.contains("warning"));
    let first = on("2026-10-01", &[]).stderr;
    assert_eq!(first.matches(said).count(), 1, "{first}");
    assert!(!on("2026-10-01", &[]).stderr.contains("warning"));
    assert!(on("2026-10-02", &[]).stderr.contains(said));
    assert_eq!(on("2026-10-03", &["-q"]).stderr, "");
    let json = on("2026-10-04", &["--message-format", "json"]).stdout;
    let events = json.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let warnings: Vec<_> = events.filter(|event| event["reason"] == "warning").collect();
    assert!(warnings.len() == 1 && warnings[0]["message"].as_str().is_some_and(|text| said.contains(text)), "{json}");
}

#[test]
fn name_of_base_counts_until_it_is_pulled() {
    let project = over("");
    // Its os-release is that of Debian 13.
    BaseImage::new().write(&project.path("new"));
    let registry = StrictRegistry::start(Behaviour::default());
    registry.put_layout(&project.path("new"), "distroless/static-debian11", "nonroot");
    let base = registry.reference("distroless/static-debian11:nonroot");
    let repository = registry.reference("acme/x");
    // A push mounts the layers of the base, and does not read them.
    let args = ["push", "--repository", &repository, "--base", &base, "--platform", "linux/amd64"];
    let push = || {
        let call = project.oci(&args).with(&["--prebuilt", "linux/amd64=program"]).env("CARGO_OCI_TODAY", "2026-11-29");
        call.succeeds().stderr
    };
    let newer = registry.reference("distroless/static-debian13:nonroot");
    let said = format!("is distroless Debian 11, which has no fixes since 2024-06-10: use {newer}\n");
    let first = push();
    assert!(first.contains(&said), "{first}");
    assert!(!push().contains("warning"));
    // Its own os-release knows better.
    let pulled = built(&project, &base, "2026-11-30", &[]).stderr;
    assert!(pulled.contains("Pulling") && !pulled.contains("warning"), "{pulled}");
    let again = built(&project, &base, "2026-12-01", &[]).stderr;
    assert!(again.contains("Finished") && !again.contains("warning"), "{again}");
}

#[test]
fn base_with_fixes_is_not_warned_of() {
    for os_release in ["ID=debian\nVERSION_ID=\"13\"\n", "ID=wolfi\n", "", "\0"] {
        let ran = built(&over(os_release), "oci:base", "2026-11-29", &[]);
        assert!(ran.status == 0 && !ran.stderr.contains("warning"), "{os_release}: {}", ran.stderr);
    }
}

#[test]
fn old_certificates_of_embedded_base_are_said() {
    let project = over("");
    let said =
        "warning: the CA certificates in the base embedded are of 2026-10-23, more than a year old: update cargo-oci\n";
    assert!(!built(&project, "embedded", "2027-10-23", &[]).stderr.contains("warning"));
    assert!(built(&project, "embedded", "2027-10-24", &[]).stderr.contains(said));
    assert!(!built(&project, "oci:base", "2027-10-25", &[]).stderr.contains("warning"));
    let ran = built(&project, "embedded", "tomorrow", &[]);
    let words = "error: invalid CARGO_OCI_TODAY: expected a date, found `tomorrow`\n\nhelp: set it to a date such as 2026-11-29";
    assert!(ran.status == 1 && ran.stderr.contains(words), "{}", ran.stderr);
}
