//! `cargo oci bundle`: build, or take another image, then unpack it as a runtime's bundle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{IntoDiagnostic, Report, miette};
use oci_spec::image::Descriptor;
use serde_json::json;

use super::bases::Bases;
use super::build::Build;
use super::named::reference;
use super::registries::Registries;
use crate::base::{Base, BaseImage};
use crate::bundle::{self, Form, Image, Target};
use crate::cli::{BuildArgs, BundleArgs, BundleForm, ImageArgs};
use crate::error::{Result, or_help};
use crate::event::transfer::Activity;
use crate::event::{Event, Listener};
use crate::image::config::{Object, object_in};
use crate::plan::{Environment, Plan, cache_folder};
use crate::platform::{PlatformChoice, Target as RustTarget};
use crate::reference::BaseReference;
use crate::store::layer::described;
use crate::store::{Cache, Counted, Source};

/// Makes the bundle of every image that the arguments select; gives their paths.
///
/// # Errors
/// The first thing that goes wrong; then there is nothing in the place of that bundle.
pub fn bundle(args: &BundleArgs, listener: Listener) -> Result<Vec<String>> {
    let environment = Environment::of_this_process();
    let target = wanted(&args.image)?;
    match &args.from {
        Some(from) => foreign(args, from, target, &environment, listener),
        None => built(args, target, &environment, listener),
    }
}

/// Builds for one platform, and bundles that.
fn built(args: &BundleArgs, wanted: RustTarget, environment: &Environment, listener: Listener) -> Result<Vec<String>> {
    let build = BuildArgs { image: args.image.clone(), cargo: args.cargo.clone(), ..BuildArgs::default() };
    let mut targets = Vec::new();
    let prepare = |plan: &mut Plan| {
        // Where each layout is without the platform in its name, there the bundle is.
        targets = paths(args, plan)?.into_iter().map(|path| target(args, path)).collect();
        plan.images.iter_mut().try_for_each(|image| image.narrow(&wanted.platform()))?;
        targets.iter().try_for_each(Target::check)?;
        // The folder of all layouts comes with the first of them.
        targets.iter().filter(|_| args.path.is_some()).try_for_each(Target::check_folder)
    };
    let registries = Registries::new(environment, listener);
    let built = Build { args: &build, complete: true, attach: false, registries: &registries }.run(prepare, &())?;
    for ((image, layout), target) in built.images.iter().zip(&built.layouts).zip(&targets) {
        let base = Base::read(layout, image.root.clone(), &[PlatformChoice::One(wanted)])?;
        unpack(layout, &image.name, &base, target, listener)?;
    }
    Ok(targets.iter().map(|target| target.path.display().to_string()).collect())
}

/// Bundles an image that is somewhere else.
fn foreign(
    args: &BundleArgs,
    from: &str,
    wanted: RustTarget,
    environment: &Environment,
    listener: Listener,
) -> Result<Vec<String>> {
    let path = args.path.clone().ok_or_else(|| miette!("`--from` needs the path of the bundle"))?;
    let target = target(args, path);
    target.check()?;
    target.check_folder()?;
    let what = || format!("cannot bundle {from}");
    let help =
        || format!("`cargo oci validate {from}` tells whether it is whole; if it is, whoever makes it has to mend it");
    let told = |error: Report| or_help(error.wrap_err(what()), help);
    let reference = reference(from).map_err(told)?;
    let cache = Arc::new(Cache::open(cache_folder(environment)?)?);
    let registries = Registries::new(environment, listener);
    let mut bases = Bases::new(&cache, true, false, &registries);
    let mut base = bases.find(&reference, &[PlatformChoice::One(wanted)]).map_err(told)?;
    bases.fetch_one(&reference).map_err(told)?;
    base.images.iter_mut().for_each(|image| start(&mut image.config, &args.image));
    unpack(bases.source(&reference)?, &name(&reference), &base, &target, listener).map_err(told)?;
    Ok(vec![target.path.display().to_string()])
}

/// Unpacks the one image that was read.
fn unpack(source: &dyn Source, name: &str, base: &Base, target: &Target, listener: Listener) -> Result<()> {
    let Some(image) = base.images.first() else {
        return Err(miette!("the image {name} has no platform"));
    };
    let BaseImage { platform, config, layers, .. } = image;
    listener(Event::Bundling {
        image: name.to_owned(),
        platform: platform.clone(),
        layers: layers.len(),
        bytes: layers.iter().map(Descriptor::size).fold(0, u64::saturating_add),
    });
    let source = Counted { source, activity: Activity::Bundling, listener };
    let image = Image { source: &source, name, config, layers: described(config, layers)? };
    bundle::write(&image, target, listener)
}

/// What is started in place of what the image starts: a new program does not get the old one's arguments.
fn start(config: &mut Object, args: &ImageArgs) {
    let run = object_in(config, "config");
    if let Some(entrypoint) = &args.table.entrypoint {
        run.insert("Entrypoint".to_owned(), json!(entrypoint.0));
        run.remove("Cmd");
    }
    if let Some(cmd) = &args.table.cmd {
        run.insert("Cmd".to_owned(), json!(cmd.0));
    }
}

/// The one platform of the bundle, as the target that builds for it.
fn wanted(args: &ImageArgs) -> Result<RustTarget> {
    let choices = match args.choices() {
        none if none.is_empty() => vec!["host".parse().into_diagnostic()?],
        choices => choices,
    };
    match choices[..] {
        [PlatformChoice::One(target)] => Ok(target),
        _ => Err(miette!(
            help = "name one, as in `--platform linux/arm64`, and make another bundle for the next",
            "a bundle is for one platform"
        )),
    }
}

fn target(args: &BundleArgs, path: PathBuf) -> Target {
    let form = match args.output {
        BundleForm::Dir => Form::Directory,
        BundleForm::Tar => Form::Tar,
    };
    Target { path, form, rootless: args.rootless }
}

/// Where the bundles of the plan's images go.
fn paths(args: &BundleArgs, plan: &Plan) -> Result<Vec<PathBuf>> {
    let extension = match args.output {
        BundleForm::Dir => "bundle",
        BundleForm::Tar => "bundle.tar",
    };
    match (&args.path, &plan.images[..]) {
        (Some(path), [_]) => Ok(vec![path.clone()]),
        (Some(path), images) => Err(miette!(
            help = "choose one image with `--package` or `--image`, or leave the path out",
            "{} names one place, but {} images are built",
            path.display(),
            images.len()
        )),
        (None, images) => {
            let path = |layout: &Path, name: &str| layout.with_file_name(format!("{name}.{extension}"));
            Ok(images.iter().map(|image| path(&image.layout, &image.name)).collect())
        }
    }
}

/// What the container is called: the last part of the reference's name.
fn name(reference: &BaseReference) -> String {
    match reference {
        BaseReference::Registry(reference) => reference.repository().rsplit('/').next().map(str::to_owned),
        BaseReference::Layout(place) | BaseReference::Archive(place) => {
            place.path.file_stem().map(|name| name.to_string_lossy().into_owned())
        }
        BaseReference::Scratch | BaseReference::Embedded => None,
    }
    .unwrap_or_else(|| reference.to_string())
}
