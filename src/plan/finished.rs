//! Where an image that was built before is pushed to.

use cargo_metadata::semver::Version;
use miette::{Context, IntoDiagnostic, miette};

use super::flags;
use super::request::Request;
use super::tags::{Git, Values};
use crate::cli::BuildArgs;
use crate::config::{Placeholder, Policy, Repositories, SignatureFormat};
use crate::environment::Environment;
use crate::error::Result;
use crate::git;
use crate::reference::Reference;

/// Where an image that was built before is pushed to.
#[derive(Debug)]
pub(crate) struct PushTargets {
    /// The repositories.
    pub repositories: Vec<Reference>,
    /// The tags, if they were typed or are in a variable.
    pub tags: Option<Vec<String>>,
    /// How signatures are kept there.
    pub signature_format: SignatureFormat,
    /// The rules for the image, if Cargo.toml was asked.
    pub policy: Option<Policy>,
}

impl PushTargets {
    /// Finds the repositories of an image by its name: those of flags and variables, else those of Cargo.toml. Without a need for
    /// that, there need not be any.
    ///
    /// # Errors
    /// Returns an error if there is a need for Cargo.toml and no image of that name in it, or if a placeholder has no value.
    pub(crate) fn find(args: &BuildArgs, name: &str, environment: &Environment) -> Result<PushTargets> {
        let table = flags::flags(&args.image)?.over(flags::variables(environment)?);
        let (repositories, tags) = (table.repository.unwrap_or_default(), table.tags);
        let signature_format = table.signature_format.unwrap_or_default();
        let mut is_of_package = false;
        let mut ask = |placeholder: &Placeholder| {
            is_of_package |= is_about_the_package(placeholder);
            Ok(String::new())
        };
        // What they expand to is of no interest yet.
        repositories.0.iter().for_each(|template| drop(template.expand(&mut ask)));
        tags.iter().flat_map(|tags| &tags.0).for_each(|template| drop(template.expand(&mut ask)));
        if repositories == Repositories::default() || is_of_package {
            return PushTargets::in_manifest(args, name, environment, tags.is_some());
        }
        let folder = std::env::current_dir().into_diagnostic()?;
        let commit = git::commit(&folder, environment);
        let git = Git::new(&folder, environment, commit.as_ref());
        // Nothing asks for a version.
        let version = Version::new(0, 0, 0);
        let values = Values { name, package: name, version: &version, profile: "", git: &git };
        let tags = tags.map(|tags| values.tags(&tags.0)).transpose()?;
        Ok(PushTargets { repositories: values.repositories(&repositories.0)?, tags, signature_format, policy: None })
    }

    /// Asks Cargo.toml for the image of that name, or for its only one.
    fn in_manifest(args: &BuildArgs, name: &str, environment: &Environment, has_tags: bool) -> Result<PushTargets> {
        let plan = super::make(&Request::new(args), environment);
        let mut images = plan.wrap_err_with(|| format!("cannot find the repository of {name}"))?.images;
        let is_only = images.len() == 1;
        let found = images.iter().position(|image| image.name == name || is_only).ok_or_else(|| {
            let names: Vec<_> = images.iter().map(|image| image.name.as_str()).collect();
            miette!(
                help = format!("name the repository, as in `cargo oci push ghcr.io/you/{name} --from …`"),
                "cannot find the repository of {name}: the images of Cargo.toml are {}",
                names.join(", ")
            )
        })?;
        let image = images.swap_remove(found);
        let tags = has_tags.then_some(image.tags);
        Ok(PushTargets {
            repositories: image.repositories,
            tags,
            signature_format: image.signature_format,
            policy: image.policy,
        })
    }
}

/// Returns whether only Cargo.toml has the value of a placeholder.
fn is_about_the_package(placeholder: &Placeholder) -> bool {
    match placeholder {
        Placeholder::Package
        | Placeholder::Version
        | Placeholder::Major
        | Placeholder::Minor
        | Placeholder::Patch
        | Placeholder::Profile => true,
        Placeholder::Name
        | Placeholder::GitSha
        | Placeholder::GitShort
        | Placeholder::GitBranch
        | Placeholder::GitTag
        | Placeholder::Variable(_) => false,
    }
}
