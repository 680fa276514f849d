//! Registries that the user named as insecure to this program: by a flag, a variable, or in a file.

use miette::miette;

use crate::environment::Environment;
use crate::error::Result;
use crate::reference::RegistryName;

/// The variable that names registries, separated by commas or spaces, that may be without TLS.
const VARIABLE: &str = "CARGO_OCI_INSECURE_REGISTRIES";

/// A registry that the user named as insecure to this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InsecureRegistry {
    /// Its host and port.
    pub(super) host: String,
    /// The flag, the variable, or the line of the file that names it.
    pub(super) named_by: String,
}

/// Returns the registries that flags and the variable name.
///
/// # Errors
/// Returns an error if the variable holds an invalid name.
pub(super) fn named(environment: &Environment, flags: &[RegistryName]) -> Result<Vec<InsecureRegistry>> {
    let mut insecure: Vec<_> = flags
        .iter()
        .map(|name| InsecureRegistry { host: name.as_str().to_owned(), named_by: "--insecure-registry".to_owned() })
        .collect();
    let variable = environment.get(VARIABLE).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
    for name in variable.split([',', ' ']).filter(|name| !name.is_empty()) {
        let name: RegistryName = name.parse().map_err(|error| {
            miette!(help = "write hosts, separated by commas: nas.local:5000,10.0.0.7", "invalid {VARIABLE}: {error}")
        })?;
        insecure.push(InsecureRegistry { host: name.as_str().to_owned(), named_by: VARIABLE.to_owned() });
    }
    Ok(insecure)
}
