//! The default base, and what is said of bases that have grown old.

use std::fs;

use crate::snapshots::{AMD64, elf};
use crate::support::base::{BaseImage, PLATFORMS};
use crate::support::project::Project;

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
    BaseImage::new().write(&project.path("base"));
    let mut args = vec!["build".to_owned(), "--base=oci:base".to_owned(), "--platform=all".to_owned()];
    for (platform, machine) in PLATFORMS.into_iter().zip([AMD64, 183, 40, 243]) {
        fs::write(project.path(&machine.to_string()), program(machine)).expect("a program");
        args.push(format!("--prebuilt={platform}={machine}"));
    }
    let words = project.oci(&args.iter().map(String::as_str).collect::<Vec<_>>()).succeeds().stderr;
    assert!(words.contains("Finished x for linux/amd64, linux/arm64/v8, linux/arm/v7, linux/riscv64 ("), "{words}");
}
