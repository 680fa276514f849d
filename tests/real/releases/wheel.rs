//! The Python wheels.

use std::fs;

use super::VERSION;
use crate::support::environment;
use crate::support::process::output;
use crate::support::release::{AMD64, Release};

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn wheel_installs_into_empty_environment() {
    let (release, folder) = (Release::get(), tempfile::tempdir().expect("a folder"));
    let at = |name: &str| folder.path().join(name);
    output(environment::command("python3").args(["-m", "venv"]).arg(at("venv")));
    let pip = |args: &[&str]| {
        let mut command = environment::command(at("venv/bin/pip"));
        // The machine's settings may add places that packages come from.
        command.args(args).env("PIP_CONFIG_FILE", "/dev/null").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        output(&mut command)
    };
    let files = release.folder().to_str().expect("UTF-8");
    pip(&["install", "--no-index", "--find-links", files, "cargo-oci"]);
    let shown = pip(&["show", "--files", "cargo-oci"]);
    assert!(shown.contains(&format!("Version: {VERSION}")), "{shown}");
    // Cargo finds it there as a command of its own, once the environment is active.
    let mut cargo = environment::command("cargo");
    let machine = std::env::var_os("PATH").expect("PATH");
    let path = std::iter::once(at("venv/bin")).chain(std::env::split_paths(&machine));
    cargo.args(["oci", "--version"]).env("PATH", std::env::join_paths(path).expect("folders"));
    assert_eq!(output(&mut cargo), format!("cargo oci {VERSION}\n"));
    let installed = fs::read(at("venv/bin/cargo-oci")).expect("a program");
    let released = fs::read(release.program(AMD64, folder.path())).expect("a program");
    assert!(installed == released, "the wheel has another program than the archive");
    pip(&["uninstall", "--yes", "cargo-oci"]);
    assert!(!at("venv/bin/cargo-oci").exists());

    // For other machines, pip takes the wheel that is for them.
    for (platform, program) in [
        ("manylinux_2_28_aarch64", "cargo-oci"),
        ("musllinux_1_2_aarch64", "cargo-oci"),
        ("musllinux_1_2_x86_64", "cargo-oci"),
        ("win_amd64", "cargo-oci.exe"),
    ] {
        // As pip lists them for such a machine: it knows the older ones from the newer.
        let platforms: Vec<_> = match platform.rsplit_once("linux_1_2_") {
            Some((kind, machine)) => vec![platform.to_owned(), format!("{kind}linux_1_1_{machine}")],
            None => vec![platform.to_owned(), platform.replace("_2_28_", "_2_17_")],
        };
        let target = at(platform);
        let place = target.to_str().expect("UTF-8");
        let mut args = vec!["install", "--no-index", "--find-links", files, "--only-binary=:all:", "--target", place];
        args.extend(platforms.iter().flat_map(|platform| ["--platform", platform]));
        args.push("cargo-oci");
        pip(&args);
        assert!(target.join("bin").join(program).is_file(), "{platform}");
    }
}
