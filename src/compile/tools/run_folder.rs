//! What the tools of one run of cargo know of each other, in a folder of the run.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::platform::Target;

/// The variable with the folder.
pub(crate) const RUN_FOLDER: &str = "OCI_TOOLS_FOLDER";
/// The variable with the path of LLVM's linker.
pub(crate) const LLD: &str = "OCI_TOOLS_LLD";

/// The folder, which lives as long as the run.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder(PathBuf);

/// Zig, and its wrappers for one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ZigTools {
    /// Its program, which may be Python.
    pub zig: PathBuf,
    pub zig_args: Vec<String>,
    pub cc: PathBuf,
    pub cxx: PathBuf,
}

/// What was found when zig was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ZigSearch {
    Found(ZigTools),
    NoZig,
}

impl ZigSearch {
    pub(super) fn found(self) -> Option<ZigTools> {
        match self {
            ZigSearch::Found(zig) => Some(zig),
            ZigSearch::NoZig => None,
        }
    }
}

/// A package whose build script found no compiler, or no library.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct MissingTool {
    /// Name and version of the package.
    pub package: String,
    /// The target's triple.
    pub triple: String,
    /// What it has asked `pkg-config` for, or `None` for a compiler.
    pub library: Option<String>,
    /// The folder that the build script writes to.
    pub out_dir: Option<PathBuf>,
}

/// A program that has an allocator of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AllocatorOwner {
    /// The package of the program.
    pub package: String,
    /// The crate with the `#[global_allocator]`.
    pub crate_name: String,
}

impl RunFolder {
    /// Returns the folder at `path`.
    pub(crate) fn at(path: &Path) -> RunFolder {
        RunFolder(path.to_owned())
    }

    /// Returns the folder of the run that this process is part of, or `None` if there is none.
    pub(super) fn of(environment: &Environment) -> Option<RunFolder> {
        environment.get(RUN_FOLDER).map(|path| RunFolder(path.into())).filter(|folder| folder.0.is_dir())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Waits for other tools of the run that are looking for zig. Released on drop.
    pub(super) fn lock(&self) -> io::Result<File> {
        let lock = File::create(self.0.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    /// Returns what was found when a tool of this run looked for zig, or `None` if none has.
    pub(super) fn zig(&self, target: &str) -> Option<ZigSearch> {
        serde_json::from_slice(&fs::read(self.zig_path(target)).ok()?).ok()
    }

    /// Keeps what was found for the tools that start after this one.
    pub(super) fn keep_zig(&self, target: &str, zig: &ZigSearch) {
        // Without it they look for zig once more.
        let _ = fs::write(self.zig_path(target), serde_json::json!(zig).to_string());
    }

    fn zig_path(&self, target: &str) -> PathBuf {
        self.0.join(format!("zig-{target}.json"))
    }

    /// Keeps that this target is also this machine's, whose own programs are compiled with the tools of the target.
    pub(crate) fn keep_host(&self, target: Target) {
        // Without it, build scripts are compiled for the base, too.
        let _ = fs::write(self.host_path(target), "");
    }

    /// Returns whether the target is also this machine's.
    pub(super) fn is_host(&self, target: Target) -> bool {
        self.host_path(target).exists()
    }

    fn host_path(&self, target: Target) -> PathBuf {
        self.0.join(format!("host-{}", target.triple))
    }

    /// Keeps that C code was compiled for the target.
    pub(super) fn keep_used(&self, target: Target) {
        let _ = fs::write(self.used_path(target.triple), "");
    }

    /// Returns whether C code was compiled for the target.
    pub(crate) fn is_used(&self, triple: &str) -> bool {
        self.used_path(triple).exists()
    }

    fn used_path(&self, triple: &str) -> PathBuf {
        self.0.join(format!("used-{triple}"))
    }

    /// Keeps that a program has an allocator of its own.
    pub(super) fn keep_owner(&self, owner: &AllocatorOwner) {
        let _ = fs::write(self.owner_path(), serde_json::json!(owner).to_string());
    }

    /// Returns the program that has one.
    pub(crate) fn allocator_owner(&self) -> Option<AllocatorOwner> {
        serde_json::from_slice(&fs::read(self.owner_path()).ok()?).ok()
    }

    fn owner_path(&self) -> PathBuf {
        self.0.join("allocator-owner.json")
    }

    /// Keeps that there was no compiler, or no library.
    pub(super) fn keep_missing(&self, missing: &MissingTool) {
        let name = format!("missing-{}.json", std::process::id());
        let _ = fs::write(self.0.join(name), serde_json::json!(missing).to_string());
    }

    /// Returns what was missing.
    pub(crate) fn missing(&self) -> Vec<MissingTool> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let of_missing = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("missing-"));
        let mut missing: Vec<MissingTool> =
            of_missing.filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()).collect();
        missing.sort();
        missing.dedup();
        missing
    }
}
