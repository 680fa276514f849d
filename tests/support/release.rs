//! The files of a release: `.ci/release` packs them of the programs that `.ci/test-releases` has compiled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::environment;
use super::process::{output, output_within};

/// The target of the program for x86-64.
pub const AMD64: &str = "x86_64-unknown-linux-musl";
/// The target of the program for 64-bit Arm.
pub const ARM64: &str = "aarch64-unknown-linux-musl";
/// The target of the program for Windows.
pub const WINDOWS: &str = "x86_64-pc-windows-gnu";
/// The targets of the programs that this machine compiles.
pub const TARGETS: [&str; 3] = [AMD64, ARM64, WINDOWS];

/// How long packing may take: the programs are large, as they are compiled without optimization.
pub const PACKING: Duration = Duration::from_secs(300);

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The profile that the programs were compiled with.
pub fn profile() -> String {
    std::env::var("CARGO_OCI_TEST_RELEASE_PROFILE").expect("a profile: `.ci/test-releases` sets it")
}

/// A folder with archives, wheels and checksums.
pub struct Release {
    folder: PathBuf,
}

impl Release {
    /// The files, packed once for all tests.
    pub fn get() -> &'static Release {
        static RELEASE: OnceLock<Release> = OnceLock::new();
        RELEASE.get_or_init(|| {
            let release = Release { folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join("release") };
            let _ = fs::remove_dir_all(&release.folder);
            release.pack();
            release
        })
    }

    /// Packs the programs of all targets into a folder.
    pub fn packed(folder: &Path) -> Release {
        let release = Release { folder: folder.to_owned() };
        release.pack();
        release
    }

    fn pack(&self) {
        output_within(PACKING, self.command("pack").args(TARGETS).env("SOURCE_DATE_EPOCH", "1700000000"));
        output(&mut self.command("sums"));
    }

    /// `.ci/release PART`, with this folder.
    pub fn command(&self, part: &str) -> Command {
        let mut command = environment::command(root().join(".ci/release"));
        command.arg(part).env("RELEASE_FILES", &self.folder).env("RELEASE_PROFILE", profile());
        command
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the archive for a target.
    pub fn archive(&self, target: &str) -> PathBuf {
        let suffix = if target == WINDOWS { "zip" } else { "tar.gz" };
        self.folder.join(format!("{}.{suffix}", folder_name(target)))
    }

    /// Unpacks the archive for a target into `folder`, and returns the folder that it makes there.
    pub fn unpack(&self, target: &str, folder: &Path) -> PathBuf {
        // bsdtar knows both kinds of archives, and is the tar of Windows.
        let mut unpacking = environment::command("bsdtar");
        output(unpacking.arg("-xf").arg(self.archive(target)).arg("-C").arg(folder));
        folder.join(folder_name(target))
    }

    /// Unpacks the archive for a target into `folder`, and returns the program in it.
    pub fn program(&self, target: &str, folder: &Path) -> PathBuf {
        self.unpack(target, folder).join(if target == WINDOWS { "cargo-oci.exe" } else { "cargo-oci" })
    }
}

/// The name of the folder in an archive.
pub fn folder_name(target: &str) -> String {
    format!("cargo-oci-{}-{target}", env!("CARGO_PKG_VERSION"))
}

/// The names of all that is in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().into_string();
    let mut names: Vec<_> = entries.map(|entry| name(entry).expect("a name in UTF-8")).collect();
    names.sort();
    names
}
