//! The SBOM of an index, made of those of its images: for images whose SBOMs were made elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use super::contents::{SbomSubject, of_index};
use super::{bytes, cyclonedx, spdx};
use crate::config::SbomFormat;
use crate::error::Result;

/// Returns whether an SBOM was made by this program: only such ones name the same things by the same names.
pub(crate) fn is_ours(format: SbomFormat, sbom: &Value) -> bool {
    match format {
        SbomFormat::CycloneDx => {
            let tools = sbom["metadata"]["tools"]["components"].as_array();
            tools.into_iter().flatten().any(|tool| tool["name"] == "cargo-oci")
        }
        SbomFormat::Spdx => {
            let creators = sbom["creationInfo"]["creators"].as_array();
            creators.into_iter().flatten().filter_map(Value::as_str).any(|text| text.starts_with("Tool: cargo-oci-"))
        }
    }
}

/// Returns the SBOM of an index. `images` are those of its images, in the same format.
///
/// # Errors
/// Returns an error if it is too large.
pub(crate) fn merge(format: SbomFormat, index: SbomSubject, images: &[Value]) -> Result<Vec<u8>> {
    let bom = of_index(index, &[]);
    let json = match format {
        SbomFormat::CycloneDx => merge_cyclonedx(cyclonedx::document(&bom), images),
        SbomFormat::Spdx => merge_spdx(spdx::content(&bom), index.name, images),
    };
    bytes(&json, format, index.name)
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn merge_cyclonedx(mut index: Value, images: &[Value]) -> Value {
    let root = text(&index["metadata"]["component"]["bom-ref"]);
    let mut components: BTreeMap<String, Value> = BTreeMap::new();
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    needs.insert(root.clone(), images.iter().map(|image| text(&image["metadata"]["component"]["bom-ref"])).collect());
    for image in images {
        for component in std::iter::once(&image["metadata"]["component"]).chain(array(image, "components")) {
            let known = components.entry(text(&component["bom-ref"])).or_insert_with(|| component.clone());
            // A crate that only runs in the compiler for one platform may be linked for another.
            if component.get("scope").is_none() {
                known.as_object_mut().and_then(|known| known.remove("scope"));
            }
        }
        for dependency in array(image, "dependencies") {
            needs.entry(text(&dependency["ref"])).or_default().extend(array(dependency, "dependsOn").map(text));
        }
    }
    index["components"] = components.into_values().collect();
    index["dependencies"] = needs.into_iter().map(|(id, needs)| json!({ "ref": id, "dependsOn": needs })).collect();
    index
}

fn merge_spdx(mut index: Value, name: &str, images: &[Value]) -> Value {
    const DESCRIBES: &str = "DESCRIBES";
    let root = text(&index["packages"][0]["SPDXID"]);
    let (mut packages, mut relationships): (Vec<_>, Vec<_>) =
        (array(&index, "packages").cloned().collect(), array(&index, "relationships").cloned().collect());
    for image in images {
        packages.extend(array(image, "packages").cloned());
        relationships.extend(array(image, "relationships").map(|one| {
            if one["relationshipType"] == DESCRIBES {
                return spdx::relationship(&root, "CONTAINS", &text(&one["relatedSpdxElement"]));
            }
            one.clone()
        }));
    }
    // A crate that only runs in the compiler for one platform may be linked for another.
    let ends = |one: &Value| (text(&one["spdxElementId"]), text(&one["relatedSpdxElement"]));
    let linked = relationships.iter().filter(|one| one["relationshipType"] == "DEPENDS_ON");
    let linked: HashSet<_> = linked.map(ends).collect();
    relationships.retain(|one| {
        let (needed, own) = ends(one);
        one["relationshipType"] != "BUILD_DEPENDENCY_OF" || !linked.contains(&(own, needed))
    });
    spdx::sort(&mut packages, &mut relationships);
    (index["packages"], index["relationships"]) = (packages.into(), relationships.into());
    spdx::with_namespace(index, name)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::bom::{Bom, Component, ComponentKind};
    use super::*;
    use crate::image::digest::sha256;

    const SUBJECT: SbomSubject =
        SbomSubject { name: "app", version: "1.0.0", digest: None, created: Timestamp::UNIX_EPOCH };

    /// An image with a crate that every image has, and one that is shipped in the first alone.
    fn image(platform: &str, is_shipped: bool) -> Bom {
        let root = format!("image:{platform}");
        let component = |name: &str| Component::new(ComponentKind::Crate, name);
        let mut bom = Bom {
            created: Timestamp::UNIX_EPOCH,
            components: [(root.clone(), Component::new(ComponentKind::Image, "app"))].into(),
            root: root.clone(),
            needs: BTreeMap::new(),
        };
        bom.add(&root, "pkg:cargo/a", component("a"));
        bom.add("pkg:cargo/a", "pkg:cargo/b", Component { is_shipped, ..component("b") });
        bom.add(&root, &format!("program:{platform}"), Component::new(ComponentKind::Program, "/app/app"));
        bom
    }

    fn documents(format: SbomFormat, boms: &[Bom]) -> Vec<Value> {
        let parse =
            |bom: &Bom| serde_json::from_slice(&bom.document(format, "app").expect("a document")).expect("JSON");
        boms.iter().map(parse).collect()
    }

    #[test]
    fn merged_sbom_is_that_of_one_build() {
        let digest = sha256(b"index");
        let index = SbomSubject { digest: Some(&digest), ..SUBJECT };
        let boms = [image("linux/amd64", true), image("linux/arm64", false)];
        for format in SbomFormat::ALL {
            let parts = documents(format, &boms);
            assert!(SbomFormat::ALL.into_iter().all(|other| is_ours(other, &parts[0]) == (other == format)));
            let merged = merge(format, index, &parts).expect("merges");
            let built = of_index(index, &boms).document(format, "app").expect("a document");
            assert_eq!(String::from_utf8_lossy(&merged), String::from_utf8_lossy(&built));
        }
    }
}
