//! What is used for a registry, and what it answers, as data.

use serde::Serialize;

/// What is used for a registry, and why.
#[derive(Clone, Debug, Serialize)]
pub struct RegistryFacts {
    /// The registry or the repository, as the user named it.
    pub registry: String,
    /// Whether it has answered.
    pub reachable: bool,
    /// In the order in which they matter.
    pub facts: Vec<RegistryFact>,
}

/// One fact about a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegistryFact {
    /// What it is about, such as `scheme`.
    pub what: &'static str,
    /// The value.
    pub value: String,
    /// The file and line, the variable or the reason that it is from.
    pub source: Option<String>,
}

impl RegistryFact {
    /// Creates a fact that is from `source`.
    pub(crate) fn new(what: &'static str, value: impl Into<String>, source: impl Into<String>) -> RegistryFact {
        RegistryFact { what, value: value.into(), source: Some(source.into()) }
    }

    /// Creates a fact that speaks for itself.
    pub(crate) fn plain(what: &'static str, value: impl Into<String>) -> RegistryFact {
        RegistryFact { what, value: value.into(), source: None }
    }
}
