//! Runs cargo, mostly once for all packages and targets: its messages → [`Binary`].

mod allocator;
pub mod c_libraries;
pub(crate) mod cargo_config;
pub(crate) mod choices;
pub(crate) mod elf;
mod host_flags;
pub(crate) mod linker;
pub(crate) mod release;
pub(crate) mod resolve;
mod rustflags;
pub(crate) mod section;
pub(crate) mod target;
pub mod tools;
mod user_config;
pub(crate) mod versions;

use std::collections::HashSet;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Artifact, BuildScript, Message, PackageId, TargetKind};
use miette::{Context, IntoDiagnostic};

use crate::error::{CargoFailed, NoCCompiler, NoLibrary, OwnAllocator, Result, on_path};
use crate::event::{Event, Listener};
use crate::interrupt;
use crate::plan::{CargoRun, CompilePlan, Unit};
use crate::platform::Target;
use crate::store::fingerprint::Fingerprint;
use crate::unique::each_once;

use c_libraries::way_out;
use cargo_config::CargoConfig;
use elf::Needs;
use linker::Linkers;
use rustflags::TargetNeeds;
pub(crate) use target::Toolchain;
use tools::{AllocatorOwner, MissingTool};
pub(crate) use versions::GlibcOfTargets;

/// A program that cargo built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// What built it, or would have.
    pub unit: Unit,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
    /// The interpreter and the libraries that it loads when it starts.
    pub needs: Needs,
}

/// The directory that a package's build script wrote to, cargo's `OUT_DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutDir {
    /// The unit that the script was run for.
    pub unit: Unit,
    /// The directory.
    pub path: PathBuf,
}

/// The result of all runs of cargo.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The programs.
    pub binaries: Vec<Binary>,
    /// The output directories of build scripts for the targets.
    pub out_dirs: Vec<OutDir>,
}

/// Called with a program as soon as it is built and has been checked.
pub type OnBinary<'a> = &'a dyn Fn(&Binary);

/// One run of cargo, for all of its targets.
struct CargoJob<'a> {
    plan: &'a CompilePlan,
    /// The index of the run in the plan.
    number: usize,
    run: &'a CargoRun,
    targets: &'a [Target],
    config: &'a CargoConfig,
    linkers: Linkers,
    listener: Listener<'a>,
}

/// The messages of one run of cargo.
#[derive(Default)]
struct Messages {
    /// The programs, in the order in which they were built.
    binaries: Vec<Result<Binary>>,
    /// Packages whose build scripts were compiled.
    compiled_scripts: HashSet<PackageId>,
    /// The build scripts that ran to their end.
    executed_scripts: Vec<BuildScript>,
}

/// Compiles for all `targets` of each run at once, so that build scripts and procedural macros are built once. Runs without
/// targets are skipped. Programs for glibc are linked for the version in `glibc`. Cargo prints its own messages.
///
/// # Errors
/// Returns [`CargoFailed`] or [`NoCCompiler`] if cargo failed, or an error if a target or linker is missing, or a program
/// does not match its target.
pub fn run(
    plan: &CompilePlan,
    toolchain: &Toolchain,
    targets: &[Vec<Target>],
    glibc: &[GlibcOfTargets],
    on_binary: OnBinary,
    listener: Listener,
) -> Result<Compiled> {
    let mut all: Vec<Target> = targets.concat();
    all.sort();
    all.dedup();
    toolchain.ensure(&all, plan, listener)?;
    let mut compiled = Compiled::default();
    for (number, ((run, targets), glibc)) in plan.runs.iter().zip(targets).zip(glibc).enumerate() {
        if !targets.is_empty() {
            let mut linkers = linker::choose(run, &plan.environment, toolchain, targets, glibc, listener)?;
            allocator::set(&mut linkers, run, plan, toolchain, targets, listener)?;
            let built = CargoJob { plan, number, run, targets, config: &toolchain.config, linkers, listener }
                .run(toolchain, on_binary)?;
            compiled.binaries.extend(built.binaries);
            compiled.out_dirs.extend(built.out_dirs);
        }
    }
    Ok(compiled)
}

impl CargoJob<'_> {
    fn run(&self, toolchain: &Toolchain, on_binary: OnBinary) -> Result<Compiled> {
        let mut command = self.plan.environment.command(self.plan.environment.cargo());
        command.args(&self.run.args).envs(self.linkers.variables.iter().map(|(key, value)| (key, value)));
        for variable in &self.linkers.removed {
            command.env_remove(variable);
        }
        for target in self.targets {
            command.args(["--target", target.triple]);
        }
        let needs = |target| TargetNeeds {
            libc: toolchain.libc(target),
            has_own_linker: toolchain.has_own_linker(target).unwrap_or(true),
            glibc: self.linkers.glibc.get(&target).copied(),
        };
        let flags = rustflags::add(&self.plan.remaps, &toolchain.sysroot, self.config, self.targets, needs)?;
        command.args(flags.args).envs(flags.variable);
        let messages = self.execute(command, on_binary)?;
        let out_dirs = out_dirs(&messages.executed_scripts, self.targets, self.number);
        Ok(Compiled { binaries: messages.binaries.into_iter().collect::<Result<_>>()?, out_dirs })
    }

    /// Runs cargo to its end, and reads its messages.
    fn execute(&self, mut command: Command, on_binary: OnBinary) -> Result<Messages> {
        let mut cargo = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot run {}", self.plan.environment.cargo().display()))?;
        let _relay = interrupt::relay(cargo.id());
        (self.listener)(Event::CargoBegun);
        let mut messages = Messages::default();
        if let Some(stdout) = cargo.stdout.take() {
            for message in Message::parse_stream(BufReader::new(stdout)) {
                // If cargo's output ends early, its exit status says why.
                let Ok(message) = message else { break };
                self.read(message, &mut messages, on_binary);
            }
        }
        let status = cargo.wait();
        (self.listener)(Event::CargoEnded);
        self.report_unused_flags();
        let status = status.into_diagnostic()?;
        if status.success() {
            return Ok(messages);
        }
        let status = status.code().unwrap_or(1);
        if let Some(AllocatorOwner { package, crate_name }) = self.linkers.run_folder().allocator_owner() {
            let allocator = self.run.allocator.name();
            return Err(OwnAllocator { package, crate_name, allocator, status }.into());
        }
        let missing = self.missing(&messages);
        if let Some(error) = self.no_c_compiler(&messages, &missing, status) {
            return Err(error.into());
        }
        Err(no_library(&missing, status).map_or_else(|| CargoFailed { status }.into(), Into::into))
    }

    fn read(&self, message: Message, messages: &mut Messages, on_binary: OnBinary) {
        match message {
            Message::TextLine(line) => (self.listener)(Event::CargoSaid { line }),
            Message::CompilerArtifact(artifact) if artifact.target.kind.contains(&TargetKind::CustomBuild) => {
                messages.compiled_scripts.insert(artifact.package_id);
            }
            Message::CompilerArtifact(artifact) => {
                if let Some(binary) = self.checked_binary(&artifact).transpose() {
                    binary.iter().for_each(on_binary);
                    messages.binaries.push(binary);
                }
            }
            Message::BuildScriptExecuted(script) => messages.executed_scripts.push(script),
            _ => {}
        }
    }

    fn checked_binary(&self, artifact: &Artifact) -> Result<Option<Binary>> {
        let Some(mut binary) = binary(artifact, self.targets, self.number) else { return Ok(None) };
        binary.needs = binary.check(self.config.links_statically(binary.unit.target))?;
        elf::check_libc(&binary.path, binary.unit.target, &binary.needs)?;
        if self.is_overwritten() {
            binary.path = self.kept(&binary)?;
        }
        Ok(Some(binary))
    }

    /// Returns whether another run builds a package of this one: cargo gives both programs the same path.
    fn is_overwritten(&self) -> bool {
        let others = self.plan.runs.iter().enumerate().filter(|(number, _)| *number != self.number);
        let mut packages = others.flat_map(|(_, run)| &run.resolve.packages);
        packages.any(|package| self.run.resolve.packages.contains(package))
    }

    /// Keeps a program that another run will overwrite, and returns its path.
    fn kept(&self, binary: &Binary) -> Result<PathBuf> {
        let folder =
            self.plan.target_dir.join("oci-runs").join(self.number.to_string()).join(binary.unit.target.triple);
        let path = folder.join(binary.path.file_name().unwrap_or_default());
        let fingerprint = |path: &Path| fs::metadata(path).ok().as_ref().and_then(Fingerprint::of);
        let is_same = fingerprint(&path).is_some_and(|kept| fingerprint(&binary.path) == Some(kept));
        if !is_same {
            let _ = fs::remove_file(&path);
            let link = || fs::hard_link(&binary.path, &path).or_else(|_| fs::copy(&binary.path, &path).map(drop));
            fs::create_dir_all(&folder).and_then(|()| link()).map_err(|error| on_path("write", &path, error))?;
        }
        Ok(path)
    }

    /// Returns what build scripts have missed that did not end well: a script may do without.
    fn missing(&self, messages: &Messages) -> Vec<MissingTool> {
        let ended = |folder: &Path| messages.executed_scripts.iter().any(|script| script.out_dir == folder);
        let mut missing = self.linkers.run_folder().missing();
        missing.retain(|missing| !missing.out_dir.as_deref().is_some_and(ended));
        missing
    }

    /// Returns an error if cargo stopped at a build script that found no C compiler, or no headers, for a target.
    fn no_c_compiler(&self, messages: &Messages, missing: &[MissingTool], status: i32) -> Option<NoCCompiler> {
        if let Some(first) = missing.iter().find(|missing| missing.library.is_none()) {
            let package = first.package.clone();
            let targets = missing.iter().filter(|missing| missing.package == package && missing.library.is_none());
            let targets = each_once(targets.map(|missing| missing.triple.clone()));
            return Some(NoCCompiler { package, targets, status });
        }
        let targets: Vec<_> = self.linkers.without_headers.iter().map(|target| target.triple.to_owned()).collect();
        let package = self.run.bindgen_packages.iter().find(|package| {
            let executed = messages.executed_scripts.iter().filter(|script| script.package_id == package.id);
            messages.compiled_scripts.contains(&package.id) && executed.count() < self.targets.len()
        });
        let package = package.filter(|_| !targets.is_empty())?.name.clone();
        Some(NoCCompiler { package, targets, status })
    }

    /// Warns of flags for this machine's compiler if C code was compiled without them.
    fn report_unused_flags(&self) {
        if self.linkers.removed.is_empty() {
            return;
        }
        let folder = self.linkers.run_folder();
        let used = self.targets.iter().filter(|target| folder.is_used(target.triple));
        for message in used.filter_map(|target| host_flags::unused(&self.plan.environment, *target)) {
            (self.listener)(Event::Warning { message });
        }
    }
}

/// Returns an error if cargo stopped at a build script that found no library for a target.
fn no_library(missing: &[MissingTool], status: i32) -> Option<NoLibrary> {
    let first = missing.first()?;
    let (package, library) = (first.package.clone(), first.library.clone()?);
    let targets = missing.iter().filter(|missing| missing.package == package);
    let targets = each_once(targets.map(|missing| missing.triple.clone()));
    let help = way_out(&package, &library, &first.triple);
    Some(NoLibrary { package, library, targets, help, status })
}

impl Binary {
    /// Checks that the program matches its target, and returns what it loads when it starts.
    ///
    /// # Errors
    /// Returns an error if it does not, or is not static where `is_static` requires it.
    pub fn check(&self, is_static: bool) -> Result<Needs> {
        let target = self.unit.target;
        let needs = if is_static {
            elf::check_static(&self.path, target).map(|()| Needs::default())
        } else {
            elf::check(&self.path, target)
        };
        needs.wrap_err_with(|| format!("{} for {} cannot go into an image", self.name, target.platform()))
    }
}

/// Returns the program of an artifact, or `None` if it is none that was asked for: those that are built for a dependent
/// package (`artifact = "bin"`) are not written to TARGET/PROFILE. Cargo's message has package and name, but no target.
fn binary(artifact: &Artifact, targets: &[Target], run: usize) -> Option<Binary> {
    let path = artifact.executable.as_ref().filter(|_| artifact.target.kind.contains(&TargetKind::Bin))?;
    let folder = path.ancestors().nth(2)?.file_name()?;
    let target = *targets.iter().find(|target| folder == target.triple)?;
    Some(Binary {
        unit: Unit { package: artifact.package_id.clone(), run, target },
        name: artifact.target.name.clone(),
        path: path.clone().into_std_path_buf(),
        needs: Needs::default(),
    })
}

/// Returns the output directories of build scripts that ran for a target: they are below a directory named as the target.
/// Those that ran for the host, for build dependencies, are not.
fn out_dirs(scripts: &[BuildScript], targets: &[Target], run: usize) -> Vec<OutDir> {
    scripts.iter().filter_map(|script| out_dir(script, targets, run)).collect()
}

fn out_dir(script: &BuildScript, targets: &[Target], run: usize) -> Option<OutDir> {
    let parts: Vec<_> = script.out_dir.iter().collect();
    // Cargo writes to TARGET/PROFILE/build/…; directories above may have any name.
    let mut candidates = parts.windows(3).rev().filter(|parts| parts[2] == "build");
    let target = candidates.find_map(|parts| targets.iter().find(|target| parts[0] == target.triple))?;
    let unit = Unit { package: script.package_id.clone(), run, target: *target };
    Some(OutDir { unit, path: script.out_dir.clone().into_std_path_buf() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn binaries_for_other_packages_are_none() {
        let target = |executable: &str| {
            let artifact = serde_json::json!({
                "package_id": "x", "manifest_path": "/x/Cargo.toml", "features": [], "filenames": [executable],
                "executable": executable, "fresh": false,
                "target": { "name": "x", "kind": ["bin"], "crate_types": ["bin"], "src_path": "/x/src/main.rs" },
                "profile": { "opt_level": "3", "debug_assertions": false, "overflow_checks": false, "test": false },
            });
            let artifact = serde_json::from_value(artifact).expect("a message");
            binary(&artifact, &TARGETS, 0).map(|binary| binary.unit.target.triple)
        };
        let own = "/x86_64-unknown-linux-musl/target/aarch64-unknown-linux-musl/release/x";
        assert_eq!(target(own), Some("aarch64-unknown-linux-musl"));
        assert_eq!(target("/target/release/deps/artifact/x-1/bin/x-1"), None);
        assert_eq!(target("/target/x86_64-unknown-linux-musl/release/deps/artifact/x-1/bin/x-1"), None);
        assert_eq!(target("/target/x86_64-unknown-linux-gnu/release/x"), None);
    }

    #[test]
    fn out_dirs_belong_to_the_target_of_the_script() {
        fn targets(out_dir: &str) -> Vec<&'static str> {
            let message = serde_json::json!({
                "package_id": "x", "linked_libs": [], "linked_paths": [], "cfgs": [], "env": [], "out_dir": out_dir,
            });
            let script = serde_json::from_value(message).expect("a message");
            let found = out_dirs(&[script], &TARGETS, 0);
            found.into_iter().map(|found| found.unit.target.triple).collect()
        }
        let own = "/x86_64-unknown-linux-musl/target/aarch64-unknown-linux-musl/release/build/x-1/out";
        assert_eq!(targets(own), ["aarch64-unknown-linux-musl"]);
        assert_eq!(targets("/x86_64-unknown-linux-musl/target/release/build/x-1/out"), [""; 0]);
    }
}
