//! The fast tests, one module an area: no network but loopback, no registry, no engine, no other toolchain.
//!
//! `cargo test` runs them all, `cargo test --test it push` those about a word.

// No item of a test program is reachable from outside, and `support` is shared by two of them.
#![allow(unreachable_pub)]
// Text that tests build is short, and `format!` is easier to read.
#![allow(clippy::format_collect, clippy::format_push_string)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(unix)]
mod answers;
mod attach_at_once;
mod attachments;
mod bad_input;
#[cfg(target_os = "linux")]
mod base_age;
#[cfg(unix)]
mod base_pins;
#[cfg(target_os = "linux")]
mod beside;
mod bodies;
#[cfg(target_os = "linux")]
mod budget;
#[cfg(target_os = "linux")]
mod bundle;
mod cache;
#[cfg(target_os = "linux")]
mod commits;
mod copy;
mod diff;
#[cfg(target_os = "linux")]
mod disk;
mod docs;
mod floors;
mod fuzz;
mod generated;
#[cfg(target_os = "linux")]
mod git;
mod golden;
#[cfg(unix)]
mod hosts;
mod image_tests;
#[cfg(target_os = "linux")]
mod index;
#[cfg(target_os = "linux")] // programs of the snapshots are pushed
mod index_attestations;
mod init;
mod inspect;
#[cfg(target_os = "linux")] // programs are watched in /proc
mod interrupts;
mod keyless;
#[cfg(unix)]
mod login;
#[cfg(unix)]
mod odd_bases;
#[cfg(target_os = "linux")]
mod personalities;
mod policy;
#[cfg(target_os = "linux")] // processes are read in /proc
mod process_secrets;
#[cfg(target_os = "linux")]
mod provenance;
mod push;
mod push_from;
mod reading_back;
mod rebase;
mod refusals;
mod registry_prune;
#[cfg(unix)]
mod registry_show;
#[cfg(target_os = "linux")]
mod reproduce;
#[cfg(target_os = "linux")]
mod run;
mod schema;
mod secrets;
#[cfg(target_os = "linux")] // a program of the snapshots is pushed
mod signature_format;
mod signing;
#[cfg(target_os = "linux")] // the words of the system's own errors are Linux's
mod snapshots;
mod strict;
mod strict_registry;
mod table;
#[cfg(unix)]
mod token_services;
#[cfg(target_os = "linux")]
mod two_builds;
#[cfg(target_os = "linux")]
mod vex;
mod volumes;
