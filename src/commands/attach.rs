//! `cargo oci attach`: attach a file to an image, in a registry or a layout.

use miette::{Context, miette};
use oci_spec::image::{ANNOTATION_TITLE, Descriptor};

use super::Outcome;
use crate::attest::Referrer;
use crate::attest::artifact_type::of_file;
use crate::attest::statement::IN_TOTO;
use crate::attest::vex::product::VexImage;
use crate::attest::vex::{VexFile, is_vex};
use crate::cli::AttachArgs;
use crate::context::GlobalContext;
use crate::context::image::{no_image_for, reference};
use crate::context::subject::Subject;
use crate::error::Result;
use crate::event::Event;
use crate::image::digest::sha256;
use crate::image::manifest::Annotations;
use crate::image::predicate;
use crate::platform::Platform;
use crate::reference::BaseReference;
use crate::store::{FileSource, Memory};

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
    let artifact_type = artifact_type(args)?;
    // Scanners look for statements; whoever names a type attaches the file as it is.
    let is_statement = args.artifact_type.is_none() && args.media_type.is_none() && is_vex(&args.file);
    let vex = is_statement.then(|| VexFile::read(&args.file)).transpose()?;
    let file = FileSource::open(&args.file, args.media_type.as_ref().unwrap_or(&artifact_type))?;
    let image = Subject::open(reference, context)?;
    let subject = subject(&image, args.platform.as_ref())?;
    let mut annotations: Annotations = args.annotations.iter().cloned().collect();
    let attached = if let Some(vex) = vex {
        // A layout does not say what the image is called.
        if let BaseReference::Registry(_) = reference {
            warn_of_mismatch(&vex, &image, &subject, context);
        }
        let memory = Memory::default();
        let statement = vex.statement(vec![(image.repository.clone(), subject.digest().clone())]).bytes();
        let mut content = Descriptor::new(IN_TOTO.into(), statement.len() as u64, sha256(&statement));
        memory.put(&content, statement);
        annotations.insert(predicate::ANNOTATION.to_owned(), predicate::VEX.to_owned());
        let own = [(ANNOTATION_TITLE, vex.name.as_str()), (predicate::ANNOTATION, predicate::VEX)];
        content.set_annotations(Some(own.map(|(key, value)| (key.to_owned(), value.to_owned())).into()));
        Referrer::new(&subject, &artifact_type, vec![content], &annotations).attach(&memory, image.place())?
    } else {
        let contents = vec![file.descriptor().clone()];
        Referrer::new(&subject, &artifact_type, contents, &annotations).attach(&file, image.place())?
    };
    let digest = attached.manifest.digest().clone();
    let name = reference.with_digest(digest.as_ref());
    context.report(Event::Attached {
        artifact_type,
        subject: subject.digest().clone(),
        digest,
        to: image.place().location(),
        was_there: attached.was_attached,
    });
    Ok(Outcome::Results(vec![name]))
}

/// Warns if a VEX document is not about the image.
fn warn_of_mismatch(vex: &VexFile, image: &Subject, subject: &Descriptor, context: &GlobalContext) {
    let names = [image.repository.clone()];
    let digests = [image.root.digest(), subject.digest()];
    let about = VexImage { names: &names, digests: &digests, crates: None };
    vex.mismatch(&about).into_iter().for_each(|warning| context.warn(warning));
}

/// Returns the type that is given, or that the name of the file says.
fn artifact_type(args: &AttachArgs) -> Result<String> {
    let named = args.artifact_type.clone().or_else(|| of_file(&args.file).map(str::to_owned));
    named.ok_or_else(|| {
        miette!(
            help = "say what it is, as in `--artifact-type application/vnd.acme.report.v1+json`",
            "the name of the file does not say what type it has"
        )
    })
}

/// Returns the image itself, or its manifest for a platform.
fn subject(image: &Subject, platform: Option<&Platform>) -> Result<Descriptor> {
    let Some(platform) = platform else { return Ok(image.root.clone()) };
    let manifests = image.signable_manifests()?;
    let platforms: Vec<_> = manifests.iter().filter_map(|manifest| manifest.platform.clone()).collect();
    let found = manifests.into_iter().find(|manifest| manifest.platform.as_ref() == Some(platform));
    found.map(|manifest| manifest.descriptor).ok_or_else(|| no_image_for(platform, image.place(), &platforms))
}
