//! The standard library of each target: is it there, and if not, how to get it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use miette::{Context, IntoDiagnostic, miette};

use crate::environment::Environment;
use crate::error::{Result, or_help};
use crate::event::{Event, Listener};
use crate::plan::CompilePlan;
use crate::platform::Target;

/// The Rust toolchain that cargo will compile with.
#[derive(Debug)]
pub struct Toolchain {
    /// Its folder.
    pub sysroot: PathBuf,
    /// The triple it runs on.
    pub host: String,
    /// Where the libraries of that triple are; those of another are in the same place under the other's name.
    host_libraries: PathBuf,
    /// Cargo's configuration, which says which compiler, and for each target which linker.
    pub config: cargo_config2::Config,
}

impl Toolchain {
    /// Asks the compiler where it looks: its own answer holds for rustup's, linked, Debian's and Nix's toolchains alike.
    ///
    /// # Errors
    /// When cargo's configuration cannot be read, or `rustc` cannot be run.
    pub fn find(environment: &Environment) -> Result<Toolchain> {
        let config = cargo_config2::Config::load().into_diagnostic().wrap_err("cannot read cargo's configuration");
        let config =
            config.map_err(|error| or_help(error, || "mend it: `cargo build` cannot read it either".to_owned()))?;
        let rustc = rustc(environment, config.rustc().path.as_os_str());
        // To start the compiler takes longer than all else that is done before cargo runs.
        if let Some((sysroot, host)) = installed_by_rustup(&rustc) {
            let host_libraries = libraries_of(&sysroot, &host);
            return Ok(Toolchain { sysroot, host, host_libraries, config });
        }
        let answer = Command::new(&rustc)
            .args(["--print", "sysroot", "--print", "target-libdir"])
            .stdin(Stdio::null())
            .output()
            .into_diagnostic()
            .and_then(|output| match output.status.success() {
                true => String::from_utf8(output.stdout).into_diagnostic(),
                false => Err(miette!("{}", String::from_utf8_lossy(&output.stderr).trim())),
            })
            .wrap_err_with(|| format!("cannot ask {} for its libraries", rustc.display()))
            .map_err(|error| or_help(error, || format!("see that `{} -vV` works", rustc.display())))?;
        let mut lines = answer.lines().map(PathBuf::from);
        let (sysroot, host_libraries) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let host = host_libraries.parent().and_then(Path::file_name).unwrap_or_default();
        Ok(Toolchain { host: host.to_string_lossy().into_owned(), sysroot, host_libraries, config })
    }

    /// The folder that `rustc --print target-libdir --target TRIPLE` names.
    fn libraries(&self, target: Target) -> PathBuf {
        let rustlib = self.host_libraries.ancestors().nth(2).unwrap_or(&self.sysroot);
        rustlib.join(target.triple).join("lib")
    }

    /// Whether the toolchain is one that rustup installed (and not one it only links to).
    fn is_rustups(&self) -> bool {
        self.sysroot.join(RUSTUPS).is_file()
    }

    fn missing(&self, targets: &[Target]) -> Vec<&'static str> {
        let missing = targets.iter().filter(|target| !has_std(&self.libraries(**target)));
        missing.map(|target| target.triple).collect()
    }

    /// Sees to it that the standard library of each target is there: through rustup where it is rustup's toolchain.
    ///
    /// # Errors
    /// When one is missing and cannot be installed, with the ways to get it.
    pub fn ensure(&self, targets: &[Target], plan: &CompilePlan, listener: Listener) -> Result<()> {
        let missing = self.missing(targets);
        if missing.is_empty() {
            return Ok(());
        }
        let names = missing.join(", ");
        let by_hand = format!("rustup target add {}", missing.join(" "));
        let rustup = plan.environment.find_program(&["rustup"]).filter(|_| self.is_rustups());
        let Some(rustup) = rustup else {
            let why = match self.is_rustups() {
                true => "and there is no `rustup` on PATH to install it",
                false => "which is not a toolchain that rustup installs to",
            };
            return Err(miette!(
                help = format!(
                    "use a toolchain of rustup's (`{by_hand}`, and `cargo +stable oci …`), install the library with what installed \
                     this toolchain, or choose other platforms with `--platform`"
                ),
                "the Rust standard library for {names} is not installed in {}, {why}",
                self.sysroot.display()
            ));
        };
        if !plan.install {
            return Err(miette!(
                help = format!("`{by_hand}` installs it"),
                "the Rust standard library for {names} is not installed, and installing it was forbidden (--no-install, --offline or --frozen)"
            ));
        }
        // rustup does not install the same thing twice at a time: another run of ours may be at it, and done when it ends.
        let lock = File::create(self.sysroot.join("lib/rustlib/cargo-oci.lock"));
        let _held = lock.and_then(|lock| lock.lock().map(|()| lock));
        let missing = self.missing(targets);
        if missing.is_empty() {
            return Ok(());
        }
        for &triple in &missing {
            listener(Event::InstallingTarget { triple });
        }
        self.install(&rustup, &missing)?;
        match self.missing(targets) {
            missing if missing.is_empty() => Ok(()),
            _ => Err(miette!(
                help = format!("try `{by_hand}` by hand, or choose other platforms with `--platform`"),
                "the Rust standard library for {names} is not installed, and `rustup target add` did not bring it"
            )),
        }
    }

    fn install(&self, rustup: &Path, missing: &[&str]) -> Result<()> {
        let name = self.sysroot.file_name().unwrap_or(OsStr::new("stable"));
        Command::new(rustup)
            .args(["target", "add", "--toolchain"])
            .arg(name)
            .args(missing)
            .stdin(Stdio::null())
            // Our stdout is for results alone.
            .stdout(io::stderr())
            .status()
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot run {}", rustup.display()))?;
        Ok(())
    }
}

/// A file that rustup leaves in the toolchains that it installs.
const RUSTUPS: &str = "lib/rustlib/multirust-channel-manifest.toml";

/// The folder and the triple of a toolchain that rustup installed, where this is its compiler: rustup calls the folder
/// `CHANNEL-TRIPLE`, and never asks the compiler either.
fn installed_by_rustup(rustc: &Path) -> Option<(PathBuf, String)> {
    let sysroot = rustc.parent().filter(|folder| folder.ends_with("bin") && folder.is_absolute())?.parent()?;
    let name = sysroot.file_name().filter(|_| sysroot.join(RUSTUPS).is_file())?.to_str()?;
    let known = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?.flatten();
    let mut known = known.filter_map(|folder| folder.file_name().into_string().ok());
    let host = known.find(|triple| name.ends_with(&format!("-{triple}")) && has_std(&libraries_of(sysroot, triple)))?;
    Some((sysroot.to_owned(), host))
}

fn libraries_of(sysroot: &Path, triple: &str) -> PathBuf {
    sysroot.join("lib/rustlib").join(triple).join("lib")
}

fn has_std(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = files.map(|file| file.file_name());
    names.any(|name| name.to_str().is_some_and(|name| name.starts_with("libstd-") && name.ends_with(".rlib")))
}

/// The compiler that cargo will use. Where rustup has started cargo, the one beside it: the same, without asking rustup.
fn rustc(environment: &Environment, configured: &OsStr) -> PathBuf {
    let beside = Path::new(environment.cargo()).with_file_name(format!("rustc{}", std::env::consts::EXE_SUFFIX));
    let by_rustup = environment.get("RUSTUP_TOOLCHAIN").is_some() && configured == "rustc";
    match by_rustup && beside.is_absolute() && beside.is_file() {
        true => beside,
        false => configured.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_toolchain_of_rustups_says_by_its_folder_what_it_runs_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let sysroot = folder.path().join("1.90-x86_64-unknown-linux-gnu");
        let libraries = |triple: &str| libraries_of(&sysroot, triple);
        for triple in ["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"] {
            fs::create_dir_all(libraries(triple)).expect("a folder");
            fs::write(libraries(triple).join("libstd-1.rlib"), "").expect("a file");
        }
        let rustc = sysroot.join("bin/rustc");
        assert_eq!(installed_by_rustup(&rustc), None, "one that is only linked to");
        fs::write(sysroot.join(RUSTUPS), "").expect("a file");
        let host = installed_by_rustup(&rustc).map(|(folder, host)| (folder == sysroot, host));
        assert_eq!(host, Some((true, "x86_64-unknown-linux-gnu".to_owned())));
        assert_eq!(installed_by_rustup(Path::new("rustc")), None);
    }

    #[test]
    fn the_compilers_own_answer_is_the_same() {
        let environment = Environment::of_this_process();
        let found = Toolchain::find(&environment).expect("a toolchain");
        let rustc = rustc(&environment, found.config.rustc().path.as_os_str());
        let answer = Command::new(rustc).args(["--print", "sysroot", "--print", "target-libdir"]).output();
        let answer = String::from_utf8(answer.expect("rustc runs").stdout).expect("paths");
        let said: Vec<_> = answer.lines().map(PathBuf::from).collect();
        assert_eq!([found.sysroot, found.host_libraries], said[..]);
    }
}
