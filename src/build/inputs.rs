//! What programs are made of and made with: crates, bytes, toolchain. What was found before is remembered.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cargo_metadata::PackageId;
use miette::{IntoDiagnostic, miette};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attest::Tool;
use crate::attest::sbom::Lock;
use crate::attest::sbom::crates::{Answers, Crate};
use crate::compile::{Toolchain, release};
use crate::environment::Environment;
use crate::error::{Result, on_path};
use crate::image::Digest;
use crate::image::digest::{HashWriter, sha256};
use crate::parallel::{FEW, each};
use crate::plan::{ImagePlan, Plan};
use crate::platform::Target;
use crate::store::Cache;
use crate::store::cache::records::RecordKind;
use crate::store::fingerprint::Fingerprint;

/// Numbers what [`Crate`]s have been: those that another release remembered may lack what this one wants.
const CRATES: &str = "crates 1";

/// Who finds it out.
pub struct Materials<'a> {
    plan: &'a Plan,
    cache: &'a Cache,
    /// What everything was compiled with; nothing where all was compiled elsewhere.
    pub tools: Vec<Tool>,
    /// The text of Cargo.lock.
    lock: String,
    /// The crates of a package that a run of cargo builds for a target.
    crates: HashMap<(PackageId, usize, Target), Vec<Crate>>,
}

impl<'a> Materials<'a> {
    /// Those of all images that hold in their programs what they are made of, or to which it is to be attached (`attach`).
    /// They are built for `targets`.
    ///
    /// # Errors
    /// When cargo does not answer, or a program of the toolchain.
    pub fn of(
        plan: &'a Plan,
        cache: &'a Arc<Cache>,
        toolchain: Option<&Toolchain>,
        (targets, attach): (&[Vec<Target>], bool),
    ) -> Result<Materials<'a>> {
        let lock = fs::read_to_string(&plan.compile.lock).unwrap_or_default();
        let mut materials = Materials { plan, cache, tools: Vec::new(), lock, crates: HashMap::new() };
        let mut wanted = Vec::new();
        for (image, targets) in
            plan.images.iter().zip(targets).filter(|(image, _)| (attach && !image.sbom.is_empty()) || image.auditable)
        {
            for target in targets {
                let key = (image.package.clone(), image.run, *target);
                if wanted.iter().all(|(known, _, _)| *known != key) {
                    // Dependencies may be of a `cfg` that flags for the compiler set.
                    let flags =
                        toolchain.and_then(|toolchain| toolchain.config.rustflags(target.triple).ok().flatten());
                    wanted.push((key, image, flags.map(|flags| flags.flags)));
                }
            }
        }
        if wanted.is_empty() && !(attach && plan.images.iter().any(|image| image.provenance)) {
            return Ok(materials);
        }
        if let Some(toolchain) = toolchain {
            materials.tools = materials.tools(toolchain, &plan.compile.environment)?;
        }
        let resolve = |((_, _, target), image, flags): &(_, &ImagePlan, _)| materials.resolve(image, *target, flags);
        let found = each(&wanted, FEW, resolve)?;
        materials.crates = wanted.into_iter().map(|(key, _, _)| key).zip(found).collect();
        Ok(materials)
    }

    /// The digest of Cargo.lock, where there is one.
    pub fn lock(&self) -> Option<Digest> {
        (!self.lock.is_empty()).then(|| sha256(self.lock.as_bytes()))
    }

    /// The crates that the programs of an image are built from for a target, their own package first.
    pub fn crates(&self, image: &ImagePlan, target: Target) -> &[Crate] {
        let found = self.crates.get(&(image.package.clone(), image.run, target));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    fn resolve(&self, image: &ImagePlan, target: Target, flags: &Option<Vec<String>>) -> Result<Vec<Crate>> {
        let resolve = &self.plan.compile.runs[image.run].resolve;
        let tools: Vec<_> = self.tools.iter().map(|tool| tool.text.as_str()).collect();
        let about = format!(
            "{CRATES}: {} for {}\n{} {}\n{:?}\n{:?}\n{flags:?}\n{tools:?}",
            image.package,
            target.triple,
            resolve.known,
            sha256(self.lock.as_bytes()),
            resolve.packages,
            resolve.args,
        );
        if let Some(found) = self.cache.get(RecordKind::Crates, &about) {
            return Ok(found);
        }
        let resolved = resolve.ask(&self.plan.compile.environment, target)?;
        let root = resolved.metadata.packages.iter().find(|package| package.id == image.package);
        let root = root.ok_or_else(|| miette!("cargo does not know the package {} any more", image.spec))?;
        let lock = Lock::read(&self.lock);
        let answers = Answers { tree: &resolved.tree, metadata: &resolved.metadata, lock: &lock };
        let crates = answers.crates(root).into_diagnostic()?;
        self.cache.put(RecordKind::Crates, &about, &crates);
        Ok(crates)
    }

    fn tools(&self, toolchain: &Toolchain, environment: &Environment) -> Result<Vec<Tool>> {
        let (rustc, cargo) = (toolchain.compiler(), release::cargo(environment, toolchain));
        let asked = [(rustc.as_deref(), toolchain.compiler_name()), (cargo.as_deref(), environment.cargo())];
        let ask = |(file, name): &(Option<&Path>, &std::ffi::OsStr)| match file {
            Some(file) => self.while_same(file, "release", || release::ask(name)),
            None => release::ask(name),
        };
        let releases = each(&asked, asked.len(), ask)?;
        let tool = |found: release::Release| Tool { name: found.program, version: found.version, text: found.text };
        Ok(releases.into_iter().map(tool).collect())
    }

    /// The SHA-256 of a program.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn digest(&self, program: &Path) -> Result<Digest> {
        self.while_same(program, "digest", || {
            let mut hashed = HashWriter::new(io::sink());
            let read = File::open(program).and_then(|mut file| io::copy(&mut file, &mut hashed));
            read.map_err(|error| on_path("read", program, error))?;
            Ok(hashed.finish().0)
        })
    }

    /// What was found of a file, remembered until that changes.
    fn while_same<T>(&self, file: &Path, what: &str, find: impl FnOnce() -> Result<T>) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        let now = SystemTime::now();
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let about = format!("{what} of {}", file.display());
        let stamp = fs::metadata(&file).ok().as_ref().and_then(Fingerprint::of);
        let stamp = stamp.filter(|stamp| stamp.is_settled_at(now));
        if let Some(stamp) = &stamp
            && let Some((_, known)) =
                self.cache.get(RecordKind::File, &about).filter(|(known, _): &(Fingerprint, T)| known == stamp)
        {
            return Ok(known);
        }
        let found = find()?;
        if let Some(stamp) = stamp {
            self.cache.put(RecordKind::File, &about, (stamp, &found));
        }
        Ok(found)
    }
}
