//! `cargo oci`: a Rust crate → a multi-arch OCI image. No Docker, no Dockerfile.

pub mod base;
pub mod cli;
pub mod compile;
pub mod config;
pub mod error;
pub mod event;
pub mod git;
pub mod image;
pub mod plan;
pub mod platform;
pub mod reference;
pub mod registry;
pub mod store;
