//! `base check`: each base of a workspace → its state, its ages and what changed.

use std::path::Path;

use miette::Report;

use super::ages::BaseAges;
use super::tagged::TaggedBase;
use super::usage::{self, BaseUsage, relative};
use crate::base::Base;
use crate::context::GlobalContext;
use crate::error::Result;
use crate::image::Digest;
use crate::inspect::base_pins::{BaseChanges, CheckedBase, CheckedBases, PinState};
use crate::reference::BaseReference;

/// Checks the bases of all images of a workspace, or of those with one of the names. A tag is asked for once, however many
/// images share it.
///
/// # Errors
/// Returns an error if a table is wrong, there is no image with a name, or if not one of the tags can be resolved.
pub(crate) fn check(
    manifest: Option<&Path>,
    names: &[String],
    quiet: bool,
    context: &GlobalContext,
) -> Result<CheckedBases> {
    let usages = usage::read(manifest, names, quiet, context)?;
    let mut ages = BaseAges::new(context)?;
    let (mut bases, mut failures) = (Vec::new(), Vec::new());
    for usage in &usages {
        let (found, failure) = checked(usage, &mut ages)?;
        bases.push(found);
        failures.extend(failure);
    }
    // What is wrong with one base is no reason to say nothing of the others.
    let asked = bases.iter().filter(|base| !matches!(base.state, PinState::NoTag | PinState::NotInRegistry)).count();
    if failures.len() == asked && !failures.is_empty() {
        return Err(failures.swap_remove(0));
    }
    Ok(CheckedBases { bases })
}

/// Returns what there is to say of a base, and the error of a tag that cannot be resolved.
fn checked(usage: &BaseUsage, ages: &mut BaseAges) -> Result<(CheckedBase, Option<Report>)> {
    let mut found = CheckedBase {
        base: usage.base.to_string(),
        state: PinState::NotInRegistry,
        images: usage.images.clone(),
        manifest: usage.is_written.then(|| relative(&usage.key.manifest).display().to_string()),
        table: usage.is_written.then(|| usage.key.table.to_string()),
        pinned: None,
        current: None,
        changes: None,
        problem: None,
    };
    let Some(tagged) = TaggedBase::parse(&found.base) else { return Ok((found, None)) };
    let mut unread = Vec::new();
    let mut read = |ages: &mut BaseAges, reference: &BaseReference| {
        ages.documents.find(reference, &usage.platforms).map_err(|error| unread.push(in_one_line(&error))).ok()
    };
    if !tagged.has_tag {
        found.state = PinState::NoTag;
        let base = read(ages, &usage.base);
        found.pinned = tagged.pinned.map(|digest| ages.age(digest, base.as_ref()));
        found.problem = unread.pop();
        return Ok((found, None));
    }
    let tag = tagged.tag()?;
    let root = match ages.documents.root(&tag) {
        Ok(Some(root)) => root,
        Ok(None) => return Ok((found, None)),
        Err(error) => {
            (found.state, found.problem) = (PinState::Unknown, Some(in_one_line(&error)));
            return Ok((found, Some(error)));
        }
    };
    let current = root.digest().clone();
    let new = read(ages, &tag);
    found.current = Some(ages.age(current.clone(), new.as_ref()));
    let Some(pinned) = tagged.pinned.clone() else {
        (found.state, found.problem) = (PinState::NotPinned, unread.pop());
        return Ok((found, None));
    };
    if pinned == current {
        (found.state, found.pinned, found.problem) = (PinState::Current, found.current.clone(), unread.pop());
        return Ok((found, None));
    }
    found.state = PinState::Behind;
    let old = read(ages, &usage.base);
    found.pinned = Some(ages.age(pinned, old.as_ref()));
    found.problem = (!unread.is_empty()).then(|| unread.join("; "));
    if let (Some(old), Some(new)) = (old, new) {
        match changes(ages, &tagged, (&usage.base, &old), (&current, &new)) {
            Ok(changes) => found.changes = changes,
            Err(error) => found.problem = Some(in_one_line(&error)),
        }
    }
    Ok((found, None))
}

/// Returns what differs. The new image is named by its digest, so that the tag is not asked for again.
fn changes(
    ages: &mut BaseAges,
    tagged: &TaggedBase,
    old: (&BaseReference, &Base),
    (current, new): (&Digest, &Base),
) -> Result<Option<BaseChanges>> {
    ages.changes(old, (&tagged.at(current)?, new))
}

/// Returns an error with its causes.
fn in_one_line(error: &Report) -> String {
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    causes.join(": ").replace('\n', " ")
}
