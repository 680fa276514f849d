//! Flags of the compiler, from every source.

use super::{AMD64, ARM64, CONFIG, Case, compare, flags};

#[test]
fn flags_of_files_agree_with_cargo() {
    let (list, text) = (flags("build", "[\"--cfg\", \"a\"]"), flags("build", "\"--cfg a\""));
    let own = flags(&format!("target.{AMD64}"), "[\"--cfg\", \"b\"]");
    let table = flags("target.'cfg(target_env = \"musl\")'", "[\"--cfg\", \"c\"]");
    let tables = format!("{table}{}", flags("target.'cfg(all(unix, not(windows)))'", "\"--cfg a\""));
    let joined = format!("{list}{own}{table}");
    let avx = format!("{}{}", flags("build", "[]"), flags(&format!("target.{AMD64}"), "[\"-Ctarget-cpu=haswell\"]"));
    let cpu = format!("{avx}{}", flags("target.'cfg(target_feature = \"avx2\")'", "[\"--cfg\", \"a\"]"));
    let shared = "[build]\nrustflags = [\"--cfg\", \"c\"]\n";
    for case in [
        Case { name: "none", prints: &["a=false b=false c=false", "say=nothing"], ..Case::default() },
        Case {
            name: "build, a list",
            files: &[(CONFIG, &list)],
            prints: &["a=true b=false c=false"],
            ..Case::default()
        },
        Case {
            name: "build, a string",
            files: &[(CONFIG, &text)],
            prints: &["a=true b=false c=false"],
            ..Case::default()
        },
        Case {
            name: "the target hides the build",
            files: &[(CONFIG, &format!("{list}{own}"))],
            prints: &["a=false b=true c=false"],
            ..Case::default()
        },
        Case { name: "two cfg", files: &[(CONFIG, &tables)], prints: &["a=true b=false c=true"], ..Case::default() },
        Case {
            name: "target and cfg",
            files: &[(CONFIG, &joined)],
            prints: &["a=false b=true c=true"],
            ..Case::default()
        },
        Case {
            name: "a cfg that depends on flags",
            files: &[(CONFIG, &cpu)],
            prints: &["a=true b=false c=false", "abort=false checks=false avx2=true"],
            ..Case::default()
        },
        Case {
            name: "a file of the old name",
            files: &[(".cargo/config", &list)],
            prints: &["a=true b=false c=false"],
            ..Case::default()
        },
        Case {
            name: "cargo's home",
            files: &[(CONFIG, &list), ("cargo/config.toml", shared)],
            variables: &[("CARGO_HOME", "ROOT/cargo")],
            prints: &["a=true b=false c=true"],
            ..Case::default()
        },
        Case {
            name: "an empty list",
            files: &[(CONFIG, &format!("{list}{}", flags(&format!("target.{AMD64}"), "[]")))],
            prints: &["a=true b=false c=false"],
            ..Case::default()
        },
    ] {
        compare(&case, &[AMD64]);
    }
}

#[test]
fn included_flags_agree_with_cargo() {
    let list = flags("build", "[\"--cfg\", \"a\"]");
    let including = format!("include = [\"more.toml\"]\n{list}");
    let optional =
        format!("include = [{{ path = \"../sub/more.toml\" }}, {{ path = \"no.toml\", optional = true }}]\n{list}");
    let (more, deep) =
        (flags("build", "\"--cfg b\"").replace("\"--cfg b\"", "[\"--cfg\", \"b\"]"), "include = [\"x.toml\"]\n");
    let last = flags("build", "[\"--cfg\", \"c\"]");
    for case in [
        Case {
            name: "a file",
            files: &[(CONFIG, &including), (".cargo/more.toml", &more)],
            prints: &["a=true b=true c=false"],
            ..Case::default()
        },
        Case {
            name: "a file that includes another",
            files: &[(CONFIG, &optional), ("sub/more.toml", &format!("{deep}{more}")), ("sub/x.toml", &last)],
            prints: &["a=true b=true c=true"],
            ..Case::default()
        },
        Case {
            name: "a file of --config",
            files: &[("sub/more.toml", deep), ("sub/x.toml", &last)],
            args: &["--config", "sub/more.toml"],
            prints: &["a=false b=false c=true"],
            ..Case::default()
        },
        Case {
            name: "--config itself",
            files: &[("sub/x.toml", &last)],
            args: &["--config", "include = [\"sub/x.toml\"]"],
            prints: &["a=false b=false c=true"],
            ..Case::default()
        },
    ] {
        compare(&case, &[AMD64]);
    }
}

#[test]
fn flags_of_arguments_agree_with_cargo() {
    let list = flags("build", "[\"--cfg\", \"a\"]");
    let own = format!("target.{AMD64}.rustflags = \"--cfg b\"");
    for case in [
        Case {
            name: "build",
            files: &[(CONFIG, &list)],
            args: &["--config", "build.rustflags = [\"--cfg\", \"b\"]"],
            prints: &["a=true b=true c=false"],
            ..Case::default()
        },
        Case {
            name: "target",
            files: &[(CONFIG, &list)],
            args: &["--config", &own],
            prints: &["a=false b=true c=false"],
            ..Case::default()
        },
        Case {
            name: "cfg",
            files: &[(CONFIG, &list)],
            args: &["--config", "target.'cfg(unix)'.rustflags = [\"--cfg\", \"b\"]", "--config", &own],
            prints: &["a=false b=true c=false"],
            ..Case::default()
        },
        Case {
            name: "a file",
            files: &[(CONFIG, &list), ("more.toml", &flags("build", "[\"--cfg\", \"c\"]"))],
            args: &["--config", "more.toml"],
            prints: &["a=true b=false c=true"],
            ..Case::default()
        },
        Case {
            name: "other keys",
            args: &["--config", "profile.release.panic='abort'", "--config", "env.SAY='hello'"],
            prints: &["abort=true checks=false avx2=false", "say=hello", "build=hello"],
            ..Case::default()
        },
    ] {
        compare(&case, &[AMD64]);
    }
}

#[test]
fn flags_of_variables_agree_with_cargo() {
    let list = flags("build", "[\"--cfg\", \"a\"]");
    let files: &[(&str, &str)] = &[(CONFIG, &list)];
    let of_target = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS";
    for (variables, prints) in [
        (&[("RUSTFLAGS", "--cfg b")][..], "a=false b=true c=false"),
        (&[("RUSTFLAGS", "")], "a=false b=false c=false"),
        (
            &[("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}b\u{1f}--cfg\u{1f}d=\"e f\""), ("RUSTFLAGS", "--cfg c")],
            "a=false b=true c=false",
        ),
        (&[("CARGO_BUILD_RUSTFLAGS", "--cfg b")], "a=true b=true c=false"),
        (&[(of_target, "--cfg b")], "a=false b=true c=false"),
        (&[(of_target, "--cfg b"), ("CARGO_BUILD_RUSTFLAGS", "--cfg c")], "a=false b=true c=false"),
        (&[("RUSTFLAGS", "--remap-path-prefix=/nowhere=/x --cfg c")], "a=false b=false c=true"),
    ] {
        let name = format!("{variables:?}");
        compare(&Case { name: &name, files, variables, prints: &[prints], ..Case::default() }, &[AMD64]);
    }
}

#[test]
fn flags_of_one_target_agree_with_cargo() {
    let list = flags("build", "[\"--cfg\", \"a\"]");
    let own = format!("{list}{}", flags(&format!("target.{ARM64}"), "\"--cfg b\""));
    let own = Case { name: "of arm64", files: &[(CONFIG, &own)], ..Case::default() };
    compare(&own, &[ARM64]);
    compare(&own, &[AMD64, ARM64]);
    let table = flags("target.'cfg(target_arch = \"aarch64\")'", "[\"--cfg\", \"c\"]");
    compare(&Case { name: "a cfg", files: &[(CONFIG, &table)], ..Case::default() }, &[AMD64, ARM64]);
    let variable = [("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS", "--cfg c")];
    compare(&Case { name: "a variable", variables: &variable, ..Case::default() }, &[AMD64, ARM64]);
    let both = Case { name: "all", files: &[(CONFIG, &list)], prints: &["a=true b=false c=false"], ..Case::default() };
    compare(&both, &[AMD64, ARM64]);
}
