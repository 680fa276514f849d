//! A store in memory, for the embedded base and tests.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;

use miette::{IntoDiagnostic, Report};
use oci_spec::image::Descriptor;

use super::error::Missing;
use super::sink::Sink;
use super::source::{Source, open};
use crate::error::Result;
use crate::image::manifest::Document;
use crate::parallel::lock;
use crate::reference::TagOrDigest;

/// A store in memory.
#[derive(Debug, Default)]
pub struct Memory {
    blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    tags: Mutex<BTreeMap<String, Descriptor>>,
}

impl Memory {
    /// Stores the content of a descriptor.
    pub fn put(&self, descriptor: &Descriptor, bytes: Vec<u8>) {
        lock(&self.blobs).insert(descriptor.digest().to_string(), bytes);
    }

    /// Stores a document. Returns its descriptor.
    pub fn put_document(&self, document: Document) -> Descriptor {
        self.put(&document.descriptor, document.bytes);
        document.descriptor
    }
}

impl Source for Memory {
    fn resolve(&self, name: Option<&TagOrDigest>) -> Result<Descriptor> {
        let tags = lock(&self.tags);
        let found = match name {
            Some(name) => tags.get(name.as_str()),
            None => tags.values().next(),
        };
        found.cloned().ok_or_else(|| -> Report {
            let name = name.map_or("image", TagOrDigest::as_str).to_owned();
            Missing { name, location: self.location() }.into()
        })
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(lock(&self.blobs).contains_key(descriptor.digest().as_ref()))
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let bytes = lock(&self.blobs).get(descriptor.digest().as_ref()).cloned();
        let bytes = bytes.ok_or_else(|| Missing::blob(descriptor, self.location()))?;
        Ok(Box::new(std::io::Cursor::new(bytes)))
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }
}

impl Sink for Memory {
    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Source::exists(self, descriptor)
    }

    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        let mut bytes = Vec::new();
        open(source, descriptor)?.read_to_end(&mut bytes).into_diagnostic()?;
        self.put(descriptor, bytes);
        Ok(())
    }

    fn tag(&self, descriptor: &Descriptor, name: &str) -> Result<()> {
        lock(&self.tags).insert(name.to_owned(), descriptor.clone());
        Ok(())
    }
}
