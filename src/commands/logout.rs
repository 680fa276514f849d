//! `cargo oci logout`: what `cargo oci login` has kept is forgotten.

use crate::cli::LogoutArgs;
use crate::error::Result;
use crate::event::{Event, Listener};
use crate::plan::Environment;
use crate::registry::credentials::{self, Credential, CredentialCache};

/// Forgets the credentials for a registry, and tells of those that are not ours to remove.
///
/// # Errors
/// When they cannot be removed.
pub fn logout(args: &LogoutArgs, listener: Listener) -> Result<()> {
    let registry = args.registry.as_str();
    let environment = Environment::of_this_process();
    let erased = credentials::erase(&environment, registry)?;
    let is_nothing = erased.is_none();
    if let Some(place) = erased {
        listener(Event::LoggedOut { registry: registry.to_owned(), place: place.to_string() });
    }
    // What another file says of the registry is not worth failing for: it was not asked for.
    let message = match credentials::find(&environment, registry, "", false, &CredentialCache::default()) {
        Ok(found) if found.credential != Credential::Anonymous => {
            format!("{registry} still has credentials: {}", found.source)
        }
        _ if is_nothing => format!("there were no credentials for {registry} to remove"),
        _ => return Ok(()),
    };
    listener(Event::Warning { message });
    Ok(())
}
