//! The tools, the names of their links, and one start of this program as one of them.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use miette::miette;

use super::run_folder::RunFolder;
use crate::compile::versions::GlibcVersion;
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Target;

/// A program that a link stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    C,
    Cxx,
    Ar,
    Ranlib,
    Linker,
    PkgConfig,
    Meson,
}

/// The links of each target. rustc infers from a linker's name what arguments it takes: `gcc` those of a compiler, `rust-lld`
/// those of a linker.
pub(super) const OF_TARGET: [(&str, Tool); 7] = [
    ("cc", Tool::C),
    ("c++", Tool::Cxx),
    ("ar", Tool::Ar),
    ("ranlib", Tool::Ranlib),
    ("gcc", Tool::C),
    ("rust-lld", Tool::Linker),
    ("pkg-config", Tool::PkgConfig),
];

/// The links on PATH.
pub(super) const ON_PATH: [(&str, Tool); 7] = [
    ("cc", Tool::C),
    ("gcc", Tool::C),
    ("c++", Tool::Cxx),
    ("g++", Tool::Cxx),
    ("pkg-config", Tool::PkgConfig),
    ("pkgconf", Tool::PkgConfig),
    ("meson", Tool::Meson),
];

/// The links of each target on PATH, by the ends of their names. They begin as configure scripts, and much else, expect: with
/// what GNU calls the target.
pub(super) const WITH_PREFIX: [(&str, Tool); 5] = [
    ("-gcc", Tool::C),
    ("-g++", Tool::Cxx),
    ("-ar", Tool::Ar),
    ("-ranlib", Tool::Ranlib),
    ("-pkg-config", Tool::PkgConfig),
];

/// One start of this program as a tool of a target.
pub(super) struct Invocation {
    pub(super) tool: Tool,
    pub(super) target: Target,
    pub(super) args: Vec<OsString>,
    pub(super) environment: Environment,
    pub(super) run_folder: Option<RunFolder>,
}

impl Invocation {
    pub(super) fn new(tool: Tool, target: Target, args: Vec<OsString>) -> Invocation {
        let environment = Environment::of_this_process();
        let run_folder = RunFolder::of(&environment);
        Invocation { tool, target, args, environment, run_folder }
    }

    /// Returns whether it is for this machine, and not for a program that is linked for the glibc of a base.
    pub(super) fn is_for_host_alone(&self, glibc: Option<GlibcVersion>) -> bool {
        glibc.is_none() && self.is_for_host()
    }

    /// Returns whether its target is also this machine's.
    pub(super) fn is_for_host(&self) -> bool {
        self.run_folder.as_ref().is_some_and(|folder| folder.is_host(self.target))
    }

    /// Returns name and version of the package that is being built.
    pub(super) fn package(&self) -> Option<String> {
        let name = self.environment.get("CARGO_PKG_NAME")?.to_str()?;
        let version = self.environment.get("CARGO_PKG_VERSION")?.to_str()?;
        Some(format!("{name} v{version}"))
    }
}

/// Returns target and tool of a name such as `aarch64-linux-musl-gcc`.
pub(super) fn with_prefix(name: &str) -> Option<(Target, Tool)> {
    WITH_PREFIX.iter().find_map(|(end, tool)| {
        let (architecture, system) = name.strip_suffix(end)?.split_once("-linux-")?;
        let architecture = if architecture == "riscv64" { "riscv64gc" } else { architecture };
        Some((Target::from_str(&format!("{architecture}-unknown-linux-{system}")).ok()?, *tool))
    })
}

/// Returns how GNU calls a target.
pub(crate) fn gnu_name(target: Target) -> String {
    target.triple.replacen("-unknown-", "-", 1).replacen("riscv64gc", "riscv64", 1)
}

/// Returns the first of the programs on PATH that is not this one.
pub(super) fn other_program(names: &[String], environment: &Environment) -> Option<PathBuf> {
    let this = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    let path = environment.get("PATH")?;
    names.iter().find_map(|name| {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let mut paths = std::env::split_paths(path).map(|folder| folder.join(&name));
        paths.find(|path| path.is_file() && path.canonicalize().ok() != this)
    })
}

pub(super) fn tool(of: &[(&str, Tool)], name: &str) -> Option<Tool> {
    of.iter().find(|(known, _)| *known == name).map(|(_, tool)| *tool)
}

/// Returns the value of a variable as the `cc` crate reads it for a target.
pub(super) fn variable_of<'a>(name: &str, target: Target, environment: &'a Environment) -> Option<&'a OsStr> {
    let keys = [format!("{name}_{}", target.triple), format!("{name}_{}", target.env_key()), format!("TARGET_{name}")];
    keys.iter().find_map(|key| environment.get(key))
}

/// Returns the program of this name on PATH that is not this one.
///
/// # Errors
/// Returns an error if there is none.
pub(super) fn real(name: &str, environment: &Environment) -> Result<PathBuf> {
    other_program(&[name.to_owned()], environment).ok_or_else(|| miette!("cannot find {name} on PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn prefix_names_every_target() {
        for target in TARGETS {
            let name = format!("{}-g++", gnu_name(target));
            assert_eq!(with_prefix(&name), Some((target, Tool::Cxx)), "{name}");
        }
        assert_eq!(with_prefix("cargo-oci"), None);
        assert_eq!(with_prefix("x86_64-linux-musl-ld"), None);
    }
}
