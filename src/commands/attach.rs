//! `cargo oci attach`: a file, attached to an image where that is.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use miette::{Context, miette};
use oci_spec::image::{Descriptor, MediaType};

use super::inspect::lacks;
use crate::attest::Referrer;
use crate::cli::AttachArgs;
use crate::context::image::reference;
use crate::context::subject::Subject;
use crate::environment::Environment;
use crate::error::{Result, on_path};
use crate::event::{Event, Listener};
use crate::image::digest::HashWriter;
use crate::platform::Platform;
use crate::store::Source;

/// What other tools save a file as.
const TITLE: &str = "org.opencontainers.image.title";

/// Attaches the file to the image that is named; gives the name of what is attached, with its digest.
///
/// # Errors
/// When the file cannot be read, there is no such image, or nothing can be attached where it is.
pub fn attach(args: &AttachArgs, listener: Listener) -> Result<Vec<String>> {
    let reference = reference(&args.subject.image)?;
    let attached = || -> Result<Vec<String>> {
        let file = Attachment::open(args)?;
        let environment = Environment::of_this_process();
        let image = Subject::open(&reference, &environment, listener)?;
        let subject = subject(&image, args.platform.as_ref())?;
        let annotations = args.annotations.iter().cloned().collect();
        let contents = vec![file.descriptor.clone()];
        let attached =
            Referrer::new(&subject, &args.artifact_type, contents, &annotations).attach(&file, image.place())?;
        let digest = attached.manifest.digest().clone();
        let place = image.pinned.rsplit_once('@').map_or("", |(place, _)| place);
        let result = format!("{place}@{digest}");
        listener(Event::Attached {
            artifact_type: args.artifact_type.clone(),
            subject: subject.digest().clone(),
            digest,
            to: image.place().location(),
            was_there: attached.was_there,
        });
        Ok(vec![result])
    };
    attached().wrap_err_with(|| format!("cannot attach {} to {reference}", args.file.display()))
}

/// The image itself, or the one for a platform.
fn subject(image: &Subject, only: Option<&Platform>) -> Result<Descriptor> {
    let Some(only) = only else { return Ok(image.root.clone()) };
    let parts = image.parts()?;
    let platforms: Vec<_> = parts.iter().filter_map(|part| part.platform.clone()).collect();
    let found = parts.into_iter().find(|part| part.platform.as_ref() == Some(only));
    found.map(|part| part.descriptor).ok_or_else(|| lacks(image.place(), only, &platforms))
}

/// A file, and what is said of it.
struct Attachment {
    path: PathBuf,
    descriptor: Descriptor,
}

impl Attachment {
    fn open(args: &AttachArgs) -> Result<Attachment> {
        let path = args.file.clone();
        let failed = |error: io::Error| on_path("read", &path, error);
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
        Ok(Attachment { path, descriptor })
    }
}

impl Source for Attachment {
    fn resolve(&self, _: Option<&str>) -> Result<Descriptor> {
        Ok(self.descriptor.clone())
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(descriptor.digest() == self.descriptor.digest())
    }

    fn fetch(&self, _: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let file = File::open(&self.path).map_err(|error| on_path("read", &self.path, error))?;
        Ok(Box::new(file))
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}
