//! The results of subcommands.

use std::process::ExitCode;

use crate::image::Digest;
use crate::inspect::Inspected;
use crate::inspect::referrers::ImageReferrers;
use crate::report::{Reporter, status_code};
use crate::store::cache::prune::CachedBlob;
use crate::store::validate::Validated;

/// What a subcommand gives for stdout when nothing went wrong.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing.
    Done,
    /// Lines, one for each result.
    Results(Vec<String>),
    /// A text as it is.
    Text(String),
    /// What an image holds, and whether it is printed as JSON.
    Inspected(Inspected, bool),
    /// What is attached to an image, and whether it is printed as JSON.
    Referrers(ImageReferrers, bool),
    /// What is wrong with an image, and whether it is printed as JSON.
    Validated(Validated, bool),
    /// The content of the cache.
    CacheEntries(Vec<CachedBlob>),
    /// What was wrong in the cache.
    CacheProblems(Vec<(Digest, String)>),
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
            Outcome::Inspected(found, json) => reporter.inspected(found, *json),
            Outcome::Referrers(found, json) => reporter.attachments(found, *json),
            Outcome::Validated(found, json) => reporter.validated(found, *json),
            Outcome::CacheEntries(blobs) => reporter.blobs(blobs),
            Outcome::CacheProblems(problems) => reporter.wrong(problems),
            Outcome::Status(status) => status_code(*status),
        }
    }
}
