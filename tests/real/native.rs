//! A crate that compiles C, and what is configured for it.

use crate::support::container::{Runtime, run, unpack};
use crate::support::problems;
use crate::support::project::Project;

/// The folder in which the fixture's C code is compiled, kept between runs: zig takes its time.
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/fixtures-native");

#[test]
fn zig_compiles_c_code_of_both_targets() {
    let project = Project::fixture("native");
    // Cargo compiles anew what it compiled with a compiler of another path.
    let cache = std::path::Path::new(TARGET).join("cache");
    project.build(&["--target-dir", TARGET]).with_zig().env("CARGO_OCI_CACHE_DIR", cache).succeeds();
    let layout = std::path::Path::new(TARGET).join("oci/native");
    assert_eq!(problems(&layout), []);
    for architecture in ["amd64", "arm64"] {
        let bundle = project.path(architecture);
        unpack(&layout, "latest", architecture, &bundle);
        let ran = run(&bundle, Runtime::Runc, &[]);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("round_trip=ok"), "{}", ran.stdout);
    }
}

#[test]
fn missing_zig_error_names_package_and_help() {
    let project = Project::fixture("native");
    let words = project.build(&["--platform", "linux/arm64"]).without_zig().fails(101);
    assert!(words.contains("error: zstd-sys v"), "{words}");
    assert!(words.contains("there is no C compiler for aarch64-unknown-linux-musl"), "{words}");
    assert!(words.contains("help: `pip install ziglang`"), "{words}");
    assert!(words.contains("set CC_aarch64_unknown_linux_musl"), "{words}");
    assert!(!project.path("target/oci").exists());
}

#[test]
fn rust_error_does_not_blame_c_compiler() {
    let project = Project::fixture("native").file("build.rs", "fn main() -> u32 { compile_error!(\"mine\") }\n");
    let words = project.build(&["--platform", "linux/arm64", "--jobs", "1"]).without_zig().run().stderr;
    assert!(words.contains("mine") || words.contains("zstd-sys"), "{words}");
    let hello = Project::new("x").file("src/main.rs", "fn main() { mine }\n");
    let words = hello.build(&[]).without_zig().fails(101);
    assert!(!words.contains("C compiler"), "{words}");
}

#[test]
fn configured_c_compiler_is_used() {
    let project = Project::fixture("native");
    // Not a compiler: cargo's own words show that it was called.
    let by_variable = project.build(&["--platform", "linux/arm64"]).env("CC_aarch64_unknown_linux_musl", "false");
    let args = ["--platform", "linux/arm64", "--config", "env.CC_aarch64-unknown-linux-musl='false'"];
    for call in [by_variable, project.build(&args)] {
        let words = call.without_zig().fails(101);
        assert!(words.contains("\"false\""), "{words}");
        assert!(!words.contains("pip install ziglang"), "{words}");
    }
}

#[test]
fn configured_linker_is_used() {
    let config = "[target.aarch64-unknown-linux-musl]\nlinker = \"/nowhere/ld\"\n";
    let project = Project::new("x").file(".cargo/config.toml", config);
    let words = project.build(&["--platform", "linux/arm64"]).fails(101);
    assert!(words.contains("/nowhere/ld"), "{words}");
}
