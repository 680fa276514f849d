//! Tests with real tools: a cross toolchain, zig, registries, runtimes, QEMU. `.ci/test` installs them all.

#![allow(clippy::needless_pass_by_value)]
// builders and paths are made for one call

// No item of a test program is reachable from outside, and `support` is shared by two of them.
#![allow(unreachable_pub)]
// Text that tests build is short, and `format!` is easier to read.
#![allow(clippy::format_collect, clippy::format_push_string)]

#[path = "../support/mod.rs"]
mod support;

mod allocators;
mod assets;
mod bases;
mod build;
mod build_scripts;
mod bundle;
mod cache;
mod cargo_config;
mod described;
mod docs;
mod engines;
mod failures;
mod glibc;
mod image_tests;
mod index;
mod inspect;
mod json;
mod keyless;
mod lifecycle;
mod line;
mod link_args;
mod load;
mod login;
mod names;
mod native;
mod outputs;
mod pipelines;
mod profiles;
mod programs;
mod push;
mod readers;
mod registry_prune;
mod releases;
mod renovate;
mod reproduce;
mod reproducible;
mod run;
mod running;
mod sbom;
mod signing;
mod sources;
mod terminal;
mod verifiers;
mod volumes;
mod workspace;
mod wrappers;
