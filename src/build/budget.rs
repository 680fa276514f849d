//! The key `max-size`: the largest size of the layers of an image, and what makes them larger.

use std::fmt::Write as _;
use std::io::{self, BufReader};

use miette::{IntoDiagnostic, Report, miette};
use oci_spec::image::Descriptor;

use super::layers::Layers;
use crate::base::Base;
use crate::error::Result;
use crate::event::BuiltImage;
use crate::image::layer::decompress::{TarLimit, decompress};
use crate::image::layer::tar_reader::{TarEntryKind, TarReader};
use crate::image::layer::{self, FileContent, LayerEntry};
use crate::interrupt;
use crate::plan::ImagePlan;
use crate::platform::Platform;
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

/// Checks that the base alone is not larger than the plan allows: that can be said before minutes of compiling.
///
/// # Errors
/// Returns an error with the largest layers if it is.
pub(crate) fn check_base(plan: &ImagePlan, base: &Base) -> Result<()> {
    let images = base.images.iter().map(|image| (&image.platform, layers_size(&image.layers)));
    let Some(exceeding) = exceeding(plan.max_size, images) else { return Ok(()) };
    let mut parts = Vec::new();
    let largest = base.images.iter().find(|image| image.platform == *exceeding.largest);
    add_base(&mut parts, largest.map(|image| &image.layers[..]).unwrap_or_default());
    let help = "choose a smaller base with `--base`, or raise the key `max-size`";
    Err(exceeding.error(&format!("the base of the image {}", plan.name), &parts, help))
}

/// Checks that the layers for each platform are not larger than the plan allows.
///
/// # Errors
/// Returns an error with the largest parts if they are.
pub(crate) fn check(plan: &ImagePlan, image: &BuiltImage, layers: &Layers) -> Result<()> {
    let images = image.manifests.iter().map(|manifest| (&manifest.platform, layers_size(&manifest.layers)));
    let Some(exceeding) = exceeding(plan.max_size, images) else { return Ok(()) };
    let mut parts = Vec::new();
    for manifest in image.manifests.iter().filter(|manifest| manifest.platform == *exceeding.largest) {
        let (below, own) = manifest.layers.split_at(manifest.below);
        add_base(&mut parts, below);
        for (at, layer) in own.iter().enumerate() {
            let kind = if at + 1 == own.len() { "binary" } else { "file" };
            add_files(&mut parts, kind, layer, layers)?;
        }
    }
    let help = "make the first of these smaller or leave it out, or raise the key `max-size`";
    Err(exceeding.error(&format!("the image {}", plan.name), &parts, help))
}

/// The platforms for which an image is too large.
struct Exceeding<'a> {
    limit: u64,
    /// The platform with the largest image.
    largest: &'a Platform,
    /// The size for each.
    sizes: Vec<String>,
}

/// Returns the platforms for which an image is larger than the limit, or `None` if there is none.
fn exceeding<'a>(limit: Option<u64>, images: impl Iterator<Item = (&'a Platform, u64)>) -> Option<Exceeding<'a>> {
    let limit = limit?;
    let images: Vec<_> = images.filter(|(_, bytes)| *bytes > limit).collect();
    // The first of the largest.
    let (largest, _) = images.iter().rev().max_by_key(|(_, bytes)| *bytes)?;
    let sizes = images.iter().map(|(platform, bytes)| format!("{} for {platform}", size(*bytes))).collect();
    Some(Exceeding { limit, largest, sizes })
}

impl Exceeding<'_> {
    fn error(&self, what: &str, parts: &[SizedPart], help: &str) -> Report {
        let mut list = format!("the largest parts for {}, each compressed alone:", self.largest);
        for part in parts {
            // Writing to a string does not fail.
            let _ = write!(list, "\n{:>10}  {}", size(part.size), part.name);
        }
        let (limit, sizes) = (size(self.limit), self.sizes.join(", "));
        miette!(help = help, "{list}").wrap_err(format!("{what} exceeds its `max-size` of {limit}: it has {sizes}"))
    }
}

/// Returns the size that `cargo oci inspect` shows for a platform.
fn layers_size(layers: &[Descriptor]) -> u64 {
    layers.iter().map(Descriptor::size).fold(0, u64::saturating_add)
}

/// Adds the layers of a base.
fn add_base(parts: &mut Vec<SizedPart>, layers: &[Descriptor]) {
    for (at, layer) in layers.iter().enumerate() {
        let digest: String = layer.digest().digest().chars().take(12).collect();
        let name = format!("base layer {} of {}, {digest}", at + 1, layers.len());
        add(parts, SizedPart { name, size: layer.size() });
    }
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
