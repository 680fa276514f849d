//! The tags of an image in a repository, which move last.

use std::fmt;
use std::sync::Mutex;

use miette::{Diagnostic, Report};
use oci_spec::image::Descriptor;

use crate::error::Result;
use crate::parallel::{MANY, each, lock};
use crate::registry::Registry;
use crate::registry::refusal::is_immutable_tag;
use crate::store::Source;

/// Tags that an image gets in a repository.
pub(crate) struct TagMoves<'a> {
    /// The repository.
    pub registry: &'a Registry<'a>,
    /// The image. The repository has what it refers to.
    pub root: &'a Descriptor,
    /// Where the image is read.
    pub source: &'a dyn Source,
    /// The tags.
    pub tags: Vec<TagMove<'a>>,
}

/// A tag that moves.
#[derive(Clone)]
pub(crate) struct TagMove<'a> {
    /// The tag.
    pub name: &'a str,
    /// What it names before; `None` for a new tag.
    pub before: Option<&'a Descriptor>,
}

/// A tag did not move.
#[derive(Debug, Diagnostic, thiserror::Error)]
struct CannotMoveTag {
    tag: String,
    is_immutable: bool,
    /// What the tag names.
    before: Option<String>,
    moved: Vec<String>,
}

impl TagMoves<'_> {
    /// Moves the tags: those that exist first, one by one in their order, because a registry may not let them move. The first
    /// tag also stores the image if it is not there by its digest yet.
    ///
    /// # Errors
    /// Returns the first failure, which says what tags have moved.
    pub(crate) fn run(&self) -> Result<()> {
        let moved = Mutex::default();
        let (existing, new): (Vec<_>, Vec<_>) = self.tags.iter().partition(|tag| tag.before.is_some());
        for tag in &existing {
            self.move_one(tag, &moved)?;
        }
        let mut new = &new[..];
        if existing.is_empty()
            && let Some((first, rest)) = new.split_first()
        {
            self.move_one(first, &moved)?;
            new = rest;
        }
        each(new, MANY, |tag| self.move_one(tag, &moved)).map(drop)
    }

    fn move_one(&self, tag: &TagMove, moved: &Mutex<Vec<String>>) -> Result<()> {
        match self.registry.tag_from(self.root, tag.name, self.source) {
            Ok(()) => {
                lock(moved).push(tag.name.to_owned());
                Ok(())
            }
            Err(error) => Err(tag.failure(error, lock(moved).clone())),
        }
    }
}

impl TagMove<'_> {
    fn failure(&self, error: Report, moved: Vec<String>) -> Report {
        let before = self.before.map(|before| before.digest().to_string());
        let is_immutable = is_immutable_tag(&error);
        error.wrap_err(CannotMoveTag { tag: self.name.to_owned(), is_immutable, before, moved })
    }
}

impl fmt::Display for CannotMoveTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot move the tag {}", self.tag)?;
        match &self.before {
            Some(before) if self.is_immutable => write!(f, ": it is immutable, and names {before}")?,
            None if self.is_immutable => f.write_str(": it is immutable")?,
            _ => {}
        }
        match &self.moved[..] {
            [] => f.write_str("; no tag has been moved"),
            moved => write!(f, "; moved before it: {}", moved.join(", ")),
        }
    }
}
