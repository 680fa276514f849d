//! Tags with placeholders: `v{version}`, `{git.branch}-{git.short}`.

use std::fmt;
use std::str::FromStr;

use super::check::{is_in_tags, is_tag, no_tag};
use super::nearest;

/// A tag, or what one is made of when it is known what is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
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
pub const FIELDS: [(&str, Field); 10] = [
    ("name", Field::Name),
    ("version", Field::Version),
    ("version.major", Field::Major),
    ("version.minor", Field::Minor),
    ("version.patch", Field::Patch),
    ("profile", Field::Profile),
    ("git.sha", Field::GitSha),
    ("git.short", Field::GitShort),
    ("git.branch", Field::GitBranch),
    ("git.tag", Field::GitTag),
];

impl TagTemplate {
    /// Whether it is a tag as it stands.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The tag, with what `value` says of each placeholder; what a tag may not hold becomes `-`.
    ///
    /// # Errors
    /// The first of `value`.
    pub fn expand<E>(&self, mut value: impl FnMut(Field) -> Result<String, E>) -> Result<String, E> {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => Ok(text.clone()),
            Part::Field(field) => Ok(value(*field)?.chars().map(|c| if is_in_tags(c) { c } else { '-' }).collect()),
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
            let (name, behind) = after.split_once('}').ok_or_else(|| format!("a `{{` of `{text}` is never closed"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Field(field(name)?));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let template = TagTemplate { text: text.to_owned(), parts };
        // What its own letters make wrong is wrong whatever the placeholders will stand for.
        let sample = template.expand(|_| Ok::<_, String>("x".to_owned()))?;
        match is_tag(&sample) {
            true => Ok(template),
            false => Err(no_tag(text)),
        }
    }
}

fn field(name: &str) -> Result<Field, String> {
    if let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) {
        return Ok(*field);
    }
    let known = FIELDS.map(|(known, _)| format!("{{{known}}}")).join(" ");
    let hint = match nearest(name, FIELDS.iter().map(|(known, _)| *known)) {
        Some(near) => format!("did you mean `{{{near}}}`? "),
        None => String::new(),
    };
    Err(format!("unknown placeholder `{{{name}}}`: {hint}there are {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str, value: &str) -> String {
        let template: TagTemplate = template.parse().expect("a template");
        template.expand(|_| Ok::<_, String>(value.to_owned())).expect("a value")
    }

    #[test]
    fn what_a_tag_may_not_hold_becomes_a_dash() {
        assert_eq!(expand("v{version}", "1.2.3-rc.1+build.5"), "v1.2.3-rc.1-build.5");
        assert_eq!(expand("{git.branch}-{profile}", "feature/ä b"), "feature---b-feature---b");
        assert_eq!(expand("latest", "x"), "latest");
    }

    #[test]
    fn an_unknown_placeholder_is_told_with_those_that_are_known() {
        let error = "v{verison}".parse::<TagTemplate>().unwrap_err();
        assert!(error.contains("unknown placeholder `{verison}`: did you mean `{version}`?"), "{error}");
        assert!(error.contains("{name} {version} {version.major}") && error.contains("{git.tag}"), "{error}");
        assert!("{}".parse::<TagTemplate>().unwrap_err().contains("unknown placeholder"));
    }

    #[test]
    fn what_is_no_tag_around_placeholders_is_refused_as_written() {
        for (wrong, why) in [
            ("-{version}", "`-{version}` is not a tag"),
            ("{version} x", "`{version} x` is not a tag"),
            ("v}", "`v}` is not a tag"),
            ("{version", "never closed"),
            ("", "`` is not a tag"),
        ] {
            let error = wrong.parse::<TagTemplate>().expect_err(wrong);
            assert!(error.contains(why), "{error}");
        }
    }
}
