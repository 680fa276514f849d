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
//! | proof | [`fuzz`]: properties of what reads untrusted input, for fuzzers |
//! | commands | [`commands`]: one file a subcommand: arguments → verbs → outcome |
//! | pipeline | [`index`](mod@index): images that were built elsewhere → one index · [`rebase`]: an image → the same on a new base · [`copy`]: an image with all that is attached → other places · [`publish`]: images → registries, engines, bundles, signatures · [`build`]: a plan → committed layouts · [`testing`]: images → verdicts of tests · [`prune`]: a repository → what nothing in it needs · [`pins`]: the bases in Cargo.toml → their digests, and what has changed since · [`reproduce`](mod@reproduce): provenance → the same build here, compared |
//! | context | [`context`]: what a run has once, and what it opens by the name that a user typed |
//! | workshops | [`compile`]: one cargo run for all targets → binaries · [`base`]: a reference → the image below our layers · [`registry`]: the distribution protocol, as a source and a sink · [`engine`]: programs that run images on this machine · [`assets`]: the key `files` → the entries of a layer · [`bundle`]: layers and config → a runtime bundle · [`attest`]: keys, signatures, SBOMs, provenance · [`report`]: events → words, the only place that prints |
//! | readers | [`inspect`]: what an image says of itself, as data · [`compare`]: two images → what differs, as data · [`policy`]: rules, and what is known of an image → the rules that it breaks · [`plan`]: arguments, Cargo.toml, environment and git → what will be done · [`filesystem`]: the one tree of files that the layers of an image make · [`starter`]: the table and the CI files that `init` writes |
//! | stores | [`store`]: sources, sinks, and the one verb between them · [`event`]: what happened and what was built, as data |
//! | input | [`cli`]: what was typed · [`config`]: the table in Cargo.toml |
//! | documents | [`image`]: digests, layers, configs, manifests, indexes |
//! | names | [`reference`](mod@reference): where an image is · [`platform`]: OCI platform ↔ Rust target |
//! | ground | [`environment`]: the variables of a run · [`parallel`]: work side by side · [`git`]: facts of the commit · [`ci`]: what CI services say in variables · [`release`](mod@release): releases of rustc and cargo · [`regular_file`](mod@regular_file): files that are no pipes · [`suggest`]: did you mean · [`habits`]: what other tools call it · [`unique`]: lists without repetitions · [`units`](mod@units): numbers with units · [`sanitize`](mod@sanitize): text for a terminal · [`secret`]: text that is not printed · [`error`]: errors of files and of cargo · [`interrupt`]: Ctrl-C |
//!
//! Arrows point down only, and the workshops do not know each other.
//!
//! # Files on disk
//!
//! - `target/oci/NAME`: the OCI layout of the image `NAME`, replaced as a whole or not at all ([`store::layout`]).
//! - `target/oci/NAME@OS-ARCHITECTURE`: the same for one platform alone, as `load`, `run` and `bundle` build it.
//! - `target/oci/NAME.debug`: the same for the debug twin, as `run --debug` and `push --debug-tag` build it.
//! - `target/oci/NAME.reproduced`: the same as `reproduce` builds it.
//! - `target/oci/NAME.bundle`: the bundle of the image `NAME`, made once and never replaced ([`bundle`]).
//! - `Cargo.toml`: values of the key `base`, by `cargo oci base pin` and `cargo oci base update`; each file is replaced as a whole or
//!   not at all ([`pins`]).
//! - the user's cache folder, `cargo-oci`: content of bases, layers that were made before, and what was found of packages and
//!   files ([`store::cache`]).
//! - `~/.config/cargo-oci/registries.toml`: token services that `cargo oci login` was told to trust, and insecure registries.
//! - `~/.docker/config.json`, or the file that is named in its place: one entry of `auths` is written by `cargo oci login`
//!   ([`registry::credentials`]).

// The map above links to private modules too.
#![allow(rustdoc::private_intra_doc_links)]

mod assets;
mod attest;
mod base;
mod build;
mod bundle;
mod ci;
pub mod cli;
pub mod commands;
mod compare;
pub mod compile;
pub mod config;
pub mod context;
mod copy;
mod engine;
pub mod environment;
mod error;
pub mod event;
mod filesystem;
#[doc(hidden)]
pub mod fuzz;
mod git;
mod habits;
pub mod image;
mod index;
mod inspect;
mod interrupt;
mod parallel;
mod pins;
pub mod plan;
mod platform;
mod policy;
mod prune;
mod publish;
mod rebase;
mod reference;
pub mod registry;
mod regular_file;
mod release;
pub mod report;
mod reproduce;
mod sanitize;
mod secret;
mod starter;
pub mod store;
mod suggest;
mod testing;
mod unique;
mod units;
