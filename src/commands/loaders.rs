//! What dynamic programs need of their base: looked up in its layers, and only where a program is dynamic.

use std::collections::HashSet;

use miette::{Context, Report, miette};

use super::bases::Bases;
use crate::base::BaseImage;
use crate::bundle::contents::merge;
use crate::bundle::tree::{NodeKind, ROOT, Tree};
use crate::compile::Binary;
use crate::error::Result;
use crate::plan::ImagePlan;
use crate::platform::Platform;
use crate::reference::BaseReference;
use crate::store::layer::described;

/// The files of bases, each read once.
pub struct Loaders<'a> {
    bases: &'a Bases<'a>,
    read: Vec<(BaseReference, Platform, Files)>,
}

/// What is in a base.
struct Files {
    tree: Tree,
    /// The names of all files, whatever folder they are in: where a loader looks is written in the image as well.
    names: HashSet<Vec<u8>>,
}

/// What the names of programs that load others begin with.
const LOADERS: [&[u8]; 4] = [b"ld-linux", b"ld64.so", b"ld-musl-", b"ld.so"];

impl<'a> Loaders<'a> {
    /// Of no base yet.
    pub fn new(bases: &'a Bases<'a>) -> Loaders<'a> {
        Loaders { bases, read: Vec::new() }
    }

    /// Refuses a base that starts no dynamic program at all: before minutes of compiling.
    ///
    /// # Errors
    /// See above; of reading the base.
    pub fn expect(&mut self, image: &ImagePlan, base: &BaseImage) -> Result<()> {
        let files = self.files(image, base)?;
        let is_loader = |name: &Vec<u8>| LOADERS.iter().any(|start| name.starts_with(start));
        match files.names.iter().any(is_loader) {
            true => Ok(()),
            false => Err(refused(
                base,
                format!(
                    "programs for {} are dynamic, and the base {} has no loader for them",
                    base.target.triple, image.base
                ),
            )),
        }
    }

    /// Sees to it that the base has all that a program needs; a static one needs nothing.
    ///
    /// # Errors
    /// What is missing; of reading the base.
    pub fn check(&mut self, program: &Binary, image: &ImagePlan, base: &BaseImage) -> Result<()> {
        if program.needs.is_nothing() {
            return Ok(());
        }
        let files = self.files(image, base)?;
        let is_file = |path: &&String| {
            files.tree.find(path).is_some_and(|node| matches!(files.tree.node(node).kind, NodeKind::File { .. }))
        };
        let interpreter = program.needs.interpreter.iter().find(|path| !is_file(path));
        let interpreter = interpreter.map(|path| format!("the interpreter {path}"));
        let libraries = program.needs.libraries.iter().filter(|name| !files.names.contains(name.as_bytes()));
        let missing: Vec<_> = interpreter.into_iter().chain(libraries.cloned()).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(refused(
                base,
                format!(
                    "{} for {} is dynamic: it needs {}, which the base {} does not have",
                    program.name,
                    program.target.platform(),
                    missing.join(" and "),
                    image.base
                ),
            )),
        }
    }

    fn files(&mut self, image: &ImagePlan, base: &BaseImage) -> Result<&Files> {
        let known = self.read.iter().position(|(from, platform, _)| (from, platform) == (&image.base, &base.platform));
        let known = match known {
            Some(known) => known,
            None => {
                let tree = merge(self.bases.source(&image.base)?, &described(&base.config, &base.layers)?);
                let tree = tree.wrap_err_with(|| format!("cannot look into the base {}", image.base))?;
                let names = names(&tree);
                self.read.push((image.base.clone(), base.platform.clone(), Files { tree, names }));
                self.read.len() - 1
            }
        };
        Ok(&self.read[known].2)
    }
}

fn names(tree: &Tree) -> HashSet<Vec<u8>> {
    let mut names = HashSet::new();
    let mut folders = vec![ROOT];
    while let Some(folder) = folders.pop() {
        for (name, node) in tree.children(folder) {
            match &tree.node(node).kind {
                NodeKind::Directory(_) => folders.push(node),
                _ => drop(names.insert(name.to_owned())),
            }
        }
    }
    names
}

fn refused(base: &BaseImage, message: String) -> Report {
    miette!(
        help = format!(
            "choose a base with glibc with `--base`, such as gcr.io/distroless/cc-debian12; or make a static program with \
             `--platform {}`",
            base.target.platform()
        ),
        "{message}"
    )
}
