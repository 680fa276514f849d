//! What was typed → the images to rebase, each opened and read, and the bases that they are on and come on.

use miette::{Context, miette};
use oci_spec::image::{Descriptor, Digest};

use super::documents::AttachedDocuments;
use super::origin::{BuiltOn, NamedBase};
use super::renewed::BaseOfImage;
use crate::base::Base;
use crate::config::SignatureFormat;
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::error::{Result, with_help};
use crate::inspect::referrers::group_by_subject;
use crate::reference::{BaseReference, LayoutReference, Reference, TagOrDigest};
use crate::registry::Registry;
use crate::registry::download::FetchedManifest;
use crate::registry::tag_edit::TagEdit;
use crate::store::documents::ReadOnce;
use crate::store::{Fallback, Layout, Memory, Source};

/// What to rebase.
#[derive(Clone, Debug)]
pub(crate) struct RebaseRequest {
    /// The image.
    pub image: BaseReference,
    /// More tags of it, in a registry.
    pub tags: Vec<String>,
    /// The new base; `None` for the newest of the same name.
    pub onto: Option<BaseReference>,
    /// How signatures are kept.
    pub format: SignatureFormat,
}

/// An image to rebase, opened and read.
pub(crate) struct OpenRebase<'a> {
    /// Where it is.
    pub place: RebasePlace<'a>,
    /// The image.
    pub image: BuiltOn,
    /// What is attached to it.
    pub attached: AttachedDocuments,
    /// The reference of the base that it was built on.
    pub old: NamedBase,
    /// Where that base is read.
    pub old_place: BaseReference,
    /// The new base.
    pub new_place: BaseReference,
}

/// Where an image is.
pub(crate) enum RebasePlace<'a> {
    /// In a repository.
    Repository {
        /// The repository.
        registry: Box<Registry<'a>>,
        /// Its name.
        reference: Reference,
        /// Its tags that move, each with what it names.
        tags: Vec<(String, FetchedManifest)>,
    },
    /// In a layout.
    Folder {
        /// The layout.
        layout: Box<Layout>,
        /// Its name.
        reference: LayoutReference,
    },
}

impl RebasePlace<'_> {
    /// Returns the content.
    pub(crate) fn source(&self) -> &dyn Source {
        match self {
            RebasePlace::Repository { registry, .. } => registry.as_ref(),
            RebasePlace::Folder { layout, .. } => layout.as_ref(),
        }
    }

    /// Returns the name, for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            RebasePlace::Repository { reference, .. } => reference.to_string(),
            RebasePlace::Folder { reference, .. } => BaseReference::Layout(reference.clone()).to_string(),
        }
    }
}

impl<'a> OpenRebase<'a> {
    /// Opens and reads an image. `old_base` is the base that it was built on, if the user names it.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, was not built by this program, or its base is unknown.
    pub(crate) fn open(
        request: &RebaseRequest,
        old_base: Option<&BaseReference>,
        context: &GlobalContext<'a>,
    ) -> Result<OpenRebase<'a>> {
        let (place, root) = open_place(request, context)?;
        let image = {
            let memory = Memory::default();
            if let RebasePlace::Repository { tags, .. } = &place {
                for (_, found) in tags {
                    memory.put_document(found.document.clone());
                }
            }
            let source = Fallback { primary: &memory, secondary: place.source() };
            BuiltOn::read(&ReadOnce::new(&source), &root)?
        };
        let attached = match &place {
            RebasePlace::Repository { registry, .. } => {
                AttachedDocuments::read(&image, registry.as_ref(), &|subject| registry.referrers(subject))?
            }
            RebasePlace::Folder { layout, .. } => {
                let listed = group_by_subject(layout.as_ref(), layout.entries());
                let list = |subject: &Digest| Ok(listed.get(subject.as_ref()).cloned().unwrap_or_default());
                AttachedDocuments::read(&image, layout.as_ref(), &list)?
            }
        };
        let (old, old_place) = old_of(&image, old_base)?;
        let new_place = match &request.onto {
            Some(onto) => onto.clone(),
            None => BaseReference::Registry(old.newest()?),
        };
        if [&old_place, &new_place].contains(&&BaseReference::Scratch) {
            return Err(miette!(help = super::origin::REBUILD, "over `scratch`, an image has folders of its own"));
        }
        Ok(OpenRebase { place, image, attached, old, old_place, new_place })
    }

    /// Finds both bases.
    ///
    /// # Errors
    /// Returns an error if one cannot be read, or has no image for a platform.
    pub(crate) fn bases(&mut self, bases: &mut Bases) -> Result<(BaseOfImage, BaseOfImage)> {
        let choices = self.image.choices();
        let old = bases.find(&self.old_place, &choices).map_err(|error| {
            with_help(
                error,
                "build the image again on the new base: its old one is needed to tell apart what is whose".to_owned(),
            )
        });
        let old = old.wrap_err_with(|| format!("cannot read the base {} that it was built on", self.old_place))?;
        self.image.split(&old);
        let new = bases.find(&self.new_place, &choices);
        let new = new.wrap_err_with(|| format!("cannot rebase it on {}", self.new_place))?;
        if let (None, Some(root)) = (&self.image.base, &old.root) {
            self.old.digest = root.digest().clone();
        }
        // What the image does not say of its old base, it does not say of the new one.
        let name = self.image.base.as_ref().map(|named| named.name.clone());
        let old = BaseOfImage { name, base: old };
        let name = self.new_name(&new).filter(|_| old.name.is_some());
        Ok((old, BaseOfImage { name, base: new }))
    }

    /// Returns what the new base is called, as `cargo oci base update` writes it: a pin stays a pin.
    fn new_name(&self, base: &Base) -> Option<String> {
        let BaseReference::Registry(reference) = &self.new_place else { return None };
        let is_pinned = self.old.name.contains('@') && self.old.newest().ok().as_ref() == Some(reference);
        let root = base.root.as_ref().filter(|_| is_pinned);
        Some(root.map_or_else(|| reference.to_string(), |root| reference.pinned_to(root.digest()).to_string()))
    }
}

/// Returns the base that an image was built on: its name with its digest, and where it is read.
fn old_of(image: &BuiltOn, old_base: Option<&BaseReference>) -> Result<(NamedBase, BaseReference)> {
    match (&image.base, old_base) {
        (Some(named), None) => Ok((named.clone(), named.pinned()?)),
        (Some(named), Some(place)) => Ok((named.clone(), place.clone())),
        (None, Some(place)) => {
            // The digest is known when the base is read.
            Ok((NamedBase { name: place.to_string(), digest: image.root.digest().clone() }, place.clone()))
        }
        (None, None) => Err(miette!(
            help = "name the base that it was built on with `--old-base`, or build it again on the new one",
            "it does not say which base it was built on"
        )),
    }
}

fn open_place<'a>(request: &RebaseRequest, context: &GlobalContext<'a>) -> Result<(RebasePlace<'a>, Descriptor)> {
    match &request.image {
        BaseReference::Registry(reference) => {
            let registry = context.connect_to_push(reference)?;
            let mut tags = Vec::new();
            let root = match reference.name() {
                TagOrDigest::Digest(_) => registry.resolve(Some(reference.name()))?,
                TagOrDigest::Tag(tag) => {
                    let found = TagEdit::new(&registry, tag).read()?.ok_or_else(|| {
                        miette!(help = "check the name of the repository, and the tag", "there is no {reference}")
                    })?;
                    let root = found.document.descriptor.clone();
                    tags.push((tag.clone(), found));
                    root
                }
            };
            for tag in &request.tags {
                // A tag that names another image is none of this one.
                let found = TagEdit::new(&registry, tag).read()?;
                tags.extend(
                    found
                        .filter(|found| found.document.descriptor.digest() == root.digest())
                        .map(|found| (tag.clone(), found)),
                );
            }
            let place = RebasePlace::Repository { registry: Box::new(registry), reference: reference.clone(), tags };
            Ok((place, root))
        }
        BaseReference::Layout(reference) => {
            let layout = Layout::open(&reference.path)?;
            let root = layout.resolve(reference.name.as_ref())?;
            Ok((RebasePlace::Folder { layout: Box::new(layout), reference: reference.clone() }, root))
        }
        other => Err(miette!(
            help = "copy it to a folder first: `cargo oci copy ARCHIVE oci:FOLDER`",
            "cannot rebase {other}: it is neither in a registry nor in a layout"
        )),
    }
}
