//! How an image came about: a statement with SLSA's provenance 1 (slsa.dev, "Build: Provenance").
//!
//! It says what the user chose and what was found, and nothing that is different each time: no id of the run, no time. Equal
//! builds have equal provenance. Who built it is for a signature to say.

use serde_json::{Map, Value, json};

use super::Tool;
use super::sbom::purl::Purl;
use super::statement::Statement;
use crate::image::{Digest, predicate};
use crate::reference::BaseReference;

/// How builds of this program are described, and what the parameters mean: a name for what docs/supply-chain.md
/// says under "Provenance". It will be its address once the project has one that stays.
pub const BUILD_TYPE: &str = "urn:cargo-oci:build:1";
/// This program, whoever runs it: a signature tells who that was.
const BUILDER: &str = "urn:cargo-oci";

/// What the user chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// The package, as `name@version`.
    pub package: String,
    /// Its binaries.
    pub bins: Vec<String>,
    /// The targets they were built for.
    pub targets: Vec<String>,
    /// The profile.
    pub profile: String,
    /// Cargo's arguments for features.
    pub features: Vec<String>,
    /// The image below, as it was named; without a place on this computer.
    pub base: String,
    /// What layers are compressed with.
    pub compression: String,
    /// The platforms whose programs were compiled elsewhere.
    pub prebuilt: Vec<String>,
}

/// What the image was made of.
#[derive(Clone, Debug, Default)]
pub struct Dependencies<'a> {
    /// The image below, and what its name stood for.
    pub base: Option<(&'a BaseReference, &'a Digest)>,
    /// The repository that Cargo.toml names, and the commit that was checked out: its hash, and whether files differed from it.
    pub commit: Option<(Option<&'a str>, &'a str, bool)>,
    /// Cargo.lock.
    pub lock: Option<&'a Digest>,
    /// The toolchain.
    pub tools: &'a [Tool],
}

/// What is said of the images, which are named beside their digests.
pub fn provenance(subjects: Vec<(String, Digest)>, chosen: &Parameters, found: &Dependencies) -> Statement {
    let predicate = json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": external(chosen),
            "internalParameters": {},
            "resolvedDependencies": resolved(found),
        },
        "runDetails": {
            "builder": {
                "id": BUILDER,
                "version": { "cargo-oci": env!("CARGO_PKG_VERSION") },
            },
            "metadata": {},
        },
    });
    Statement { subjects, predicate_type: predicate::PROVENANCE.to_owned(), predicate }
}

/// Those that were not chosen are not there: an empty list would say the same.
fn external(chosen: &Parameters) -> Value {
    let mut all = Map::new();
    let texts = [
        ("package", &chosen.package),
        ("profile", &chosen.profile),
        ("base", &chosen.base),
        ("compression", &chosen.compression),
    ];
    all.extend(texts.map(|(key, text)| (key.to_owned(), json!(text))));
    let lists = [
        ("bins", &chosen.bins),
        ("targets", &chosen.targets),
        ("features", &chosen.features),
        ("prebuilt", &chosen.prebuilt),
    ];
    all.extend(lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(key, list)| (key.to_owned(), json!(list))));
    Value::Object(all)
}

/// Resource descriptors (in-toto Attestation Framework, "ResourceDescriptor").
fn resolved(found: &Dependencies) -> Vec<Value> {
    let mut all = Vec::new();
    if let Some((reference, digest)) = found.base {
        let mut base = json!({ "name": "base", "digest": digest_set(digest) });
        if let BaseReference::Registry(reference) = reference {
            let place = format!("{}/{}", reference.registry(), reference.repository());
            let name = place.rsplit('/').next().unwrap_or(&place);
            let purl = Purl::new("oci", name).version(digest.as_ref()).qualifier("repository_url", Some(&place));
            base["uri"] = json!(purl.text());
        }
        all.push(base);
    }
    if let Some((repository, commit, is_dirty)) = found.commit {
        let mut source = json!({ "name": "source", "digest": { "gitCommit": commit } });
        if let Some(repository) = repository {
            source["uri"] = json!(format!("git+{repository}"));
        }
        if is_dirty {
            source["annotations"] = json!({ "dirty": true });
        }
        all.push(source);
    }
    if let Some(lock) = found.lock {
        all.push(json!({ "name": "Cargo.lock", "digest": digest_set(lock) }));
    }
    for tool in found.tools {
        let uri = Purl::new("generic", &tool.name).version(&tool.version).text();
        all.push(json!({ "name": tool.name, "uri": uri, "annotations": { "version": tool.text } }));
    }
    all
}

fn digest_set(digest: &Digest) -> Value {
    json!({ (digest.algorithm().to_string()): digest.digest() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    #[test]
    fn what_was_not_chosen_and_not_found_is_not_said() {
        let subject = sha256(b"image");
        let chosen = Parameters { package: "x@1.0.0".to_owned(), bins: vec!["x".to_owned()], ..Parameters::default() };
        let statement = provenance(vec![("x".to_owned(), subject.clone())], &chosen, &Dependencies::default());
        assert!(statement.is_about(&subject));
        let definition = &statement.predicate["buildDefinition"];
        assert_eq!(definition["externalParameters"]["bins"], json!(["x"]));
        assert_eq!(definition["externalParameters"].get("features"), None);
        assert_eq!(definition["resolvedDependencies"], json!([]));
    }

    #[test]
    fn a_base_of_a_registry_and_a_commit_are_named_as_others_name_them() {
        let (digest, base) = (sha256(b"base"), "gcr.io/distroless/static-debian12:nonroot".parse().expect("a base"));
        let tool = Tool { name: "rustc".to_owned(), version: "1.96.0".to_owned(), text: "rustc 1.96.0 (x)".to_owned() };
        let found = Dependencies {
            base: Some((&base, &digest)),
            commit: Some((Some("https://example.org/x"), "abc", true)),
            lock: Some(&digest),
            tools: &[tool],
        };
        let all = resolved(&found);
        let uri = "repository_url=gcr.io%2Fdistroless%2Fstatic-debian12";
        assert_eq!(all[0]["uri"], json!(format!("pkg:oci/static-debian12@{digest}?{uri}")));
        assert_eq!(
            all[1],
            json!({
                "name": "source", "uri": "git+https://example.org/x", "digest": { "gitCommit": "abc" }, "annotations": { "dirty": true },
            })
        );
        assert_eq!((&all[2]["name"], &all[3]["uri"]), (&json!("Cargo.lock"), &json!("pkg:generic/rustc@1.96.0")));
    }
}
