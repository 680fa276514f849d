//! Real engines, each with folders of its own, that a test starts and stops.

#![allow(unused_imports)] // every test program uses a part of it

mod containerd;
mod counter;
mod disk;
mod docker;
mod namespace;
mod podman;

use std::time::Duration;

pub use containerd::Containerd;
pub use counter::Counter;
pub use docker::{Docker, DockerOptions, Store};
pub use podman::Podman;

/// How long an engine may take to start, and to stop.
const LIMIT: Duration = Duration::from_secs(120);
