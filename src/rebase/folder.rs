//! Puts an image on a new base where it is: in a layout, which is replaced as a whole or not at all.

use miette::miette;
use oci_spec::image::Descriptor;

use super::origin::BuiltOn;
use crate::error::Result;
use crate::event::Listener;
use crate::image::media_type::is_document;
use crate::reference::LayoutReference;
use crate::store::layout::index::image_name;
use crate::store::layout::{LayoutFolder, tag};
use crate::store::{Fallback, Layout, LayoutWriter, Memory, Sink, Source, copy};

/// A layout with an image.
pub(crate) struct RebaseInFolder<'a> {
    /// The layout.
    pub layout: &'a Layout,
    /// Its name.
    pub reference: &'a LayoutReference,
    /// The image.
    pub image: &'a BuiltOn,
    /// Where the layers of the new base are read.
    pub base_source: &'a dyn Source,
    /// The new image: documents, and attachments.
    pub memory: &'a Memory,
    /// Receives events.
    pub listener: Listener<'a>,
}

impl RebaseInFolder<'_> {
    /// Writes the layout with the new image in place of the old one. `tags` replace those of the old one.
    ///
    /// # Errors
    /// Returns an error if the layout has other images too, or cannot be written.
    pub(crate) fn write(&self, root: &Descriptor, attached: &[Descriptor], tags: &[String]) -> Result<()> {
        let images = self.layout.images();
        let own: Vec<_> = images.iter().filter(|entry| entry.digest() == self.image.root.digest()).collect();
        let is_other = |entry: &&Descriptor| {
            let is_own = entry.digest() == self.image.root.digest();
            !is_own && entry.artifact_type().is_none() && is_document(entry.media_type())
        };
        if images.iter().any(|entry| is_other(&entry) && tag(entry).is_some()) {
            return Err(miette!(
                help = "copy the image to a layout of its own first: `cargo oci copy`",
                "{} has other images too",
                self.reference.path.display()
            ));
        }
        let name = own.iter().find_map(|entry| image_name(entry)).map(|name| name.trim_end_matches(':').to_owned());
        let stem = self.reference.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.or(stem).unwrap_or_default();
        let writer = LayoutWriter::begin(&self.reference.path, &name, LayoutFolder::UserNamed, self.listener)?;
        // What this reads, it has already: our layers.
        let base = Fallback { primary: self.layout, secondary: self.base_source };
        let source = Fallback { primary: self.memory, secondary: &base };
        copy(&source, &writer, std::slice::from_ref(root))?;
        let kept: Vec<_> = own.iter().filter_map(|entry| tag(entry)).map(str::to_owned).collect();
        for name in if tags.is_empty() { &kept } else { tags } {
            writer.tag(root, name)?;
        }
        for manifest in attached {
            writer.attach(manifest, self.memory)?;
        }
        writer.commit().map(drop)
    }
}
