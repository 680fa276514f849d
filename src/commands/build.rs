//! `cargo oci build`: Plan → base, binaries → layers → images → index in a layout.

use miette::miette;

use super::assemble::{self, Work};
use super::bases::Bases;
use super::outputs;
use crate::cli::BuildArgs;
use crate::compile::{self, Toolchain};
use crate::error::Result;
use crate::event::{BuiltImage, Event, Listener};
use crate::plan::{self, Environment};
use crate::platform::{TARGETS, Target};

/// Builds every image that the arguments select.
///
/// # Errors
/// The first thing that goes wrong; then every layout is as it was before.
pub fn build(args: &BuildArgs, listener: Listener) -> Result<Vec<BuiltImage>> {
    let environment = Environment::of_this_process();
    // Which toolchain it is does not depend on the plan: it is asked while the plan is made.
    let (plan, toolchain) = std::thread::scope(|scope| {
        let toolchain = scope.spawn(|| Toolchain::find(&environment));
        (plan::make(args, &environment), toolchain.join().unwrap_or_else(|_| Err(miette!("a thread panicked"))))
    });
    let (plan, toolchain) = (plan?, toolchain?);
    let mut bases = Bases::new(&plan.cache);
    let below: Vec<_> = plan.images.iter().map(|image| bases.read(image, listener)).collect::<Result<_>>()?;
    for (image, base) in plan.images.iter().zip(&below) {
        assemble::check(image, base)?;
    }
    let wanted = |target: &Target| below.iter().any(|base| base.images.iter().any(|image| image.target == *target));
    let targets: Vec<_> = TARGETS.into_iter().filter(wanted).collect();
    let binaries = compile::run(&plan.compile, &toolchain, &targets, listener)?;

    let mut prepared = Vec::new();
    for (image, base) in plan.images.iter().zip(&below) {
        let work = Work { plan: image, base, source: bases.source(&image.base)?, binaries: &binaries };
        prepared.push(work.assemble(&image.layout, listener)?);
    }
    // Nothing is replaced before everything is there.
    let mut built = Vec::new();
    for (writer, image) in prepared {
        let layout = writer.commit()?;
        let platforms = image.manifests.iter().map(|manifest| manifest.platform.clone()).collect();
        listener(Event::Finished { image: image.name.clone(), platforms, bytes: image.size });
        outputs::write(&plan, &layout, &image, listener)?;
        built.push(image);
    }
    if let Some(path) = &plan.metadata_file {
        outputs::write_metadata(path, &built)?;
    }
    Ok(built)
}
