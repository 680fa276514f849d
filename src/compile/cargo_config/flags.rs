//! Compiler flags, and what else the configuration says about a target.

use std::path::PathBuf;

/// What the configuration says about a target.
#[derive(Clone, Debug)]
pub(super) struct TargetSettings {
    /// The flags.
    pub flags: RustFlags,
    /// The linker.
    pub linker: Option<PathBuf>,
}

/// The user's compiler flags for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RustFlags {
    /// The flags.
    pub list: Vec<String>,
    /// Where cargo reads them from.
    pub source: FlagsSource,
}

/// The one source of flags that cargo reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagsSource {
    /// `CARGO_ENCODED_RUSTFLAGS` or `RUSTFLAGS`.
    Environment,
    /// The tables of the target.
    Target,
    /// `build.rustflags`, or no source at all.
    Build,
}

impl RustFlags {
    /// Returns whether they have programs linked statically, or `None` if no flag is about it. The last one counts.
    pub(crate) fn links_statically(&self) -> Option<bool> {
        let features = self.list.iter().rev().flat_map(|flag| flag.rsplit(['=', ',']));
        let mut said = features.filter_map(|feature| match feature {
            "+crt-static" => Some(true),
            "-crt-static" => Some(false),
            _ => None,
        });
        said.next()
    }
}
