//! Programs that were compiled before: which files they are.

use std::path::PathBuf;

use miette::miette;

use super::ImagePlan;
use crate::cli::Prebuilt;
use crate::error::Result;
use crate::platform::{Platform, PlatformChoice};

impl Prebuilt {
    /// The file of a program: in the folder, or the file itself.
    pub fn program(&self, name: &str) -> PathBuf {
        match self.path.is_dir() {
            true => self.path.join(name),
            false => self.path.clone(),
        }
    }
}

/// Sees to it that every program of the platforms is there, and each once.
///
/// # Errors
/// A platform that comes twice, or that nothing is built for; a program that is missing; one file for several programs.
pub fn check(prebuilt: &[Prebuilt], images: &[ImagePlan]) -> Result<()> {
    for (at, given) in prebuilt.iter().enumerate() {
        let platform = given.target.platform();
        if prebuilt[..at].iter().any(|other| other.target.platform() == platform) {
            return Err(miette!(
                help = "put several programs into one folder, under their names, and name that",
                "`--prebuilt` names programs for {platform} twice"
            ));
        }
        if !images.iter().any(|image| is_for(image, &platform)) {
            return Err(miette!(
                help = format!("add it with `--platform {platform}`, which also leaves out what is not wanted"),
                "`--prebuilt` has programs for {platform}, which nothing is built for"
            ));
        }
        let mut programs: Vec<_> =
            images.iter().flat_map(|image| image.bins.iter().map(|bin| (&image.package, bin))).collect();
        programs.sort();
        programs.dedup();
        if programs.len() > 1 && given.path.is_file() {
            let names: Vec<_> = programs.iter().map(|(_, bin)| bin.as_str()).collect();
            return Err(miette!(
                help = "put them into one folder, under their names, and name that",
                "{} is one program, and {} are wanted: {}",
                given.path.display(),
                names.len(),
                names.join(", ")
            ));
        }
        if let Some(missing) = programs.iter().map(|(_, bin)| given.program(bin)).find(|path| !path.is_file()) {
            return Err(miette!(
                help = "name a program, or a folder that holds the programs under their names",
                "there is no program {} for {platform}",
                missing.display()
            ));
        }
    }
    Ok(())
}

fn is_for(image: &ImagePlan, platform: &Platform) -> bool {
    image.platforms.iter().any(|choice| match choice {
        PlatformChoice::One(target) => target.platform() == *platform,
        // Which these are is known with the base.
        PlatformChoice::All => true,
    })
}
