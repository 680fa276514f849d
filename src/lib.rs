//! `cargo oci`: a Rust crate → a multi-arch OCI image. No Docker, no Dockerfile.
//!
//! Data walks one straight line:
//!
//! ```text
//! argv + Cargo.toml + env → Plan → Binary per platform → Layer → Image per platform → Index in a Layout
//! ```
//!
//! Everything is decided while the [`Plan`](plan::Plan) is made, and nothing is done before it stands.
//!
//! | floor | modules |
//! | --- | --- |
//! | commands | [`commands`]: make the plan, call the verbs, give the result |
//! | workshops | [`compile`]: one cargo run for all targets → binaries · [`base`]: a reference → what is below our layers · [`registry`]: the protocol, as a source and a sink · [`engine`]: who runs images here · [`assets`]: the key `files` → the entries of a layer · [`bundle`]: layers and config → what a runtime starts · [`attest`]: keys, signatures, and what is attached to an image · [`report`]: events → words, the only place that prints |
//! | stores | [`store`]: sources, sinks, and the one verb between them · [`event`]: what happened and what was built, as data · [`inspect`]: an image where it is → what it says of itself, as data · [`plan`]: arguments, Cargo.toml, environment and git → what will be done |
//! | documents | [`image`]: digests, layers, configs, manifests · [`cli`]: what was typed · [`config`]: the table in Cargo.toml |
//! | ground | [`platform`]: OCI platform ↔ Rust target · [`reference`](mod@reference): where an image is · [`git`]: facts of the commit · [`spelling`]: what was meant · [`harmless`](mod@harmless): text for a terminal · [`secret`]: text for nobody · [`error`]: errors of files and of cargo · [`interrupt`]: Ctrl-C |
//!
//! Arrows point down only, and the workshops do not know each other.
//!
//! # Files on disk
//!
//! - `target/oci/NAME`: the OCI layout of the image `NAME`, replaced as a whole or not at all ([`store::layout`]).
//! - `target/oci/NAME@OS-ARCHITECTURE`: the same for one platform alone, as `load`, `run` and `bundle` build it.
//! - `target/oci/NAME.bundle`: the bundle of the image `NAME`, made once and never replaced ([`bundle`]).
//! - the user's cache folder, `cargo-oci`: content of bases, layers that were made before, and what was found of packages and
//!   files ([`store::cache`]).
//! - `~/.docker/config.json`, or the file that is named in its place: one entry of `auths` is written by `cargo oci login`
//!   ([`registry::credentials`]).

pub mod assets;
pub mod attest;
pub mod base;
pub mod bundle;
pub mod cli;
pub mod commands;
pub mod compile;
pub mod config;
pub mod engine;
pub mod error;
pub mod event;
pub mod git;
pub mod harmless;
pub mod image;
pub mod inspect;
pub mod interrupt;
pub mod plan;
pub mod platform;
pub mod reference;
pub mod registry;
pub mod report;
pub mod secret;
pub mod spelling;
pub mod store;
