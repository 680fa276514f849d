//! Tags with placeholders: `v{version}`, `{git.branch}-{git.short}`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::check::{invalid_tag, is_tag, is_tag_character};
use super::value::Text;
use crate::suggest::nearest;

/// A tag, or a template that makes one when it is known what is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagTemplate {
    text: String,
    parts: Vec<TagPart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TagPart {
    Text(String),
    Placeholder(Placeholder),
}

/// A placeholder of a tag template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The image's local name.
    Name,
    /// The package's version.
    Version,
    /// Its first number.
    Major,
    /// Its second number.
    Minor,
    /// Its third number.
    Patch,
    /// The profile that cargo builds with.
    Profile,
    /// The commit's hash.
    GitSha,
    /// The first seven digits of it.
    GitShort,
    /// The branch that is checked out.
    GitBranch,
    /// A tag of the commit.
    GitTag,
}

/// Every placeholder, as it is written.
pub const PLACEHOLDERS: [(&str, Placeholder); 10] = [
    ("name", Placeholder::Name),
    ("version", Placeholder::Version),
    ("version.major", Placeholder::Major),
    ("version.minor", Placeholder::Minor),
    ("version.patch", Placeholder::Patch),
    ("profile", Placeholder::Profile),
    ("git.sha", Placeholder::GitSha),
    ("git.short", Placeholder::GitShort),
    ("git.branch", Placeholder::GitBranch),
    ("git.tag", Placeholder::GitTag),
];

impl TagTemplate {
    /// Returns whether it has no placeholders.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, TagPart::Text(_)))
    }

    /// Returns how often it has this placeholder.
    pub fn count(&self, placeholder: Placeholder) -> usize {
        self.parts.iter().filter(|part| **part == TagPart::Placeholder(placeholder)).count()
    }

    /// Returns the tag, with the value of each placeholder. Characters that a tag must not contain become `-`.
    ///
    /// # Errors
    /// Returns the first error of `value`.
    pub fn expand<E>(&self, mut value: impl FnMut(Placeholder) -> Result<String, E>) -> Result<String, E> {
        let parts = self.parts.iter().map(|part| match part {
            TagPart::Text(text) => Ok(text.clone()),
            TagPart::Placeholder(placeholder) => {
                Ok(value(*placeholder)?.chars().map(|c| if is_tag_character(c) { c } else { '-' }).collect())
            }
        });
        parts.collect()
    }
}

impl fmt::Display for TagTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for TagTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or_else(|| format!("unclosed `{{` in `{text}`"))?;
            if !before.is_empty() {
                parts.push(TagPart::Text(before.to_owned()));
            }
            parts.push(TagPart::Placeholder(placeholder(name)?));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(TagPart::Text(rest.to_owned()));
        }
        let template = TagTemplate { text: text.to_owned(), parts };
        // Its own characters must be right whatever the values of the placeholders.
        let sample = template.expand(|_| Ok::<_, String>("x".to_owned()))?;
        if is_tag(&sample) { Ok(template) } else { Err(invalid_tag(text)) }
    }
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    if let Some((_, placeholder)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) {
        return Ok(*placeholder);
    }
    let known = PLACEHOLDERS.map(|(known, _)| format!("{{{known}}}")).join(" ");
    let hint = nearest(name, PLACEHOLDERS.iter().map(|(known, _)| *known));
    let hint = hint.map(|near| format!("did you mean `{{{near}}}`? ")).unwrap_or_default();
    Err(format!("unknown placeholder `{{{name}}}`: {hint}the placeholders are {known}"))
}

impl Text for TagTemplate {
    fn schema() -> Json {
        let placeholders = PLACEHOLDERS.map(|(name, _)| name.replace('.', "\\."));
        let placeholder = format!("\\{{({})\\}}", placeholders.join("|"));
        let pattern = format!("^([A-Za-z0-9_]|{placeholder})([A-Za-z0-9_.-]|{placeholder})*$");
        json!({ "type": "string", "pattern": pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str, value: &str) -> String {
        let template: TagTemplate = template.parse().expect("a template");
        template.expand(|_| Ok::<_, String>(value.to_owned())).expect("a value")
    }

    #[test]
    fn invalid_characters_in_placeholders_become_dashes() {
        assert_eq!(expand("v{version}", "1.2.3-rc.1+build.5"), "v1.2.3-rc.1-build.5");
        assert_eq!(expand("{git.branch}-{profile}", "feature/ä b"), "feature---b-feature---b");
        assert_eq!(expand("latest", "x"), "latest");
    }

    #[test]
    fn unknown_placeholder_lists_the_known_ones() {
        let error = "v{verison}".parse::<TagTemplate>().unwrap_err();
        assert!(error.contains("unknown placeholder `{verison}`: did you mean `{version}`?"), "{error}");
        assert!(error.contains("{name} {version} {version.major}") && error.contains("{git.tag}"), "{error}");
        assert!("{}".parse::<TagTemplate>().unwrap_err().contains("unknown placeholder"));
    }

    #[test]
    fn template_rejects_invalid_text_around_placeholders() {
        for (wrong, why) in [
            ("-{version}", "invalid tag `-{version}`"),
            ("{version} x", "invalid tag `{version} x`"),
            ("v}", "invalid tag `v}`"),
            ("{version", "unclosed `{`"),
            ("", "invalid tag ``"),
        ] {
            let error = wrong.parse::<TagTemplate>().expect_err(wrong);
            assert!(error.contains(why), "{error}");
        }
    }
}
