//! Rules → the entries of files and folders, by their path in the image.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;

use miette::Report;

use super::find::{self, MatchedFile, MatchedKind, SourceDirs};
use super::plan::{AssetPlan, BaseFacts, OwnerIds, is_standard_directory, parents, path};
use crate::config::{FileMtime, FileRule, Pattern};
use crate::error::Result;
use crate::image::layer::{EntryKind, FileContent, LayerEntry};

/// An entry, and the rule that makes it.
pub(super) struct PlannedEntry<'a> {
    pub(super) rule: &'a FileRule,
    pub(super) entry: LayerEntry,
    /// How the rule names it, if it is a folder that is not in the source.
    pub(super) named: Option<Named>,
}

/// The entries by their path in the image.
pub(super) type EntriesByPath<'a> = BTreeMap<String, PlannedEntry<'a>>;

/// Returns the one file that matches the rule, for a destination that is a file.
fn single_file(rule: &FileRule, from: &Pattern, matches: find::Matches) -> Result<MatchedFile> {
    let to = rule.to.get_ref();
    let mut files = matches.files.into_iter().filter(|file| !matches!(file.kind, MatchedKind::Directory));
    let what = match (files.next(), files.next()) {
        (Some(file), None) => return Ok(file),
        (None, _) => "matches directories",
        _ => "matches several files",
    };
    Err(rule.error(
        rule.to.span(),
        format!("`{from}` {what}, but `{to}` is one file"),
        "not a directory",
        &format!("end the path of a directory with a slash: `to = \"{to}/\"`"),
    ))
}

/// How a rule names the folder that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It has no source: the folder is all that it is about, even if the base has it.
    Alone,
    /// It has an owner, and files go there.
    WithFiles,
}

impl AssetPlan<'_> {
    /// Returns the entries that rules make, each with the owner of its files.
    pub(super) fn files<'r>(
        &self,
        rules: impl Iterator<Item = (&'r FileRule, OwnerIds)>,
        dirs: &SourceDirs,
        facts: &BaseFacts,
    ) -> Result<EntriesByPath<'r>> {
        let mut planned = EntriesByPath::new();
        let mut folders = Vec::new();
        for (rule, owner) in rules {
            let Some(from) = rule.pattern() else {
                folders.push(PlannedEntry { rule, entry: alone(rule, owner), named: Some(Named::Alone) });
                continue;
            };
            let matches = find::find(rule, from, dirs)?;
            if !rule.to.get_ref().ends_with('/') && !matches.is_directory {
                let file = single_file(rule, from, matches)?;
                let path = path(rule).to_owned();
                insert(&mut planned, PlannedEntry::new(rule, owner, self.image_time, path, file))?;
                continue;
            }
            let folder = of_files(rule, owner, matches.files.is_empty(), facts);
            folders.extend(folder.map(|entry| PlannedEntry { rule, entry, named: Some(Named::WithFiles) }));
            for file in matches.files {
                let path = format!("{}/{}", path(rule), file.relative).trim_start_matches('/').to_owned();
                insert(&mut planned, PlannedEntry::new(rule, owner, self.image_time, path, file))?;
            }
        }
        folders.into_iter().try_for_each(|folder| insert_folder(&mut planned, folder))?;
        check_conflicts(&planned, self.binaries)?;
        Ok(planned)
    }
}

/// Returns the folder of a rule that has no source.
fn alone(rule: &FileRule, owner: OwnerIds) -> LayerEntry {
    LayerEntry { mode: rule.mode.unwrap_or(0o755), owner, ..LayerEntry::directory(path(rule)) }
}

/// Returns the folder that the files of a rule go into, if that is a folder of its own: it has an owner or nothing in it, and
/// the base does not have it.
fn of_files(rule: &FileRule, owner: OwnerIds, is_empty: bool, facts: &BaseFacts) -> Option<LayerEntry> {
    let path = path(rule);
    let is_own = (rule.owner.is_some() || is_empty) && !is_standard_directory(path) && !facts.present.contains(path);
    is_own.then(|| LayerEntry { owner, ..LayerEntry::directory(path) })
}

impl<'a> PlannedEntry<'a> {
    fn new(rule: &'a FileRule, owner: OwnerIds, image_time: u64, path: String, file: MatchedFile) -> PlannedEntry<'a> {
        let (kind, mode) = match file.kind {
            MatchedKind::Directory => (EntryKind::Directory, 0o755),
            MatchedKind::Symlink(target) => (EntryKind::Symlink(target), 0o777),
            MatchedKind::File { source, is_executable } => {
                let mode = rule.mode.unwrap_or(if is_executable { 0o755 } else { 0o644 });
                (EntryKind::File(FileContent::Path(source)), mode)
            }
        };
        // A directory below a standard one may be the base's, and its owner could replace all that is in it.
        let may_be_in_base = matches!(kind, EntryKind::Directory) && is_standard_directory(rule.to.get_ref());
        let owner = if may_be_in_base { (0, 0) } else { owner };
        // Nobody asks for the time of a folder or a link, and several rules may have the same folder.
        let mtime = match (&kind, rule.mtime) {
            (EntryKind::File(_), FileMtime::Commit) => image_time,
            (EntryKind::File(_), FileMtime::Seconds(seconds)) => seconds,
            (EntryKind::Directory | EntryKind::Symlink(_), _) => 0,
        };
        PlannedEntry { rule, entry: LayerEntry { path, kind, mode, owner, mtime }, named: None }
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.entry.kind, EntryKind::Directory)
    }

    /// Returns whether both entries are the same.
    fn is_same(&self, other: &PlannedEntry) -> bool {
        let is_same_content = match (&self.entry.kind, &other.entry.kind) {
            (EntryKind::File(FileContent::Path(one)), EntryKind::File(FileContent::Path(two))) => one == two,
            (EntryKind::Symlink(one), EntryKind::Symlink(two)) => one == two,
            (one, two) => matches!((one, two), (EntryKind::Directory, EntryKind::Directory)),
        };
        let attributes = |entry: &LayerEntry| (entry.mode, entry.owner, entry.mtime);
        is_same_content && attributes(&self.entry) == attributes(&other.entry)
    }
}

fn insert<'a>(planned: &mut EntriesByPath<'a>, new: PlannedEntry<'a>) -> Result<()> {
    match planned.entry(new.entry.path.clone()) {
        MapEntry::Vacant(vacant) => drop(vacant.insert(new)),
        MapEntry::Occupied(existing) if existing.get().is_same(&new) => {}
        MapEntry::Occupied(existing) => return Err(both_write(existing.get(), &new)),
    }
    Ok(())
}

/// Inserts a folder that a rule names. That counts more than what another rule copies, and one that a rule without files names
/// counts more than one with files; else the first counts.
fn insert_folder<'a>(planned: &mut EntriesByPath<'a>, new: PlannedEntry<'a>) -> Result<()> {
    match planned.entry(new.entry.path.clone()) {
        MapEntry::Vacant(vacant) => drop(vacant.insert(new)),
        MapEntry::Occupied(existing) if !existing.get().is_directory() => return Err(both_write(existing.get(), &new)),
        MapEntry::Occupied(mut existing) => match (existing.get().named, new.named) {
            (Some(Named::Alone), Some(Named::Alone)) if !existing.get().is_same(&new) => {
                return Err(both_write(existing.get(), &new));
            }
            (None, _) | (Some(Named::WithFiles), Some(Named::Alone)) => drop(existing.insert(new)),
            _ => {}
        },
    }
    Ok(())
}

fn both_write(existing: &PlannedEntry, new: &PlannedEntry) -> Report {
    let message = format!(
        "`{}` and `{}` both write /{}, with different content, mode, owner or mtime",
        existing.rule.title().0,
        new.rule.title().0,
        new.entry.path
    );
    let help = "choose a narrower pattern for one of them, or another `to`";
    new.rule.error(new.rule.title().1, message, "the second of the two", help)
}

/// Checks that all parents of entries are directories, and that no entry conflicts with a binary.
fn check_conflicts(planned: &EntriesByPath, binaries: &[String]) -> Result<()> {
    let non_directory = |path: &str| planned.get(path).filter(|planned| !planned.is_directory());
    for binary in binaries {
        let conflict = planned.get(binary).or_else(|| parents(binary).find_map(non_directory));
        if let Some(entry) = conflict {
            return Err(conflicts(entry, &format!("the binary /{binary}")));
        }
    }
    for (path, entry) in planned {
        if matches!(entry.entry.kind, EntryKind::File(_)) && is_standard_directory(path) {
            return Err(entry.rule.error(
                entry.rule.to.span(),
                format!("`{}` would replace the directory /{path} by a file", entry.rule.title().0),
                "this puts it there",
                &format!("end the path of a directory with a slash: `to = \"/{path}/\"`"),
            ));
        }
        for parent in parents(path) {
            if let Some(other) = non_directory(parent) {
                return Err(conflicts(other, &format!("/{path}")));
            }
            if binaries.iter().any(|binary| binary == parent) {
                return Err(conflicts(entry, &format!("the binary /{parent}")));
            }
        }
    }
    Ok(())
}

fn conflicts(planned: &PlannedEntry, with: &str) -> Report {
    let (from, at) = planned.rule.title();
    planned.rule.error(
        at,
        format!("`{from}` puts /{}, which conflicts with {with}", planned.entry.path),
        "this puts it there",
        "choose another `to`, or another name for the file",
    )
}
