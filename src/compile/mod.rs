//! Runs of cargo, mostly one for all packages and targets, and its messages → [`Binary`].

pub mod elf;
pub mod linker;
pub mod release;
pub mod remap;
pub mod resolve;
pub mod section;
pub mod target;
pub mod versions;

use std::collections::HashSet;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cargo_metadata::{Artifact, BuildScript, Message, PackageId, TargetKind};
use miette::{Context, IntoDiagnostic, miette};

use crate::error::{CargoFailed, NoCCompiler, Result};
use crate::event::{Event, Listener};
use crate::interrupt;
use crate::plan::{CargoRun, CompilePlan};
use crate::platform::Target;

use elf::Needs;
use linker::Linkers;
pub use target::Toolchain;

/// A program that cargo built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// The package it is of.
    pub package: PackageId,
    /// Its name.
    pub name: String,
    /// What it was built for.
    pub target: Target,
    /// The run of cargo that built it, or would have.
    pub run: usize,
    /// Where it is.
    pub path: PathBuf,
    /// What it has loaded when it starts.
    pub needs: Needs,
}

/// The folder that a package's build script wrote to, cargo's `OUT_DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutDir {
    /// The package it is of.
    pub package: PackageId,
    /// What the script ran for.
    pub target: Target,
    /// The run of cargo that it was part of.
    pub run: usize,
    /// The folder.
    pub path: PathBuf,
}

/// What was compiled.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The programs.
    pub binaries: Vec<Binary>,
    /// Where build scripts wrote to for the targets.
    pub out_dirs: Vec<OutDir>,
}

/// What one run of cargo said of build scripts.
#[derive(Default)]
struct Scripts {
    /// Packages whose build scripts were compiled, and each time one ran to its end.
    compiled: HashSet<PackageId>,
    ran: Vec<BuildScript>,
}

/// Who is told of a program as soon as it is there, and is what its target promises.
pub type Arrived<'a> = &'a dyn Fn(&Binary);

/// Compiles for all `targets` of a run at once, so that build scripts and procedural macros are built once. Cargo's own
/// words go to the user as cargo writes them. A run without targets is none.
///
/// # Errors
/// [`CargoFailed`] when cargo failed and has said why; [`NoCCompiler`]; a target or linker that cannot be had; a binary
/// that is not what the target promises.
pub fn run(
    plan: &CompilePlan,
    toolchain: &Toolchain,
    targets: &[Vec<Target>],
    arrived: Arrived,
    listener: Listener,
) -> Result<Compiled> {
    let mut all: Vec<Target> = targets.concat();
    all.sort();
    all.dedup();
    toolchain.ensure(&all, plan, listener)?;
    let mut compiled = Compiled::default();
    for (number, (run, targets)) in plan.runs.iter().zip(targets).enumerate() {
        if !targets.is_empty() {
            let made = run_once(plan, (number, run), toolchain, targets, arrived, listener)?;
            compiled.binaries.extend(made.binaries);
            compiled.out_dirs.extend(made.out_dirs);
        }
    }
    Ok(compiled)
}

fn run_once(
    plan: &CompilePlan,
    (number, run): (usize, &CargoRun),
    toolchain: &Toolchain,
    targets: &[Target],
    arrived: Arrived,
    listener: Listener,
) -> Result<Compiled> {
    let linkers = linker::choose(run, &plan.environment, toolchain, targets, listener)?;
    let mut command = Command::new(plan.environment.cargo());
    plan.environment.without_credentials(&mut command);
    command.args(&run.args).envs(linkers.variables.iter().map(|(key, value)| (key, value)));
    for target in targets {
        command.args(["--target", target.triple]);
    }
    let told = remap::told(&plan.remaps, (&toolchain.sysroot, &toolchain.config), targets)?;
    command.args(told.args).envs(told.variable);
    let mut binaries = Vec::new();
    let scripts = listen(command, plan, run, targets, &linkers, listener, |artifact| {
        let found = binary(artifact, targets, number).and_then(|found| match found {
            Some(mut binary) => {
                binary.needs = binary.check(binary.target.is_static())?;
                Ok(Some(binary))
            }
            None => Ok(None),
        });
        found.iter().flatten().for_each(arrived);
        binaries.push(found);
    })?;
    let binaries = binaries.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
    Ok(Compiled { binaries, out_dirs: out_dirs(&scripts.ran, targets, number) })
}

impl Binary {
    /// Whether it is what its target promises, read from the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, is_static: bool) -> Result<Needs> {
        let checked = match is_static {
            true => elf::check_static(&self.path, self.target).map(|()| Needs::default()),
            false => elf::check(&self.path, self.target),
        };
        checked.wrap_err_with(|| format!("{} for {} cannot go into an image", self.name, self.target.platform()))
    }
}

fn listen(
    mut command: Command,
    plan: &CompilePlan,
    wanted: &CargoRun,
    targets: &[Target],
    linkers: &Linkers,
    listener: Listener,
    mut made: impl FnMut(&Artifact),
) -> Result<Scripts> {
    let mut cargo = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot run {}", plan.environment.cargo().display()))?;
    let _relay = interrupt::relay(cargo.id());
    listener(Event::CargoBegun);
    let mut scripts = Scripts::default();
    if let Some(stdout) = cargo.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stdout)) {
            // Cargo is gone or going when it cannot be read any more: its status says why.
            let Ok(message) = message else { break };
            match message {
                Message::TextLine(line) => listener(Event::CargoSaid { line }),
                Message::CompilerArtifact(artifact) if artifact.target.kind.contains(&TargetKind::CustomBuild) => {
                    scripts.compiled.insert(artifact.package_id);
                }
                Message::CompilerArtifact(artifact) => made(&artifact),
                Message::BuildScriptExecuted(script) => scripts.ran.push(script),
                _ => {}
            }
        }
    }
    let status = cargo.wait();
    listener(Event::CargoEnded);
    let status = status.into_diagnostic()?;
    if status.success() {
        return Ok(scripts);
    }
    let status = status.code().unwrap_or(1);
    Err(match no_c_compiler(wanted, targets, linkers, &scripts, status) {
        Some(error) => error.into(),
        None => CargoFailed { status }.into(),
    })
}

/// Whether cargo stopped at the build script of a package that compiles C, for a target without a C compiler: the
/// script was compiled, but has not run to its end for every target.
fn no_c_compiler(
    wanted: &CargoRun,
    targets: &[Target],
    linkers: &Linkers,
    scripts: &Scripts,
    status: i32,
) -> Option<NoCCompiler> {
    let without = linkers.without_c_compiler.iter().map(|target| target.triple).collect::<Vec<_>>();
    let unfinished = |id: &PackageId| {
        scripts.compiled.contains(id) && scripts.ran.iter().filter(|ran| ran.package_id == *id).count() < targets.len()
    };
    let package = wanted.c_packages.iter().find(|package| unfinished(&package.id))?;
    (!without.is_empty()).then(|| NoCCompiler { package: package.name.clone(), targets: without, status })
}

/// Which program an artifact is, if it is one: cargo's message says package and name; the target is the part of the path
/// it chose for it.
fn binary(artifact: &Artifact, targets: &[Target], run: usize) -> Result<Option<Binary>> {
    let Some(path) = artifact.executable.as_ref().filter(|_| artifact.target.kind.contains(&TargetKind::Bin)) else {
        return Ok(None);
    };
    // From the end: a folder above the project may be called anything.
    let target = path.iter().rev().find_map(|part| targets.iter().find(|target| part == target.triple));
    Ok(Some(Binary {
        package: artifact.package_id.clone(),
        name: artifact.target.name.clone(),
        target: *target.ok_or_else(|| miette!("cargo built {path}, which is for no target that was asked for"))?,
        run,
        path: path.clone().into_std_path_buf(),
        needs: Needs::default(),
    }))
}

/// Which build script ran for which target: its folder is below one that is named as the target. Scripts that ran for
/// this computer, because others need the package to build, have none.
fn out_dirs(scripts: &[BuildScript], targets: &[Target], run: usize) -> Vec<OutDir> {
    let out_dir = |script: &BuildScript| {
        let parts: Vec<_> = script.out_dir.iter().collect();
        // TARGET/PROFILE/build/… is cargo's, whatever folders above are called.
        let mut places = parts.windows(3).rev().filter(|place| place[2] == "build");
        let target = places.find_map(|place| targets.iter().find(|target| place[0] == target.triple))?;
        let path = script.out_dir.clone().into_std_path_buf();
        Some(OutDir { package: script.package_id.clone(), target: *target, run, path })
    };
    scripts.iter().filter_map(out_dir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn the_folder_of_a_build_script_is_that_of_the_target_it_ran_for() {
        let script = |out_dir: &str| -> BuildScript {
            let message = serde_json::json!({
                "package_id": "x", "linked_libs": [], "linked_paths": [], "cfgs": [], "env": [], "out_dir": out_dir,
            });
            serde_json::from_value(message).expect("a message")
        };
        let targets = |out_dir: &str| -> Vec<_> {
            let found = out_dirs(&[script(out_dir)], &TARGETS, 0);
            found.into_iter().map(|found| found.target.triple).collect()
        };
        let own = "/x86_64-unknown-linux-musl/target/aarch64-unknown-linux-musl/release/build/x-1/out";
        assert_eq!(targets(own), ["aarch64-unknown-linux-musl"]);
        assert_eq!(targets("/x86_64-unknown-linux-musl/target/release/build/x-1/out"), [""; 0]);
    }
}
