//! The C and C++ compilers of a target: GCC for it, or zig. Never the one of this machine, which has another libc.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use cargo_config2::{Config, ResolveOptions};
use cargo_zigbuild::zig::{Zig, prepare_zig_linker};
use miette::{Context, IntoDiagnostic, miette};

use super::become_program::{become_program, without_paths_of_this_machine};
use super::by_name;
use super::glibc;
use super::run_folder::{MissingTool, RunFolder, ZigSearch, ZigTools};
use super::tool::{Invocation, Tool, other_program};
use crate::compile::versions::GlibcVersion;
use crate::environment::Environment;
use crate::error::{NoCCompiler, Result};
use crate::platform::Target;

/// The flags of rustc that say for what processor code is compiled. Cargo sets them for build scripts.
const RUSTFLAGS: &str = "CARGO_ENCODED_RUSTFLAGS";

/// A compiler of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compiler {
    Gcc(PathBuf),
    Zig(ZigTools),
}

impl Compiler {
    /// Returns the command that compiles, or links, C or C++.
    pub(super) fn command(&self, tool: Tool) -> Command {
        let program = match (self, tool) {
            (Compiler::Gcc(gcc), _) => gcc,
            (Compiler::Zig(zig), Tool::Cxx) => &zig.cxx,
            (Compiler::Zig(zig), _) => &zig.cc,
        };
        let mut command = Command::new(program);
        // Zig's wrapper only asks whether rustc is older than 1.59, and starts it each time.
        command.env("CARGO_ZIGBUILD_RUSTC_VERSION", "1.89.0");
        without_paths_of_this_machine(&mut command);
        command
    }
}

/// Becomes the compiler of the target, or a tool beside it.
pub(super) fn run(invocation: &Invocation) -> Result<ExitCode> {
    let Invocation { target, environment, run_folder, .. } = invocation;
    if let Some(folder) = run_folder {
        folder.keep_used(*target);
    }
    let glibc = glibc::of_script(environment);
    if invocation.is_for_host_alone(glibc) {
        return by_name::of_this_machine(invocation.tool, invocation.args.clone());
    }
    let mut command = match invocation.tool {
        Tool::Ar | Tool::Ranlib => archiver(invocation)?,
        tool => match find(tool, *target, glibc, environment, run_folder.as_ref())? {
            Some(compiler) => {
                let mut command = compiler.command(tool);
                command.args(position_independent(&compiler, &invocation.args));
                command
            }
            None if invocation.is_for_host() => {
                return by_name::of_this_machine(invocation.tool, invocation.args.clone());
            }
            None => return Err(missing(invocation).into()),
        },
    };
    become_program(command.args(&invocation.args))
}

/// Returns the option for code that does not depend on its address, unless the arguments say something else. GCC compiles so
/// in most distributions, and Rust's programs are linked so; zig must be told.
fn position_independent(compiler: &Compiler, args: &[OsString]) -> Option<&'static str> {
    const SAYS: [&str; 4] = ["-fpi", "-fPI", "-fno-pi", "-fno-PI"];
    let is_said = args.iter().any(|arg| SAYS.iter().any(|start| arg.as_encoded_bytes().starts_with(start.as_bytes())));
    (matches!(compiler, Compiler::Zig(_)) && !is_said).then_some("-fPIC")
}

/// Returns the compiler of the target, or `None` if there is none. Only zig compiles for another glibc than its own.
///
/// # Errors
/// Returns an error if zig's wrappers cannot be written.
pub(super) fn find(
    tool: Tool,
    target: Target,
    glibc: Option<GlibcVersion>,
    environment: &Environment,
    run_folder: Option<&RunFolder>,
) -> Result<Option<Compiler>> {
    if glibc.is_some()
        && let Some(zig) = zig(target, glibc, environment, run_folder)?
    {
        return Ok(Some(Compiler::Zig(zig)));
    }
    if let Some(gcc) = gcc(tool, target, environment) {
        return Ok(Some(Compiler::Gcc(gcc)));
    }
    Ok(zig(target, glibc, environment, run_folder)?.map(Compiler::Zig))
}

/// Returns the path of GCC for the target, by its name.
fn gcc(tool: Tool, target: Target, environment: &Environment) -> Option<PathBuf> {
    let program = if tool == Tool::Cxx { "g++" } else { "gcc" };
    let names: Vec<_> = prefixes(target).iter().map(|prefix| format!("{prefix}{program}")).collect();
    other_program(&names, environment)
}

/// Returns how the names of the target's programs begin.
fn prefixes(target: Target) -> Vec<String> {
    let (architecture, rest) = target.triple.split_once('-').unwrap_or((target.triple, ""));
    let architecture = match architecture {
        "armv7" => "arm",
        "riscv64gc" => "riscv64",
        other => other,
    };
    let system = rest.trim_start_matches("unknown-");
    let mut prefixes = vec![format!("{architecture}-{system}-"), format!("{architecture}-unknown-{system}-")];
    if architecture == std::env::consts::ARCH && target.is_static() {
        prefixes.push("musl-".to_owned());
    }
    prefixes
}

/// Returns zig and its wrappers for the target, or `None` if there is no zig.
fn zig(
    target: Target,
    glibc: Option<GlibcVersion>,
    environment: &Environment,
    run_folder: Option<&RunFolder>,
) -> Result<Option<ZigTools>> {
    let name = glibc.map_or_else(|| target.triple.to_owned(), |glibc| format!("{}.{glibc}", target.triple));
    if let Some(kept) = run_folder.and_then(|folder| folder.zig(&name)) {
        return Ok(kept.found());
    }
    // Others that look for it write the same wrappers.
    let _held = run_folder.and_then(|folder| folder.lock().ok());
    if let Some(kept) = run_folder.and_then(|folder| folder.zig(&name)) {
        return Ok(kept.found());
    }
    let search = match Zig::find_zig() {
        Ok(zig) => ZigSearch::Found(wrappers(zig, &name, environment, run_folder)?),
        Err(_) => ZigSearch::NoZig,
    };
    if let Some(folder) = run_folder {
        folder.keep_zig(&name, &search);
    }
    Ok(search.found())
}

/// Returns whether there is a zig.
pub(crate) fn has_zig() -> bool {
    Zig::find_zig().is_ok()
}

/// Writes zig's wrappers for a target: a triple, and perhaps the version of its glibc.
fn wrappers(
    zig: (PathBuf, Vec<String>),
    target: &str,
    environment: &Environment,
    run_folder: Option<&RunFolder>,
) -> Result<ZigTools> {
    let flags = environment.get(RUSTFLAGS).unwrap_or_default();
    // The variable precedes all tables, so that files of cargo's configuration do not count.
    let options = ResolveOptions::default().env([(RUSTFLAGS, flags)]).cargo_home(None);
    let folder = run_folder.map_or_else(std::env::temp_dir, |folder| folder.path().to_owned());
    let wrapper = Config::load_with_options(folder, options)
        .into_diagnostic()
        .and_then(|config| prepare_zig_linker(target, &config).map_err(|error| miette!("{error:#}")))
        .wrap_err_with(|| format!("cannot set up zig as the C compiler for {target}"))?;
    let (zig, zig_args) = zig;
    Ok(ZigTools { zig, zig_args, cc: wrapper.cc, cxx: wrapper.cxx })
}

/// Returns the command of `ar` or `ranlib`: that of GCC, of zig, or of this machine, which knows most formats.
fn archiver(invocation: &Invocation) -> Result<Command> {
    let Invocation { target, environment, run_folder, .. } = invocation;
    let name = if invocation.tool == Tool::Ar { "ar" } else { "ranlib" };
    if gcc(Tool::C, *target, environment).is_some() {
        let names = prefixes(*target).into_iter().chain([String::new()]).map(|prefix| prefix + name);
        if let Some(program) = other_program(&names.collect::<Vec<_>>(), environment) {
            return Ok(Command::new(program));
        }
    }
    let Some(zig) = zig(*target, None, environment, run_folder.as_ref())? else {
        return Ok(Command::new(name));
    };
    let mut command = Command::new(zig.zig);
    command.args(zig.zig_args).arg(name);
    Ok(command)
}

/// Returns the error that there is no compiler, after keeping it for the end of the run.
pub(super) fn missing(invocation: &Invocation) -> NoCCompiler {
    let package = invocation.package().unwrap_or_else(|| "a build script".to_owned());
    if let Some(folder) = &invocation.run_folder {
        folder.keep_missing(&MissingTool {
            package: package.clone(),
            triple: invocation.target.triple.to_owned(),
            library: None,
            out_dir: invocation.environment.get("OUT_DIR").map(PathBuf::from),
        });
    }
    NoCCompiler { package, targets: vec![invocation.target.triple.to_owned()], status: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn zig_compiles_position_independent_code_by_default() {
        let zig = Compiler::Zig(ZigTools {
            zig: PathBuf::new(),
            zig_args: Vec::new(),
            cc: PathBuf::new(),
            cxx: PathBuf::new(),
        });
        let option = |compiler: &Compiler, args: &[&str]| {
            let args: Vec<_> = args.iter().map(OsString::from).collect();
            position_independent(compiler, &args)
        };
        assert_eq!(option(&zig, &["-c", "a.c"]), Some("-fPIC"));
        assert_eq!(option(&zig, &["-c", "a.c", "-fno-pie"]), None);
        assert_eq!(option(&zig, &["-fPIE", "-c", "a.c"]), None);
        assert_eq!(option(&Compiler::Gcc("gcc".into()), &["-c", "a.c"]), None, "it has a default of its own");
    }

    #[test]
    fn gcc_is_found_by_the_names_of_its_target() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment: Environment = [("PATH", folder.path())].into_iter().collect();
        let [amd64, arm64, armv7, ..] = TARGETS;
        let other = if std::env::consts::ARCH == "x86_64" { arm64 } else { amd64 };
        assert_eq!(gcc(Tool::C, other, &environment), None);
        for name in ["cc", "gcc", "musl-gcc", "arm-linux-musleabihf-g++"] {
            std::fs::write(folder.path().join(format!("{name}{}", std::env::consts::EXE_SUFFIX)), "").expect("a file");
        }
        assert_eq!(gcc(Tool::C, other, &environment), None, "musl-gcc compiles for this architecture only");
        assert_eq!(gcc(Tool::C, armv7, &environment), None);
        let found = gcc(Tool::Cxx, armv7, &environment).expect("a compiler");
        assert_eq!(found.file_stem().expect("a name"), "arm-linux-musleabihf-g++");
        let own = if other == arm64 { amd64 } else { arm64 };
        assert!(gcc(Tool::C, own, &environment).is_some_and(|path| path.ends_with("musl-gcc")));
        assert_eq!(gcc(Tool::Cxx, own, &environment), None, "musl-gcc compiles no C++");
    }
}
