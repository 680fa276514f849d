//! The SBOM of an image → that of the same image on another base: other digests, another base, and nothing else.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::contents::base_component;
use super::{bytes, cyclonedx, spdx};
use crate::attest::base::ResolvedBase;
use crate::config::SbomFormat;
use crate::error::Result;
use crate::image::Digest;

/// What differs between an image and the same on another base.
pub(crate) struct MovedImage<'a> {
    /// The old digests of index and images, each with the new one.
    pub digests: &'a HashMap<Digest, Digest>,
    /// The old base.
    pub old: ResolvedBase<'a>,
    /// The new base.
    pub new: ResolvedBase<'a>,
}

impl MovedImage<'_> {
    /// Returns an SBOM that this program has made, as it makes it for the image on the new base.
    ///
    /// # Errors
    /// Returns an error if it is too large.
    pub(crate) fn sbom(&self, format: SbomFormat, sbom: &Value) -> Result<Vec<u8>> {
        let (old_id, old) = base_component(&self.old);
        let (new_id, new) = base_component(&self.new);
        let digests = self.digests.iter().map(|(old, new)| (old.digest(), new.digest())).collect();
        match format {
            SbomFormat::CycloneDx => {
                let renamed = renamed(sbom, &old_id, &new_id, &digests);
                let changed = moved_cyclonedx(renamed, &new_id, &cyclonedx::component(&new_id, &new));
                bytes(&changed, format, &name(&changed["metadata"]["component"]["name"]))
            }
            SbomFormat::Spdx => {
                let (old_id, new_id) = (spdx::name(&old_id, &old), (new_id.clone(), spdx::name(&new_id, &new)));
                let renamed = renamed(sbom, &old_id, &new_id.1, &digests);
                let what = name(&renamed["name"]);
                let changed = moved_spdx(renamed, &new_id.1, &spdx::package(&new_id.0, &new));
                bytes(&changed, format, &what)
            }
        }
    }
}

fn name(text: &Value) -> String {
    text.as_str().unwrap_or_default().to_owned()
}

/// Returns a document in which the texts `old` are `new`, and the digests are the new ones.
fn renamed(document: &Value, old: &str, new: &str, digests: &HashMap<&str, &str>) -> Value {
    match document {
        Value::String(text) if text == old => json!(new),
        Value::String(text) => {
            let moved = digests.iter().filter(|(digest, _)| text.contains(**digest));
            json!(moved.fold(text.clone(), |text, (digest, moved)| text.replace(digest, moved)))
        }
        Value::Array(items) => items.iter().map(|item| renamed(item, old, new, digests)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), renamed(value, old, new, digests)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn moved_cyclonedx(mut document: Value, base_id: &str, base: &Value) -> Value {
    let take = |value: &mut Value| value.as_array_mut().map(std::mem::take).unwrap_or_default();
    let mut components = take(&mut document["components"]);
    for component in &mut components {
        if component["bom-ref"] == base_id {
            *component = base.clone();
        }
    }
    components.sort_by_cached_key(|component| name(&component["bom-ref"]));
    let mut dependencies = take(&mut document["dependencies"]);
    for dependency in &mut dependencies {
        let needs: BTreeSet<String> = dependency["dependsOn"].as_array().into_iter().flatten().map(name).collect();
        dependency["dependsOn"] = json!(needs);
    }
    dependencies.sort_by_cached_key(|dependency| name(&dependency["ref"]));
    (document["components"], document["dependencies"]) = (components.into(), dependencies.into());
    document
}

fn moved_spdx(mut document: Value, base_id: &str, base: &Value) -> Value {
    let take = |value: &mut Value| value.as_array_mut().map(std::mem::take).unwrap_or_default();
    let (mut packages, mut relationships) = (take(&mut document["packages"]), take(&mut document["relationships"]));
    for package in &mut packages {
        if package["SPDXID"] == base_id {
            *package = base.clone();
        }
    }
    spdx::sort(&mut packages, &mut relationships);
    (document["packages"], document["relationships"]) = (packages.into(), relationships.into());
    if let Some(fields) = document.as_object_mut() {
        fields.remove("documentNamespace");
    }
    let name = name(&document["name"]);
    spdx::with_namespace(document, &name)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::attest::sbom::bom::{Bom, Component, ComponentKind};
    use crate::attest::sbom::contents::{ImageContents, SbomSubject, of_index};
    use crate::image::digest::sha256;
    use crate::reference::BaseReference;

    /// Returns the SBOMs of an image and of its index, on a base.
    fn boms(base: &BaseReference, base_digest: &Digest, image: &Digest, index: &Digest) -> [Bom; 2] {
        let subject =
            SbomSubject { name: "app", version: "1.0.0", digest: Some(image), created: Timestamp::UNIX_EPOCH };
        let platform = "linux/amd64".parse().expect("a platform");
        let base = Some(ResolvedBase { reference: base, digest: base_digest });
        let contents =
            ImageContents { image: subject, platform: &platform, base, programs: &[], crates: &[], tools: &[] };
        let mut image = contents.bom();
        let root = image.root.clone();
        image.add(&root, "pkg:cargo/a", Component::new(ComponentKind::Crate, "a"));
        image.needs.entry("pkg:cargo/a".to_owned()).or_default();
        let whole = of_index(SbomSubject { digest: Some(index), ..subject }, std::slice::from_ref(&image));
        [image, whole]
    }

    #[test]
    fn moved_sbom_is_that_of_a_build_on_the_new_base() {
        let base = |text: &str| text.parse::<BaseReference>().expect("a reference");
        let digest = |text: &str| sha256(text.as_bytes());
        for (old, new) in [("gcr.io/d/static:nonroot", "gcr.io/d/static:nonroot"), ("gcr.io/d/static:1", "ghcr.io/a/b")]
        {
            let (old, new) = (base(old), base(new));
            let before = boms(&old, &digest("old base"), &digest("image 1"), &digest("index 1"));
            let after = boms(&new, &digest("new base"), &digest("image 2"), &digest("index 2"));
            let digests =
                HashMap::from([(digest("image 1"), digest("image 2")), (digest("index 1"), digest("index 2"))]);
            let moved = MovedImage {
                digests: &digests,
                old: ResolvedBase { reference: &old, digest: &digest("old base") },
                new: ResolvedBase { reference: &new, digest: &digest("new base") },
            };
            for format in SbomFormat::ALL {
                for (before, after) in before.iter().zip(&after) {
                    let written = before.document(format, "app").expect("a document");
                    let sbom = moved.sbom(format, &serde_json::from_slice(&written).expect("JSON")).expect("moves");
                    let built = after.document(format, "app").expect("a document");
                    assert_eq!(String::from_utf8_lossy(&sbom), String::from_utf8_lossy(&built));
                }
            }
        }
    }
}
