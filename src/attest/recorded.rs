//! What the provenance of an image says of its build.

use miette::miette;
use serde_json::{Map, Value};

use super::provenance::{AUDITABLE, BUILD_TYPE, KEEPS_PATHS};
use super::statement::Statement;
use crate::error::Result;

/// A build, as its provenance describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordedBuild {
    /// The name of the image.
    pub name: String,
    /// Whether there is no index.
    pub no_index: bool,
    /// The package, as `name@version`.
    pub package: String,
    /// Its binaries.
    pub bins: Vec<String>,
    /// The targets of the binaries.
    pub targets: Vec<String>,
    /// The profile.
    pub profile: String,
    /// Cargo's arguments for features.
    pub features: Vec<String>,
    /// The base as the user named it, without local paths.
    pub base: String,
    /// The digest of the base.
    pub base_digest: Option<String>,
    /// The compression of layers.
    pub compression: String,
    /// The allocator, unless it is that of the C library.
    pub allocator: Option<String>,
    /// The platforms with prebuilt binaries.
    pub prebuilt: Vec<String>,
    /// Whether the list of crates is embedded into binaries, if that is not as by default.
    pub auditable: Option<bool>,
    /// Whether binaries keep the paths of the machine.
    pub keeps_paths: bool,
    /// All parameters, by name.
    pub parameters: Map<String, Value>,
    /// The commit.
    pub commit: Option<String>,
    /// Whether files differed from the commit.
    pub is_dirty: bool,
    /// The digest of Cargo.lock.
    pub lock: Option<String>,
    /// What `--version` of rustc and cargo printed.
    pub tools: Vec<String>,
    /// The version of this program.
    pub cargo_oci: String,
}

impl RecordedBuild {
    /// Reads provenance that this program has made for a build.
    ///
    /// # Errors
    /// Returns an error if another program has made it, or it is not about a build.
    pub(crate) fn of(provenance: &Statement) -> Result<RecordedBuild> {
        let definition = &provenance.predicate["buildDefinition"];
        let kind = definition["buildType"].as_str().unwrap_or_default();
        if kind != BUILD_TYPE {
            return Err(match kind.strip_prefix("urn:cargo-oci:") {
                Some(kind) if kind.starts_with("index:") => miette!(
                    help = "reproduce its parts: `cargo oci inspect` prints the digest of each",
                    "its provenance describes an index of images that were built elsewhere"
                ),
                Some(kind) => miette!(
                    help = "reproduce the image that it was made from: the provenance names its digest",
                    "its provenance describes no build, but `{kind}`"
                ),
                None => miette!(
                    help = "`cargo oci reproduce` builds what `cargo oci build` and `push` have built",
                    "its provenance is from another program: its build type is `{kind}`"
                ),
            });
        }
        let chosen = &definition["externalParameters"];
        let input = |name: &str| inputs(definition).find(|input| input["name"] == name);
        let digest = |name: &str| {
            let digests = input(name)?["digest"].as_object()?;
            digests.iter().find_map(|(algorithm, hex)| Some(format!("{algorithm}:{}", hex.as_str()?)))
        };
        let tools = inputs(definition).filter_map(|input| text(&input["annotations"]["version"]));
        // The images of an index have the platform in their names.
        let index = provenance.subjects.iter().find(|(name, _)| !name.contains(' '));
        let named = index.or(provenance.subjects.first()).map(|(name, _)| name.as_str()).unwrap_or_default();
        Ok(RecordedBuild {
            name: named.split(' ').next().unwrap_or_default().to_owned(),
            no_index: index.is_none(),
            package: text(&chosen["package"]).unwrap_or_default(),
            bins: texts(&chosen["bins"]),
            targets: texts(&chosen["targets"]),
            profile: text(&chosen["profile"]).unwrap_or_default(),
            features: texts(&chosen["features"]),
            base: text(&chosen["base"]).unwrap_or_default(),
            base_digest: digest("base"),
            compression: text(&chosen["compression"]).unwrap_or_default(),
            allocator: text(&chosen["allocator"]),
            prebuilt: texts(&chosen["prebuilt"]),
            auditable: chosen[AUDITABLE].as_bool(),
            keeps_paths: chosen[KEEPS_PATHS] == true,
            parameters: chosen.as_object().cloned().unwrap_or_default(),
            commit: input("source").and_then(|source| text(&source["digest"]["gitCommit"])),
            is_dirty: input("source").is_some_and(|source| source["annotations"]["dirty"] == true),
            lock: digest("Cargo.lock"),
            tools: tools.collect(),
            cargo_oci: text(&provenance.predicate["runDetails"]["builder"]["version"]["cargo-oci"]).unwrap_or_default(),
        })
    }

    /// Returns the build in a few words: sources, toolchain, base and choices.
    pub(crate) fn summary(&self) -> String {
        let mut parts = vec![self.package.clone()];
        let dirty = if self.is_dirty { " with uncommitted changes" } else { "" };
        parts.extend(self.commit.iter().map(|sha| format!("commit {sha}{dirty}")));
        parts.extend(self.tools.iter().cloned());
        parts.push(format!("cargo-oci {}", self.cargo_oci));
        let digest = self.base_digest.as_ref().filter(|digest| !self.base.contains(digest.as_str()));
        let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        parts.push(format!("base {}{digest}", self.base));
        parts.push(format!("profile {}", self.profile));
        parts.extend(self.allocator.iter().map(|allocator| format!("allocator {allocator}")));
        parts.extend((!self.features.is_empty()).then(|| self.features.join(" ")));
        parts.push(self.targets.join(" "));
        parts.join(", ")
    }
}

fn inputs(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["resolvedDependencies"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::super::base::ResolvedBase;
    use super::super::provenance::{BuildParameters, Dependencies, SourceCommit, provenance};
    use super::*;
    use crate::image::digest::sha256;
    use crate::release::Release;

    #[test]
    fn recorded_build_is_what_provenance_says() {
        let (digest, base) = (sha256(b"base"), "gcr.io/distroless/cc:nonroot".parse().expect("a base"));
        let (program, version) = ("rustc".to_owned(), "1.96.0".to_owned());
        let text = "rustc 1.96.0 (x)".to_owned();
        let found = Dependencies {
            base: Some(ResolvedBase { reference: &base, digest: &digest }),
            commit: Some(SourceCommit { repository: None, sha: "abc", is_dirty: true }),
            lock: Some(&digest),
            allocator: None,
            prebuilt: &[],
            tools: &[Release { program, version, text }],
        };
        let parameters = BuildParameters {
            package: "x@1.0.0".to_owned(),
            targets: vec!["x86_64-unknown-linux-musl".to_owned()],
            base: base.to_string(),
            ..BuildParameters::default()
        };
        let subjects = ["x linux/amd64", "x"].map(|name| (name.to_owned(), sha256(name.as_bytes())));
        let mut statement = provenance(subjects.to_vec(), &parameters, &found);
        let read = RecordedBuild::of(&statement).expect("ours");
        assert_eq!((read.name.as_str(), read.no_index, read.is_dirty), ("x", false, true));
        assert_eq!((read.commit.as_deref(), &read.tools[..]), (Some("abc"), &["rustc 1.96.0 (x)".to_owned()][..]));
        assert_eq!((&read.base_digest, &read.lock), (&Some(digest.to_string()), &Some(digest.to_string())));
        let summary = read.summary();
        assert!(summary.starts_with("x@1.0.0, commit abc with uncommitted changes, rustc 1.96.0 (x), "), "{summary}");
        assert!(summary.contains(&format!("base gcr.io/distroless/cc:nonroot@{digest}, ")), "{summary}");
        for kind in ["urn:cargo-oci:index:1", "urn:cargo-oci:rebase:1", "https://example.org/build"] {
            statement.predicate["buildDefinition"]["buildType"] = kind.into();
            assert!(RecordedBuild::of(&statement).is_err(), "{kind}");
        }
    }
}
