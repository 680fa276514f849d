//! Layouts in a tar file: `oci-archive` and `docker-archive`.
//!
//! A docker-archive is an OCI archive with a `manifest.json` next to the `index.json`. Its layers are the blobs of the
//! layout. Docker, Podman and containerd load it. It has nothing that is attached: engines would keep that as images without
//! names.

mod contents;
mod read;
#[cfg(test)]
mod tests;

pub use contents::{ArchiveContents, DockerImage};
pub use read::{Archive, is_tar};
