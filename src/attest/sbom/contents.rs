//! Image, base, programs, crates, toolchain → a [`Bom`]: of the image for one platform, and of an index of such.

use jiff::Timestamp;

use super::crates::Crate;
use super::purl::Purl;
use super::{Bom, Component, Kind};
use crate::attest::Tool;
use crate::image::Digest;
use crate::platform::Platform;
use crate::reference::BaseReference;

/// What is called by a name, and is one image or an index.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The image's name.
    pub name: &'a str,
    /// The version of its package.
    pub version: &'a str,
    /// Of its manifest or its index, where that is known.
    pub digest: Option<&'a Digest>,
    /// The one time of all that is made.
    pub created: Timestamp,
}

/// What an image for one platform is made of.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The image.
    pub image: Named<'a>,
    /// What it is for.
    pub platform: &'a Platform,
    /// The reference of the image below, and what that stood for: of its index, or of its one manifest.
    pub base: (&'a BaseReference, Option<&'a Digest>),
    /// The programs: absolute paths in the image, and their digests where they are known.
    pub programs: &'a [(String, Option<Digest>)],
    /// What they are built from, their own package first.
    pub crates: &'a [Crate],
    /// What they were built with.
    pub tools: &'a [Tool],
}

impl Contents<'_> {
    /// The bill of materials of this image.
    pub fn bom(&self) -> Bom {
        let mut bom = begin(self.image, Some(self.platform));
        let root = bom.root.clone();
        let base = base(self.base.0, self.base.1);
        if let Some((id, base)) = base {
            bom.add(&root, &id, base);
        }
        for (path, digest) in self.programs {
            let id = format!("program:{}{path}", self.platform);
            let mut program = Component::new(Kind::Program, path);
            program.version = Some(self.image.version.to_owned());
            program.sha256 = digest.as_ref().map(|digest| digest.digest().to_owned());
            bom.add(&root, &id, program);
            for tool in self.tools {
                bom.add(&id, &tool_id(tool), component_of_tool(tool));
            }
            if let Some(own) = self.crates.first() {
                bom.add(&id, &own.purl, component_of(own));
            }
        }
        for made in self.crates {
            for needed in made.needs.iter().filter_map(|at| self.crates.get(*at)) {
                bom.add(&made.purl, &needed.purl, component_of(needed));
            }
        }
        bom
    }
}

/// The bill of materials of an index of such images.
pub fn of_index(index: Named, images: &[Bom]) -> Bom {
    let mut bom = begin(index, None);
    let root = bom.root.clone();
    for image in images {
        bom.needs.entry(root.clone()).or_default().insert(image.root.clone());
        for (id, component) in &image.components {
            let known = bom.components.entry(id.clone()).or_insert_with(|| component.clone());
            // What runs in the compiler alone for one platform may be linked for another.
            known.is_shipped |= component.is_shipped;
        }
        for (id, needs) in &image.needs {
            bom.needs.entry(id.clone()).or_default().extend(needs.iter().cloned());
        }
    }
    bom
}

impl Bom {
    /// Adds a component that `parent` is made of.
    fn add(&mut self, parent: &str, id: &str, component: Component) {
        self.components.entry(id.to_owned()).or_insert(component);
        self.needs.entry(parent.to_owned()).or_default().insert(id.to_owned());
    }
}

fn begin(image: Named, platform: Option<&Platform>) -> Bom {
    let arch = platform.map(|platform| platform.architecture.as_str());
    let mut purl = Purl::new("oci", &image.name.to_lowercase()).qualifier("arch", arch);
    if let Some(digest) = image.digest {
        purl = purl.version(digest.as_ref());
    }
    let mut component = Component::new(Kind::Image, image.name);
    component.version = Some(image.version.to_owned());
    // Without a version, the purl would be that of all images of this name.
    component.purl = image.digest.map(|_| purl.text());
    component.sha256 = image.digest.map(|digest| digest.digest().to_owned());
    component.description = platform.map(|platform| format!("image for {platform}"));
    let root = platform.map_or_else(|| "index".to_owned(), |platform| format!("image:{platform}"));
    Bom { created: image.created, components: [(root.clone(), component)].into(), root, needs: Default::default() }
}

/// The image below. Where on this computer one is, is nobody's business elsewhere: its digest names it.
fn base(reference: &BaseReference, digest: Option<&Digest>) -> Option<(String, Component)> {
    let digest = digest?;
    let (name, place, tag) = match reference {
        BaseReference::Registry(reference) => {
            let place = format!("{}/{}", reference.registry(), reference.repository());
            let tag = Some(reference.name()).filter(|name| !name.contains(':'));
            (place.clone(), Some(place), tag)
        }
        BaseReference::Embedded => ("cargo-oci-embedded-base".to_owned(), None, None),
        _ => ("base".to_owned(), None, None),
    };
    let last = name.rsplit('/').next().unwrap_or(&name);
    let purl = Purl::new("oci", last)
        .version(digest.as_ref())
        .qualifier("repository_url", place.as_deref())
        .qualifier("tag", tag)
        .text();
    let mut component = Component::new(Kind::Base, &name);
    component.version = Some(digest.to_string());
    component.sha256 = Some(digest.digest().to_owned());
    component.description = Some("the image below".to_owned());
    component.purl = Some(purl.clone());
    Some((purl, component))
}

fn component_of(made: &Crate) -> Component {
    Component {
        kind: Kind::Crate,
        name: made.name.clone(),
        version: Some(made.version.clone()),
        purl: Some(made.purl.clone()),
        cpe: None,
        sha256: made.checksum.clone(),
        license: made.license.clone(),
        description: made.description.clone(),
        repository: made.repository.clone(),
        homepage: made.homepage.clone(),
        source: Some(made.source.clone()),
        is_shipped: made.is_linked,
    }
}

fn tool_id(tool: &Tool) -> String {
    Purl::new("generic", &tool.name).version(&tool.version).text()
}

/// The compiler brings the standard library, which is linked into every program and has advisories of its own.
fn component_of_tool(tool: &Tool) -> Component {
    let is_compiler = tool.name == "rustc";
    let mut component = Component::new(Kind::Tool, &tool.name);
    component.version = Some(tool.version.clone());
    component.purl = Some(tool_id(tool));
    component.cpe = is_compiler.then(|| format!("cpe:2.3:a:rust-lang:rust:{}:*:*:*:*:*:*:*", tool.version));
    component.description = Some(match is_compiler {
        true => format!("{}, and the standard library that is linked into the programs", tool.text),
        false => tool.text.clone(),
    });
    component.is_shipped = is_compiler;
    component
}
