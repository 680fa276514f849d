//! Checks that a base has the loader, the libraries and the versions that dynamic programs need. Bases are read only for
//! dynamic programs.

use std::sync::Arc;

use miette::{Report, miette};

use super::base_files::{BaseLibc, BasesFiles, GLIBC};
use crate::base::BaseImage;
use crate::compile::Binary;
use crate::compile::elf::Needs;
use crate::compile::versions::{self, GlibcVersion, SymbolVersion};
use crate::context::base::Bases;
use crate::error::Result;
use crate::filesystem::NodeKind;
use crate::plan::ImagePlan;
use crate::platform::{Libc, Target};
use crate::store::Cache;

/// The checks of a run.
pub(crate) struct DynamicLinkCheck<'a> {
    files: BasesFiles<'a>,
}

/// Where a program comes from, which decides how another one can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkedBy {
    /// The user has built it.
    User,
    /// A linker that cargo's configuration names.
    OwnLinker,
    /// A linker of this machine: there is no zig.
    ThisMachine,
    /// Zig, for the glibc of the base.
    Zig,
}

/// The base with the libraries that programs in C++ and Rust need.
const CC: &str = "gcr.io/distroless/cc-debian13:nonroot";
/// The libraries in it.
const IN_CC: [&str; 7] =
    ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libgcc_s.so.1", "libstdc++.so.6", "libgomp.so.1"];

impl<'a> DynamicLinkCheck<'a> {
    /// Creates a check that has read no base yet.
    pub(crate) fn new(bases: &'a Bases<'a>, cache: Arc<Cache>) -> DynamicLinkCheck<'a> {
        DynamicLinkCheck { files: BasesFiles::new(bases, cache) }
    }

    /// Checks, before minutes of compiling, that a base can start dynamic programs at all. Returns the version of its glibc,
    /// if programs can be linked for it.
    ///
    /// # Errors
    /// Returns an error if the base has no such C library, or cannot be read.
    pub(crate) fn glibc(&mut self, image: &ImagePlan, base: &BaseImage) -> Result<Option<GlibcVersion>> {
        let BaseLibc { has_musl, has_glibc, glibc } = self.files.libc(image, base)?;
        let (triple, libc, of_base) = (base.target.triple, base.target.libc(), &image.base);
        let message = match libc {
            Libc::Gnu if has_glibc => match glibc {
                Some(version) if version < GlibcVersion::OLDEST => format!(
                    "the base {of_base} has glibc {version}, and Rust's programs for {triple} need {} or newer",
                    GlibcVersion::OLDEST
                ),
                version => return Ok(version),
            },
            Libc::Musl if has_musl => return Ok(None),
            Libc::Gnu if has_musl => {
                format!("programs for {triple} are linked with glibc, and the base {of_base} has musl")
            }
            Libc::Musl if has_glibc => {
                format!("dynamic programs for {triple} are linked with musl, and the base {of_base} has glibc")
            }
            _ => format!("programs for {triple} are dynamic, and the base {of_base} has no loader for them"),
        };
        Err(refused(libc, "with glibc", &static_way(base.target, libc), &message))
    }

    /// Checks that the base has all that a program needs. A static program needs nothing.
    ///
    /// # Errors
    /// Returns an error if the base lacks something, or cannot be read.
    pub(crate) fn can_start(
        &mut self,
        program: &Binary,
        image: &ImagePlan,
        base: &BaseImage,
        linked_by: impl Fn() -> LinkedBy,
    ) -> Result<()> {
        let needs = &program.needs;
        if needs.is_empty() || self.files.is_known_to_start(needs, base) {
            return Ok(());
        }
        let libraries: Vec<_> = needs.versions.iter().map(|version| version.library.as_str()).collect();
        let files = self.files.with_versions(image, base, &libraries)?;
        let interpreter = needs.interpreter.iter().find(|path| {
            let node = files.tree.find(path);
            !node.is_some_and(|node| matches!(files.tree.node(node).kind, NodeKind::File { .. }))
        });
        let interpreter = interpreter.map(|path| format!("the interpreter {path}"));
        let libraries = needs.libraries.iter().filter(|name| !files.names.contains(name.as_bytes()));
        let libraries: Vec<_> = libraries.cloned().collect();
        let missing: Vec<_> = interpreter.iter().chain(&libraries).cloned().collect();
        if !missing.is_empty() {
            let missing = missing.join(" and ");
            let is_in_cc = libraries.iter().all(|name| IN_CC.contains(&name.as_str()));
            let kind = if interpreter.is_some() { "with glibc" } else { "that has it" };
            let message =
                format!("{}: it needs {missing}, which the base {} does not have", dynamic(program), image.base);
            let libc = libc_of(needs, base.target);
            let way = match linked_by() {
                LinkedBy::User => "build a static program for musl".to_owned(),
                _ => static_way(base.target, libc),
            };
            if libc == Libc::Gnu && interpreter.is_none() && !is_in_cc {
                return Err(miette!(
                    help = format!("choose a base that has it with `--base`, or link it statically; or {way}"),
                    "{message}"
                ));
            }
            return Err(refused(libc, kind, &way, &message));
        }
        // The loader does not start a program that was linked with newer libraries than the base has.
        let too_new = needs.versions.iter().filter(|version| {
            let has = files.versions.get(&version.library).and_then(Option::as_ref);
            has.is_some_and(|has| !has.contains(&version.name))
        });
        if let Some(missing) = too_new.max_by_key(|version| versions::parse(&version.name)) {
            let has = files.versions.get(&missing.library).into_iter().flatten().flatten();
            return Err(too_new_for(
                program,
                missing,
                image,
                &has.map(String::as_str).collect::<Vec<_>>(),
                linked_by(),
            ));
        }
        self.files.keep_that_it_starts(needs, base);
        Ok(())
    }
}

/// Returns the error that a program needs a newer library than the base has, which has these versions.
fn too_new_for(
    program: &Binary,
    missing: &SymbolVersion,
    image: &ImagePlan,
    has: &[&str],
    linked_by: LinkedBy,
) -> Report {
    let SymbolVersion { library, name, symbol } = missing;
    let symbol = symbol.as_ref().map(|symbol| format!(" (symbol {symbol})")).unwrap_or_default();
    let series = versions::parse(name).map(|(series, _)| series);
    let known = has.iter().filter_map(|name| versions::parse(name)).filter(|(found, _)| series == Some(*found));
    let highest = known.max().map(|(series, number)| {
        let number: Vec<_> = number.iter().map(u32::to_string).collect();
        let number = number.join(".");
        if library == GLIBC { format!("glibc {number}") } else { format!("{series}{number} at most") }
    });
    let highest = highest.unwrap_or_else(|| "none of these".to_owned());
    let of_glibc = library == GLIBC && GlibcVersion::in_name(name).is_some();
    let triple = program.unit.target.triple;
    let other = match linked_by {
        LinkedBy::User if of_glibc => {
            format!(", compile the program on a system with {highest}, or here: omit `--prebuilt`")
        }
        LinkedBy::User => ", or build a static program for musl".to_owned(),
        LinkedBy::OwnLinker if of_glibc => format!(
            ", or remove the linker for {triple} from cargo's configuration: zig (`pip install ziglang`) links for the glibc of \
             the base"
        ),
        LinkedBy::ThisMachine if of_glibc => {
            ", or `pip install ziglang`, with which programs are linked for the glibc of the base".to_owned()
        }
        _ => format!("; or {}", static_way(program.unit.target, libc_of(&program.needs, program.unit.target))),
    };
    miette!(
        help = format!("choose a newer base with `--base`{other}"),
        "{}: it needs {name}{symbol} of {library}, but the base {} has {highest}",
        dynamic(program),
        image.base
    )
}

fn dynamic(program: &Binary) -> String {
    format!("{} for {} is dynamic", program.name, program.unit.target.platform())
}

/// Returns the C library of a program.
fn libc_of(needs: &Needs, target: Target) -> Libc {
    match &needs.interpreter {
        Some(interpreter) if interpreter.contains("ld-musl-") => Libc::Musl,
        Some(_) => Libc::Gnu,
        None => target.libc(),
    }
}

/// Returns how the program becomes a static one.
fn static_way(target: Target, libc: Libc) -> String {
    match libc {
        Libc::Musl => "make a static program: remove `-C target-feature=-crt-static` from your rustflags".to_owned(),
        Libc::Gnu => format!("make a static program with `--platform {} --libc musl`", target.platform()),
    }
}

/// Returns the error that another base is needed: one of this `kind`, if the programs are for glibc.
fn refused(libc: Libc, kind: &str, static_way: &str, message: &str) -> Report {
    let base = match libc {
        Libc::Musl => "with musl with `--base`, such as docker.io/library/alpine".to_owned(),
        Libc::Gnu => format!("{kind} with `--base`, such as {CC}"),
    };
    miette!(help = format!("choose a base {base}; or {static_way}"), "{message}")
}
