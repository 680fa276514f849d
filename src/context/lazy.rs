//! A base's registry, which nobody speaks to before there is a question for it.

use std::io::Read;
use std::sync::{Mutex, OnceLock};

use miette::{Diagnostic, Report};
use oci_spec::image::Descriptor;

use super::Registries;
use crate::error::Result;
use crate::parallel::lock;
use crate::reference::Reference;
use crate::registry::Registry;
use crate::store::Source;

/// A repository, connected to when it is first asked.
pub struct Origin<'a> {
    reference: Reference,
    /// Whether it is not to be asked at all.
    is_offline: bool,
    registries: &'a Registries<'a>,
    registry: OnceLock<Registry<'a>>,
    /// Held by who connects: credentials are asked for once.
    connecting: Mutex<()>,
}

/// There is something to ask a registry, and it was forbidden.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{name} is not in the cache, and --offline forbids to ask the registry for it")]
#[diagnostic(help("build once without --offline, which brings it into the cache; or take `--base embedded`"))]
pub struct Offline {
    /// A reference or a digest.
    pub name: String,
}

impl<'a> Origin<'a> {
    /// The repository of `reference`.
    pub fn new(reference: Reference, is_offline: bool, registries: &'a Registries<'a>) -> Origin<'a> {
        Origin { reference, is_offline, registries, registry: OnceLock::new(), connecting: Mutex::default() }
    }

    fn registry(&self, wanted: &str) -> Result<&Registry<'a>> {
        if self.is_offline {
            return Err(Report::from(Offline { name: wanted.to_owned() }));
        }
        let _alone = lock(&self.connecting);
        match self.registry.get() {
            Some(registry) => Ok(registry),
            None => {
                let registry = self.registries.connect(&self.reference, false)?;
                Ok(self.registry.get_or_init(|| registry))
            }
        }
    }
}

impl Source for Origin<'_> {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        self.registry(&self.reference.to_string())?.resolve(name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Source::exists(self.registry(descriptor.digest().as_ref())?, descriptor)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        self.registry(descriptor.digest().as_ref())?.fetch(descriptor)
    }

    fn location(&self) -> String {
        format!("{}/{}", self.reference.registry(), self.reference.repository())
    }
}
