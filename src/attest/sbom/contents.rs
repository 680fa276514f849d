//! Image, base, binaries, crates, toolchain → a [`Bom`]: of an image for one platform, and of an index.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::bom::{Bom, Component, ComponentKind};
use super::crates::Crate;
use super::purl::Purl;
use crate::attest::base::ResolvedBase;
use crate::image::Digest;
use crate::platform::Platform;
use crate::reference::BaseReference;
use crate::release::Release;

/// The image or index that an SBOM describes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SbomSubject<'a> {
    /// The name of the image.
    pub name: &'a str,
    /// The version of its package.
    pub version: &'a str,
    /// The digest of its manifest or index, if it is built.
    pub digest: Option<&'a Digest>,
    /// The creation time of the image.
    pub created: Timestamp,
}

/// The contents of an image for one platform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageContents<'a> {
    /// The image.
    pub image: SbomSubject<'a>,
    /// Its platform.
    pub platform: &'a Platform,
    /// The base image.
    pub base: Option<ResolvedBase<'a>>,
    /// The binaries.
    pub programs: &'a [ProgramFile],
    /// The crates of the binaries, their own package first.
    pub crates: &'a [Crate],
    /// The toolchain.
    pub tools: &'a [Release],
}

/// An executable file in an image.
#[derive(Clone, Debug)]
pub(crate) struct ProgramFile {
    /// Its absolute path in the image.
    pub path: String,
    /// Its digest, if it is built.
    pub digest: Option<Digest>,
}

impl ImageContents<'_> {
    /// Returns the bill of materials of the image.
    pub(crate) fn bom(&self) -> Bom {
        let mut bom = begin(self.image, Some(self.platform));
        let root = bom.root.clone();
        if let Some(base) = &self.base {
            let (id, component) = base_component(base);
            bom.add(&root, &id, component);
        }
        for ProgramFile { path, digest } in self.programs {
            let id = format!("program:{}{path}", self.platform);
            let mut program = Component::new(ComponentKind::Program, path);
            program.version = Some(self.image.version.to_owned());
            program.sha256 = digest.as_ref().map(|digest| digest.digest().to_owned());
            bom.add(&root, &id, program);
            for tool in self.tools {
                bom.add(&id, &tool_id(tool), tool_component(tool));
            }
            if let Some(own) = self.crates.first() {
                bom.add(&id, &own.purl, crate_component(own));
            }
        }
        for made in self.crates {
            for needed in made.needs.iter().filter_map(|at| self.crates.get(*at)) {
                bom.add(&made.purl, &needed.purl, crate_component(needed));
            }
        }
        bom
    }
}

/// Returns the bill of materials of an index of images.
pub(crate) fn of_index(index: SbomSubject, images: &[Bom]) -> Bom {
    let mut bom = begin(index, None);
    let root = bom.root.clone();
    for image in images {
        bom.needs.entry(root.clone()).or_default().insert(image.root.clone());
        for (id, component) in &image.components {
            let known = bom.components.entry(id.clone()).or_insert_with(|| component.clone());
            // A crate that only runs in the compiler for one platform may be linked for another.
            known.is_shipped |= component.is_shipped;
        }
        for (id, needs) in &image.needs {
            bom.needs.entry(id.clone()).or_default().extend(needs.iter().cloned());
        }
    }
    bom
}

/// Creates a bill with nothing but the image or index itself.
fn begin(image: SbomSubject, platform: Option<&Platform>) -> Bom {
    let arch = platform.map(|platform| platform.architecture.as_str());
    let mut purl = Purl::new("oci", &image.name.to_lowercase()).qualifier("arch", arch);
    if let Some(digest) = image.digest {
        purl = purl.version(digest.as_ref());
    }
    let mut component = Component::new(ComponentKind::Image, image.name);
    component.version = Some(image.version.to_owned());
    // Without a version, the purl would match all images of this name.
    component.purl = image.digest.map(|_| purl.text());
    component.sha256 = image.digest.map(|digest| digest.digest().to_owned());
    component.description = platform.map(|platform| format!("image for {platform}"));
    let root = platform.map_or_else(|| "index".to_owned(), |platform| format!("image:{platform}"));
    Bom { created: image.created, components: [(root.clone(), component)].into(), root, needs: BTreeMap::new() }
}

/// Returns the id and the component of the base image.
pub(super) fn base_component(base: &ResolvedBase) -> (String, Component) {
    let (repository, digest) = (base.repository(), base.digest);
    let name = match (&repository, base.reference) {
        (Some(repository), _) => repository,
        (None, BaseReference::Embedded) => "cargo-oci-embedded-base",
        (None, _) => "base",
    };
    let last = name.rsplit('/').next().unwrap_or(name);
    let purl = Purl::new("oci", last)
        .version(digest.as_ref())
        .qualifier("repository_url", repository.as_deref())
        .qualifier("tag", base.tag())
        .text();
    let mut component = Component::new(ComponentKind::Base, name);
    component.version = Some(digest.to_string());
    component.sha256 = Some(digest.digest().to_owned());
    component.description = Some("the image below".to_owned());
    component.purl = Some(purl.clone());
    (purl, component)
}

fn crate_component(made: &Crate) -> Component {
    Component {
        kind: ComponentKind::Crate,
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

fn tool_id(tool: &Release) -> String {
    Purl::new("generic", &tool.program).version(&tool.version).text()
}

/// Returns the component of a program of the toolchain. The compiler stands for the standard library too, which is linked into
/// every binary and has advisories of its own.
fn tool_component(tool: &Release) -> Component {
    let is_compiler = tool.program == "rustc";
    let mut component = Component::new(ComponentKind::Tool, &tool.program);
    component.version = Some(tool.version.clone());
    component.purl = Some(tool_id(tool));
    component.cpe = is_compiler.then(|| format!("cpe:2.3:a:rust-lang:rust:{}:*:*:*:*:*:*:*", tool.version));
    component.description = Some(if is_compiler {
        format!("{}, and the standard library that is linked into the programs", tool.text)
    } else {
        tool.text.clone()
    });
    component.is_shipped = is_compiler;
    component
}
