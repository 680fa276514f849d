//! What an image says of its base, and what it brings itself.

use miette::{Context, IntoDiagnostic, Report, miette};
use oci_spec::image::{ANNOTATION_BASE_IMAGE_DIGEST, ANNOTATION_BASE_IMAGE_NAME, Descriptor, Digest};
use serde_json::Value;

use crate::base::Base;
use crate::context::subject::{SignableManifest, signable_manifests};
use crate::error::Result;
use crate::image::attestation::attested_digest;
use crate::image::config::{History, Object};
use crate::image::digest::DiffId;
use crate::image::manifest::{Annotations, Manifest, ManifestContent};
use crate::image::media_type::is_config;
use crate::image::{exact_number, strings};
use crate::parallel::{MANY, each};
use crate::platform::{Platform, PlatformChoice, Target};
use crate::reference::{BaseReference, Reference};
use crate::store::{Source, read};

/// How the history says that a layer is ours.
const OWN_LAYER: &str = "cargo oci build (";
/// The layer of assets, in the history.
pub(super) const ASSETS: &str = "cargo oci build (assets)";

/// An image that this program has built.
#[derive(Clone, Debug)]
pub(crate) struct BuiltOn {
    /// Its index or manifest.
    pub root: Descriptor,
    /// Whether it has an index.
    pub has_index: bool,
    /// The annotations of its index or manifest.
    pub annotations: Annotations,
    /// Its image for each platform.
    pub images: Vec<BuiltImagePart>,
    /// The entries of its index that are attestations.
    pub attestations: Vec<Descriptor>,
    /// Its base, if it says it.
    pub base: Option<NamedBase>,
}

/// The base that an image names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedBase {
    /// The reference, as it was in Cargo.toml.
    pub name: String,
    /// The digest that it resolved to.
    pub digest: Digest,
}

/// An image for one platform.
#[derive(Clone, Debug)]
pub(crate) struct BuiltImagePart {
    /// The platform.
    pub platform: Platform,
    /// The target that builds for it.
    pub target: Target,
    /// The manifest.
    pub descriptor: Descriptor,
    /// Its annotations.
    pub annotations: Annotations,
    /// The config.
    pub config: Object,
    /// The layers of the base.
    pub below: Vec<Descriptor>,
    /// The layers that are ours.
    pub own: Vec<Descriptor>,
    /// What the config says of them.
    pub histories: Vec<History>,
}

impl NamedBase {
    /// Returns the base as it was when the image was built.
    ///
    /// # Errors
    /// Returns an error if the name is no reference.
    pub(crate) fn pinned(&self) -> Result<BaseReference> {
        let reference: Reference = self.name.parse().into_diagnostic()?;
        reference.with_digest(self.digest.as_ref()).parse().into_diagnostic()
    }

    /// Returns the reference whose tag names the newest such base.
    ///
    /// # Errors
    /// Returns an error if the name has a digest and no tag.
    pub(crate) fn newest(&self) -> Result<Reference> {
        let reference: Reference = self.name.parse().into_diagnostic()?;
        reference.without_digest().ok_or_else(|| {
            miette!(
                help = "name the new base with `--onto`",
                "cannot tell which base is newer than {}, which has no tag",
                self.name
            )
        })
    }

    fn of(annotations: &Annotations) -> Option<NamedBase> {
        let digest = annotations.get(ANNOTATION_BASE_IMAGE_DIGEST)?.parse().ok()?;
        Some(NamedBase { name: annotations.get(ANNOTATION_BASE_IMAGE_NAME)?.clone(), digest })
    }
}

impl BuiltOn {
    /// Reads an image.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or was not built by this program.
    pub(crate) fn read(source: &dyn Source, root: &Descriptor) -> Result<BuiltOn> {
        let bytes = read(source, root)?;
        let parsed = Manifest::parse(root.media_type(), &bytes).into_diagnostic()?;
        let manifests = signable_manifests(&source, root)?;
        // The index itself is the first.
        let manifests = if parsed.is_index() { &manifests[1..] } else { &manifests[..] };
        let read_one =
            |listed: &SignableManifest| BuiltImagePart::read(source, &listed.descriptor, listed.platform.as_ref());
        let images = each(manifests, MANY, read_one)?;
        let [first, rest @ ..] = &images[..] else {
            return Err(miette!(help = REBUILD, "it is an index without images"));
        };
        let base = NamedBase::of(&first.annotations);
        if rest.iter().any(|other| NamedBase::of(&other.annotations) != base) {
            return Err(miette!(
                help = REBUILD,
                "its images for {} and other platforms name different bases",
                first.platform
            ));
        }
        let (has_index, annotations) = (parsed.is_index(), parsed.annotations.clone());
        let mut attestations = parsed.into_index().unwrap_or_default();
        attestations.retain(|entry| attested_digest(entry).is_some());
        Ok(BuiltOn { root: root.clone(), has_index, annotations, images, attestations, base })
    }

    /// Tells our layers from those of the base, which this program may have built too.
    pub(crate) fn split(&mut self, base: &Base) {
        for part in &mut self.images {
            let Some(below) = base.images.iter().find(|image| image.target == part.target) else { continue };
            let mut layers = std::mem::take(&mut part.below);
            layers.append(&mut part.own);
            let above = layers.len().saturating_sub(below.layers.len()).min(part.histories.len()).max(1);
            part.own = layers.split_off(layers.len() - above);
            part.histories.drain(..part.histories.len() - above);
            part.below = layers;
        }
    }

    /// Returns the platforms, as choices of a base.
    pub(crate) fn choices(&self) -> Vec<PlatformChoice> {
        self.images.iter().map(|image| PlatformChoice::One(image.target)).collect()
    }
}

/// The help of errors about images that cannot be rebased.
pub(super) const REBUILD: &str = "build it again on the new base";

impl BuiltImagePart {
    fn read(source: &dyn Source, descriptor: &Descriptor, platform: Option<&Platform>) -> Result<BuiltImagePart> {
        let parsed = Manifest::parse(descriptor.media_type(), &read(source, descriptor)?).into_diagnostic()?;
        let ManifestContent::Image { config, layers } = parsed.content else {
            return Err(miette!(help = REBUILD, "it is an index of indexes"));
        };
        if !is_config(config.media_type()) {
            return Err(miette!(help = REBUILD, "{} is no image", descriptor.digest()));
        }
        let content = exact_number::parse(&read(source, &config)?).into_diagnostic();
        let content = content.wrap_err_with(|| format!("{} is no image config", config.digest()))?;
        let text = |key: &str| content.get(key).and_then(Value::as_str).map(str::to_owned);
        let own_platform = || {
            let (os, architecture) = text("os").zip(text("architecture"))?;
            Some(Platform { os, architecture, variant: text("variant") })
        };
        let platform = platform.cloned().or_else(own_platform);
        let platform = platform.ok_or_else(|| miette!(help = REBUILD, "its config names no platform"))?;
        let target =
            platform.target().ok_or_else(|| miette!(help = REBUILD, "Rust programs are not built for {platform}"))?;
        let histories = own_histories(&content);
        if histories.is_empty() || histories.len() > layers.len() {
            return Err(not_ours(&platform));
        }
        let (below, own) = layers.split_at(layers.len() - histories.len());
        Ok(BuiltImagePart {
            platform,
            target,
            descriptor: Descriptor::new(
                descriptor.media_type().clone(),
                descriptor.size(),
                descriptor.digest().clone(),
            ),
            annotations: parsed.annotations,
            config: content.clone(),
            below: below.to_vec(),
            own: own.to_vec(),
            histories,
        })
    }

    /// Returns the layer of assets, if there is one.
    pub(crate) fn assets(&self) -> Option<(&Descriptor, &History)> {
        self.own.iter().zip(&self.histories).find(|(_, history)| history.created_by == ASSETS)
    }
}

fn not_ours(platform: &Platform) -> Report {
    miette!(
        help = REBUILD,
        "the last layers of the image for {platform} are not those of `cargo oci build`, so what belongs to its base is unknown"
    )
}

/// Returns what the config says of our layers, which are the last.
fn own_histories(config: &Object) -> Vec<History> {
    let steps = config.get("history").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let own = steps.iter().rev().map_while(|step| {
        let created_by = step["created_by"].as_str().filter(|text| text.starts_with(OWN_LAYER))?;
        (step["empty_layer"] != true).then(|| created_by.to_owned())
    });
    let mut own: Vec<_> = own.collect();
    own.reverse();
    let diff_ids = strings(config.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")));
    let Some(first) = diff_ids.len().checked_sub(own.len()) else { return Vec::new() };
    let made = own.into_iter().zip(&diff_ids[first..]).map(|(created_by, diff_id)| {
        Some(History { diff_id: DiffId(Digest::try_from(diff_id.as_str()).ok()?), created_by })
    });
    made.collect::<Option<Vec<_>>>().unwrap_or_default()
}
