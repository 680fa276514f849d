//! The settings of requests to registries.

use std::sync::Arc;

use super::credentials::Credential;
use super::hosts::{HostAccess, TrustedService};
use super::pool::Connections;
use super::retry::Retry;
use crate::event::Listener;

/// How requests to a registry are made.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// The credential for the registry.
    pub credential: Credential,
    /// Where the credential is from, or where none was found; for errors.
    pub credential_source: String,
    /// Whether the credential is from this process's environment variables.
    pub is_credential_in_environment: bool,
    /// Token services in other domains that may receive the credential.
    pub trusted_services: Vec<TrustedService>,
    /// How the server is connected to.
    pub access: HostAccess,
    /// When requests are repeated, and when they fail.
    pub retry: Retry,
    /// The connection pool.
    pub connections: Arc<Connections>,
    /// The listener for requests, retries and transfers.
    pub notify: Option<Listener<'a>>,
}
