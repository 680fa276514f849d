//! Media types. Images are written with those of OCI; those of Docker's schema 2 are read too.

use oci_spec::image::MediaType;

/// Docker's manifest of one image.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's index.
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's image config.
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker's gzip layer.
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker's uncompressed layer.
pub(crate) const DOCKER_LAYER_PLAIN: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// Returns the OCI equivalent of a Docker media type, or the type itself.
pub(crate) fn as_oci(media_type: &MediaType) -> MediaType {
    match media_type.as_ref() {
        DOCKER_MANIFEST => MediaType::ImageManifest,
        DOCKER_INDEX => MediaType::ImageIndex,
        DOCKER_CONFIG => MediaType::ImageConfig,
        DOCKER_LAYER => MediaType::ImageLayerGzip,
        DOCKER_LAYER_PLAIN => MediaType::ImageLayer,
        _ => media_type.clone(),
    }
}

/// Returns whether it is an index or a manifest, which refer to other content.
pub(crate) fn is_document(media_type: &MediaType) -> bool {
    matches!(as_oci(media_type), MediaType::ImageIndex | MediaType::ImageManifest)
}

/// Returns whether it is the config of an image.
pub(crate) fn is_config(media_type: &MediaType) -> bool {
    as_oci(media_type) == MediaType::ImageConfig
}

/// Returns whether it is a layer with a compression that runtimes support.
pub(crate) fn is_layer(media_type: &MediaType) -> bool {
    matches!(as_oci(media_type), MediaType::ImageLayer | MediaType::ImageLayerGzip | MediaType::ImageLayerZstd)
}
