//! The library of each target, in cargo's target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, Report, miette};

use super::programs::{self, Programs};
use super::recipe::{self, LibraryRecipe};
use super::source::sources;
use crate::compile::tools::library_file;
use crate::config::Allocator;
use crate::error::{Result, cannot_read, on_path};
use crate::event::{Event, Listener};
use crate::interrupt::blocking;
use crate::parallel::{FEW, each};
use crate::platform::Target;
use crate::store::atomic;

/// The libraries of an allocator.
pub(super) struct Libraries<'a> {
    pub programs: Programs<'a>,
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
        let sources =
            sources(self.programs.allocator, self.programs.source, self.programs.plan, &self.folder.join("source"))?;
        each(&stale, FEW, |(target, stamp)| {
            let target = **target;
            let version = self.programs.source.version.split('+').next().unwrap_or_default();
            let from = format!("{} {version}", self.programs.source.name);
            listener(Event::CompilingAllocator { name: self.programs.allocator.name(), from, triple: target.triple });
            self.make_one(target, &sources, stamp).map_err(|error| self.failed(target, &error))
        })?;
        Ok(())
    }

    fn of_target(&self, target: Target) -> PathBuf {
        self.folder.join(target.triple)
    }

    /// Returns what a library depends on.
    fn stamp(&self, target: Target) -> Result<String> {
        let version = programs::run(self.programs.tool("CC", "cc", target).arg("--version"))
            .map_err(|error| self.failed(target, &error))?;
        let version = version.lines().next().unwrap_or_default();
        Ok(format!("{}\n{} {}\n{version}\n", recipe::VERSION, self.programs.source.name, self.programs.source.version))
    }

    fn is_made(&self, target: Target, stamp: &str) -> bool {
        let folder = self.of_target(target);
        let is_same = fs::read_to_string(folder.join("stamp")).is_ok_and(|before| before == stamp);
        is_same && folder.join(library_file(self.programs.allocator.name())).is_file()
    }

    fn make_one(&self, target: Target, sources: &Path, stamp: &str) -> Result<()> {
        let work = tempfile::tempdir_in(self.folder).into_diagnostic()?;
        let recipe = LibraryRecipe { programs: &self.programs, target, sources, work: work.path() };
        let made = match self.programs.allocator {
            Allocator::Mimalloc => recipe.mimalloc()?,
            Allocator::Jemalloc => recipe.jemalloc()?,
            Allocator::System => return Ok(()),
        };
        let folder = self.of_target(target);
        let path = folder.join(library_file(self.programs.allocator.name()));
        fs::create_dir_all(&folder).map_err(|error| on_path("create", &folder, error))?;
        let content = fs::read(&made).map_err(|error| cannot_read(&made, error))?;
        // Programs are linked again if it is newer than they are.
        if fs::read(&path).ok().as_ref() != Some(&content) {
            atomic::replace(&path, |file| file.write_all(&content)).map_err(|error| on_path("write", &path, error))?;
        }
        fs::write(folder.join("stamp"), stamp).map_err(|error| on_path("write", &folder, error))
    }

    fn failed(&self, target: Target, error: &Report) -> Report {
        let allocator = self.programs.allocator;
        let missing = self.programs.linkers.run_folder().missing();
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
