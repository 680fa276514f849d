//! `cargo oci attach`: attach a file to an image, in a registry or a layout.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use miette::{Context, miette};
use oci_spec::image::{Descriptor, MediaType};

use super::Outcome;
use crate::attest::Referrer;
use crate::cli::AttachArgs;
use crate::context::GlobalContext;
use crate::context::image::{no_image_for, reference};
use crate::context::subject::Subject;
use crate::error::{Result, cannot_read};
use crate::event::Event;
use crate::image::digest::HashWriter;
use crate::platform::Platform;
use crate::reference::BaseReference;
use crate::store::Source;

/// The annotation that names the file for other tools.
const TITLE: &str = "org.opencontainers.image.title";

/// Attaches the file to the image that is named; returns the name of the attachment, with its digest.
///
/// # Errors
/// Returns an error if the file cannot be read, there is no such image, or nothing can be attached where it is.
pub(crate) fn run(args: &AttachArgs, context: &GlobalContext) -> Result<Outcome> {
    let reference = reference(&args.subject.image)?;
    let attached = attach(args, &reference, context);
    attached.wrap_err_with(|| format!("cannot attach {} to {reference}", args.file.display()))
}

fn attach(args: &AttachArgs, reference: &BaseReference, context: &GlobalContext) -> Result<Outcome> {
    let file = AttachedFile::open(args)?;
    let image = Subject::open(reference, context)?;
    let subject = subject(&image, args.platform.as_ref())?;
    let annotations = args.annotations.iter().cloned().collect();
    let referrer = Referrer::new(&subject, &args.artifact_type, vec![file.descriptor.clone()], &annotations);
    let attached = referrer.attach(&file, image.place())?;
    let digest = attached.manifest.digest().clone();
    let name = reference.with_digest(digest.as_ref());
    context.report(Event::Attached {
        artifact_type: args.artifact_type.clone(),
        subject: subject.digest().clone(),
        digest,
        to: image.place().location(),
        was_there: attached.was_attached,
    });
    Ok(Outcome::Results(vec![name]))
}

/// Returns the image itself, or its manifest for a platform.
fn subject(image: &Subject, platform: Option<&Platform>) -> Result<Descriptor> {
    let Some(platform) = platform else { return Ok(image.root.clone()) };
    let manifests = image.signable_manifests()?;
    let platforms: Vec<_> = manifests.iter().filter_map(|manifest| manifest.platform.clone()).collect();
    let found = manifests.into_iter().find(|manifest| manifest.platform.as_ref() == Some(platform));
    found.map(|manifest| manifest.descriptor).ok_or_else(|| no_image_for(platform, image.place(), &platforms))
}

/// A file, and its descriptor.
struct AttachedFile {
    path: PathBuf,
    descriptor: Descriptor,
}

impl AttachedFile {
    fn open(args: &AttachArgs) -> Result<AttachedFile> {
        let path = args.file.clone();
        let failed = |error: io::Error| cannot_read(&path, error);
        let mut file = File::open(&path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(miette!(help = "pack a folder first: `tar -cf`", "{} is not a file", path.display()));
        }
        let mut hashed = HashWriter::new(io::sink());
        io::copy(&mut file, &mut hashed).map_err(failed)?;
        let (digest, size, _) = hashed.finish();
        let media_type = args.media_type.as_ref().unwrap_or(&args.artifact_type);
        let mut descriptor = Descriptor::new(MediaType::from(media_type.as_str()), size, digest);
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            descriptor.set_annotations(Some([(TITLE.to_owned(), name.to_owned())].into()));
        }
        Ok(AttachedFile { path, descriptor })
    }
}

impl Source for AttachedFile {
    fn resolve(&self, _: Option<&str>) -> Result<Descriptor> {
        Ok(self.descriptor.clone())
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(descriptor.digest() == self.descriptor.digest())
    }

    fn fetch(&self, _: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let file = File::open(&self.path).map_err(|error| cannot_read(&self.path, error))?;
        Ok(Box::new(file))
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}
