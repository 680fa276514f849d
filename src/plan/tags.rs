//! Templates → tags, repositories, labels.

use std::cell::OnceCell;
use std::path::Path;

use cargo_metadata::semver::Version;
use miette::{Context, Report, miette};

use crate::ci;
use crate::config::check::{MAX_TAG, check_tag};
use crate::config::env::EnvEntries;
use crate::config::{Labels, Placeholder, RepositoryTemplate, TagTemplate, Template};
use crate::environment::Environment;
use crate::error::{Result, with_help};
use crate::git::{self, Commit, NoCommit};
use crate::image::digest::sha256;
use crate::reference::Reference;
use crate::unique::each_once;

/// How many digits of its digest the name of a branch ends with that was cut.
const CUT_DIGITS: usize = 8;

/// What git knows about the folder. Branch and tag are only read if a template needs them.
#[derive(Debug)]
pub(crate) struct Git<'a> {
    folder: &'a Path,
    environment: &'a Environment,
    commit: Result<&'a Commit, &'a NoCommit>,
    branch: OnceCell<Option<String>>,
    tag: OnceCell<Option<String>>,
}

/// The values of the placeholders for one image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    /// The image's name.
    pub name: &'a str,
    /// The package's name.
    pub package: &'a str,
    /// The package's version.
    pub version: &'a Version,
    /// The profile.
    pub profile: &'a str,
    /// The repository.
    pub git: &'a Git<'a>,
}

impl<'a> Git<'a> {
    /// Returns the values for `folder`.
    pub(crate) fn new(
        folder: &'a Path,
        environment: &'a Environment,
        commit: Result<&'a Commit, &'a NoCommit>,
    ) -> Git<'a> {
        Git { folder, environment, commit, branch: OnceCell::new(), tag: OnceCell::new() }
    }

    fn value(&self, placeholder: &Placeholder) -> Result<String> {
        let commit = self.commit.map_err(|why| {
            let help = match why {
                NoCommit::NoCommits => return miette!(help = "commit first: `git commit`", "{why}"),
                NoCommit::Ignored => "stop ignoring it in .gitignore, or use a tag without `{git.…}`".to_owned(),
                NoCommit::Untrusted { command } => format!("to trust it, run `{command}`"),
                _ => "build in a checkout, with git on PATH, or use a tag without `{git.…}`".to_owned(),
            };
            miette!(help = help, "cannot read the commit of {}: {why}", self.folder.display())
        })?;
        let known = match placeholder {
            Placeholder::GitBranch => self.branch.get_or_init(|| self.find_branch()).clone(),
            Placeholder::GitTag => self.tag.get_or_init(|| self.find_tag(commit)).clone(),
            Placeholder::GitShort => commit.sha.get(..7).map(str::to_owned),
            _ => Some(commit.sha.clone()),
        };
        known.ok_or_else(|| match placeholder {
            Placeholder::GitBranch => {
                miette!(help = self.help_for_branches(commit), "no branch is checked out (detached HEAD)")
            }
            _ => miette!(help = self.help_for_tags(), "the commit {} has no tag", commit.sha),
        })
    }

    /// Returns the value of an environment variable.
    fn variable(&self, name: &str) -> Result<String> {
        let value = self.environment.get(name).ok_or_else(|| {
            miette!(help = format!("set the environment variable {name}"), "{name} is not set, or empty")
        })?;
        let value = value.to_str().filter(|value| !value.contains(char::is_control));
        value.map(str::to_owned).ok_or_else(|| {
            miette!(help = "set it to one line of UTF-8", "{name} is not UTF-8, or contains control characters")
        })
    }

    fn find_branch(&self) -> Option<String> {
        git::branch(self.folder, self.environment).or_else(|| ci::branch(self.environment))
    }

    /// Of the tags of a commit, a run of CI is for one.
    fn find_tag(&self, commit: &Commit) -> Option<String> {
        ci::tag(self.environment, &commit.sha).or_else(|| git::tag(self.folder, self.environment))
    }

    fn help_for_branches(&self, commit: &Commit) -> String {
        match ci::tag(self.environment, &commit.sha) {
            Some(tag) => format!("this run is for the tag {tag}: use `{{git.tag}}`"),
            None => "check out a branch: `git switch BRANCH`".to_owned(),
        }
    }

    fn help_for_tags(&self) -> &'static str {
        if git::is_shallow(self.folder, self.environment) {
            "fetch the tags, which a shallow clone may lack: `git fetch --tags`"
        } else {
            "tag it first: `git tag NAME`"
        }
    }
}

impl Values<'_> {
    fn get(&self, placeholder: &Placeholder) -> Result<String> {
        Ok(match placeholder {
            Placeholder::Name => self.name.to_owned(),
            Placeholder::Package => self.package.to_owned(),
            Placeholder::Variable(name) => self.git.variable(name)?,
            Placeholder::Version => self.version.to_string(),
            Placeholder::Major => self.version.major.to_string(),
            Placeholder::Minor => self.version.minor.to_string(),
            Placeholder::Patch => self.version.patch.to_string(),
            Placeholder::Profile => self.profile.to_owned(),
            Placeholder::GitSha | Placeholder::GitShort | Placeholder::GitBranch | Placeholder::GitTag => {
                self.git.value(placeholder)?
            }
        })
    }

    /// Returns the tag of a template, or `None` if an optional placeholder has no value. Long names of branches, which programs
    /// make too, are cut.
    fn expand(&self, template: &TagTemplate) -> Result<Option<String>> {
        let Some(tag) = template.expand(|placeholder| self.optional(placeholder))? else { return Ok(None) };
        let branches = template.count(&Placeholder::GitBranch);
        if tag.len() <= MAX_TAG || branches == 0 {
            return Ok(Some(tag));
        }
        let branch = self.get(&Placeholder::GitBranch)?;
        let excess = (tag.len() - MAX_TAG).div_ceil(branches);
        let Some(left) = branch.chars().count().checked_sub(excess + CUT_DIGITS + 1) else { return Ok(Some(tag)) };
        // Two branches may begin alike.
        let digest = sha256(branch.as_bytes());
        let cut: String =
            branch.chars().take(left).chain(['-']).chain(digest.digest().chars().take(CUT_DIGITS)).collect();
        template.expand(|placeholder| match placeholder {
            Placeholder::GitBranch => Ok(cut.clone()),
            other => self.get(other),
        })
    }

    /// Returns the tags of the templates, each once.
    ///
    /// # Errors
    /// Returns an error if a placeholder has no value, if a tag becomes too long, or if no tag is left.
    pub(crate) fn tags(&self, templates: &[TagTemplate]) -> Result<Vec<String>> {
        let mut tags = Vec::new();
        for template in templates {
            let tag = self.expand(template).and_then(|tag| match tag.as_deref().map(check_tag) {
                None | Some(Ok(())) => Ok(tag),
                Some(Err(why)) => Err(miette!(help = "shorten it in the key `tags` or in `--tag`", "{why}")),
            });
            tags.extend(tag.wrap_err_with(|| format!("cannot make the tag `{template}` of {}", self.name))?);
        }
        if tags.is_empty() {
            let templates: Vec<_> = templates.iter().map(|template| format!("`{template}`")).collect();
            return Err(miette!(
                help = "add a tag without `?`",
                "{} has no tag: {} left out, for want of a value",
                self.name,
                templates.join(", ") + if templates.len() == 1 { " is" } else { " are" }
            ));
        }
        Ok(each_once(tags))
    }

    /// Returns the repositories of the templates, each once.
    ///
    /// # Errors
    /// Returns an error if a placeholder has no value, or if the result is no repository.
    pub(crate) fn repositories(&self, templates: &[RepositoryTemplate]) -> Result<Vec<Reference>> {
        let repositories = templates.iter().map(|template| {
            let repository = template.expand(|placeholder| self.get(placeholder));
            repository.wrap_err_with(|| format!("cannot make the repository `{template}` of {}", self.name))
        });
        Ok(each_once(repositories.collect::<Result<Vec<_>>>()?))
    }

    /// Returns variables of the image with the values of their placeholders. What has an optional one without a value is left out.
    ///
    /// # Errors
    /// Returns an error if a placeholder has no value.
    pub(crate) fn env(&self, templates: EnvEntries) -> Result<EnvEntries> {
        let mut variables = EnvEntries::new();
        for (key, text) in templates {
            let template = Template::of_variable(&text).map_err(Report::msg);
            // Only a dollar sign that was written expands.
            let value = template
                .and_then(|template| template.expand(|placeholder| Ok(self.optional(placeholder)?.replace('$', "$$"))));
            let value = value.wrap_err_with(|| format!("cannot make the variable `{key}` of {}", self.name))?;
            variables.extend(value.map(|value| (key, value)));
        }
        Ok(variables)
    }

    /// Returns the value of a placeholder that may be optional.
    fn optional(&self, placeholder: &Placeholder) -> Result<String> {
        self.get(placeholder).map_err(|error| {
            let help = error.help().map(|help| format!("{help}, or ")).unwrap_or_default();
            with_help(error, format!("{help}write `{{{placeholder}?}}`, which is left out if there is no value"))
        })
    }

    /// Returns labels or annotations with the values of their placeholders. What has an optional one without a value is left out.
    ///
    /// # Errors
    /// Returns an error if a placeholder has no value.
    pub(crate) fn labels(&self, templates: Labels) -> Result<Labels> {
        let mut labels = Labels::new();
        for (key, value) in templates {
            let Some(text) = value else {
                labels.insert(key, None);
                continue;
            };
            let template = Template::among_braces(&text).map_err(Report::msg);
            let value = template.and_then(|template| template.expand(|placeholder| self.optional(placeholder)));
            if let Some(value) = value.wrap_err_with(|| format!("cannot make `{key}` of {}", self.name))? {
                labels.insert(key, Some(value));
            }
        }
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(templates: &[&str], commit: Option<&Commit>) -> Result<Vec<String>> {
        let none = NoCommit::NoGit;
        let environment = Environment::default();
        let git = Git::new(Path::new("/"), &environment, commit.ok_or(&none));
        let version = Version::parse("1.2.3-rc.1+build.7").expect("a version");
        let values = Values { name: "hello", package: "hello", version: &version, profile: "release", git: &git };
        let templates: Vec<_> = templates.iter().map(|text| text.parse().expect("a template")).collect();
        values.tags(&templates)
    }

    #[test]
    fn tags_expand_placeholders_without_duplicates() {
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
    fn tags_cut_long_branches_with_a_digest() {
        let commit = Commit { sha: "0123456789abcdef".to_owned(), time: 0, dirty: false };
        let of = |template: &str, branch: &str| {
            let environment = [("GITLAB_CI", "true"), ("CI_COMMIT_BRANCH", branch)].into_iter().collect();
            let git = Git::new(Path::new("/"), &environment, Ok(&commit));
            let version = Version::new(1, 2, 3);
            let values = Values { name: "hello", package: "hello", version: &version, profile: "release", git: &git };
            values.tags(&[template.parse().expect("a template")]).map(|mut tags| tags.remove(0))
        };
        let long = format!("renovate/{}", "x".repeat(200));
        let tag = of("{git.branch}-{git.short}", &long).expect("a tag");
        assert_eq!((tag.len(), &tag[..12], &tag[tag.len() - 8..]), (128, "renovate-xxx", "-0123456"), "{tag}");
        assert_ne!(tag, of("{git.branch}-{git.short}", &format!("{long}y")).expect("a tag"));
        assert_eq!(of("{git.branch}.{git.branch}", &long).expect("a tag").len(), 127);
        assert_eq!(of("{git.branch}", &"x".repeat(128)).expect("a tag"), "x".repeat(128));
        let rest = "y".repeat(125);
        let error = of(&format!("{rest}{{git.branch}}"), &long).expect_err("no room");
        assert!(error.root_cause().to_string().contains("1 to 128"), "{error:?}");
    }

    #[test]
    fn tag_fails_without_the_value_of_a_placeholder() {
        let error = tags(&["v{git.sha}"], None).expect_err("no git");
        assert_eq!(error.to_string(), "cannot make the tag `v{git.sha}` of hello");
        assert!(error.root_cause().to_string().contains("cannot read the commit of /: "), "{error:?}");
    }

    #[test]
    fn tag_fails_if_it_becomes_too_long() {
        let template = format!("{}{{version}}", "x".repeat(120));
        let error = tags(&[&template], None).expect_err("too long");
        assert!(error.root_cause().to_string().contains("1 to 128"), "{error:?}");
    }
}
