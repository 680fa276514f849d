//! The key `max-size`: the largest size of the layers of an image, and what makes them larger.

use std::fmt::Write as _;
use std::io::{self, BufReader};

use miette::{IntoDiagnostic, Report, miette};
use oci_spec::image::Descriptor;

use super::layers::Layers;
use crate::error::Result;
use crate::event::{BuiltImage, BuiltManifest};
use crate::image::layer::decompress::{TarLimit, decompress};
use crate::image::layer::tar_reader::{TarEntryKind, TarReader};
use crate::image::layer::{self, FileContent, LayerEntry};
use crate::interrupt;
use crate::plan::ImagePlan;
use crate::store::error::read_error;
use crate::units::size;

/// How many parts are named.
const FEW: usize = 5;

/// A part of an image.
struct SizedPart {
    name: String,
    /// In bytes, compressed.
    size: u64,
}

/// Checks that the layers for each platform are not larger than the plan allows.
///
/// # Errors
/// Returns an error with the largest parts if they are.
pub(crate) fn check(plan: &ImagePlan, image: &BuiltImage, layers: &Layers) -> Result<()> {
    let Some(limit) = plan.max_size else { return Ok(()) };
    let exceeding: Vec<_> = image.manifests.iter().filter(|manifest| layers_size(manifest) > limit).collect();
    // The first of the largest.
    let Some(largest) = exceeding.iter().rev().max_by_key(|manifest| layers_size(manifest)) else { return Ok(()) };
    let sizes: Vec<_> =
        exceeding.iter().map(|manifest| format!("{} for {}", size(layers_size(manifest)), manifest.platform)).collect();
    let mut list = format!("the largest parts for {}, each compressed alone:", largest.platform);
    for part in largest_parts(largest, layers)? {
        // Writing to a string does not fail.
        let _ = write!(list, "\n{:>10}  {}", size(part.size), part.name);
    }
    let help = "make the first of these smaller or leave it out, or raise the key `max-size`";
    Err(miette!(help = help, "{list}").wrap_err(format!(
        "the image {} exceeds its `max-size` of {}: it has {}",
        plan.name,
        size(limit),
        sizes.join(", ")
    )))
}

/// Returns the size that `cargo oci inspect` shows for a platform.
fn layers_size(manifest: &BuiltManifest) -> u64 {
    manifest.layers.iter().map(Descriptor::size).fold(0, u64::saturating_add)
}

/// Returns the largest of the base's layers, and of the files in ours.
fn largest_parts(manifest: &BuiltManifest, layers: &Layers) -> Result<Vec<SizedPart>> {
    let (below, own) = manifest.layers.split_at(manifest.below);
    let mut parts = Vec::new();
    for (at, layer) in below.iter().enumerate() {
        let digest: String = layer.digest().digest().chars().take(12).collect();
        let name = format!("base layer {} of {}, {digest}", at + 1, below.len());
        add(&mut parts, SizedPart { name, size: layer.size() });
    }
    for (at, layer) in own.iter().enumerate() {
        let kind = if at + 1 == own.len() { "binary" } else { "file" };
        add_files(&mut parts, kind, layer, layers)?;
    }
    Ok(parts)
}

/// Adds the files of one of our layers.
fn add_files(parts: &mut Vec<SizedPart>, kind: &str, layer: &Descriptor, layers: &Layers) -> Result<()> {
    let blob = BufReader::new(layers.writer.open_blob(layer)?);
    let limit = TarLimit::of([layer]);
    let mut tar = decompress(layer.media_type(), blob, &limit).map_err(read_error)?;
    let mut entries = TarReader::new(&mut tar);
    while let Some(entry) = entries.next_entry().map_err(read_error)? {
        let TarEntryKind::File(uncompressed) = entry.kind else { continue };
        // Compressed, it is not larger, apart from a few bytes.
        if parts.len() == FEW && parts.last().is_some_and(|last| last.size >= uncompressed) {
            continue;
        }
        interrupt::check().into_diagnostic()?;
        let mut content = layers.writer.create_blob()?;
        io::copy(&mut entries, content.as_file_mut()).map_err(read_error)?;
        let alone = LayerEntry::file("x", 0o644, FileContent::Path(content.path().to_owned()));
        let written = layer::write(&[alone], layers.packing, io::sink()).map_err(Report::from_err)?;
        let name = format!("{kind} /{}", String::from_utf8_lossy(&entry.path));
        add(parts, SizedPart { name, size: written.descriptor.size() });
    }
    Ok(())
}

/// Adds a part, the largest first, if it is one of the largest.
fn add(parts: &mut Vec<SizedPart>, part: SizedPart) {
    let at = parts.partition_point(|other| other.size >= part.size);
    parts.insert(at, part);
    parts.truncate(FEW);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_parts_are_few_and_in_order() {
        let mut parts = Vec::new();
        for size in [3, 9, 1, 9, 5, 7, 2, 8] {
            add(&mut parts, SizedPart { name: String::new(), size });
        }
        assert_eq!(parts.iter().map(|part| part.size).collect::<Vec<_>>(), [9, 9, 8, 7, 5]);
    }
}
