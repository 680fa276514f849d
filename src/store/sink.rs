//! Where content goes.

use oci_spec::image::Descriptor;

use super::source::Source;
use crate::error::Result;

/// A store to write to.
pub trait Sink: Sync {
    /// Returns whether the store has the content, verified.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    fn exists(&self, descriptor: &Descriptor) -> Result<bool>;

    /// Stores content of `source`, which may be read more than once. Everything it refers to must be stored before.
    ///
    /// # Errors
    /// Returns an error if the content cannot be read or stored. Then nothing is stored.
    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()>;

    /// Tags stored content.
    ///
    /// # Errors
    /// Returns an error if the tag cannot be stored.
    fn tag(&self, descriptor: &Descriptor, name: &str) -> Result<()>;
}
