//! A small layout, for tests.

use std::path::Path;

use oci_spec::image::Descriptor;

use super::{LayoutFolder, LayoutWriter};
use crate::image::config::Object;
use crate::image::manifest::{self, Annotations};
use crate::store::{Memory, Sink, copy};

/// Begins a layout with one image without layers, tagged `latest`.
pub(crate) fn begin_sample(root: &Path) -> (LayoutWriter, Descriptor) {
    let memory = Memory::default();
    let config = memory.put_document(manifest::config(Object::new()));
    let image = memory.put_document(manifest::image(&config, &[], &Annotations::new()));
    let writer = LayoutWriter::begin(root, "x", LayoutFolder::Managed, &|_| ()).expect("begins");
    copy(&memory, &writer, std::slice::from_ref(&image)).expect("copies");
    writer.tag(&image, "latest").expect("tags");
    (writer, image)
}
