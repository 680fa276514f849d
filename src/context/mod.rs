//! The context of a run, and what it opens by the names that a user typed.
//!
//! | file | what it opens |
//! | --- | --- |
//! | [`base`] | the reference of a base → its content, pulled |
//! | [`image`] | `REF\|PATH` → an image in a registry, a layout or an archive |
//! | [`subject`] | the same, where something can be attached |
//! | [`key`] | where a key is → the key, with its password |
//! | [`lazy`] | a registry that is connected to with the first request |

pub(crate) mod base;
pub(crate) mod image;
pub(crate) mod key;
pub(crate) mod lazy;
pub(crate) mod subject;

use std::io;
use std::sync::{Arc, Mutex};

use crate::environment::{Environment, REGISTRY_VARIABLES};
use crate::error::Result;
use crate::event::{Event, Listener, Prompt, Question};
use crate::interrupt::Cancellation;
use crate::parallel::lock;
use crate::reference::Reference;
use crate::registry::credentials::{self, CredentialCache};
use crate::registry::{Connections, Options, Registry};
use crate::store::Cache;

/// The context of a run, like cargo's.
///
/// A run has no state outside of it, so that a process can have several runs, also in parallel.
pub struct GlobalContext<'a> {
    /// The environment variables.
    pub environment: Environment,
    /// Receives events.
    pub listener: Listener<'a>,
    /// Stops the run.
    pub cancellation: Cancellation,
    prompt: Prompt<'a>,
    connections: Arc<Connections>,
    credentials: CredentialCache,
    cache: Mutex<Option<Arc<Cache>>>,
}

impl<'a> GlobalContext<'a> {
    /// Creates the context of a run. Nothing is connected or opened yet.
    pub fn new(environment: Environment, listener: Listener<'a>, prompt: Prompt<'a>) -> GlobalContext<'a> {
        GlobalContext {
            environment,
            listener,
            cancellation: Cancellation::default(),
            prompt,
            connections: Arc::default(),
            credentials: CredentialCache::default(),
            cache: Mutex::default(),
        }
    }

    /// Reports an event.
    pub fn report(&self, event: Event) {
        (self.listener)(event);
    }

    /// Reports a warning.
    pub fn warn(&self, message: impl Into<String>) {
        self.report(Event::Warning { message: message.into() });
    }

    /// Prompts the user.
    ///
    /// # Errors
    /// Returns an error if there is no terminal, its input ends, or the user presses Ctrl-C.
    pub fn ask(&self, question: Question) -> io::Result<String> {
        (self.prompt)(question)
    }

    /// Returns the cache, which is opened when it is first needed.
    ///
    /// # Errors
    /// Returns an error if its folder is unknown, or cannot be created.
    pub fn cache(&self) -> Result<Arc<Cache>> {
        let mut cache = lock(&self.cache);
        if let Some(cache) = &*cache {
            return Ok(Arc::clone(cache));
        }
        let opened = Cache::open(self.environment.cache_folder()?)?;
        Ok(Arc::clone(cache.insert(Arc::new(opened))))
    }

    /// Returns the repository of a reference, with the user's credentials for it. `CARGO_OCI_REGISTRY_…` applies only to the
    /// target of a push (`is_target`).
    ///
    /// # Errors
    /// Returns an error if credentials cannot be read, or TLS cannot be set up.
    pub fn connect(&self, reference: &Reference, is_target: bool) -> Result<Registry<'a>> {
        let (registry, repository) = (reference.registry(), reference.repository());
        let found = credentials::find(&self.environment, registry, repository, is_target, &self.credentials)?;
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
