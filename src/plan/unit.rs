//! What cargo builds, in cargo's own word.

use cargo_metadata::PackageId;

use crate::platform::Target;

/// A package that one run of cargo builds for one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    /// The package, as cargo's messages name it.
    pub package: PackageId,
    /// The index of the run in the plan.
    pub run: usize,
    /// The target.
    pub target: Target,
}
