//! Chooses the linker and the C compiler of each target, and passes them to cargo in environment variables.
//!
//! The user's configuration takes precedence. Rust alone needs no C toolchain: rustup's `rust-lld` and the target's own
//! `crt*.o` and `libc.a` make a static program. C code needs a C compiler for the target, which is looked for when a build
//! script starts it: see [`tools`](super::tools).

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use miette::IntoDiagnostic;
use tempfile::TempDir;

use super::host_flags;
use super::target::Toolchain;
use super::tools::{self, LLD, RUN_FOLDER, RunFolder, ToolLinks};
use super::user_config::UserConfig;
use super::versions::GlibcOfTargets;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::{Event, Listener};
use crate::plan::CargoRun;
use crate::platform::Target;

/// The linkers and C compilers of a cargo run.
#[derive(Debug)]
pub(crate) struct Linkers {
    /// Environment variables for cargo.
    pub variables: Vec<(String, OsString)>,
    /// Environment variables that cargo does not get.
    pub removed: Vec<&'static str>,
    /// Targets without headers for bindgen.
    pub without_headers: Vec<Target>,
    /// The glibc that our linker links for, by target.
    pub glibc: GlibcOfTargets,
    /// What the tools of the run leave behind.
    folder: TempDir,
}

impl Linkers {
    /// Returns what the tools of the run leave behind.
    pub(crate) fn run_folder(&self) -> RunFolder {
        RunFolder::at(self.folder.path())
    }

    /// Returns the value of a variable; the last one counts.
    pub(super) fn variable(&self, key: &str) -> Option<&OsStr> {
        self.variables.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_os_str())
    }

    pub(super) fn set(&mut self, key: impl Into<String>, value: impl Into<OsString>) {
        self.variables.push((key.into(), value.into()));
    }
}

/// Chooses linker and C compiler of each target.
///
/// # Errors
/// Returns an error if cargo's configuration cannot be read, or the links to the compilers cannot be created.
pub(crate) fn choose(
    run: &CargoRun,
    environment: &Environment,
    toolchain: &Toolchain,
    targets: &[Target],
    glibc: &GlibcOfTargets,
    listener: Listener,
) -> Result<Linkers> {
    let folder = tempfile::tempdir().into_diagnostic()?;
    let mut linkers = Linkers {
        variables: Vec::new(),
        removed: Vec::new(),
        without_headers: Vec::new(),
        glibc: GlibcOfTargets::new(),
        folder,
    };
    for &target in targets {
        if let Some(version) = glibc.get(&target)
            && !toolchain.has_own_linker(target)?
        {
            linkers.glibc.insert(target, *version);
        }
    }
    // The host needs no other tools, unless its programs are for a glibc that is not its own.
    let is_foreign = |target: &Target| !has_libc_of(&toolchain.host, *target);
    let foreign: Vec<_> = targets.iter().copied().filter(is_foreign).collect();
    let with_tools: Vec<_> =
        targets.iter().copied().filter(|target| is_foreign(target) || linkers.glibc.contains_key(target)).collect();
    if with_tools.is_empty() {
        return Ok(linkers);
    }
    let user = UserConfig::new(environment, &toolchain.config);
    let links = ToolLinks::new(environment, linkers.folder.path())?;
    linkers.variables.push((RUN_FOLDER.to_owned(), linkers.folder.path().into()));
    for &target in &foreign {
        let tools = links.of_target(target)?;
        set_compilers(&mut linkers, target, &tools, &links, &user)?;
        set_headers(&mut linkers, run, target, &user)?;
        set_linker(&mut linkers, target, &tools, toolchain, environment, listener)?;
    }
    for target in with_tools.iter().filter(|target| !foreign.contains(target)) {
        set_tools_of_host(&mut linkers, *target, &links, &user)?;
    }
    set_path(&mut linkers, &links, &with_tools, environment)?;
    if foreign.len() == targets.len() {
        let flags = host_flags::for_host_alone(environment);
        linkers.variables.extend(flags.variables);
        linkers.removed.extend(flags.removed);
    }
    Ok(linkers)
}

/// Returns whether programs for the target use the C library of this machine.
fn has_libc_of(host: &str, target: Target) -> bool {
    let architecture = |triple: &str| triple.split('-').next().unwrap_or_default().to_owned();
    // Alpine's toolchain has a host triple of its own.
    let is_same_musl = host.ends_with("-musl") && target.triple.ends_with("-musl");
    host == target.triple || is_same_musl && architecture(host) == architecture(target.triple)
}

/// Sets linker and C compiler of a target that is also this machine's. Cargo links build scripts with it as well: the linker
/// knows what is for the base by its arguments. What else is for this machine can be used for both.
fn set_tools_of_host(linkers: &mut Linkers, target: Target, links: &ToolLinks, user: &UserConfig) -> Result<()> {
    linkers.run_folder().keep_host(target);
    let tools = links.of_target(target)?;
    for (variable, end) in [("CC", "-gcc"), ("CXX", "-g++")] {
        if !user.sets_for(variable, target) {
            linkers.set(format!("{variable}_{}", target.env_key()), format!("{}{end}", tools::gnu_name(target)));
        }
    }
    linkers.set(linker_key(target), tools.join("gcc"));
    Ok(())
}

/// Sets what build scripts read: the variables of the crates `cc`, `cmake` and `pkg-config`.
fn set_compilers(
    linkers: &mut Linkers,
    target: Target,
    tools: &Path,
    links: &ToolLinks,
    user: &UserConfig,
) -> Result<()> {
    let has_own_compiler = user.sets_for("CC", target);
    // By a name on PATH that begins with the target's, build scripts tell configure for what they build.
    let by_name = |end: &str| PathBuf::from(format!("{}{end}", tools::gnu_name(target)));
    let programs = [
        ("CC", by_name("-gcc")),
        ("CXX", by_name("-g++")),
        ("AR", tools.join("ar")),
        ("RANLIB", tools.join("ranlib")),
        ("PKG_CONFIG", tools.join("pkg-config")),
    ];
    for (variable, program) in programs {
        // The archiver of another compiler is found by that compiler's name.
        let is_archiver = matches!(variable, "AR" | "RANLIB");
        if !(user.sets_for(variable, target) || is_archiver && has_own_compiler) {
            linkers.set(format!("{variable}_{}", target.env_key()), program);
        }
    }
    links.file(target, "meson.ini", &tools::meson_file(target, tools))?;
    if !has_own_compiler && !user.sets_for("CMAKE_TOOLCHAIN_FILE", target) && !user.sets("CMAKE_TOOLCHAIN_FILE") {
        let file = links.file(target, "toolchain.cmake", &tools::cmake_file(target, tools))?;
        linkers.set(format!("CMAKE_TOOLCHAIN_FILE_{}", target.env_key()), file);
    }
    Ok(())
}

/// Sets the headers that bindgen reads, if it is used.
fn set_headers(linkers: &mut Linkers, run: &CargoRun, target: Target, user: &UserConfig) -> Result<()> {
    const ARGS: &str = "BINDGEN_EXTRA_CLANG_ARGS";
    if run.bindgen_packages.is_empty() || user.sets_for(ARGS, target) {
        return Ok(());
    }
    let glibc = linkers.glibc.get(&target).copied();
    let (mut args, has_headers) = tools::bindgen_args(target, glibc, user.environment, &linkers.run_folder())?;
    if !has_headers {
        linkers.without_headers.push(target);
    }
    // Bindgen reads the variable of the target in place of this one.
    if let Some(own) = user.environment.get(ARGS).and_then(|own| own.to_str()) {
        args = format!("{args} {own}");
    }
    linkers.set(format!("{ARGS}_{}", target.env_key()), args);
    Ok(())
}

fn set_linker(
    linkers: &mut Linkers,
    target: Target,
    tools: &Path,
    toolchain: &Toolchain,
    environment: &Environment,
    listener: Listener,
) -> Result<()> {
    if toolchain.has_own_linker(target)? {
        return Ok(());
    }
    if !(toolchain.config.links_statically(target) && toolchain.has_libc(target)) {
        // Rust comes with no other libc than musl, if it comes with a library for the target at all: linking needs a C compiler.
        linkers.set(linker_key(target), tools.join("gcc"));
        return Ok(());
    }
    match lld(&toolchain.sysroot, environment) {
        Some(lld) => {
            linkers.set(LLD, lld);
            linkers.set(linker_key(target), tools.join("rust-lld"));
        }
        None => listener(Event::Warning { message: no_lld(target) }),
    }
    Ok(())
}

/// Puts programs in front of PATH that build scripts start by their names, and tells those that compile for this machine its
/// own compilers.
fn set_path(linkers: &mut Linkers, links: &ToolLinks, targets: &[Target], environment: &Environment) -> Result<()> {
    let mut folders = links.on_path(environment)?;
    for &target in targets {
        folders.push(links.with_prefix(target)?);
    }
    let by_name = |name: &str| folders.iter().find(|folder| folder.ends_with(name)).map(|folder| folder.join(name));
    for (variable, name, names_of_host) in [
        ("CC", "cc", &["HOST_CC", "CC_FOR_BUILD", "BUILD_CC", "HOSTCC"][..]),
        ("CXX", "c++", &["HOST_CXX", "CXX_FOR_BUILD"]),
    ] {
        let Some(link) = by_name(name) else { continue };
        let own = environment.get(variable).map(OsString::from);
        if own.is_some() {
            linkers.set(variable, link);
        }
        let of_host = own.or_else(|| environment.find_program(&[name]).map(OsString::from)).unwrap_or_default();
        for key in names_of_host {
            if !environment.is_set(key) {
                linkers.set(*key, of_host.clone());
            }
        }
    }
    let path = environment.get("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(path))).into_diagnostic()?;
    linkers.set("PATH", path);
    Ok(())
}

fn linker_key(target: Target) -> String {
    format!("CARGO_TARGET_{}_LINKER", target.env_key().to_uppercase())
}

fn no_lld(target: Target) -> String {
    format!(
        "found no rust-lld in the toolchain and no ld.lld on PATH: linking for {} with the linker that rustc chooses; \
         if that fails, install lld or set {}",
        target.triple,
        linker_key(target)
    )
}

/// Returns the path of LLVM's linker: in the toolchain, in rustup's default toolchain, or on PATH.
fn lld(sysroot: &Path, environment: &Environment) -> Option<PathBuf> {
    in_toolchain(sysroot)
        .or_else(|| in_toolchain(&default_toolchain(environment)?))
        .or_else(|| environment.find_program(&["ld.lld", "rust-lld", "lld"]))
}

fn in_toolchain(sysroot: &Path) -> Option<PathBuf> {
    let hosts = std::fs::read_dir(sysroot.join("lib").join("rustlib")).ok()?.flatten();
    let name = format!("rust-lld{}", std::env::consts::EXE_SUFFIX);
    let mut paths = hosts.map(|host| host.path().join("bin").join(&name));
    paths.find(|path| path.is_file())
}

/// Returns the directory of rustup's default toolchain, by rustup's settings.
fn default_toolchain(environment: &Environment) -> Option<PathBuf> {
    let rustup = match environment.get("RUSTUP_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => etcetera::home_dir().ok()?.join(".rustup"),
    };
    let settings = std::fs::read_to_string(rustup.join("settings.toml")).ok()?;
    let settings = toml::de::DeTable::parse(&settings).ok()?;
    let name = settings.get_ref().get("default_toolchain")?.get_ref().as_str()?.to_owned();
    Some(rustup.join("toolchains").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn libc_of_the_host_is_that_of_its_triple() {
        let [amd64, arm64, ..] = TARGETS;
        assert!(!has_libc_of("x86_64-unknown-linux-gnu", amd64));
        assert!(has_libc_of("x86_64-alpine-linux-musl", amd64));
        assert!(!has_libc_of("x86_64-alpine-linux-musl", arm64));
        assert!(has_libc_of(arm64.triple, arm64));
    }

    #[test]
    fn lld_of_the_toolchain_precedes_path() {
        let sysroot = tempfile::tempdir().expect("a folder");
        let path = tempfile::tempdir().expect("a folder");
        let suffix = std::env::consts::EXE_SUFFIX;
        let on_path = path.path().join(format!("ld.lld{suffix}"));
        std::fs::write(&on_path, "").expect("writes");
        let variables = [("PATH", path.path()), ("RUSTUP_HOME", Path::new("nowhere"))];
        let environment = variables.into_iter().collect();
        assert_eq!(lld(sysroot.path(), &environment), Some(on_path));
        let bin = sysroot.path().join("lib/rustlib/host/bin");
        std::fs::create_dir_all(&bin).expect("creates");
        let own = bin.join(format!("rust-lld{suffix}"));
        std::fs::write(&own, "").expect("writes");
        assert_eq!(lld(sysroot.path(), &environment), Some(own));
    }
}
