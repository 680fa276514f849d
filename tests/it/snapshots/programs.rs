//! Programs that do not compile or fit the platform, and places to write to.

use super::{AMD64, ARM64, elf, of_prebuilt, prebuilt};
use crate::support::base::BaseImage;
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;
use std::fs;
use std::path::Path;

/// The lines of a compiler whose libraries are in `folder`, where there are none.
fn rustc_in(folder: &str) -> String {
    let cargo = std::env::var_os("CARGO").expect("cargo runs the tests");
    let rustc = Path::new(&cargo).with_file_name("rustc");
    let libraries = format!("printf '%s\\n' '{folder}' '{folder}/lib/rustlib/HOST/lib'");
    format!("case \"$*\" in *target-libdir) {libraries} ;; *) exec '{}' \"$@\" ;; esac", rustc.display())
}

#[test]
fn program_errors_match_snapshot() {
    let mut told = Snapshot::of("programs");
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    told.writing(&host, "HOST");
    let main = "fn main() {\n    compile_error!(\"the words of this error are cargo's own\");\n}\n";
    let project = Project::new("x").file("src/main.rs", main);
    BaseImage::new().glibc().write(&project.path("base"));
    let args = ["build", "--base", "oci:base", "--target", &host];
    let call = project.oci(&args).env("CARGO_TARGET_DIR", project.path("compiled"));
    told.call("a compile error", &project, &args, call, 101);
    let loong = ["build", "--base", "scratch", "--platform", "linux/loong64"];
    let project = Project::new("x");
    // Its toolchain is one that rustup has not installed.
    project.program("rustc", &rustc_in("/opt/rust"));
    let call =
        |project: &Project, args: &[&str]| project.oci(args).alone().env("RUSTC", project.path("programs/rustc"));
    told.call("a target that cannot be had", &project, &loong, call(&project, &loong), 1);
    let toolchain = project.path("toolchain");
    let project = project.file("toolchain/lib/rustlib/multirust-channel-manifest.toml", "");
    project.program("rustc", &rustc_in(&toolchain.display().to_string()));
    project.program("rustup", "exit 1");
    told.call("a target that rustup cannot bring", &project, &loong, call(&project, &loong), 1);
    let forbidden = [&loong[..], &["--no-install"]].concat();
    told.call("a target that may not be installed", &project, &forbidden, call(&project, &forbidden), 1);
    fs::remove_file(project.path("programs/rustup")).expect("a program");
    told.call("a target of rustup's without rustup", &project, &loong, call(&project, &loong), 1);

    let project = Project::with_table("bins = [\"x\", \"y\"]").file("src/bin/y.rs", "fn main() {}\n");
    let project = project.file("dist/x", "").file("one", "");
    let mut two = |title: &str, value: &str| {
        told.error(title, &project, &["build", "--base", "scratch", "--prebuilt", value]);
    };
    two("a prebuilt program that is not there", "linux/amd64=nowhere");
    two("a folder of prebuilt programs that lacks one", "linux/amd64=dist");
    two("one prebuilt program for two", "linux/amd64=one");
    two("prebuilt programs for a platform that is not built", "linux/riscv64=dist");
    let project = project.file("dist/y", "");
    let twice = ["build", "--base", "scratch", "--prebuilt", "linux/amd64=dist", "--prebuilt", "linux/amd64=one"];
    told.error("prebuilt programs for one platform twice", &project, &twice);
    let mut foreign = |title: &str, content: &[u8]| {
        let project = Project::new("x");
        fs::create_dir(project.path("dist")).expect("a folder");
        fs::write(project.path("dist/program"), content).expect("a file");
        told.error(title, &project, &of_prebuilt("build", &["--base", "scratch"]));
    };
    foreign("a program for another machine", &elf(ARM64));
    foreign("a program for another system (Mach-O)", &[0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    foreign("a program for another system (Windows)", b"MZ\x90\0 and more than sixteen bytes");
    foreign("something that is no program", b"#!/bin/sh\necho hello\n");
    foreign("a program that is cut off", &elf(AMD64)[..40]);
    let dynamic = ["build", "--base", "scratch", "--target", "riscv64gc-unknown-linux-gnu"];
    told.error("dynamic programs over a base without a loader", &Project::new("x"), &dynamic);
    let targets = ["build", "--target", "i686-unknown-linux-gnu", "--target", "i686-unknown-linux-musl"];
    told.error("two targets for one platform", &Project::new("x"), &targets);
    told.check();
}

#[test]
fn output_errors_match_snapshot() {
    let mut told = Snapshot::of("outputs");
    let project = prebuilt().file("folder/file", "");
    let mut output = |title: &str, args: &[&str]| {
        told.error(title, &project, &of_prebuilt("build", &[&["--base", "scratch"], args].concat()));
    };
    output("a folder that is not there", &["-o", "oci-archive=no/x.tar"]);
    output("a folder where a file should be", &["--metadata-file", "folder"]);
    output("two outputs at one place", &["-o", "oci-archive=x.tar", "-o", "docker-archive=x.tar"]);
    output("a folder with something else in it", &["-o", "oci-dir=folder"]);
    let both = ["build", "--base", "scratch", "--no-index"];
    told.error("no index for two platforms", &Project::new("x"), &both);
    let below = of_prebuilt("build", &["--base", "scratch", "--target-dir", "Cargo.toml/target"]);
    told.error("a target folder that cannot be", &project, &below);
    let lines = of_prebuilt("build", &["--base", "scratch", "--target-dir", "t\nb"]);
    told.error("a target folder that would make two lines of a result", &project, &lines);
    told.check();
}
