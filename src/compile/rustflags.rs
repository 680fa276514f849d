//! Compiler flags that are added to the user's own: `--remap-path-prefix` for each [`Remap`], and what a target needs.
//!
//! Cargo reads compiler flags from one source only: the environment, else the tables of the target, else that of the build.
//! If ours were set alone, the user's would be lost.

use std::ffi::OsString;
use std::path::Path;

use super::cargo_config::{CargoConfig, FlagsSource, RustFlags};
use super::target::LibcSource;
use super::tools;
use super::versions::GlibcVersion;
use crate::error::Result;
use crate::plan::Remap;
use crate::platform::Target;
use crate::unique::each_once;

const FLAG: &str = "--remap-path-prefix";
/// What musl targets did by default when this was written: <https://github.com/rust-lang/rust/pull/144513> is about another
/// default, and some toolchains have it.
const STATIC: [&str; 2] = ["-C", "target-feature=+crt-static"];
/// For the C library that rustup installs beside Rust's own.
const OWN_LIBC: [&str; 2] = ["-C", "link-self-contained=yes"];
/// For a linker that brings its own C library.
const OTHER_LIBC: [&str; 2] = ["-C", "link-self-contained=no"];
/// The variable that takes precedence over all other sources of flags.
const VARIABLE: &str = "CARGO_ENCODED_RUSTFLAGS";

/// How the flags are passed to cargo.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AddedFlags {
    /// Arguments of cargo.
    pub args: Vec<OsString>,
    /// An environment variable.
    pub variable: Option<(&'static str, String)>,
}

/// What a target needs flags for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TargetNeeds {
    /// Where its C library is.
    pub libc: LibcSource,
    /// Whether the user has chosen the linker, which does not know our arguments.
    pub has_own_linker: bool,
    /// The glibc that our linker links for. The flag reaches the linker, and is in cargo's fingerprints: what was compiled for
    /// another glibc is compiled again, C code included.
    pub glibc: Option<GlibcVersion>,
}

/// A target, with the flags of the user and those that it alone needs.
struct TargetFlags {
    target: Target,
    theirs: RustFlags,
    own: Vec<String>,
}

/// Returns the flags of the targets: the user's, and ours. `needs` says what each target needs.
///
/// # Errors
/// Returns an error if cargo's configuration cannot be read for a target.
pub(crate) fn add(
    remaps: &[Remap],
    sysroot: &Path,
    config: &CargoConfig,
    targets: &[Target],
    needs: impl Fn(Target) -> TargetNeeds,
) -> Result<AddedFlags> {
    let mut all = Vec::new();
    for &target in targets {
        let theirs = config.rustflags(target.triple)?;
        let own = own_flags(target, &theirs, needs(target));
        all.push(TargetFlags { target, theirs, own });
    }
    let shared = remap_flags(remaps, sysroot, &all);
    let Some(first) = all.first().filter(|_| !shared.is_empty() || all.iter().any(|flags| !flags.own.is_empty()))
    else {
        return Ok(AddedFlags::default());
    };
    // The variable replaces all tables: it works only if all targets have the same flags.
    if all.iter().all(|flags| flags.theirs.list == first.theirs.list && flags.own == first.own) {
        return Ok(in_variable(first, &shared, &first.own));
    }
    // It also hides all tables if the user sets one: then only what all targets need can be added.
    if first.theirs.source == FlagsSource::Environment {
        let is_of_all = |flag: &[String]| all.iter().all(|flags| flags.own.chunks(2).any(|own| own == flag));
        let is_common = |flag: &&[String]| !tools::is_glibc_flag(&flag[1]) && is_of_all(flag);
        // What is linked for an older glibc runs with a newer one, and programs for musl have none.
        let needs = || all.iter().map(|flags| needs(flags.target));
        let glibc =
            needs().filter_map(|needs| needs.glibc).min().filter(|_| !needs().any(|needs| needs.has_own_linker));
        let common = first.own.chunks(2).filter(is_common).flatten().cloned();
        let common: Vec<_> = common.chain(glibc.into_iter().flat_map(of_glibc)).collect();
        return Ok(in_variable(first, &shared, &common));
    }
    Ok(AddedFlags { args: tables(&all, shared), variable: None })
}

/// Returns the flags that a target needs and the user did not decide, each as two words: images need static programs, and if
/// cargo builds the standard library, there may be no C library beside it that rustc could link with. Programs for glibc need
/// one that is not newer than the base's.
fn own_flags(target: Target, theirs: &RustFlags, needs: TargetNeeds) -> Vec<String> {
    if !target.is_static() {
        return needs.glibc.into_iter().flat_map(of_glibc).collect();
    }
    let links_statically = theirs.links_statically();
    let of_static = if links_statically.is_none() { &STATIC[..] } else { &[] };
    let is_decided = theirs.list.iter().any(|flag| flag.contains("link-self-contained"));
    let of_libc = match needs.libc {
        LibcSource::OfRust if !is_decided && links_statically != Some(false) => &OWN_LIBC[..],
        LibcSource::None if !is_decided => &OTHER_LIBC[..],
        _ => &[],
    };
    [of_static, of_libc].concat().into_iter().map(str::to_owned).collect()
}

fn of_glibc(version: GlibcVersion) -> [String; 2] {
    ["-C".to_owned(), format!("link-arg={}", tools::glibc_arg(version))]
}

fn in_variable(first: &TargetFlags, shared: &[String], own: &[String]) -> AddedFlags {
    let flags = first.theirs.list.iter().chain(shared).chain(own).map(String::as_str);
    AddedFlags { args: Vec::new(), variable: Some((VARIABLE, flags.collect::<Vec<_>>().join("\u{1f}"))) }
}

/// Returns arguments that set tables. Flags of several tables that match are joined, and no user has a table with this `cfg`.
/// Flags in a table hide those of the build, which are repeated for the targets that have no others.
fn tables(all: &[TargetFlags], shared: Vec<String>) -> Vec<OsString> {
    let of_build = all.iter().filter(|flags| flags.theirs.source == FlagsSource::Build);
    let of_build = of_build.map(|flags| (flags.target.triple.to_owned(), flags.theirs.list.clone()));
    let own = all.iter().map(|flags| {
        let (architecture, libc) = (flags.target.architecture_in_cfg(), flags.target.libc_in_cfg());
        let table = format!("'cfg(all(not(cargo_oci), target_arch = \"{architecture}\", target_env = \"{libc}\"))'");
        (table, flags.own.clone())
    });
    let tables = of_build.chain([("'cfg(not(cargo_oci))'".to_owned(), shared)]).chain(own);
    // Those of armv6 are those of armv7.
    let values = each_once(tables)
        .into_iter()
        .filter(|(_, flags)| !flags.is_empty())
        .map(|(table, flags)| format!("target.{table}.rustflags={}", serde_json::Value::from(flags)));
    values.flat_map(|value| ["--config".into(), value.into()]).collect()
}

fn remap_flags(remaps: &[Remap], sysroot: &Path, all: &[TargetFlags]) -> Vec<String> {
    let library = Remap { from: sysroot.join("lib/rustlib/src/rust"), to: "/rustc".into() };
    let theirs = remapped(all.iter().flat_map(|flags| &flags.theirs.list));
    let ours = remaps.iter().chain((!remaps.is_empty()).then_some(&library));
    let ours = ours.filter(|ours| !theirs.iter().any(|their| overlap(&ours.from, Path::new(their))));
    // Cargo accepts only UTF-8 flags.
    ours.filter_map(|remap| Some(format!("{FLAG}={}={}", remap.from.to_str()?, remap.to))).collect()
}

/// Returns the directories that the user's flags remap.
fn remapped<'a>(flags: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut is_next = false;
    for flag in flags {
        let value =
            if is_next { Some(flag.as_str()) } else { flag.strip_prefix(FLAG).and_then(|rest| rest.strip_prefix('=')) };
        found.extend(value.map(|value| value.rsplit_once('=').map_or(value, |(from, _)| from)));
        is_next = flag == FLAG;
    }
    found
}

/// Returns whether a path can be in both directories: then the last flag applies, which is ours.
fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::platform::{GNU_TARGETS, TARGETS};

    /// A target whose C library the toolchain lacks.
    const NO_LIBC: Target = TARGETS[5];
    /// A target whose C library is that of the system.
    const ALPINE: Target = TARGETS[7];
    /// The glibc of a base.
    const GLIBC: GlibcVersion = GlibcVersion { major: 2, minor: 36 };
    const OURS: [&str; 2] =
        ["--remap-path-prefix=/a b=/workspace", "--remap-path-prefix=/rust/lib/rustlib/src/rust=/rustc"];

    /// Returns the flags of the first two targets, with this configuration of cargo and this environment.
    fn flags_with(config: &str, variables: &[(&str, &str)]) -> AddedFlags {
        flags_for(&TARGETS[..2], config, variables)
    }

    fn flags_for(targets: &[Target], config: &str, variables: &[(&str, &str)]) -> AddedFlags {
        flags_over(None, targets, config, variables)
    }

    /// Returns the flags of programs for a base with this glibc.
    fn flags_over(
        glibc: Option<GlibcVersion>,
        targets: &[Target],
        config: &str,
        variables: &[(&str, &str)],
    ) -> AddedFlags {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
        std::fs::write(folder.path().join(".cargo/config.toml"), config).expect("a file");
        let home = folder.path().join("home");
        let variables = variables.iter().map(|(key, value)| (OsString::from(key), OsString::from(value)));
        let environment = variables.chain([("CARGO_HOME".into(), home.into())]).collect();
        let config = CargoConfig::load_in(folder.path(), &environment, &[]).expect("a configuration");
        let remaps = [Remap { from: "/a b".into(), to: "/workspace".into() }];
        let needs = |target: Target| TargetNeeds {
            libc: match target {
                NO_LIBC => LibcSource::None,
                ALPINE => LibcSource::OfSystem,
                _ => LibcSource::OfRust,
            },
            glibc: glibc.filter(|_| GNU_TARGETS.contains(&target)),
            has_own_linker: target == TARGETS[1],
        };
        super::add(&remaps, Path::new("/rust"), &config, targets, needs).expect("flags")
    }

    /// Returns the flags in the variable, after those of the user and those that replace paths.
    fn encoded(theirs: &[&str], own: &[&str]) -> AddedFlags {
        let flags = [theirs, &OURS, own].concat().join("\u{1f}");
        AddedFlags { args: Vec::new(), variable: Some((VARIABLE, flags)) }
    }

    fn variable(theirs: &[&str]) -> AddedFlags {
        encoded(theirs, &[STATIC, OWN_LIBC].concat())
    }

    /// Returns the tables as `--config` takes them.
    fn tables(all: &[(&str, &[&str])]) -> Vec<OsString> {
        let value = |(table, flags): &(&str, &[&str])| {
            format!("target.{table}.rustflags={}", serde_json::Value::from(*flags)).into()
        };
        all.iter().flat_map(|table| ["--config".into(), value(table)]).collect()
    }

    #[test]
    fn common_flags_of_all_targets_precede_ours() {
        assert_eq!(flags_with("", &[]), variable(&[]));
        let of_build = "[build]\nrustflags = \"-C debuginfo=1\"\n";
        assert_eq!(flags_with(of_build, &[]), variable(&["-C", "debuginfo=1"]));
        let of_all = "[target.'cfg(unix)']\nrustflags = [\"-g\"]\n";
        assert_eq!(flags_with(of_all, &[]), variable(&["-g"]));
        assert_eq!(
            flags_with(of_build, &[("RUSTFLAGS", " -g  -C opt-level=1")]),
            variable(&["-g", "-C", "opt-level=1"])
        );
        let encoded = (VARIABLE, "--cfg\u{1f}a=\"b c\"");
        assert_eq!(flags_with(of_build, &[("RUSTFLAGS", "-g"), encoded]), variable(&["--cfg", "a=\"b c\""]));
        assert_eq!(flags_with(of_build, &[("RUSTFLAGS", "")]), variable(&[]));
    }

    #[test]
    fn flags_of_one_target_stay_its_own() {
        let [amd64, arm64, ..] = TARGETS.map(|target| target.triple);
        let config = format!("[build]\nrustflags = \"-C debuginfo=1\"\n[target.{arm64}]\nrustflags = \"-g\"\n");
        let own = [STATIC, OWN_LIBC].concat();
        let args = tables(&[
            (amd64, &["-C", "debuginfo=1"]),
            ("'cfg(not(cargo_oci))'", &OURS),
            ("'cfg(all(not(cargo_oci), target_arch = \"x86_64\", target_env = \"musl\"))'", &own),
            ("'cfg(all(not(cargo_oci), target_arch = \"aarch64\", target_env = \"musl\"))'", &own),
        ]);
        assert_eq!(flags_with(&config, &[]), AddedFlags { args, variable: None });
    }

    #[test]
    fn remaps_of_the_user_take_precedence() {
        fn added(theirs: &str) -> Option<String> {
            flags_with("", &[(VARIABLE, theirs)]).variable.map(|(_, flags)| flags)
        }
        let own = [STATIC, OWN_LIBC].concat().join("\u{1f}");
        for theirs in
            ["--remap-path-prefix=/a b=x", "--remap-path-prefix=/a b/c=x=y", "--remap-path-prefix\u{1f}/a b=x"]
        {
            assert_eq!(added(theirs), Some(format!("{theirs}\u{1f}{}\u{1f}{own}", OURS[1])));
        }
        let added_to_rust = added("--remap-path-prefix=/rust=x");
        assert_eq!(added_to_rust, Some(format!("--remap-path-prefix=/rust=x\u{1f}{}\u{1f}{own}", OURS[0])));
        assert_eq!(added("--remap-path-prefix=/=x"), Some(format!("--remap-path-prefix=/=x\u{1f}{own}")));
    }

    #[test]
    fn flags_name_the_libc_of_each_toolchain() {
        let [amd64, ..] = TARGETS;
        assert_eq!(flags_for(&[amd64], "", &[]), encoded(&[], &[STATIC, OWN_LIBC].concat()));
        assert_eq!(flags_for(&[ALPINE], "", &[]), encoded(&[], &STATIC));
        assert_eq!(flags_for(&[NO_LIBC], "", &[]), encoded(&[], &[STATIC, OTHER_LIBC].concat()));
        for decided in ["-Clink-self-contained=yes", "-Clink-self-contained=no"] {
            for target in [amd64, ALPINE, NO_LIBC] {
                assert_eq!(flags_for(&[target], "", &[("RUSTFLAGS", decided)]), encoded(&[decided], &STATIC));
            }
        }
    }

    #[test]
    fn static_flag_of_the_user_stays_alone() {
        let [amd64, ..] = TARGETS;
        let of_target = |flag: &str| format!("[target.{}]\nrustflags = [\"{flag}\"]\n", amd64.triple);
        for (flag, own) in [("-Ctarget-feature=-crt-static", &[][..]), ("-Ctarget-feature=+crt-static", &OWN_LIBC)] {
            let expected = encoded(&[flag], own);
            assert_eq!(flags_for(&[amd64], "", &[("RUSTFLAGS", flag)]), expected);
            assert_eq!(flags_for(&[amd64], "", &[("CARGO_BUILD_RUSTFLAGS", flag)]), expected);
            assert_eq!(flags_for(&[amd64], "", &[(VARIABLE, flag)]), expected);
            assert_eq!(flags_for(&[amd64], &of_target(flag), &[]), expected);
            let of_cfg = format!("[target.'cfg(target_env = \"musl\")']\nrustflags = [\"{flag}\"]\n");
            assert_eq!(flags_for(&[amd64], &of_cfg, &[]), expected);
        }
    }

    #[test]
    fn flags_of_musl_spare_other_targets() {
        let [amd64, .., s390x, loong64] = TARGETS;
        let gnu: Target = "x86_64-unknown-linux-gnu".parse().expect("a target");
        assert_eq!(flags_for(&[gnu], "", &[]), encoded(&[], &[]));
        // A variable hides all tables.
        assert_eq!(flags_for(&[gnu, amd64], "", &[("RUSTFLAGS", "-g")]), encoded(&["-g"], &[]));
        assert_eq!(flags_for(&[amd64, s390x], "", &[("RUSTFLAGS", "-g")]), encoded(&["-g"], &STATIC));
        let own = [STATIC, OWN_LIBC].concat();
        let args = tables(&[
            ("'cfg(not(cargo_oci))'", &OURS),
            ("'cfg(all(not(cargo_oci), target_arch = \"x86_64\", target_env = \"musl\"))'", &own),
        ]);
        assert_eq!(flags_for(&[gnu, amd64], "", &[]).args, args);
        let of_build = "[build]\nrustflags = \"-g\"\n";
        let args = tables(&[
            (s390x.triple, &["-g"]),
            (loong64.triple, &["-g"]),
            ("'cfg(not(cargo_oci))'", &OURS),
            ("'cfg(all(not(cargo_oci), target_arch = \"s390x\", target_env = \"musl\"))'", &STATIC),
            ("'cfg(all(not(cargo_oci), target_arch = \"loongarch64\", target_env = \"musl\"))'", &own),
        ]);
        assert_eq!(flags_for(&[s390x, loong64], of_build, &[]).args, args);
        let [.., armv7, armv6, _, _, _, _, _] = TARGETS;
        let args = flags_for(&[armv7, armv6, s390x], "", &[]).args;
        assert_eq!(args.len(), 6, "the table of arm is there once: {args:?}");
    }

    #[test]
    fn gnu_targets_name_the_glibc_of_their_base() {
        let ours = [&OURS[..], &["-C", "link-arg=--oci-glibc=2.36"]].concat();
        let expected = AddedFlags { args: Vec::new(), variable: Some((VARIABLE, ours.join("\u{1f}"))) };
        assert_eq!(flags_over(Some(GLIBC), &GNU_TARGETS[..2], "", &[]), expected);
        let args = flags_over(Some(GLIBC), &[TARGETS[0], GNU_TARGETS[1]], "", &[]).args;
        let table = "target.'cfg(all(not(cargo_oci), target_arch = \"aarch64\", target_env = \"gnu\"))'.rustflags=[\"-C\",\"link-arg=--oci-glibc=2.36\"]";
        assert_eq!(args.last().and_then(|arg| arg.to_str()), Some(table));
        let both = flags_over(Some(GLIBC), &[TARGETS[0], GNU_TARGETS[1]], "", &[("RUSTFLAGS", "-g")]).variable;
        assert!(both.is_some_and(|(_, flags)| flags.ends_with("link-arg=--oci-glibc=2.36")), "no table is read then");
        let own = flags_over(Some(GLIBC), &[TARGETS[1], GNU_TARGETS[0]], "", &[("RUSTFLAGS", "-g")]).variable;
        assert!(
            own.is_some_and(|(_, flags)| !flags.contains("--oci-glibc")),
            "a linker of the user's does not know it"
        );
    }

    #[test]
    fn tables_match_their_target_in_rustc() {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let gnu: Target = "aarch64-unknown-linux-gnu".parse().expect("a target");
        for target in TARGETS.into_iter().chain([gnu]) {
            let mut command = std::process::Command::new(&rustc);
            let output = command.args(["--print", "cfg", "--target", target.triple]).output().expect("rustc runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            for line in [
                format!("target_arch=\"{}\"", target.architecture_in_cfg()),
                format!("target_env=\"{}\"", target.libc_in_cfg()),
            ] {
                assert!(said.lines().any(|cfg| cfg == line), "{} has {line}: {said}", target.triple);
            }
        }
    }
}
