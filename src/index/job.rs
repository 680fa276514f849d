//! What the user names → the indexes to make, each with its repository, its tags and the sources of its parts.

use std::collections::HashMap;
use std::path::Path;

use miette::miette;
use oci_spec::image::Digest;

use super::metadata::{PushMetadata, PushedImage, PushedManifest};
use crate::cli::IndexArgs;
use crate::context::image::reference;
use crate::error::Result;
use crate::reference::{BaseReference, Reference, TagOrDigest};
use crate::store::archive::is_tar;
use crate::unique::each_once;

/// An index to make.
#[derive(Debug)]
pub(crate) struct IndexJob {
    /// The name of the image, if metadata files say it.
    pub name: Option<String>,
    /// The repository.
    pub repository: Reference,
    /// The tags.
    pub tags: Vec<String>,
    /// The sources of its parts.
    pub sources: Vec<PartSource>,
    /// What the user calls all sources, also those without a part of this image.
    pub origins: Vec<String>,
}

/// A source of parts.
#[derive(Clone, Debug)]
pub(crate) struct PartSource {
    /// What the user calls it: a reference, a digest, or the file of the run that has pushed it.
    pub origin: String,
    /// Where it is.
    pub place: SourcePlace,
}

/// Where a source of parts is.
#[derive(Clone, Debug)]
pub(crate) enum SourcePlace {
    /// In the repository of the index.
    Here(Digest),
    /// Where the user says.
    Image(BaseReference),
    /// In a repository, by a metadata file.
    Pushed {
        /// The repository.
        repository: Reference,
        /// The image for each platform.
        manifests: Vec<PushedManifest>,
    },
}

/// What an argument names.
enum IndexArgument {
    Metadata(Vec<PushMetadata>),
    Digest(Digest),
    Image(BaseReference),
}

impl IndexArgument {
    fn parse(text: &str) -> Result<IndexArgument> {
        let path = Path::new(text);
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        if is_json && !path.exists() {
            return Err(miette!(help = "check the path: it does not exist", "cannot read {text}"));
        }
        if path.is_dir() && !path.join("index.json").is_file() {
            return Ok(IndexArgument::Metadata(PushMetadata::read_folder(path)?));
        }
        if is_json && path.is_file() && !is_tar(path) {
            return Ok(IndexArgument::Metadata(vec![PushMetadata::read(path)?]));
        }
        if text.starts_with("sha256:") || text.starts_with("sha512:") {
            return match text.parse() {
                Ok(TagOrDigest::Digest(digest)) => Ok(IndexArgument::Digest(digest)),
                Ok(TagOrDigest::Tag(_)) => Err(miette!("{text} is no digest")),
                Err(why) => Err(miette!(help = "copy the whole digest again", "invalid digest {text}: {why}")),
            };
        }
        if !text.contains(['/', '.']) && !path.exists() {
            return Err(miette!(
                help = "write the whole name of an image, as in `ghcr.io/acme/hello:latest`, or the path of a file or folder",
                "there is no file or folder {text}, and an image has a registry"
            ));
        }
        reference(text).map(IndexArgument::Image)
    }
}

/// Returns the indexes that the arguments name.
///
/// # Errors
/// Returns an error if a name is invalid, a metadata file cannot be read, or the arguments do not say where an index goes.
pub(crate) fn jobs(args: &IndexArgs) -> Result<Vec<IndexJob>> {
    let named = args.names.iter().map(|name| IndexArgument::parse(name)).collect::<Result<Vec<_>>>()?;
    let mut named = named.into_iter().zip(&args.names).peekable();
    if let Some((IndexArgument::Image(BaseReference::Registry(to)), _)) = named.peek() {
        let to = to.clone();
        named.next();
        return Ok(vec![job_of(args, to, named.collect())?]);
    }
    let mut files = Vec::new();
    for (found, typed) in named {
        match found {
            IndexArgument::Metadata(found) => files.extend(found),
            _ => {
                return Err(miette!(
                    help = format!("name it first, as in `cargo oci index ghcr.io/acme/hello:latest {typed}`"),
                    "cannot tell which image is made of {typed}"
                ));
            }
        }
    }
    if args.append || !args.remove.is_empty() {
        return Err(miette!(
            help = "name it first, as in `cargo oci index ghcr.io/acme/hello:latest --append SOURCE`",
            "cannot tell which index is changed"
        ));
    }
    let jobs = jobs_of(args, &files)?;
    check_places(&jobs)?;
    Ok(jobs)
}

/// Checks that no two indexes get the same tag of the same repository: the last would win.
fn check_places(jobs: &[IndexJob]) -> Result<()> {
    let mut places = HashMap::new();
    for job in jobs {
        for tag in &job.tags {
            let place = job.repository.with_tag(tag);
            let name = job.name.clone().unwrap_or_default();
            if let Some(other) = places.insert(place.clone(), name.clone()) {
                return Err(miette!(
                    help = "push them to different repositories: set the key `repository` of each",
                    "the images {other} and {name} would both be {place}"
                ));
            }
        }
    }
    Ok(())
}

/// Returns the job of an index that the user names.
fn job_of(args: &IndexArgs, to: Reference, named: Vec<(IndexArgument, &String)>) -> Result<IndexJob> {
    let TagOrDigest::Tag(tag) = to.name().clone() else {
        return Err(miette!(
            help = "name a tag, as in `ghcr.io/acme/hello:latest`",
            "cannot make {to}: what a digest names is there, or cannot be made"
        ));
    };
    let mut sources = Vec::new();
    let mut names = Vec::new();
    for (found, typed) in named {
        match found {
            IndexArgument::Digest(digest) => {
                sources.push(PartSource { origin: typed.clone(), place: SourcePlace::Here(digest) });
            }
            IndexArgument::Image(image) => {
                sources.push(PartSource { origin: typed.clone(), place: SourcePlace::Image(image) });
            }
            IndexArgument::Metadata(files) => {
                for file in &files {
                    names.extend(file.images.iter().map(|image| image.name.clone()));
                    sources.extend(file.images.iter().map(|image| image.source(file, &to)));
                }
            }
        }
    }
    let names = each_once(names);
    if names.len() > 1 && !args.allow_mixed {
        return Err(miette!(
            help = format!("leave out {to}: then each image is made in its own repository"),
            "cannot make one image of the images {}",
            names.join(", ")
        ));
    }
    if sources.is_empty() && args.remove.is_empty() {
        return Err(miette!(
            help = "name them, as digests, references, layouts, or metadata files of `cargo oci push --by-digest`",
            "there are no parts to make {to} of"
        ));
    }
    let tags = each_once([tag].into_iter().chain(args.tags.iter().cloned()));
    let origins = sources.iter().map(|source| source.origin.clone()).collect();
    Ok(IndexJob { name: names.into_iter().next(), repository: to, tags, sources, origins })
}

/// Returns the jobs of all images in metadata files: one for each of their repositories.
fn jobs_of(args: &IndexArgs, files: &[PushMetadata]) -> Result<Vec<IndexJob>> {
    let images = || files.iter().flat_map(|file| file.images.iter().map(move |image| (file, image)));
    let mut jobs = Vec::new();
    for name in each_once(images().map(|(_, image)| image.name.clone())) {
        let own: Vec<_> = images().filter(|(_, image)| image.name == name).collect();
        let tags = tags(args, &name, &own)?;
        for repository in each_once(own.iter().flat_map(|(_, image)| image.repositories.clone())) {
            let sources = own.iter().map(|(file, image)| image.source(file, &repository)).collect();
            let origins = files.iter().map(|file| file.path.display().to_string()).collect();
            jobs.push(IndexJob { name: Some(name.clone()), repository, tags: tags.clone(), sources, origins });
        }
    }
    Ok(jobs)
}

/// Returns the tags of an image: all files must agree.
fn tags(args: &IndexArgs, name: &str, images: &[(&PushMetadata, &PushedImage)]) -> Result<Vec<String>> {
    if !args.tags.is_empty() {
        return Ok(each_once(args.tags.iter().cloned()));
    }
    let [(first, image), rest @ ..] = images else { return Ok(Vec::new()) };
    match rest.iter().find(|(_, other)| other.tags != image.tags) {
        None => Ok(each_once(image.tags.iter().cloned())),
        Some((file, other)) => Err(miette!(
            help = "choose them with `--tag`",
            "the tags of {name} are {} in {}, and {} in {}",
            image.tags.join(", "),
            first.path.display(),
            other.tags.join(", "),
            file.path.display()
        )),
    }
}

impl PushedImage {
    /// Returns the image as a source: in `repository` if it was pushed there.
    fn source(&self, file: &PushMetadata, repository: &Reference) -> PartSource {
        let is_it = |one: &&Reference| is_same_repository(one, repository);
        // There is always one: that is checked when the file is read.
        let from = self.repositories.iter().find(is_it).or(self.repositories.first()).unwrap_or(repository);
        let place = SourcePlace::Pushed { repository: from.clone(), manifests: self.manifests.clone() };
        PartSource { origin: file.path.display().to_string(), place }
    }
}

/// Returns whether two references are in the same repository.
pub(super) fn is_same_repository(one: &Reference, other: &Reference) -> bool {
    (one.registry(), one.repository()) == (other.registry(), other.repository())
}
