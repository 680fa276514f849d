//! The key `test`: how the image is tested before it is pushed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{any_string, in_order, parsed, string, strings, table, wrong_type, wrong_value};
use super::env::EnvEntries;
use super::error::ValueError;
use super::expression::Expression;
use super::value::KeyValue;
use crate::suggest::nearest;

/// The tests of an image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageTests(pub Vec<ImageTest>);

/// One test: of a run of the image, of a server in it, or files with tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageTest {
    /// Its name.
    pub name: Option<String>,
    /// Files with tests for container-structure-test; the other fields are empty then.
    pub config: Vec<PathBuf>,
    /// The arguments of the entrypoint; `None` for the image's `cmd`.
    pub run: Option<Vec<String>>,
    /// Variables.
    pub env: EnvEntries,
    /// The expected exit status; `None` for 0.
    pub status: Option<i32>,
    /// What stdout must match, each of them.
    pub stdout: Vec<Expression>,
    /// What stderr must match, each of them.
    pub stderr: Vec<Expression>,
    /// The request that the program must answer.
    pub http: Option<HttpCheck>,
    /// The time limit; `None` for that of all tests.
    pub time_limit: Option<Duration>,
}

/// A request, and the status that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// The path, with a query.
    pub path: String,
    /// The port that the program listens on.
    pub port: u16,
    /// The expected status.
    pub status: u16,
}

/// The keys of a test.
const TEST_KEYS: [&str; 9] = ["name", "config", "run", "env", "status", "stdout", "stderr", "http", "time-limit"];
/// The keys of a request.
const HTTP_KEYS: [&str; 3] = ["path", "port", "status"];

impl ImageTests {
    /// Returns the same, with the paths of files relative to `folder`.
    #[must_use]
    pub(super) fn relative_to(mut self, folder: &Path) -> ImageTests {
        for path in self.0.iter_mut().flat_map(|test| &mut test.config) {
            *path = folder.join(&*path);
        }
        self
    }
}

impl KeyValue for ImageTests {
    const TYPE: &'static str = "table, or array of tables";

    fn read(value: &Spanned<DeValue>) -> Result<ImageTests, ValueError> {
        let tests = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(ImageTest::read).collect::<Result<_, _>>()?,
            _ => vec![ImageTest::read(value)?],
        };
        Ok(ImageTests(tests))
    }

    fn parse(_: &[&str]) -> Result<ImageTests, String> {
        Err("only Cargo.toml can set this".to_owned())
    }

    fn schema() -> Json {
        let texts = json!({ "type": ["string", "array"], "items": { "type": "string" } });
        let http = json!({
            "type": "object",
            "description": "Start the image, and expect this status as the answer to GET",
            "properties": {
                "path": { "type": "string", "pattern": "^/", "default": "/" },
                "port": { "type": "integer", "minimum": 1, "maximum": u16::MAX },
                "status": { "type": "integer", "minimum": 100, "maximum": 599, "default": 200 }
            },
            "required": ["port"],
            "additionalProperties": false
        });
        let test = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "The name in results" },
                "config": with(&texts, "Files with tests for container-structure-test, relative to this Cargo.toml"),
                "run": {
                    "type": "array", "items": { "type": "string" },
                    "description": "Run the entrypoint with these arguments instead of `cmd`"
                },
                "env": <EnvEntries as KeyValue>::schema(),
                "status": { "type": "integer", "description": "The expected exit status", "default": 0 },
                "stdout": with(&texts, "Regular expressions that stdout must match"),
                "stderr": with(&texts, "Regular expressions that stderr must match"),
                "http": http,
                "time-limit": { "type": "string", "description": "The time limit, such as `10s`" }
            },
            "additionalProperties": false
        });
        json!({ "anyOf": [test, { "type": "array", "items": test }] })
    }
}

fn with(schema: &Json, description: &str) -> Json {
    let mut schema = schema.clone();
    schema["description"] = Json::from(description);
    schema
}

impl ImageTest {
    fn read(value: &Spanned<DeValue>) -> Result<ImageTest, ValueError> {
        let mut test = ImageTest::default();
        let entries = table(value, "a table, or an array of tables")?;
        for (key, value) in in_order(entries) {
            match key.get_ref().as_ref() {
                "name" => test.name = Some(string(value)?),
                "config" => test.config = texts(value)?.into_iter().map(PathBuf::from).collect(),
                "run" => test.run = Some(strings(value)?.iter().map(any_string).collect::<Result<_, _>>()?),
                "env" => test.env = KeyValue::read(value)?,
                "status" => test.status = Some(number(value, 0..=255)?),
                "stdout" => test.stdout = expressions(value)?,
                "stderr" => test.stderr = expressions(value)?,
                "http" => test.http = Some(HttpCheck::read(value)?),
                "time-limit" => test.time_limit = Some(parsed::<TimeLimit>(value)?.0),
                other => return Err(unknown(other, key.span(), "test", &TEST_KEYS)),
            }
        }
        test.check(entries, value)?;
        Ok(test)
    }

    /// Checks that the keys belong together.
    fn check(&self, entries: &DeTable, value: &Spanned<DeValue>) -> Result<(), ValueError> {
        let first =
            |keys: &[&str]| in_order(entries).into_iter().find(|(key, _)| keys.contains(&key.get_ref().as_ref()));
        let (kind, others) = if !self.config.is_empty() {
            ("`config`, whose files have their own", &["run", "env", "status", "stdout", "stderr", "http"][..])
        } else if self.http.is_some() {
            ("`http`, which ends the program itself", &["status", "stdout", "stderr"][..])
        } else if self.run.is_some() || self.status.is_some() || !self.stdout.is_empty() || !self.stderr.is_empty() {
            return Ok(());
        } else {
            return Err(ValueError {
                message: "the test tests nothing: it needs `run`, `http` or `config`".to_owned(),
                at: value.span(),
                label: "nothing to run".to_owned(),
                help: None,
            });
        };
        match first(others) {
            Some((key, _)) => Err(ValueError {
                message: format!("`{}` has no meaning in a test with {kind}", key.get_ref()),
                at: key.span(),
                label: "not here".to_owned(),
                help: Some("make it another test: `test` may be an array of tables".to_owned()),
            }),
            None => Ok(()),
        }
    }
}

impl HttpCheck {
    fn read(value: &Spanned<DeValue>) -> Result<HttpCheck, ValueError> {
        let (mut path, mut port, mut status) = ("/".to_owned(), None, 200);
        for (key, value) in in_order(table(value, "a table")?) {
            match key.get_ref().as_ref() {
                "path" => path = string(value)?,
                "port" => port = Some(number(value, 1..=u16::MAX)?),
                "status" => status = number(value, 100..=599)?,
                other => return Err(unknown(other, key.span(), "http", &HTTP_KEYS)),
            }
            if !path.starts_with('/') || path.contains(' ') {
                return Err(wrong_value(
                    value,
                    format!("invalid path `{path}`: it must begin with `/`, without spaces"),
                ));
            }
        }
        let port = port.ok_or_else(|| ValueError {
            message: "missing key `port` in `http`".to_owned(),
            at: value.span(),
            label: "missing `port`".to_owned(),
            help: Some(
                "name the port that the program listens on, as in `{ path = \"/health\", port = 8080 }`".to_owned(),
            ),
        })?;
        Ok(HttpCheck { path, port, status })
    }
}

/// A duration with its unit.
struct TimeLimit(Duration);

impl std::str::FromStr for TimeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<TimeLimit, String> {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let factor = match unit {
            "s" => 1,
            "m" => 60,
            _ => 0,
        };
        match number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
            Some(seconds) if seconds > 0 => Ok(TimeLimit(Duration::from_secs(seconds))),
            _ => Err(format!("invalid time `{text}`: expected a number and a unit, such as 10s or 2m")),
        }
    }
}

/// Reads a string, or an array of strings.
fn texts(value: &Spanned<DeValue>) -> Result<Vec<String>, ValueError> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().map(string).collect(),
        _ => Ok(vec![string(value)?]),
    }
}

fn expressions(value: &Spanned<DeValue>) -> Result<Vec<Expression>, ValueError> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().map(parsed).collect(),
        _ => Ok(vec![parsed(value)?]),
    }
}

/// Reads a number of a range.
fn number<T: TryFrom<i64> + PartialOrd + std::fmt::Display>(
    value: &Spanned<DeValue>,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, ValueError> {
    let DeValue::Integer(number) = value.get_ref() else { return Err(wrong_type(value, "an integer")) };
    let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|number| T::try_from(number).ok());
    parsed.filter(|number| range.contains(number)).ok_or_else(|| {
        let (least, most) = range.into_inner();
        wrong_value(value, format!("expected a number from {least} to {most}"))
    })
}

fn unknown(key: &str, at: std::ops::Range<usize>, of: &str, known: &[&'static str]) -> ValueError {
    let label = nearest(key, known.iter().copied());
    ValueError {
        message: format!("unknown key `{key}` in `{of}`"),
        at,
        label: label.map_or_else(|| "unknown key".to_owned(), |known| format!("did you mean `{known}`?")),
        help: Some(format!("the keys are {}", known.join(", "))),
    }
}
