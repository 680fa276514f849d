//! The keys of a table, and how tables inherit from each other.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::check::{check_feature, check_filled, check_user, check_workdir};
use super::files::rules;
use super::value::{
    Mistake, any_string, array, boolean, checked, list, pairs, parsed, program, sbom, several, string, string_or_false,
    volume,
};
use super::verify::verified;
use super::{FileRule, Folder, Port, SbomFormats, Signal, TagTemplate};
use crate::image::Compression;
use crate::platform::PlatformChoice;
use crate::reference::{BaseReference, EngineReference, KeyReference, Reference, Repository};

/// Labels or annotations; nothing as a value switches off what would be there otherwise.
pub type Labels = BTreeMap<String, Option<String>>;

/// What a table says. All keys are optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The image below.
    pub base: Option<BaseReference>,
    /// The key that has to have signed it.
    pub base_verify: Option<KeyReference>,
    /// What to build for.
    pub platforms: Option<Vec<PlatformChoice>>,
    /// Where the image is pushed to.
    pub repository: Option<Reference>,
    /// The image's tags.
    pub tags: Option<Vec<TagTemplate>>,
    /// The binaries to put in.
    pub bins: Option<Vec<String>>,
    /// The folder to put them in.
    pub bin_dir: Option<Folder>,
    /// The program to start and its first arguments.
    pub entrypoint: Option<Vec<String>>,
    /// Its default arguments.
    pub cmd: Option<Vec<String>>,
    /// Environment variables, in the order they are written.
    pub env: Vec<(String, String)>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// The folder to start in.
    pub workdir: Option<String>,
    /// Ports that it listens on.
    pub expose: Option<Vec<Port>>,
    /// Folders whose content outlives a container.
    pub volumes: Option<Vec<Folder>>,
    /// What asks it to end.
    pub stop_signal: Option<Signal>,
    /// Labels of the config.
    pub labels: Labels,
    /// Annotations of image and index.
    pub annotations: Labels,
    /// How layers are compressed.
    pub compression: Option<Compression>,
    /// Features of the package to build with.
    pub features: Option<Vec<String>>,
    /// Whether to build without its default features.
    pub no_default_features: Option<bool>,
    /// Whether to build with all of them.
    pub all_features: Option<bool>,
    /// The profile to build with.
    pub profile: Option<String>,
    /// The engine it is handed to.
    pub engine: Option<EngineReference>,
    /// Files beside the binaries.
    pub files: Option<Vec<FileRule>>,
    /// The formats of the SBOMs that are attached.
    pub sbom: Option<SbomFormats>,
    /// Whether it is said how the image came about.
    pub provenance: Option<bool>,
    /// Whether programs hold the list of their crates.
    pub auditable: Option<bool>,
}

/// The keys of a table, each with an example of its value.
pub const KEYS: [(&str, &str); 28] = [
    ("base", r#""gcr.io/distroless/static-debian12:nonroot""#),
    ("base-verify", r#"{ key = "base.pub" }"#),
    ("platforms", r#"["linux/amd64", "linux/arm64"]"#),
    ("repository", r#""ghcr.io/acme/hello""#),
    ("tags", r#"["latest", "{version}", "{git.short}"]"#),
    ("bins", r#"["hello", "hello-migrate"]"#),
    ("bin-dir", r#""/app""#),
    ("entrypoint", r#"["/app/hello"]"#),
    ("cmd", r#"["--listen", "0.0.0.0:8080"]"#),
    ("env", r#"{ RUST_LOG = "info", PATH = "/opt/bin:$PATH" }"#),
    ("user", r#""65532:65532""#),
    ("workdir", r#""/srv""#),
    ("expose", r#"["8080/tcp", "9000/udp"]"#),
    ("volumes", r#"["/data"]"#),
    ("stop-signal", r#""SIGTERM""#),
    ("labels", r#"{ "com.acme.team" = "payments", "org.opencontainers.image.authors" = false }"#),
    ("annotations", r#"{ "com.acme.tier" = "1", "org.opencontainers.image.authors" = false }"#),
    ("compression", r#""zstd""#),
    ("features", r#"["tls"]"#),
    ("no-default-features", "true"),
    ("all-features", "true"),
    ("profile", r#""release""#),
    ("engine", r#""podman""#),
    ("files", r#"[{ from = "assets/**", to = "/srv/www/", mode = "0644", owner = "0:0" }]"#),
    ("sbom", r#"["cyclonedx", "spdx"]"#),
    ("provenance", "false"),
    ("auditable", "true"),
    ("images", r#"{ migrate = { bins = ["hello-migrate"] } }"#),
];

impl Table {
    pub(super) fn set(&mut self, key: &str, value: &Spanned<DeValue>) -> Result<(), Mistake> {
        match key {
            "base" => self.base = Some(parsed(value)?),
            "base-verify" => self.base_verify = Some(verified(value)?),
            "platforms" => self.platforms = Some(list(value, parsed)?),
            "repository" => self.repository = Some(parsed::<Repository>(value)?.0),
            "tags" => self.tags = Some(list(value, parsed)?),
            "bins" => self.bins = Some(list(value, string)?),
            "bin-dir" => self.bin_dir = Some(parsed(value)?),
            "entrypoint" => self.entrypoint = Some(program(value)?),
            "cmd" => self.cmd = Some(array(value)?.iter().map(any_string).collect::<Result<_, _>>()?),
            "env" => self.env = pairs(value, any_string)?,
            "user" => self.user = Some(checked(value, check_user)?),
            "workdir" => self.workdir = Some(checked(value, check_workdir)?),
            "expose" => self.expose = Some(several(value, parsed)?),
            "volumes" => self.volumes = Some(several(value, volume)?),
            "stop-signal" => self.stop_signal = Some(parsed(value)?),
            "labels" => self.labels = pairs(value, string_or_false)?.into_iter().collect(),
            "annotations" => self.annotations = pairs(value, string_or_false)?.into_iter().collect(),
            "compression" => self.compression = Some(parsed(value)?),
            "features" => self.features = Some(several(value, |feature| checked(feature, check_feature))?),
            "no-default-features" => self.no_default_features = Some(boolean(value)?),
            "all-features" => self.all_features = Some(boolean(value)?),
            "profile" => self.profile = Some(checked(value, check_filled)?),
            "engine" => self.engine = Some(parsed(value)?),
            "files" => self.files = Some(rules(value)?),
            "sbom" => self.sbom = Some(sbom(value)?),
            "auditable" => self.auditable = Some(boolean(value)?),
            "provenance" => self.provenance = Some(boolean(value)?),
            // Every other key of KEYS is above, but for `images`, which is no value: a test sets each.
            _ => {}
        }
        Ok(())
    }

    /// This table, with `defaults` for what it does not say: tables merge key by key, arrays replace.
    #[must_use]
    pub fn over(self, defaults: Table) -> Table {
        // A variable is where it was said last: it may hold those that stand before it there.
        let mut env = defaults.env;
        env.retain(|(known, _)| self.env.iter().all(|(key, _)| key != known));
        env.extend(self.env);
        // Other binaries start one of these: program and arguments that were said of others are not for them.
        let is_of_others = self.bins.as_ref().is_some_and(|bins| Some(bins) != defaults.bins.as_ref());
        let (entrypoint, cmd) = if is_of_others { (None, None) } else { (defaults.entrypoint, defaults.cmd) };
        let merge = |mut defaults: Labels, own| {
            defaults.extend(own);
            defaults
        };
        Table {
            base: self.base.or(defaults.base),
            base_verify: self.base_verify.or(defaults.base_verify),
            platforms: self.platforms.or(defaults.platforms),
            repository: self.repository.or(defaults.repository),
            tags: self.tags.or(defaults.tags),
            bins: self.bins.or(defaults.bins),
            bin_dir: self.bin_dir.or(defaults.bin_dir),
            entrypoint: self.entrypoint.or(entrypoint),
            cmd: self.cmd.or(cmd),
            env,
            user: self.user.or(defaults.user),
            workdir: self.workdir.or(defaults.workdir),
            expose: self.expose.or(defaults.expose),
            volumes: self.volumes.or(defaults.volumes),
            stop_signal: self.stop_signal.or(defaults.stop_signal),
            labels: merge(defaults.labels, self.labels),
            annotations: merge(defaults.annotations, self.annotations),
            compression: self.compression.or(defaults.compression),
            features: self.features.or(defaults.features),
            no_default_features: self.no_default_features.or(defaults.no_default_features),
            all_features: self.all_features.or(defaults.all_features),
            profile: self.profile.or(defaults.profile),
            engine: self.engine.or(defaults.engine),
            files: self.files.or(defaults.files),
            sbom: self.sbom.or(defaults.sbom),
            provenance: self.provenance.or(defaults.provenance),
            auditable: self.auditable.or(defaults.auditable),
        }
    }
}
