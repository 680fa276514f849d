//! Linking, and compiling C, for the glibc of a base.
//!
//! Cargo passes the version among rustc's flags: to the linker of the target's programs, and to the build scripts that run for
//! the target. Build scripts and procedural macros themselves, which run on this machine, are linked and compiled without it.

use std::ffi::{OsStr, OsString};

use crate::compile::versions::GlibcVersion;
use crate::environment::Environment;

/// How the linker's argument begins. No linker knows it: it is taken out before one is started.
const ARG: &str = "--oci-glibc=";
/// Rustc's flags, which cargo sets for build scripts.
const RUSTFLAGS: &str = "CARGO_ENCODED_RUSTFLAGS";

/// Returns the argument of our linker with which it links for this glibc.
pub(crate) fn glibc_arg(version: GlibcVersion) -> String {
    format!("{ARG}{version}")
}

/// Returns whether a flag of rustc passes that argument.
pub(crate) fn is_glibc_flag(flag: &str) -> bool {
    flag.contains(ARG)
}

/// Takes the argument out, and returns its version.
pub(super) fn take_arg(args: &mut Vec<OsString>) -> Option<GlibcVersion> {
    let found = args.iter().find_map(|arg| version(arg.to_str()?.strip_prefix(ARG)?));
    args.retain(|arg| !arg.as_encoded_bytes().starts_with(ARG.as_bytes()));
    found
}

/// Returns the version that a build script for the target has in its flags.
pub(super) fn of_script(environment: &Environment) -> Option<GlibcVersion> {
    let flags = environment.get(RUSTFLAGS).and_then(OsStr::to_str)?;
    flags.split('\u{1f}').find_map(|flag| version(flag.split_once(ARG)?.1))
}

fn version(text: &str) -> Option<GlibcVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(GlibcVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: GlibcVersion = GlibcVersion { major: 2, minor: 36 };

    #[test]
    fn glibc_argument_reaches_no_linker() {
        let mut args: Vec<OsString> = vec!["a.o".into(), glibc_arg(VERSION).into(), "-o".into(), "x".into()];
        assert_eq!(take_arg(&mut args), Some(VERSION));
        assert_eq!(args, ["a.o", "-o", "x"]);
        assert_eq!(take_arg(&mut args), None);
    }

    #[test]
    fn glibc_of_a_script_is_in_its_flags() {
        let flags = format!("-g\u{1f}-C\u{1f}link-arg={}\u{1f}--cfg\u{1f}x", glibc_arg(VERSION));
        let of = |flags: &str| of_script(&[(RUSTFLAGS, flags)].into_iter().collect());
        assert_eq!(of(&flags), Some(VERSION));
        assert_eq!(of("-g"), None, "a script for this machine");
    }
}
