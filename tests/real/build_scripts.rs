//! Build scripts that have C code compiled, each in another way: for two architectures, with zig, and run.

use std::fs;
use std::path::Path;

use crate::support::container::{Runtime, run, unpack};
use crate::support::problems;
use crate::support::project::{Call, Project};

/// The folder in which the fixtures are compiled, kept between runs.
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/fixtures-c");

fn build(project: &Project, package: &str, args: &[&str]) -> Call {
    let call = project.build(&["--package", package, "--target-dir", TARGET]).with(args).with_build_tools();
    // Cargo compiles anew what it compiled with a compiler of another path.
    call.env("CARGO_OCI_CACHE_DIR", Path::new(TARGET).join("cache"))
}

/// Returns the output of the program of a fixture in its image.
fn output(project: &Project, package: &str, architecture: &str) -> String {
    let layout = Path::new(TARGET).join("oci").join(package);
    assert_eq!(problems(&layout), []);
    let bundle = project.path(architecture);
    unpack(&layout, "latest", architecture, &bundle);
    let ran = run(&bundle, Runtime::Runc, &[]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// Builds a fixture with zig, and checks what its program finds with the C library of both images.
fn check(package: &str, expected: &str) {
    let project = Project::fixture("c");
    build(&project, package, &[]).with_zig().succeeds();
    for architecture in ["amd64", "arm64"] {
        assert_eq!(output(&project, package, architecture).trim_end(), expected, "{architecture}");
    }
}

/// Regular expressions of glibc have another layout than those of musl, which finds `-6` for 3 then.
const FOUND: &str = "match=3 glibc=0";

#[test]
fn indirect_build_dependency_compiles_with_zig() {
    check("indirect", FOUND);
}

#[test]
fn build_script_that_runs_cc_gets_zig() {
    check("direct", FOUND);
}

#[test]
fn cmake_compiles_for_the_target() {
    check("with-cmake", FOUND);
}

#[test]
fn meson_compiles_for_the_target() {
    check("with-meson", FOUND);
}

#[test]
fn configure_script_compiles_for_the_target() {
    check("with-autotools", FOUND);
}

#[test]
fn pkg_config_finds_what_build_scripts_built() {
    check("with-pkg-config", FOUND);
}

#[test]
fn bindgen_reads_headers_of_the_target() {
    // glibc's header says 8, and C writes 16.
    check("headers", "status=0,0 match=3 rest=(0, 0) size=16");
}

#[test]
fn pkg_config_never_finds_libraries_of_this_machine() {
    let project = Project::fixture("c");
    let pc = "Name: host\nDescription: of this machine\nVersion: 1\nLibs: -L/usr/lib -lhost\n";
    let project = project.file("pkgconfig/fixture-host.pc", pc);
    let call = build(&project, "with-pkg-config", &["--platform", "linux/arm64"]).with_zig();
    let call = call.env("PKG_CONFIG_PATH", project.path("pkgconfig")).env("PKG_CONFIG_ALLOW_CROSS", "1");
    let words = call.env("FIXTURE_LIBRARY", "fixture-host").fails(101);
    assert!(words.contains("found no such library for aarch64-unknown-linux-musl"), "{words}");
    assert!(words.contains("set PKG_CONFIG_LIBDIR_aarch64_unknown_linux_musl"), "{words}");
    let last = "needs the C library fixture-host, which is not there for aarch64-unknown-linux-musl\n\nhelp: ";
    assert!(words.contains(last), "{words}");
    // The same folder, said to be the target's.
    let call = build(&project, "with-pkg-config", &["--platform", "linux/arm64"]).with_zig();
    let call = call.env("PKG_CONFIG_LIBDIR_aarch64_unknown_linux_musl", project.path("pkgconfig"));
    let words = call.env("FIXTURE_LIBRARY", "fixture-host").fails(101);
    assert!(!words.contains("found no such library"), "{words}");
    assert!(words.contains("host"), "the linker finds no libhost.a: {words}");
}

#[test]
fn missing_compiler_error_names_the_package_that_compiles() {
    let project = Project::fixture("c");
    for package in ["indirect", "direct"] {
        let words = build(&project, package, &["--platform", "linux/amd64"]).without_zig().fails(101);
        let compiles = if package == "indirect" { "indirect-sys" } else { package };
        let error = format!(
            "error: {compiles} v0.1.0 compiles C code, and there is no C compiler for x86_64-unknown-linux-musl\n"
        );
        assert!(words.contains(&error) && words.contains("help: `pip install ziglang`"), "{words}");
    }
}

#[test]
fn bindgen_finds_no_headers_without_a_compiler() {
    let project = Project::fixture("c");
    let words = build(&project, "headers", &["--platform", "linux/amd64"]).without_zig().fails(101);
    assert!(words.contains("error: headers v0.1.0 compiles C code, and there is no C compiler for x86_64"), "{words}");
}

#[test]
fn compiler_variables_of_this_machine_stay_its_own() {
    let project = Project::fixture("c").file("conda/regex.h", "#error \"a header of this machine\"\n");
    let conda = project.path("conda");
    let folder = conda.to_str().expect("a path");
    let call = build(&project, "indirect", &["--platform", "linux/arm64"]).with_zig();
    let call = call.env("CFLAGS", format!("-march=nocona -isystem {folder}")).env("CPATH", folder).env("CC", "cc");
    let ran = call.env("C_INCLUDE_PATH", folder).env("LDFLAGS", "-Wl,-rpath,/conda").succeeds();
    let warning = "warning: CFLAGS is for the compiler of this machine, and was not used for aarch64-unknown-linux-musl: set \
                   CFLAGS_aarch64_unknown_linux_musl to flags for it";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    assert_eq!(output(&project, "indirect", "arm64").trim_end(), FOUND);
    let own = build(&project, "indirect", &["--platform", "linux/arm64"]).with_zig().env("CFLAGS", "-march=nocona");
    let words = own.env("CFLAGS_aarch64_unknown_linux_musl", "--no-such-flag").fails(101);
    assert!(words.contains("--no-such-flag"), "{words}");
}

#[test]
fn musl_gcc_leaves_cpp_to_zig() {
    let project = Project::fixture("c");
    let native = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    project.program("musl-gcc", "echo 'musl-gcc compiles no C++' >&2; exit 1");
    let call = build(&project, "cpp", &["--platform", &format!("linux/{native}")]).with_zig();
    call.on_path(project.path("programs")).succeeds();
    assert_eq!(output(&project, "cpp", native).trim_end(), FOUND);
    assert!(fs::exists(Path::new(TARGET).join("oci/cpp")).expect("a folder"));
}

#[test]
fn library_that_the_linker_lacks_is_named() {
    let program = "unsafe extern \"C\" { fn sqlite3_libversion_number() -> i32; }\n\
                   fn main() { println!(\"{}\", unsafe { sqlite3_libversion_number() }); }\n";
    let script = "fn main() { println!(\"cargo::rustc-link-lib=sqlite3\"); }\n";
    let project = Project::new("x").file("src/main.rs", program).file("build.rs", script);
    let words = project.build(&["--platform", "linux/arm64"]).fails(101);
    let last = "error: x v0.1.0 needs the C library sqlite3, which is not there for aarch64-unknown-linux-musl\n\n\
                help: have SQLite compiled, with the feature `bundled` of libsqlite3-sys or rusqlite; \
                `cargo tree --invert libsqlite3-sys` shows what needs it\n";
    assert!(words.ends_with(last), "{words}");
}
