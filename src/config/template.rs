//! Text with placeholders: `v{version}`, `ghcr.io/acme/{name}`, `{env.GITHUB_REPOSITORY|lower}`.

use std::fmt;
use std::str::FromStr;

use miette::Report;
use serde_json::{Value as Json, json};

use super::check::{invalid_tag, is_tag, is_tag_character};
use super::value::Text;
use crate::environment::is_secret;
use crate::error::with_help;
use crate::reference::{Reference, Repository};
use crate::suggest::nearest;

/// A text that is made when it is known what is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<TemplatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Field(TemplateField),
}

/// A placeholder, as it is used in a template: `{git.tag?}`, `{env.NAME|lower}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TemplateField {
    placeholder: Placeholder,
    /// Whether the whole text is left out if there is no value.
    is_optional: bool,
    /// Whether the value is lowercased.
    is_lowercase: bool,
}

/// A tag, or a template that makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagTemplate(Template);

/// A repository, or a template that makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryTemplate(Template);

/// A placeholder of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The image's local name.
    Name,
    /// The package's name.
    Package,
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
    /// An environment variable.
    Variable(String),
}

/// Every placeholder but those of environment variables, as it is written.
pub const PLACEHOLDERS: [(&str, Placeholder); 12] = [
    ("name", Placeholder::Name),
    ("image", Placeholder::Name),
    ("package", Placeholder::Package),
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

/// The prefix of placeholders of environment variables.
const VARIABLE: &str = "env.";

impl Template {
    /// Parses a text in which braces have no other meaning.
    fn strict(text: &str) -> Result<Template, String> {
        Template::parse(text, Braces::Placeholders)
    }

    /// Parses a text that may have braces of its own, as JSON has: only what is or resembles a placeholder is one.
    ///
    /// # Errors
    /// Returns an error if it is unknown.
    pub fn among_braces(text: &str) -> Result<Template, String> {
        Template::parse(text, Braces::Text)
    }

    /// Parses the value of a variable of the image, which may have braces of its own too. `${NAME}` is a variable.
    ///
    /// # Errors
    /// Returns an error if a placeholder is unknown.
    pub fn of_variable(text: &str) -> Result<Template, String> {
        Template::parse(text, Braces::Variable)
    }

    fn parse(text: &str, braces: Braces) -> Result<Template, String> {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            literal.push_str(before);
            let is_field = |name: &str| braces.are_of_field(before, name);
            match after.split_once('}') {
                Some((name, behind)) if is_field(name) => {
                    if !literal.is_empty() {
                        parts.push(TemplatePart::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(TemplatePart::Field(field(name)?));
                    rest = behind;
                }
                None if is_field(after) => return Err(format!("unclosed `{{` in `{text}`")),
                Some((name, behind)) if braces.are_of_text(before, name, behind) => {
                    literal.push_str(&after[..=name.len()]);
                    rest = &behind[1..];
                }
                _ => {
                    literal.push('{');
                    rest = after;
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(TemplatePart::Text(literal));
        }
        Ok(Template { text: text.to_owned(), parts })
    }

    fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, TemplatePart::Text(_)))
    }

    fn fields(&self) -> impl Iterator<Item = &TemplateField> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Text(_) => None,
            TemplatePart::Field(field) => Some(field),
        })
    }

    /// Returns the text, with the value of each placeholder, or `None` if an optional one has no value.
    ///
    /// # Errors
    /// Returns the first error of `value` for a placeholder that is not optional.
    pub fn expand<E>(&self, mut value: impl FnMut(&Placeholder) -> Result<String, E>) -> Result<Option<String>, E> {
        let mut expanded = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => expanded.push_str(text),
                TemplatePart::Field(field) => match value(&field.placeholder) {
                    Ok(value) if field.is_lowercase => expanded.push_str(&value.to_lowercase()),
                    Ok(value) => expanded.push_str(&value),
                    Err(_) if field.is_optional => return Ok(None),
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(Some(expanded))
    }

    /// Returns the text, with the same value for each placeholder.
    fn sample(&self) -> String {
        let expanded = self.expand(|_| Ok::<_, ()>("x".to_owned()));
        expanded.ok().flatten().unwrap_or_default()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the braces of a text can mean.
#[derive(Clone, Copy)]
enum Braces {
    /// Placeholders alone.
    Placeholders,
    /// Braces of the text itself, too; those of a placeholder are doubled for that.
    Text,
    /// The same, and variables: `${NAME}`.
    Variable,
}

impl Braces {
    /// Returns whether there is a placeholder between braces, by the text before them.
    fn are_of_field(self, before: &str, name: &str) -> bool {
        match self {
            Braces::Placeholders => true,
            Braces::Text => is_like_a_field(name),
            Braces::Variable => is_like_a_field(name) && !before.ends_with('$'),
        }
    }

    /// Returns whether there is the name of a placeholder between two braces, as in `{{version}}`: then one is of the text.
    fn are_of_text(self, before: &str, name: &str, behind: &str) -> bool {
        let inner = name.strip_prefix('{').filter(|_| behind.starts_with('}'));
        !matches!(self, Braces::Placeholders) && inner.is_some_and(|name| self.are_of_field(before, name))
    }
}

/// Returns whether a text between braces is a placeholder, or was meant as one.
fn is_like_a_field(name: &str) -> bool {
    let name = name.split(['?', '|']).next().unwrap_or_default();
    let is_known = |name: &str| PLACEHOLDERS.iter().any(|(known, _)| *known == name);
    is_known(name) || ["git.", "version.", VARIABLE].iter().any(|group| name.starts_with(group))
}

impl fmt::Display for Placeholder {
    /// Writes it as in a template, without braces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, PLACEHOLDERS.iter().find(|(_, placeholder)| placeholder == self)) {
            (Placeholder::Variable(name), _) => write!(f, "{VARIABLE}{name}"),
            (_, known) => f.write_str(known.map_or("", |(name, _)| name)),
        }
    }
}

fn field(text: &str) -> Result<TemplateField, String> {
    let (text, is_lowercase) = match text.split_once('|') {
        None => (text, false),
        Some((name, "lower")) => (name, true),
        Some((_, other)) => return Err(format!("unknown `|{other}` in `{{{text}}}`: there is only `|lower`")),
    };
    let (name, is_optional) = text.strip_suffix('?').map_or((text, false), |name| (name, true));
    Ok(TemplateField { placeholder: placeholder(name)?, is_optional, is_lowercase })
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    if let Some((_, placeholder)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) {
        return Ok(placeholder.clone());
    }
    if let Some(variable) = name.strip_prefix(VARIABLE) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if variable.is_empty() || !variable.chars().all(is_name) {
            return Err(format!("`{{{name}}}` names no environment variable: write it as `{{env.NAME}}`"));
        }
        if is_secret(variable) {
            return Err(format!("`{{{name}}}` would publish a secret"));
        }
        return Ok(Placeholder::Variable(variable.to_owned()));
    }
    let known = PLACEHOLDERS.map(|(known, _)| format!("{{{known}}}")).join(" ");
    let hint = nearest(name, PLACEHOLDERS.iter().map(|(known, _)| *known));
    let hint = hint.map(|near| format!("did you mean `{{{near}}}`? ")).unwrap_or_default();
    Err(format!("unknown placeholder `{{{name}}}`: {hint}the placeholders are {known} {{env.NAME}}"))
}

impl TagTemplate {
    /// Returns whether it has no placeholders.
    pub fn is_plain(&self) -> bool {
        self.0.is_plain()
    }

    /// Returns how often it has this placeholder.
    pub fn count(&self, placeholder: &Placeholder) -> usize {
        self.0.fields().filter(|field| field.placeholder == *placeholder).count()
    }

    /// Returns the tag, with the value of each placeholder, or `None` if an optional one has no value. Characters that a tag must
    /// not contain become `-`.
    ///
    /// # Errors
    /// Returns the first error of `value` for a placeholder that is not optional.
    pub fn expand<E>(&self, mut value: impl FnMut(&Placeholder) -> Result<String, E>) -> Result<Option<String>, E> {
        self.0.expand(|placeholder| {
            Ok(value(placeholder)?.chars().map(|c| if is_tag_character(c) { c } else { '-' }).collect())
        })
    }
}

impl FromStr for TagTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let template = Template::strict(text)?;
        // Its own characters must be right whatever the values of the placeholders.
        if is_tag(&template.sample()) { Ok(TagTemplate(template)) } else { Err(invalid_tag(text)) }
    }
}

impl fmt::Display for TagTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Text for TagTemplate {
    fn schema() -> Json {
        let placeholder = schema_of_fields();
        let pattern = format!("^([A-Za-z0-9_]|{placeholder})([A-Za-z0-9_.-]|{placeholder})*$");
        json!({ "type": "string", "pattern": pattern })
    }
}

fn schema_of_fields() -> String {
    let placeholders = PLACEHOLDERS.map(|(name, _)| name.replace('.', "\\."));
    format!("\\{{({}|env\\.[A-Za-z0-9_]+)\\??(\\|lower)?\\}}", placeholders.join("|"))
}

impl RepositoryTemplate {
    /// Returns the repository, with the value of each placeholder.
    ///
    /// # Errors
    /// Returns an error if a placeholder has no value, or if the result is no repository.
    pub fn expand(&self, value: impl FnMut(&Placeholder) -> Result<String, Report>) -> Result<Reference, Report> {
        // No placeholder of it is optional.
        let name = self.0.expand(value)?.unwrap_or_default();
        let Repository(reference) = name.parse().map_err(|error| {
            let error = Report::from_err(error);
            let has_capitals = !self.0.is_plain() && name.to_lowercase().parse::<Repository>().is_ok();
            let help = "add `|lower` to the placeholder of the name with capital letters, as in `{env.GITHUB_REPOSITORY|lower}`";
            if has_capitals { with_help(error, help.to_owned()) } else { error }
        })?;
        Ok(reference)
    }
}

impl FromStr for RepositoryTemplate {
    type Err = String;

    /// Parses a repository. A slash at its end stands for `/{name}`.
    fn from_str(text: &str) -> Result<Self, String> {
        let whole = if text.ends_with('/') { format!("{text}{{name}}") } else { text.to_owned() };
        let template = Template::strict(&whole)?;
        if template.fields().any(|field| field.is_optional) {
            return Err(format!("`{text}` cannot be left out: remove the `?`"));
        }
        let sample = template.sample();
        let reason = match sample.parse::<Repository>() {
            Ok(_) => return Ok(RepositoryTemplate(template)),
            Err(error) if template.is_plain() => return Err(error.to_string()),
            Err(_) if text.contains("://") => "remove the scheme, such as `https://`",
            Err(_) if sample.to_lowercase().parse::<Repository>().is_ok() => "repository names must be lowercase",
            Err(_) => "expected a registry and a path without a tag, such as `ghcr.io/acme/{name}`",
        };
        Err(format!("invalid repository `{text}`: {reason}"))
    }
}

impl fmt::Display for RepositoryTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str, value: &str) -> String {
        let template: TagTemplate = template.parse().expect("a template");
        template.expand(|_| Ok::<_, String>(value.to_owned())).expect("a value").expect("a tag")
    }

    #[test]
    fn invalid_characters_in_placeholders_become_dashes() {
        assert_eq!(expand("v{version}", "1.2.3-rc.1+build.5"), "v1.2.3-rc.1-build.5");
        assert_eq!(expand("{git.branch}-{profile}", "feature/ä b"), "feature---b-feature---b");
        assert_eq!(expand("latest", "x"), "latest");
    }

    #[test]
    fn optional_placeholder_leaves_the_tag_out() {
        let template: TagTemplate = "v{git.tag?}".parse().expect("a template");
        assert_eq!(template.expand(|_| Err::<String, _>("none")), Ok(None));
        assert_eq!(template.expand(|_| Ok::<_, String>("1".to_owned())), Ok(Some("v1".to_owned())));
        let template: TagTemplate = "{env.BRANCH?|lower}".parse().expect("a template");
        assert_eq!(template.expand(|_| Ok::<_, String>("Main".to_owned())), Ok(Some("main".to_owned())));
        for (wrong, why) in [
            ("{env.}", "names no environment variable"),
            ("{env.A B}", "names no environment variable"),
            ("{name|upper}", "unknown `|upper`"),
            ("{env.CARGO_OCI_REGISTRY_PASSWORD?}", "would publish a secret"),
        ] {
            assert!(wrong.parse::<TagTemplate>().expect_err(wrong).contains(why), "{wrong}");
        }
    }

    #[test]
    fn repository_is_made_of_placeholders() {
        let expand = |template: &str, value: &str| {
            let template: RepositoryTemplate = template.parse().expect("a template");
            let made = template.expand(|_| Ok(value.to_owned()));
            made.map(|made| made.location()).map_err(|error| error.to_string())
        };
        assert_eq!(expand("ghcr.io/acme/", "x").as_deref(), Ok("ghcr.io/acme/x"));
        assert_eq!(expand("ghcr.io/{env.REPOSITORY|lower}", "Acme/X").as_deref(), Ok("ghcr.io/acme/x"));
        assert_eq!(expand("{env.REGISTRY}/x", "127.0.0.1:5000").as_deref(), Ok("127.0.0.1:5000/x"));
        assert!(expand("ghcr.io/{env.REPOSITORY}", "Acme/X").expect_err("capitals").contains("lowercase"));
        for wrong in ["ghcr.io/{name?}", "ghcr.io/acme/{name", "ghcr.io/x:{version}", "ghcr.io/A/{name}", ""] {
            assert!(wrong.parse::<RepositoryTemplate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn braces_of_labels_are_kept() {
        let expand = |text: &str| Template::among_braces(text).map(|template| template.sample());
        for text in [r#"{"a":{"b":1}}"#, "{", "}", "{}", "{ name }", "a {foo} b", "{{"] {
            assert_eq!(expand(text).as_deref(), Ok(text));
        }
        assert_eq!(expand("{{git.sha}} by {env.USER}").as_deref(), Ok("{git.sha} by x"));
        assert_eq!(expand("{{name}} {{other}}").as_deref(), Ok("{name} {{other}}"));
        assert!(expand("{git.shaa}").expect_err("a typo").contains("did you mean `{git.sha}`?"));
    }

    #[test]
    fn variable_has_placeholders_beside_its_braces() {
        let expand = |text: &str| Template::of_variable(text).map(|template| template.sample());
        for (text, value) in [
            ("{env.X}-{version}", "x-x"),
            (r#"{"a":"{name}"}"#, r#"{"a":"x"}"#),
            ("${version} $${name} {level}", "${version} $${name} {level}"),
            ("{{version}}", "{version}"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(value), "{text}");
        }
        assert!(expand("{env.}").expect_err("no name").contains("names no environment variable"));
    }

    #[test]
    fn unknown_placeholder_lists_the_known_ones() {
        let error = "v{verison}".parse::<TagTemplate>().unwrap_err();
        assert!(error.contains("unknown placeholder `{verison}`: did you mean `{version}`?"), "{error}");
        assert!(
            error.contains("{name} {image} {package} {version} {version.major}") && error.contains("{git.tag}"),
            "{error}"
        );
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
