//! The context of a run, and what it opens by the names that a user typed.
//!
//! | file | what it opens |
//! | --- | --- |
//! | [`base`] | the reference of a base → its content, pulled |
//! | [`compare`] | two of them → what differs between them |
//! | [`image`] | `REF\|PATH` → an image in a registry, a layout or an archive |
//! | [`subject`] | the same, where something can be attached |
//! | [`key`] | where a key is → the key, with its password |
//! | [`trusted`] | who must have signed → what it takes to verify that |
//! | [`verify`] | an image, and who must have signed it → what is known of it |
//! | [`policy`] | an image, and rules → those that it breaks |
//! | [`show`] | the name of a registry → what is used for it |
//! | [`lazy`] | a registry that is connected to with the first request |

pub(crate) mod attachments;
pub(crate) mod base;
pub(crate) mod compare;
pub(crate) mod image;
pub(crate) mod key;
pub(crate) mod lazy;
pub(crate) mod policy;
pub(crate) mod show;
pub(crate) mod subject;
pub(crate) mod trusted;
pub(crate) mod verify;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use miette::{IntoDiagnostic, miette};

use crate::attest::certificate::CertificateVerifier;
use crate::cli::time::timeout;
use crate::environment::{Environment, REGISTRY_VARIABLES};
use crate::error::Result;
use crate::event::{Event, Listener, Prompt, Question};
use crate::interrupt::{self, Cancellation};
use crate::parallel::lock;
use crate::reference::{Reference, RegistryName};
use crate::registry::credentials::{self, Credential, CredentialCache};
use crate::registry::{
    Connections, HostAccess, HostSettings, Options, Ping, PullEndpoints, Registry, Retry, TrustedService, ping,
};
use crate::store::{Cache, Source};

/// The variable that says how long a registry may be silent.
const TIMEOUT: &str = "CARGO_OCI_TIMEOUT";
/// How often a mirror is asked for an image.
const MIRROR_ATTEMPTS: u32 = 2;
/// How long a mirror may be silent before the next one is asked, if a registry may be silent for longer.
const MIRROR_SILENCE: Duration = Duration::from_secs(60);

/// The context of a run, like cargo's.
///
/// A run has no state outside of it, so that a process can have several runs, also in parallel.
pub struct GlobalContext<'a> {
    /// The environment variables.
    pub environment: Environment,
    /// Receives events.
    pub listener: Listener<'a>,
    /// The registries that the command line names as insecure.
    pub insecure_registries: Vec<RegistryName>,
    /// How long a registry may be silent, by the command line.
    pub timeout: Option<Duration>,
    /// Stops the run.
    pub cancellation: Cancellation,
    prompt: Prompt<'a>,
    connections: Arc<Connections>,
    credentials: CredentialCache,
    cache: Mutex<Option<Arc<Cache>>>,
    warned: Mutex<Vec<String>>,
    hosts: Mutex<Option<Arc<HostSettings>>>,
    /// The registries that this run pushes to.
    targets: Mutex<Vec<String>>,
    /// The authorities and logs to trust, once they were fetched.
    trusted_root: Mutex<Option<CertificateVerifier>>,
}

impl<'a> GlobalContext<'a> {
    /// Creates the context of a run. Nothing is connected or opened yet.
    pub fn new(environment: Environment, listener: Listener<'a>, prompt: Prompt<'a>) -> GlobalContext<'a> {
        GlobalContext {
            environment,
            listener,
            insecure_registries: Vec::new(),
            timeout: None,
            cancellation: Cancellation::default(),
            prompt,
            connections: Arc::default(),
            credentials: CredentialCache::default(),
            cache: Mutex::default(),
            warned: Mutex::default(),
            hosts: Mutex::default(),
            targets: Mutex::default(),
            trusted_root: Mutex::default(),
        }
    }

    /// Makes the credentials in `CARGO_OCI_REGISTRY_…` apply to what is read from a registry too, since this run pushes to it.
    pub(crate) fn push_to(&self, registry: &str) {
        lock(&self.targets).push(registry.to_owned());
    }

    /// Reports an event.
    pub fn report(&self, event: Event) {
        (self.listener)(event);
    }

    /// Reports a warning.
    pub fn warn(&self, message: impl Into<String>) {
        self.report(Event::Warning { message: message.into() });
    }

    /// Reports a warning, unless it was reported before.
    pub(crate) fn warn_once(&self, message: String) {
        let mut warned = lock(&self.warned);
        if !warned.contains(&message) {
            warned.push(message.clone());
            self.warn(message);
        }
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

    /// Returns the settings of hosts, which are read when they are first needed.
    ///
    /// # Errors
    /// Returns an error if a file is invalid or cannot be read.
    pub(crate) fn hosts(&self) -> Result<Arc<HostSettings>> {
        let mut hosts = lock(&self.hosts);
        if let Some(hosts) = &*hosts {
            return Ok(Arc::clone(hosts));
        }
        let read = HostSettings::read(&self.environment, &self.insecure_registries)?;
        Ok(Arc::clone(hosts.insert(Arc::new(read))))
    }

    /// Returns the repository of a reference to push to, with the user's credentials for it, those in `CARGO_OCI_REGISTRY_…`
    /// included.
    ///
    /// # Errors
    /// Returns an error if credentials or settings of hosts cannot be read, the registry is blocked, or TLS cannot be set up.
    pub fn connect_to_push(&self, reference: &Reference) -> Result<Registry<'a>> {
        self.connect(reference, self.hosts()?.to_push(reference)?.access, true, self.retry()?)
    }

    /// Returns the repository of a reference to pull from: that of the first mirror that has what it names, else its own.
    ///
    /// # Errors
    /// Returns an error if credentials or settings of hosts cannot be read, the registry is blocked, or TLS cannot be set up.
    pub fn connect_to_pull(&self, reference: &Reference) -> Result<Registry<'a>> {
        let PullEndpoints { mirrors, own } = self.hosts()?.to_pull(reference)?;
        for mirror in mirrors {
            let place = mirror.reference(reference)?;
            // The next mirror is worth more than many attempts at this one.
            let retry = retry_of_mirror(&self.retry()?);
            let mut asked = self.connect(&place, mirror.access, false, retry)?;
            match asked.resolve(None) {
                Ok(_) => {
                    asked.retry_as(self.retry()?);
                    return Ok(asked);
                }
                Err(error) if interrupt::is_set() => return Err(error),
                Err(error) => {
                    let line = mirror.configured.map(|line| format!(" ({line})")).unwrap_or_default();
                    self.warn(format!("cannot pull {reference} from the mirror {}{line}: {error}", mirror.location));
                }
            }
        }
        self.connect(&own.reference(reference)?, own.access, false, self.retry()?)
    }

    /// Returns when requests are repeated, and when they fail: by the command line, else by the environment.
    ///
    /// # Errors
    /// Returns an error if the variable is invalid.
    pub(crate) fn retry(&self) -> Result<Retry> {
        let variable = self.environment.get(TIMEOUT).map(|text| {
            timeout(&text.to_string_lossy())
                .map_err(|why| miette!(help = "set it to a time such as 90s or 10m", "invalid {TIMEOUT}: {why}"))
        });
        let retry = Retry::default();
        Ok(match self.timeout.map(Ok).or(variable).transpose()? {
            Some(timeout) => Retry { answer_timeout: timeout, stall_timeout: timeout, ..retry },
            None => retry,
        })
    }

    fn connect(
        &self,
        reference: &Reference,
        access: HostAccess,
        is_target: bool,
        retry: Retry,
    ) -> Result<Registry<'a>> {
        let (registry, repository) = (reference.registry(), reference.repository());
        if let Some(why) = &access.insecure
            && !reference.is_local()
        {
            self.warn_once(format!("the identity of {registry} is not verified: it is insecure by {why}"));
        }
        let is_target = is_target || lock(&self.targets).iter().any(|target| target == registry);
        let found = credentials::find(&self.environment, registry, repository, is_target, &self.credentials)?;
        for failure in found.failed {
            self.warn_once(format!("asking {registry} without credentials: {failure}"));
        }
        self.report(Event::Credentials { registry: registry.to_owned(), source: found.source.clone() });
        let options = Options {
            credential: found.credential,
            credential_source: found.source,
            is_credential_in_environment: is_target
                && REGISTRY_VARIABLES.iter().any(|key| self.environment.get(key).is_some()),
            retry,
            ..self.options(registry, access)?
        };
        Registry::new(reference.clone(), options)
    }

    /// Returns the options of requests to a registry, without credentials.
    fn options(&self, registry: &str, access: HostAccess) -> Result<Options<'a>> {
        Ok(Options {
            trusted_services: self.hosts()?.trusted_services(registry),
            access,
            retry: self.retry()?,
            notify: Some(self.listener),
            connections: Arc::clone(&self.connections),
            ..Options::default()
        })
    }

    /// Asks a registry whether it accepts a credential. `trusted` is a token service that may receive it, besides those that
    /// the user's file names.
    ///
    /// # Errors
    /// Returns an error if the registry rejects the credential, or does not respond.
    pub(crate) fn ping(
        &self,
        registry: &RegistryName,
        credential: &Credential,
        trusted: Option<&RegistryName>,
    ) -> Result<Ping> {
        // A reference has a repository; no access to it is requested.
        let reference: Reference = format!("{}/x", registry.as_str()).parse().into_diagnostic()?;
        let mut options = self.options(registry.as_str(), self.hosts()?.to_push(&reference)?.access)?;
        options.credential = credential.clone();
        options.trusted_services.extend(trusted.map(|service| TrustedService {
            registry: registry.as_str().to_owned(),
            service: service.as_str().to_owned(),
            source: "--trust-token-service".to_owned(),
        }));
        ping(&reference, options)
    }
}

fn retry_of_mirror(retry: &Retry) -> Retry {
    let answer_timeout = retry.answer_timeout.min(MIRROR_SILENCE);
    Retry { attempts: MIRROR_ATTEMPTS, answer_timeout, ..retry.clone() }
}
