//! What one image is made of: flags over environment over package over workspace over defaults.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cargo_metadata::{Package, PackageId, TargetKind};
use jiff::Timestamp;
use miette::{Report, miette};
use oci_spec::image as annotation;

use super::Environment;
use crate::cli::ImageArgs;
use crate::config::{FileRule, Root, Table, check_tag, check_workdir};
use crate::error::Result;
use crate::git::Commit;
use crate::platform::{Platform, PlatformChoice, TARGETS};
use crate::reference::{BaseReference, EngineReference, Reference, Repository};

/// The base of an image that names none.
pub const DEFAULT_BASE: &str = "gcr.io/distroless/static-debian12:nonroot";
/// The folder of the binaries in an image.
pub const BIN_DIR: &str = "/app";

/// One image.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// The local name: the package's.
    pub name: String,
    /// The package, as cargo's messages name it.
    pub package: PackageId,
    /// The package, as cargo's arguments name it: `name@version`, which no other member of the workspace has.
    pub spec: String,
    /// Its binaries that go in.
    pub bins: Vec<String>,
    /// The image below.
    pub base: BaseReference,
    /// What to build for.
    pub platforms: Vec<PlatformChoice>,
    /// The program to start and its first arguments.
    pub entrypoint: Vec<String>,
    /// Its default arguments.
    pub cmd: Vec<String>,
    /// Environment variables, not yet expanded.
    pub env: Vec<(String, String)>,
    /// The user; the base's where there is none.
    pub user: Option<String>,
    /// The working directory; the base's where there is none.
    pub workdir: Option<String>,
    /// Labels of the config, with those from Cargo.toml and git.
    pub labels: BTreeMap<String, String>,
    /// Annotations of image and index, with those from Cargo.toml and git.
    pub annotations: BTreeMap<String, String>,
    /// The tags.
    pub tags: Vec<String>,
    /// Whether the one manifest goes without an index.
    pub no_index: bool,
    /// Where it is pushed to: repositories, with their registries.
    pub repositories: Vec<Reference>,
    /// The engine it is handed to; the first that answers where there is none.
    pub engine: Option<EngineReference>,
    /// The one time of all that is made: seconds since 1970.
    pub created: Timestamp,
    /// The folder of the OCI layout.
    pub layout: PathBuf,
    /// Files beside the binaries.
    pub files: Vec<FileRule>,
    /// Cargo's target folder.
    pub target_dir: PathBuf,
}

impl ImagePlan {
    /// [`ImagePlan::created`] as the mtime in archives: whole seconds since 1970.
    pub fn mtime(&self) -> u64 {
        self.created.as_second().unsigned_abs()
    }

    /// Where assets go, as the rules say it, each place once.
    pub fn asset_places(&self) -> Vec<String> {
        without_repeats(self.files.iter().map(|rule| rule.to.get_ref().clone()).collect())
    }

    /// What engines call it, without a tag: the repositories it is pushed to, else its own name.
    pub fn local_names(&self) -> Vec<String> {
        let repository = |reference: &Reference| format!("{}/{}", reference.registry(), reference.repository());
        match &self.repositories[..] {
            [] => vec![self.name.clone()],
            repositories => repositories.iter().map(repository).collect(),
        }
    }

    /// Builds for `platform` alone. Its layout is another than that of the whole image, which stays as it is:
    /// `target/oci/NAME@linux-arm64`.
    ///
    /// # Errors
    /// When the image is not made for that platform.
    pub fn narrow(&mut self, platform: &Platform) -> Result<()> {
        let target = platform.target().ok_or_else(|| {
            miette!(
                help = "choose another with `--platform`",
                "Rust has no musl target that makes programs for {platform}"
            )
        })?;
        if !self.platforms.iter().any(|choice| [PlatformChoice::One(target), PlatformChoice::All].contains(choice)) {
            let names: Vec<_> = self.platforms.iter().map(ToString::to_string).collect();
            return Err(miette!(
                help = format!("add it to the key `platforms`, or choose with `--platform {}`", names[0]),
                "{} is made for {}, not for {platform}",
                self.name,
                names.join(", ")
            ));
        }
        self.platforms = vec![PlatformChoice::One(target)];
        let name = format!("{}@{}", self.name, target.platform().to_string().replace('/', "-"));
        self.layout.set_file_name(name);
        Ok(())
    }
}

/// The time of all that is made: `SOURCE_DATE_EPOCH`, else that of the commit, else 1970.
///
/// # Errors
/// A `SOURCE_DATE_EPOCH` that is not a number of seconds since 1970.
pub fn created(environment: &Environment, commit: Option<&Commit>) -> Result<Timestamp> {
    let seconds = match environment.get("SOURCE_DATE_EPOCH").map(|value| value.to_string_lossy()) {
        None => commit.map_or(0, |commit| commit.time.max(0)),
        Some(text) => text.parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(|| {
            miette!(
                help = "set it to a number such as that of `git log -1 --format=%ct`, or unset it",
                "SOURCE_DATE_EPOCH is `{text}`, not a number of seconds since 1970"
            )
        })?,
    };
    Timestamp::from_second(seconds)
        .map_err(|_| miette!("{seconds} seconds after 1970 is not a time that can be written"))
}

/// What the images of one run have in common.
pub struct Facts<'a> {
    pub args: &'a ImageArgs,
    /// The workspace's table.
    pub shared: &'a Table,
    pub environment: &'a Environment,
    pub commit: Option<&'a Commit>,
    pub created: Timestamp,
    pub target_dir: &'a Path,
}

impl Facts<'_> {
    /// The plan of the package's image.
    ///
    /// # Errors
    /// A flag that holds what the image cannot.
    pub fn image(&self, package: &Package, table: Table, bins: Vec<String>) -> Result<ImagePlan> {
        let table = self.flags()?.over(self.variables()?).over(table).over(self.shared.clone());
        let entrypoint = table.entrypoint.unwrap_or_else(|| vec![format!("{BIN_DIR}/{}", bins[0])]);
        let own = self.described(package);
        let over_own = |values: BTreeMap<String, String>| {
            let mut all = own.clone();
            all.extend(values);
            all
        };
        let name = local_name(&package.name);
        let files = table.files.unwrap_or_default();
        has_out_dir(package, &files)?;
        Ok(ImagePlan {
            package: package.id.clone(),
            spec: format!("{}@{}", package.name, package.version),
            bins,
            base: table.base.map_or_else(default_base, Ok)?,
            platforms: table
                .platforms
                .unwrap_or_else(|| TARGETS[..2].iter().copied().map(PlatformChoice::One).collect()),
            entrypoint,
            cmd: table.cmd.unwrap_or_default(),
            env: table.env,
            user: table.user,
            workdir: table.workdir,
            labels: over_own(table.labels),
            annotations: over_own(table.annotations),
            tags: table.tags.map_or_else(|| vec!["latest".to_owned()], without_repeats),
            no_index: self.args.no_index,
            repositories: self.repositories(table.repository)?,
            engine: table.engine,
            created: self.created,
            layout: self.target_dir.join("oci").join(&name),
            files,
            target_dir: self.target_dir.to_owned(),
            name,
        })
    }

    /// Flag, else variable, else table.
    fn repositories(&self, table: Option<Reference>) -> Result<Vec<Reference>> {
        let flags: Vec<_> = self.args.repositories.iter().map(|flag| flag.0.clone()).collect();
        if !flags.is_empty() {
            return Ok(flags);
        }
        let variable: Option<Vec<Repository>> = self.variable("CARGO_OCI_REPOSITORY", |text| vec![text])?;
        let variable = variable.map(|found| found.into_iter().map(|repository| repository.0).collect());
        Ok(variable.unwrap_or_else(|| table.into_iter().collect()))
    }

    /// The flags, as a table above the others.
    fn flags(&self) -> Result<Table> {
        let args = self.args;
        for tag in &args.tags {
            check_tag(tag).map_err(|why| miette!("in `--tag`: {why}"))?;
        }
        if let Some(workdir) = &args.workdir {
            check_workdir(workdir).map_err(|why| miette!("in `--workdir`: {why}"))?;
        }
        for (key, value) in args.labels.iter().chain(&args.annotations) {
            if key.chars().chain(value.chars()).any(char::is_control) {
                return Err(miette!("the label or annotation `{}` holds a control character", key.escape_debug()));
            }
        }
        let given = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());
        Ok(Table {
            base: args.base.clone(),
            platforms: (!args.platforms.is_empty()).then(|| args.platforms.clone()),
            // Which binaries is decided with the package: `selection::bins`.
            bins: None,
            entrypoint: given(&args.entrypoint),
            cmd: given(&args.cmd),
            env: args.env.clone(),
            user: args.user.clone(),
            workdir: args.workdir.clone(),
            labels: args.labels.iter().cloned().collect(),
            annotations: args.annotations.iter().cloned().collect(),
            tags: given(&args.tags),
            // There may be several: `repositories`.
            repository: None,
            // Not every command has the flag: `cargo oci load` looks at it first.
            engine: None,
            // Rules are too long for flags.
            files: None,
        })
    }

    /// The environment variables, as a table above those of Cargo.toml.
    fn variables(&self) -> Result<Table> {
        let tags: Option<Vec<String>> = self.variable_list("CARGO_OCI_TAGS")?;
        for tag in tags.iter().flatten() {
            check_tag(tag).map_err(|why| miette!("in CARGO_OCI_TAGS: {why}"))?;
        }
        let base: Option<Vec<BaseReference>> = self.variable("CARGO_OCI_BASE", |text| vec![text])?;
        Ok(Table {
            base: base.and_then(|mut base| base.pop()),
            platforms: self.variable_list("CARGO_OCI_PLATFORMS")?,
            tags,
            ..Table::default()
        })
    }

    fn variable_list<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<Vec<T>>> {
        self.variable(key, |text| text.split(',').map(str::trim).collect())
    }

    fn variable<T: FromStr<Err: Display>>(&self, key: &str, parts: fn(&str) -> Vec<&str>) -> Result<Option<Vec<T>>> {
        let Some(value) = self.environment.get(key) else {
            return Ok(None);
        };
        let value = value.to_string_lossy();
        let parsed = parts(&value).into_iter().map(|part| part.parse().map_err(|why| miette!("in {key}: {why}")));
        parsed.collect::<Result<_>>().map(Some)
    }

    /// What Cargo.toml and git say of the image, under OCI's names (image-spec, `annotations.md`).
    fn described(&self, package: &Package) -> BTreeMap<String, String> {
        let revision = self.commit.map(|commit| match commit.dirty {
            true => format!("{}-dirty", commit.sha),
            false => commit.sha.clone(),
        });
        let authors = (!package.authors.is_empty()).then(|| package.authors.join(", "));
        let facts = [
            (annotation::ANNOTATION_TITLE, Some(package.name.to_string())),
            (annotation::ANNOTATION_DESCRIPTION, package.description.clone()),
            (annotation::ANNOTATION_VERSION, Some(package.version.to_string())),
            (annotation::ANNOTATION_LICENSES, package.license.clone()),
            (annotation::ANNOTATION_URL, package.homepage.clone()),
            (annotation::ANNOTATION_DOCUMENTATION, package.documentation.clone()),
            (annotation::ANNOTATION_SOURCE, package.repository.clone()),
            (annotation::ANNOTATION_AUTHORS, authors),
            (annotation::ANNOTATION_REVISION, revision),
            (annotation::ANNOTATION_CREATED, Some(self.created.to_string())),
        ];
        let facts = facts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), one_line(&value?))));
        facts.filter(|(_, value)| !value.is_empty()).collect()
    }
}

/// Only a build script has a folder of its own to write to.
fn has_out_dir(package: &Package, files: &[FileRule]) -> Result<()> {
    let has_script = package.targets.iter().any(|target| target.kind.contains(&TargetKind::CustomBuild));
    match files.iter().find(|rule| rule.from.get_ref().root == Root::OutDir) {
        Some(rule) if !has_script => Err(rule.mistake(
            rule.from.span(),
            format!("the package {} has no build script, and so no $OUT_DIR", package.name),
            "nothing writes there",
            "add a build.rs that writes the file to the folder in the environment variable OUT_DIR",
        )),
        _ => Ok(()),
    }
}

/// A package's name as that of an image: engines and registries know no capitals, and no `_` or `-` at the end of a name.
fn local_name(package: &str) -> String {
    let name = package.to_lowercase();
    let is_right = |name: &str| name.parse::<Reference>().is_ok();
    if is_right(&name) {
        return name;
    }
    let parts: Vec<_> = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    match parts.join("-") {
        joined if is_right(&joined) => joined,
        _ => name,
    }
}

fn without_repeats(tags: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for tag in tags {
        if !kept.contains(&tag) {
            kept.push(tag);
        }
    }
    kept
}

fn default_base() -> Result<BaseReference> {
    DEFAULT_BASE.parse().map_err(Report::from_err)
}

/// A description may have several lines in Cargo.toml; an annotation has one.
fn one_line(text: &str) -> String {
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: &str, commit_time: i64) -> Result<i64> {
        let environment = [("SOURCE_DATE_EPOCH", epoch)].into_iter().collect();
        let commit = Commit { sha: String::new(), time: commit_time, dirty: false };
        created(&environment, Some(&commit)).map(Timestamp::as_second)
    }

    #[test]
    fn the_time_is_the_environments_then_the_commits_then_1970() {
        assert_eq!(at("5", 7).expect("a time"), 5);
        assert_eq!(at("", 7).expect("a time"), 7);
        assert_eq!(created(&Environment::default(), None).expect("a time").to_string(), "1970-01-01T00:00:00Z");
        assert!(at("yesterday", 7).is_err());
        assert!(at("-1", 7).is_err());
    }

    #[test]
    fn an_image_is_named_so_that_engines_take_the_name() {
        for (package, name) in [("Hello", "hello"), ("foo_", "foo"), ("a__b", "a__b"), ("a___b-", "a-b")] {
            assert_eq!(local_name(package), name);
        }
    }

    #[test]
    fn a_description_becomes_one_line() {
        assert_eq!(one_line(" A tool\n  for you.\u{7} "), "A tool for you.");
    }
}
