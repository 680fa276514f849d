//! The referrers of a manifest in a registry: what is attached to it, such as signatures and SBOMs.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use miette::Report;
use oci_spec::image::{Descriptor, Digest};

use super::{Registry, RequestError, referrers_api, referrers_tag};
use crate::error::{Result, with_help};
use crate::image::manifest::{Document, Manifest};
use crate::image::media_type::is_document;
use crate::parallel::{MANY, each};
use crate::store::referrers::TooManyReferrers;
use crate::store::{Referrers, SMALL_BLOB, Sink, Source, copy, read};

impl Referrers for Registry<'_> {
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        Registry::referrers(self, subject)
    }

    fn attach(&self, manifests: &[Descriptor], source: &dyn Source) -> Result<()> {
        self.client.authorizer.allow_push();
        self.attach_all(manifests, source).map_err(|error| self.unsupported(error))
    }
}

impl Registry<'_> {
    /// Returns the manifests whose subject is `subject`, as the registry lists them: by the referrers API, else by the
    /// referrers tag. Their media types and annotations are the registry's claims.
    ///
    /// # Errors
    /// Returns an error if there is no response.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        if !self.lacks_referrers_api.load(Ordering::Relaxed) {
            let listed = self.runtime.block_on(referrers_api::referrers(&self.client, subject, &self.listed_bytes));
            match listed.map_err(|error| self.explain_any(error))? {
                Some(found) => return Ok(found),
                None => self.lacks_referrers_api.store(true, Ordering::Relaxed),
            }
        }
        let listed = self.runtime.block_on(referrers_tag::referrers(&self.client, subject, &self.listed_bytes));
        match listed {
            Ok(listed) => Ok(listed.unwrap_or_default()),
            Err(error) if error.downcast_ref::<TooManyReferrers>().is_some() => Err(error),
            Err(error) => match error.downcast::<RequestError>() {
                Ok(error) if error.status().is_none() => Err(self.explain(error)),
                // Any other response is about a tag that need not exist.
                _ => Ok(Vec::new()),
            },
        }
    }

    fn attach_all(&self, manifests: &[Descriptor], source: &dyn Source) -> Result<()> {
        let mut documents = Vec::new();
        let mut content = Vec::new();
        for manifest in manifests {
            let bytes = read(source, manifest)?;
            content.extend(Manifest::parse(manifest.media_type(), &bytes).map_err(Report::from_err)?.children());
            documents.push(Document { descriptor: manifest.clone(), bytes });
        }
        self.push_content(&content, source)?;
        let unlisted = each(&documents, MANY, |document| self.put(document))?;
        // Each list is written once, with all its new entries.
        let mut lists: HashMap<Digest, Vec<&Document>> = HashMap::new();
        for (subject, document) in unlisted.into_iter().zip(&documents) {
            if let Some(subject) = subject {
                lists.entry(subject).or_default().push(document);
            }
        }
        let lists: Vec<_> = lists.into_iter().collect();
        each(&lists, MANY, |(subject, documents)| self.list(documents, subject)).map(drop)
    }

    /// Pushes the content of artifacts. A HEAD request is not worth its time for small blobs, which are new as a rule.
    fn push_content(&self, content: &[Descriptor], source: &dyn Source) -> Result<()> {
        let (small, large): (Vec<_>, Vec<_>) =
            content.iter().partition(|blob| blob.size() <= SMALL_BLOB && !is_document(blob.media_type()));
        let mut pushed = HashSet::new();
        let small: Vec<_> =
            small.into_iter().filter(|blob| pushed.insert(blob.digest()) && !self.is_known_to_exist(blob)).collect();
        each(&small, MANY, |blob| Sink::push(self, blob, source))?;
        copy(source, self, &large.into_iter().cloned().collect::<Vec<_>>())
    }

    /// Explains the error of a registry that takes images, but no artifacts.
    fn unsupported(&self, error: Report) -> Report {
        let status = error.chain().find_map(|cause| cause.downcast_ref::<RequestError>()?.status());
        if !matches!(status.map(|status| status.as_u16()), Some(400 | 404 | 405 | 406 | 415 | 422 | 501)) {
            return error;
        }
        with_help(
            error.wrap_err(format!(
                "{} does not accept OCI artifacts, such as signatures and SBOMs",
                self.reference.registry()
            )),
            "push the image alone (`cargo oci push --sbom false --provenance false`, without `--sign`), or use a registry that \
             supports OCI artifacts; no tag has been moved"
                .to_owned(),
        )
    }
}
