//! The registries of one run.

pub mod base;
pub mod image;
pub mod key;
pub mod lazy;
pub mod subject;

use std::sync::Arc;

use crate::environment::{Environment, REGISTRY_VARIABLES};
use crate::error::Result;
use crate::event::Listener;
use crate::reference::Reference;
use crate::registry::credentials::{self, Asked};
use crate::registry::{Connections, Options, Registry};

/// How registries are spoken to: as whom, through what, and who hears of it.
pub struct Registries<'a> {
    /// Where credentials are looked for.
    pub environment: &'a Environment,
    /// Who hears of requests and of transfers.
    pub listener: Listener<'a>,
    connections: Arc<Connections>,
    asked: Asked,
}

impl<'a> Registries<'a> {
    /// None connected to yet.
    pub fn new(environment: &'a Environment, listener: Listener<'a>) -> Registries<'a> {
        Registries { environment, listener, connections: Arc::default(), asked: Asked::default() }
    }

    /// A repository, with the user's credentials for it; those for where images go count only for a target.
    ///
    /// # Errors
    /// Credentials that cannot be read; TLS that cannot be set up.
    pub fn connect(&self, reference: &Reference, is_target: bool) -> Result<Registry<'a>> {
        let (registry, repository) = (reference.registry(), reference.repository());
        let found = credentials::find(self.environment, registry, repository, is_target, &self.asked)?;
        let options = Options {
            credential: found.credential,
            credential_source: found.source,
            is_credential_in_environment: is_target
                && REGISTRY_VARIABLES.iter().any(|key| self.environment.get(key).is_some()),
            notify: Some(self.listener),
            connections: Arc::clone(&self.connections),
            ..Options::default()
        };
        Registry::new(reference.clone(), options)
    }
}
