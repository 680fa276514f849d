//! The registry protocol (distribution-spec 1.1): a repository as a [`Source`] and a [`Sink`].
//!
//! Requests are made on a small runtime; to the rest of the house a registry is read and written like a
//! folder.

mod attach;
mod auth;
mod client;
pub mod credentials;
mod download;
mod error;
mod ping;
mod pool;
mod referrers;
mod retry;
mod trace;
mod upload;

use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use miette::{Report, miette};
use oci_spec::image::{Descriptor, Digest};
use reqwest::StatusCode;
use tokio::runtime::Runtime;

use crate::error::{Result, with_help};
use crate::event::Listener;
use crate::image::manifest::Manifest;
use crate::image::media_type::{is_config, is_document};
use crate::parallel::lock;
use crate::reference::Reference;
use crate::store::{Missing, Sink, Source, read};

pub use self::ping::ping;
pub use self::pool::Connections;
use client::Client;
use credentials::Credential;
pub use error::{Problem, RequestError};
pub use retry::Retry;
use upload::{Put, Upload};

/// How a registry is spoken to.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// Who one is there.
    pub credential: Credential,
    /// Who knew that, or where nobody did; for errors.
    pub credential_source: String,
    /// How patient one is.
    pub retry: Retry,
    /// What it is spoken to through.
    pub connections: Arc<Connections>,
    /// Who wants to hear of requests, of what is tried again, and of how far content is on its way.
    pub notify: Option<Listener<'a>>,
}

/// A repository of a registry.
pub struct Registry<'a> {
    reference: Reference,
    client: Client<'a>,
    runtime: Arc<Runtime>,
    /// Blobs that other repositories of this registry have.
    mountable: Mutex<HashMap<Digest, String>>,
    /// Whether blobs are here, where that was asked or seen to: nobody asks again.
    known: Mutex<HashMap<Digest, bool>>,
    /// Documents that were pushed, for their tags.
    documents: Mutex<HashMap<Digest, Vec<u8>>>,
    /// Whether it was found not to know what is attached to what.
    without_referrers: AtomicBool,
}

impl<'a> Registry<'a> {
    /// The repository of `reference`. Nothing is asked of the registry yet.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(reference: Reference, options: Options<'a>) -> Result<Registry<'a>> {
        let runtime = options.connections.runtime()?;
        Ok(Registry {
            client: Client::new(&reference, options)?,
            reference,
            runtime,
            mountable: Mutex::default(),
            known: Mutex::default(),
            documents: Mutex::default(),
            without_referrers: AtomicBool::new(false),
        })
    }

    /// These blobs are in that repository of the same registry, and need not be sent.
    pub fn mountable<'d>(&self, repository: &str, blobs: impl IntoIterator<Item = &'d Descriptor>) {
        self.client.will_read(repository);
        let blobs = blobs.into_iter().map(|blob| (blob.digest().clone(), repository.to_owned()));
        lock(&self.mountable).extend(blobs);
    }

    /// What a tag stands for; nothing where there is no such tag. Asked by one who is about to write.
    ///
    /// # Errors
    /// When the registry does not say.
    pub fn tagged(&self, tag: &str) -> Result<Option<Descriptor>> {
        self.client.will_write();
        self.runtime.block_on(download::tagged(&self.client, tag)).map_err(|error| self.explained(error.into()))
    }

    /// Stores a document; gives its subject, where somebody has to list it as that's referrer.
    fn put(&self, document: &Descriptor, bytes: &[u8]) -> Result<Option<Digest>> {
        let name = document.digest().as_ref();
        let put = self.runtime.block_on(upload::put_document(&self.client, document, name, bytes));
        let put = put.map_err(|error| self.explained(error.into()))?;
        lock(&self.documents).insert(document.digest().clone(), bytes.to_vec());
        match put {
            Put::Kept => {
                let subject = Manifest::parse(document.media_type(), bytes).ok().and_then(|manifest| manifest.subject);
                Ok(subject.map(|subject| subject.digest().clone()))
            }
            Put::Listed => Ok(None),
        }
    }

    /// Lists documents that are there as referrers of `subject`.
    fn list(&self, documents: &[&(Descriptor, Vec<u8>)], subject: &Digest) -> Result<()> {
        let listed = attach::list(&self.client, documents, subject);
        self.runtime.block_on(listed).map_err(|error| self.explained(error))
    }

    /// Whether it was asked for or sent before, and is here.
    fn has(&self, descriptor: &Descriptor) -> bool {
        lock(&self.known).get(descriptor.digest()).copied().unwrap_or_default()
    }

    fn knows(&self, descriptor: &Descriptor, is_there: bool) {
        lock(&self.known).insert(descriptor.digest().clone(), is_there);
    }

    fn missing(&self, name: &str, error: RequestError) -> Report {
        if error.status() != Some(StatusCode::NOT_FOUND) {
            return self.explained(error.into());
        }
        let missing = Missing { name: name.to_owned(), location: self.location() };
        Report::from(error).wrap_err(missing)
    }

    /// A refusal, with what is known of the credentials: none were found, these were rejected, or they lack a right.
    fn explained(&self, error: Report) -> Report {
        let status = error.downcast_ref().and_then(RequestError::status);
        let (registry, Options { credential, credential_source: source, .. }) =
            (self.reference.registry(), &self.client.options);
        let why = match (status, credential) {
            (Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), Credential::Anonymous) => {
                let nothing = source.trim_start_matches("none: ");
                return error.wrap_err(format!("{registry} wants credentials, and there are none for it: {nothing}"));
            }
            (Some(StatusCode::UNAUTHORIZED), _) => format!("{registry} rejects the credentials from {source}"),
            (Some(StatusCode::FORBIDDEN), _) => {
                format!("the credentials from {source} lack the right to do this in {}", self.location())
            }
            _ => return error,
        };
        let help = match source.starts_with("CARGO_OCI_REGISTRY_") {
            true => format!(
                "give these variables the credentials of another user, or unset them and use `cargo oci login {registry}`"
            ),
            false => {
                format!("`cargo oci login {registry}` puts others in their place; check the repository's name too")
            }
        };
        with_help(error.wrap_err(why), help)
    }
}

impl Source for Registry<'_> {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        let name = name.unwrap_or(self.reference.name());
        let patience = self.client.options.retry.first_answer;
        let found = self.runtime.block_on(async {
            let found = tokio::time::timeout(patience, download::resolve(&self.client, name)).await;
            found.unwrap_or_else(|_| {
                let url = self.client.url(&format!("manifests/{name}"));
                Err(self.client.silent(&reqwest::Method::HEAD, &url, patience))
            })
        });
        let found = found.map_err(|error| self.missing(name, error))?;
        match Digest::try_from(name) {
            Ok(wanted) if wanted != *found.digest() => {
                Err(miette!("{} answers {} when asked for {wanted}", self.location(), found.digest()))
            }
            _ => Ok(found),
        }
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        self.runtime.block_on(download::exists(&self.client, descriptor)).map_err(|error| self.explained(error.into()))
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let body = download::Body::begin(&self.client, &self.runtime, descriptor);
        let body = body.map_err(|error| self.missing(descriptor.digest().as_ref(), error))?;
        Ok(Box::new(body))
    }

    fn location(&self) -> String {
        format!("{}/{}", self.reference.registry(), self.reference.repository())
    }
}

impl Sink for Registry<'_> {
    /// A document is as quickly sent as asked for: nobody is asked. A config is nearly so, and as new as its manifest.
    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        if is_document(descriptor.media_type()) {
            return Ok(false);
        }
        let known = lock(&self.known).get(descriptor.digest()).copied();
        if let Some(is_there) = known {
            return Ok(is_there);
        }
        if is_config(descriptor.media_type()) {
            return Ok(false);
        }
        self.client.will_write();
        let is_there = Source::exists(self, descriptor)?;
        self.knows(descriptor, is_there);
        Ok(is_there)
    }

    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        self.client.will_write();
        if is_document(descriptor.media_type()) {
            let document = (descriptor.clone(), read(source, descriptor)?);
            return match self.put(&document.0, &document.1)? {
                Some(subject) => self.list(&[&document], &subject),
                None => Ok(()),
            };
        }
        let mount = lock(&self.mountable).get(descriptor.digest()).cloned();
        let transfer = OnceLock::new();
        let upload = Upload { client: &self.client, runtime: &self.runtime, descriptor, source, transfer };
        upload.run(mount.as_deref()).map_err(|error| self.explained(error))?;
        self.knows(descriptor, true);
        Ok(())
    }

    fn tag(&self, descriptor: &Descriptor, name: &str) -> Result<()> {
        self.client.will_write();
        let known = lock(&self.documents).get(descriptor.digest()).cloned();
        let bytes = known.map_or_else(|| read(self, descriptor), Ok)?;
        match self.runtime.block_on(upload::put_document(&self.client, descriptor, name, &bytes)) {
            Ok(_) => Ok(()),
            // A tag that may not be moved is no failure where it is right already.
            Err(error) if error.status().is_some_and(|status| status.is_client_error()) => {
                let there = self.runtime.block_on(download::resolve(&self.client, name));
                match there {
                    Ok(there) if there.digest() == descriptor.digest() => Ok(()),
                    _ => Err(self.explained(error.into())),
                }
            }
            Err(error) => Err(self.explained(error.into())),
        }
    }
}
