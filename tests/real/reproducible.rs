//! One digest, wherever and by whomever an image is built.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::digest;
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::{Call, Project};

/// No user of this computer.
const USER: &str = "47110";

/// Where another user builds another copy of a fixture: with other folders for all that cargo needs, none of which was
/// ever used, and nothing of the environment of whoever runs the tests.
struct Elsewhere {
    folder: TempDir,
    name: &'static str,
}

/// Runs as root among mounts of its own: what the other user may not reach is mounted where they may, the registry's
/// packages and the toolchain. The clock is one of another year, but for cargo and the compiler, which hangs then.
const SCRIPT: &str = r#"
mount --bind "$TOOLCHAIN" "$THERE/toolchain"
mount --bind "$REGISTRY" "$THERE/cargo/registry"
[ ! -d "$RUSTUP" ] || mount --bind "$RUSTUP" "$THERE/rustup"
for program in cargo rustc; do
  printf '#!/bin/sh\nunset LD_PRELOAD\nexec "%s" "$@"\n' "$THERE/toolchain/bin/$program" >"$THERE/bin/$program"
  chmod +x "$THERE/bin/$program"
done
umask 077
cd "$THERE/some where/$NAME"
exec setpriv --reuid "$USER" --regid "$USER" --clear-groups env --ignore-environment \
  RUSTUP_HOME="$THERE/rustup" HOME="$THERE/home" CARGO_HOME="$THERE/cargo" CARGO_NET_OFFLINE=true TMPDIR="$THERE/home" \
  PATH="$THERE/bin:/usr/bin:/bin" \
  TZ=Asia/Kathmandu LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8 USER=other \
  faketime '2001-02-03 04:05:06' cargo-oci oci build --base embedded "$@"
"#;

impl Elsewhere {
    fn new(name: &'static str) -> Elsewhere {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Elsewhere { folder, name };
        for made in ["toolchain", "cargo/registry", "rustup", "home", "bin", "some where"] {
            std::fs::create_dir_all(place.path(made)).expect("a folder");
        }
        std::fs::copy(env!("CARGO_BIN_EXE_cargo-oci"), place.path("bin/cargo-oci")).expect("a copy");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let copy = "umask 077 && cp --recursive --no-preserve=mode \"$1\" \"$2\" && rm -rf \"$2/target\" && \
                    chown --recursive \"$3:$3\" \"$2\" \"$4\" \"$5\"";
        let copied = ["-c", copy, "sh"].map(Path::new).into_iter();
        let arguments = [&fixture, &place.project(), Path::new(USER), &place.path("home"), &place.path("cargo")];
        output(environment::command("sh").args(copied.chain(arguments)));
        std::fs::set_permissions(place.folder.path(), PermissionsExt::from_mode(0o755)).expect("a folder");
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn project(&self) -> PathBuf {
        self.path("some where").join(self.name)
    }

    fn build(&self, args: &[&str]) -> String {
        let mut command = environment::command("unshare");
        command.args(["--mount", "sh", "-euc", SCRIPT, "sh"]).args(args);
        command
            .env("TOOLCHAIN", toolchain())
            .env("REGISTRY", cargo_home().join("registry"))
            .env("RUSTUP", rustup_home());
        command.env("THERE", self.folder.path()).env("NAME", self.name).env("USER", USER);
        let ran = Call::ran(&mut command);
        assert!(ran.status == 0, "{}{}", ran.stdout, ran.stderr);
        digest(&self.project().join("target/oci").join(self.name))
    }
}

/// The folder of the toolchain that images are built with.
fn toolchain() -> PathBuf {
    let mut rustc = environment::command("rustc");
    rustc.args(["--print", "sysroot"]).env_remove("RUSTUP_TOOLCHAIN");
    if let Some(toolchain) = std::env::var_os("CARGO_OCI_TEST_TOOLCHAIN") {
        rustc.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    output(&mut rustc).trim_end().into()
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// Builds it here, by one thread and then by many, and elsewhere, cold and warm.
fn check(name: &'static str, target: &Path, platforms: &str) {
    let root = output(environment::command("id").arg("-u"));
    assert_eq!(root.trim_end(), "0", "only root can be another user: run the tests as root, as `.ci/test` says");
    let here = Project::fixture(name);
    let layout = target.join("oci").join(name);
    let build = |more: &str| {
        let build = format!("cargo oci build --base embedded --platform {platforms} {more}");
        let line = format!("umask 022; exec {build} --target-dir \"$0\"");
        let mut call = here.build(&[]).command("sh");
        call.arg("-c").arg(line).arg(target).env("TZ", "UTC").env("LC_ALL", "C");
        let ran = Call::ran(&mut call);
        assert!(ran.status == 0, "{}{}", ran.stdout, ran.stderr);
        digest(&layout)
    };
    // Compiled before its packages are needed where there is no network.
    let first = build("");
    for jobs in ["--jobs 16", "--jobs 1"] {
        for known in [&layout, &here.cache()] {
            std::fs::remove_dir_all(known).expect("a folder");
        }
        assert_eq!(build(jobs), first, "{jobs}");
    }
    let elsewhere = Elsewhere::new(name);
    assert_eq!(elsewhere.build(&["--platform", platforms, "--jobs", "16"]), first, "elsewhere");
    assert_eq!(elsewhere.build(&["--platform", platforms]), first, "elsewhere, where it is there already");
    std::fs::remove_dir_all(elsewhere.project().join("target/oci")).expect("a folder");
    assert_eq!(elsewhere.build(&["--platform", platforms]), first, "elsewhere, with a cache alone");
}

#[test]
fn program_image_is_reproducible_across_users() {
    let target = tempfile::tempdir().expect("a temporary folder");
    check("hello", target.path(), "linux/amd64,linux/arm64");
}

#[test]
fn service_image_is_reproducible_across_users() {
    // Dependencies are compiled once for all runs of the tests.
    check("service", &Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures"), "linux/amd64");
}

/// Whether the program holds it.
fn holds(program: &Path, text: &str) -> bool {
    let bytes = std::fs::read(program).expect("a program");
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn path_remapping_keeps_user_rustflags() {
    let dependency = "[package]\nname = \"dep\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let main = "fn main() {\n    println!(\"{} {}\", dep::place(), if cfg!(mine) { \"flag that counts\" } else { \"\" });\n}\n";
    let place = "pub fn place() -> &'static str {\n    file!()\n}\n";
    let config = |table: &str| {
        Project::new("x")
            .append("Cargo.toml", "\n[dependencies]\ndep = { path = \"../dep\" }\n")
            .file("src/main.rs", main)
            .file("../dep/Cargo.toml", dependency)
            .file("../dep/src/lib.rs", place)
            .file(".cargo/config.toml", table)
    };
    let triple = "x86_64-unknown-linux-musl";
    let flags = "rustflags = [\"--cfg\", \"mine\"]\n";
    let in_build = config(&format!("[build]\n{flags}"));
    let in_target = config(&format!("[build]\nrustflags = \"--cfg other\"\n[target.{triple}]\n{flags}"));
    let in_string =
        config(&format!("[build]\nrustflags = \"--cfg other\"\n[target.{triple}]\nrustflags = \"--cfg mine\"\n"));
    let in_cfg = config(&format!("[target.'cfg(target_os = \"linux\")']\n{flags}"));
    let nowhere = config("");
    let variable = |key: &str| nowhere.build(&[]).env(key, "--cfg mine");
    let argument = ["--config", "build.rustflags = ['--cfg', 'mine']"];
    let remapped = "/dependencies/dep-0.1.0/src/lib.rs";
    let calls = [
        (&in_build, in_build.build(&[])),
        (&nowhere, nowhere.build(&argument)),
        (&in_target, in_target.build(&[])),
        (&in_string, in_string.build(&["--platform", "linux/arm64"])),
        (&in_cfg, in_cfg.build(&[])),
        (&nowhere, variable("RUSTFLAGS")),
        (&nowhere, variable("CARGO_BUILD_RUSTFLAGS")),
        (&nowhere, variable("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS")),
    ];
    for (number, (project, call)) in calls.into_iter().enumerate() {
        let program = project.path("target").join(triple).join("release/x");
        let folder = project.root().parent().expect("a folder");
        let real = folder.join("dep/src/lib.rs").display().to_string();
        let call = call.env("HOME", folder).env("CARGO_HOME", cargo_home()).env("RUSTUP_HOME", rustup_home());
        call.with(&["--platform", "linux/amd64"]).succeeds();
        assert!(holds(&program, "flag that counts"), "call {number}: the user's flag is lost");
        assert!(holds(&program, remapped) && !holds(&program, &real), "call {number}: names {real}");
    }
    let program = nowhere.path("target").join(triple).join("release/x");
    let folder = nowhere.root().parent().expect("a folder");
    let real = folder.join("dep/src/lib.rs").display().to_string();
    nowhere.build(&["--platform", "linux/amd64", "--no-remap-path-prefix"]).succeeds();
    assert!(holds(&program, &real));
}

fn rustup_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".rustup");
    std::env::var_os("RUSTUP_HOME").map_or_else(home, PathBuf::from)
}
