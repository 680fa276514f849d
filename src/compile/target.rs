//! The standard library of each target: is it there, and if not, how to get it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use miette::{Context, IntoDiagnostic, miette};

use crate::error::Result;
use crate::event::{Event, Listener};
use crate::plan::CompilePlan;
use crate::platform::Target;

/// The Rust toolchain that cargo will compile with.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Its folder.
    pub sysroot: PathBuf,
    /// The triple it runs on.
    pub host: String,
    /// For each target that was asked about, the folder of its libraries.
    libraries: Vec<(Target, PathBuf)>,
}

impl Toolchain {
    /// Asks the compiler where it looks: its own answer holds for rustup's, linked, Debian's and Nix's toolchains alike.
    ///
    /// # Errors
    /// When `rustc` cannot be run, or does not know a target.
    pub fn find(rustc: &Path, targets: &[Target]) -> Result<Toolchain> {
        let ask = |args: &[&str]| {
            let child = Command::new(rustc)
                .args(args)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            child.into_diagnostic().wrap_err_with(|| format!("cannot run {}", rustc.display()))
        };
        // All questions are under way before the first answer is read.
        let version = ask(&["-vV"])?;
        let folders = targets.iter().map(|target| {
            let args = ["--print", "sysroot", "--print", "target-libdir", "--target", target.triple];
            Ok((*target, ask(&args)?))
        });
        let folders: Vec<_> = folders.collect::<Result<_>>()?;

        let version = answer(version)?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let mut toolchain =
            Toolchain { sysroot: PathBuf::new(), host: host.unwrap_or_default().to_owned(), libraries: Vec::new() };
        for (target, child) in folders {
            let text =
                answer(child).wrap_err_with(|| format!("{} does not know {}", rustc.display(), target.triple))?;
            let mut lines = text.lines().map(PathBuf::from);
            toolchain.sysroot = lines.next().unwrap_or_default();
            toolchain.libraries.push((target, lines.next().unwrap_or_default()));
        }
        Ok(toolchain)
    }

    /// Whether the toolchain is one that rustup installed (and not one it only links to).
    fn is_rustups(&self) -> bool {
        self.sysroot.join("lib/rustlib/multirust-channel-manifest.toml").is_file()
    }

    fn missing(&self, targets: &[Target]) -> Vec<&'static str> {
        let is_there = |target: &Target| {
            let folder = self.libraries.iter().find(|(known, _)| known == target);
            folder.is_some_and(|(_, folder)| has_std(folder))
        };
        targets.iter().filter(|target| !is_there(target)).map(|target| target.triple).collect()
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
            return Err(miette!(
                help = format!(
                    "use a toolchain of rustup's (`{by_hand}`, and `cargo +stable oci …`), install the library with what installed \
                     this toolchain, or choose other platforms with `--platform`"
                ),
                "the Rust standard library for {names} is not installed in {}, which is not a toolchain that rustup installs to",
                self.sysroot.display()
            ));
        };
        if !plan.install {
            return Err(miette!(
                help = format!("`{by_hand}` installs it"),
                "the Rust standard library for {names} is not installed, and installing it was forbidden (--no-install, --offline or --frozen)"
            ));
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

fn has_std(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = files.map(|file| file.file_name());
    names.any(|name| name.to_str().is_some_and(|name| name.starts_with("libstd-") && name.ends_with(".rlib")))
}

fn answer(child: std::process::Child) -> Result<String> {
    let output = child.wait_with_output().into_diagnostic()?;
    if !output.status.success() {
        return Err(miette!("{}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    String::from_utf8(output.stdout).into_diagnostic()
}
