//! What a plan is made from, and what it is made for.

use super::image::ImagePlan;
use crate::cli::BuildArgs;
use crate::config::SbomFormat;
use crate::error::Result;
use crate::platform::Platform;

/// The arguments of a plan, besides Cargo.toml, the environment and git.
pub struct Request<'a> {
    /// The arguments.
    pub args: &'a BuildArgs,
    /// The purpose of the images.
    pub purpose: Purpose<'a>,
}

/// The purpose of the images of a plan.
pub enum Purpose<'a> {
    /// They are written as layouts, with all of their platforms.
    Layout,
    /// Each is loaded into an engine. The function returns the one platform that an image is built for, or `None` for all
    /// of its platforms.
    Engine(&'a dyn Fn(&ImagePlan) -> Result<Option<OnlyPlatform>>),
    /// Each is unpacked as a bundle for this platform.
    Bundle(Platform),
    /// It is compared with an image that was built before.
    Reproduction,
    /// Only an SBOM of this format is printed.
    Sbom(SbomFormat),
}

/// The one platform that an image is built for.
#[derive(Clone, Debug)]
pub struct OnlyPlatform {
    /// The platform.
    pub platform: Platform,
    /// Why it is this one, for the error that the image is not built for it.
    pub reason: Option<String>,
}

impl<'a> Request<'a> {
    /// Requests layouts with all platforms.
    pub fn new(args: &'a BuildArgs) -> Request<'a> {
        Request { args, purpose: Purpose::Layout }
    }
}

impl Purpose<'_> {
    /// Changes an image so that it serves this purpose.
    ///
    /// # Errors
    /// Returns an error if the image is not built for the platform that is needed.
    pub(super) fn apply(&self, image: &mut ImagePlan) -> Result<()> {
        match self {
            Purpose::Layout => Ok(()),
            Purpose::Engine(platform) => match platform(image)? {
                None => Ok(()),
                Some(only) => image.narrow(&only.platform).map_err(|error| match only.reason {
                    Some(reason) => error.wrap_err(reason),
                    None => error,
                }),
            },
            Purpose::Reproduction => {
                let name = image.layout.file_name().unwrap_or_default().to_string_lossy().into_owned();
                image.layout.set_file_name(format!("{name}.reproduced"));
                image.max_size = None;
                Ok(())
            }
            Purpose::Bundle(platform) => image.narrow(platform),
            Purpose::Sbom(format) => {
                image.sbom = vec![*format];
                Ok(())
            }
        }
    }
}
