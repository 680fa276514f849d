//! A registry that is connected to with the first request.

use std::io::Read;
use std::sync::{Mutex, OnceLock};

use miette::{Diagnostic, Report};
use oci_spec::image::Descriptor;

use super::GlobalContext;
use crate::error::Result;
use crate::parallel::lock;
use crate::reference::{Reference, TagOrDigest};
use crate::registry::Registry;
use crate::store::Source;

/// A repository that is connected to with the first request.
pub(crate) struct LazyRegistry<'a> {
    reference: Reference,
    /// Whether requests are forbidden.
    is_offline: bool,
    context: &'a GlobalContext<'a>,
    registry: OnceLock<Registry<'a>>,
    /// Held while connecting, so that credentials are read once.
    connecting: Mutex<()>,
}

/// The error of a request that `--offline` forbids.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{name} is not in the cache, and --offline forbids asking the registry")]
#[diagnostic(help("build once without --offline to fill the cache, or use `--base embedded`"))]
pub(crate) struct Offline {
    /// A reference or a digest.
    pub name: String,
}

impl<'a> LazyRegistry<'a> {
    /// Creates the source of a repository, without a connection.
    pub(crate) fn new(reference: Reference, is_offline: bool, context: &'a GlobalContext<'a>) -> LazyRegistry<'a> {
        LazyRegistry { reference, is_offline, context, registry: OnceLock::new(), connecting: Mutex::default() }
    }

    fn registry(&self, wanted: &str) -> Result<&Registry<'a>> {
        if self.is_offline {
            return Err(Report::from(Offline { name: wanted.to_owned() }));
        }
        let _alone = lock(&self.connecting);
        if let Some(registry) = self.registry.get() {
            Ok(registry)
        } else {
            let registry = self.context.connect_to_pull(&self.reference)?;
            Ok(self.registry.get_or_init(|| registry))
        }
    }
}

impl Source for LazyRegistry<'_> {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        self.registry(&self.reference.to_string())?.resolve(name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Source::exists(self.registry(descriptor.digest().as_ref())?, descriptor)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        self.registry(descriptor.digest().as_ref())?.fetch(descriptor)
    }

    fn location(&self) -> String {
        self.reference.location()
    }
}
