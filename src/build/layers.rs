//! The layers that cargo-oci makes. A layer that the layout or the cache has already is not made again.
//!
//! The metadata of the files is compared first, then their content: both are much quicker than compression.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use miette::{Context, IntoDiagnostic, miette};
use oci_spec::image::Descriptor;
use serde::{Deserialize, Serialize};

use crate::config::is_whiteout;
use crate::error::{Result, on_path};
use crate::event::Listener;
use crate::event::counter::Activity;
use crate::event::transfer::Transfer;
use crate::image::layer::compression::COMPRESSOR;
use crate::image::layer::decompress::TarLimit;
use crate::image::layer::{self, EntryKind, FileContent, Layer, LayerEntry};
use crate::image::{CompressionOptions, DiffId};
use crate::store::cache::records::RecordKind;
use crate::store::error::read_error;
use crate::store::fingerprint::Fingerprint;
use crate::store::{Cache, LayoutWriter, Missing, Sink};

/// Makes the layers of a layout.
pub(crate) struct Layers<'a> {
    /// The layout.
    pub writer: LayoutWriter,
    /// The layers of earlier runs.
    pub cache: Arc<Cache>,
    /// The compression.
    pub packing: CompressionOptions,
    /// Receives the progress.
    pub listener: Listener<'a>,
}

/// The cache's record of a layer: the fingerprints of its files, its tar and its blob.
#[derive(Serialize, Deserialize)]
struct Made {
    stamps: Vec<Fingerprint>,
    tar: DiffId,
    layer: Descriptor,
}

impl Layers<'_> {
    /// Writes the layer of `entries` to the layout. Progress reports call it `name`.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or the layout cannot be written.
    pub(crate) fn layer(&self, entries: &[LayerEntry], name: &str) -> Result<Layer> {
        if let Some(entry) = entries.iter().find(|entry| entry.path.split('/').any(is_whiteout)) {
            let why = "would delete files of the base: names that begin with `.wh.` do that";
            return Err(miette!("/{} {why}", entry.path));
        }
        let now = SystemTime::now();
        let about = self.about(entries);
        let stamps = stamps(entries).filter(|stamps| stamps.iter().all(|stamp| stamp.is_settled_at(now)));
        if let Some(stamps) = &stamps
            && let Some(made) = self.cache.get::<Made>(RecordKind::Made, &about).filter(|made| made.stamps == *stamps)
            && self.is_there(&made.layer, &made.tar)?
        {
            return Ok(Layer { descriptor: made.layer, diff_id: made.tar });
        }
        let layer = self.known(entries)?.map_or_else(|| self.make(entries, name), Ok)?;
        if let Some(stamps) = stamps {
            let made = Made { stamps, tar: layer.diff_id.clone(), layer: layer.descriptor.clone() };
            self.cache.put(RecordKind::Made, &about, made);
        }
        Ok(layer)
    }

    /// Returns the layer that was made of the same content before.
    fn known(&self, entries: &[LayerEntry]) -> Result<Option<Layer>> {
        let size = layer::tar_size(entries).into_diagnostic()?;
        if !self.cache.has_layer_of_size(size) {
            return Ok(None);
        }
        let diff_id = layer::diff_id(entries).into_diagnostic()?;
        let Some(descriptor) = self.cache.get_layer(&diff_id, size, self.packing.compression) else {
            return Ok(None);
        };
        Ok(self.is_there(&descriptor, &diff_id)?.then_some(Layer { descriptor, diff_id }))
    }

    /// Returns whether the layout has the layer, after copying it from the cache if possible.
    fn is_there(&self, descriptor: &Descriptor, tar: &DiffId) -> Result<bool> {
        if self.writer.exists(descriptor)? {
            return Ok(true);
        }
        // Verify that it is the layer of that tar, too.
        let layer = Layer { descriptor: descriptor.clone(), diff_id: tar.clone() };
        let read = layer.read(self.cache.as_ref(), &TarLimit::of([descriptor]), |entries| {
            while entries.next_entry().map_err(read_error)?.is_some() {}
            Ok(())
        });
        if read.is_err() {
            return Ok(false);
        }
        match self.writer.push(descriptor, self.cache.as_ref()) {
            // Another run has pruned it since.
            Err(error) if error.downcast_ref::<Missing>().is_some() => Ok(false),
            pushed => pushed.wrap_err("cannot use the layer of the cache").map(|()| true),
        }
    }

    fn make(&self, entries: &[LayerEntry], name: &str) -> Result<Layer> {
        let size = layer::tar_size(entries).into_diagnostic()?;
        let mut blob = self.writer.create_blob()?;
        let transfer = Transfer::begin(Some(self.listener), Activity::Layering, name, size);
        let layer = layer::write_with_progress(entries, self.packing, blob.as_file_mut(), &|bytes| {
            transfer.counter().add(bytes);
        })
        .map_err(|error| on_path("write in", blob.path().parent().unwrap_or(blob.path()), error))?;
        self.writer.add_blob(&layer.descriptor, blob)?;
        self.cache.put_layer(&layer.diff_id, size, self.packing.compression, &layer.descriptor);
        Ok(layer)
    }

    /// Returns all that determines a layer, except the content of files.
    #[allow(clippy::unnecessary_debug_formatting)] // it escapes line breaks
    fn about(&self, entries: &[LayerEntry]) -> String {
        let mut about = format!("{} by {COMPRESSOR}", self.packing.compression);
        for LayerEntry { path, kind, mode, owner, mtime } in entries {
            let kind = match kind {
                EntryKind::Directory => "folder".to_owned(),
                EntryKind::Symlink(target) => format!("link to {target:?}"),
                EntryKind::File(FileContent::Path(path)) => format!("file {:?}", absolute(path)),
                EntryKind::File(FileContent::Bytes(bytes)) => format!("bytes {}", crate::image::digest::sha256(bytes)),
            };
            // Writing to a string does not fail.
            let _ = write!(about, "\n{path:?} {mode:o} {owner:?} at {mtime}: {kind}");
        }
        about
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the fingerprints of all files in the layer, or `None` if one of them has none.
fn stamps(entries: &[LayerEntry]) -> Option<Vec<Fingerprint>> {
    let paths = entries.iter().filter_map(|entry| match &entry.kind {
        EntryKind::File(FileContent::Path(path)) => Some(path),
        _ => None,
    });
    paths.map(|path| std::fs::symlink_metadata(path).ok().as_ref().and_then(Fingerprint::of)).collect()
}
