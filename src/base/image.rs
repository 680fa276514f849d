//! The image of a base for one platform.

use miette::{Context, IntoDiagnostic, miette};
use oci_spec::image::{Descriptor, Digest, MediaType};
use serde_json::{Value, json};

use crate::error::Result;
use crate::image::config::Object;
use crate::image::exact_number;
use crate::image::manifest::{Manifest, ManifestContent};
use crate::image::media_type::{as_oci, is_layer};
use crate::platform::{Platform, Target};
use crate::store::{Source, read};

/// A base for one platform.
#[derive(Clone, Debug)]
pub(crate) struct BaseImage {
    /// The target that builds for it.
    pub target: Target,
    /// The platform, with the variant as the base writes it.
    pub platform: Platform,
    /// Its manifest, or `None` for `scratch`.
    pub manifest: Option<Descriptor>,
    /// Its config.
    pub config: Object,
    /// Its layers, the lowest first, with OCI's media types also if the base uses Docker's.
    pub layers: Vec<Descriptor>,
    /// The platform that its config names, if the index names another one. The index counts.
    pub other_platform: Option<Platform>,
}

impl BaseImage {
    /// Creates the image of `scratch`.
    pub(super) fn scratch(target: Target) -> BaseImage {
        BaseImage {
            target,
            platform: target.platform(),
            manifest: None,
            config: Object::from_iter([("rootfs".to_owned(), json!({"type": "layers", "diff_ids": []}))]),
            layers: Vec::new(),
            other_platform: None,
        }
    }

    /// Reads the image with this manifest. Returns `None` if it is an artifact.
    ///
    /// # Errors
    /// Returns an error if it is neither, or contradicts itself.
    pub(super) fn read(
        source: &dyn Source,
        manifest: &Descriptor,
        platform: &Platform,
        target: Target,
    ) -> Result<Option<BaseImage>> {
        let ManifestContent::Image { config, layers } = read_manifest(source, manifest)?.content else {
            return Err(miette!("expected an image manifest, found an index: {}", manifest.digest()));
        };
        if !is_image_config(&config) {
            return Ok(None);
        }
        let config = read_config(source, &config)?;
        let own = platform_of_config(&config);
        let agrees = own.agrees_with(platform);
        check_diff_ids(&config, layers.len()).wrap_err_with(|| format!("cannot use {}", manifest.digest()))?;
        let variant = platform.variant.clone().or_else(|| own.variant.clone().filter(|_| agrees));
        Ok(Some(BaseImage {
            target,
            platform: Platform { variant, ..platform.clone() },
            manifest: Some(manifest.clone()),
            config,
            layers: layers.into_iter().map(as_oci_layer).collect::<Result<_>>()?,
            other_platform: (!agrees).then_some(own),
        }))
    }
}

fn check_diff_ids(config: &Object, layers: usize) -> Result<()> {
    let diff_ids = config.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")).and_then(Value::as_array);
    let diff_ids = diff_ids.map(Vec::as_slice).unwrap_or_default();
    if diff_ids.len() != layers {
        return Err(miette!("it has {layers} layers, but its config has {} diff_ids", diff_ids.len()));
    }
    match diff_ids.iter().find(|id| id.as_str().is_none_or(|id| Digest::try_from(id).is_err())) {
        Some(invalid) => Err(miette!("its config has an invalid diff_id: {invalid}")),
        None => Ok(()),
    }
}

/// Reads a manifest or an index.
///
/// # Errors
/// Returns an error if it is neither.
pub(super) fn read_manifest(source: &dyn Source, descriptor: &Descriptor) -> Result<Manifest> {
    let bytes = read(source, descriptor)?;
    Manifest::parse(descriptor.media_type(), &bytes)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is not an image", descriptor.digest()))
}

/// Reads the config of an image.
///
/// # Errors
/// Returns an error if it is that of an artifact, or not JSON.
pub(super) fn read_config(source: &dyn Source, config: &Descriptor) -> Result<Object> {
    if !is_image_config(config) {
        return Err(miette!("expected an image, found an artifact of type {}", config.media_type()));
    }
    exact_number::parse(&read(source, config)?)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is not an image config", config.digest()))
}

/// Returns whether it is the config of an image, not of an artifact.
pub(super) fn is_image_config(config: &Descriptor) -> bool {
    as_oci(config.media_type()) == MediaType::ImageConfig
}

/// Returns the platform that a config names.
pub(super) fn platform_of_config(config: &Object) -> Platform {
    let text = |key: &str| config.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    Platform {
        os: text("os").unwrap_or("unknown").to_owned(),
        architecture: text("architecture").unwrap_or("unknown").to_owned(),
        variant: text("variant").map(str::to_owned),
    }
}

/// Returns the layer with OCI's media type for the same bytes.
fn as_oci_layer(mut layer: Descriptor) -> Result<Descriptor> {
    let media_type = as_oci(layer.media_type());
    if !is_layer(&media_type) {
        return Err(miette!("unsupported layer {}: media type {media_type}", layer.digest()));
    }
    layer.set_media_type(media_type);
    Ok(layer)
}
