//! C libraries: what a base has, and what programs need of it.

use super::{of_prebuilt, prebuilt};
use crate::support::elf::Elf;
use crate::support::handmade::{Image, Layer};
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;
use std::fs;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A base with a loader, and a glibc of this version.
fn write_glibc(project: &Project, name: &str, version: &str) {
    let glibc = Elf::library().defines("GLIBC_2.2.5").defines(version).defines("GLIBC_PRIVATE").write();
    let layer = Layer::new().file(LOADER.trim_start_matches('/'), b"").file("lib/libc.so.6", &glibc);
    Image::new().layer(layer).write(&project.path(name));
}

#[test]
fn libc_errors_match_snapshot() {
    let mut told = Snapshot::of("libc").after_building();
    let project = prebuilt();
    let build =
        |args: &[&'static str]| [&["build", "--libc", "gnu", "--platform", "linux/amd64", "--base"], args].concat();
    write_glibc(&project, "debian", "GLIBC_2.36");
    write_glibc(&project, "ancient", "GLIBC_2.12");
    let musl = Layer::new().file("lib/ld-musl-x86_64.so.1", b"").file("lib/libc.musl-x86_64.so.1", b"");
    Image::new().layer(musl).write(&project.path("alpine"));
    told.error("programs for glibc over a base with musl", &project, &build(&["oci:alpine"]));
    told.error("programs for glibc over a base with none", &project, &build(&["scratch"]));
    told.error("programs for glibc over one that is too old", &project, &build(&["oci:ancient"]));
    let dynamic = ["build", "--platform", "linux/amd64", "--base", "oci:debian"];
    let call = project.oci(&dynamic).env("RUSTFLAGS", "-C target-feature=-crt-static");
    told.call("dynamic programs for musl over glibc", &project, &dynamic, call, 1);

    let mut program = |title: &str, program: Elf| {
        fs::write(project.path("dist/program"), program.write()).expect("a file");
        told.error(title, &project, &of_prebuilt("build", &["--base", "oci:debian"]));
    };
    let of_glibc = || Elf::program(LOADER).loads("libc.so.6").needs("libc.so.6", "GLIBC_2.2.5", "puts");
    program("a program for a newer glibc", of_glibc().needs("libc.so.6", "GLIBC_2.38", "__isoc23_strtol"));
    program("a program that needs libgcc", of_glibc().loads("libgcc_s.so.1"));
    program("a program that needs other libraries", of_glibc().loads("libssl.so.3").loads("libgcc_s.so.1"));
    program("a program of another loader", Elf::program("/lib/ld-linux.so.3").loads("libc.so.6"));
    told.error("the base of programs for glibc", &project, &["build", "--libc", "gnu", "--offline"]);
    let mixed = ["--target", "aarch64-unknown-linux-musl", "--target", "x86_64-unknown-linux-gnu", "--offline"];
    told.error("the base of programs for both", &project, &[&["build"], &mixed[..]].concat());
    let table = Project::with_table("libc = \"gnu\"");
    let typed = ["build", "--target", "x86_64-unknown-linux-musl", "--offline"];
    told.error("the base of a target that was typed", &table, &typed);
    told.misuse("no C library", &project, &["build", "--libc", "glibc"]);
    told.misuse(
        "a target and a C library",
        &project,
        &["build", "--libc", "gnu", "--target", "x86_64-unknown-linux-musl"],
    );
    told.check();
}

#[test]
fn programs_that_fit_their_base_are_built() {
    let project = prebuilt();
    write_glibc(&project, "debian", "GLIBC_2.36");
    let program = Elf::program(LOADER).loads("libc.so.6").needs("libc.so.6", "GLIBC_2.36", "arc4random");
    fs::write(project.path("dist/program"), program.write()).expect("a file");
    let args = of_prebuilt("build", &["--base", "oci:debian", "--libc", "gnu"]);
    let before = project.oci(&args).succeeds().stdout;
    // What was found of the base is in the cache.
    assert_eq!(project.oci(&args).succeeds().stdout, before);
}
