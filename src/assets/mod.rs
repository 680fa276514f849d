//! The keys `files` and `volumes` → the entries of a layer: which files of the package go in, to which paths, and with which
//! owners.
//!
//! | file | what it does |
//! | --- | --- |
//! | `plan` | what the layer is made of |
//! | `find` | a rule → the files that match it |
//! | `entries` | rules → entries of files and folders, without conflicts |
//! | `folders` | the entries of parents and volumes |
//! | `unwanted` | warnings of files that hardly belong in an image |
//! | `link` | symbolic links: their targets on the host and in the image |
//! | `base` | what rules and volumes need to know of the base: its users, and the folders it has |
//! | `owners` | the rules' owners → numbers, by the base's users and groups |
//!
//! Rules are evaluated twice: before cargo runs, to report mistakes early, and after, because build scripts may write files
//! into the package.

mod base;
mod entries;
mod find;
mod folders;
mod link;
mod owners;
mod plan;
#[cfg(all(test, unix))]
mod tests;
mod unwanted;

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::Result;
use crate::image::layer::LayerEntry;
pub(crate) use base::{BaseLayers, facts};
use find::SourceDirs;
pub(crate) use folders::is_named;
pub(crate) use link::dangling_links;
use plan::is_generated;
pub(crate) use plan::{AssetPlan, BaseFacts};
pub(crate) use unwanted::{PackagedFile, warnings};

/// The layer of assets.
pub(crate) struct Assets {
    /// Its entries.
    pub(crate) entries: Vec<LayerEntry>,
    /// The files of the package among them.
    pub(crate) files: BTreeSet<PackagedFile>,
}

impl AssetPlan<'_> {
    /// Checks the rules as far as possible before cargo has run.
    ///
    /// # Errors
    /// See [`AssetPlan::entries`].
    pub(crate) fn check(&self) -> Result<()> {
        let existing = self.rules.iter().filter(|rule| !is_generated(rule, self.target_dir));
        let dirs = SourceDirs { target_dir: self.target_dir, out_dir: None };
        self.files(existing.map(|rule| (rule, (0, 0))), &dirs, &BaseFacts::default()).map(drop)
    }

    /// Returns the entries that rules and volumes make over a base. `out_dir` is the directory that the package's build script
    /// has written to.
    ///
    /// # Errors
    /// Returns an error if a rule matches nothing, matches a file that cannot go into an image, or conflicts with another rule
    /// or a binary, or if a file cannot be read.
    pub(crate) fn entries(&self, facts: &BaseFacts, out_dir: Option<&Path>) -> Result<Assets> {
        let dirs = SourceDirs { target_dir: self.target_dir, out_dir };
        let planned = self.files(self.rules.iter().zip(facts.owners.iter().copied()), &dirs, facts)?;
        let files = unwanted::files(&planned);
        Ok(Assets { entries: folders::complete(planned, self, facts), files })
    }
}
