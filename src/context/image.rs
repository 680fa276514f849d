//! The images that a user names as `REF|PATH`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use miette::{Report, miette};
use oci_spec::image::{Descriptor, Digest};

use super::GlobalContext;
use crate::base::embedded::embedded;
use crate::error::{Result, with_help};
use crate::image::cosign_tag::is_about_a_digest;
use crate::platform::Platform;
use crate::reference::{BaseReference, LayoutReference, Reference, TagOrDigest};
use crate::registry::Registry;
use crate::store::archive::is_tar;
use crate::store::layout::tag;
use crate::store::{Archive, Layout, Memory, Source};
use crate::unique::each_once;

/// Cargo's folder for what it builds, unless the user has set another.
const TARGET: &str = "target";
/// The help of errors about names.
const WAYS: &str = "name the folder of a layout, an archive of one, or an image in a registry";

/// Parses a name: the path of a layout or an archive that exists, which may end with `:TAG` or `@DIGEST`; else a reference.
///
/// # Errors
/// Returns an error if the text is a path without an image, or an invalid reference.
pub(crate) fn reference(text: &str) -> Result<BaseReference> {
    // A path may contain a colon.
    let whole = LayoutReference { path: text.into(), name: None };
    let named = LayoutReference::parse(text);
    for place in std::iter::once(&whole).chain(&named).cloned() {
        if place.path.is_file() && !is_called_as_an_image(&place.path) {
            return Ok(BaseReference::Archive(place));
        }
        // A folder may have the name of an image by chance.
        if place.path.join("index.json").is_file() {
            return Ok(BaseReference::Layout(place));
        }
    }
    let parsed = text.parse::<BaseReference>().map_err(|error| invalid(text, error));
    if let Ok(reference @ (BaseReference::Layout(_) | BaseReference::Archive(_))) = parsed {
        return Ok(reference);
    }
    if !is_path(text, parsed.as_ref().ok()) {
        let here = parsed.as_ref().ok().zip(named.as_ref().ok());
        return match here.and_then(|(image, place)| meant_here(text, image, &place.path)) {
            Some(error) => Err(error),
            None => parsed,
        };
    }
    let named = named.map_err(|error| invalid(text, error))?;
    match above(&named.path) {
        Some(path) => Ok(BaseReference::Layout(LayoutReference { path, ..named })),
        None => Err(miette!(help = ways_to_layouts(&named.path), "there is no OCI layout in {text}")),
    }
}

/// Returns whether a text is meant as a path, although nothing is there.
fn is_path(text: &str, parsed: Option<&BaseReference>) -> bool {
    // A text with an existing parent folder, or with the extension of an archive, is hardly an image on Docker Hub.
    let is_beside = Path::new(text).parent().is_some_and(|folder| folder != Path::new("") && folder.is_dir());
    // Repositories of Docker Hub have two names.
    let is_too_long = matches!(parsed, Some(BaseReference::Registry(image))
        if image.is_on_docker_hub() && image.repository().matches('/').count() > 1 && !text.starts_with(image.registry()));
    text.starts_with(['.', '/', '~'])
        || text.starts_with("target/")
        || is_beside
        || is_too_long
        || Path::new(text).extension().is_some_and(|extension| extension == "tar")
}

/// Returns the error of the short name of an image on Docker Hub, if a layout, a folder or a file here has it too.
fn meant_here(text: &str, image: &BaseReference, place: &Path) -> Option<Report> {
    let BaseReference::Registry(image) = image else { return None };
    if !image.is_on_docker_hub() || Path::new(text).starts_with(image.registry()) {
        return None;
    }
    let name = text.strip_prefix(place.to_str()?)?;
    let built = built_layouts(place);
    let (here, way) = match &built[..] {
        [] if place.is_dir() => (format!("the folder {}, which is no OCI layout", place.display()), None),
        [] if place.is_file() => (format!("the file {}, which is no archive of an image", place.display()), None),
        [] => return None,
        paths => (paths.join(" and "), Some(format!("`{}{name}` for what was built here", paths[0]))),
    };
    let ways = way.into_iter().chain([format!("`{image}` for the image on Docker Hub")]).collect::<Vec<_>>();
    let help = format!("write {}", ways.join(", or "));
    Some(miette!(help = help, "`{text}` can mean an image on Docker Hub, or what is here: {here}"))
}

/// Returns the layouts of an image in the next folder `target/oci`: of all its platforms first, then those of single platforms.
fn built_layouts(name: &Path) -> Vec<String> {
    let here = std::env::current_dir().unwrap_or_default();
    let Some(name) = name.to_str() else { return Vec::new() };
    let found = here.ancestors().map(|folder| {
        let layouts = layouts_in(&folder.join(TARGET).join("oci")).into_iter();
        layouts.filter(|layout| layout.split('@').next() == Some(name)).collect::<Vec<_>>()
    });
    let found = found.into_iter().find(|layouts| !layouts.is_empty()).unwrap_or_default();
    found.into_iter().map(|layout| format!("{TARGET}/oci/{layout}")).collect()
}

/// Returns the names of the layouts in a folder.
fn layouts_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let layouts = entries.filter(|entry| entry.path().join("index.json").is_file());
    let mut names: Vec<_> = layouts.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Returns the layout that a path in `target` means in a folder above, such as that of the workspace.
fn above(path: &Path) -> Option<PathBuf> {
    if !path.starts_with(TARGET) {
        return None;
    }
    let here = std::env::current_dir().ok()?;
    here.ancestors().skip(1).map(|folder| folder.join(path)).find(|path| path.join("index.json").is_file())
}

/// Returns the help of an error about a path without a layout: the layouts that are there.
fn ways_to_layouts(path: &Path) -> String {
    const MOST_NAMES: usize = 5;
    let here = std::env::current_dir().unwrap_or_default();
    let folders = here.ancestors().map(|folder| folder.join(TARGET).join("oci"));
    let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()).filter(|_| path.starts_with(TARGET)) else {
        return WAYS.to_owned();
    };
    let found: Vec<_> = layouts_in(&folder).into_iter().map(|name| format!("{TARGET}/oci/{name}")).collect();
    match found.len() {
        0 => "make it with `cargo oci build`".to_owned(),
        count if count > MOST_NAMES => {
            format!("there are {}, and {} more", found[..MOST_NAMES].join(", "), count - MOST_NAMES)
        }
        1 => format!("there is {}", found[0]),
        _ => format!("there are {}", found.join(", ")),
    }
}

/// Returns the error of a text that is no reference, with help.
fn invalid(text: &str, error: impl std::error::Error + Send + Sync + 'static) -> Report {
    let help = match text.rsplit_once('@') {
        Some((name, _)) => format!("copy the whole digest again: `cargo oci inspect {name}` prints it"),
        None => WAYS.to_owned(),
    };
    with_help(Report::from_err(error), help)
}

/// Returns whether a file has the name of an image by chance, such as `debian`, and is not an archive.
fn is_called_as_an_image(path: &Path) -> bool {
    let is_bare = path.file_name() == Some(path.as_os_str()) && path.extension().is_none();
    is_bare && path.to_str().is_some_and(|name| name.parse::<Reference>().is_ok()) && !is_tar(path)
}

/// The images at a location, of which only the list was read.
pub(crate) struct OpenImage<'a> {
    place: OpenLocation<'a>,
    /// The tag or digest that was named.
    name: Option<TagOrDigest>,
}

/// The location of images.
enum OpenLocation<'a> {
    Layout(Layout),
    Archive(Archive),
    Registry(Box<Registry<'a>>),
    Memory(Memory),
}

/// An image and its tags.
pub(crate) struct ImageRoot {
    /// Its index, or its manifest without an index.
    pub descriptor: Descriptor,
    /// Its tags.
    pub tags: Vec<String>,
}

impl<'a> OpenImage<'a> {
    /// Opens the location of a reference. The cache is not used: the current state of a registry is read.
    ///
    /// # Errors
    /// Returns an error if there is nothing at the location, or if credentials cannot be read.
    pub(crate) fn open(reference: &BaseReference, context: &GlobalContext<'a>) -> Result<OpenImage<'a>> {
        let (place, name) = match reference {
            BaseReference::Layout(place) => (OpenLocation::Layout(Layout::open(&place.path)?), place.name.clone()),
            BaseReference::Archive(place) => (OpenLocation::Archive(Archive::open(&place.path)?), place.name.clone()),
            BaseReference::Registry(reference) => {
                let registry = context.connect_to_pull(reference)?;
                (OpenLocation::Registry(Box::new(registry)), Some(reference.name().clone()))
            }
            BaseReference::Embedded => (OpenLocation::Memory(embedded()?), None),
            BaseReference::Scratch => return Err(miette!(help = WAYS, "`scratch` has no content")),
        };
        Ok(OpenImage { place, name })
    }

    /// Returns the source of their content.
    pub(crate) fn source(&self) -> &dyn Source {
        match &self.place {
            OpenLocation::Layout(layout) => layout,
            OpenLocation::Archive(archive) => archive,
            OpenLocation::Registry(registry) => registry.as_ref(),
            OpenLocation::Memory(memory) => memory,
        }
    }

    /// Returns all entries of a layout or an archive; a registry has no list.
    pub(crate) fn entries(&self) -> &[Descriptor] {
        match &self.place {
            OpenLocation::Layout(layout) => layout.entries(),
            OpenLocation::Archive(archive) => archive.entries(),
            OpenLocation::Registry(_) | OpenLocation::Memory(_) => &[],
        }
    }

    /// Returns the referrers of a digest. `listed` are those among [`OpenImage::entries`].
    ///
    /// # Errors
    /// Returns an error if the registry does not respond.
    pub(crate) fn referrers(
        &self,
        subject: &Digest,
        listed: &HashMap<String, Vec<Descriptor>>,
    ) -> Result<Vec<Descriptor>> {
        match &self.place {
            OpenLocation::Registry(registry) => registry.referrers(subject),
            _ => Ok(listed.get(subject.as_ref()).cloned().unwrap_or_default()),
        }
    }

    /// Returns the tag or digest that was named.
    pub(crate) fn name(&self) -> Option<&TagOrDigest> {
        self.name.as_ref()
    }

    /// Returns what a tag of a repository names, or `None` if there is no such tag, or no repository.
    ///
    /// # Errors
    /// Returns an error if the registry does not respond.
    pub(crate) fn tagged(&self, tag: &str) -> Result<Option<Descriptor>> {
        match &self.place {
            OpenLocation::Registry(registry) => registry.find(tag),
            _ => Ok(None),
        }
    }

    /// Returns the tags of a repository, except those that name what is attached to images.
    ///
    /// # Errors
    /// Returns an error if it is no repository, or the registry does not respond.
    pub(crate) fn tags(&self) -> Result<Vec<String>> {
        let OpenLocation::Registry(registry) = &self.place else {
            return Err(miette!(help = WAYS, "it is no repository"));
        };
        let mut tags = registry.tags()?;
        tags.retain(|tag| !is_about_a_digest(tag));
        Ok(tags)
    }

    /// Returns the image that was named, or the only one.
    ///
    /// # Errors
    /// Returns an error if there is no such image, if there are several and none was named, or if the registry does not respond.
    pub(crate) fn root(&self) -> Result<Descriptor> {
        self.source().resolve(self.name.as_ref())
    }

    /// Returns the image that was named, or all images without a name.
    ///
    /// # Errors
    /// Returns an error if there is no such image, or if the registry does not respond.
    pub(crate) fn roots(&self) -> Result<Vec<ImageRoot>> {
        let mut roots = Vec::new();
        if self.name.is_some() || self.entries().is_empty() {
            let root = self.source().resolve(self.name.as_ref())?;
            roots.push(ImageRoot { descriptor: root, tags: Vec::new() });
        } else {
            for entry in self.entries() {
                if roots.iter().all(|root: &ImageRoot| root.descriptor.digest() != entry.digest()) {
                    roots.push(ImageRoot { descriptor: entry.clone(), tags: Vec::new() });
                }
            }
        }
        for root in &mut roots {
            let same = self.entries().iter().filter(|entry| entry.digest() == root.descriptor.digest());
            root.tags = same.filter_map(tag).map(str::to_owned).collect();
        }
        if let (OpenLocation::Registry(_), Some(TagOrDigest::Tag(name)), [root]) =
            (&self.place, &self.name, &mut roots[..])
        {
            root.tags.push(name.clone());
        }
        Ok(roots)
    }
}

/// Returns the error of an image that exists only for other platforms.
pub(crate) fn no_image_for(platform: &Platform, source: &dyn Source, available: &[Platform]) -> Report {
    let names = each_once(available.iter().map(ToString::to_string));
    let help = if names.is_empty() {
        "it has no platform at all".to_owned()
    } else {
        format!("it has images for {}", names.join(", "))
    };
    miette!(help = help, "{} has no image for {platform}", source.location())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_path_that_is_there_is_meant_before_a_reference() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["layout", "a:b"] {
            fs::create_dir(path(name)).expect("a folder");
            fs::write(folder.path().join(name).join("index.json"), "{}").expect("a file");
        }
        fs::create_dir(path("other")).expect("a folder");
        fs::write(path("a.tar"), "").expect("a file");
        let means =
            |text: &str| reference(text).map(|reference| reference.to_string()).map_err(|error| error.to_string());
        let digest = format!("sha256:{}", "0".repeat(64));
        for (kind, name) in [
            ("oci", "layout".to_owned()),
            ("oci", "layout:v1".to_owned()),
            ("oci", format!("layout@{digest}")),
            ("oci", "a:b".to_owned()),
            ("oci", "a:b:c".to_owned()),
            ("oci-archive", "a.tar".to_owned()),
            ("oci-archive", "a.tar:v1".to_owned()),
        ] {
            assert_eq!(means(&path(&name)), Ok(format!("{kind}:{}", path(&name))));
        }
        for missing in [path("other"), path("layuot"), "nowhere.tar".to_owned(), "src/registry".to_owned()] {
            assert!(means(&missing).unwrap_err().contains("no OCI layout"), "{missing}");
        }
        assert_eq!(means("debian:12").as_deref(), Ok("docker.io/library/debian:12"));
        for exact in ["oci:a:b", "oci-archive:a.tar", "oci:src/registry"] {
            assert_eq!(means(exact).as_deref(), Ok(exact));
        }
    }
}
