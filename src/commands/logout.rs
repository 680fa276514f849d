//! `cargo oci logout`: remove the credentials of a registry.

use super::Outcome;
use crate::cli::LogoutArgs;
use crate::context::GlobalContext;
use crate::error::Result;
use crate::event::Event;
use crate::registry::credentials::{self, Credential, CredentialCache};

/// Removes the credentials for a registry, and warns of those that are not ours to remove.
///
/// # Errors
/// Returns an error if they cannot be removed.
pub(crate) fn run(args: &LogoutArgs, context: &GlobalContext) -> Result<Outcome> {
    let registry = args.registry.as_str();
    let environment = &context.environment;
    let erased = credentials::erase(environment, registry)?;
    let is_nothing = erased.is_none();
    if let Some(place) = erased {
        context.report(Event::LoggedOut { registry: registry.to_owned(), place: place.to_string() });
    }
    // An error in another file is not worth failing for: it was not asked for.
    let message = match credentials::find(environment, registry, "", false, &CredentialCache::default()) {
        Ok(found) if found.credential != Credential::Anonymous => {
            format!("{registry} still has credentials: {}", found.source)
        }
        _ if is_nothing => format!("no credentials for {registry} to remove"),
        _ => return Ok(Outcome::Done),
    };
    context.warn(message);
    Ok(Outcome::Done)
}
