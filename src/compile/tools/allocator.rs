//! rustc for the packages of the workspace: it links an allocator into programs for a target, and into nothing else.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use miette::{Context, IntoDiagnostic, miette};

use super::become_program::{become_program, exit_code};
use super::run_folder::{AllocatorOwner, RunFolder};
use crate::environment::Environment;
use crate::error::Result;

/// The variable with the folder of the allocator's libraries, which has a folder for each target.
pub(crate) const ALLOCATOR: &str = "OCI_TOOLS_ALLOCATOR";
/// The variable with the wrapper that the user has cargo run.
pub(crate) const NEXT_WRAPPER: &str = "OCI_TOOLS_WRAPPER";

/// How the names of these links begin.
const PREFIX: &str = "cargo-oci-with-";

/// Returns the name of the link for an allocator. Programs that were linked with another version of it have another name.
pub(crate) fn allocator_wrapper(allocator: &str, version: &str) -> String {
    // Windows takes what follows a point for an extension.
    let version = version.split('+').next().unwrap_or_default().replace('.', "-");
    format!("{PREFIX}{allocator}-{version}")
}

/// Returns the name of the file of an allocator's library.
pub(crate) fn library_file(allocator: &str) -> String {
    format!("lib{}.a", library_name(allocator))
}

fn library_name(allocator: &str) -> String {
    format!("oci_{allocator}")
}

pub(super) fn is_wrapper(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Runs rustc. The first argument is its path.
pub(super) fn run(args: &[OsString]) -> Result<ExitCode> {
    let environment = Environment::of_this_process();
    let (rustc, args) = args.split_first().ok_or_else(|| miette!("{PREFIX}… is run by cargo, in place of rustc"))?;
    let mut command = match environment.get(NEXT_WRAPPER) {
        Some(wrapper) => {
            let mut command = Command::new(wrapper);
            command.arg(rustc);
            command
        }
        None => Command::new(rustc),
    };
    command.args(args);
    let Some(library) = environment.get(ALLOCATOR).and_then(|folder| Library::of(args, Path::new(folder))) else {
        return become_program(&mut command);
    };
    if let Some(owner) = own_allocator(rustc, args)? {
        let package = environment.get("CARGO_PKG_NAME").map(|name| name.to_string_lossy().into_owned());
        let package = package.unwrap_or_default();
        if let Some(folder) = RunFolder::of(&environment) {
            folder.keep_owner(&AllocatorOwner { package, crate_name: owner });
        }
        return Ok(ExitCode::FAILURE);
    }
    let status = command.args(library.args()).status().into_diagnostic();
    let status = status.wrap_err_with(|| format!("cannot run {}", command.get_program().display()))?;
    if status.success() {
        // Without it, cargo does not see that the library has changed.
        let _ = library.track(args);
    }
    Ok(exit_code(status))
}

/// The allocator's library for a program.
#[derive(Debug, PartialEq, Eq)]
struct Library {
    folder: PathBuf,
    name: String,
}

impl Library {
    /// Returns the library for what rustc compiles, or `None` if that is no program for a target. Build scripts and procedural
    /// macros are for no target.
    fn of(args: &[OsString], folder: &Path) -> Option<Library> {
        let is_program = value(args, "--crate-type").is_some_and(|kind| kind == "bin");
        let is_linked = value(args, "--emit").is_some_and(|emit| emit.to_string_lossy().contains("link"));
        let target = value(args, "--target").filter(|_| is_program && is_linked)?;
        let allocator = folder.file_name()?.to_str()?;
        let of_target = folder.join(target);
        let is_there = of_target.join(library_file(allocator)).is_file();
        is_there.then(|| Library { folder: of_target, name: library_name(allocator) })
    }

    /// Returns rustc's arguments. All objects of the library are linked, and before those of Rust and the C library: so they are
    /// what calls of `malloc` find.
    fn args(&self) -> Vec<OsString> {
        let mut folder = OsString::from("native=");
        folder.push(&self.folder);
        vec!["-L".into(), folder, "-l".into(), format!("static:+whole-archive={}", self.name).into()]
    }

    /// Adds the library to the files that the program depends on, which cargo reads when rustc has ended.
    fn track(&self, args: &[OsString]) -> io::Result<()> {
        let (Some(folder), Some(name)) = (value(args, "--out-dir"), value(args, "--crate-name")) else { return Ok(()) };
        let extra = codegen(args, "extra-filename").unwrap_or_default();
        let path = Path::new(folder).join(format!("{}{extra}.d", name.to_string_lossy()));
        let library = self.folder.join(format!("lib{}.a", self.name)).display().to_string().replace(' ', "\\ ");
        let text = fs::read_to_string(&path)?;
        let lines = text.lines().map(|line| {
            let is_rule = line.contains(": ") && !line.starts_with('#');
            if is_rule { format!("{line} {library}\n") } else { format!("{line}\n") }
        });
        fs::write(&path, lines.collect::<String>())
    }
}

/// Returns the crate that has a `#[global_allocator]` in the program, if one has. rustc is asked: a second one is an error that
/// names the first. It is asked about the program as a library, as that loads what the program uses and nothing else, and has what
/// macros and other files bring into it.
fn own_allocator(rustc: &OsStr, args: &[OsString]) -> Result<Option<String>> {
    let folder = tempfile::tempdir().into_diagnostic()?;
    let Some(program) = as_library(rustc, args, folder.path()) else { return Ok(None) };
    let probe = folder.path().join("probe.rs");
    let text = "extern crate oci_program as _;\n#[global_allocator]\n\
                static PROBE: std::alloc::System = std::alloc::System;\nfn main() {}\n";
    fs::write(&probe, text).into_diagnostic()?;
    let mut command = Command::new(rustc);
    command.args(["--crate-name", "oci_probe", "--crate-type", "bin", "--edition", "2021", "--emit=metadata"]);
    command.args(["--cap-lints", "allow", "--out-dir"]).arg(folder.path()).args(of_graph(args));
    command.arg("--extern").arg(format!("oci_program={}", program.display()));
    let output = command.arg(&probe).stdin(Stdio::null()).output().into_diagnostic()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let owner = said.lines().find_map(|line| line.split_once("global allocator in: ")).map(|(_, name)| name.trim());
    Ok(owner.filter(|_| !output.status.success()).map(str::to_owned))
}

/// Compiles a program as a library without code. Returns `None` if that fails: rustc will say why when it compiles the program.
fn as_library(rustc: &OsStr, args: &[OsString], folder: &Path) -> Option<PathBuf> {
    let mut command = Command::new(rustc);
    let mut left = args.iter();
    while let Some(arg) = left.next() {
        match arg.to_str() {
            Some("--crate-type" | "--out-dir" | "--emit") => drop(left.next()),
            Some(arg) if ["--crate-type=", "--out-dir=", "--emit="].iter().any(|own| arg.starts_with(own)) => {}
            Some("-C") => {
                let option = left.next()?;
                if !is_of_linking(&option.to_string_lossy()) {
                    command.arg(arg).arg(option);
                }
            }
            Some(arg) if arg.strip_prefix("-C").is_some_and(is_of_linking) => {}
            _ => drop(command.arg(arg)),
        }
    }
    command.args(["--crate-type", "rlib", "--emit=metadata", "--cap-lints", "allow", "--out-dir"]).arg(folder);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    let mut files = fs::read_dir(folder).ok()?.flatten().map(|file| file.path());
    files.find(|file| file.extension().is_some_and(|extension| extension == "rmeta")).filter(|_| status.success())
}

/// Returns whether an option of `-C` is nothing for a library without code.
fn is_of_linking(option: &str) -> bool {
    ["incremental=", "lto", "linker-plugin-lto"].iter().any(|of_code| option.starts_with(of_code))
}

/// Returns the arguments that say where crates are, and for what they were compiled.
fn of_graph(args: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    for (at, arg) in args.iter().enumerate() {
        let text = arg.to_string_lossy();
        let next = args.get(at + 1);
        let of_code =
            |option: &str| ["panic=", "target-feature=", "target-cpu="].iter().any(|of| option.starts_with(of));
        let is_pair = matches!(&*text, "-L" | "--extern" | "--target" | "--sysroot" | "-Z")
            || text == "-C" && next.is_some_and(|next| of_code(&next.to_string_lossy()));
        if let Some(next) = next.filter(|_| is_pair) {
            kept.extend([arg.clone(), next.clone()]);
        }
        let joined =
            ["--extern=", "--target=", "--sysroot=", "-Z"].iter().any(|of| text.starts_with(of) && text.len() > 2);
        if joined || text.strip_prefix("-C").is_some_and(of_code) {
            kept.push(arg.clone());
        }
    }
    kept
}

/// Returns the value of an option, in the same word or in the next one.
fn value<'a>(args: &'a [OsString], option: &str) -> Option<&'a OsStr> {
    let next = || args.iter().position(|arg| arg == option).and_then(|at| args.get(at + 1)).map(OsString::as_os_str);
    let joined = args.iter().find_map(|arg| arg.to_str()?.strip_prefix(option)?.strip_prefix('='));
    joined.map(OsStr::new).or_else(next)
}

/// Returns the value of an option of `-C`.
fn codegen(args: &[OsString], option: &str) -> Option<String> {
    let values = args.iter().filter_map(|arg| arg.to_str());
    let mut values = values.map(|arg| arg.strip_prefix("-C").unwrap_or(arg));
    values.find_map(|arg| arg.strip_prefix(option)?.strip_prefix('=')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn allocator_is_linked_into_programs_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let of_target = folder.path().join("mimalloc/x86_64-unknown-linux-musl");
        fs::create_dir_all(&of_target).expect("a folder");
        fs::write(of_target.join("liboci_mimalloc.a"), "").expect("a file");
        let found = |args: &str| Library::of(&words(args), &folder.path().join("mimalloc"));
        let program =
            "--crate-name x src/main.rs --crate-type bin --emit=dep-info,link --target x86_64-unknown-linux-musl";
        let library = found(program).expect("a library");
        assert_eq!(library.args()[2..], words("-l static:+whole-archive=oci_mimalloc"));
        assert_eq!(found(&program.replace("--crate-type bin", "--crate-type lib")), None);
        assert_eq!(found(&program.replace("--target x86_64-unknown-linux-musl", "")), None, "a build script");
        assert_eq!(found(&program.replace("x86_64", "aarch64")), None, "it has no library for the target");
        assert_eq!(found(&program.replace("dep-info,link", "metadata")), None);
    }

    #[test]
    fn program_depends_on_its_allocator() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x-1.d");
        fs::write(&path, "/t/x-1.d: src/main.rs\n\n/t/x-1: src/main.rs\n\nsrc/main.rs:\n# env-dep:A=b: c\n")
            .expect("a file");
        let library = Library { folder: "/a b".into(), name: "oci_x".to_owned() };
        let args = words(&format!("--crate-name x -C extra-filename=-1 --out-dir {}", folder.path().display()));
        library.track(&args).expect("writes");
        let added = "/a\\ b/liboci_x.a";
        let expected =
            format!("/t/x-1.d: src/main.rs {added}\n\n/t/x-1: src/main.rs {added}\n\nsrc/main.rs:\n# env-dep:A=b: c\n");
        assert_eq!(fs::read_to_string(&path).expect("a file"), expected);
    }

    #[test]
    fn graph_of_the_program_is_that_of_the_probe() {
        let args = words(
            "--crate-name x --edition=2021 src/main.rs -C opt-level=3 -C panic=abort --extern a=/d/liba.rlib -L dependency=/d \
             --extern priv,noprelude:b=/d/libb.rlib --extern noprelude:std=/s --target t -Cpanic=abort",
        );
        let kept = "-C panic=abort --extern a=/d/liba.rlib -L dependency=/d --extern priv,noprelude:b=/d/libb.rlib --extern \
                    noprelude:std=/s --target t -Cpanic=abort";
        assert_eq!(of_graph(&args), words(kept));
        assert!(is_wrapper(&allocator_wrapper("jemalloc", "0.7.1+5.3.1-0-g8")) && !is_wrapper("cargo-oci"));
        assert_eq!(allocator_wrapper("jemalloc", "0.7.1+5.3.1-0-g8"), "cargo-oci-with-jemalloc-0-7-1");
    }

    /// Compiles a program of these files, and returns who has an allocator in it.
    fn owner(files: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let at = |name: &str| folder.path().join(name).display().to_string();
        for (name, text) in files {
            let path = at(name);
            fs::create_dir_all(Path::new(&path).parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let deps = tempfile::tempdir().expect("a folder");
        let args =
            [&at("dep.rs"), "--crate-name=dep", "--crate-type=rlib", "--edition=2021", "--emit=metadata", "--out-dir"];
        let status = Command::new(&rustc).args(args).arg(deps.path()).status().expect("rustc runs");
        assert!(status.success());
        let deps = deps.path().display();
        let args = format!(
            "--crate-name x --edition=2021 {} --crate-type bin --emit=link -Clto=fat --extern dep={deps}/libdep.rmeta -L dependency={deps}",
            at("src/main.rs")
        );
        own_allocator(&rustc, &words(&args)).expect("an answer")
    }

    #[test]
    fn own_allocator_is_found_by_the_compiler() {
        const OWN: &str = "#[global_allocator]\nstatic A: std::alloc::System = std::alloc::System;\n";
        let main = "use dep as _;\nfn main() {}\n";
        let of = |main: &str, dep: &str| owner(&[("src/main.rs", main), ("dep.rs", dep)]);
        assert_eq!(of(main, ""), None);
        assert_eq!(of(main, OWN).as_deref(), Some("dep"));
        assert_eq!(of(&format!("{main}{OWN}"), "").as_deref(), Some("x"));
        assert_eq!(of(&format!("{main}#[cfg(windows)]\n{OWN}"), ""), None, "a word alone");
        // Rust leaves out what a program does not name.
        assert_eq!(of("fn main() {}\n", OWN), None, "a crate that is not used");
        let macros = format!("#[macro_export]\nmacro_rules! install {{ () => {{ {OWN} }} }}\n");
        assert_eq!(of("dep::install!();\nfn main() {}\n", &macros).as_deref(), Some("x"), "a macro");
        let beside = "#[path = \"../beside.rs\"]\nmod beside;\nfn main() {}\n";
        let files = [("src/main.rs", beside), ("dep.rs", ""), ("beside.rs", OWN)];
        assert_eq!(owner(&files).as_deref(), Some("x"), "a file elsewhere");
        assert_eq!(of("fn main() { wrong }\n", OWN), None, "rustc says what is wrong");
    }
}
