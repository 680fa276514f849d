//! The binaries of all images: prebuilt or compiled, and checked against their base.

use miette::miette;

use super::dynamic::{DynamicLinkCheck, LinkedBy};
use super::job::{ImageJob, PlannedImage};
use crate::base::Base;
use crate::compile::elf::Needs;
use crate::compile::{self, Binary, Compiled, GlibcOfTargets, OnBinary, Toolchain, tools};
use crate::error::Result;
use crate::event::Listener;
use crate::plan::{ImagePlan, Plan};
use crate::platform::Target;

/// The binaries of a plan, and where they come from.
pub(crate) struct Binaries<'a> {
    plan: &'a Plan,
    prebuilt: Vec<Binary>,
    /// The targets that each run of cargo compiles for.
    compiled: Vec<Vec<Target>>,
    /// The glibc that each run links for.
    glibc: Vec<GlibcOfTargets>,
}

impl<'a> Binaries<'a> {
    /// Finds out which binaries are prebuilt, and which must be compiled.
    ///
    /// # Errors
    /// Returns an error if a prebuilt binary is missing, or built for another platform.
    pub(crate) fn new(plan: &'a Plan, images: &[PlannedImage]) -> Result<Binaries<'a>> {
        let runs = plan.compile.runs.len();
        let (compiled, glibc) = (vec![Vec::new(); runs], vec![GlibcOfTargets::new(); runs]);
        let mut binaries = Binaries { plan, prebuilt: Vec::new(), compiled, glibc };
        for image in images {
            for target in image.targets() {
                match prebuilt(plan, image.plan, target)? {
                    Some(found) => binaries.prebuilt.extend(found),
                    None if binaries.compiled[image.plan.run].contains(&target) => {}
                    None => binaries.compiled[image.plan.run].push(target),
                }
            }
        }
        Ok(binaries)
    }

    /// Returns whether anything must be compiled.
    pub(crate) fn need_cargo(&self) -> bool {
        self.compiled.iter().any(|targets| !targets.is_empty())
    }

    /// Checks that bases can start dynamic binaries at all, before minutes of compiling, and finds out which glibc they are
    /// linked for: the oldest of the bases that a run of cargo compiles for.
    ///
    /// # Errors
    /// Returns an error if one cannot, or cannot be read.
    pub(crate) fn find_glibc(
        &mut self,
        images: &[PlannedImage],
        toolchain: &Toolchain,
        mut check: DynamicLinkCheck,
    ) -> Result<()> {
        for image in images {
            for base in image.base().into_iter().flat_map(|base| &base.images) {
                let is_compiled = self.compiled[image.plan.run].contains(&base.target);
                if is_compiled
                    && !toolchain.config.links_statically(base.target)
                    && let Some(version) = check.glibc(image.plan, base)?
                {
                    let known = self.glibc[image.plan.run].entry(base.target).or_insert(version);
                    *known = version.min(*known);
                }
            }
        }
        Ok(())
    }

    /// Compiles what is not prebuilt, and calls `arrived` for each binary as soon as it is built.
    ///
    /// # Errors
    /// Returns an error if cargo fails, or a binary is not what its target promises.
    pub(crate) fn make(
        &self,
        jobs: &[ImageJob],
        toolchain: Option<&Toolchain>,
        arrived: OnBinary,
        listener: Listener,
    ) -> Result<Compiled> {
        self.prebuilt.iter().for_each(arrived);
        let mut made = match toolchain {
            Some(toolchain) => {
                compile::run(&self.plan.compile, toolchain, &self.compiled, &self.glibc, arrived, listener)?
            }
            None => Compiled::default(),
        };
        made.binaries.extend(self.prebuilt.iter().cloned());
        for job in jobs {
            for (name, target) in job.plan.bins.iter().flat_map(|name| job.targets.iter().map(move |to| (name, *to))) {
                find(&made.binaries, job.plan, name, target)?;
            }
        }
        Ok(made)
    }

    /// Checks that the base of an image can start its binaries.
    ///
    /// # Errors
    /// Returns an error if it cannot, or cannot be read.
    pub(crate) fn check(
        &self,
        image: &ImagePlan,
        base: &Base,
        binaries: &[Binary],
        toolchain: Option<&Toolchain>,
        check: &mut DynamicLinkCheck,
    ) -> Result<()> {
        for base in &base.images {
            for name in &image.bins {
                let program = find(binaries, image, name, base.target)?;
                check.can_start(program, image, base, || self.linked_by(program, toolchain))?;
            }
        }
        Ok(())
    }

    fn linked_by(&self, program: &Binary, toolchain: Option<&Toolchain>) -> LinkedBy {
        let is_prebuilt =
            self.prebuilt.iter().any(|given| (&given.unit, &given.name) == (&program.unit, &program.name));
        let Some(toolchain) = toolchain.filter(|_| !is_prebuilt) else { return LinkedBy::User };
        match toolchain.has_own_linker(program.unit.target) {
            Ok(false) if tools::has_zig() => LinkedBy::Zig,
            Ok(false) => LinkedBy::ThisMachine,
            _ => LinkedBy::OwnLinker,
        }
    }
}

fn find<'a>(all: &'a [Binary], image: &ImagePlan, name: &str, target: Target) -> Result<&'a Binary> {
    let unit = image.unit(target);
    let found = all.iter().find(|binary| binary.unit == unit && binary.name == name);
    found.ok_or_else(|| miette!("cargo did not build `{name}` for {}", target.triple))
}

/// Returns the prebuilt binaries of an image, or `None` if those for the target's platform must be compiled.
fn prebuilt(plan: &Plan, image: &ImagePlan, target: Target) -> Result<Option<Vec<Binary>>> {
    let Some(given) = plan.prebuilt.iter().find(|given| given.target.platform() == target.platform()) else {
        return Ok(None);
    };
    let mut binaries = Vec::new();
    for name in &image.bins {
        let mut binary =
            Binary { unit: image.unit(target), name: name.clone(), path: given.program(name), needs: Needs::default() };
        if !binary.path.is_file() {
            return Err(miette!("the binary {} no longer exists", binary.path.display()));
        }
        // It may have been built for a base with a libc.
        binary.needs = binary.check(false).map_err(|error| {
            let platform = target.platform();
            miette!(
                help = format!("name a binary that was built for {platform}: `--prebuilt {platform}=PATH`"),
                "{error}: {}",
                error.root_cause()
            )
        })?;
        binaries.push(binary);
    }
    Ok(Some(binaries))
}
