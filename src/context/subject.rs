//! An image that referrers are attached to: its location, its index, and its manifest for each platform.

use miette::{IntoDiagnostic, miette};
use oci_spec::image::Descriptor;

use super::GlobalContext;
use crate::attest::Statement;
use crate::error::Result;
use crate::event::Event;
use crate::image::attestation::attested_digest;
use crate::image::manifest::{Manifest, is_for_none, platform_of};
use crate::image::media_type::is_document;
use crate::platform::Platform;
use crate::reference::BaseReference;
use crate::registry::Registry;
use crate::store::layout::LayoutEdit;
use crate::store::{Referrers, Source, read};

/// A location that accepts referrers.
pub(crate) enum SubjectLocation<'a> {
    /// A repository.
    Registry(Box<Registry<'a>>),
    /// A layout on disk.
    Layout(LayoutEdit),
}

/// An image that accepts referrers.
pub(crate) struct Subject<'a> {
    place: SubjectLocation<'a>,
    /// Its index, or its manifest without an index.
    pub root: Descriptor,
    /// Its name with its digest.
    pub pinned: String,
    /// Its name without tag and digest, for statements.
    pub repository: String,
}

/// A manifest that can be signed: an index, or the manifest for a platform.
#[derive(Clone, Debug)]
pub(crate) struct SignableManifest {
    /// What it is, for messages.
    pub what: String,
    /// Its platform, or `None` for an index.
    pub platform: Option<Platform>,
    /// Its descriptor.
    pub descriptor: Descriptor,
}

impl SignableManifest {
    /// Returns the event that it was signed at `to`, with the titles of `statements`, and whether all of them existed before.
    pub(crate) fn signed(&self, to: String, statements: &[Statement], was_there: bool) -> Event {
        Event::Signed {
            image: self.what.clone(),
            digest: self.descriptor.digest().clone(),
            to,
            said: statements.iter().map(|said| said.title().to_owned()).collect(),
            was_there,
        }
    }
}

impl<'a> Subject<'a> {
    /// Finds the image.
    ///
    /// # Errors
    /// Returns an error if it does not exist, or its location accepts no referrers.
    pub(crate) fn open(reference: &BaseReference, context: &GlobalContext<'a>) -> Result<Subject<'a>> {
        let (place, name, repository) = match reference {
            BaseReference::Registry(reference) => {
                let registry = context.connect_to_push(reference)?;
                let repository = reference.location();
                (SubjectLocation::Registry(Box::new(registry)), Some(reference.name()), repository)
            }
            BaseReference::Layout(place) => {
                let layout = LayoutEdit::open(&place.path, context.listener)?;
                (SubjectLocation::Layout(layout), place.name.as_ref(), place.path.display().to_string())
            }
            other => {
                return Err(miette!(
                    help = "unpack an archive into a folder first: `skopeo copy oci-archive:FILE oci:FOLDER:TAG`",
                    "nothing can be attached in {other}: it is neither in a registry nor in a layout"
                ));
            }
        };
        let root = place.referrers().resolve(name)?;
        let pinned = reference.with_digest(root.digest().as_ref());
        Ok(Subject { place, root, pinned, repository })
    }

    /// Returns its repository, or `None` if it is in a layout.
    pub(crate) fn registry(&self) -> Option<&Registry<'a>> {
        match &self.place {
            SubjectLocation::Registry(registry) => Some(registry),
            SubjectLocation::Layout(_) => None,
        }
    }

    /// Returns its location.
    pub(crate) fn place(&self) -> &dyn Referrers {
        self.place.referrers()
    }

    /// Returns its index and its manifest for each platform.
    ///
    /// # Errors
    /// See [`signable_manifests`].
    pub(crate) fn signable_manifests(&self) -> Result<Vec<SignableManifest>> {
        signable_manifests(self.place(), &self.root)
    }
}

impl SubjectLocation<'_> {
    fn referrers(&self) -> &dyn Referrers {
        match self {
            SubjectLocation::Registry(registry) => registry.as_ref(),
            SubjectLocation::Layout(layout) => layout,
        }
    }
}

/// Returns the index of an image first, then its manifest for each platform; or its only manifest without an index.
///
/// # Errors
/// Returns an error if the index cannot be read.
pub(crate) fn signable_manifests(source: &(impl Source + ?Sized), root: &Descriptor) -> Result<Vec<SignableManifest>> {
    let bytes = read(&source, root)?;
    let manifest = Manifest::parse(root.media_type(), &bytes).into_diagnostic()?;
    let Some(entries) = manifest.into_index() else {
        return Ok(vec![SignableManifest { what: "image".to_owned(), platform: None, descriptor: root.clone() }]);
    };
    let mut manifests = vec![SignableManifest { what: "index".to_owned(), platform: None, descriptor: root.clone() }];
    for entry in entries {
        // Attestations in an index are not signed themselves.
        let is_signable = is_document(entry.media_type()) && !is_for_none(&entry) && attested_digest(&entry).is_none();
        if is_signable && manifests.iter().all(|known| known.descriptor.digest() != entry.digest()) {
            let platform = platform_of(&entry);
            let what = platform.as_ref().map_or("image".to_owned(), ToString::to_string);
            manifests.push(SignableManifest { what, platform, descriptor: entry });
        }
    }
    Ok(manifests)
}
