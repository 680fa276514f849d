//! The key `files` → the entries of a layer: which files of the package go in, where to, and whose they are there.
//!
//! | file | what it does |
//! | --- | --- |
//! | `find` | a rule → the files that it takes, each looked at |
//! | `link` | symbolic links: what they lead to here, and in the image |
//! | [`mod@owners`] | the rules' owners → numbers, by the base's users and groups |
//!
//! What lies in the package is looked at twice: before cargo runs, so that mistakes are told early, and after, because
//! build scripts may have written there.

mod find;
mod link;
pub mod owners;
#[cfg(all(test, unix))]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::path::Path;

use miette::Report;

use crate::config::{FileRule, PatternRoot};
use crate::error::Result;
use crate::image::layer::{Content, Entry, EntryKind, ROOT_FOLDERS};
use find::{Found, Kind};
pub use link::leading_nowhere;
pub use owners::{Below, Numbers, owners};

/// Where rules find what they take.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// Cargo's target folder.
    pub target_dir: &'a Path,
    /// The folder that the package's build script has written to for one target.
    pub out_dir: Option<&'a Path>,
}

/// Looks at all that can be looked at before cargo has run.
///
/// # Errors
/// Those of [`entries`].
pub fn check(rules: &[FileRule], target_dir: &Path, binaries: &[String]) -> Result<()> {
    let places = Places { target_dir, out_dir: None };
    let here = rules.iter().filter(|rule| !is_generated(rule, target_dir));
    collect(here.map(|rule| (rule, (0, 0))), &places, binaries).map(drop)
}

/// The entries that the rules make, with the owners of each rule's files. `binaries` are the paths in the image, without
/// the slash at their beginning, where something else goes.
///
/// # Errors
/// An [error](FileRule::error) in a rule: it takes nothing, or what no image should hold, or would put it where
/// something else is. Files that cannot be read.
pub fn entries(rules: &[FileRule], owners: &[Numbers], places: &Places, binaries: &[String]) -> Result<Vec<Entry>> {
    let slots = collect(rules.iter().zip(owners.iter().copied()), places, binaries)?;
    Ok(slots.into_values().map(|slot| slot.entry).collect())
}

/// Whether what the rule takes may not be there before cargo has run.
fn is_generated(rule: &FileRule, target_dir: &Path) -> bool {
    let from = rule.from.get_ref();
    from.root != PatternRoot::Package || rule.folder().join(&from.fixed).starts_with(target_dir)
}

/// A path in the image, and what goes there.
struct Placed<'a> {
    rule: &'a FileRule,
    entry: Entry,
}

type Slots<'a> = BTreeMap<String, Placed<'a>>;

fn collect<'a>(
    rules: impl Iterator<Item = (&'a FileRule, Numbers)>,
    places: &Places,
    binaries: &[String],
) -> Result<Slots<'a>> {
    let mut slots = Slots::new();
    for (rule, owner) in rules {
        let to = rule.to.get_ref().trim_start_matches('/');
        let taken = find::find(rule, places)?;
        if to.is_empty() || to.ends_with('/') {
            for found in taken.found {
                let path = format!("{to}{}", found.below);
                put(&mut slots, Placed::new(rule, owner, path, found))?;
            }
        } else {
            put(&mut slots, Placed::new(rule, owner, to.to_owned(), only(rule, taken)?))?;
        }
    }
    stand_on_folders(&slots, binaries)?;
    Ok(slots)
}

/// The one file that the rule takes, for a place that is one file.
fn only(rule: &FileRule, taken: find::Taken) -> Result<Found> {
    let (from, to) = (rule.from.get_ref(), rule.to.get_ref());
    let mut files = taken.found.into_iter().filter(|found| !matches!(found.kind, Kind::Folder));
    let what = match (files.next(), files.next()) {
        (Some(file), None) if !taken.is_folder => return Ok(file),
        _ if taken.is_folder => "is a folder",
        _ => "takes several files",
    };
    Err(rule.error(
        rule.to.span(),
        format!("`{from}` {what}, but `{to}` is one file"),
        "this is no folder",
        &format!("a folder ends in a slash: `to = \"{to}/\"`"),
    ))
}

impl<'a> Placed<'a> {
    fn new(rule: &'a FileRule, owner: Numbers, path: String, found: Found) -> Placed<'a> {
        let (kind, mode) = match found.kind {
            Kind::Folder => (EntryKind::Directory, 0o755),
            Kind::Link(target) => (EntryKind::Symlink(target), 0o777),
            Kind::File { source, is_executable } => {
                let mode = rule.mode.unwrap_or(if is_executable { 0o755 } else { 0o644 });
                (EntryKind::File(Content::Path(source)), mode)
            }
        };
        // Below a folder of the base's they may be the base's too, and who owns a folder can replace what is in it.
        let may_be_the_bases = matches!(kind, EntryKind::Directory) && is_the_bases(rule.to.get_ref());
        let owner = if may_be_the_bases { (0, 0) } else { owner };
        Placed { rule, entry: Entry { path, kind, mode, owner } }
    }

    fn is_folder(&self) -> bool {
        matches!(self.entry.kind, EntryKind::Directory)
    }

    /// Whether it makes no difference which of the two goes in.
    fn is_same(&self, other: &Placed) -> bool {
        let is_same_thing = match (&self.entry.kind, &other.entry.kind) {
            (EntryKind::File(Content::Path(one)), EntryKind::File(Content::Path(two))) => one == two,
            (EntryKind::Symlink(one), EntryKind::Symlink(two)) => one == two,
            (one, two) => matches!((one, two), (EntryKind::Directory, EntryKind::Directory)),
        };
        is_same_thing && (self.entry.mode, self.entry.owner) == (other.entry.mode, other.entry.owner)
    }
}

fn put<'a>(slots: &mut Slots<'a>, placed: Placed<'a>) -> Result<()> {
    match slots.entry(placed.entry.path.clone()) {
        Slot::Vacant(slot) => drop(slot.insert(placed)),
        Slot::Occupied(slot) if slot.get().is_same(&placed) => {}
        Slot::Occupied(slot) => {
            let message = format!(
                "`{}` and `{}` both take something to /{}, and it is not the same, or not the same user's",
                slot.get().rule.from.get_ref(),
                placed.rule.from.get_ref(),
                placed.entry.path
            );
            let help = "make one of the patterns narrower, or choose another `to`: nothing is replaced silently";
            return Err(placed.rule.error(placed.rule.from.span(), message, "this is the second of the two", help));
        }
    }
    Ok(())
}

/// Whether a folder is one that every base brings along.
fn is_the_bases(folder: &str) -> bool {
    let folder = folder.trim_matches('/');
    folder.is_empty() || ROOT_FOLDERS.contains(&folder)
}

/// Sees to it that what others stand on is a folder, and that nothing is in the place of a binary.
fn stand_on_folders(slots: &Slots, binaries: &[String]) -> Result<()> {
    let no_folder = |path: &str| slots.get(path).filter(|placed| !placed.is_folder());
    for binary in binaries {
        let in_its_way = slots.get(binary).or_else(|| above(binary).find_map(no_folder));
        if let Some(placed) = in_its_way {
            return Err(in_the_way(placed, &format!("the binary /{binary}")));
        }
    }
    for (path, placed) in slots {
        if matches!(placed.entry.kind, EntryKind::File(_)) && is_the_bases(path) {
            return Err(placed.rule.error(
                placed.rule.to.span(),
                format!("`{}` would put a file in the place of the folder /{path}", placed.rule.from.get_ref()),
                "this takes it there",
                &format!("a folder ends in a slash: `to = \"/{path}/\"`"),
            ));
        }
        for folder in above(path) {
            if let Some(other) = no_folder(folder) {
                return Err(in_the_way(other, &format!("/{path}")));
            }
            if binaries.iter().any(|binary| binary == folder) {
                return Err(in_the_way(placed, &format!("the binary /{folder}")));
            }
        }
    }
    Ok(())
}

/// The folders that a path is in.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

fn in_the_way(placed: &Placed, of: &str) -> Report {
    placed.rule.error(
        placed.rule.from.span(),
        format!("`{}` puts /{} in the way of {of}", placed.rule.from.get_ref(), placed.entry.path),
        "this takes it there",
        "choose another `to`, or another name for the file",
    )
}
