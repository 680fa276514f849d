//! The `[package.metadata.oci]` table: its keys, their types, and errors with the line and a caret.
//!
//! It is read from the text of Cargo.toml, because `cargo metadata` gives no positions and no order.

mod value;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use miette::{Diagnostic, NamedSource, SourceSpan};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Result, on_path};
use crate::platform::PlatformChoice;
use crate::reference::{BaseReference, EngineReference, Reference, Repository};
pub use crate::spelling::nearest;

use value::{Mistake, any_string, array, checked, in_order, list, pairs, parsed, program, string, wrong_type};

/// What the table says. All keys are optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The image below.
    pub base: Option<BaseReference>,
    /// What to build for.
    pub platforms: Option<Vec<PlatformChoice>>,
    /// The binaries to put in.
    pub bins: Option<Vec<String>>,
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
    /// Labels of the config.
    pub labels: BTreeMap<String, String>,
    /// Annotations of image and index.
    pub annotations: BTreeMap<String, String>,
    /// The image's tags.
    pub tags: Option<Vec<String>>,
    /// Where the image is pushed to.
    pub repository: Option<Reference>,
    /// The engine it is handed to.
    pub engine: Option<EngineReference>,
}

/// The keys of the table, each with an example of its value.
pub const KEYS: [(&str, &str); 13] = [
    ("base", r#""gcr.io/distroless/static-debian12:nonroot""#),
    ("platforms", r#"["linux/amd64", "linux/arm64"]"#),
    ("repository", r#""ghcr.io/acme/hello""#),
    ("bins", r#"["hello", "hello-migrate"]"#),
    ("entrypoint", r#"["/app/hello"]"#),
    ("cmd", r#"["--listen", "0.0.0.0:8080"]"#),
    ("env", r#"{ RUST_LOG = "info", PATH = "/opt/bin:$PATH" }"#),
    ("user", r#""65532:65532""#),
    ("workdir", r#""/srv""#),
    ("labels", r#"{ "com.acme.team" = "payments" }"#),
    ("annotations", r#"{ "com.acme.tier" = "1" }"#),
    ("tags", r#"["latest", "1.2"]"#),
    ("engine", r#""podman""#),
];

/// A mistake in the table, and where it is.
#[derive(Debug, Diagnostic, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
    #[source_code]
    manifest: NamedSource<String>,
    #[label("{label}")]
    at: SourceSpan,
    label: String,
    #[help]
    help: Option<String>,
}

impl Table {
    /// Reads `metadata.oci` of the `section` (`package` or `workspace`) of a Cargo.toml. Paths are taken from its folder.
    ///
    /// # Errors
    /// A file that cannot be read, and a [`ConfigError`] for the first mistake in the table.
    pub fn read(manifest: &Path, section: &str) -> Result<Table> {
        let text = std::fs::read_to_string(manifest).map_err(|error| on_path("read", manifest, error))?;
        let name = manifest.display().to_string();
        let table = Table::parse(&text, section).map_err(|mistake| ConfigError {
            message: mistake.message,
            manifest: NamedSource::new(name, text.clone()).with_language("toml"),
            at: mistake.at.into(),
            label: mistake.label,
            help: mistake.help,
        })?;
        let folder = manifest.parent().unwrap_or(Path::new("."));
        Ok(Table { base: table.base.map(|base| base.relative_to(folder)), ..table })
    }

    fn parse(text: &str, section: &str) -> Result<Table, Mistake> {
        let document = DeTable::parse(text).map_err(|error| Mistake {
            message: "this is not TOML".to_owned(),
            at: error.span().unwrap_or(0..0),
            label: error.message().to_owned(),
            help: None,
        })?;
        let mut table = document.get_ref();
        for key in [section, "metadata", "oci"] {
            match table.get(key).map(Spanned::get_ref) {
                Some(DeValue::Table(inner)) => table = inner,
                // `oci = 1` is a mistake in the table; a package without the table has made none.
                Some(other) if key == "oci" => return Err(wrong_type(&table[key], "a table", other)),
                _ => return Ok(Table::default()),
            }
        }
        Table::from_keys(table)
    }

    fn from_keys(keys: &DeTable) -> Result<Table, Mistake> {
        let mut table = Table::default();
        for (key, value) in in_order(keys) {
            let name = key.get_ref().as_ref();
            let example = KEYS.iter().find(|(known, _)| *known == name).ok_or_else(|| unknown_key(name, key.span()))?;
            table.set(name, value).map_err(|mistake| mistake.with_example(example))?;
        }
        Ok(table)
    }

    fn set(&mut self, key: &str, value: &Spanned<DeValue>) -> Result<(), Mistake> {
        match key {
            "base" => self.base = Some(parsed(value)?),
            "platforms" => self.platforms = Some(list(value, parsed)?),
            "repository" => self.repository = Some(parsed::<Repository>(value)?.0),
            "bins" => self.bins = Some(list(value, string)?),
            "entrypoint" => self.entrypoint = Some(program(value)?),
            "cmd" => self.cmd = Some(array(value)?.iter().map(any_string).collect::<Result<_, _>>()?),
            "env" => self.env = pairs(value, any_string)?,
            "user" => self.user = Some(checked(value, check_filled)?),
            "workdir" => self.workdir = Some(checked(value, check_workdir)?),
            "labels" => self.labels = pairs(value, string)?.into_iter().collect(),
            "annotations" => self.annotations = pairs(value, string)?.into_iter().collect(),
            "engine" => self.engine = Some(parsed(value)?),
            "tags" => self.tags = Some(list(value, |tag| checked(tag, check_tag))?),
            // Every key of KEYS is above: a test sets each.
            _ => {}
        }
        Ok(())
    }

    /// This table, with `defaults` for what it does not say: tables merge key by key, arrays replace.
    #[must_use]
    pub fn over(mut self, defaults: Table) -> Table {
        let mut env = defaults.env;
        for (key, value) in self.env {
            match env.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => env.push((key, value)),
            }
        }
        let merge = |mut defaults: BTreeMap<_, _>, own| {
            defaults.extend(own);
            defaults
        };
        self.labels = merge(defaults.labels, self.labels);
        self.annotations = merge(defaults.annotations, self.annotations);
        Table {
            base: self.base.or(defaults.base),
            platforms: self.platforms.or(defaults.platforms),
            bins: self.bins.or(defaults.bins),
            entrypoint: self.entrypoint.or(defaults.entrypoint),
            cmd: self.cmd.or(defaults.cmd),
            env,
            user: self.user.or(defaults.user),
            workdir: self.workdir.or(defaults.workdir),
            labels: self.labels,
            annotations: self.annotations,
            tags: self.tags.or(defaults.tags),
            repository: self.repository.or(defaults.repository),
            engine: self.engine.or(defaults.engine),
        }
    }
}

/// Whether `tag` is one after the distribution-spec ("Pulling manifests"); if not, why.
///
/// # Errors
/// The rule that it breaks.
pub fn check_tag(tag: &str) -> Result<(), String> {
    let may = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if tag.starts_with(begins) && tag.chars().all(may) && tag.len() <= 128 {
        return Ok(());
    }
    Err(format!(
        "`{tag}` is not a tag: a tag has 1 to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two"
    ))
}

/// Whether there is something in `text`; if not, that.
///
/// # Errors
/// When it is empty.
pub fn check_filled(text: &str) -> Result<(), String> {
    match text.is_empty() {
        true => Err("this is empty: leave the key out for the default".to_owned()),
        false => Ok(()),
    }
}

/// Whether `workdir` is an absolute path in the image; if not, that.
///
/// # Errors
/// The rule that it breaks.
pub fn check_workdir(workdir: &str) -> Result<(), String> {
    match workdir.starts_with('/') {
        true => Ok(()),
        false => Err(format!("`{workdir}` is not an absolute path in the image")),
    }
}

fn unknown_key(key: &str, at: Range<usize>) -> Mistake {
    Mistake {
        message: format!("unknown key `{key}` in the table metadata.oci"),
        at,
        label: match nearest(key, KEYS.iter().map(|(known, _)| *known)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "no such key".to_owned(),
        },
        help: Some(format!("the keys are {}", KEYS.map(|(known, _)| known).join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Table, (String, String, String)> {
        let text = format!("[package]\nname = \"x\"\n[package.metadata.oci]\n{body}\n");
        Table::parse(&text, "package").map_err(|mistake| (mistake.message, mistake.label, text[mistake.at].to_owned()))
    }

    #[test]
    fn a_package_without_a_table_has_the_defaults() {
        assert!(Table::parse("[package]\nname = 'x'", "package").is_ok_and(|table| table == Table::default()));
    }

    #[test]
    fn every_key_is_read() {
        let table = parse(
            r#"base = "scratch"
            platforms = ["linux/amd64", "all"]
            bins = ["a"]
            entrypoint = ["/app/a"]
            cmd = []
            env = { Z = "1", A = "2" }
            user = "1:2"
            workdir = "/srv"
            labels = { "a.b" = "c" }
            annotations = { "d.e" = "f" }
            tags = ["v1"]"#,
        )
        .expect("is right");
        assert_eq!(table.base, Some(BaseReference::Scratch));
        assert_eq!(table.cmd, Some(Vec::new()));
        assert_eq!(table.env, [("Z".to_owned(), "1".to_owned()), ("A".to_owned(), "2".to_owned())]);
        assert_eq!(table.platforms.map(|platforms| platforms.len()), Some(2));
        assert_eq!(table.labels["a.b"], "c");
    }

    #[test]
    fn every_listed_key_is_a_key() {
        for (key, example) in KEYS {
            assert!(parse(&format!("{key} = {example}")).is_ok(), "{key}");
            let (message, _, at) = parse(&format!("{key} = 1")).expect_err("a wrong type");
            assert!(message.starts_with("wrong type"), "{key}: {message}");
            assert_eq!(at, "1");
        }
    }

    #[test]
    fn the_readme_lists_every_key_in_order() {
        let readme = include_str!("../../README.md");
        let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        let listed: Vec<_> = rows.map(|(key, _)| key).collect();
        assert_eq!(listed, KEYS.map(|(key, _)| key));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known_one() {
        let (message, label, at) = parse("platform = []").expect_err("unknown");
        assert_eq!(message, "unknown key `platform` in the table metadata.oci");
        assert_eq!((label.as_str(), at.as_str()), ("did you mean `platforms`?", "platform"));
    }

    #[test]
    fn wrong_values_are_shown_where_they_are() {
        for (body, part) in [
            ("platforms = [\"linux/amd64\", \"windows/amd64\"]", "\"windows/amd64\""),
            ("tags = [\"a b\"]", "\"a b\""),
            ("base = \"Not a reference\"", "\"Not a reference\""),
            ("workdir = \"srv\"", "\"srv\""),
            ("bins = []", "[]"),
            ("user = \"\"", "\"\""),
            ("entrypoint = [\"\", \"x\"]", "\"\""),
            ("env = { A = 1 }", "1"),
            ("labels = { a = \"x\\ny\" }", "\"x\\ny\""),
            ("entrypoint = \"/app/a\"", "\"/app/a\""),
        ] {
            assert_eq!(parse(body).expect_err(body).2, part, "{body}");
        }
    }

    #[test]
    fn tables_merge_key_by_key_and_arrays_replace() {
        let own = parse("env = { A = \"1\" }\ntags = [\"a\"]").expect("is right");
        let defaults = parse("env = { A = \"0\", B = \"2\" }\ntags = [\"b\", \"c\"]\nuser = \"1\"").expect("is right");
        let merged = own.over(defaults);
        assert_eq!(merged.env, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
        assert_eq!(merged.tags, Some(vec!["a".to_owned()]));
        assert_eq!(merged.user.as_deref(), Some("1"));
    }
}
