//! What is used for a registry, and why.

use miette::IntoDiagnostic;

use super::GlobalContext;
use crate::environment::REGISTRY_VARIABLES;
use crate::error::Result;
use crate::inspect::registry::{RegistryFact, RegistryFacts};
use crate::reference::{NamedRegistry, Reference};
use crate::registry::credentials::{self, Credential, FoundCredential};
use crate::registry::{Options, probe};

/// Finds out what is used for a registry, and what it answers. Nothing is written.
///
/// # Errors
/// Returns an error if settings or credentials cannot be read, or TLS cannot be set up.
pub(crate) fn show(named: &NamedRegistry, context: &GlobalContext) -> Result<RegistryFacts> {
    let reference: Reference = named.reference().parse().into_diagnostic()?;
    let hosts = context.hosts()?;
    let mut shown = RegistryFacts { registry: named.to_string(), reachable: false, facts: hosts.facts(&reference)? };
    // One that is blocked is not asked.
    let Ok(endpoints) = hosts.to_pull(&reference) else { return Ok(shown) };
    let own = endpoints.own.reference(&reference)?;
    let (registry, repository) = (own.registry(), if named.has_repository() { own.repository() } else { "" });
    let find =
        |is_target| credentials::find(&context.environment, registry, repository, is_target, &context.credentials);
    let found = find(false)?;
    shown.facts.push(credentials_fact("credentials", &found));
    shown
        .facts
        .extend(found.failed.iter().map(|failure| RegistryFact::plain("credential-helper", failure.to_string())));
    if REGISTRY_VARIABLES.iter().any(|key| context.environment.get(key).is_some()) {
        shown.facts.push(credentials_fact("credentials-for-pushes", &find(true)?));
    }
    let options = Options {
        credential: found.credential,
        credential_source: found.source,
        ..context.options(registry, endpoints.own.access)?
    };
    let (reachable, facts) = probe(&own, named.has_repository(), &context.environment, options)?;
    shown.reachable = reachable;
    shown.facts.extend(facts);
    Ok(shown)
}

fn credentials_fact(what: &'static str, found: &FoundCredential) -> RegistryFact {
    let kind = match &found.credential {
        Credential::Anonymous => {
            return RegistryFact::new(what, "none", found.source.strip_prefix("none: ").unwrap_or(&found.source));
        }
        Credential::Basic { user, .. } => format!("password of {user}"),
        Credential::IdentityToken(_) => "token for the token service".to_owned(),
        Credential::RegistryToken(_) => "token for the registry".to_owned(),
    };
    RegistryFact::new(what, kind, found.source.clone())
}
