//! The labels and annotations that come from Cargo.toml and git.

use std::path::Path;

use cargo_metadata::Package;
use jiff::Timestamp;
use miette::miette;
use oci_spec::image as annotation;

use crate::config::Labels;
use crate::environment::Environment;
use crate::error::Result;
use crate::git::{Commit, NoCommit};

/// Returns the time of the images: `SOURCE_DATE_EPOCH`, else the time of the commit, else 1970.
///
/// # Errors
/// Returns an error if `SOURCE_DATE_EPOCH` is not a number of seconds since 1970.
pub(crate) fn created(environment: &Environment, commit: Option<&Commit>) -> Result<Timestamp> {
    let seconds = match environment.get("SOURCE_DATE_EPOCH").map(|value| value.to_string_lossy()) {
        None => commit.map_or(0, |commit| commit.time.max(0)),
        Some(text) => text.parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(|| {
            miette!(
                help = "set it to a number, such as the output of `git log -1 --format=%ct`, or unset it",
                "invalid SOURCE_DATE_EPOCH `{text}`: expected a number of seconds since 1970"
            )
        })?,
    };
    Timestamp::from_second(seconds).map_err(|_| {
        miette!(
            help = "set it to a number, such as the output of `git log -1 --format=%ct`, or unset it",
            "invalid SOURCE_DATE_EPOCH `{seconds}`: the time is out of range"
        )
    })
}

/// Returns a warning if `folder` is in a checkout that git cannot read.
pub(crate) fn unread_commit(folder: &Path, commit: Result<&Commit, &NoCommit>) -> Option<String> {
    let why = match commit {
        Ok(_) | Err(NoCommit::Ignored | NoCommit::NoCommits) => return None,
        Err(why @ NoCommit::Untrusted { command }) => format!("{why}; to trust it, run `{command}`"),
        Err(why) => why.to_string(),
    };
    let is_checkout = folder.canonicalize().ok()?.ancestors().any(|folder| folder.join(".git").exists());
    is_checkout.then(|| format!("images will have no revision and no commit time: git cannot read the checkout: {why}"))
}

/// Returns the labels and annotations of the image `name` of a package, under OCI's names (image-spec, `annotations.md`).
pub(crate) fn described(package: &Package, name: &str, commit: Option<&Commit>, created: Timestamp) -> Labels {
    let revision = commit.map(|commit| if commit.dirty { format!("{}-dirty", commit.sha) } else { commit.sha.clone() });
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
        (annotation::ANNOTATION_CREATED, Some(created.to_string())),
        // Not the tag: two tags of the same files must be the same image. Tags are in the layout's index.json.
        (annotation::ANNOTATION_REF_NAME, Some(name.to_owned())),
    ];
    let facts = facts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), one_line(&value?))));
    facts.filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key, Some(value))).collect()
}

/// Returns a text as one line: descriptions in Cargo.toml may have several.
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
    fn created_is_from_environment_commit_or_1970() {
        assert_eq!(at("5", 7).expect("a time"), 5);
        assert_eq!(at("", 7).expect("a time"), 7);
        assert_eq!(created(&Environment::default(), None).expect("a time").to_string(), "1970-01-01T00:00:00Z");
        assert!(at("yesterday", 7).is_err());
        assert!(at("-1", 7).is_err());
    }

    #[test]
    fn descriptions_become_one_line() {
        assert_eq!(one_line(" A tool\n  for you.\u{7} "), "A tool for you.");
    }
}
