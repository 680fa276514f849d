//! What tests of images have found, as data.

use serde::Serialize;

use crate::image::Digest;
use crate::platform::Platform;

/// The results of the tests of one image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageVerdicts {
    /// The image as it was named.
    pub image: String,
    /// The digest of its index, or of its only manifest.
    pub digest: Digest,
    /// The results, platform by platform.
    pub results: Vec<TestResult>,
}

/// The result of one test for one platform.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// Where the test is written: a file, or `Cargo.toml`.
    pub suite: String,
    /// The kind of the test and its name, such as `command: version`.
    pub name: String,
    /// The platform.
    pub platform: Platform,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it failed, or why it was not run.
    pub reasons: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// The verdict of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All is as expected.
    Passed,
    /// Something is not.
    Failed,
    /// It could not be run on this machine.
    NotRun,
}

impl Verdict {
    /// Returns it in words.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
            Verdict::NotRun => "not run",
        }
    }
}

impl ImageVerdicts {
    /// Returns the number of results with a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.results.iter().filter(|result| result.verdict == verdict).count()
    }
}
