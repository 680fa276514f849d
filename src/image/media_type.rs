//! Media types: what we write is OCI's throughout; of Docker's schema 2 we read the twins of those.

use oci_spec::image::MediaType;

/// Docker's manifest of one image.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's index.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's image config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker's gzip layer.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker's uncompressed layer.
pub const DOCKER_LAYER_PLAIN: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// OCI's type of the same bytes, for a Docker type; any other type as it is.
pub fn as_oci(media_type: &MediaType) -> MediaType {
    match media_type.as_ref() {
        DOCKER_MANIFEST => MediaType::ImageManifest,
        DOCKER_INDEX => MediaType::ImageIndex,
        DOCKER_CONFIG => MediaType::ImageConfig,
        DOCKER_LAYER => MediaType::ImageLayerGzip,
        DOCKER_LAYER_PLAIN => MediaType::ImageLayer,
        _ => media_type.clone(),
    }
}

/// Whether it is an index or a manifest: content that names other content.
pub fn is_document(media_type: &MediaType) -> bool {
    matches!(as_oci(media_type), MediaType::ImageIndex | MediaType::ImageManifest)
}

/// Whether it is the config of an image.
pub fn is_config(media_type: &MediaType) -> bool {
    as_oci(media_type) == MediaType::ImageConfig
}

/// Whether it is a layer of a Linux image, with any compression that runtimes know.
pub fn is_layer(media_type: &MediaType) -> bool {
    matches!(as_oci(media_type), MediaType::ImageLayer | MediaType::ImageLayerGzip | MediaType::ImageLayerZstd)
}
