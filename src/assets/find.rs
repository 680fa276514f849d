//! A rule → the files that it takes. Nothing is read but folders, and nothing outside of the package is looked into.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use globset::GlobMatcher;
use miette::Report;
use walkdir::WalkDir;

use super::{Places, link};
use crate::config::{FileRule, PatternRoot, is_whiteout};
use crate::error::{Result, on_path};
use crate::interrupt;

/// What git keeps its own things in: a folder, or a file that says where that is.
const GIT: &str = ".git";

/// What a rule takes.
pub struct Taken {
    /// Whether `from` names a folder, without wildcards.
    pub is_folder: bool,
    /// At least one file or link, and the folders that they lie in, each before what is in it.
    pub found: Vec<Found>,
}

/// A file, folder or link that a rule takes.
pub struct Found {
    /// Its path below the fixed part of `from`, its parts divided by `/`; the name of a file that `from` names outright.
    pub below: String,
    /// What it is.
    pub kind: Kind,
}

/// What is found.
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File {
        /// Where it is.
        source: PathBuf,
        /// Whether anybody may run it.
        is_executable: bool,
    },
    /// A symbolic link, and what is written in it.
    Link(String),
}

/// What the rule takes.
///
/// # Errors
/// A mistake in the rule; folders that cannot be read.
pub fn find(rule: &FileRule, places: &Places) -> Result<Taken> {
    let from = rule.from.get_ref();
    let root = match (from.root, places.out_dir) {
        (PatternRoot::Package, _) => rule.folder(),
        (PatternRoot::Target, _) => places.target_dir,
        (PatternRoot::OutDir, Some(out_dir)) => out_dir,
        (PatternRoot::OutDir, None) => return Err(nothing(rule, "cargo has not said where $OUT_DIR is")),
    };
    let start = root.join(&from.fixed);
    let (Ok(root), Ok(_)) = (root.canonicalize(), start.symlink_metadata()) else {
        return Err(nothing(rule, "there is no such file or folder"));
    };
    // What `from` names outright may be a link: then it means what that leads to.
    let start = link::end(&start, &root).map_err(|why| refused(rule, &from.fixed, &why.to_string()))?;
    let metadata = fs::metadata(&start).map_err(|error| on_path("read", &start, error))?;
    if !metadata.is_dir() {
        if from.glob.is_some() {
            return Err(nothing(rule, &format!("{} is a file", from.fixed)));
        }
        let name = from.fixed.rsplit('/').next().unwrap_or_default();
        let below = name_of(rule, Path::new(name), &from.fixed)?;
        let found = Found { kind: file(rule, start, &from.fixed, &metadata)?, below };
        return Ok(Taken { is_folder: false, found: vec![found] });
    }
    let named = from.to_string();
    let not_into = match from.root {
        PatternRoot::Package => {
            [Some(places.target_dir.to_owned()), resolved(places.target_dir), places.target_dir.canonicalize().ok()]
        }
        _ => [None, None, None],
    };
    let walk = Walk {
        rule,
        root: &root,
        start: &start,
        matcher: from.glob.as_ref().map(|glob| glob.compile_matcher()),
        not_into: not_into.into_iter().flatten().filter(|folder| !start.starts_with(folder)).collect(),
        with_git: named.split('/').any(|part| part == GIT),
    };
    Ok(Taken { is_folder: from.glob.is_none(), found: walk.run()? })
}

/// A way through the folder `start`, which is in `root`.
struct Walk<'a> {
    rule: &'a FileRule,
    root: &'a Path,
    start: &'a Path,
    matcher: Option<GlobMatcher>,
    /// Cargo's own folder is no part of the package, unless it is named: layouts are written there. It has several names
    /// where it is a link.
    not_into: Vec<PathBuf>,
    /// Nor is git's, where the CI keeps its token.
    with_git: bool,
}

impl Walk<'_> {
    fn run(&self) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        let (mut files, mut folders) = (0, 0);
        // The folders on the way to where the walk is, until something in them is taken, and they with it.
        let mut way: Vec<Option<PathBuf>> = Vec::new();
        let entries = WalkDir::new(self.start).min_depth(1).into_iter();
        for entry in entries.filter_entry(|entry| self.is_looked_at(entry.path())) {
            interrupt::check().map_err(|error| on_path("read", self.start, error))?;
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(self.start).to_owned();
                on_path("read", &path, error.into())
            })?;
            // All paths of the walk begin so.
            let relative = entry.path().strip_prefix(self.start).unwrap_or(entry.path());
            let is_match = self.matcher.as_ref().is_none_or(|matcher| matcher.is_match(relative));
            let is_folder = entry.file_type().is_dir();
            way.truncate(entry.depth() - 1);
            if is_folder {
                way.push(Some(relative.to_owned()));
                folders += usize::from(is_match);
            }
            if !is_match || is_folder && !self.rule.from.get_ref().takes_folders {
                continue;
            }
            for folder in way.iter_mut().filter_map(Option::take) {
                found.push(Found { below: name_of(self.rule, &folder, &self.shown(&folder))?, kind: Kind::Folder });
            }
            if !is_folder {
                files += 1;
                found.push(self.file(entry.path(), relative)?);
            }
        }
        match (files, folders) {
            (0, 0) => Err(nothing(self.rule, "no file fits")),
            (0, _) => Err(nothing(self.rule, "only folders fit, and a `/**` at the end takes what is in them")),
            _ => Ok(found),
        }
    }

    fn is_looked_at(&self, path: &Path) -> bool {
        self.not_into.iter().all(|folder| folder != path)
            && (self.with_git || path.file_name().is_none_or(|name| name != GIT))
    }

    /// A path as mistakes name it: below the root, whatever `from` is.
    fn shown(&self, relative: &Path) -> String {
        let path = self.start.join(relative);
        path.strip_prefix(self.root).unwrap_or(relative).to_string_lossy().into_owned()
    }

    fn file(&self, path: &Path, relative: &Path) -> Result<Found> {
        let shown = self.shown(relative);
        let below = name_of(self.rule, relative, &shown)?;
        let metadata = path.symlink_metadata().map_err(|error| on_path("read", path, error))?;
        let kind = match metadata.is_symlink() {
            true => {
                Kind::Link(link::text(path, self.root).map_err(|why| refused(self.rule, &shown, &why.to_string()))?)
            }
            false => file(self.rule, path.to_owned(), &shown, &metadata)?,
        };
        Ok(Found { below, kind })
    }
}

/// Where a link itself is, and not what it leads to.
fn resolved(link: &Path) -> Option<PathBuf> {
    Some(link.parent()?.canonicalize().ok()?.join(link.file_name()?))
}

/// A path as one in the image; `shown` is what mistakes call it.
fn name_of(rule: &FileRule, path: &Path, shown: &str) -> Result<String> {
    let mut names = Vec::new();
    for name in path {
        match name.to_str() {
            None => return Err(refused(rule, shown, "has a name that is not UTF-8")),
            Some(name) if name.contains(char::is_control) => {
                return Err(refused(rule, &shown.escape_debug().to_string(), "has a control character in its name"));
            }
            Some(name) if is_whiteout(name) => {
                let why = "would delete a file of the base: names that begin with `.wh.` do that in a layer";
                return Err(refused(rule, shown, why));
            }
            Some(name) => names.push(name),
        }
    }
    Ok(names.join("/"))
}

/// A regular file; what else is neither folder nor link is none that an image should hold.
fn file(rule: &FileRule, source: PathBuf, shown: &str, metadata: &Metadata) -> Result<Kind> {
    match metadata.is_file() {
        true => Ok(Kind::File { source, is_executable: is_executable(metadata) }),
        false => {
            Err(refused(rule, shown, &format!("is {}: an asset is a file, a folder or a link", special(metadata))))
        }
    }
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0
}

/// No bit says so: `mode` does.
#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn special(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    match () {
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(not(unix))]
fn special(_: &Metadata) -> &'static str {
    "no file"
}

fn nothing(rule: &FileRule, why: &str) -> Report {
    rule.error(
        rule.from.span(),
        format!("`{}` takes nothing: {why}", rule.from.get_ref()),
        "this takes nothing",
        &format!("paths begin in {}; `target/` is cargo's target folder", rule.folder().display()),
    )
}

fn refused(rule: &FileRule, path: &str, why: &str) -> Report {
    rule.error(
        rule.from.span(),
        format!("{path} {why}"),
        "this takes it",
        "choose a narrower pattern, or put a file in its place",
    )
}
