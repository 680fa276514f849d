//! The headers that bindgen reads for a target: it asks no compiler, and takes those of this machine otherwise.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::compiler::find;
use super::run_folder::RunFolder;
use super::tool::Tool;
use crate::compile::versions::GlibcVersion;
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Target;

/// Returns the arguments of libclang for a target, and whether they name headers. There are none without a compiler; then
/// bindgen finds no `stdio.h`, rather than another libc's.
///
/// # Errors
/// Returns an error if zig's wrappers cannot be written.
pub(crate) fn bindgen_args(
    target: Target,
    glibc: Option<GlibcVersion>,
    environment: &Environment,
    run_folder: &RunFolder,
) -> Result<(String, bool)> {
    // Given a target, bindgen does not ask the clang on PATH for more folders.
    let mut args = vec![format!("--target={}", clang_triple(target)), "-nostdlibinc".to_owned()];
    let folders = find(Tool::C, target, glibc, environment, Some(run_folder))?.and_then(|compiler| {
        let mut command = compiler.command(Tool::C);
        command.args(["-E", "-v", "-x", "c"]).arg(if cfg!(windows) { "NUL" } else { "/dev/null" });
        let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output().ok()?;
        Some(search_folders(&String::from_utf8_lossy(&output.stderr)))
    });
    let folders: Vec<_> = folders.unwrap_or_default().into_iter().filter(|folder| !is_of_compiler(folder)).collect();
    let has_headers = !folders.is_empty();
    // Zig defines it, and has one set of headers for all versions.
    args.extend(glibc.filter(|_| has_headers).map(|glibc| format!("-D__GLIBC_MINOR__={}", glibc.minor)));
    args.extend(folders.iter().map(|folder| format!("-isystem{}", quoted(folder))));
    Ok((args.join(" "), has_headers))
}

/// Returns the target as clang names it.
fn clang_triple(target: Target) -> String {
    target.triple.replacen("riscv64gc", "riscv64", 1)
}

/// Returns the folders of a compiler's verbose output.
fn search_folders(output: &str) -> Vec<PathBuf> {
    let lines = output.lines().skip_while(|line| !line.starts_with("#include <...>")).skip(1);
    lines.take_while(|line| line.starts_with(' ')).map(|line| PathBuf::from(line.trim())).collect()
}

/// Returns whether a folder has the headers of a compiler alone. Those of another one than libclang may not suit it.
fn is_of_compiler(folder: &Path) -> bool {
    folder.join("stddef.h").is_file() && !folder.join("stdlib.h").is_file()
}

/// Quotes a path as a shell would: bindgen splits the variable like one.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::tools::run_folder::ZigSearch;
    use crate::platform::TARGETS;

    #[test]
    fn search_folders_end_with_the_list() {
        let output = "ignoring nonexistent directory \"/x\"\n#include \"...\" search starts here:\n\
                      #include <...> search starts here:\n /zig lib/a\n /b\nEnd of search list.\n /c\n";
        assert_eq!(search_folders(output), [Path::new("/zig lib/a"), Path::new("/b")]);
        assert_eq!(quoted(Path::new("/zig's")), r"'/zig'\''s'");
    }

    #[test]
    fn bindgen_finds_no_headers_without_a_compiler() {
        let folder = tempfile::tempdir().expect("a folder");
        let run_folder = RunFolder::at(folder.path());
        run_folder.keep_zig(TARGETS[5].triple, &ZigSearch::NoZig);
        let environment = Environment::default();
        let found = bindgen_args(TARGETS[5], None, &environment, &run_folder).expect("arguments");
        assert_eq!(found, ("--target=riscv64-unknown-linux-musl -nostdlibinc".to_owned(), false));
    }
}
