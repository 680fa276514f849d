//! Two images → their platforms side by side, and what differs for each.

use std::io::Read;

use miette::{IntoDiagnostic, miette};
use serde_json::{Value, json};

use super::difference::{ChangeKind, ImageDifference, ImageName, PlatformDifference, ValueChange};
use super::files::FileChanges;
use super::trees::{LayerStack, trees};
use super::{documents, layers, values};
use crate::error::Result;
use crate::image::config::Object;
use crate::image::exact_number;
use crate::image::media_type::as_oci;
use crate::image::{Descriptor, Digest, Layer, MediaType};
use crate::inspect::ImageInfo;
use crate::inspect::blob::BlobInfo;
use crate::inspect::files::layer;
use crate::inspect::image::ManifestInfo;
use crate::inspect::package_changes::PackageChanges;
use crate::inspect::packages::{SbomPackage, packages};
use crate::inspect::referrers::{AttachedManifest, ImageReferrers, SubjectReferrers};
use crate::inspect::selection::{self, predicates};
use crate::platform::Platform;
use crate::store::{Source, open, read};
use crate::unique::each_once;

/// The most bytes of an SBOM.
const MOST_SBOM: u64 = 64 << 20;

/// One of the two images.
pub(crate) struct ComparedImage<'a> {
    /// The full reference.
    pub reference: String,
    /// The index, or the manifest without an index.
    pub root: Descriptor,
    /// What is known of it; `None` if both images have the same digest.
    pub info: Option<ImageInfo>,
    /// Where it is.
    pub source: &'a dyn Source,
}

/// Compares two images, or only their images for one platform if `is_part` is set: then indexes are not compared.
///
/// # Errors
/// Returns an error if content cannot be read, or is not what its digest says.
pub(crate) fn compare(a: &ComparedImage, b: &ComparedImage, is_part: bool) -> Result<ImageDifference> {
    let name =
        |image: &ComparedImage| ImageName { reference: image.reference.clone(), digest: image.root.digest().clone() };
    let same = a.root.digest() == b.root.digest();
    let mut found =
        ImageDifference { a: name(a), b: name(b), same, index: Vec::new(), platforms: Vec::new(), first: None };
    let (Some(of_a), Some(of_b), false) = (&a.info, &b.info, same) else { return Ok(found) };
    if !is_part {
        found.index = indexes((a, of_a), (b, of_b))?;
    }
    for platform in each_once(of_a.manifests.iter().chain(&of_b.manifests).map(|manifest| manifest.platform.clone())) {
        let of = |info: &'_ ImageInfo| -> Vec<ManifestInfo> {
            info.manifests.iter().filter(|manifest| manifest.platform == platform).cloned().collect()
        };
        let (of_a, of_b) = (of(of_a), of(of_b));
        for at in 0..of_a.len().max(of_b.len()) {
            let sides = [(a.source, of_a.get(at)), (b.source, of_b.get(at))];
            found.platforms.extend(platforms(platform.as_ref(), sides)?);
        }
    }
    if is_part {
        found.same = found.platforms.is_empty();
    } else if found.index.is_empty() && found.platforms.is_empty() {
        found.index.push(other_bytes(Some(a.root.digest()), Some(b.root.digest())));
    }
    Ok(found)
}

/// Returns what the indexes say otherwise, or that only one of both images has an index.
fn indexes(
    (a, of_a): (&ComparedImage, &ImageInfo),
    (b, of_b): (&ComparedImage, &ImageInfo),
) -> Result<Vec<ValueChange>> {
    let is_index = |info: &ImageInfo| as_oci(&info.media_type) == MediaType::ImageIndex;
    match (is_index(of_a), is_index(of_b)) {
        (true, true) => {
            let [mut a, mut b] = [(a, of_a), (b, of_b)].map(|(image, info)| {
                let mut document = documents::of_index(object(image.source, &image.root)?);
                document["attached"] = attached(&info.attached);
                Ok::<_, miette::Report>(document)
            });
            if let (Ok(a), Ok(b)) = (&mut a, &mut b) {
                documents::keep_common_entries(a, b);
            }
            Ok(values::changes(&a?, &b?))
        }
        (false, false) => Ok(Vec::new()),
        _ => {
            let [a, b] = [of_a, of_b].map(|info| json!({ "mediaType": info.media_type.to_string() }));
            Ok(values::changes(&a, &b))
        }
    }
}

/// Returns what differs between the images for a platform, or `None` if they have the same digest.
fn platforms(
    platform: Option<&Platform>,
    sides: [(&dyn Source, Option<&ManifestInfo>); 2],
) -> Result<Option<PlatformDifference>> {
    let [a, b] = sides.map(|(_, manifest)| manifest);
    let [of_a, of_b] = [a, b].map(|manifest| manifest.map(|manifest| manifest.blob.digest.clone()));
    let Some(change) = ChangeKind::of(of_a.as_ref(), of_b.as_ref()).filter(|_| of_a != of_b) else { return Ok(None) };
    let mut found = PlatformDifference {
        platform: platform.cloned(),
        change,
        a: of_a,
        b: of_b,
        manifest: Vec::new(),
        config: Vec::new(),
        layers: Vec::new(),
        files: Vec::new(),
        only_times: 0,
        packages: None,
    };
    let (Some(a), Some(b)) = (a, b) else { return Ok(Some(found)) };
    let sources = sides.map(|(source, _)| source);
    if a.missing || b.missing {
        found.manifest = values::changes(&json!({ "missing": a.missing }), &json!({ "missing": b.missing }));
        return Ok(Some(found));
    }
    found.add_contents(sources, [a, b])?;
    Ok(Some(found))
}

impl PlatformDifference {
    fn add_contents(&mut self, sources: [&dyn Source; 2], [a, b]: [&ManifestInfo; 2]) -> Result<()> {
        self.layers = layers::changes(&a.layers, &b.layers);
        let have_same_layers = self.layers.is_empty();
        let [of_a, of_b] = [(sources[0], a), (sources[1], b)].map(|(source, manifest)| {
            let document = object(source, &descriptor(&manifest.blob))?;
            let mut document = documents::of_manifest(document, a.layers.len() == b.layers.len());
            document["attached"] = attached(&manifest.attached);
            Ok::<_, miette::Report>(document)
        });
        self.manifest = values::changes(&of_a?, &of_b?);
        if let (Some(of_a), Some(of_b)) = (&a.config, &b.config)
            && of_a.blob.digest != of_b.blob.digest
            && a.artifact_type.is_none()
            && b.artifact_type.is_none()
        {
            let [one, two] = [(sources[0], of_a), (sources[1], of_b)].map(|(source, config)| {
                Ok::<_, miette::Report>(documents::of_config(
                    object(source, &descriptor(&config.blob))?,
                    have_same_layers,
                ))
            });
            self.config = values::changes(&one?, &two?);
            if self.config.is_empty() && have_same_layers {
                self.config.push(other_bytes(Some(&of_a.blob.digest), Some(&of_b.blob.digest)));
            }
        }
        if !have_same_layers && a.artifact_type.is_none() && b.artifact_type.is_none() {
            let found = files(sources, [a, b])?;
            (self.files, self.only_times) = (found.changes, found.only_times);
        }
        if let [Some(a), Some(b)] = [sbom(sources[0], a)?, sbom(sources[1], b)?] {
            self.packages = Some(PackageChanges::between(&a, &b));
        }
        if self.manifest.is_empty() && self.config.is_empty() && have_same_layers {
            self.manifest.push(other_bytes(self.a.as_ref(), self.b.as_ref()));
        }
        Ok(())
    }
}

fn files(sources: [&dyn Source; 2], manifests: [&ManifestInfo; 2]) -> Result<FileChanges> {
    let common = layers::common(&manifests[0].layers, &manifests[1].layers);
    let [a, b] = manifests.map(layers_of);
    let (a, b) = (a?, b?);
    let stacks = [LayerStack { source: sources[0], layers: &a }, LayerStack { source: sources[1], layers: &b }];
    let found = trees(stacks, common, |trees| FileChanges::between(&trees[0], &trees[1]).have_same_paths())?;
    Ok(FileChanges::between(&found[0], &found[1]))
}

/// Returns the layers of an image.
///
/// # Errors
/// Returns an error if the config has another number of them.
pub(super) fn layers_of(manifest: &ManifestInfo) -> Result<Vec<Layer>> {
    let layers: Vec<_> = manifest.layers.iter().filter_map(layer).collect();
    if layers.len() == manifest.layers.len() {
        return Ok(layers);
    }
    Err(miette!(
        "{} has {} layers, but its config has another number of valid diffIDs",
        manifest.blob.digest,
        manifest.layers.len()
    ))
}

fn object(source: &dyn Source, descriptor: &Descriptor) -> Result<Object> {
    exact_number::parse(&read(source, descriptor)?).into_diagnostic()
}

fn descriptor(blob: &BlobInfo) -> Descriptor {
    Descriptor::new(blob.media_type.clone(), blob.size, blob.digest.clone())
}

/// Returns the change of documents with the same values in other bytes.
fn other_bytes(a: Option<&Digest>, b: Option<&Digest>) -> ValueChange {
    let text = |digest: Option<&Digest>| digest.map(|digest| digest.to_string().into());
    ValueChange { name: "(order or white space)".to_owned(), change: ChangeKind::Changed, a: text(a), b: text(b) }
}

/// Returns the types of what is attached.
fn attached(attached: &[AttachedManifest]) -> Value {
    let types = attached.iter().flat_map(|one| match predicates(one).map(str::to_owned).collect::<Vec<_>>() {
        stated if stated.is_empty() => one.artifact_type.iter().cloned().collect(),
        stated => stated,
    });
    let mut types: Vec<_> = types.collect();
    types.sort();
    types.into()
}

/// Returns the packages of the SBOM that is attached to an image, or `None` if there is none in a known format.
fn sbom(source: &dyn Source, manifest: &ManifestInfo) -> Result<Option<Vec<SbomPackage>>> {
    let attached = SubjectReferrers {
        platform: manifest.platform.clone(),
        digest: manifest.blob.digest.clone(),
        attached: manifest.attached.clone(),
    };
    let found = ImageReferrers { reference: String::new(), subjects: vec![attached], omitted: 0 };
    for format in ["cyclonedx", "spdx"] {
        let Some(blob) = format.parse().ok().and_then(|name| selection::content(&found, &[name]).ok()) else {
            continue;
        };
        if blob.blob.size > MOST_SBOM {
            continue;
        }
        let mut document = Vec::new();
        open(source, &descriptor(&blob.blob))?.read_to_end(&mut document).into_diagnostic()?;
        if let Ok(packages) = packages(&document) {
            return Ok(Some(packages));
        }
    }
    Ok(None)
}
