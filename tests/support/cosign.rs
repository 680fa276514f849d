//! cosign 3 and oras, to check that signatures and attachments interoperate.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::environment;
use super::process::{Ran, output, run};

/// The password of all keys in tests.
pub const PASSWORD: &str = "sesame";

/// cosign in a folder with the keys `cosign.key` and `cosign.pub` of its own making, and a configuration without services.
pub struct Cosign {
    folder: PathBuf,
}

/// Returns the path of cosign, oras, crane, docker-buildx or gh.
///
/// # Panics
/// Panics if it is unknown where they are.
pub fn path(name: &str) -> PathBuf {
    let folder = std::env::var_os("CARGO_OCI_TEST_SIGNING_PATH");
    let folder = folder.expect(
        "a folder with cosign, oras, crane, docker-buildx and gh in CARGO_OCI_TEST_SIGNING_PATH: `.ci/test` sets it",
    );
    Path::new(&folder).join(name)
}

fn program(name: &str) -> Command {
    environment::command(path(name))
}

impl Cosign {
    /// Creates the keys.
    pub fn new(folder: &Path) -> Cosign {
        let cosign = Cosign { folder: folder.to_owned() };
        output(&mut cosign.command(&["generate-key-pair"]));
        output(&mut cosign.command(&["signing-config", "create", "--out", "services.json"]));
        cosign
    }

    /// `cosign ARGS`.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = program("cosign");
        // Its own home: cosign keeps a cache of trusted roots there.
        command.args(args).current_dir(&self.folder).env("COSIGN_PASSWORD", PASSWORD).env("HOME", &self.folder);
        command
    }

    /// `cosign sign` or `attest`, which succeeds.
    pub fn signs(&self, args: &[&str]) {
        let rest = ["--signing-config", "services.json", "--allow-insecure-registry", "--allow-http-registry", "-y"];
        output(&mut self.command(&[&args[..1], &rest, &args[1..]].concat()));
    }

    /// `cosign sign` or `attest` in the format of cosign 2, which succeeds.
    pub fn signs_as_before(&self, args: &[&str]) {
        let format = ["--new-bundle-format=false", "--tlog-upload=false", "--use-signing-config=false"];
        let rest = ["--allow-insecure-registry", "--allow-http-registry", "-y"];
        output(&mut self.command(&[&args[..1], &format, &rest, &args[1..]].concat()));
    }

    /// `cosign verify` or `verify-attestation` in the format of cosign 2.
    pub fn verifies_as_before(&self, args: &[&str]) -> Ran {
        self.verifies(&[&args[..1], &["--new-bundle-format=false"], &args[1..]].concat())
    }

    /// `cosign verify` or `verify-attestation`.
    pub fn verifies(&self, args: &[&str]) -> Ran {
        let rest = ["--insecure-ignore-tlog=true", "--allow-insecure-registry", "--allow-http-registry"];
        run(&mut self.command(&[&args[..1], &rest, &args[1..]].concat()))
    }
}

/// `docker-buildx ARGS`, with what it keeps in a folder.
pub fn buildx(folder: &Path, args: &[&str]) -> String {
    output(program("docker-buildx").args(args).env("HOME", folder))
}

/// `gh attestation verify` of an image, with its attestations in the registry and these trusted roots: one in a line.
pub fn gh_verifies(folder: &Path, image: &str, roots: &str, args: &[&str]) -> Ran {
    let fixed =
        ["attestation", "verify", &format!("oci://{image}"), "--bundle-from-oci", "--custom-trusted-root", roots];
    // It asks nobody, but wants to know who asks.
    let who = [("HOME", folder.as_os_str()), ("GH_TOKEN", OsStr::new("none")), ("NO_COLOR", OsStr::new("1"))];
    run(program("gh").args(fixed).args(args).current_dir(folder).envs(who))
}

/// Runs `oras`, and returns its standard output.
///
/// # Panics
/// Panics if it fails.
pub fn oras(folder: &Path, args: &[&str]) -> String {
    output(program("oras").args(args).current_dir(folder).env("HOME", folder))
}
