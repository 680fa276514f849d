//! `cargo build` and `cargo oci build` make the same program, however cargo is configured.
//!
//! Each case is built by both. A wrapper around the compiler takes away what cargo-oci adds, the flags that remap paths and
//! ask for static programs, and what follows from them, the hash in names. Then the compiler must be called in the same
//! way, and the programs must have the same bytes. What they print shows that the configuration counted.

mod flags;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::environment;
use crate::support::process;
use crate::support::project::{Call, Project};

const AMD64: &str = "x86_64-unknown-linux-musl";
const ARM64: &str = "aarch64-unknown-linux-musl";

/// What the program prints, a line each.
const MAIN: &str = r#"fn main() {
    println!("a={} b={} c={}", cfg!(a), cfg!(b), cfg!(c));
    println!("abort={} checks={} avx2={}", cfg!(panic = "abort"), cfg!(debug_assertions), cfg!(target_feature = "avx2"));
    println!("say={}", option_env!("SAY").unwrap_or("nothing"));
    println!("{}", include_str!(concat!(env!("OUT_DIR"), "/of-build")));
}
"#;

const BUILD: &str = r#"fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = std::env::var("OUT_DIR").unwrap();
    let say = std::env::var("SAY").unwrap_or_default();
    std::fs::write(format!("{folder}/of-build"), format!("build={say}")).unwrap();
}
"#;

const MANIFEST: &str = r#"[package]
name = "app"
version = "0.1.0"
edition = "2024"
[features]
extra = []
[profile.release]
strip = true
[lints.rust]
unexpected_cfgs = "allow"
"#;

/// Copies what the compiler is called with for the package `app`, without what cargo-oci adds and what follows from it.
const WRAPPER: &str = r#"rustc=$1
shift
target=
before=
for arg; do
  shift
  if [ "$before" = --target ]; then target=$arg; fi
  if [ "$before" = -C ]; then
    before=
    case $arg in
    target-feature=+crt-static | link-self-contained=yes) continue ;;
    metadata=*) arg=metadata=x ;;
    esac
    set -- "$@" -C "$arg"
    continue
  fi
  before=$arg
  case $arg in
  -C) continue ;;
  --remap-path-prefix=*) echo "$arg" >> "$REMAPS"; continue ;;
  esac
  set -- "$@" "$arg"
done
case " $* " in
*" --crate-name app "*) for arg; do echo "$arg"; done > "$CALLS-$target" ;;
esac
exec "$rustc" "$@""#;

/// A configuration.
#[derive(Default)]
struct Case<'a> {
    /// What it is about, for messages.
    name: &'a str,
    /// Files of the project.
    files: &'a [(&'a str, &'a str)],
    /// Environment variables. `ROOT` in their values is the folder of the project.
    variables: &'a [(&'a str, &'a str)],
    /// Arguments of both commands.
    args: &'a [&'a str],
    /// What the program prints, among other things.
    prints: &'a [&'a str],
}

const CONFIG: &str = ".cargo/config.toml";

fn flags(key: &str, flags: &str) -> String {
    format!("[{key}]\nrustflags = {flags}\n")
}

fn project(case: &Case) -> Project {
    let project = Project::new("app").file("Cargo.toml", MANIFEST).file("src/main.rs", MAIN).file("build.rs", BUILD);
    project.program("wrapper", WRAPPER);
    case.files.iter().fold(project, |project, (path, text)| {
        let text = text.replace("ROOT", &project.root().display().to_string());
        project.file(path, &text)
    })
}

/// Sets the variables of a case, a wrapper that writes to `log`, and one linker for both.
fn configured(call: Call, project: &Project, case: &Case, log: &str) -> Call {
    let wrapper = project.path("programs/wrapper");
    let call = call.env("RUSTC_WRAPPER", wrapper).env("SAY_NOT", "x");
    let call =
        ["CALLS", "REMAPS"].iter().fold(call, |call, name| call.env(name, project.path(&format!("{name}-{log}"))));
    let call = [AMD64, ARM64].iter().fold(call, |call, triple| {
        let key = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase().replace('-', "_"));
        call.env(&key, lld())
    });
    let root = project.root().display().to_string();
    case.variables.iter().fold(call, |call, (key, value)| call.env(key, value.replace("ROOT", &root)))
}

/// Returns the linker of the toolchain.
fn lld() -> PathBuf {
    let sysroot = process::output(environment::command("rustc").args(["--print", "sysroot"]).current_dir("/"));
    let hosts = fs::read_dir(Path::new(sysroot.trim()).join("lib/rustlib")).expect("a toolchain");
    let mut paths = hosts.map(|host| host.expect("a folder").path().join("bin/rust-lld"));
    paths.find(|path| path.is_file()).unwrap_or_else(|| "ld.lld".into())
}

/// Builds a case by both and compares. `triples` are the targets, `profile` the folder of the profile.
fn compare_in(case: &Case, triples: &[&str], target_dir: &str, profile: &str) {
    let project = project(case);
    let platforms = triples.iter().map(|triple| if *triple == AMD64 { "linux/amd64" } else { "linux/arm64" });
    let platforms = platforms.collect::<Vec<_>>().join(",");
    let of_oci = project.build(&["--sbom", "false", "--platform", &platforms]).with(case.args);
    let of_oci = configured(of_oci, &project, case, "oci");
    let mut plain = configured(project.build(&[]), &project, case, "cargo").command("cargo");
    let release = (!case.args.contains(&"--profile")).then_some("--release");
    plain.arg("build").args(release).args(triples.iter().flat_map(|triple| ["--target", triple])).args(case.args);
    let ran = Call::ran(&mut plain);
    assert_eq!(ran.status, 0, "{}: cargo: {}", case.name, ran.stderr);
    let program = |triple: &str| project.path(&format!("{target_dir}/{triple}/{profile}/app"));
    let by_cargo: Vec<_> = triples.iter().map(|triple| fs::read(program(triple)).expect("a program")).collect();
    let ran = of_oci.run();
    assert_eq!(ran.status, 0, "{}: cargo oci: {}", case.name, ran.stderr);
    let log = |name: &str| fs::read_to_string(project.path(name)).unwrap_or_default();
    for triple in triples {
        let [oci, cargo] = ["oci", "cargo"].map(|name| log(&format!("CALLS-{name}-{triple}")));
        assert_eq!(arguments(&oci), arguments(&cargo), "{}", case.name);
    }
    let remaps = log("REMAPS-oci");
    for to in ["/workspace", "/workspace/target", "/home", "/rustc"] {
        assert!(remaps.lines().any(|line| line.ends_with(&format!("={to}"))), "{}: {to}: {remaps}", case.name);
    }
    assert!(!log("REMAPS-cargo").contains("/workspace"), "{}", case.name);
    for (triple, by_cargo) in triples.iter().zip(by_cargo) {
        assert!(fs::read(program(triple)).expect("a program") == by_cargo, "{}: other bytes for {triple}", case.name);
        let printed = process::output(&mut Command::new(program(triple)));
        for line in case.prints {
            assert!(printed.lines().any(|printed| printed == *line), "{}: {line}: {printed}", case.name);
        }
    }
}

/// Returns the arguments without those that name folders by a hash of all flags.
fn arguments(calls: &str) -> Vec<&str> {
    let hashed = ["extra-filename=", "dependency=", "incremental="];
    let lines = calls.lines().filter(|line| !hashed.iter().any(|prefix| line.starts_with(prefix)));
    assert!(!calls.is_empty(), "the compiler was not called");
    lines.collect()
}

fn compare(case: &Case, triples: &[&str]) {
    compare_in(case, triples, "target", "release");
}
