//! The Rust toolchain, and the standard library of each target.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use miette::{Context, IntoDiagnostic, miette};

use super::cargo_config::CargoConfig;
use crate::environment::Environment;
use crate::error::{Result, or_help};
use crate::event::{Event, Listener};
use crate::interrupt::blocking;
use crate::plan::CompilePlan;
use crate::platform::Target;

/// The Rust toolchain that cargo will compile with.
#[derive(Debug)]
pub struct Toolchain {
    /// Its directory.
    pub sysroot: PathBuf,
    /// The host triple.
    pub host: String,
    /// The directory of the host's libraries. Those of other targets have their triple in place of the host's.
    host_libraries: PathBuf,
    /// Cargo's configuration: the compiler, and the flags and the linker of each target.
    pub config: CargoConfig,
}

/// Where the C library of a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LibcSource {
    /// Beside the Rust library, as rustup installs it.
    OfRust,
    /// Where the C compiler looks for it: the Rust library is from a distribution, such as Alpine.
    OfSystem,
    /// There is none: cargo builds the Rust library.
    None,
}

impl Toolchain {
    /// Finds the toolchain by asking the compiler, which works for toolchains of rustup, Debian, Nix and linked ones alike.
    /// `args` are the values of `--config`.
    ///
    /// # Errors
    /// Returns an error if cargo's configuration cannot be read, or `rustc` cannot be run.
    pub fn find(environment: &Environment, args: &[String]) -> Result<Toolchain> {
        let config = CargoConfig::load(environment, args).wrap_err("cannot read cargo's configuration");
        let config =
            config.map_err(|error| or_help(error, || "fix it: `cargo build` cannot read it either".to_owned()))?;
        let rustc = config.compiler().to_owned();
        // Starting the compiler takes longer than all other work before cargo runs.
        if let Some((sysroot, host)) = installed_by_rustup(&rustc) {
            let host_libraries = libraries_of(&sysroot, &host);
            return Ok(Toolchain { sysroot, host, host_libraries, config });
        }
        let mut asked = environment.command(&rustc);
        asked.args(["--print", "sysroot", "--print", "target-libdir"]).stdin(Stdio::null()).stderr(Stdio::piped());
        let answer = blocking::output(&mut asked)
            .into_diagnostic()
            .and_then(|output| {
                if !output.status.success() {
                    return Err(miette!("{}", String::from_utf8_lossy(&output.stderr).trim()));
                }
                String::from_utf8(output.stdout).into_diagnostic()
            })
            .wrap_err_with(|| format!("cannot get the sysroot of {}", rustc.display()))
            .map_err(|error| or_help(error, || format!("check that `{} -vV` works", rustc.display())))?;
        let mut lines = answer.lines().map(PathBuf::from);
        let (sysroot, host_libraries) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let host = host_libraries.parent().and_then(Path::file_name).unwrap_or_default();
        Ok(Toolchain { host: host.to_string_lossy().into_owned(), sysroot, host_libraries, config })
    }

    /// Returns the directory that `rustc --print target-libdir --target TRIPLE` prints.
    fn libraries(&self, target: Target) -> PathBuf {
        let rustlib = self.host_libraries.ancestors().nth(2).unwrap_or(&self.sysroot);
        rustlib.join(target.triple).join("lib")
    }

    /// Returns whether it brings the C library of a target, or has its Rust library from elsewhere.
    pub(crate) fn has_libc(&self, target: Target) -> bool {
        self.libc(target) != LibcSource::None
    }

    /// Returns where the C library is that programs for a target are linked with.
    pub(crate) fn libc(&self, target: Target) -> LibcSource {
        let folder = self.libraries(target);
        if folder.join("self-contained/libc.a").is_file() {
            LibcSource::OfRust
        } else if has_std(&folder) {
            LibcSource::OfSystem
        } else {
            LibcSource::None
        }
    }

    /// Returns whether cargo's configuration says how a target is linked.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub(crate) fn has_own_linker(&self, target: Target) -> Result<bool> {
        has_linker(&self.config, target)
    }

    /// Returns whether rustup installed the toolchain, rather than linked it.
    fn is_from_rustup(&self) -> bool {
        self.sysroot.join(RUSTUP_MANIFEST).is_file()
    }

    fn missing(&self, targets: &[Target]) -> Vec<&'static str> {
        let missing = targets.iter().filter(|target| !has_std(&self.libraries(**target)));
        missing.map(|target| target.triple).collect()
    }

    /// Installs the missing standard libraries of the targets, if rustup manages the toolchain and cargo does not build them.
    ///
    /// # Errors
    /// Returns an error if one is missing and cannot be installed.
    pub fn ensure(&self, targets: &[Target], plan: &CompilePlan, listener: Listener) -> Result<()> {
        let missing = self.missing(targets);
        if missing.is_empty() || self.config.builds_std() {
            return Ok(());
        }
        let names = missing.join(", ");
        let command = format!("rustup target add {}", missing.join(" "));
        let rustup = plan.environment.find_program(&["rustup"]).filter(|_| self.is_from_rustup());
        let Some(rustup) = rustup else {
            let why = if self.is_from_rustup() {
                "and `rustup` is not on PATH to install it"
            } else {
                "which is not a toolchain of rustup"
            };
            return Err(miette!(
                help = format!(
                    "use a toolchain of rustup (`{command}`, then `cargo +stable oci …`), install the library as you installed this \
                     toolchain, or choose other platforms with `--platform`"
                ),
                "the Rust standard library for {names} is not installed in {}, {why}",
                self.sysroot.display()
            ));
        };
        if !plan.install {
            return Err(miette!(
                help = format!("run `{command}`"),
                "the Rust standard library for {names} is not installed, and installing it is disabled (--no-install, --offline or --frozen)"
            ));
        }
        // rustup cannot install one component twice at the same time, and another cargo-oci may be installing it.
        let lock = File::create(self.sysroot.join("lib/rustlib/cargo-oci.lock"));
        let _held = lock.and_then(|lock| blocking::lock(&lock).map(|()| lock));
        let missing = self.missing(targets);
        if missing.is_empty() {
            return Ok(());
        }
        for &triple in &missing {
            listener(Event::InstallingTarget { triple });
        }
        self.install(&rustup, &missing, &plan.environment)?;
        if !self.missing(targets).is_empty() {
            return Err(miette!(
                help = format!("run `{command}`, or choose other platforms with `--platform`"),
                "the Rust standard library for {names} is not installed, and `rustup target add` did not install it"
            ));
        }
        Ok(())
    }

    fn install(&self, rustup: &Path, missing: &[&str], environment: &Environment) -> Result<()> {
        let name = self.sysroot.file_name().unwrap_or(OsStr::new("stable"));
        let mut add = environment.command(rustup);
        add.args(["target", "add", "--toolchain"]).arg(name).args(missing).stdin(Stdio::null());
        // Our stdout is for results only.
        blocking::status(add.stdout(io::stderr()))
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot run {}", rustup.display()))?;
        Ok(())
    }
}

fn has_linker(config: &CargoConfig, target: Target) -> Result<bool> {
    let linker = config.linker(target.triple)?;
    let flags = config.rustflags(target.triple)?.list;
    Ok(linker.is_some() || flags.iter().any(|flag| is_linker_flag(flag)))
}

fn is_linker_flag(flag: &str) -> bool {
    let flag = flag.trim_start_matches("-C").trim_start();
    ["linker=", "linker-flavor="].iter().any(|prefix| flag.starts_with(prefix))
}

/// A file that rustup writes into the toolchains that it installs.
const RUSTUP_MANIFEST: &str = "lib/rustlib/multirust-channel-manifest.toml";

/// Returns the directory and the host triple of a toolchain that rustup installed, if this is its compiler: rustup names
/// the directory `CHANNEL-TRIPLE`.
fn installed_by_rustup(rustc: &Path) -> Option<(PathBuf, String)> {
    let sysroot = rustc.parent().filter(|folder| folder.ends_with("bin") && folder.is_absolute())?.parent()?;
    let name = sysroot.file_name().filter(|_| sysroot.join(RUSTUP_MANIFEST).is_file())?.to_str()?;
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
    let mut paths = files.map(|file| file.path());
    paths.any(|path| {
        path.extension().is_some_and(|extension| extension == "rlib")
            && path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("libstd-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;
    use std::fs;
    use std::process::Command;

    #[test]
    fn rustup_toolchain_has_its_host_in_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let sysroot = folder.path().join("1.90-x86_64-unknown-linux-gnu");
        for triple in ["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"] {
            fs::create_dir_all(libraries_of(&sysroot, triple)).expect("a folder");
            fs::write(libraries_of(&sysroot, triple).join("libstd-1.rlib"), "").expect("a file");
        }
        let rustc = sysroot.join("bin/rustc");
        assert_eq!(installed_by_rustup(&rustc), None, "a linked toolchain");
        fs::write(sysroot.join(RUSTUP_MANIFEST), "").expect("a file");
        let host = installed_by_rustup(&rustc).map(|(folder, host)| (folder == sysroot, host));
        assert_eq!(host, Some((true, "x86_64-unknown-linux-gnu".to_owned())));
        assert_eq!(installed_by_rustup(Path::new("rustc")), None);
    }

    #[test]
    fn linker_of_the_user_is_one_that_is_named() {
        let [amd64, arm64, ..] = TARGETS;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
        let table = "[target.aarch64-unknown-linux-musl]\nrustflags = [\"-C\", \"linker=cc\"]\n\
                     [target.x86_64-unknown-linux-musl]\nrustflags = [\"-C\", \"link-arg=-s\"]\n";
        std::fs::write(folder.path().join(".cargo/config.toml"), table).expect("writes");
        let config = CargoConfig::load_in(folder.path(), &Environment::default(), &[]).expect("a configuration");
        assert!(has_linker(&config, arm64).expect("a configuration"));
        assert!(!has_linker(&config, amd64).expect("a configuration"), "any linker of ours takes arguments");
    }

    #[test]
    fn toolchain_agrees_with_the_compiler() {
        let environment = Environment::of_this_process();
        let found = Toolchain::find(&environment, &[]).expect("a toolchain");
        let answer =
            Command::new(found.config.compiler()).args(["--print", "sysroot", "--print", "target-libdir"]).output();
        let answer = String::from_utf8(answer.expect("rustc runs").stdout).expect("paths");
        let said: Vec<_> = answer.lines().map(PathBuf::from).collect();
        assert_eq!([found.sysroot, found.host_libraries], said[..]);
    }
}
