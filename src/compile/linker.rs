//! Chooses the linker and the C compiler of each target, and passes them to cargo in environment variables.
//!
//! The user's configuration takes precedence. Rust alone needs no C toolchain: rustup's `rust-lld` and the target's own
//! `crt*.o` and `libc.a` make a static program. C code needs a C compiler for the target; zig is one for all targets.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cargo_zigbuild::zig::{Zig, prepare_zig_linker};
use miette::{Context, miette};

use super::cargo_config::CargoConfig;
use super::target::Toolchain;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::{Event, Listener};
use crate::plan::CargoRun;
use crate::platform::Target;

/// The linkers and C compilers of a cargo run.
#[derive(Debug, Default)]
pub struct Linkers {
    /// Environment variables for cargo.
    pub variables: Vec<(String, OsString)>,
    /// Targets that need a C compiler and have none.
    pub without_c_compiler: Vec<Target>,
}

/// Chooses linker and C compiler of each target.
///
/// # Errors
/// Returns an error if cargo's configuration cannot be read, or zig's wrappers cannot be written.
pub fn choose(
    run: &CargoRun,
    environment: &Environment,
    toolchain: &Toolchain,
    targets: &[Target],
    listener: Listener,
) -> Result<Linkers> {
    let config = &toolchain.config;
    let mut linkers = Linkers::default();
    for &target in targets {
        // The host needs no other linker, and would use it for build scripts as well.
        if toolchain.host == target.triple {
            continue;
        }
        // Rust comes with no other libc than musl, if it comes with a library for the target at all: linking needs a C compiler.
        let is_rust_alone = run.c_packages.is_empty() && config.links_statically(target) && toolchain.has_libc(target);
        let needs_c = !is_rust_alone && !has_c_compiler(environment, config, target);
        if needs_c && Zig::find_zig().is_ok() {
            linkers.variables.extend(zig(config, target)?);
            continue;
        }
        if needs_c {
            linkers.without_c_compiler.push(target);
        }
        if has_linker(config, target)? {
            continue;
        }
        if !config.links_statically(target) {
            let own = environment.find_program(&[&c_compiler(target)]);
            linkers.variables.extend(own.map(|compiler| (linker_key(target), compiler.into())));
            continue;
        }
        match lld(&toolchain.sysroot, environment) {
            Some(lld) => linkers.variables.push((linker_key(target), lld.into())),
            None => listener(Event::Warning { message: no_lld(target) }),
        }
    }
    Ok(linkers)
}

/// Returns whether the user configured how the target is linked: a linker, or arguments that only theirs may accept.
fn has_linker(config: &CargoConfig, target: Target) -> Result<bool> {
    let linker = config.linker(target.triple)?;
    let flags = config.rustflags(target.triple)?.list;
    Ok(linker.is_some() || flags.iter().any(|flag| is_linker_flag(flag)))
}

fn is_linker_flag(flag: &str) -> bool {
    let flag = flag.trim_start_matches("-C").trim_start();
    ["linker=", "linker-flavor=", "link-arg=", "link-args="].iter().any(|prefix| flag.starts_with(prefix))
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

/// Returns whether the `cc` crate will find a C compiler for the target: by its variables, or by the names it looks for.
fn has_c_compiler(environment: &Environment, config: &CargoConfig, target: Target) -> bool {
    let keys = [format!("CC_{}", target.triple), format!("CC_{}", target.env_key()), "TARGET_CC".to_owned()];
    let own = c_compiler(target);
    let mut names = vec![own.as_str()];
    if own.starts_with(std::env::consts::ARCH) && target.is_static() {
        names.push("musl-gcc");
    }
    // Cargo sets the table `env` of its configuration for build scripts.
    keys.iter().any(|key| environment.get(key).is_some() || config.sets_variable(key))
        || environment.find_program(&names).is_some()
}

/// Returns the name of GCC for the target.
fn c_compiler(target: Target) -> String {
    let (architecture, rest) = target.triple.split_once('-').unwrap_or((target.triple, ""));
    let architecture = match architecture {
        "armv7" => "arm",
        "riscv64gc" => "riscv64",
        other => other,
    };
    format!("{architecture}-{}-gcc", rest.trim_start_matches("unknown-"))
}

/// Returns the variables by which cargo, rustc and build scripts find zig. A configured linker stays.
fn zig(config: &CargoConfig, target: Target) -> Result<Vec<(String, OsString)>> {
    let wrapper = prepare_zig_linker(target.triple, &config.for_zig(target.triple)?)
        .map_err(|error| miette!("{error:#}"))
        .wrap_err_with(|| format!("cannot set up zig as the C compiler for {}", target.triple))?;
    let key = target.env_key();
    let mut variables: Vec<(String, OsString)> = vec![
        (format!("CC_{key}"), wrapper.cc.clone().into()),
        (format!("CXX_{key}"), wrapper.cxx.into()),
        (format!("AR_{key}"), wrapper.ar.into()),
        (format!("RANLIB_{key}"), wrapper.ranlib.into()),
    ];
    if !has_linker(config, target)? {
        variables.push((linker_key(target), wrapper.cc.into()));
    }
    Ok(variables)
}

/// Runs zig if zig's wrappers called this program as a compiler: as `cargo-oci zig cc …`, or by a link named `ar`.
/// Returns `None` otherwise.
pub fn as_compiler(typed: &[OsString]) -> Option<Result<()>> {
    let program = Path::new(typed.first()?).file_stem()?;
    let zig = if program == "ar" {
        let args = typed.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned());
        Zig::Ar { args: args.collect() }
    } else if typed.get(1)? == "zig" {
        <ZigCommand as clap::Parser>::parse_from(&typed[1..]).zig
    } else {
        return None;
    };
    Some(zig.execute().map_err(|error| miette!("{error:#}")))
}

#[derive(clap::Parser)]
struct ZigCommand {
    #[command(subcommand)]
    zig: Zig,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn c_compiler_variable_applies_to_its_target() {
        let [amd64, arm64, ..] = TARGETS;
        let environment = [("CC_aarch64_unknown_linux_musl", "my-cc")].into_iter().collect();
        let folder = tempfile::tempdir().expect("a folder");
        let config = CargoConfig::load_in(folder.path(), &Environment::default(), &[]).expect("a configuration");
        assert!(has_c_compiler(&environment, &config, arm64));
        assert!(!has_c_compiler(&environment, &config, amd64));
        std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
        let table = "[env]\nCC_x86_64-unknown-linux-musl = \"my-cc\"\n[build]\nrustflags = [\"-C\", \"link-arg=-s\"]\n";
        std::fs::write(folder.path().join(".cargo/config.toml"), table).expect("writes");
        let config = CargoConfig::load_in(folder.path(), &Environment::default(), &[]).expect("a configuration");
        assert!(has_c_compiler(&Environment::default(), &config, amd64));
        assert!(has_linker(&config, amd64).expect("a configuration"));
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
