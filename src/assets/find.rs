//! A rule → the files that match it. Only directories are read, and nothing outside of the package is visited.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use globset::{GlobMatcher, GlobSet, GlobSetBuilder};
use miette::{IntoDiagnostic, Report};
use walkdir::WalkDir;

use super::link;
use crate::config::{FileRule, Pattern, PatternRoot, is_whiteout};
use crate::error::{Result, cannot_read};
use crate::interrupt;

/// Git's own directory, or a file that says where it is.
const GIT: &str = ".git";

/// The directories of the host that rules refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceDirs<'a> {
    /// Cargo's target directory.
    pub(crate) target_dir: &'a Path,
    /// The directory that the package's build script has written to for one target.
    pub(crate) out_dir: Option<&'a Path>,
}

/// The files that match a rule.
pub(crate) struct Matches {
    /// Whether `from` names a directory, without wildcards.
    pub(crate) is_directory: bool,
    /// Files, links and directories, each before its content; at least one unless `from` names an empty directory.
    pub(crate) files: Vec<MatchedFile>,
}

/// A file, directory or link that matches a rule.
pub(crate) struct MatchedFile {
    /// Its path relative to the fixed part of `from`, separated by `/`. For a file that `from` names, its name.
    pub(crate) relative: String,
    /// Its type.
    pub(crate) kind: MatchedKind,
}

/// The type of a [`MatchedFile`].
pub(crate) enum MatchedKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its path on the host.
        source: PathBuf,
        /// Whether anybody may execute it.
        is_executable: bool,
    },
    /// A symbolic link and its target.
    Symlink(String),
}

/// Returns the files that match the rule.
///
/// # Errors
/// Returns an error if nothing matches, if a file cannot go into an image, or if a directory cannot be read.
pub(crate) fn find(rule: &FileRule, from: &Pattern, dirs: &SourceDirs) -> Result<Matches> {
    let root = match (from.root, dirs.out_dir) {
        (PatternRoot::Package, _) => rule.folder(),
        (PatternRoot::Target, _) => dirs.target_dir,
        (PatternRoot::OutDir, Some(out_dir)) => out_dir,
        (PatternRoot::OutDir, None) => return Err(no_match(rule, "cargo reported no $OUT_DIR")),
    };
    let start = root.join(&from.fixed);
    let (Ok(root), Ok(_)) = (link::canonical(root), start.symlink_metadata()) else {
        return Err(no_match(rule, "no such file or directory"));
    };
    // If `from` names a link, it means the target of the link.
    let start = link::resolve(&start, &root).map_err(|error| invalid(rule, &from.fixed, &error.to_string()))?;
    let metadata = fs::metadata(&start).map_err(|error| cannot_read(&start, error))?;
    if !metadata.is_dir() {
        if from.glob.is_some() {
            return Err(no_match(rule, &format!("{} is a file", from.fixed)));
        }
        let name = from.fixed.rsplit('/').next().unwrap_or_default();
        if excluded_by(rule)?.is_match(name) {
            return Err(excluded(rule, from));
        }
        let relative = image_path(rule, Path::new(name), &from.fixed)?;
        let file = MatchedFile { kind: regular_file(rule, start, &from.fixed, &metadata)?, relative };
        return Ok(Matches { is_directory: false, files: vec![file] });
    }
    let named = from.to_string();
    let mut excluded = Vec::new();
    if from.root == PatternRoot::Package {
        excluded.push(dirs.target_dir.to_owned());
        excluded.extend(canonicalize_parent(dirs.target_dir));
        excluded.extend(link::canonical(dirs.target_dir).ok());
    }
    excluded.retain(|directory| !start.starts_with(directory));
    let walk = RuleWalk {
        rule,
        from,
        root: &root,
        start: &start,
        matcher: from.glob.as_ref().map(globset::Glob::compile_matcher),
        excluded,
        exclusions: excluded_by(rule)?,
        with_git: named.split('/').any(|part| part == GIT),
    };
    Ok(Matches { is_directory: from.glob.is_none(), files: walk.run()? })
}

/// A walk through the directory `start`, which is in `root`.
struct RuleWalk<'a> {
    rule: &'a FileRule,
    from: &'a Pattern,
    root: &'a Path,
    start: &'a Path,
    matcher: Option<GlobMatcher>,
    /// Cargo's target directory under all of its paths, unless `from` names it: layouts are written there.
    excluded: Vec<PathBuf>,
    /// What the rule leaves out.
    exclusions: GlobSet,
    /// Whether `from` names `.git`, where CI systems keep their tokens.
    with_git: bool,
}

impl RuleWalk<'_> {
    fn run(&self) -> Result<Vec<MatchedFile>> {
        let mut matched = Vec::new();
        let mut directories = 0;
        // The parent directories of the current entry; `None` for those that have been added.
        let mut parents: Vec<Option<PathBuf>> = Vec::new();
        let entries = WalkDir::new(self.start).min_depth(1).into_iter();
        for entry in entries.filter_entry(|entry| self.is_visited(entry.path())) {
            interrupt::check().map_err(|error| cannot_read(self.start, error))?;
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(self.start).to_owned();
                cannot_read(&path, error.into())
            })?;
            // All paths of the walk begin with `start`.
            let relative = entry.path().strip_prefix(self.start).unwrap_or(entry.path());
            let is_match = self.matcher.as_ref().is_none_or(|matcher| matcher.is_match(relative));
            let is_directory = entry.file_type().is_dir();
            parents.truncate(entry.depth() - 1);
            if is_directory {
                parents.push(Some(relative.to_owned()));
                directories += usize::from(is_match);
            }
            if !is_match || is_directory && !self.from.takes_folders {
                continue;
            }
            for parent in parents.iter_mut().filter_map(Option::take) {
                let relative = image_path(self.rule, &parent, &self.shown(&parent))?;
                matched.push(MatchedFile { relative, kind: MatchedKind::Directory });
            }
            if !is_directory {
                matched.push(self.file(entry.path(), relative)?);
            }
        }
        if !matched.is_empty() || self.is_whole_and_empty() {
            Ok(matched)
        } else if directories > 0 {
            Err(no_match(self.rule, "only directories match; add `/**` to take their content"))
        } else {
            Err(no_match(self.rule, "no file matches"))
        }
    }

    /// Returns whether `from` names a directory that has nothing in it.
    fn is_whole_and_empty(&self) -> bool {
        self.matcher.is_none() && fs::read_dir(self.start).is_ok_and(|mut content| content.next().is_none())
    }

    fn is_visited(&self, path: &Path) -> bool {
        let relative = path.strip_prefix(self.start).unwrap_or(path);
        self.excluded.iter().all(|excluded| excluded != path)
            && !self.exclusions.is_match(relative)
            && (self.with_git || path.file_name().is_none_or(|name| name != GIT))
    }

    /// Returns a path for messages: relative to the root of `from`.
    fn shown(&self, relative: &Path) -> String {
        let path = self.start.join(relative);
        path.strip_prefix(self.root).unwrap_or(relative).to_string_lossy().into_owned()
    }

    fn file(&self, path: &Path, relative: &Path) -> Result<MatchedFile> {
        let shown = self.shown(relative);
        let relative = image_path(self.rule, relative, &shown)?;
        let metadata = path.symlink_metadata().map_err(|error| cannot_read(path, error))?;
        let kind = if metadata.is_symlink() {
            let target = link::read(path, self.root).map_err(|error| invalid(self.rule, &shown, &error.to_string()))?;
            MatchedKind::Symlink(target)
        } else {
            regular_file(self.rule, path.to_owned(), &shown, &metadata)?
        };
        Ok(MatchedFile { relative, kind })
    }
}

/// Returns what a rule leaves out.
fn excluded_by(rule: &FileRule) -> Result<GlobSet> {
    let mut globs = GlobSetBuilder::new();
    for exclusion in &rule.exclude {
        globs.add(exclusion.0.clone());
    }
    globs.build().into_diagnostic()
}

/// Returns the canonical path of a link itself, not of its target.
fn canonicalize_parent(link: &Path) -> Option<PathBuf> {
    Some(super::link::canonical(link.parent()?).ok()?.join(link.file_name()?))
}

/// Returns a path as one in the image; `shown` is its name in messages.
fn image_path(rule: &FileRule, path: &Path, shown: &str) -> Result<String> {
    let mut names = Vec::new();
    for name in path {
        match name.to_str() {
            None => return Err(invalid(rule, shown, "has a name that is not UTF-8")),
            Some(name) if name.contains(char::is_control) => {
                return Err(invalid(rule, &shown.escape_debug().to_string(), "has a control character in its name"));
            }
            Some(name) if is_whiteout(name) => {
                let why = "would delete a file of the base: in a layer, the prefix `.wh.` marks a whiteout";
                return Err(invalid(rule, shown, why));
            }
            Some(name) => names.push(name),
        }
    }
    Ok(names.join("/"))
}

/// Returns a regular file. Other files that are neither directories nor links cannot go into an image.
fn regular_file(rule: &FileRule, source: PathBuf, shown: &str, metadata: &Metadata) -> Result<MatchedKind> {
    if !metadata.is_file() {
        let why = format!("is {}: expected a file, directory or link", special_file(metadata));
        return Err(invalid(rule, shown, &why));
    }
    Ok(MatchedKind::File { source, is_executable: is_executable(metadata) })
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0
}

/// Other systems have no such bit: use the key `mode`.
#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn special_file(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn special_file(_: &Metadata) -> &'static str {
    "not a regular file"
}

fn excluded(rule: &FileRule, from: &Pattern) -> Report {
    let message = format!("`exclude` leaves `{from}` out, which is the only file of the rule");
    rule.error(rule.title().1, message, "this is left out", "remove the rule, or the pattern from `exclude`")
}

fn no_match(rule: &FileRule, why: &str) -> Report {
    let (from, at) = rule.title();
    rule.error(
        at,
        format!("`{from}` matches nothing: {why}"),
        "this matches nothing",
        &format!(
            "write a path relative to {}; for files that cargo writes, begin it with `target/`",
            rule.folder().display()
        ),
    )
}

fn invalid(rule: &FileRule, path: &str, why: &str) -> Report {
    let is_named = rule.pattern().is_some_and(|from| from.fixed == path);
    let help = if is_named {
        "choose another `from`, or replace it by a regular file"
    } else {
        "leave it out with `exclude` in the rule, or replace it by a regular file"
    };
    rule.error(rule.title().1, format!("{path} {why}"), "this matches it", help)
}
