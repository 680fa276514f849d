//! `cargo oci`: a Rust crate → a multi-arch OCI image. No Docker, no Dockerfile.

pub mod error;
pub mod git;
pub mod image;
pub mod platform;
pub mod reference;
pub mod store;
