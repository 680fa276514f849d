//! The features that a package is built with.

use crate::cli::CargoArgs;
use crate::config::Table;

/// The features of one package, from its tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// These features.
    pub list: Vec<String>,
    /// Whether the default features are off.
    pub no_default: bool,
    /// Whether all features are on.
    pub all: bool,
}

impl Features {
    /// Returns the features of a table, or none if cargo's own flags select features.
    pub fn of(args: &CargoArgs, table: &Table) -> Features {
        if !args.features.is_empty() || args.no_default_features || args.all_features {
            return Features::default();
        }
        Features {
            list: table.features.iter().flatten().map(|feature| feature.0.clone()).collect(),
            no_default: table.no_default_features.unwrap_or_default(),
            all: table.all_features.unwrap_or_default(),
        }
    }

    /// Returns whether each can be written as `PACKAGE/FEATURE`.
    pub(super) fn can_share(&self) -> bool {
        !self.list.iter().any(|feature| feature.contains('/'))
    }
}
