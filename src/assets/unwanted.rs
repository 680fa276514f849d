//! Files of the package that hardly belong in an image: secrets, and what git ignores.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::entries::{EntriesByPath, PlannedEntry};
use super::link;
use super::plan::path;
use crate::config::PatternRoot;
use crate::environment::Environment;
use crate::git;
use crate::image::layer::{EntryKind, FileContent};
use crate::regular_file;

/// A file of the package that goes into the image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackagedFile {
    /// Its path on the host.
    path: PathBuf,
    /// The folder of the Cargo.toml of its rule, without links as the other paths.
    folder: PathBuf,
    /// What `from` of its rule names.
    source: PathBuf,
    /// The pattern that excludes it from its rule; `None` if the rule names the file itself.
    exclusion: Option<String>,
}

/// A warning lists at most this many files.
const MOST_NAMES: usize = 3;
/// Private keys are shorter, with all of their certificates.
const MOST_KEY: u64 = 64 << 10;
/// Files with these names hold keys or passwords.
const SECRETS: [&str; 11] = [
    ".env",
    ".git-credentials",
    ".netrc",
    ".pgpass",
    "cosign.key",
    "id_dsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_rsa",
];
/// Files with these endings are key stores.
const KEY_STORES: [&str; 4] = ["kdbx", "p12", "pfx", "ppk"];
/// Files with these endings may have text in front of a key.
const CERTIFICATES: [&str; 5] = ["cer", "crt", "key", "p8", "pem"];
/// `.env.EXAMPLE` with these endings are templates for other people.
const TEMPLATES: [&str; 5] = ["default", "dist", "example", "sample", "template"];

/// Returns the files that are copied, except those that cargo writes.
pub(super) fn files(planned: &EntriesByPath) -> BTreeSet<PackagedFile> {
    planned.values().filter_map(packaged).collect()
}

fn packaged(planned: &PlannedEntry) -> Option<PackagedFile> {
    let (rule, EntryKind::File(FileContent::Path(source))) = (planned.rule, &planned.entry.kind) else { return None };
    let from = rule.pattern().filter(|from| from.root == PatternRoot::Package)?;
    let is_named = from.glob.is_none() && rule.folder().join(&from.fixed).is_file();
    let below = planned.entry.path.strip_prefix(path(rule)).filter(|below| path(rule).is_empty() || !below.is_empty());
    let exclusion = match below.map(|below| below.trim_start_matches('/')) {
        Some(below) if !below.is_empty() => globset::escape(below),
        // The file has another name in the image.
        _ => format!("**/{}", globset::escape(&source.file_name()?.to_string_lossy())),
    };
    Some(PackagedFile {
        path: source.clone(),
        folder: canonical(rule.folder()),
        source: canonical(&rule.folder().join(&from.fixed)),
        exclusion: (!is_named).then_some(exclusion),
    })
}

fn canonical(path: &Path) -> PathBuf {
    link::canonical(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns warnings of files that hardly belong in the image `name`.
pub(crate) fn warnings(name: &str, files: &BTreeSet<PackagedFile>, environment: &Environment) -> Vec<String> {
    let (secrets, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| is_secret(&file.path));
    let mut by_folder: BTreeMap<&Path, Vec<&PackagedFile>> = BTreeMap::new();
    for file in others {
        by_folder.entry(&file.folder).or_default().push(file);
    }
    let ignored: Vec<_> =
        by_folder.into_iter().flat_map(|(folder, files)| ignored(folder, &files, environment)).collect();
    let secrets = warning(&format!("the image {name} gets files that look like private keys or passwords"), &secrets);
    let secrets = secrets.map(|text| format!("{text}, and mount them where the container runs"));
    let ignored = warning(&format!("the image {name} gets files that git ignores"), &ignored);
    secrets.into_iter().chain(ignored).collect()
}

/// Returns the line for these files, or `None` if there are none.
fn warning(what: &str, files: &[&PackagedFile]) -> Option<String> {
    let shown = files.iter().take(MOST_NAMES);
    let names: Vec<_> = shown.clone().map(|file| file.shown()).collect();
    let exclusions = shown.filter_map(|file| file.exclusion.as_ref()).map(|exclusion| format!("\"{exclusion}\""));
    let exclusions = crate::unique::each_once(exclusions);
    let more = match files.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let end = if more.is_empty() { "" } else { ", …" };
    let way = match &exclusions[..] {
        [] => "remove the rule of `files` that names them".to_owned(),
        some => format!("leave them out with `exclude = [{}{end}]` in their rule of `files`", some.join(", ")),
    };
    (!names.is_empty()).then(|| format!("{what}: {}{more}; {way}", names.join(", ")))
}

impl PackagedFile {
    /// Returns the path for messages, relative to the package.
    fn shown(&self) -> String {
        self.path.strip_prefix(&self.folder).unwrap_or(&self.path).display().to_string()
    }
}

/// Returns the files that git ignores, except those of rules that are about nothing else: `dist` may be ignored, and is meant.
fn ignored<'a>(folder: &Path, files: &[&'a PackagedFile], environment: &Environment) -> Vec<&'a PackagedFile> {
    let manifest = folder.join("Cargo.toml");
    let paths = files.iter().flat_map(|file| [file.path.as_path(), file.source.as_path()]).chain([manifest.as_path()]);
    let Some(ignored) = IgnoredPaths::find(folder, paths, environment) else { return Vec::new() };
    let is_ignored = |path: &Path| ignored.contains(path);
    // Then nothing of the package is a part of the repository.
    if is_ignored(&manifest) {
        return Vec::new();
    }
    let is_kept = |file: &PackagedFile| {
        // Such a file only keeps a folder of build output in the repository.
        let is_mark = file.path.file_name().is_some_and(|name| name == ".gitkeep" || name == ".gitignore");
        !is_mark && !is_ignored(&file.path)
    };
    let mixed: BTreeSet<_> = files.iter().filter(|file| is_kept(file)).map(|file| &file.source).collect();
    let files = files.iter().copied().filter(|file| is_ignored(&file.path));
    files.filter(|file| mixed.contains(&file.source) && !is_ignored(&file.source)).collect()
}

/// The paths that git ignores. Git refuses paths in other repositories, such as submodules: it is asked within each.
struct IgnoredPaths<'a> {
    folder: &'a Path,
    found: HashSet<String>,
}

impl<'a> IgnoredPaths<'a> {
    /// Asks git about paths in the folder of a package and below it. Returns `None` if the folder is in no work tree.
    fn find(
        folder: &'a Path,
        paths: impl Iterator<Item = &'a Path>,
        environment: &Environment,
    ) -> Option<IgnoredPaths<'a>> {
        let mut of_repositories: BTreeMap<&Path, BTreeSet<String>> = BTreeMap::new();
        let mut left: Vec<&Path> = paths.collect();
        while let Some(path) = left.pop() {
            let repository = repository(folder, path);
            let Some(text) = path.to_str() else { continue };
            if of_repositories.entry(repository).or_default().insert(text.to_owned()) && repository != folder {
                // The one around it may ignore all of it.
                left.push(repository);
            }
        }
        let mut found = git::ignored(folder, environment, &of_repositories.remove(folder)?)?;
        for (repository, paths) in of_repositories {
            found.extend(git::ignored(repository, environment, &paths).into_iter().flatten());
        }
        Some(IgnoredPaths { folder, found })
    }

    fn contains(&self, path: &Path) -> bool {
        let repository = repository(self.folder, path);
        path.to_str().is_some_and(|path| self.found.contains(path))
            || repository != self.folder && self.contains(repository)
    }
}

/// Returns the root of the repository that a path is in, if that begins below the folder of the package; else the folder.
fn repository<'a>(folder: &'a Path, path: &'a Path) -> &'a Path {
    let above = path.ancestors().skip(1).take_while(|above| *above != folder && above.starts_with(folder));
    above.into_iter().find(|above| above.join(".git").exists()).unwrap_or(folder)
}

/// Returns whether a file holds a private key or passwords, by its name or its content.
fn is_secret(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    let is_environment = name.starts_with(".env.") && !TEMPLATES.contains(&extension.as_str());
    is_environment
        || SECRETS.contains(&name)
        || KEY_STORES.contains(&extension.as_str())
        || has_key(path, CERTIFICATES.contains(&extension.as_str())).unwrap_or_default()
}

/// Returns whether a file is PEM with a private key; `anywhere`, if it may have other text in front of that.
fn has_key(path: &Path, anywhere: bool) -> std::io::Result<bool> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let mut file = regular_file::open(path)?;
    if file.metadata()?.len() > MOST_KEY {
        return Ok(false);
    }
    let mut content = Vec::new();
    file.by_ref().take(BEGIN.len() as u64).read_to_end(&mut content)?;
    if content != BEGIN && !anywhere {
        return Ok(false);
    }
    file.take(MOST_KEY).read_to_end(&mut content)?;
    let mut lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    Ok(lines.any(|line| {
        line.strip_prefix(BEGIN)
            .is_some_and(|kind| kind.ends_with(b"PRIVATE KEY-----") || kind.ends_with(b"PRIVATE KEY BLOCK-----"))
    }))
}
