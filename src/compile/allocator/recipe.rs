//! How the sources of an allocator are compiled. Equal sources and compilers make equal objects, in any folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use miette::miette;

use super::programs::{self, Programs};
use crate::compile::tools::gnu_name;
use crate::error::Result;
use crate::platform::Target;

/// The version of these recipes: libraries of another one are made again.
pub(super) const VERSION: &str = "recipe 1";

/// The flags for all C code. Programs are position-independent, and what they do not use of it is left out.
const FLAGS: [&str; 6] = ["-O3", "-g0", "-fPIC", "-fno-builtin-malloc", "-ffunction-sections", "-fdata-sections"];

/// One library that is made.
pub(super) struct LibraryRecipe<'a> {
    pub programs: &'a Programs<'a>,
    pub target: Target,
    pub sources: &'a Path,
    /// An empty folder.
    pub work: &'a Path,
}

impl LibraryRecipe<'_> {
    /// Compiles mimalloc: one file that includes all others.
    ///
    /// # Errors
    /// Returns an error if a program fails.
    pub(super) fn mimalloc(&self) -> Result<PathBuf> {
        let root = self.sources.join("c_src/mimalloc/v3");
        let (object, library) = (self.work.join("mimalloc.o"), self.work.join("lib.a"));
        let mut compile = self.programs.tool("CC", "cc", self.target);
        compile.args(FLAGS).arg(self.without_paths()).args([
            "-ftls-model=initial-exec",
            "-DNDEBUG",
            "-DMI_DEBUG=0",
            "-DMI_BUILD_RELEASE",
            "-DMI_MALLOC_OVERRIDE",
            // It prints them if it is asked for its version.
            "-Wno-builtin-macro-redefined",
            "-D__DATE__=\"\"",
            "-D__TIME__=\"\"",
        ]);
        compile.arg("-I").arg(root.join("include")).arg("-I").arg(root.join("src"));
        compile.arg("-c").arg(root.join("src/static.c")).arg("-o").arg(&object);
        programs::run(&mut compile)?;
        programs::run(self.programs.tool("AR", "ar", self.target).arg("rcs").arg(&library).arg(&object))?;
        Ok(library)
    }

    /// Compiles jemalloc, by its own `configure` and `make`.
    ///
    /// # Errors
    /// Returns an error if a program is missing or fails.
    pub(super) fn jemalloc(&self) -> Result<PathBuf> {
        let environment = &self.programs.plan.environment;
        for program in ["sh", "make", "nm"] {
            if environment.find_program(&[program]).is_none() {
                return Err(miette!(
                    help = format!("install {program}, or use `--allocator mimalloc`, which needs a C compiler alone"),
                    "there is no `{program}` on PATH, which jemalloc is built with"
                ));
            }
        }
        let text = |name: &str, otherwise| {
            let command = self.programs.tool(name, otherwise, self.target);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        let mut flags: Vec<_> = FLAGS.map(OsString::from).into();
        flags.push(self.without_paths());
        let flags = flags.join(std::ffi::OsStr::new(" "));
        let mut configure = environment.command("sh");
        self.programs.prepare(&mut configure);
        configure
            .arg(self.sources.join("configure/configure"))
            .arg(with_value("--srcdir=", &self.sources.join("jemalloc")));
        configure.args(self.options()).current_dir(self.work);
        configure.env("CC", text("CC", "cc")).env("AR", text("AR", "ar")).env("CFLAGS", flags);
        // The names of its own functions begin with it, and are seen by no other library.
        programs::run(&mut configure)?;
        let mut make = environment.command("make");
        self.programs.prepare(&mut make);
        let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        make.arg(format!("-j{jobs}")).arg("build_lib_static").current_dir(self.work);
        programs::run(&mut make)?;
        Ok(self.work.join("lib/libjemalloc_pic.a"))
    }

    /// Returns the options of jemalloc's `configure`. What it would find out about this machine is said.
    fn options(&self) -> Vec<String> {
        let version = self.programs.source.version.split_once('+').map_or("", |(_, version)| version);
        let mut options: Vec<_> = [
            "--disable-cxx",
            "--disable-doc",
            "--disable-shared",
            "--disable-stats",
            "--with-jemalloc-prefix=",
            "--with-private-namespace=oci_",
            "--with-lg-hugepage=21",
        ]
        .map(str::to_owned)
        .into();
        options.push(format!("--with-version={version}"));
        options.push(format!("--host={}", gnu_name(self.target)));
        // It runs what it has compiled if both are the same.
        options.push("--build=none-unknown-linux-gnu".to_owned());
        options.push(format!("--with-lg-page={}", lg_page(self.target)));
        options.extend(lg_address(self.target).map(|bits| format!("--with-lg-vaddr={bits}")));
        options
    }

    /// Returns the option that keeps the paths of sources out of objects.
    fn without_paths(&self) -> OsString {
        let source = self.programs.source;
        let mut option = with_value("-ffile-prefix-map=", self.sources);
        option.push(format!("=/cargo/registry/{}-{}", source.name, source.version));
        option
    }
}

/// Returns the largest page that kernels for the target have, as a power of two. A program that expects smaller ones does not
/// start.
fn lg_page(target: Target) -> u32 {
    match target.platform().architecture.as_str() {
        "arm64" | "ppc64le" | "loong64" | "mips64le" => 16,
        _ => 12,
    }
}

/// Returns the bits of an address, where the processor of this machine would decide.
fn lg_address(target: Target) -> Option<u32> {
    matches!(target.platform().architecture.as_str(), "amd64" | "arm64").then_some(48)
}

fn with_value(option: &str, path: &Path) -> OsString {
    let mut text = OsString::from(option);
    text.push(path);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn pages_are_as_large_as_any_kernel_has() {
        let [amd64, arm64, ..] = TARGETS;
        assert_eq!([lg_page(amd64), lg_page(arm64)], [12, 16]);
        assert_eq!([lg_address(amd64), lg_address(TARGETS[2])], [Some(48), None]);
    }
}
