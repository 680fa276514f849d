//! The files of bases, as far as dynamic programs need them: loaders, libraries and their versions. A base is read at most once
//! in a run, and what was found is in the cache for the next.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;

use miette::{Context, IntoDiagnostic};
use serde::{Deserialize, Serialize};

use crate::base::BaseImage;
use crate::compile::elf::{self, Needs};
use crate::compile::versions::{GlibcVersion, defined};
use crate::context::base::Bases;
use crate::error::Result;
use crate::filesystem::contents::{merge, read};
use crate::filesystem::{NodeId, NodeKind, ROOT, Tree};
use crate::image::Layer;
use crate::plan::ImagePlan;
use crate::platform::{ElfKind, Platform};
use crate::reference::BaseReference;
use crate::store::cache::records::RecordKind;
use crate::store::layer::layers_of;
use crate::store::{Cache, Source};

/// The files of the bases of a run.
pub(super) struct BasesFiles<'a> {
    bases: &'a Bases<'a>,
    cache: Arc<Cache>,
    read: Vec<(BaseReference, Platform, BaseFiles)>,
}

/// The files of a base.
pub(super) struct BaseFiles {
    layers: Vec<Layer>,
    machine: ElfKind,
    pub(super) tree: Tree,
    /// The names of all files, in any folder: the folders that a loader searches are configured in the image.
    pub(super) names: HashSet<Vec<u8>>,
    /// The symbol versions of the libraries that were looked up; `None` for a library without versions.
    pub(super) versions: HashMap<String, Option<BTreeSet<String>>>,
}

/// What loaders and what glibc a base has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BaseLibc {
    pub(super) has_musl: bool,
    pub(super) has_glibc: bool,
    /// The version of glibc, if it can be read.
    pub(super) glibc: Option<GlibcVersion>,
}

/// How the names of musl's loaders begin.
const OF_MUSL: &[u8] = b"ld-musl-";
/// How the names of glibc's loaders begin.
const OF_GLIBC: [&[u8]; 3] = [b"ld-linux", b"ld64.so", b"ld.so"];
/// The library that has the versions of glibc.
pub(super) const GLIBC: &str = "libc.so.6";
/// The maximum size of a library that is read: libraries with versions have a few megabytes.
const MOST_LIBRARY: u64 = 64 << 20;

impl<'a> BasesFiles<'a> {
    pub(super) fn new(bases: &'a Bases<'a>, cache: Arc<Cache>) -> BasesFiles<'a> {
        BasesFiles { bases, cache, read: Vec::new() }
    }

    /// Returns the C library of a base. The base is read only if the cache does not know it.
    ///
    /// # Errors
    /// Returns an error if the base cannot be read.
    pub(super) fn libc(&mut self, image: &ImagePlan, base: &BaseImage) -> Result<BaseLibc> {
        let record = record("libc", base);
        if let Some(known) = self.cache.get(RecordKind::Libc, &record) {
            return Ok(known);
        }
        let files = self.with_versions(image, base, &[GLIBC])?;
        let has = |start: &[u8]| files.names.iter().any(|name| name.starts_with(start));
        let versions = files.versions.get(GLIBC).and_then(Option::as_ref);
        let found = BaseLibc {
            has_musl: has(OF_MUSL),
            has_glibc: OF_GLIBC.into_iter().any(has),
            glibc: versions.and_then(GlibcVersion::of),
        };
        self.cache.put(RecordKind::Libc, &record, found);
        Ok(found)
    }

    /// Returns whether the cache knows that a base has all that a program needs.
    pub(super) fn is_known_to_start(&self, needs: &Needs, base: &BaseImage) -> bool {
        self.cache.get(RecordKind::Libc, &record_of_needs(needs, base)).unwrap_or_default()
    }

    /// Keeps for later runs that a base has all that a program needs.
    pub(super) fn keep_that_it_starts(&self, needs: &Needs, base: &BaseImage) {
        self.cache.put(RecordKind::Libc, &record_of_needs(needs, base), true);
    }

    /// Returns the files of a base, with the versions of these libraries.
    ///
    /// # Errors
    /// Returns an error if the base cannot be read.
    pub(super) fn with_versions(
        &mut self,
        image: &ImagePlan,
        base: &BaseImage,
        libraries: &[&str],
    ) -> Result<&BaseFiles> {
        let source = self.bases.source(&image.base)?;
        let files = self.files(image, base)?;
        files.read_versions(libraries, source)?;
        Ok(files)
    }

    fn files(&mut self, image: &ImagePlan, base: &BaseImage) -> Result<&mut BaseFiles> {
        let known = self.read.iter().position(|(from, platform, _)| (from, platform) == (&image.base, &base.platform));
        let known = if let Some(known) = known {
            known
        } else {
            let layers = layers_of(&base.config, &base.layers)?;
            let tree = merge(self.bases.source(&image.base)?, &layers);
            let tree = tree.wrap_err_with(|| format!("cannot look into the base {}", image.base))?;
            let names = names(&tree);
            self.read.push((
                image.base.clone(),
                base.platform.clone(),
                BaseFiles { layers, machine: base.target.elf(), tree, names, versions: HashMap::new() },
            ));
            self.read.len() - 1
        };
        Ok(&mut self.read[known].2)
    }
}

/// Returns the key of a record about the layers of a base.
fn record(about: &str, base: &BaseImage) -> String {
    let layers: Vec<_> = base.layers.iter().map(|layer| layer.digest().as_ref()).collect();
    format!("{about} 1 in {}", layers.join(" "))
}

fn record_of_needs(needs: &Needs, base: &BaseImage) -> String {
    record(&format!("all of {needs:?}"), base)
}

impl BaseFiles {
    /// Reads the versions of these libraries, unless they were read before.
    fn read_versions(&mut self, libraries: &[&str], source: &dyn Source) -> Result<()> {
        let unread = libraries.iter().copied().filter(|library| !self.versions.contains_key(*library));
        let libraries: HashSet<_> = unread.collect();
        let mut wanted: HashMap<NodeId, Vec<&str>> = HashMap::new();
        each_file(&self.tree, ROOT, &mut String::new(), &mut |name, path| {
            let library = std::str::from_utf8(name).ok().and_then(|name| libraries.get(name));
            if let Some((library, node)) = library.zip(self.tree.find(path)) {
                wanted.entry(node).or_default().push(library);
            }
        });
        if wanted.is_empty() {
            return Ok(());
        }
        let BaseFiles { layers, machine, tree, versions, .. } = self;
        read(
            source,
            layers,
            tree,
            |node| wanted.contains_key(&node),
            |node, content| {
                let Some(libraries) = wanted.get(&node) else { return Ok(()) };
                let mut library = Vec::new();
                content.take(MOST_LIBRARY).read_to_end(&mut library).into_diagnostic()?;
                // A base may have a library of that name for each of several machines.
                if elf::kind(&library).is_some_and(|kind| kind != *machine) {
                    return Ok(());
                }
                let found = defined(&library);
                for library in libraries {
                    let known = versions.entry((*library).to_owned()).or_insert_with(|| Some(BTreeSet::new()));
                    *known = known.take().zip(found.clone()).map(|(known, found)| &known | &found);
                }
                Ok(())
            },
        )
    }
}

fn names(tree: &Tree) -> HashSet<Vec<u8>> {
    let mut names = HashSet::new();
    each_file(tree, ROOT, &mut String::new(), &mut |name, _| {
        names.insert(name.to_owned());
    });
    names
}

/// Calls `found` with the name and the path of each file below `folder`, which is at `path`. A tree is not deep enough to
/// fill the stack.
fn each_file(tree: &Tree, folder: NodeId, path: &mut String, found: &mut impl FnMut(&[u8], &str)) {
    for (name, node) in tree.children(folder) {
        let above = path.len();
        path.push('/');
        path.push_str(&String::from_utf8_lossy(name));
        match &tree.node(node).kind {
            NodeKind::Directory(_) => each_file(tree, node, path, found),
            _ => found(name, path),
        }
        path.truncate(above);
    }
}
