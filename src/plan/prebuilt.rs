//! Binaries that are compiled already: the files.

use std::path::PathBuf;

use miette::miette;

use super::image::ImagePlan;
use crate::cli::Prebuilt;
use crate::error::Result;
use crate::platform::{Platform, PlatformChoice};

impl Prebuilt {
    /// Returns the file of a binary: in the folder, or the file itself.
    pub fn program(&self, name: &str) -> PathBuf {
        if self.path.is_dir() { self.path.join(name) } else { self.path.clone() }
    }
}

/// Checks that there is a file for every binary and platform.
///
/// # Errors
/// Returns an error if a platform is given twice or not built for, if a binary is missing, or if one file is given for several
/// binaries.
pub(crate) fn check(prebuilt: &[Prebuilt], images: &[ImagePlan]) -> Result<()> {
    for (at, given) in prebuilt.iter().enumerate() {
        let platform = given.target.platform();
        if prebuilt[..at].iter().any(|other| other.target.platform() == platform) {
            return Err(miette!(
                help = "put all binaries into one folder, under their names, and pass that folder",
                "`--prebuilt` is given twice for {platform}"
            ));
        }
        if !images.iter().any(|image| is_for(image, &platform)) {
            return Err(miette!(
                help = format!("add the platform with `--platform`, or remove `--prebuilt {platform}=…`"),
                "`--prebuilt` is given for {platform}, but no image is built for it"
            ));
        }
        let mut programs: Vec<_> =
            images.iter().flat_map(|image| image.bins.iter().map(|bin| (&image.package, bin))).collect();
        programs.sort();
        programs.dedup();
        if programs.len() > 1 && given.path.is_file() {
            let names: Vec<_> = programs.iter().map(|(_, bin)| bin.as_str()).collect();
            return Err(miette!(
                help = "put them into one folder, under their names, and pass that folder",
                "{} is a file, but {} binaries are needed: {}",
                given.path.display(),
                names.len(),
                names.join(", ")
            ));
        }
        if let Some(missing) = programs.iter().map(|(_, bin)| given.program(bin)).find(|path| !path.is_file()) {
            return Err(miette!(
                help = "pass a binary, or a folder with the binaries under their names",
                "cannot find the binary {} for {platform}",
                missing.display()
            ));
        }
    }
    Ok(())
}

fn is_for(image: &ImagePlan, platform: &Platform) -> bool {
    image.platforms.iter().any(|choice| match choice {
        PlatformChoice::One(target) => target.platform() == *platform,
        // The base decides which these are.
        PlatformChoice::All(_) => true,
    })
}
