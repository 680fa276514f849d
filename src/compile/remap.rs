//! [`Remap`]s → `--remap-path-prefix` flags, in addition to the user's own compiler flags.
//!
//! Cargo reads compiler flags from one source only: the environment, else the tables of the target, else that of the build.
//! If ours were set alone, the user's would be lost.

use std::ffi::OsString;
use std::path::Path;

use cargo_config2::{Config, Flags};

use super::linker::in_config;
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
pub(crate) fn flags(remaps: &[Remap], sysroot: &Path, config: &Config, targets: &[Target]) -> Result<RemapFlags> {
    let library = Remap { from: sysroot.join("lib/rustlib/src/rust"), to: "/rustc" };
    let mut of_targets = Vec::new();
    for target in targets {
        let flags = config.rustflags(target.triple).map_err(|error| in_config(*target, &error))?;
        of_targets.push((target, flags));
    }
    let all = of_targets.iter().filter_map(|(_, flags)| flags.as_ref()).flat_map(|flags| flags.flags.iter());
    let theirs = remapped(all);
    let ours = remaps.iter().chain((!remaps.is_empty()).then_some(&library));
    let ours = ours.filter(|ours| !theirs.iter().any(|their| overlap(&ours.from, Path::new(their))));
    // Cargo accepts only UTF-8 flags.
    let ours = ours.filter_map(|remap| Some(format!("{FLAG}={}={}", remap.from.to_str()?, remap.to)));
    let ours: Vec<_> = ours.collect();
    if ours.is_empty() {
        return Ok(RemapFlags::default());
    }
    let with_ours = |flags: Option<&Flags>| [flags.map_or(&[][..], |flags| &flags.flags[..]), &ours].concat();
    // The variable replaces all tables: it works only if all targets have the same flags.
    if of_targets.iter().all(|(_, flags)| *flags == of_targets[0].1) {
        let flags = with_ours(of_targets.first().and_then(|(_, flags)| flags.as_ref())).join("\u{1f}");
        return Ok(RemapFlags { args: Vec::new(), variable: Some((VARIABLE, flags)) });
    }
    let of_build = config.build.rustflags.as_ref();
    let mut args = Vec::new();
    for (target, flags) in &of_targets {
        // Flags in the table of a target hide those of the build, so both are repeated there. Flags of several tables that
        // match are joined, and no user has a table with this `cfg`.
        let (table, flags) = if flags.as_ref() == of_build {
            (target.triple, with_ours(of_build))
        } else {
            ("'cfg(not(cargo_oci))'", ours.clone())
        };
        let value = format!("target.{table}.rustflags={}", serde_json::Value::from(flags));
        args.extend(["--config".into(), value.into()]);
    }
    Ok(RemapFlags { args, variable: None })
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
    use cargo_config2::ResolveOptions;

    const OURS: [&str; 2] =
        ["--remap-path-prefix=/a b=/workspace", "--remap-path-prefix=/rust/lib/rustlib/src/rust=/rustc"];

    /// Returns the flags of the first two targets, with this configuration of cargo and this environment.
    fn flags_with(config: &str, variables: &[(&str, &str)]) -> RemapFlags {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
        std::fs::write(folder.path().join(".cargo/config.toml"), config).expect("a file");
        let options = ResolveOptions::default().env(variables.iter().copied()).cargo_home(None);
        let config = Config::load_with_options(folder.path(), options).expect("a configuration");
        let remaps = [Remap { from: "/a b".into(), to: "/workspace" }];
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
        let of_amd64 = serde_json::Value::from([&["-C", "debuginfo=1"], &OURS[..]].concat());
        let of_arm64 = serde_json::Value::from(&OURS[..]);
        let tables = [
            format!("target.{amd64}.rustflags={of_amd64}"),
            format!("target.'cfg(not(cargo_oci))'.rustflags={of_arm64}"),
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
