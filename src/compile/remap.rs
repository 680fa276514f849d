//! [`Remap`]s → `--remap-path-prefix` flags, in addition to the user's own compiler flags.
//!
//! Cargo reads compiler flags from one source only: the environment, else the tables of the target, else that of the build.
//! If ours were set alone, the user's would be lost.

use std::ffi::OsString;
use std::path::Path;

use super::cargo_config::{CargoConfig, FlagsSource};
use crate::error::Result;
use crate::plan::Remap;
use crate::platform::Target;

const FLAG: &str = "--remap-path-prefix";
/// The variable that takes precedence over all other sources of flags.
const VARIABLE: &str = "CARGO_ENCODED_RUSTFLAGS";

/// How the flags are passed to cargo.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RemapFlags {
    /// Arguments of cargo.
    pub args: Vec<OsString>,
    /// An environment variable.
    pub variable: Option<(&'static str, String)>,
}

/// Returns the flags of the targets: the user's, and one for each remap.
///
/// # Errors
/// Returns an error if cargo's configuration cannot be read for a target.
pub(crate) fn flags(remaps: &[Remap], sysroot: &Path, config: &CargoConfig, targets: &[Target]) -> Result<RemapFlags> {
    let library = Remap { from: sysroot.join("lib/rustlib/src/rust"), to: "/rustc".into() };
    let mut of_targets = Vec::new();
    for target in targets {
        of_targets.push((target.triple, config.rustflags(target.triple)?));
    }
    let theirs = remapped(of_targets.iter().flat_map(|(_, flags)| &flags.list));
    let ours = remaps.iter().chain((!remaps.is_empty()).then_some(&library));
    let ours = ours.filter(|ours| !theirs.iter().any(|their| overlap(&ours.from, Path::new(their))));
    // Cargo accepts only UTF-8 flags.
    let ours = ours.filter_map(|remap| Some(format!("{FLAG}={}={}", remap.from.to_str()?, remap.to)));
    let ours: Vec<_> = ours.collect();
    let Some((_, first)) = of_targets.first().filter(|_| !ours.is_empty()) else {
        return Ok(RemapFlags::default());
    };
    // The variable replaces all tables: it works only if all targets have the same flags.
    if of_targets.iter().all(|(_, flags)| flags.list == first.list) {
        let flags = [&first.list[..], &ours].concat().join("\u{1f}");
        return Ok(RemapFlags { args: Vec::new(), variable: Some((VARIABLE, flags)) });
    }
    // Flags of several tables that match are joined, and no user has a table with this `cfg`. Flags in a table hide those of
    // the build, which are repeated for the targets that have no others.
    let of_build = of_targets.into_iter().filter(|(_, flags)| flags.source == FlagsSource::Build);
    let of_build = of_build.filter(|(_, flags)| !flags.list.is_empty());
    let tables = of_build.map(|(triple, flags)| (triple, flags.list)).chain([("'cfg(not(cargo_oci))'", ours)]);
    let values = tables.map(|(table, flags)| format!("target.{table}.rustflags={}", serde_json::Value::from(flags)));
    Ok(RemapFlags { args: values.flat_map(|value| ["--config".into(), value.into()]).collect(), variable: None })
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
    fn flags_with(config: &str, variables: &[(&str, &str)]) -> RemapFlags {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
        std::fs::write(folder.path().join(".cargo/config.toml"), config).expect("a file");
        let home = folder.path().join("home");
        let variables = variables.iter().map(|(key, value)| (OsString::from(key), OsString::from(value)));
        let environment = variables.chain([("CARGO_HOME".into(), home.into())]).collect();
        let config = CargoConfig::load_in(folder.path(), &environment, &[]).expect("a configuration");
        let remaps = [Remap { from: "/a b".into(), to: "/workspace".into() }];
        super::flags(&remaps, Path::new("/rust"), &config, &TARGETS[..2]).expect("flags")
    }

    fn variable(theirs: &[&str]) -> RemapFlags {
        let flags = [theirs, &OURS].concat().join("\u{1f}");
        RemapFlags { args: Vec::new(), variable: Some((VARIABLE, flags)) }
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
        assert_eq!(flags_with(&config, &[]), RemapFlags { args, variable: None });
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
}
