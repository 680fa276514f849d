//! The inputs of binaries: crates, Cargo.lock, toolchain. The cache keeps them until something changes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use miette::{IntoDiagnostic, miette};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attest::sbom::Lock;
use crate::attest::sbom::crates::{self, CargoResolve, Crate};
use crate::compile::resolve::resolve;
use crate::compile::{Toolchain, release};
use crate::config::Allocator;
use crate::environment::Environment;
use crate::error::{Result, cannot_read};
use crate::image::Digest;
use crate::image::digest::{HashWriter, sha256};
use crate::parallel::{FEW, each};
use crate::plan::allocator::AllocatorCrate;
use crate::plan::{ImagePlan, Plan, Unit};
use crate::platform::Target;
use crate::release::Release;
use crate::store::Cache;
use crate::store::cache::records::RecordKind;
use crate::store::fingerprint::Fingerprint;

/// The version of the format of [`Crate`]s in the cache: records of another release may lack fields.
const CRATES: &str = "crates 1";

/// The inputs of binaries.
pub(crate) struct Inputs<'a> {
    plan: &'a Plan,
    cache: &'a Cache,
    /// The releases of rustc and cargo; empty if all binaries are prebuilt.
    pub tools: Vec<Release>,
    /// The toolchain; `None` if all binaries are prebuilt.
    pub toolchain: Option<&'a Toolchain>,
    /// The text of Cargo.lock.
    lock: String,
    /// The crates of a unit.
    crates: HashMap<Unit, Vec<Crate>>,
}

/// A unit whose crates are needed.
struct Wanted<'a> {
    unit: Unit,
    /// Its package, as cargo's arguments name it.
    spec: &'a str,
    /// The flags for rustc.
    flags: Option<Vec<String>>,
}

/// An image and its targets.
pub(crate) struct ImageTargets<'a> {
    /// The image.
    pub plan: &'a ImagePlan,
    /// Its targets.
    pub targets: &'a [Target],
}

impl<'a> Inputs<'a> {
    /// Finds the inputs of all images that have an SBOM attached (`attach`), or the list of crates in their binaries.
    ///
    /// # Errors
    /// Returns an error if cargo or a program of the toolchain fails.
    pub(crate) fn find(
        plan: &'a Plan,
        cache: &'a Arc<Cache>,
        toolchain: Option<&'a Toolchain>,
        images: &[ImageTargets],
        attach: bool,
    ) -> Result<Inputs<'a>> {
        let lock = fs::read_to_string(&plan.compile.lock).unwrap_or_default();
        let mut inputs = Inputs { plan, cache, tools: Vec::new(), toolchain, lock, crates: HashMap::new() };
        let mut wanted = Vec::new();
        for ImageTargets { plan: image, targets } in images {
            for target in *targets {
                if !(plan.is_auditable(image, *target) || attach && !image.sbom.is_empty()) {
                    continue;
                }
                let unit = image.unit(*target);
                if wanted.iter().all(|known: &Wanted| known.unit != unit) {
                    // Flags for the compiler may set a `cfg` that dependencies depend on.
                    let flags = toolchain.and_then(|toolchain| toolchain.config.rustflags(target.triple).ok());
                    wanted.push(Wanted { unit, spec: &image.spec, flags: flags.map(|flags| flags.list) });
                }
            }
        }
        if wanted.is_empty() && !(attach && plan.images.iter().any(|image| image.provenance)) {
            return Ok(inputs);
        }
        if let Some(toolchain) = toolchain {
            inputs.tools = inputs.tools(toolchain, &plan.compile.environment)?;
        }
        let mut found = each(&wanted, FEW, |wanted| inputs.resolve(wanted))?;
        for (wanted, crates) in wanted.iter().zip(&mut found) {
            if let Some(allocator) =
                inputs.allocator_crate(plan.compile.runs[wanted.unit.run].allocator, wanted.unit.target)
            {
                crates::link(crates, Crate::of_allocator(allocator));
            }
        }
        inputs.crates = wanted.into_iter().map(|wanted| wanted.unit).zip(found).collect();
        Ok(inputs)
    }

    /// Returns the crate with the sources of an allocator, or `None` if it is not linked into the binaries for a target: these
    /// may be prebuilt.
    pub(crate) fn allocator_crate(&self, allocator: Allocator, target: Target) -> Option<&'static AllocatorCrate> {
        let is_prebuilt = self.plan.prebuilt.iter().any(|given| given.target.platform() == target.platform());
        AllocatorCrate::of(allocator).filter(|_| !is_prebuilt)
    }

    /// Returns the digest of Cargo.lock, or `None` if there is none.
    pub(crate) fn lock(&self) -> Option<Digest> {
        (!self.lock.is_empty()).then(|| sha256(self.lock.as_bytes()))
    }

    /// Returns the crates that the binaries of an image are built from for a target, their own package first.
    pub(crate) fn crates(&self, image: &ImagePlan, target: Target) -> &[Crate] {
        let found = self.crates.get(&image.unit(target));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    fn resolve(&self, Wanted { unit, spec, flags }: &Wanted) -> Result<Vec<Crate>> {
        let request = &self.plan.compile.runs[unit.run].resolve;
        let tools: Vec<_> = self.tools.iter().map(|tool| tool.text.as_str()).collect();
        let record = format!(
            "{CRATES}: {} for {}\n{} {}\n{:?}\n{:?}\n{flags:?}\n{tools:?}",
            unit.package,
            unit.target.triple,
            request.known,
            sha256(self.lock.as_bytes()),
            request.packages,
            request.args,
        );
        if let Some(found) = self.cache.get(RecordKind::Crates, &record) {
            return Ok(found);
        }
        let resolved = resolve(request, &self.plan.compile.environment, unit.target)?;
        let root = resolved.metadata.packages.iter().find(|package| package.id == unit.package);
        let root = root.ok_or_else(|| miette!("cargo no longer knows the package {spec}"))?;
        let lock = Lock::parse(&self.lock);
        let answers = CargoResolve { tree: &resolved.tree, metadata: &resolved.metadata, lock: &lock };
        let crates = answers.crates(root).into_diagnostic()?;
        self.cache.put(RecordKind::Crates, &record, &crates);
        Ok(crates)
    }

    fn tools(&self, toolchain: &Toolchain, environment: &Environment) -> Result<Vec<Release>> {
        let (rustc, cargo) = (toolchain.compiler(), release::cargo(environment, toolchain));
        let asked = [(rustc.as_deref(), toolchain.compiler_name()), (cargo.as_deref(), environment.cargo())];
        let ask = |(file, name): &(Option<&Path>, &std::ffi::OsStr)| match file {
            Some(file) => self.while_same(file, "release", || release::ask(name, environment)),
            None => release::ask(name, environment),
        };
        each(&asked, asked.len(), ask)
    }

    /// Returns the SHA-256 of a binary.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub(crate) fn digest(&self, program: &Path) -> Result<Digest> {
        self.while_same(program, "digest", || {
            let mut hashed = HashWriter::new(io::sink());
            let read = File::open(program).and_then(|mut file| io::copy(&mut file, &mut hashed));
            read.map_err(|error| cannot_read(program, error))?;
            Ok(hashed.finish().0)
        })
    }

    /// Returns what `find` finds out about a file. The cache keeps it until the file changes.
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
