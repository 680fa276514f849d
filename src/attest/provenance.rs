//! SLSA provenance 1 as an in-toto statement (slsa.dev, "Build: Provenance").
//!
//! It holds the user's choices and the resolved inputs, but no run ID and no time, so that equal builds have equal
//! provenance. A signature tells who built the image.

use serde_json::{Map, Value, json};

use super::base::ResolvedBase;
use super::sbom::purl::Purl;
use super::statement::Statement;
use crate::config::Labels;
use crate::image::config::Settings;
use crate::image::{Digest, predicate};
use crate::plan::allocator::AllocatorCrate;
use crate::platform::Platform;
use crate::release::Release;

/// The build type: it defines the parameters, which docs/supply-chain.md describes under "Provenance".
pub(crate) const BUILD_TYPE: &str = "urn:cargo-oci:build:1";
/// The build type of an index that is made of images which were built elsewhere.
const INDEX_TYPE: &str = "urn:cargo-oci:index:1";
/// The build type of an image that was put on a new base.
const REBASE_TYPE: &str = "urn:cargo-oci:rebase:1";
/// The parameter with the settings of the config.
const SETTINGS: &str = "settings";
/// The parameters that are there only if they are not as by default.
const ANNOTATIONS: &str = "annotations";
const FILES: &str = "files";
pub(super) const AUDITABLE: &str = "auditable";
const NO_INDEX: &str = "noIndex";
pub(super) const KEEPS_PATHS: &str = "noRemapPathPrefix";
/// The parameter of a rebase with those of the build.
const BUILD: &str = "build";
/// The builder: this program, whoever runs it.
const BUILDER: &str = "urn:cargo-oci";

/// The user's choices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BuildParameters {
    /// The package, as `name@version`.
    pub package: String,
    /// Its binaries.
    pub bins: Vec<String>,
    /// The targets of the binaries.
    pub targets: Vec<String>,
    /// The C library of the targets; both if there are such and such.
    pub libc: String,
    /// The profile.
    pub profile: String,
    /// Cargo's arguments for features.
    pub features: Vec<String>,
    /// The base as the user named it, without local paths.
    pub base: String,
    /// The compression of layers.
    pub compression: String,
    /// The allocator, unless it is that of the C library.
    pub allocator: String,
    /// The platforms with prebuilt binaries.
    pub prebuilt: Vec<String>,
    /// What the config sets, without what names the base.
    pub settings: Settings,
    /// The annotations, unless they are the labels of the settings.
    pub annotations: Option<Labels>,
    /// The rules for files, as they are written.
    pub files: Vec<Value>,
    /// Whether the list of crates is embedded into binaries, if that is not as by default.
    pub auditable: Option<bool>,
    /// Whether there is no index.
    pub no_index: bool,
    /// Whether binaries keep the paths of the machine.
    pub keeps_paths: bool,
    /// What was chosen for the compilation in other ways: compiler flags, cargo's configuration, variables.
    pub compilation: Map<String, Value>,
}

/// The resolved inputs of the build.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependencies<'a> {
    /// The base image.
    pub base: Option<ResolvedBase<'a>>,
    /// The commit of the source.
    pub commit: Option<SourceCommit<'a>>,
    /// The digest of Cargo.lock.
    pub lock: Option<&'a Digest>,
    /// The crate with the sources of the allocator.
    pub allocator: Option<&'a AllocatorCrate>,
    /// The binaries that were compiled elsewhere, by name and platform.
    pub prebuilt: &'a [(String, Digest)],
    /// The toolchain.
    pub tools: &'a [Release],
}

/// The commit that was checked out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceCommit<'a> {
    /// The repository that Cargo.toml names.
    pub repository: Option<&'a str>,
    /// The hash of the commit.
    pub sha: &'a str,
    /// Whether files differed from the commit.
    pub is_dirty: bool,
}

/// Returns the provenance of images, given as names with digests.
pub(crate) fn provenance(
    subjects: Vec<(String, Digest)>,
    parameters: &BuildParameters,
    dependencies: &Dependencies,
) -> Statement {
    statement(subjects, BUILD_TYPE, &external_parameters(parameters), &resolved_dependencies(dependencies))
}

/// An image that an index is made of.
#[derive(Clone, Debug)]
pub(crate) struct IndexedImage {
    /// Its platform.
    pub platform: Platform,
    /// Its repository, if it is in one.
    pub repository: Option<String>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its own provenance, if it has any.
    pub provenance: Option<Statement>,
}

/// Returns the provenance of an index, given as a name with a digest: the images are its inputs, and so are theirs.
pub(crate) fn index_provenance(subject: (String, Digest), images: &[IndexedImage]) -> Statement {
    let mut inputs: Vec<Value> = Vec::new();
    for image in images {
        let mut descriptor = json!({ "name": image.platform.to_string(), "digest": digest_set(&image.digest) });
        if let Some(repository) = &image.repository {
            descriptor["uri"] = json!(purl_of(repository, &image.digest));
        }
        inputs.push(descriptor);
    }
    for provenance in images.iter().filter_map(|image| image.provenance.as_ref()) {
        let theirs = &provenance.predicate["buildDefinition"]["resolvedDependencies"];
        for input in theirs.as_array().into_iter().flatten() {
            if !inputs.contains(input) {
                inputs.push(input.clone());
            }
        }
    }
    let platforms: Vec<_> = images.iter().map(|image| image.platform.to_string()).collect();
    statement(vec![subject], INDEX_TYPE, &json!({ "platforms": platforms }), &inputs)
}

/// An image that is put on a new base.
pub(crate) struct RebasedImage<'a> {
    /// The repository, if it is in one.
    pub repository: Option<&'a str>,
    /// The digest that it had.
    pub digest: &'a Digest,
    /// The old base.
    pub old: &'a Digest,
    /// The new base.
    pub new: ResolvedBase<'a>,
}

/// Returns the provenance of an image on a new base, given that of the image on the old one: the image and the new base are its
/// inputs, and so are the inputs of the image except the old base.
pub(crate) fn rebase_provenance(
    subjects: Vec<(String, Digest)>,
    image: &RebasedImage,
    before: &Statement,
) -> Statement {
    let definition = &before.predicate["buildDefinition"];
    let mut rebased = json!({ "name": "image", "digest": digest_set(image.digest) });
    if let Some(repository) = image.repository {
        rebased["uri"] = json!(purl_of(repository, image.digest));
    }
    let base = resolved_dependencies(&Dependencies { base: Some(image.new), ..Dependencies::default() });
    let mut inputs: Vec<Value> = base.into_iter().chain([rebased]).collect();
    let old = digest_set(image.old);
    let theirs = definition["resolvedDependencies"].as_array().into_iter().flatten();
    // The images before this one are named by its own provenance.
    inputs.extend(theirs.filter(|input| input["digest"] != old && input["name"] != "image").cloned());
    let parameters = &definition["externalParameters"];
    let build = parameters.get(BUILD).unwrap_or(parameters);
    let parameters = json!({ "base": image.new.reference.to_string(), BUILD: build });
    statement(subjects, REBASE_TYPE, &parameters, &inputs)
}

/// What the provenance of an image tells of its build.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToldBuild {
    /// What the config sets, without what names the base.
    pub settings: Option<Settings>,
    /// Whether its programs are linked with libraries of the base; `None` if that is not told.
    pub is_dynamic: Option<bool>,
}

impl ToldBuild {
    /// Reads the provenance of an image that this program has built or put on a new base.
    pub(crate) fn of(provenance: &Statement) -> ToldBuild {
        let parameters = &provenance.predicate["buildDefinition"]["externalParameters"];
        let build = parameters.get(BUILD).unwrap_or(parameters);
        let targets = build["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let triples = targets.iter().filter_map(Value::as_str);
        // Musl programs are static, unless the user's flags say something else: then it is not told.
        let is_gnu = (!targets.is_empty()).then(|| triples.into_iter().any(|triple| triple.contains("gnu")));
        ToldBuild { settings: serde_json::from_value(build[SETTINGS].clone()).ok(), is_dynamic: is_gnu }
    }
}

/// Returns whether provenance was made by this program.
pub(crate) fn is_ours(provenance: &Statement) -> bool {
    provenance.predicate["runDetails"]["builder"]["id"] == BUILDER
}

fn statement(subjects: Vec<(String, Digest)>, build_type: &str, parameters: &Value, inputs: &[Value]) -> Statement {
    let predicate = json!({
        "buildDefinition": {
            "buildType": build_type,
            "externalParameters": parameters,
            "internalParameters": {},
            "resolvedDependencies": inputs,
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

/// Returns the parameters; empty lists are left out.
fn external_parameters(parameters: &BuildParameters) -> Value {
    let mut all = Map::new();
    let texts = [
        ("package", &parameters.package),
        ("profile", &parameters.profile),
        ("base", &parameters.base),
        ("libc", &parameters.libc),
        ("compression", &parameters.compression),
    ];
    all.extend(texts.map(|(key, text)| (key.to_owned(), json!(text))));
    if !parameters.allocator.is_empty() {
        all.insert("allocator".to_owned(), json!(parameters.allocator));
    }
    let lists = [
        ("bins", &parameters.bins),
        ("targets", &parameters.targets),
        ("features", &parameters.features),
        ("prebuilt", &parameters.prebuilt),
    ];
    all.insert(SETTINGS.to_owned(), json!(parameters.settings));
    let others = [
        (ANNOTATIONS, parameters.annotations.as_ref().map(|annotations| json!(annotations))),
        (FILES, (!parameters.files.is_empty()).then(|| json!(parameters.files))),
        (AUDITABLE, parameters.auditable.map(Value::from)),
        (NO_INDEX, parameters.no_index.then_some(Value::Bool(true))),
        (KEEPS_PATHS, parameters.keeps_paths.then_some(Value::Bool(true))),
    ];
    all.extend(others.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    all.extend(parameters.compilation.clone());
    all.extend(lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(key, list)| (key.to_owned(), json!(list))));
    Value::Object(all)
}

/// Returns the resource descriptors (in-toto Attestation Framework, "ResourceDescriptor").
fn resolved_dependencies(dependencies: &Dependencies) -> Vec<Value> {
    let mut all = Vec::new();
    if let Some(base) = &dependencies.base {
        let mut descriptor = json!({ "name": "base", "digest": digest_set(base.digest) });
        if let Some(repository) = base.repository() {
            descriptor["uri"] = json!(purl_of(&repository, base.digest));
        }
        all.push(descriptor);
    }
    if let Some(commit) = &dependencies.commit {
        let mut source = json!({ "name": "source", "digest": { "gitCommit": commit.sha } });
        if let Some(repository) = commit.repository {
            source["uri"] = json!(format!("git+{repository}"));
        }
        if commit.is_dirty {
            source["annotations"] = json!({ "dirty": true });
        }
        all.push(source);
    }
    if let Some(lock) = dependencies.lock {
        all.push(json!({ "name": "Cargo.lock", "digest": digest_set(lock) }));
    }
    if let Some(allocator) = dependencies.allocator {
        let uri = Purl::new("cargo", allocator.name).version(allocator.version).text();
        all.push(json!({ "name": allocator.name, "uri": uri, "digest": { "sha256": allocator.checksum } }));
    }
    for (name, digest) in dependencies.prebuilt {
        all.push(json!({ "name": name, "digest": digest_set(digest), "annotations": { "prebuilt": true } }));
    }
    for tool in dependencies.tools {
        let uri = Purl::new("generic", &tool.program).version(&tool.version).text();
        all.push(json!({ "name": tool.program, "uri": uri, "annotations": { "version": tool.text } }));
    }
    all
}

/// Returns the package URL of an image in a repository.
fn purl_of(repository: &str, digest: &Digest) -> String {
    let name = repository.rsplit('/').next().unwrap_or(repository);
    Purl::new("oci", name).version(digest.as_ref()).qualifier("repository_url", Some(repository)).text()
}

fn digest_set(digest: &Digest) -> Value {
    json!({ (digest.algorithm().to_string()): digest.digest() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Allocator;
    use crate::image::digest::sha256;

    #[test]
    fn provenance_leaves_out_empty_parameters() {
        let subject = sha256(b"image");
        let parameters =
            BuildParameters { package: "x@1.0.0".to_owned(), bins: vec!["x".to_owned()], ..Default::default() };
        let statement = provenance(vec![("x".to_owned(), subject.clone())], &parameters, &Dependencies::default());
        assert!(statement.is_about(&subject));
        let definition = &statement.predicate["buildDefinition"];
        assert_eq!(definition["externalParameters"]["bins"], json!(["x"]));
        assert_eq!(definition["externalParameters"].get("features"), None);
        assert_eq!(definition["externalParameters"].get("allocator"), None);
        assert_eq!(definition["resolvedDependencies"], json!([]));
    }

    #[test]
    fn provenance_names_base_commit_and_tools() {
        let (digest, base) = (sha256(b"base"), "gcr.io/distroless/static-debian13:nonroot".parse().expect("a base"));
        let (program, version) = ("rustc".to_owned(), "1.96.0".to_owned());
        let found = Dependencies {
            base: Some(ResolvedBase { reference: &base, digest: &digest }),
            commit: Some(SourceCommit { repository: Some("https://example.org/x"), sha: "abc", is_dirty: true }),
            lock: Some(&digest),
            allocator: AllocatorCrate::of(Allocator::Mimalloc),
            prebuilt: &[("x linux/amd64".to_owned(), digest.clone())],
            tools: &[Release { program, version, text: "rustc 1.96.0 (x)".to_owned() }],
        };
        let all = resolved_dependencies(&found);
        let uri = "repository_url=gcr.io%2Fdistroless%2Fstatic-debian13";
        assert_eq!(all[0]["uri"], json!(format!("pkg:oci/static-debian13@{digest}?{uri}")));
        assert_eq!(
            all[1],
            json!({
                "name": "source", "uri": "git+https://example.org/x", "digest": { "gitCommit": "abc" }, "annotations": { "dirty": true },
            })
        );
        assert_eq!((&all[2]["name"], &all[5]["uri"]), (&json!("Cargo.lock"), &json!("pkg:generic/rustc@1.96.0")));
        assert_eq!(all[3]["uri"], json!("pkg:cargo/libmimalloc-sys@0.1.49"));
        assert_eq!(
            (&all[4]["name"], &all[4]["digest"]),
            (&json!("x linux/amd64"), &json!({ "sha256": digest.digest() }))
        );
    }
}
