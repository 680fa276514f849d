//! What the programs and files of an image may rely on in its base: users, libraries, the program that starts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use miette::{IntoDiagnostic, miette};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::origin::{BuiltImagePart, REBUILD};
use crate::base::BaseImage;
use crate::base::os_release::OsRelease;
use crate::compile::versions::defined;
use crate::error::Result;
use crate::filesystem::contents::{merge, read};
use crate::filesystem::{NodeId, NodeKind, ROOT, Tree, UserDatabase};
use crate::image::Layer;
use crate::image::passwd::is_number;
use crate::platform::Platform;
use crate::store::cache::records::RecordKind;
use crate::store::layer::layers_of;
use crate::store::{Cache, Source};

/// The largest library that is read.
const MOST_LIBRARY: u64 = 64 << 20;

/// What images may rely on in a base for one platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct BaseContents {
    /// The users, each with its number.
    users: BTreeMap<String, u32>,
    /// The groups, each with its number.
    groups: BTreeMap<String, u32>,
    /// The names of shared libraries.
    libraries: BTreeSet<String>,
    /// The versions of symbols that libraries define, as `LIBRARY VERSION`.
    versions: BTreeSet<String>,
    /// The paths of files that can be executed.
    programs: BTreeSet<String>,
    /// The os-release.
    release: Option<OsRelease>,
}

impl BaseContents {
    /// Reads what a base has. Its layers are read once: what was found is kept in the cache. `fetch` brings them.
    ///
    /// # Errors
    /// Returns an error if they cannot be read.
    pub(crate) fn read(
        base: &BaseImage,
        source: &dyn Source,
        cache: &Cache,
        fetch: impl FnOnce() -> Result<()>,
    ) -> Result<BaseContents> {
        let layers = layers_of(&base.config, &base.layers)?;
        let digests: Vec<_> = layers.iter().map(|layer| layer.descriptor.digest().as_ref()).collect();
        let key = json!({ "layers": digests, "query": "what images rely on" }).to_string();
        if let Some(known) = cache.get::<BaseContents>(RecordKind::Base, &key) {
            return Ok(known);
        }
        fetch()?;
        let found = BaseContents::find(source, &layers)?;
        cache.put(RecordKind::Base, &key, &found);
        Ok(found)
    }

    fn find(source: &dyn Source, layers: &[Layer]) -> Result<BaseContents> {
        let tree = merge(source, layers)?;
        let database = UserDatabase::read(source, layers, &tree)?;
        let mut found = BaseContents {
            users: numbers(database.passwd()),
            groups: numbers(database.group()),
            release: OsRelease::find(source, layers)?,
            ..BaseContents::default()
        };
        let mut libraries: BTreeMap<NodeId, LibraryNames> = BTreeMap::new();
        each_file(&tree, ROOT, &mut String::new(), &mut |name, path, node| {
            if is_library(name) {
                let library = libraries.entry(tree.find(path).unwrap_or(node)).or_default();
                let is_link = matches!(tree.node(node).kind, NodeKind::Symlink(_));
                if is_link { &mut library.links } else { &mut library.files }.push(name.to_owned());
            } else if is_program(&tree, path) {
                found.programs.insert(path.to_owned());
            }
        });
        found.libraries = libraries.values().flat_map(LibraryNames::needed).cloned().collect();
        let is_read = |node: NodeId| libraries.contains_key(&node);
        read(source, layers, &tree, is_read, |node, content| {
            let mut library = Vec::new();
            content.take(MOST_LIBRARY).read_to_end(&mut library).into_diagnostic()?;
            let versions = defined(&library).unwrap_or_default();
            for name in libraries.get(&node).into_iter().flat_map(LibraryNames::needed) {
                found.versions.extend(versions.iter().map(|version| format!("{name} {version}")));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns the family of the distribution.
    pub(crate) fn family(&self) -> Option<&str> {
        self.release.as_ref().map(|release| release.id.as_str()).filter(|id| !id.is_empty())
    }
}

/// The names of a library.
#[derive(Default)]
struct LibraryNames {
    links: Vec<String>,
    files: Vec<String>,
}

impl LibraryNames {
    /// Returns the names that programs know: a link to a file has the name of the interface, and the file that of the version.
    fn needed(&self) -> &[String] {
        if self.links.is_empty() { &self.files } else { &self.links }
    }
}

/// Returns the numbers of the names in /etc/passwd or /etc/group.
fn numbers(database: &[u8]) -> BTreeMap<String, u32> {
    let text = String::from_utf8_lossy(database);
    let entries = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        Some((name.to_owned(), number.trim().parse().ok()?))
    });
    entries.collect()
}

fn is_library(name: &str) -> bool {
    name.strip_suffix(".so").is_some() || name.contains(".so.")
}

fn is_program(tree: &Tree, path: &str) -> bool {
    let node = tree.find(path).map(|node| tree.node(node));
    node.is_some_and(|node| matches!(node.kind, NodeKind::File { .. }) && node.attributes.mode & 0o111 != 0)
}

/// Calls `found` with the name, the path and the node of each file below `folder`, which is at `path`. A tree is not deep enough
/// to fill the stack.
fn each_file(tree: &Tree, folder: NodeId, path: &mut String, found: &mut impl FnMut(&str, &str, NodeId)) {
    for (name, node) in tree.children(folder) {
        let above = path.len();
        let name = String::from_utf8_lossy(name);
        path.push('/');
        path.push_str(&name);
        match &tree.node(node).kind {
            NodeKind::Directory(_) => each_file(tree, node, path, found),
            _ => found(&name, path, node),
        }
        path.truncate(above);
    }
}

/// Whether what an image brings fits another base.
pub(crate) struct FitCheck<'a> {
    /// The image.
    pub image: &'a BuiltImagePart,
    /// Whether its programs are linked with the libraries of the base.
    pub is_dynamic: bool,
    /// The base that it was built on.
    pub old: &'a BaseContents,
    /// The base that it comes on.
    pub new: &'a BaseContents,
    /// The name of the new base, for errors.
    pub base: &'a str,
    /// Where our layers are.
    pub source: &'a dyn Source,
}

/// Returns whether an image relies on files of its base at all.
pub(crate) fn relies_on_base(image: &BuiltImagePart, is_dynamic: bool) -> bool {
    let user = run_text(image, "User");
    let program = starts(image);
    is_dynamic
        || image.assets().is_some()
        || user.is_some_and(|user| !user.split(':').all(is_number))
        || program.is_some_and(|program| !is_own(image, &program))
}

fn run_text(image: &BuiltImagePart, key: &str) -> Option<String> {
    let run = image.config.get("config")?;
    run[key].as_str().map(str::to_owned)
}

/// Returns the program that the image starts, by its path.
fn starts(image: &BuiltImagePart) -> Option<String> {
    let run = image.config.get("config")?;
    run["Entrypoint"][0].as_str().filter(|program| program.starts_with('/')).map(str::to_owned)
}

/// Returns whether a program is in the folder of our own: PATH ends with it.
fn is_own(image: &BuiltImagePart, program: &str) -> bool {
    let lines = image.config.get("config").map(|run| run["Env"].clone()).unwrap_or_default();
    let lines = lines.as_array().cloned().unwrap_or_default();
    let mut paths = lines.iter().filter_map(Value::as_str).filter_map(|line| line.strip_prefix("PATH="));
    let folder = program.rsplit_once('/').map(|(folder, _)| folder);
    paths.next().and_then(|path| path.rsplit(':').next()) == folder
}

impl FitCheck<'_> {
    /// Checks that the new base has what the image relies on in the old one.
    ///
    /// # Errors
    /// Returns an error that names what is missing.
    pub(crate) fn run(&self) -> Result<()> {
        self.check_libraries()?;
        self.check_program()?;
        self.check_user()?;
        self.check_owners()
    }

    fn platform(&self) -> &Platform {
        &self.image.platform
    }

    fn check_libraries(&self) -> Result<()> {
        if !self.is_dynamic {
            return Ok(());
        }
        let missing = self.old.libraries.difference(&self.new.libraries).cloned();
        let older = self.old.versions.difference(&self.new.versions).cloned();
        let missing: Vec<_> = missing.chain(older).collect();
        match &missing[..] {
            [] => Ok(()),
            [first, rest @ ..] => Err(miette!(
                help =
                    format!("{REBUILD}: cargo oci links its programs for the libraries there, and says what they lack"),
                "the programs for {} are linked with the libraries of their base, and {} lacks {first}{}",
                self.platform(),
                self.base,
                if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) }
            )),
        }
    }

    fn check_program(&self) -> Result<()> {
        match starts(self.image).filter(|program| self.old.programs.contains(program)) {
            Some(program) if !self.new.programs.contains(&program) => Err(miette!(
                help = format!("{REBUILD}, with an entrypoint that is there"),
                "the image for {} starts {program} of its base, which {} does not have",
                self.platform(),
                self.base
            )),
            _ => Ok(()),
        }
    }

    fn check_user(&self) -> Result<()> {
        let user = run_text(self.image, "User").unwrap_or_default();
        let (user, group) = user.split_once(':').unwrap_or((&user, ""));
        let lacks = |name: &str, old: &BTreeMap<String, u32>, new: &BTreeMap<String, u32>| {
            !is_number(name) && old.contains_key(name) && !new.contains_key(name)
        };
        let missing =
            [(user, "user", &self.old.users, &self.new.users), (group, "group", &self.old.groups, &self.new.groups)];
        match missing.into_iter().find(|(name, _, old, new)| lacks(name, old, new)) {
            Some((name, what, ..)) => Err(miette!(
                help = format!("{REBUILD}, with a {what} that is there, or a number"),
                "the image for {} runs as the {what} {name}, which {} does not have",
                self.platform(),
                self.base
            )),
            None => Ok(()),
        }
    }

    /// Checks the owners of our files whose names the new base numbers differently. Only then are our files read.
    fn check_owners(&self) -> Result<()> {
        let Some((layer, history)) = self.image.assets() else { return Ok(()) };
        let moved = |old: &BTreeMap<String, u32>, new: &BTreeMap<String, u32>| {
            let moved = old.iter().filter(|(name, number)| **number != 0 && new.get(*name) != Some(number));
            moved.map(|(name, number)| (*number, name.clone())).collect::<BTreeMap<_, _>>()
        };
        let (users, groups) = (moved(&self.old.users, &self.new.users), moved(&self.old.groups, &self.new.groups));
        if users.is_empty() && groups.is_empty() {
            return Ok(());
        }
        let layer = Layer { descriptor: layer.clone(), diff_id: history.diff_id.clone() };
        let tree = merge(self.source, &[layer])?;
        let owned = tree.entries().find_map(|entry| {
            let (uid, gid) = tree.node(entry.node).attributes.owner;
            users.get(&uid).or_else(|| groups.get(&gid)).cloned()
        });
        match owned {
            Some(name) => Err(miette!(
                help = REBUILD,
                "files of the image for {} belong to {name} of its base, who has another number in {}, or none",
                self.platform(),
                self.base
            )),
            None => Ok(()),
        }
    }
}
