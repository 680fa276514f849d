//! Templates of tags → tags.

use std::cell::OnceCell;
use std::path::Path;

use cargo_metadata::semver::Version;
use miette::{Context, miette};

use super::each_once;
use crate::config::check::check_tag;
use crate::config::{Field, TagTemplate};
use crate::error::Result;
use crate::git::{self, Commit};

/// What git says of the folder that is built in. What only templates want is asked when one wants it.
#[derive(Debug)]
pub struct Git<'a> {
    folder: &'a Path,
    commit: Option<&'a Commit>,
    branch: OnceCell<Option<String>>,
    tag: OnceCell<Option<String>>,
}

/// What the placeholders of one image stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The image's name.
    pub name: &'a str,
    /// The package's version.
    pub version: &'a Version,
    /// The profile.
    pub profile: &'a str,
    /// The repository.
    pub git: &'a Git<'a>,
}

impl<'a> Git<'a> {
    /// What is known of `folder`.
    pub fn new(folder: &'a Path, commit: Option<&'a Commit>) -> Git<'a> {
        Git { folder, commit, branch: OnceCell::new(), tag: OnceCell::new() }
    }

    fn value(&self, field: Field) -> Result<String> {
        let Some(commit) = self.commit else {
            return Err(match git::check(self.folder) {
                Ok(()) => miette!(help = "make a first commit: `git commit`", "there is no commit yet"),
                Err(why) => miette!(
                    help = "build in a checkout, with git on PATH, or use a tag without `{git.…}`",
                    "git knows no commit of {}: {why}",
                    self.folder.display()
                ),
            });
        };
        let known = match field {
            Field::GitBranch => self.branch.get_or_init(|| git::branch(self.folder)).clone(),
            Field::GitTag => self.tag.get_or_init(|| git::tag(self.folder)).clone(),
            Field::GitShort => commit.sha.get(..7).map(str::to_owned),
            _ => Some(commit.sha.clone()),
        };
        known.ok_or_else(|| match field {
            Field::GitBranch => {
                miette!(
                    help = "check a branch out: `git switch BRANCH`",
                    "the commit is checked out by itself, without a branch"
                )
            }
            _ => miette!(help = self.ways_to_a_tag(), "there is no tag at the commit {}", commit.sha),
        })
    }

    fn ways_to_a_tag(&self) -> &'static str {
        match git::is_shallow(self.folder) {
            true => "a shallow clone may lack its tags: `git fetch --tags` brings them",
            false => "tag it first: `git tag NAME`",
        }
    }
}

impl Values<'_> {
    fn get(&self, field: Field) -> Result<String> {
        Ok(match field {
            Field::Name => self.name.to_owned(),
            Field::Version => self.version.to_string(),
            Field::Major => self.version.major.to_string(),
            Field::Minor => self.version.minor.to_string(),
            Field::Patch => self.version.patch.to_string(),
            Field::Profile => self.profile.to_owned(),
            Field::GitSha | Field::GitShort | Field::GitBranch | Field::GitTag => self.git.value(field)?,
        })
    }

    /// The tags that the templates make, each once.
    ///
    /// # Errors
    /// A placeholder that stands for nothing here; a tag that becomes too long.
    pub fn tags(&self, templates: &[TagTemplate]) -> Result<Vec<String>> {
        let tags = templates.iter().map(|template| {
            let tag = template.expand(|field| self.get(field)).and_then(|tag| match check_tag(&tag) {
                Ok(()) => Ok(tag),
                Err(why) => Err(miette!(help = "change it in the key `tags` or in `--tag`", "{why}")),
            });
            tag.wrap_err_with(|| format!("the tag `{template}` of {} cannot be made", self.name))
        });
        Ok(each_once(tags.collect::<Result<Vec<_>>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(templates: &[&str], commit: Option<&Commit>) -> Result<Vec<String>> {
        // No repository is in or above it.
        let git = Git::new(Path::new("/"), commit);
        let version = Version::parse("1.2.3-rc.1+build.7").expect("a version");
        let values = Values { name: "hello", version: &version, profile: "release", git: &git };
        let templates: Vec<_> = templates.iter().map(|text| text.parse().expect("a template")).collect();
        values.tags(&templates)
    }

    #[test]
    fn placeholders_stand_for_what_is_built_and_no_tag_comes_twice() {
        let commit = Commit { sha: "0123456789abcdef".to_owned(), time: 0, dirty: false };
        let templates = [
            "latest",
            "{version}",
            "{version.major}.{version.minor}",
            "{name}-{profile}-{version.patch}",
            "{git.short}",
            "{git.sha}",
            "1.2",
        ];
        let expected = ["latest", "1.2.3-rc.1-build.7", "1.2", "hello-release-3", "0123456", "0123456789abcdef"];
        assert_eq!(tags(&templates, Some(&commit)).expect("tags"), expected);
    }

    #[test]
    fn what_is_not_known_here_is_an_error_that_says_why() {
        let error = tags(&["v{git.sha}"], None).expect_err("no git");
        assert_eq!(error.to_string(), "the tag `v{git.sha}` of hello cannot be made");
        assert!(error.root_cause().to_string().contains("git knows no commit of /: "), "{error:?}");
    }

    #[test]
    fn a_tag_that_becomes_too_long_is_an_error() {
        let template = format!("{}{{version}}", "x".repeat(120));
        let error = tags(&[&template], None).expect_err("too long");
        assert!(error.root_cause().to_string().contains("1 to 128"), "{error:?}");
    }
}
