//! Links a program: with LLVM's linker, which needs no C toolchain; with a C compiler, if only that has what is asked for.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::process::{Command, ExitCode, Output};

use miette::{Context, IntoDiagnostic, miette};

use super::become_program::exit_code;
use super::compiler::{Compiler, find, missing};
use super::driver_args::driver_args;
use super::glibc;
use super::link_args::{LinkArgs, translate};
use super::missing_library;
use super::run_folder::LLD;
use super::tool::{Invocation, Tool, real};
use crate::error::Result;

/// Links, and returns the exit status of the linker.
pub(super) fn run(invocation: &Invocation) -> Result<ExitCode> {
    let lld =
        invocation.environment.get(LLD).ok_or_else(|| miette!("{LLD} is not set: cargo-oci sets it for cargo"))?;
    let mut args = with_response_files(&invocation.args)?;
    glibc::take_arg(&mut args);
    let link = translate(args);
    if let Some(needed) = &link.for_compiler {
        let Some(compiler) = compiler(invocation)? else { return Err(needs_compiler(invocation, needed)) };
        return said(&by_compiler(&compiler, &link, invocation)?);
    }
    let linked = output(|| Command::new(lld), &link.args)?;
    if linked.status.success() {
        return said(&linked);
    }
    // C code may need functions that come with its compiler.
    if let Some(compiler) = compiler(invocation)? {
        let by_compiler = by_compiler(&compiler, &link, invocation)?;
        if by_compiler.status.success() {
            return said(&by_compiler);
        }
    }
    missing_library::keep(invocation, &linked.stderr);
    // If both fail, it is for the reason of the first.
    said(&linked)
}

/// Links with a compiler, as rustc has asked it to: for the glibc that its arguments name.
pub(super) fn by_driver(invocation: &Invocation) -> Result<ExitCode> {
    let Invocation { tool, target, environment, run_folder, .. } = invocation;
    let mut args = with_response_files(&invocation.args)?;
    let glibc = glibc::take_arg(&mut args);
    let compiler = if invocation.is_for_host_alone(glibc) {
        None
    } else {
        find(*tool, *target, glibc, environment, run_folder.as_ref())?
    };
    match compiler {
        Some(compiler) => said(&output(|| compiler.command(*tool), &args)?),
        // Without zig, that of this machine links for its own glibc; whether the base can start that is checked.
        None if invocation.is_for_host() => {
            let own = real("cc", environment)?;
            said(&output(|| Command::new(&own), &args)?)
        }
        None => Err(missing(invocation).into()),
    }
}

/// Passes on what a linker said, and returns its exit status.
fn said(linked: &Output) -> Result<ExitCode> {
    io::stdout().write_all(&linked.stdout).and_then(|()| io::stderr().write_all(&linked.stderr)).into_diagnostic()?;
    Ok(exit_code(linked.status))
}

/// Returns the compiler that links. C++ code needs that of C++, which may be another one than that of C.
fn compiler(invocation: &Invocation) -> Result<Option<(Compiler, Tool)>> {
    let Invocation { target, environment, run_folder, .. } = invocation;
    for tool in [Tool::Cxx, Tool::C] {
        if let Some(compiler) = find(tool, *target, None, environment, run_folder.as_ref())? {
            return Ok(Some((compiler, tool)));
        }
    }
    Ok(None)
}

fn by_compiler(compiler: &(Compiler, Tool), link: &LinkArgs, invocation: &Invocation) -> Result<Output> {
    let (compiler, tool) = compiler;
    let is_zig = matches!(compiler, Compiler::Zig(_));
    let args = driver_args(&link.args, is_zig);
    output(|| compiler.command(*tool), &args).wrap_err_with(|| format!("cannot link for {}", invocation.target.triple))
}

fn needs_compiler(invocation: &Invocation, needed: &str) -> miette::Report {
    let package = invocation.package().unwrap_or_else(|| "a package".to_owned());
    let target = invocation.target;
    miette!(
        help = format!(
            "`pip install ziglang` brings a C compiler for every target; or set CARGO_TARGET_{}_LINKER to a compiler of yours that \
             builds for it",
            target.env_key().to_uppercase()
        ),
        "{package} is linked with `{needed}`, which only a C compiler understands, and there is none for {}",
        target.triple
    )
}

/// Runs a linker. If the arguments are too long for the system, they go into a file.
fn output(linker: impl Fn() -> Command, args: &[OsString]) -> Result<Output> {
    let output = match linker().args(args).output() {
        Err(error) if error.kind() == io::ErrorKind::ArgumentListTooLong => with_response_file(linker(), args),
        other => other,
    };
    output.into_diagnostic().wrap_err_with(|| format!("cannot run {}", linker().get_program().display()))
}

fn with_response_file(mut linker: Command, args: &[OsString]) -> io::Result<Output> {
    let folder = tempfile::tempdir()?;
    // By this name zig's wrapper knows how it is written: as rustc does.
    let path = folder.path().join("linker-arguments");
    let lines: Vec<_> = args.iter().map(|arg| escaped(arg)).collect();
    fs::write(&path, lines.join(&b'\n'))?;
    let mut option = OsString::from("@");
    option.push(&path);
    linker.arg(option).output()
}

/// Returns the arguments, with those of response files in their place: rustc writes one if the command line is too long.
fn with_response_files(args: &[OsString]) -> Result<Vec<OsString>> {
    let mut all = Vec::new();
    for arg in args {
        let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix('@')) else {
            all.push(arg.clone());
            continue;
        };
        let text = fs::read_to_string(path).map_err(|error| crate::error::cannot_read(path.as_ref(), error))?;
        all.extend(text.lines().map(|line| OsString::from(unescaped(line))));
    }
    Ok(all)
}

/// Returns an argument of a response file, in which a backslash precedes what would end it.
fn unescaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    text
}

fn escaped(arg: &OsStr) -> Vec<u8> {
    let mut text = Vec::with_capacity(arg.len());
    for &byte in arg.as_encoded_bytes() {
        if matches!(byte, b'\\' | b' ' | b'\t' | b'"' | b'\'') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_file_is_read_as_rustc_writes_it() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "-Wl,--export-dynamic\n/a\\ b\\\\c.o\n-o\n").expect("a file");
        let option = format!("@{}", file.path().display()).into();
        let args = with_response_files(&["-flavor".into(), option, "/out".into()]).expect("arguments");
        assert_eq!(args, ["-flavor", "-Wl,--export-dynamic", "/a b\\c.o", "-o", "/out"]);
        assert_eq!(escaped(OsStr::new("/a b\\c.o")), b"/a\\ b\\\\c.o");
    }

    #[cfg(unix)]
    #[test]
    fn long_command_lines_go_into_a_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let (program, out) = (folder.path().join("ld"), folder.path().join("out"));
        fs::write(&program, "#!/bin/sh\ncp \"${1#@}\" \"$OUT\"\n").expect("a program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("a program");
        let args: Vec<OsString> = (0..40_000).map(|number| format!("/a folder/{number:0>90}").into()).collect();
        let linker = || {
            let mut linker = Command::new("/bin/sh");
            linker.arg(&program).env("OUT", &out);
            linker
        };
        assert!(output(linker, &args).expect("runs").status.success());
        let text = fs::read_to_string(out).expect("a file");
        assert_eq!(text.lines().map(|line| OsString::from(unescaped(line))).collect::<Vec<_>>(), args);
    }
}
