//! An image → a runtime bundle.

use std::path::PathBuf;

use miette::miette;
use oci_spec::image::Descriptor;
use serde_json::json;

use crate::base::{Base, BaseImage};
use crate::bundle::{self, BundleFormat, BundleImage, BundleOutput};
use crate::cli::{BundleArgs, BundleForm, ImageArgs};
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::error::Result;
use crate::event::Event;
use crate::event::counter::Activity;
use crate::image::config::{Object, object_in};
use crate::plan::Plan;
use crate::platform::{PlatformChoice, Target};
use crate::reference::BaseReference;
use crate::store::layer::layers_of;
use crate::store::{ProgressSource, Source};

/// Bundles any image for one platform. Arguments replace its entrypoint or command.
///
/// # Errors
/// Returns an error if the image cannot be read, is not for the platform, or the bundle cannot be written.
pub(crate) fn bundle_image(
    reference: &BaseReference,
    platform: Target,
    args: &ImageArgs,
    output: &BundleOutput,
    context: &GlobalContext,
) -> Result<()> {
    let mut bases = Bases::new(context, true, false)?;
    let mut base = bases.find(reference, &[PlatformChoice::One(platform)])?;
    bases.fetch_one(reference)?;
    for image in &mut base.images {
        override_command(&mut image.config, args);
    }
    unpack(bases.source(reference)?, &container_name(reference), &base, output, context)
}

/// Unpacks the image that was read.
///
/// # Errors
/// Returns an error if its layers cannot be read, or the bundle cannot be written.
pub(crate) fn unpack(
    source: &dyn Source,
    name: &str,
    base: &Base,
    output: &BundleOutput,
    context: &GlobalContext,
) -> Result<()> {
    let Some(image) = base.images.first() else {
        return Err(miette!("the image {name} has no platform"));
    };
    let BaseImage { platform, config, layers, .. } = image;
    context.report(Event::Bundling {
        image: name.to_owned(),
        platform: platform.clone(),
        layers: layers.len(),
        bytes: layers.iter().map(Descriptor::size).fold(0, u64::saturating_add),
    });
    let source = ProgressSource { source, activity: Activity::Bundling, listener: context.listener };
    let image = BundleImage { source: &source, name, config, layers: layers_of(config, layers)? };
    bundle::write(&image, output, context.listener)
}

/// Returns the bundle that goes to `path`.
pub(crate) fn bundle_output(args: &BundleArgs, path: PathBuf) -> BundleOutput {
    let format = match args.output {
        BundleForm::Dir => BundleFormat::Directory,
        BundleForm::Tar => BundleFormat::Tar,
    };
    BundleOutput { path, format, rootless: args.rootless }
}

/// Returns the paths of the bundles of the images of a plan.
///
/// # Errors
/// Returns an error if one path is given for several images.
pub(crate) fn bundle_paths(args: &BundleArgs, plan: &Plan) -> Result<Vec<PathBuf>> {
    let extension = match args.output {
        BundleForm::Dir => "bundle",
        BundleForm::Tar => "bundle.tar",
    };
    match (&args.path, &plan.images[..]) {
        (Some(path), [_]) => Ok(vec![path.clone()]),
        (Some(path), images) => Err(miette!(
            help = "choose one image with `--package` or `--image`, or omit the path",
            "cannot write {} bundles to {}",
            images.len(),
            path.display()
        )),
        // Next to the layout, whose name may have the platform in it.
        (None, images) => {
            Ok(images.iter().map(|plan| plan.layout.with_file_name(format!("{}.{extension}", plan.name))).collect())
        }
    }
}

/// Replaces entrypoint or command by the arguments. A new entrypoint does not get the old one's arguments.
fn override_command(config: &mut Object, args: &ImageArgs) {
    let run = object_in(config, "config");
    if let Some(entrypoint) = &args.table.entrypoint {
        run.insert("Entrypoint".to_owned(), json!(entrypoint.0));
        run.remove("Cmd");
    }
    if let Some(cmd) = &args.table.cmd {
        run.insert("Cmd".to_owned(), json!(cmd.0));
    }
}

/// Returns the name of the container: the last part of the reference's name.
fn container_name(reference: &BaseReference) -> String {
    let name = match reference {
        BaseReference::Registry(reference) => reference.repository().rsplit('/').next().map(str::to_owned),
        BaseReference::Layout(on_disk) | BaseReference::Archive(on_disk) => {
            on_disk.path.file_stem().map(|name| name.to_string_lossy().into_owned())
        }
        BaseReference::Scratch | BaseReference::Embedded => None,
    };
    name.unwrap_or_else(|| reference.to_string())
}
