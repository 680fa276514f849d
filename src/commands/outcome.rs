//! The results of subcommands.

use std::process::ExitCode;

use miette::Report;

use crate::compare::difference::ImageDifference;
use crate::event::{ImageVerdicts, PlannedPush, PrunedRepository, VerifiedImage};
use crate::image::Digest;
use crate::inspect::base_pins::CheckedBases;
use crate::inspect::packages::SbomPackage;
use crate::inspect::referrers::ImageReferrers;
use crate::inspect::registry::RegistryFacts;
use crate::inspect::{Inspected, ListedFiles};
use crate::report::{Reporter, status_code};
use crate::store::cache::prune::CachedBlob;
use crate::store::validate::Validated;

/// The result of a subcommand, for stdout.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing.
    Done,
    /// Results, one line each.
    Results(Vec<String>),
    /// Text.
    Text(String),
    /// The content of a file, as it is.
    Content(Vec<u8>),
    /// An inspected image, and whether it is printed as JSON.
    Inspected(Inspected, bool),
    /// What differs between two images, and whether it is printed as JSON.
    Compared(Box<ImageDifference>, bool),
    /// The files of images, and whether they are printed as JSON.
    Files(ListedFiles, bool),
    /// The attachments of an image, and whether they are printed as JSON.
    Referrers(ImageReferrers, bool),
    /// The packages of an SBOM, and whether they are printed as JSON.
    Packages(Vec<SbomPackage>, bool),
    /// The bases of a workspace, and whether they are printed as JSON.
    Bases(CheckedBases, bool),
    /// The problems of an image, and whether they are printed as JSON.
    Validated(Validated, bool),
    /// What was verified of an image, and whether it is printed as JSON.
    Verified(Box<VerifiedImage>, bool),
    /// What is used for a registry, and whether it is printed as JSON.
    Registry(RegistryFacts, bool),
    /// What nothing needs in a repository, and whether it is printed as JSON.
    Pruned(PrunedRepository, bool),
    /// The content of the cache.
    CacheEntries(Vec<CachedBlob>),
    /// The corrupt blobs of the cache.
    CacheProblems(Vec<(Digest, String)>),
    /// The results of tests.
    Tested {
        /// The results.
        verdicts: Vec<ImageVerdicts>,
        /// Whether a test that was not run is a failure.
        require_all: bool,
        /// Whether they are printed as JSON.
        json: bool,
        /// Why they were not written to a file, where they should be too.
        unwritten: Option<Report>,
    },
    /// What pushes would send.
    Planned(Vec<PlannedPush>),
    /// The exit status of a program that was run.
    Status(i32),
}

impl Outcome {
    /// Prints the result, and returns the exit status.
    pub fn print(&self, reporter: &Reporter) -> ExitCode {
        match self {
            Outcome::Done => reporter.results(&[]),
            Outcome::Results(lines) => reporter.results(lines),
            Outcome::Text(text) => reporter.text(text),
            Outcome::Content(content) => reporter.content(content),
            Outcome::Inspected(found, json) => reporter.inspected(found, *json),
            Outcome::Compared(found, json) => reporter.compared(found, *json),
            Outcome::Files(found, json) => reporter.files(found, *json),
            Outcome::Referrers(found, json) => reporter.attachments(found, *json),
            Outcome::Packages(found, json) => reporter.packages(found, *json),
            Outcome::Bases(found, json) => reporter.bases(found, *json),
            Outcome::Validated(found, json) => reporter.validated(found, *json),
            Outcome::Verified(found, json) => reporter.verified(found, *json),
            Outcome::Registry(found, json) => reporter.registry(found, *json),
            Outcome::Pruned(found, json) => reporter.pruned(found, *json),
            Outcome::CacheEntries(blobs) => reporter.blobs(blobs),
            Outcome::CacheProblems(problems) => reporter.wrong(problems),
            Outcome::Tested { verdicts, require_all, json, unwritten } => {
                let status = reporter.tested(verdicts, *require_all, *json);
                unwritten.as_ref().map_or(status, |error| reporter.error(error))
            }
            Outcome::Planned(pushes) => reporter.planned(pushes),
            Outcome::Status(status) => status_code(*status),
        }
    }
}
