//! The features that a package is built with.

use crate::cli::CargoArgs;

/// Features of one package, as its tables name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// These.
    pub list: Vec<String>,
    /// Not the default ones.
    pub no_default: bool,
    /// All of them.
    pub all: bool,
}

impl Features {
    /// Those of the tables; none of them where cargo's own flags say which.
    pub fn of(args: &CargoArgs, list: &Option<Vec<String>>, no_default: Option<bool>, all: Option<bool>) -> Features {
        if !args.features.is_empty() || args.no_default_features || args.all_features {
            return Features::default();
        }
        let list = list.clone().unwrap_or_default();
        Features { list, no_default: no_default.unwrap_or_default(), all: all.unwrap_or_default() }
    }

    /// Whether they stand for themselves, with `PACKAGE/` before each.
    pub(super) fn can_share(&self) -> bool {
        !self.list.iter().any(|feature| feature.contains('/'))
    }
}
