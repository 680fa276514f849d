//! The programs of all images: prebuilt or compiled, and such that their base can start them.

use miette::miette;

use super::dynamic::Loaders;
use crate::base::{Base, BaseImage};
use crate::compile::elf::Needs;
use crate::compile::{self, Binary, Compiled, OnBinary, Toolchain};
use crate::context::base::Bases;
use crate::error::Result;
use crate::event::Listener;
use crate::plan::{ImagePlan, Plan};
use crate::platform::Target;

/// The programs that a plan wants, and where they come from.
pub struct Programs<'a> {
    plan: &'a Plan,
    /// What each image is built for.
    targets: &'a [Vec<Target>],
    prebuilt: Vec<Binary>,
    /// What each run of cargo compiles for.
    compiled: Vec<Vec<Target>>,
}

impl<'a> Programs<'a> {
    /// Looks at those that are there already; `targets` are those of each image.
    ///
    /// # Errors
    /// One that is missing, or for another platform.
    pub fn of(plan: &'a Plan, targets: &'a [Vec<Target>]) -> Result<Programs<'a>> {
        let mut programs =
            Programs { plan, targets, prebuilt: Vec::new(), compiled: vec![Vec::new(); plan.compile.runs.len()] };
        for (image, targets) in plan.images.iter().zip(targets) {
            for target in targets {
                match prebuilt(plan, image, *target)? {
                    Some(found) => programs.prebuilt.extend(found),
                    None if programs.compiled[image.run].contains(target) => {}
                    None => programs.compiled[image.run].push(*target),
                }
            }
        }
        Ok(programs)
    }

    /// Whether there is anything to compile.
    pub fn need_cargo(&self) -> bool {
        self.compiled.iter().any(|targets| !targets.is_empty())
    }

    /// Refuses bases that start no dynamic program at all, before minutes of compiling.
    ///
    /// # Errors
    /// See above; of reading a base.
    pub fn expect(&self, below: &[&Base], bases: &Bases, toolchain: &Toolchain) -> Result<()> {
        let mut loaders = Loaders::new(bases);
        for (image, base) in each(self.plan, below.iter().copied()) {
            let is_compiled = self.compiled[image.run].contains(&base.target);
            if is_compiled && !base.target.is_static() && !asks_for_static(toolchain, base.target) {
                loaders.expect(image, base)?;
            }
        }
        Ok(())
    }

    /// Compiles what is not there, and tells `arrived` of each program that is.
    ///
    /// # Errors
    /// Whatever stops cargo; a program that is not what its target promises.
    pub fn make(&self, toolchain: Option<&Toolchain>, arrived: OnBinary, listener: Listener) -> Result<Compiled> {
        self.prebuilt.iter().for_each(arrived);
        let mut made = match toolchain {
            Some(toolchain) => compile::run(&self.plan.compile, toolchain, &self.compiled, arrived, listener)?,
            None => Compiled::default(),
        };
        made.binaries.extend(self.prebuilt.iter().cloned());
        for (image, targets) in self.plan.images.iter().zip(self.targets) {
            for (name, target) in image.bins.iter().flat_map(|name| targets.iter().map(move |target| (name, *target))) {
                program(&made.binaries, image, name, target)?;
            }
        }
        Ok(made)
    }
}

/// Refuses programs that their base cannot start.
///
/// # Errors
/// See above; of reading a base.
pub fn check(plan: &Plan, made: &[Binary], below: &[&Base], bases: &Bases) -> Result<()> {
    let mut loaders = Loaders::new(bases);
    for (image, base) in each(plan, below.iter().copied()) {
        for name in &image.bins {
            loaders.check(program(made, image, name, base.target)?, image, base)?;
        }
    }
    Ok(())
}

/// What was built for an image's program `name`.
fn program<'a>(all: &'a [Binary], image: &ImagePlan, name: &str, target: Target) -> Result<&'a Binary> {
    let unit = image.unit(target);
    all.iter()
        .find(|binary| binary.unit == unit && binary.name == name)
        .ok_or_else(|| miette!("cargo built no `{name}` for {}", target.triple))
}

/// Every image of every platform.
fn each<'a>(
    plan: &'a Plan,
    below: impl IntoIterator<Item = &'a Base>,
) -> impl Iterator<Item = (&'a ImagePlan, &'a BaseImage)> {
    plan.images.iter().zip(below).flat_map(|(image, base)| base.images.iter().map(move |base| (image, base)))
}

/// The programs of an image that are there already, checked; nothing where those of that platform are to be compiled.
fn prebuilt(plan: &Plan, image: &ImagePlan, target: Target) -> Result<Option<Vec<Binary>>> {
    let given = plan.prebuilt.iter().find(|given| given.target.platform() == target.platform());
    let Some(given) = given else {
        return Ok(None);
    };
    let program = |name: &String| {
        let mut program =
            Binary { unit: image.unit(target), name: name.clone(), path: given.program(name), needs: Needs::default() };
        if !program.path.is_file() {
            return Err(miette!("there is no program {} any more", program.path.display()));
        }
        // Whoever made it may have made it for a base with a libc.
        program.needs = program.check(false).map_err(|error| {
            let platform = target.platform();
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
