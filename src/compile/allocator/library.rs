//! The library of each target, in cargo's target folder.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use miette::{Context, IntoDiagnostic, Report, miette};

use super::recipe::{self, Recipe};
use super::source::sources;
use crate::compile::linker::Linkers;
use crate::compile::target::Toolchain;
use crate::compile::tools::{library_file, program_of};
use crate::config::Allocator;
use crate::error::{Result, cannot_read, on_path};
use crate::event::{Event, Listener};
use crate::interrupt::blocking;
use crate::parallel::{FEW, each};
use crate::plan::CompilePlan;
use crate::plan::allocator::AllocatorCrate;
use crate::platform::Target;
use crate::store::atomic;

/// Flags of this machine, which `configure` would read.
const OF_THIS_MACHINE: [&str; 7] =
    ["CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "LIBS", "MAKEFLAGS", "CARGO_MAKEFLAGS"];
/// How many lines of a failed program are shown: the first error is among them.
const MOST_LINES: usize = 12;

/// The libraries of an allocator.
pub(super) struct Libraries<'a> {
    pub allocator: Allocator,
    pub source: &'static AllocatorCrate,
    pub plan: &'a CompilePlan,
    pub toolchain: &'a Toolchain,
    pub linkers: &'a Linkers,
    /// Where they are, in a folder for each target.
    pub folder: &'a Path,
}

impl Libraries<'_> {
    /// Makes those that are not there.
    ///
    /// # Errors
    /// Returns an error if the sources cannot be had, or cannot be compiled for a target.
    pub(super) fn make(&self, targets: &[Target], listener: Listener) -> Result<()> {
        fs::create_dir_all(self.folder).map_err(|error| on_path("create", self.folder, error))?;
        // Another run may be making the same.
        let lock = File::create(self.folder.join("lock"));
        let _held = lock.and_then(|lock| blocking::lock(&lock).map(|()| lock)).into_diagnostic()?;
        let stamps = each(targets, FEW, |target| self.stamp(*target))?;
        let stale: Vec<_> =
            targets.iter().zip(stamps).filter(|(target, stamp)| !self.is_made(**target, stamp)).collect();
        if stale.is_empty() {
            return Ok(());
        }
        let sources = sources(self.allocator, self.source, self.plan, &self.folder.join("source"))?;
        each(&stale, FEW, |(target, stamp)| {
            let target = **target;
            let version = self.source.version.split('+').next().unwrap_or_default();
            let from = format!("{} {version}", self.source.name);
            listener(Event::CompilingAllocator { name: self.allocator.name(), from, triple: target.triple });
            self.make_one(target, &sources, stamp).map_err(|error| self.failed(target, &error))
        })?;
        Ok(())
    }

    fn of_target(&self, target: Target) -> PathBuf {
        self.folder.join(target.triple)
    }

    /// Returns what a library depends on.
    fn stamp(&self, target: Target) -> Result<String> {
        let version =
            self.run(self.tool("CC", "cc", target).arg("--version")).map_err(|error| self.failed(target, &error))?;
        let version = version.lines().next().unwrap_or_default();
        Ok(format!("{}\n{} {}\n{version}\n", recipe::VERSION, self.source.name, self.source.version))
    }

    fn is_made(&self, target: Target, stamp: &str) -> bool {
        let folder = self.of_target(target);
        let is_same = fs::read_to_string(folder.join("stamp")).is_ok_and(|before| before == stamp);
        is_same && folder.join(library_file(self.allocator.name())).is_file()
    }

    fn make_one(&self, target: Target, sources: &Path, stamp: &str) -> Result<()> {
        let work = tempfile::tempdir_in(self.folder).into_diagnostic()?;
        let recipe = Recipe { libraries: self, target, sources, work: work.path() };
        let made = match self.allocator {
            Allocator::Mimalloc => recipe.mimalloc()?,
            Allocator::Jemalloc => recipe.jemalloc()?,
            Allocator::System => return Ok(()),
        };
        let folder = self.of_target(target);
        let path = folder.join(library_file(self.allocator.name()));
        fs::create_dir_all(&folder).map_err(|error| on_path("create", &folder, error))?;
        let content = fs::read(&made).map_err(|error| cannot_read(&made, error))?;
        // Programs are linked again if it is newer than they are.
        if fs::read(&path).ok().as_ref() != Some(&content) {
            atomic::replace(&path, |file| file.write_all(&content)).map_err(|error| on_path("write", &path, error))?;
        }
        fs::write(folder.join("stamp"), stamp).map_err(|error| on_path("write", &folder, error))
    }

    /// Returns the command of a program for a target, as build scripts get it from `CC_…` and `AR_…`.
    pub(super) fn tool(&self, variable: &str, otherwise: &str, target: Target) -> Command {
        let of_config = self.toolchain.config.compiler_variables();
        let of_user = |key: &str| {
            let set = || of_config.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
            self.plan.environment.get(key).map(OsStr::to_owned).or_else(set)
        };
        let of_target = [
            format!("{variable}_{}", target.triple),
            format!("{variable}_{}", target.env_key()),
            format!("TARGET_{variable}"),
        ];
        let chosen = of_target.iter().find_map(|key| of_user(key));
        let chosen = chosen.or_else(|| self.linkers.variable(&of_target[1]).map(OsStr::to_owned));
        let chosen = chosen.or_else(|| of_user(variable)).unwrap_or_else(|| OsString::from(otherwise));
        let mut command = program_of(&chosen);
        self.prepare(&mut command);
        command
    }

    /// Gives a program the variables that build scripts get.
    pub(super) fn prepare(&self, command: &mut Command) {
        self.plan.environment.without_credentials(command);
        command.envs(self.toolchain.config.compiler_variables());
        command.envs(self.linkers.variables.iter().map(|(key, value)| (key, value)));
        for variable in OF_THIS_MACHINE.iter().chain(&self.linkers.removed) {
            command.env_remove(variable);
        }
        command.env("CARGO_PKG_NAME", self.source.name).env("CARGO_PKG_VERSION", self.source.version);
        command.env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::piped());
    }

    /// Runs a program, and returns its output.
    ///
    /// # Errors
    /// Returns an error with its last lines if it cannot be started or fails.
    pub(super) fn run(&self, command: &mut Command) -> Result<String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = blocking::output(command).into_diagnostic().wrap_err_with(|| format!("cannot run {program}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let first =
            lines.iter().position(|line| line.contains("error")).unwrap_or(lines.len().saturating_sub(MOST_LINES));
        let shown: Vec<_> = lines.iter().skip(first).take(MOST_LINES).copied().collect();
        Err(miette!("{program} failed:\n{}", shown.join("\n")))
    }

    fn failed(&self, target: Target, error: &Report) -> Report {
        let Libraries { allocator, .. } = self;
        let missing = self.linkers.run_folder().missing();
        let has_no_compiler =
            missing.iter().any(|missing| missing.triple == target.triple && missing.library.is_none());
        let why = if has_no_compiler { "there is no C compiler for it".to_owned() } else { chain(error) };
        let help = if has_no_compiler {
            format!(
                "`pip install ziglang` brings one for every target; or set CC_{} to a compiler of yours that builds for it; \
                 `--allocator system` needs none",
                target.env_key()
            )
        } else {
            match error.help() {
                Some(help) => help.to_string(),
                None => "choose another one with `--allocator`: system is that of the C library".to_owned(),
            }
        };
        miette!(help = help, "cannot build the allocator {allocator} for {}: {why}", target.triple)
    }
}

/// Returns an error and its causes, in one line each.
fn chain(error: &Report) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
