//! The key `files` → the entries of a layer: which files of the package go in, to which paths, and with which owners.
//!
//! | file | what it does |
//! | --- | --- |
//! | `find` | a rule → the files that match it |
//! | `link` | symbolic links: their targets on the host and in the image |
//! | [`mod@owners`] | the rules' owners → numbers, by the base's users and groups |
//!
//! Rules are evaluated twice: before cargo runs, to report mistakes early, and after, because build scripts may write files
//! into the package.

mod find;
mod link;
pub(crate) mod owners;
#[cfg(all(test, unix))]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::path::Path;

use miette::Report;

use crate::config::{FileMtime, FileRule, PatternRoot};
use crate::error::Result;
use crate::image::layer::{EntryKind, FileContent, LayerEntry, ROOT_FOLDERS};
pub(crate) use find::SourceDirs;
use find::{MatchedFile, MatchedKind};
pub(crate) use link::dangling_links;
pub(crate) use owners::{BaseLayers, OwnerIds, owners};

/// Checks the rules as far as possible before cargo has run.
///
/// # Errors
/// See [`entries`].
pub(crate) fn check(rules: &[FileRule], target_dir: &Path, binaries: &[String]) -> Result<()> {
    let dirs = SourceDirs { target_dir, out_dir: None };
    let existing = rules.iter().filter(|rule| !is_generated(rule, target_dir));
    plan(existing.map(|rule| (rule, (0, 0))), 0, &dirs, binaries).map(drop)
}

/// Returns the entries that the rules make, with the owners of each rule's files. `image_time` is that of the image, in
/// seconds since 1970. `binaries` are the paths of the binaries in the image, without their leading slash.
///
/// # Errors
/// Returns an error if a rule matches nothing, matches a file that cannot go into an image, or conflicts with another rule
/// or a binary, or if a file cannot be read.
pub(crate) fn entries(
    rules: &[FileRule],
    owners: &[OwnerIds],
    image_time: u64,
    dirs: &SourceDirs,
    binaries: &[String],
) -> Result<Vec<LayerEntry>> {
    let planned = plan(rules.iter().zip(owners.iter().copied()), image_time, dirs, binaries)?;
    Ok(planned.into_values().map(|planned| planned.entry).collect())
}

/// Returns whether the files of a rule may not exist before cargo has run.
fn is_generated(rule: &FileRule, target_dir: &Path) -> bool {
    let from = rule.from.get_ref();
    from.root != PatternRoot::Package || rule.folder().join(&from.fixed).starts_with(target_dir)
}

/// An entry, and the rule that makes it.
struct PlannedEntry<'a> {
    rule: &'a FileRule,
    entry: LayerEntry,
}

/// The entries by their path in the image.
type EntriesByPath<'a> = BTreeMap<String, PlannedEntry<'a>>;

fn plan<'a>(
    rules: impl Iterator<Item = (&'a FileRule, OwnerIds)>,
    image_time: u64,
    dirs: &SourceDirs,
    binaries: &[String],
) -> Result<EntriesByPath<'a>> {
    let mut planned = EntriesByPath::new();
    for (rule, owner) in rules {
        let to = rule.to.get_ref().trim_start_matches('/');
        let matches = find::find(rule, dirs)?;
        if to.is_empty() || to.ends_with('/') {
            for file in matches.files {
                let path = format!("{to}{}", file.relative);
                insert(&mut planned, PlannedEntry::new(rule, owner, image_time, path, file))?;
            }
        } else {
            let file = single_file(rule, matches)?;
            insert(&mut planned, PlannedEntry::new(rule, owner, image_time, to.to_owned(), file))?;
        }
    }
    check_conflicts(&planned, binaries)?;
    Ok(planned)
}

/// Returns the one file that matches the rule, for a destination that is a file.
fn single_file(rule: &FileRule, matches: find::Matches) -> Result<MatchedFile> {
    let (from, to) = (rule.from.get_ref(), rule.to.get_ref());
    let mut files = matches.files.into_iter().filter(|file| !matches!(file.kind, MatchedKind::Directory));
    let what = match (files.next(), files.next()) {
        (Some(file), None) if !matches.is_directory => return Ok(file),
        _ if matches.is_directory => "is a directory",
        _ => "matches several files",
    };
    Err(rule.error(
        rule.to.span(),
        format!("`{from}` {what}, but `{to}` is one file"),
        "not a directory",
        &format!("end the path of a directory with a slash: `to = \"{to}/\"`"),
    ))
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
        PlannedEntry { rule, entry: LayerEntry { path, kind, mode, owner, mtime } }
    }

    fn is_directory(&self) -> bool {
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
        MapEntry::Occupied(existing) => {
            let message = format!(
                "`{}` and `{}` both write /{}, with different content, mode, owner or mtime",
                existing.get().rule.from.get_ref(),
                new.rule.from.get_ref(),
                new.entry.path
            );
            let help = "choose a narrower pattern for one of them, or another `to`";
            return Err(new.rule.error(new.rule.from.span(), message, "the second of the two", help));
        }
    }
    Ok(())
}

/// Returns whether every base has this directory.
fn is_standard_directory(path: &str) -> bool {
    let path = path.trim_matches('/');
    path.is_empty() || ROOT_FOLDERS.contains(&path)
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
                format!("`{}` would replace the directory /{path} by a file", entry.rule.from.get_ref()),
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

/// Returns the parent directories of a path, the uppermost first.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

fn conflicts(planned: &PlannedEntry, with: &str) -> Report {
    planned.rule.error(
        planned.rule.from.span(),
        format!("`{}` puts /{}, which conflicts with {with}", planned.rule.from.get_ref(), planned.entry.path),
        "this puts it there",
        "choose another `to`, or another name for the file",
    )
}
