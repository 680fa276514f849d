//! Checks that a base has the loader, the libraries and the versions that dynamic programs need. Bases are read only for
//! dynamic programs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;

use miette::{Context, IntoDiagnostic, Report, miette};

use crate::base::BaseImage;
use crate::compile::Binary;
use crate::compile::versions::{self, SymbolVersion, defined};
use crate::context::base::Bases;
use crate::error::Result;
use crate::filesystem::contents::{merge, read};
use crate::filesystem::{NodeId, NodeKind, ROOT, Tree};
use crate::image::Layer;
use crate::plan::ImagePlan;
use crate::platform::Platform;
use crate::reference::BaseReference;
use crate::store::Source;
use crate::store::layer::layers_of;

/// The files of bases, each read once.
pub(crate) struct DynamicLinkCheck<'a> {
    bases: &'a Bases<'a>,
    read: Vec<(BaseReference, Platform, Files)>,
}

/// The files of a base.
struct Files {
    layers: Vec<Layer>,
    tree: Tree,
    /// The names of all files, in any folder: the folders that a loader searches are configured in the image.
    names: HashSet<Vec<u8>>,
    /// The symbol versions of the libraries that were looked up; `None` for a library without versions.
    versions: HashMap<String, Option<BTreeSet<String>>>,
}

/// The prefixes of the names of loaders.
const LOADERS: [&[u8]; 4] = [b"ld-linux", b"ld64.so", b"ld-musl-", b"ld.so"];
/// The maximum size of a library that is read: libraries with versions have a few megabytes.
const MOST_LIBRARY: u64 = 64 << 20;

impl<'a> DynamicLinkCheck<'a> {
    /// Creates a check that has read no base yet.
    pub(crate) fn new(bases: &'a Bases<'a>) -> DynamicLinkCheck<'a> {
        DynamicLinkCheck { bases, read: Vec::new() }
    }

    /// Checks, before minutes of compiling, that a base can start dynamic programs at all.
    ///
    /// # Errors
    /// Returns an error if the base has no loader, or cannot be read.
    pub(crate) fn has_loader(&mut self, image: &ImagePlan, base: &BaseImage) -> Result<()> {
        let files = self.files(image, base)?;
        if files.names.iter().any(|name| LOADERS.iter().any(|start| name.starts_with(start))) {
            Ok(())
        } else {
            Err(refused(
                base,
                &format!(
                    "programs for {} are dynamic, and the base {} has no loader for them",
                    base.target.triple, image.base
                ),
            ))
        }
    }

    /// Checks that the base has all that a program needs. A static program needs nothing.
    ///
    /// # Errors
    /// Returns an error if the base lacks something, or cannot be read.
    pub(crate) fn can_start(&mut self, program: &Binary, image: &ImagePlan, base: &BaseImage) -> Result<()> {
        if program.needs.is_empty() {
            return Ok(());
        }
        let files = self.files(image, base)?;
        let interpreter = program.needs.interpreter.iter().find(|path| {
            let node = files.tree.find(path);
            !node.is_some_and(|node| matches!(files.tree.node(node).kind, NodeKind::File { .. }))
        });
        let interpreter = interpreter.map(|path| format!("the interpreter {path}"));
        let libraries = program.needs.libraries.iter().filter(|name| !files.names.contains(name.as_bytes()));
        let missing: Vec<_> = interpreter.into_iter().chain(libraries.cloned()).collect();
        if !missing.is_empty() {
            let missing = missing.join(" and ");
            return Err(refused(
                base,
                &format!("{}: it needs {missing}, which the base {} does not have", dynamic(program), image.base),
            ));
        }
        self.check_versions(program, image, base)
    }

    /// Checks versions: the loader does not start a program that was linked with newer libraries than the base has.
    fn check_versions(&mut self, program: &Binary, image: &ImagePlan, base: &BaseImage) -> Result<()> {
        let source = self.bases.source(&image.base)?;
        let files = self.files(image, base)?;
        let needed = &program.needs.versions;
        files.read_versions(needed.iter().map(|version| version.library.as_str()), source)?;
        let Some(missing) = needed
            .iter()
            .filter(|version| {
                let has = files.versions.get(&version.library).and_then(Option::as_ref);
                has.is_some_and(|has| !has.contains(&version.name))
            })
            .max_by_key(|version| versions::parse(&version.name))
        else {
            return Ok(());
        };
        let SymbolVersion { library, name } = missing;
        let known =
            files.versions.get(library).into_iter().flatten().flatten().filter_map(|name| versions::parse(name));
        let of_series = known.filter(|(series, _)| versions::parse(name).is_some_and(|(wanted, _)| *series == wanted));
        let highest = of_series.max().map_or_else(String::new, |(series, number)| {
            let number: Vec<_> = number.iter().map(u32::to_string).collect();
            format!(": the highest there is {series}{}", number.join("."))
        });
        Err(miette!(
            help = format!(
                "choose a newer base with `--base`, compile on a system that is as old as the base, or make a static \
                 program with `--platform {}`",
                base.target.platform()
            ),
            "{}: it needs {library} with {name}, which the base {} does not have{highest}",
            dynamic(program),
            image.base
        ))
    }

    fn files(&mut self, image: &ImagePlan, base: &BaseImage) -> Result<&mut Files> {
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
                Files { layers, tree, names, versions: HashMap::new() },
            ));
            self.read.len() - 1
        };
        Ok(&mut self.read[known].2)
    }
}

impl Files {
    /// Reads the versions of these libraries, unless they were read before.
    fn read_versions<'a>(&mut self, libraries: impl Iterator<Item = &'a str>, source: &dyn Source) -> Result<()> {
        let libraries: HashSet<_> = libraries.filter(|library| !self.versions.contains_key(*library)).collect();
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
        let Files { layers, tree, versions, .. } = self;
        read(
            source,
            layers,
            tree,
            |node| wanted.contains_key(&node),
            |node, content| {
                let Some(libraries) = wanted.get(&node) else { return Ok(()) };
                let mut library = Vec::new();
                content.take(MOST_LIBRARY).read_to_end(&mut library).into_diagnostic()?;
                let found = defined(&library);
                for library in libraries {
                    // A base may have a library of that name for each of several machines.
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

fn dynamic(program: &Binary) -> String {
    format!("{} for {} is dynamic", program.name, program.unit.target.platform())
}

fn refused(base: &BaseImage, message: &str) -> Report {
    if base.target.is_static() {
        return miette!(
            help = "choose a base with musl with `--base`, such as docker.io/library/alpine; or make a static program: \
                    remove `-C target-feature=-crt-static` from your rustflags",
            "{message}"
        );
    }
    miette!(
        help = format!(
            "choose a base with glibc with `--base`, such as gcr.io/distroless/cc-debian13; or make a static program with \
             `--platform {}`",
            base.target.platform()
        ),
        "{message}"
    )
}
