//! Compiler flags for this machine, which conda and distributions set for every compilation.

use std::ffi::OsString;

use crate::environment::Environment;
use crate::platform::Target;

/// Flags that the `cc` crate reads with a prefix for the host. It adds those without to those of a target.
const OF_CC: [[&str; 2]; 2] = [["CFLAGS", "HOST_CFLAGS"], ["CXXFLAGS", "HOST_CXXFLAGS"]];
/// Flags that only `configure`, CMake and Meson read.
const OF_OTHERS: [&str; 2] = ["CPPFLAGS", "LDFLAGS"];

/// How flags are kept for the host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HostFlags {
    /// Variables for cargo.
    pub variables: Vec<(String, OsString)>,
    /// Variables that cargo does not get.
    pub removed: Vec<&'static str>,
}

/// Returns the flags of this machine under names that only compilations for it read.
pub(super) fn for_host_alone(environment: &Environment) -> HostFlags {
    let mut flags = HostFlags::default();
    for [plain, of_host] in OF_CC {
        let Some(value) = environment.get(plain) else { continue };
        let mut value = value.to_owned();
        if let Some(own) = environment.get(of_host) {
            value.push(" ");
            value.push(own);
        }
        flags.variables.push((of_host.to_owned(), value));
        flags.removed.push(plain);
    }
    flags.removed.extend(OF_OTHERS.into_iter().filter(|key| environment.is_set(key)));
    flags
}

/// Returns the warning that flags were not used for C code of a target, or `None` if there were none, or the target has its own.
pub(super) fn unused(environment: &Environment, target: Target) -> Option<String> {
    let is_unset = |plain: &str| {
        let keys =
            [format!("{plain}_{}", target.triple), format!("{plain}_{}", target.env_key()), format!("TARGET_{plain}")];
        !keys.iter().any(|key| environment.is_set(key))
    };
    let plain: Vec<_> =
        OF_CC.map(|[plain, _]| plain).into_iter().filter(|key| environment.get(key).is_some()).collect();
    let unset: Vec<_> = plain.into_iter().filter(|key| is_unset(key)).collect();
    let first = unset.first()?;
    Some(format!(
        "{} is for the compiler of this machine, and was not used for {}: set {first}_{} to flags for it",
        unset.join(" and "),
        target.triple,
        target.env_key()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn host_flags_reach_only_the_host() {
        let variables = [
            ("CFLAGS", "-march=nocona"),
            ("HOST_CFLAGS", "-O1"),
            ("LDFLAGS", "-L/conda"),
            ("CFLAGS_x86_64-unknown-linux-musl", ""),
        ];
        let environment = variables.into_iter().collect();
        let flags = for_host_alone(&environment);
        assert_eq!(flags.variables, [("HOST_CFLAGS".to_owned(), "-march=nocona -O1".into())]);
        assert_eq!(flags.removed, ["CFLAGS", "LDFLAGS"]);
        assert_eq!(unused(&environment, TARGETS[0]), None);
        let expected = "CFLAGS is for the compiler of this machine, and was not used for aarch64-unknown-linux-musl: set \
                        CFLAGS_aarch64_unknown_linux_musl to flags for it";
        assert_eq!(unused(&environment, TARGETS[1]).as_deref(), Some(expected));
        assert_eq!(unused(&Environment::default(), TARGETS[1]), None);
    }
}
