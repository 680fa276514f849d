//! The programs of all images: prebuilt or compiled, and such that their base can start them.

use miette::miette;

use super::assemble::binary;
use super::bases::Bases;
use super::loaders::Loaders;
use crate::base::{Base, BaseImage};
use crate::compile::elf::Needs;
use crate::compile::{self, Binary, Compiled, Toolchain};
use crate::error::Result;
use crate::event::Listener;
use crate::plan::{ImagePlan, Plan};
use crate::platform::Target;

/// Compiles what is not prebuilt; nothing at all where everything is.
///
/// # Errors
/// A program that is missing, or that its base cannot start; whatever stops cargo. Of the toolchain only where it is
/// needed.
pub fn programs(
    plan: &Plan,
    below: &[Base],
    bases: &Bases,
    toolchain: Result<Toolchain>,
    listener: Listener,
) -> Result<Compiled> {
    let mut compiled = Compiled::default();
    let mut loaders = Loaders::new(bases);
    let mut targets: Vec<Vec<Target>> = vec![Vec::new(); plan.compile.runs.len()];
    for (image, base) in each(plan, below) {
        match prebuilt(plan, image, base)? {
            Some(found) => compiled.binaries.extend(found),
            None if targets[image.run].contains(&base.target) => {}
            None => targets[image.run].push(base.target),
        }
    }
    if targets.iter().any(|targets| !targets.is_empty()) {
        let toolchain = toolchain?;
        for (image, base) in each(plan, below) {
            let is_compiled = targets[image.run].contains(&base.target);
            if is_compiled && !base.target.is_static() && !asks_for_static(&toolchain, base.target) {
                loaders.expect(image, base)?;
            }
        }
        let made = compile::run(&plan.compile, &toolchain, &targets, listener)?;
        compiled.binaries.extend(made.binaries);
        compiled.out_dirs = made.out_dirs;
    }
    for (image, base) in each(plan, below) {
        for name in &image.bins {
            loaders.check(binary(&compiled.binaries, image, name, base)?, image, base)?;
        }
    }
    Ok(compiled)
}

/// Every image of every platform.
fn each<'a>(plan: &'a Plan, below: &'a [Base]) -> impl Iterator<Item = (&'a ImagePlan, &'a BaseImage)> {
    plan.images.iter().zip(below).flat_map(|(image, base)| base.images.iter().map(move |base| (image, base)))
}

/// The programs of an image that are there already, checked; nothing where those of that platform are to be compiled.
fn prebuilt(plan: &Plan, image: &ImagePlan, base: &BaseImage) -> Result<Option<Vec<Binary>>> {
    let given = plan.prebuilt.iter().find(|given| given.target.platform() == base.target.platform());
    let Some(given) = given else {
        return Ok(None);
    };
    let program = |name: &String| {
        let mut program = Binary {
            package: image.package.clone(),
            name: name.clone(),
            target: base.target,
            run: image.run,
            path: given.program(name),
            needs: Needs::default(),
        };
        if !program.path.is_file() {
            return Err(miette!("there is no program {} any more", program.path.display()));
        }
        // Whoever made it may have made it for a base with a libc.
        program.needs = program.check(false).map_err(|error| {
            let platform = base.target.platform();
            miette!(
                help = format!("name one that was compiled for {platform}, as in `--prebuilt {platform}=PATH`"),
                "{error}: {}",
                error.root_cause()
            )
        })?;
        Ok(program)
    };
    image.bins.iter().map(program).collect::<Result<_>>().map(Some)
}

/// Whether the user has asked for static programs where they are not by themselves.
fn asks_for_static(toolchain: &Toolchain, target: Target) -> bool {
    let flags = toolchain.config.rustflags(target.triple).ok().flatten();
    flags.is_some_and(|flags| flags.flags.iter().any(|flag| flag.contains("+crt-static")))
}
