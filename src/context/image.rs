//! The images that a user names as `REF|PATH`: which text means what, and where that is.

use std::collections::HashMap;
use std::path::Path;

use miette::{IntoDiagnostic, Report, miette};
use oci_spec::image::{Descriptor, Digest};

use super::GlobalContext;
use crate::base::embedded::embedded;
use crate::error::Result;
use crate::platform::Platform;
use crate::reference::{BaseReference, LayoutReference, Reference};
use crate::registry::Registry;
use crate::store::archive::is_tar;
use crate::store::layout::tag;
use crate::store::{Archive, Layout, Memory, Source};
use crate::unique::each_once;

/// What may be named.
const WAYS: &str = "name the folder of a layout, an archive of one, or an image in a registry";

/// What a text means: a layout or an archive that is there, by its path and maybe `:TAG` or `@DIGEST`; else a reference.
///
/// # Errors
/// A path that leads to no image, and what is no reference either.
pub(crate) fn reference(text: &str) -> Result<BaseReference> {
    // A path may hold a colon itself.
    for place in [LayoutReference { path: text.into(), name: None }, LayoutReference::parse(text)] {
        if place.path.is_file() && !is_called_as_an_image(&place.path) {
            return Ok(BaseReference::Archive(place));
        }
        // A folder that happens to be called as an image is none.
        if place.path.join("index.json").is_file() {
            return Ok(BaseReference::Layout(place));
        }
    }
    let parsed = text.parse::<BaseReference>().into_diagnostic();
    if let Ok(reference @ (BaseReference::Layout(_) | BaseReference::Archive(_))) = parsed {
        return Ok(reference);
    }
    // What lies in a folder that is there, or is called as a file, is hardly one of Docker Hub's.
    let is_beside = Path::new(text).parent().is_some_and(|folder| folder != Path::new("") && folder.is_dir());
    if text.starts_with(['.', '/', '~'])
        || is_beside
        || Path::new(text).extension().is_some_and(|extension| extension == "tar")
    {
        return Err(miette!(help = WAYS, "there is no OCI layout in {text}"));
    }
    parsed
}

/// Whether a file is called as images are, `debian`, and is no archive of one: it only happens to be there.
fn is_called_as_an_image(path: &Path) -> bool {
    let is_bare = path.file_name() == Some(path.as_os_str()) && path.extension().is_none();
    is_bare && path.to_str().is_some_and(|name| name.parse::<Reference>().is_ok()) && !is_tar(path)
}

/// Images where a text says that they are: nothing is read yet but a list of them.
pub(crate) struct OpenImage<'a> {
    place: OpenLocation<'a>,
    /// The tag or digest of the one that is meant.
    name: Option<String>,
}

/// Where images can be.
enum OpenLocation<'a> {
    Layout(Layout),
    Archive(Archive),
    Registry(Box<Registry<'a>>),
    Memory(Memory),
}

/// An image, and what it is called where it is.
pub(crate) struct ImageRoot {
    /// Its index, or its manifest where it has no index.
    pub descriptor: Descriptor,
    /// Its tags there.
    pub tags: Vec<String>,
}

impl<'a> OpenImage<'a> {
    /// Opens the place that a reference names. The cache is not used: a registry says what it has now.
    ///
    /// # Errors
    /// Returns an error if there is no such place, or if credentials cannot be read.
    pub(crate) fn open(reference: &BaseReference, context: &GlobalContext<'a>) -> Result<OpenImage<'a>> {
        let (place, name) = match reference {
            BaseReference::Layout(place) => (OpenLocation::Layout(Layout::open(&place.path)?), place.name.clone()),
            BaseReference::Archive(place) => (OpenLocation::Archive(Archive::open(&place.path)?), place.name.clone()),
            BaseReference::Registry(reference) => {
                let registry = context.connect(reference, false)?;
                (OpenLocation::Registry(Box::new(registry)), Some(reference.name().to_owned()))
            }
            BaseReference::Embedded => (OpenLocation::Memory(embedded()?), None),
            BaseReference::Scratch => return Err(miette!(help = WAYS, "there is nothing in `scratch` to look at")),
        };
        Ok(OpenImage { place, name })
    }

    /// Where their content is.
    pub(crate) fn source(&self) -> &dyn Source {
        match &self.place {
            OpenLocation::Layout(layout) => layout,
            OpenLocation::Archive(archive) => archive,
            OpenLocation::Registry(registry) => registry.as_ref(),
            OpenLocation::Memory(memory) => memory,
        }
    }

    /// All that a layout or an archive lists; nothing of a registry.
    pub(crate) fn entries(&self) -> &[Descriptor] {
        match &self.place {
            OpenLocation::Layout(layout) => layout.entries(),
            OpenLocation::Archive(archive) => archive.entries(),
            OpenLocation::Registry(_) | OpenLocation::Memory(_) => &[],
        }
    }

    /// What is attached to the content of a digest; `listed` is what is among [`OpenImage::entries`].
    ///
    /// # Errors
    /// When a registry does not say.
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

    /// The one image that is meant.
    ///
    /// # Errors
    /// When there is none, or several and none was named; no answer.
    pub(crate) fn root(&self) -> Result<Descriptor> {
        self.source().resolve(self.name.as_deref())
    }

    /// The image that is meant; all that are there where none was named.
    ///
    /// # Errors
    /// When there is none, or no answer.
    pub(crate) fn roots(&self) -> Result<Vec<ImageRoot>> {
        let mut roots = Vec::new();
        if self.name.is_some() || self.entries().is_empty() {
            let root = self.source().resolve(self.name.as_deref())?;
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
        if let (OpenLocation::Registry(_), Some(name), [root]) = (&self.place, &self.name, &mut roots[..])
            && Digest::try_from(name.as_str()).is_err()
        {
            root.tags.push(name.clone());
        }
        Ok(roots)
    }
}

/// Returns the error of an image that is there, but for other platforms.
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
