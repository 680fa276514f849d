//! Programs that are linked for the glibc of their base, of two ages and for both architectures.

use std::path::Path;

use crate::support::base::BaseImage;
use crate::support::container::{Runtime, run, unpack};
use crate::support::digest;
use crate::support::environment;
use crate::support::image;
use crate::support::problems;
use crate::support::process::output;
use crate::support::project::Project;

/// The suites of Debian, and their glibc.
const BASES: [(&str, &str); 2] = [("bookworm", "2.36"), ("trixie", "2.41")];
/// Architectures of images, and what Rust calls them.
const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];

/// Compiles C as build scripts do.
const BUILD: &str = r#"use std::{env, path::PathBuf, process::Command};

fn main() {
    let target = env::var("TARGET").unwrap().replace('-', "_");
    let object = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("age.o");
    let mut compiler = Command::new(env::var(format!("CC_{target}")).unwrap());
    assert!(compiler.args(["-c", "age.c", "-o"]).arg(&object).status().unwrap().success());
    println!("cargo:rerun-if-changed=age.c");
    println!("cargo:rustc-link-arg-bins={}", object.display());
}
"#;
/// `strlcpy` is there since 2.38.
const C: &str = "#include <stdlib.h>\n#include <string.h>\n\
                 int compiled_for(const char *minor) {\n    char copy[8] = \"\";\n\
                 #if __GLIBC_MINOR__ >= 38\n    strlcpy(copy, minor, sizeof copy);\n#endif\n    \
                 return __GLIBC_MINOR__ + atoi(copy);\n}\n";
const MAIN: &str = r#"use std::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    fn gnu_get_libc_version() -> *const c_char;
    fn compiled_for(minor: *const c_char) -> c_int;
}

fn main() {
    let found = unsafe { CStr::from_ptr(gnu_get_libc_version()) }.to_str().unwrap();
    println!("compiled for 2.{}, runs with {found}", unsafe { compiled_for(c"0".as_ptr()) });
}
"#;

fn project() -> Project {
    let project = Project::new("x").file("build.rs", BUILD).file("age.c", C).file("src/main.rs", MAIN);
    for (suite, _) in BASES {
        BaseImage::new().debian(suite).write(&project.path(suite));
    }
    project
}

/// The newest glibc that a program asks its loader for, as binutils read it.
fn newest(program: &Path) -> (u32, String) {
    let told = output(environment::command("readelf").args(["--version-info", "--wide"]).arg(program));
    let versions = told.split(|c: char| !c.is_ascii_alphanumeric() && !"._".contains(c));
    let versions = versions.filter_map(|word| Some((word.strip_prefix("GLIBC_2.")?, word)));
    let numbers =
        versions.filter_map(|(number, name)| Some((number.split('.').next()?.parse().ok()?, name.to_owned())));
    numbers.max().expect("a program of glibc's")
}

#[test]
fn gnu_programs_start_with_glibc_of_their_base() {
    let (project, other) = (project(), project());
    let build = |project: &Project, suite: &str| {
        let base = format!("oci:{suite}");
        project.oci(&["build", "--libc", "gnu", "--base", &base]).with_zig().succeeds();
        digest(&project.layout())
    };
    for (suite, version) in BASES {
        let built = build(&project, suite);
        assert_eq!(problems(&project.layout()), []);
        for (architecture, rust) in ARCHITECTURES {
            let program = project.path(&format!("target/{rust}-unknown-linux-gnu/release/x"));
            let (minor, name) = newest(&program);
            assert!(format!("2.{minor}").as_str() <= version, "{suite} {architecture}: {name}");
            let bundle = project.path(&format!("bundle-{suite}-{architecture}"));
            unpack(&project.layout(), "latest", architecture, &bundle);
            let ran = run(&bundle, Runtime::Runc, &[]);
            assert_eq!(ran.stdout, format!("compiled for {version}, runs with {version}\n"), "{suite}: {}", ran.stderr);
        }
        assert_eq!(build(&other, suite), built, "in another folder, with another cache");
    }

    // What was linked for the newer one, over the older one.
    let newer = project.path("target/x86_64-unknown-linux-gnu/release/x").display().to_string();
    let platform = ["--platform", "linux/amd64", "--prebuilt", &format!("linux/amd64={newer}")];
    let words = project.oci(&[&["build", "--base", "oci:bookworm"], &platform[..]].concat()).fails(1);
    let expected = "it needs GLIBC_2.38 (symbol strlcpy) of libc.so.6, but the base oci:";
    assert!(words.contains(expected) && words.contains("has glibc 2.36"), "{words}");
    project.oci(&[&["build", "--base", "oci:trixie"], &platform[..]].concat()).succeeds();
    let (_, config) = image(&project.layout(), "linux/amd64");
    assert_eq!(config["config"]["Entrypoint"][0], "/app/x");
}
