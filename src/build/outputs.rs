//! The outputs besides the layouts in `target/oci`, made from finished layouts.

use std::path::Path;

use miette::{IntoDiagnostic, miette};
use serde::Serialize;
use serde_json::json;

use crate::cli::{Output, OutputKind};
use crate::config::SbomFormat;
use crate::error::{Result, on_path};
use crate::event::{BuiltImage, Event, Listener};
use crate::plan::{ImagePlan, Plan};
use crate::platform::Platform;
use crate::store::archive::{ArchiveContents, DockerImage};
use crate::store::layout::LayoutFolder;
use crate::store::{Layout, LayoutWriter, ReferrersPlace, Sink, Source, atomic, copy, read};

/// Writes the outputs of the plan from a finished layout.
///
/// # Errors
/// Returns an error if an output cannot be written; what was there before is then unchanged.
pub(crate) fn write(
    plan: &Plan,
    image_plan: &ImagePlan,
    layout: &Layout,
    image: &BuiltImage,
    listener: Listener,
) -> Result<()> {
    let time = image_plan.mtime();
    for Output { kind, path, referrers } in &plan.outputs {
        let referrers = if *referrers { ReferrersPlace::Index } else { ReferrersPlace::Beside };
        let mut only = None;
        match kind {
            OutputKind::OciDir => copy_layout(layout, image, path, referrers, listener)?,
            OutputKind::OciArchive => ArchiveContents::of_layout(layout, referrers)?.write_file(time, path)?,
            OutputKind::DockerArchive => {
                let docker = docker_image(image)?;
                let has_more = image.manifests.len() > 1;
                only = platform_of(image, &docker).filter(|_| has_more);
                let contents = ArchiveContents::of_image(layout, &image.root, &docker.names)?;
                contents.with_docker_image(&docker)?.write_file(time, path)?;
            }
        }
        listener(Event::Wrote { path: path.clone(), only });
    }
    match &plan.sbom_dir {
        Some(folder) => write_sboms(folder, layout, image, listener),
        None => Ok(()),
    }
}

fn copy_layout(
    layout: &Layout,
    image: &BuiltImage,
    path: &Path,
    referrers: ReferrersPlace,
    listener: Listener,
) -> Result<()> {
    let writer = LayoutWriter::begin(path, &image.local_names[0], LayoutFolder::UserNamed, listener)?;
    let writer = writer.with_referrers(referrers);
    let root = layout.resolve(None)?;
    copy(layout, &writer, std::slice::from_ref(&root))?;
    for tag in &image.tags {
        writer.tag(&root, tag)?;
    }
    for attached in &image.attached {
        writer.attach(&attached.descriptor, layout)?;
    }
    writer.commit()?;
    Ok(())
}

/// Writes the SBOMs as files, named as in the layout.
fn write_sboms(folder: &Path, layout: &Layout, image: &BuiltImage, listener: Listener) -> Result<()> {
    atomic::create_folder(folder).map_err(|error| on_path("create", folder, error))?;
    for attached in image
        .attached
        .iter()
        .filter(|attached| SbomFormat::ALL.iter().any(|format| format.media_type() == attached.artifact_type))
    {
        let path = folder.join(&attached.file);
        let content = read(layout, &attached.content)?;
        atomic::replace(&path, |file| file.write_all(&content)).map_err(|error| on_path("write", &path, error))?;
        listener(Event::Wrote { path, only: None });
    }
    Ok(())
}

/// Returns the one manifest that fits into Docker's own format: that for this machine's platform, else the first.
fn docker_image(image: &BuiltImage) -> Result<DockerImage<'_>> {
    let manifest =
        image.manifests.iter().find(|manifest| manifest.platform == Platform::host()).or(image.manifests.first());
    let manifest = manifest.ok_or_else(|| miette!("the image {} has no platform", image.name))?;
    Ok(DockerImage { manifest: &manifest.descriptor, names: image.tagged_names() })
}

/// Returns the platform that a Docker image of `image` is for.
fn platform_of(image: &BuiltImage, docker: &DockerImage) -> Option<Platform> {
    let manifest = image.manifests.iter().find(|manifest| manifest.descriptor == *docker.manifest);
    manifest.map(|manifest| manifest.platform.clone())
}

/// Writes the result as JSON.
///
/// # Errors
/// Returns an error if the file cannot be written; a file that was there before is then unchanged.
pub(crate) fn write_metadata(path: &Path, images: &[impl Serialize]) -> Result<()> {
    let text = serde_json::to_vec_pretty(&json!({ "images": images })).into_diagnostic()?;
    atomic::replace(path, |file| file.write_all(&text)).map_err(|error| on_path("write", path, error))
}
