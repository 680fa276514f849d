//! The distribution protocol (distribution-spec 1.1): a repository of a registry as a [`Source`] and a [`Sink`].
//!
//! Requests run on a small runtime of their own. Callers block, as they do on a folder.

mod access;
pub(crate) mod auth;
mod authorizer;
mod certificate;
mod client;
mod conditional;
mod credential_use;
pub mod credentials;
pub(crate) mod download;
mod error;
pub(crate) mod error_body;
pub(crate) mod github_packages;
mod help;
mod hosts;
mod http;
pub(crate) mod listing;
mod options;
mod phase;
mod ping;
mod pool;
mod probe;
mod proxy;
pub(crate) mod referrers;
pub(crate) mod referrers_api;
pub(crate) mod referrers_tag;
pub(crate) mod refusal;
pub(crate) mod retry;
mod scheme;
mod silence;
mod small_file;
pub(crate) mod tag_edit;
mod token_service;
mod trace;
mod trial;
pub(crate) mod upload;

use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use miette::{Report, miette};
use oci_spec::image::{Descriptor, Digest};
use reqwest::StatusCode;

use crate::error::Result;
use crate::image::manifest::Document;
use crate::image::manifest::Manifest;
use crate::image::media_type::{is_config, is_document};
use crate::parallel::lock;
use crate::reference::{Reference, TagOrDigest};
use crate::store::{Missing, Sink, Source, read};

pub use self::options::Options;
pub(crate) use self::ping::{Ping, ping};
pub(crate) use self::pool::Connections;
pub(crate) use self::probe::probe;
use client::Client;
pub(crate) use error::RequestError;
pub use hosts::{HostAccess, TrustedService};
pub(crate) use hosts::{HostSettings, PullEndpoints};
pub(crate) use http::service_client;
use pool::RequestRuntime;
use referrers_tag::ListCheck;
pub use retry::Retry;
use upload::{BlobUpload, SubjectStatus, UploadError, put_manifest};

/// A repository of a registry.
pub struct Registry<'a> {
    reference: Reference,
    client: Client<'a>,
    runtime: Arc<RequestRuntime>,
    /// Blobs that other repositories of the registry have, each with the name of one.
    mountable: Mutex<HashMap<Digest, String>>,
    /// Whether blobs exist, as far as it is known. It saves HEAD requests.
    existing: Mutex<HashMap<Digest, bool>>,
    /// Manifests that were pushed, for their tags.
    pushed: Mutex<HashMap<Digest, Vec<u8>>>,
    lacks_referrers_api: AtomicBool,
    keeps_no_lists: AtomicBool,
    /// How many bytes of blobs and manifests were sent.
    sent: AtomicU64,
    /// How many bytes of lists of referrers were read.
    listed_bytes: AtomicUsize,
}

impl<'a> Registry<'a> {
    /// Creates a client of the repository of `reference`. Only a server on this computer, or one that is named as insecure, is
    /// asked whether it speaks TLS.
    ///
    /// # Errors
    /// Returns an error if TLS cannot be set up.
    pub fn new(reference: Reference, options: Options<'a>) -> Result<Registry<'a>> {
        let runtime = options.connections.runtime()?;
        Ok(Registry {
            client: Client::new(&reference, options)?,
            reference,
            runtime,
            mountable: Mutex::default(),
            existing: Mutex::default(),
            pushed: Mutex::default(),
            lacks_referrers_api: AtomicBool::new(false),
            keeps_no_lists: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            listed_bytes: AtomicUsize::new(0),
        })
    }

    /// Repeats requests as `retry` says, from now on.
    pub(crate) fn retry_as(&mut self, retry: Retry) {
        self.client.options.retry = retry;
    }

    /// Makes blobs of another repository of the same registry mountable: they need not be uploaded.
    pub fn mountable<'d>(&self, repository: &str, blobs: impl IntoIterator<Item = &'d Descriptor>) {
        self.client.authorizer.allow_mount_from(repository);
        let blobs = blobs.into_iter().map(|blob| (blob.digest().clone(), repository.to_owned()));
        lock(&self.mountable).extend(blobs);
    }

    /// Returns the manifest or index that a tag names, or `None` if there is no such tag. It is for callers that push
    /// next.
    ///
    /// # Errors
    /// Returns an error if the response is neither a success nor a 404.
    pub fn tagged(&self, tag: &str) -> Result<Option<Descriptor>> {
        self.client.authorizer.allow_push();
        self.find(tag)
    }

    /// Returns the same, for callers that only pull.
    ///
    /// # Errors
    /// Returns an error if the response is neither a success nor a 404.
    pub(crate) fn find(&self, tag: &str) -> Result<Option<Descriptor>> {
        self.runtime.block_on(download::resolve_tag(&self.client, tag)).map_err(|error| self.explain(error))
    }

    /// Uploads a manifest. Returns its subject if the client has to list the manifest as a referrer of that.
    fn put(&self, document: &Document) -> Result<Option<Digest>> {
        let Document { descriptor, bytes } = document;
        let put = put_manifest(&self.client, descriptor, descriptor.digest().as_ref(), bytes);
        let status = self.runtime.block_on(put).map_err(|error| self.explain(error))?;
        self.count_sent(descriptor.size());
        lock(&self.pushed).insert(descriptor.digest().clone(), bytes.clone());
        match status {
            SubjectStatus::Unlisted => {
                let subject =
                    Manifest::parse(document.descriptor.media_type(), bytes).ok().and_then(|manifest| manifest.subject);
                Ok(subject.map(|subject| subject.digest().clone()))
            }
            SubjectStatus::Listed => Ok(None),
        }
    }

    /// Returns the manifest or index of a digest, or `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if there is no valid response, or if it is another document.
    pub(crate) fn document(&self, digest: &Digest) -> Result<Option<Document>> {
        let found = self.runtime.block_on(download::get_document(&self.client, digest.as_ref()));
        let found = found.map_err(|error| self.explain(error))?.map(|found| found.document);
        match found {
            Some(other) if other.descriptor.digest() != digest => {
                Err(miette!("{} returned {} when asked for {digest}", self.location(), other.descriptor.digest()))
            }
            found => Ok(found),
        }
    }

    /// Returns the name of the registry.
    pub(crate) fn host(&self) -> &str {
        self.reference.registry()
    }

    /// Returns whether the repository has a manifest, an index or a blob.
    ///
    /// # Errors
    /// Returns an error if the response is neither a success nor a 404.
    pub(crate) fn has(&self, descriptor: &Descriptor) -> Result<bool> {
        self.client.authorizer.allow_push();
        let exists = Source::exists(self, descriptor)?;
        self.remember_existence(descriptor, exists);
        Ok(exists)
    }

    /// Returns whether the repository has some content, as far as it is known.
    pub(crate) fn known_existence(&self, descriptor: &Descriptor) -> Option<bool> {
        lock(&self.existing).get(descriptor.digest()).copied()
    }

    /// Assumes that the repository lacks a blob, which saves a request.
    pub(crate) fn assume_missing(&self, blob: &Descriptor) {
        lock(&self.existing).entry(blob.digest().clone()).or_insert(false);
    }

    /// Puts a tag on a manifest or an index of `source`, whether or not the repository has it: it must have what it refers to.
    ///
    /// # Errors
    /// Returns an error if the registry rejects it.
    pub(crate) fn tag_from(&self, descriptor: &Descriptor, name: &str, source: &dyn Source) -> Result<()> {
        self.client.authorizer.allow_push();
        let pushed = lock(&self.pushed).get(descriptor.digest()).cloned();
        let bytes = match pushed {
            Some(bytes) => bytes,
            None => read(source, descriptor)?,
        };
        match self.runtime.block_on(put_manifest(&self.client, descriptor, name, &bytes)) {
            Ok(_) => {
                self.count_sent(descriptor.size());
                lock(&self.pushed).insert(descriptor.digest().clone(), bytes);
                Ok(())
            }
            // A registry may protect tags, or its answer was lost: that is no failure if the tag names the manifest.
            Err(error) => match self.runtime.block_on(download::resolve(&self.client, name)) {
                Ok(tagged) if tagged.digest() == descriptor.digest() => Ok(()),
                _ => Err(self.explain(error)),
            },
        }
    }

    /// Returns how many bytes of blobs and manifests were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn count_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    fn is_known_to_exist(&self, descriptor: &Descriptor) -> bool {
        self.known_existence(descriptor).unwrap_or_default()
    }

    fn remember_existence(&self, descriptor: &Descriptor, exists: bool) {
        lock(&self.existing).insert(descriptor.digest().clone(), exists);
    }

    fn missing(&self, name: &str, error: RequestError) -> Report {
        if error.status() != Some(StatusCode::NOT_FOUND) {
            return self.explain(error);
        }
        let missing = Missing { name: name.to_owned(), location: self.location() };
        Report::from(access::with_help_line(error, &self.client)).wrap_err(missing)
    }

    /// Adds what is known of the credentials to an error if it is that of a request.
    fn explain_any(&self, error: Report) -> Report {
        match error.downcast::<RequestError>() {
            Ok(error) => self.explain(error),
            Err(error) => error,
        }
    }

    /// Adds what is known of the credentials to an error.
    fn explain(&self, error: RequestError) -> Report {
        access::explain(error, &self.client)
    }
}

impl Source for Registry<'_> {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        let name = name.unwrap_or(self.reference.name());
        let found = self.runtime.block_on(download::resolve(&self.client, name.as_str()));
        let found = found.map_err(|error| self.missing(name.as_str(), error))?;
        match name.digest() {
            Some(wanted) if wanted != found.digest() => {
                Err(miette!("{} returned {} when asked for {wanted}", self.location(), found.digest()))
            }
            _ => Ok(found),
        }
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        self.runtime.block_on(download::exists(&self.client, descriptor)).map_err(|error| self.explain(error))
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        match download::BlobReader::open(&self.client, &self.runtime, descriptor) {
            Ok(reader) => Ok(Box::new(reader)),
            Err(error) => Err(self.missing(descriptor.digest().as_ref(), error)),
        }
    }

    fn location(&self) -> String {
        self.reference.location()
    }
}

impl Sink for Registry<'_> {
    /// Skips the HEAD request for manifests and configs: a PUT is as quick, and they are new as a rule.
    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        if is_document(descriptor.media_type()) {
            return Ok(false);
        }
        if let Some(exists) = self.known_existence(descriptor) {
            return Ok(exists);
        }
        if is_config(descriptor.media_type()) {
            return Ok(false);
        }
        self.client.authorizer.allow_push();
        let exists = Source::exists(self, descriptor)?;
        self.remember_existence(descriptor, exists);
        Ok(exists)
    }

    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        self.client.authorizer.allow_push();
        if is_document(descriptor.media_type()) {
            let document = Document { descriptor: descriptor.clone(), bytes: read(source, descriptor)? };
            if let Some(subject) = self.put(&document)? {
                let (list, rejected) = self.write_list(&[&document], &subject)?;
                let unlisted = match rejected {
                    Some(cause) => Some(cause),
                    None => self.finish_lists(vec![list], ListCheck::Thorough)?.pop().map(|rejected| rejected.cause),
                };
                return unlisted.map_or(Ok(()), Err);
            }
            return Ok(());
        }
        let mount_from = lock(&self.mountable).get(descriptor.digest()).cloned();
        let upload = BlobUpload::new(&self.client, &self.runtime, descriptor, source);
        let sent = upload.run(mount_from.as_deref()).map_err(|error| match error {
            UploadError::Request(error) => self.explain(error),
            UploadError::Source(error) => error,
        })?;
        self.count_sent(sent);
        self.remember_existence(descriptor, true);
        Ok(())
    }

    fn tag(&self, descriptor: &Descriptor, name: &str) -> Result<()> {
        self.tag_from(descriptor, name, self)
    }
}
