//! Opens the sources of bases and pulls their content: connects [`base`](crate::base) with registry, cache and disk.

use std::collections::HashMap;
use std::sync::Arc;

use miette::{IntoDiagnostic, Report, miette};
use oci_spec::image::Descriptor;

use super::GlobalContext;
use super::lazy::{LazyRegistry, Offline};
use crate::base::Base;
use crate::base::embedded::embedded;
use crate::error::{Result, with_help};
use crate::event::{Event, Listener};
use crate::image::digest::{Hasher, Mismatch};
use crate::plan::ImagePlan;
use crate::platform::PlatformChoice;
use crate::reference::{BaseReference, Reference};
use crate::registry::RequestError;
use crate::store::cache::PullThrough;
use crate::store::cache::records::RecordKind;
use crate::store::{Archive, Cache, Layout, Memory, Source};
use crate::suggest::nearest;

/// The bases of one run, each opened, resolved and read once.
pub(crate) struct Bases<'a> {
    cache: Arc<Cache>,
    /// Whether layers are pulled; else they are read when they are needed.
    pull: bool,
    /// Whether requests to registries are forbidden.
    is_offline: bool,
    context: &'a GlobalContext<'a>,
    opened: Vec<(BaseReference, Opened<'a>)>,
}

/// A base that was opened.
struct Opened<'a> {
    source: BaseSource<'a>,
    /// `None` for `scratch`.
    root: Option<Descriptor>,
    /// The images that were read, by their platforms.
    read: Vec<(Vec<PlatformChoice>, Base)>,
}

impl<'a> Opened<'a> {
    fn new(source: BaseSource<'a>, root: Option<Descriptor>) -> Opened<'a> {
        Opened { source, root, read: Vec::new() }
    }
}

/// The source of a base.
enum BaseSource<'a> {
    Pulled(PullThrough<'a>),
    Local(Box<dyn Source + Send>),
}

impl BaseSource<'_> {
    fn source(&self) -> &dyn Source {
        match self {
            BaseSource::Pulled(through) => through,
            BaseSource::Local(source) => source.as_ref(),
        }
    }
}

impl<'a> Bases<'a> {
    /// Creates a list without bases.
    pub(crate) fn new(context: &'a GlobalContext<'a>, pull: bool, is_offline: bool) -> Result<Bases<'a>> {
        Ok(Bases { cache: context.cache()?, pull, is_offline, context, opened: Vec::new() })
    }

    /// Warns once if the cache is read-only.
    fn warn_of_read_only(&mut self) {
        if self.cache.is_read_only() && self.pull {
            let folder = self.cache.root().display();
            let message = format!("the cache {folder} is read-only: nothing will be stored in it");
            self.context.warn(message);
            self.pull = false;
        }
    }

    /// Returns the context of the run.
    pub(crate) fn context(&self) -> &'a GlobalContext<'a> {
        self.context
    }

    /// Returns whether requests to registries are forbidden.
    pub(crate) fn is_offline(&self) -> bool {
        self.is_offline
    }

    /// Returns the source of a base that was opened.
    ///
    /// # Errors
    /// Returns an error if it was not opened.
    pub(crate) fn source(&self, reference: &BaseReference) -> Result<&dyn Source> {
        Ok(self.opened(reference)?.source.source())
    }

    /// Returns the base of an image. Only its documents are read.
    ///
    /// # Errors
    /// Returns an error if it cannot be pulled, or is not an image for the platforms of the plan.
    pub(crate) fn read(&mut self, image: &ImagePlan) -> Result<Base> {
        self.find(&image.base, &image.platforms).map_err(|error| no_base(&image.base, error))
    }

    /// Returns the descriptor of the index, or of the manifest without an index, that `reference` names now; `None` for
    /// `scratch`. Nothing else is read.
    ///
    /// # Errors
    /// Returns an error if it cannot be resolved.
    pub(crate) fn root(&mut self, reference: &BaseReference) -> Result<Option<Descriptor>> {
        let at = self.position(reference).map_err(|error| no_base(reference, error))?;
        Ok(self.opened[at].1.root.clone())
    }

    /// Returns the index of a base in the list, which is opened if it was not.
    fn position(&mut self, reference: &BaseReference) -> Result<usize> {
        if let Some(at) = self.opened.iter().position(|(known, _)| known == reference) {
            return Ok(at);
        }
        let opened = self.open(reference)?;
        self.opened.push((reference.clone(), opened));
        Ok(self.opened.len() - 1)
    }

    /// Returns the images that `reference` has for `platforms`.
    ///
    /// # Errors
    /// Returns an error if they cannot be pulled, or there is none for one of the platforms.
    pub(crate) fn find(&mut self, reference: &BaseReference, platforms: &[PlatformChoice]) -> Result<Base> {
        let at = self.position(reference)?;
        let Opened { source, root: Some(root), read } = &mut self.opened[at].1 else {
            return Ok(Base::scratch(platforms));
        };
        if let Some((_, base)) = read.iter().find(|(choices, _)| choices == platforms) {
            return Ok(base.clone());
        }
        let base = Base::read(source.source(), root.clone(), platforms)?;
        for image in &base.images {
            if let Some(other) = &image.other_platform {
                self.context.warn(format!(
                    "the base {reference} lists an image for {}, whose config says {other}: used as {}",
                    image.platform, image.platform
                ));
            }
        }
        read.push((platforms.to_vec(), base.clone()));
        Ok(base)
    }

    /// Pulls the layers of all bases that were read, if layers are pulled. Checks that local bases have theirs.
    ///
    /// # Errors
    /// Returns an error if a layer cannot be pulled, or is missing.
    pub(crate) fn fetch(&self) -> Result<()> {
        let references = self.opened.iter().map(|(reference, _)| reference);
        references
            .into_iter()
            .try_for_each(|reference| self.fetch_one(reference).map_err(|error| no_base(reference, error)))
    }

    /// Does the same for one base.
    ///
    /// # Errors
    /// Returns an error if a layer cannot be pulled, or is missing.
    pub(crate) fn fetch_one(&self, reference: &BaseReference) -> Result<()> {
        let Opened { source, read, .. } = self.opened(reference)?;
        read.iter().try_for_each(|(_, base)| match source {
            BaseSource::Pulled(through) if self.pull => pull(through, reference, base, self.context.listener),
            BaseSource::Pulled(_) => Ok(()),
            BaseSource::Local(source) => has_all(source.as_ref(), base),
        })
    }

    fn opened(&self, reference: &BaseReference) -> Result<&Opened<'a>> {
        let opened = self.opened.iter().find(|(known, _)| known == reference).map(|(_, opened)| opened);
        opened.ok_or_else(|| miette!("the base {reference} was not opened"))
    }

    fn open(&mut self, reference: &BaseReference) -> Result<Opened<'a>> {
        let (source, name): (Box<dyn Source + Send>, _) = match reference {
            BaseReference::Scratch => return Ok(Opened::new(BaseSource::Local(Box::new(Memory::default())), None)),
            BaseReference::Embedded => (Box::new(embedded()?), None),
            BaseReference::Layout(place) => (Box::new(Layout::open(&place.path)?), place.name.as_ref()),
            BaseReference::Archive(place) => (Box::new(Archive::open(&place.path)?), place.name.as_ref()),
            BaseReference::Registry(reference) => {
                self.warn_of_read_only();
                let origin = LazyRegistry::new(reference.clone(), self.is_offline, self.context);
                let through = self.cache.pull_through(Box::new(origin), self.pull);
                let root = self.resolve(&through, reference)?;
                return Ok(Opened::new(BaseSource::Pulled(through), Some(root)));
            }
        };
        let root = source.resolve(name)?;
        Ok(Opened::new(BaseSource::Local(source), Some(root)))
    }

    /// Resolves a reference: a tag by a request to the registry, a digest without a request.
    fn resolve(&self, through: &PullThrough, reference: &Reference) -> Result<Descriptor> {
        let text = reference.to_string();
        let is_tag = reference.name().tag().is_some();
        let known = || self.cache.get::<Descriptor>(RecordKind::Tag, &text);
        if is_tag && self.is_offline {
            return known().ok_or_else(|| Offline { name: text.clone() }.into());
        }
        let root = through.resolve(Some(reference.name()))?;
        if is_tag && known().as_ref() != Some(&root) {
            self.cache.put(RecordKind::Tag, &text, &root);
        }
        Ok(root)
    }
}

/// Returns the error of a base that cannot be pulled, with help.
fn no_base(base: &BaseReference, cause: Report) -> Report {
    let help = cause.help().map(|help| help.to_string());
    let is_unreachable = cause.downcast_ref().is_some_and(RequestError::is_unanswered);
    let help = match (meant(base), help) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, Some(help)) if is_unreachable => format!("{help}; `--base embedded` needs no registry"),
        (None, Some(help)) => help,
        (None, None) => {
            format!("`cargo oci validate {base}` shows what is wrong: copy the image again, or choose another base")
        }
    };
    with_help(cause.wrap_err(format!("cannot use the base {base}")), help)
}

/// Returns the keyword that a reference resembles. It is also the name of an image on Docker Hub, which may exist.
fn meant(base: &BaseReference) -> Option<&'static str> {
    let BaseReference::Registry(reference) = base else { return None };
    let word = reference.repository().strip_prefix("library/")?;
    nearest(word, ["embedded", "scratch"])
}

/// Checks that the source has the layers of the base. Their content is verified when it is read.
fn has_all(source: &dyn Source, base: &Base) -> Result<()> {
    for layer in base.images.iter().flat_map(|image| &image.layers) {
        if Hasher::for_digest(layer.digest()).is_none() {
            return Err(Mismatch::Algorithm(layer.digest().clone())).into_diagnostic();
        }
        if !source.exists(layer)? {
            return Err(miette!(
                help = "copy the complete image again: `skopeo copy --all`",
                "{} lacks the layer {} of {} bytes",
                source.location(),
                layer.digest(),
                layer.size()
            ));
        }
    }
    Ok(())
}

/// Pulls the layers of the base into the cache.
fn pull(through: &PullThrough, reference: &BaseReference, base: &Base, listener: Listener) -> Result<()> {
    let layers: HashMap<_, _> =
        base.images.iter().flat_map(|image| &image.layers).map(|layer| (layer.digest(), layer)).collect();
    let missing = through.missing(layers.into_values());
    if missing.is_empty() {
        return Ok(());
    }
    listener(Event::Pulling {
        base: reference.to_string(),
        blobs: missing.len(),
        bytes: missing.iter().map(Descriptor::size).fold(0, u64::saturating_add),
    });
    through.pull(&missing, listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_mistypes_a_base_without_a_registry_is_told() {
        fn help(base: &str) -> Option<String> {
            no_base(&base.parse().expect(base), miette!(help = "look", "not there")).help().map(|help| help.to_string())
        }
        assert_eq!(help("embeded").as_deref(), Some("did you mean `embedded`?"));
        assert_eq!(help("scrtach").as_deref(), Some("did you mean `scratch`?"));
        for other in ["static", "ghcr.io/acme/embeded", "oci:scrach"] {
            assert_eq!(help(other).as_deref(), Some("look"), "{other}");
        }
    }
}
