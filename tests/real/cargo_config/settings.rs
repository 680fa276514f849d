//! What else cargo is configured by.

use super::{AMD64, ARM64, CONFIG, Case, compare, compare_in};
use crate::support::environment;

#[test]
fn environment_table_agrees_with_cargo() {
    let forced = "[env]\nSAY = { value = \"file\", force = true }\n";
    let given = [("SAY", "shell")];
    for case in [
        Case { name: "plain", files: &[(CONFIG, "[env]\nSAY = \"file\"\n")], prints: &["say=file"], ..Case::default() },
        Case {
            name: "not forced",
            files: &[(CONFIG, "[env]\nSAY = \"file\"\n")],
            variables: &given,
            prints: &["say=shell", "build=shell"],
            ..Case::default()
        },
        Case {
            name: "forced",
            files: &[(CONFIG, forced)],
            variables: &given,
            prints: &["say=file", "build=file"],
            ..Case::default()
        },
        Case {
            name: "relative",
            files: &[(CONFIG, "[env]\nSAY = { value = \"src\", relative = true }\n")],
            ..Case::default()
        },
    ] {
        compare(&case, &[AMD64]);
    }
}

#[test]
fn profiles_agree_with_cargo() {
    let tiny = "[profile.tiny]\ninherits = \"release\"\nopt-level = \"z\"\ndebug-assertions = true\n";
    let checks = "abort=false checks=true avx2=false";
    for case in [
        Case {
            name: "of a file",
            files: &[(CONFIG, "[profile.release]\ndebug-assertions = true\nopt-level = 1\n")],
            prints: &[checks],
            ..Case::default()
        },
        Case {
            name: "of variables",
            variables: &[("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")],
            prints: &[checks],
            ..Case::default()
        },
    ] {
        compare(&case, &[AMD64]);
    }
    let own = Case { files: &[(CONFIG, tiny)], args: &["--profile", "tiny"], prints: &[checks], ..Case::default() };
    compare_in(&own, &[AMD64], "target", "tiny");
    let dev = Case { args: &["--profile", "dev"], ..Case::default() };
    compare_in(&dev, &[ARM64], "target", "debug");
    let abort = "[profile.release]\npanic = \"abort\"\nlto = true\n";
    let abort = Case { files: &[(CONFIG, abort)], prints: &["abort=true checks=false avx2=false"], ..Case::default() };
    compare(&abort, &[ARM64]);
}

#[test]
fn folders_agree_with_cargo() {
    let build = "[build]\nbuild-dir = \"{workspace-root}/inner\"\n";
    for (files, variables, args, target_dir) in [
        (&[(CONFIG, "[build]\ntarget-dir = \"out\"\n")][..], &[][..], &[][..], "out"),
        (&[], &[("CARGO_TARGET_DIR", "ROOT/out")], &[], "out"),
        (&[(CONFIG, "[build]\ntarget-dir = \"other\"\n")], &[], &["--target-dir", "out"], "out"),
        (&[(CONFIG, build)], &[], &[], "target"),
        (&[(CONFIG, build)], &[], &["--target-dir", "out"], "out"),
        (&[], &[("CARGO_BUILD_BUILD_DIR", "ROOT/inner")], &[], "target"),
    ] {
        let name = format!("{files:?} {variables:?} {args:?}");
        compare_in(&Case { name: &name, files, variables, args, prints: &["build="] }, &[AMD64], target_dir, "release");
    }
}

#[test]
fn other_settings_agree_with_cargo() {
    let rustc = environment::toolchain().join("rustc").display().to_string();
    let rustc = format!("[build]\nrustc = \"{rustc}\"\njobs = 1\n");
    let target = format!("[build]\ntarget = [\"{ARM64}\"]\n");
    let several =
        "[alias]\nbuild-all = \"build --workspace\"\n[term]\nverbose = true\n[net]\noffline = true\n[unknown]\nx = 1\n";
    for case in [
        Case { name: "the compiler", files: &[(CONFIG, &rustc)], ..Case::default() },
        Case { name: "another target", files: &[(CONFIG, &target)], ..Case::default() },
        Case { name: "several", files: &[(CONFIG, several)], ..Case::default() },
    ] {
        compare(&case, &[AMD64]);
    }
}
