//! Compiler flags that are added to the user's own: `--remap-path-prefix` for each [`Remap`], and `+crt-static` for targets
//! whose programs are dynamic by default.
//!
//! Cargo reads compiler flags from one source only: the environment, else the tables of the target, else that of the build.
//! If ours were set alone, the user's would be lost.

use std::ffi::OsString;
use std::path::Path;

use super::cargo_config::{CargoConfig, FlagsSource, RustFlags};
use crate::error::Result;
use crate::plan::Remap;
use crate::platform::Target;

const FLAG: &str = "--remap-path-prefix";
const STATIC: [&str; 2] = ["-C", "target-feature=+crt-static"];
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

/// Returns the flags of the targets: the user's, and ours.
///
/// # Errors
/// Returns an error if cargo's configuration cannot be read for a target.
pub(crate) fn add(remaps: &[Remap], sysroot: &Path, config: &CargoConfig, targets: &[Target]) -> Result<AddedFlags> {
    let mut theirs = Vec::new();
    for target in targets {
        theirs.push((*target, config.rustflags(target.triple)?));
    }
    let ours = remap_flags(remaps, sysroot, &theirs);
    let made_static: Vec<_> = theirs.iter().filter(|(target, flags)| is_made_static(*target, flags)).collect();
    let Some((_, first)) = theirs.first().filter(|_| !(ours.is_empty() && made_static.is_empty())) else {
        return Ok(AddedFlags::default());
    };
    // The variable replaces all tables: it works only if all targets have the same flags. Variables of the user are the same
    // for all targets, and the flag is without effect for those that are static anyway.
    let is_same = theirs.iter().all(|(_, flags)| flags.list == first.list);
    let is_for_all = made_static.is_empty() || made_static.len() == targets.len();
    if is_same && is_for_all || first.source == FlagsSource::Environment {
        let of_static = if made_static.is_empty() { Vec::new() } else { STATIC.map(str::to_owned).to_vec() };
        let flags = [&first.list[..], &ours, &of_static].concat().join("\u{1f}");
        return Ok(AddedFlags { args: Vec::new(), variable: Some((VARIABLE, flags)) });
    }
    // Flags of several tables that match are joined, and no user has a table with this `cfg`. Flags in a table hide those of
    // the build, which are repeated for the targets that have no others.
    let of_build = theirs.iter().filter(|(_, flags)| flags.source == FlagsSource::Build && !flags.list.is_empty());
    let of_build = of_build.map(|(target, flags)| (target.triple.to_owned(), flags.list.clone()));
    let ours = (!ours.is_empty()).then(|| ("'cfg(not(cargo_oci))'".to_owned(), ours));
    let of_static = made_static.iter().map(|(target, _)| {
        let table = format!("'cfg(all(not(cargo_oci), target_arch = \"{}\"))'", target.architecture_in_cfg());
        (table, STATIC.map(str::to_owned).to_vec())
    });
    let tables = of_build.chain(ours).chain(of_static);
    let values = tables.map(|(table, flags)| format!("target.{table}.rustflags={}", serde_json::Value::from(flags)));
    Ok(AddedFlags { args: values.flat_map(|value| ["--config".into(), value.into()]).collect(), variable: None })
}

/// Returns whether programs for a target become static by a flag of ours: images need it, and users did not decide it.
fn is_made_static(target: Target, flags: &RustFlags) -> bool {
    target.is_static() && target.is_dynamic_in_rust() && flags.links_statically().is_none()
}

fn remap_flags(remaps: &[Remap], sysroot: &Path, theirs: &[(Target, RustFlags)]) -> Vec<String> {
    let library = Remap { from: sysroot.join("lib/rustlib/src/rust"), to: "/rustc".into() };
    let theirs = remapped(theirs.iter().flat_map(|(_, flags)| &flags.list));
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
    use crate::platform::TARGETS;

    const OURS: [&str; 2] =
        ["--remap-path-prefix=/a b=/workspace", "--remap-path-prefix=/rust/lib/rustlib/src/rust=/rustc"];

    /// Returns the flags of the first two targets, with this configuration of cargo and this environment.
    fn flags_with(config: &str, variables: &[(&str, &str)]) -> AddedFlags {
        flags_for(&TARGETS[..2], config, variables)
    }

    fn flags_for(targets: &[Target], config: &str, variables: &[(&str, &str)]) -> AddedFlags {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
        std::fs::write(folder.path().join(".cargo/config.toml"), config).expect("a file");
        let home = folder.path().join("home");
        let variables = variables.iter().map(|(key, value)| (OsString::from(key), OsString::from(value)));
        let environment = variables.chain([("CARGO_HOME".into(), home.into())]).collect();
        let config = CargoConfig::load_in(folder.path(), &environment, &[]).expect("a configuration");
        let remaps = [Remap { from: "/a b".into(), to: "/workspace".into() }];
        super::add(&remaps, Path::new("/rust"), &config, targets).expect("flags")
    }

    fn variable(theirs: &[&str]) -> AddedFlags {
        let flags = [theirs, &OURS].concat().join("\u{1f}");
        AddedFlags { args: Vec::new(), variable: Some((VARIABLE, flags)) }
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
        let of_amd64 = serde_json::Value::from(&["-C", "debuginfo=1"][..]);
        let of_both = serde_json::Value::from(&OURS[..]);
        let tables = [
            format!("target.{amd64}.rustflags={of_amd64}"),
            format!("target.'cfg(not(cargo_oci))'.rustflags={of_both}"),
        ];
        let args = tables.into_iter().flat_map(|table| ["--config".into(), table.into()]).collect();
        assert_eq!(flags_with(&config, &[]), AddedFlags { args, variable: None });
    }

    #[test]
    fn remaps_of_the_user_take_precedence() {
        fn added(theirs: &str) -> Option<String> {
            flags_with("", &[(VARIABLE, theirs)]).variable.map(|(_, flags)| flags)
        }
        for theirs in
            ["--remap-path-prefix=/a b=x", "--remap-path-prefix=/a b/c=x=y", "--remap-path-prefix\u{1f}/a b=x"]
        {
            assert_eq!(added(theirs), Some(format!("{theirs}\u{1f}{}", OURS[1])));
        }
        assert_eq!(added("--remap-path-prefix=/rust=x"), Some(format!("--remap-path-prefix=/rust=x\u{1f}{}", OURS[0])));
        assert_eq!(added("--remap-path-prefix=/=x"), None);
    }

    #[test]
    fn dynamic_targets_become_static() {
        let [amd64, .., s390x, loong64] = TARGETS;
        let encoded =
            |flags: &[&str]| AddedFlags { args: Vec::new(), variable: Some((VARIABLE, flags.join("\u{1f}"))) };
        assert_eq!(flags_for(&[s390x], "", &[]), encoded(&[&OURS[..], &STATIC].concat()));
        assert_eq!(flags_for(&[s390x, loong64], "", &[]), encoded(&[&OURS[..], &STATIC].concat()));
        let decided = [("RUSTFLAGS", "-Ctarget-feature=-crt-static")];
        assert_eq!(
            flags_for(&[s390x], "", &decided),
            encoded(&[&["-Ctarget-feature=-crt-static"], &OURS[..]].concat())
        );
        assert_eq!(
            flags_for(&[amd64, s390x], "", &[("RUSTFLAGS", "-g")]),
            encoded(&[&["-g"], &OURS[..], &STATIC].concat())
        );
        let of_build = "[build]\nrustflags = \"-g\"\n";
        let args = flags_for(&[amd64, s390x], of_build, &[]).args;
        let args: Vec<_> = args.iter().map(|arg| arg.to_str().expect("text")).collect();
        let ours = format!("target.'cfg(not(cargo_oci))'.rustflags={}", serde_json::Value::from(&OURS[..]));
        assert_eq!(
            args,
            [
                "--config",
                "target.x86_64-unknown-linux-musl.rustflags=[\"-g\"]",
                "--config",
                "target.s390x-unknown-linux-musl.rustflags=[\"-g\"]",
                "--config",
                &ours,
                "--config",
                "target.'cfg(all(not(cargo_oci), target_arch = \"s390x\"))'.rustflags=\
                 [\"-C\",\"target-feature=+crt-static\"]",
            ]
        );
    }
}
