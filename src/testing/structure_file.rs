//! A test file for container-structure-test, schema 2.0.0 → tests.
//!
//! Its documentation is the README of <https://github.com/GoogleContainerTools/container-structure-test>. Unknown keys are
//! errors, as they are to that program.

use std::path::Path;

use miette::{Report, miette};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Error as YamlError, Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::suite::{
    CommandTest, ContainerOptions, ContentTest, ExecutableBy, ExpectedPair, ExpectedValue, FileTest, MetadataTest,
    Suite, Test, TestKind, TestedProgram,
};
use crate::config::Expression;
use crate::error::{Result, cannot_read};

/// The one version of the format.
const VERSION: &str = "2.0.0";
/// What to do about a wrong expression.
const EXPRESSION: &str = "correct it; `\\` before a character takes it as it is";
/// What to do if a file is of another format.
const WRITE: &str = "write it for container-structure-test, with `schemaVersion: 2.0.0`";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StructureFile {
    /// It was checked before.
    #[serde(rename = "schemaVersion")]
    _schema_version: IgnoredAny,
    #[serde(default, deserialize_with = "or_default")]
    global_env_vars: Vec<Pair>,
    #[serde(default, deserialize_with = "or_default")]
    command_tests: Vec<CommandEntry>,
    #[serde(default, deserialize_with = "or_default")]
    file_existence_tests: Vec<ExistenceEntry>,
    #[serde(default, deserialize_with = "or_default")]
    file_content_tests: Vec<ContentEntry>,
    #[serde(default)]
    metadata_test: Option<MetadataEntry>,
    #[serde(default)]
    license_tests: Option<Spanned<IgnoredAny>>,
    #[serde(default, deserialize_with = "or_default")]
    container_run_options: RunOptionsEntry,
}

/// The version alone: what else a file of another version has is unknown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionOnly {
    #[serde(default)]
    schema_version: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pair {
    key: Spanned<String>,
    #[serde(default)]
    value: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "or_default")]
    is_regex: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommandEntry {
    name: Spanned<String>,
    #[serde(default, deserialize_with = "or_default")]
    setup: Vec<Vec<String>>,
    /// Each test has a container of its own: there is nothing to tear down.
    #[serde(default)]
    teardown: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "or_default")]
    env_vars: Vec<Pair>,
    #[serde(default, deserialize_with = "or_default")]
    exit_code: i32,
    command: Spanned<String>,
    #[serde(default, deserialize_with = "or_default")]
    args: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    expected_output: Vec<Spanned<String>>,
    #[serde(default, deserialize_with = "or_default")]
    excluded_output: Vec<Spanned<String>>,
    #[serde(default, deserialize_with = "or_default")]
    expected_error: Vec<Spanned<String>>,
    #[serde(default, deserialize_with = "or_default")]
    excluded_error: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExistenceEntry {
    name: Spanned<String>,
    path: Spanned<String>,
    #[serde(default)]
    should_exist: Option<bool>,
    #[serde(default)]
    permissions: Option<String>,
    #[serde(default)]
    uid: Option<Spanned<i64>>,
    #[serde(default)]
    gid: Option<Spanned<i64>>,
    #[serde(default)]
    is_executable_by: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ContentEntry {
    name: Spanned<String>,
    path: Spanned<String>,
    #[serde(default, deserialize_with = "or_default")]
    expected_contents: Vec<Spanned<String>>,
    #[serde(default, deserialize_with = "or_default")]
    excluded_contents: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MetadataEntry {
    #[serde(default, alias = "env", deserialize_with = "or_default")]
    env_vars: Vec<Pair>,
    #[serde(default, deserialize_with = "or_default")]
    unbound_env_vars: Vec<Pair>,
    #[serde(default, deserialize_with = "or_default")]
    exposed_ports: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    unexposed_ports: Vec<String>,
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    cmd: Option<Vec<String>>,
    #[serde(default)]
    workdir: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    volumes: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    unmounted_volumes: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    labels: Vec<Pair>,
    #[serde(default)]
    user: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RunOptionsEntry {
    #[serde(default)]
    user: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    privileged: bool,
    #[serde(default)]
    allocate_tty: Option<Spanned<bool>>,
    #[serde(default, deserialize_with = "or_default")]
    env_vars: Vec<String>,
    #[serde(default)]
    env_file: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "or_default")]
    capabilities: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    bind_mounts: Vec<String>,
}

/// Reads a value, or the default for null, as Go does.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

/// Reads a file. `variable` returns the value of a variable of this process, for `containerRunOptions.envVars`.
///
/// # Errors
/// Returns an error with the line if it is no such file.
pub(super) fn read(path: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Result<Suite> {
    let text = std::fs::read_to_string(path).map_err(|error| cannot_read(path, error))?;
    let file = TestFile { path, variable };
    match file.document::<VersionOnly>(&text)?.and_then(|document| document.schema_version) {
        None => return Err(file.error(None, WRITE, "it has no `schemaVersion`")),
        Some(version) if version.value.trim_start_matches('v') != VERSION => {
            return Err(file.wrong(&version, WRITE, &format!("schema version {}", version.value)));
        }
        Some(_) => {}
    }
    // It has been one before.
    let document = file.document::<StructureFile>(&text)?.ok_or_else(|| file.error(None, WRITE, "it is empty"))?;
    Ok(Suite { name: path.display().to_string(), tests: file.tests(document)? })
}

/// Returns what is wrong with YAML, and what to do.
fn explained(error: &YamlError) -> (String, &'static str) {
    const KEYS: &str = "correct it: the README of container-structure-test describes the keys";
    const SYNTAX: &str = "correct the YAML there";
    match error {
        YamlError::WithSnippet { error, .. } | YamlError::AliasError { error, .. } => explained(error),
        YamlError::SerdeUnknownField { field, expected, .. } => {
            (format!("there is no key `{field}`, but {}", expected.join(", ")), "correct the key, or remove it")
        }
        YamlError::SerdeMissingField { field, .. } => (format!("the key `{field}` is missing"), "add it"),
        YamlError::DuplicateMappingKey { key, .. } => {
            (format!("the key `{}` is there twice", key.as_deref().unwrap_or("?")), "remove one of both")
        }
        YamlError::Unexpected { expected, .. } => {
            let expected = match *expected {
                "sequence start" => "a list",
                "mapping start" => "a table",
                "string scalar" => "a text",
                other => other,
            };
            (format!("{expected} is expected"), KEYS)
        }
        YamlError::SerdeInvalidType { .. } | YamlError::SerdeInvalidValue { .. } | YamlError::InvalidScalar { .. } => {
            (UserMessageFormatter.format_message(error).into_owned(), KEYS)
        }
        YamlError::Budget { .. }
        | YamlError::AliasReplayCounterOverflow { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => {
            ("it is nested too deeply, or its aliases make too much of it".to_owned(), "write it with fewer of them")
        }
        _ => {
            let message = UserMessageFormatter.format_message(error);
            (message.lines().next().unwrap_or_default().to_owned(), SYNTAX)
        }
    }
}

/// A file with tests.
struct TestFile<'a> {
    path: &'a Path,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl TestFile<'_> {
    /// Reads the one document of a file, if it has one.
    fn document<T: for<'de> Deserialize<'de>>(&self, text: &str) -> Result<Option<T>> {
        // A file without aliases has no more than its text has; those have limits of their own.
        let most = 1000 + 2 * text.len();
        let budget = serde_saphyr::budget! { max_nodes: most, max_events: most };
        let options = serde_saphyr::options! { budget: budget, with_snippet: false };
        let documents = serde_saphyr::from_multiple_with_options::<T>(text, options);
        let mut documents = documents.map_err(|error| {
            let (message, help) = explained(&error);
            self.error(error.location(), help, &message)
        })?;
        if documents.len() > 1 {
            let help = "write a file for each, and name them all with `--config`";
            return Err(self.error(None, help, &format!("it has {} documents", documents.len())));
        }
        Ok(documents.pop())
    }

    fn error(&self, at: Option<Location>, help: &str, message: &str) -> Report {
        let line = at.map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
        miette!(help = help.to_owned(), "cannot read tests from {}{line}: {message}", self.path.display())
    }

    fn wrong<T>(&self, of: &Spanned<T>, help: &str, message: &str) -> Report {
        self.error(Some(of.referenced), help, message)
    }

    /// Returns the tests in the order that container-structure-test runs them in.
    fn tests(&self, document: StructureFile) -> Result<Vec<Test>> {
        let StructureFile { global_env_vars, container_run_options, .. } = document;
        if let Some(licenses) = &document.license_tests {
            return Err(self.wrong(
                licenses,
                "remove it: `cargo oci sbom --format list` lists licenses",
                "`licenseTests` is not supported",
            ));
        }
        let options = self.options(container_run_options)?;
        let global = self.variables(&global_env_vars)?;
        let mut tests = Vec::new();
        for entry in document.command_tests {
            let name = self.filled(&entry.name, "name")?;
            tests.push(Test { name, kind: self.command(entry, &global, &options)?, limit: None });
        }
        for ContentEntry { name, path, expected_contents, excluded_contents } in document.file_content_tests {
            let kind = TestKind::Content(ContentTest {
                path: self.filled(&path, "path")?,
                expected: self.expressions(&expected_contents)?,
                excluded: self.expressions(&excluded_contents)?,
            });
            tests.push(Test { name: self.filled(&name, "name")?, kind, limit: None });
        }
        for entry in document.file_existence_tests {
            let name = self.filled(&entry.name, "name")?;
            tests.push(Test { name, kind: TestKind::Existence(self.existence(&entry, &global)?), limit: None });
        }
        if let Some(metadata) = document.metadata_test {
            let kind = TestKind::Metadata(Box::new(self.metadata(metadata)?));
            tests.push(Test { name: String::new(), kind, limit: None });
        }
        Ok(tests)
    }

    fn command(
        &self,
        entry: CommandEntry,
        global: &[(String, String)],
        options: &ContainerOptions,
    ) -> Result<TestKind> {
        let _ = entry.teardown;
        let program = self.filled(&entry.command, "command")?;
        if entry.setup.iter().any(Vec::is_empty) {
            return Err(self.wrong(&entry.name, "name its program, or remove it", "a command of `setup` is empty"));
        }
        let mut options = options.clone();
        let own = self.variables(&entry.env_vars)?;
        options.env = own;
        Ok(TestKind::Command(Box::new(CommandTest {
            program: TestedProgram::Other(std::iter::once(program).chain(entry.args).collect()),
            setup: entry.setup,
            options,
            global_env: global.to_vec(),
            status: entry.exit_code,
            stdout: self.expressions(&entry.expected_output)?,
            stdout_excluded: self.expressions(&entry.excluded_output)?,
            stderr: self.expressions(&entry.expected_error)?,
            stderr_excluded: self.expressions(&entry.excluded_error)?,
        })))
    }

    fn existence(&self, entry: &ExistenceEntry, global: &[(String, String)]) -> Result<FileTest> {
        let executable_by = match entry.is_executable_by.as_ref().filter(|who| !who.value.is_empty()) {
            None => None,
            Some(who) => Some(match who.value.as_str() {
                "owner" => ExecutableBy::Owner,
                "group" => ExecutableBy::Group,
                "other" => ExecutableBy::Other,
                "any" => ExecutableBy::Any,
                other => {
                    let message = format!("`isExecutableBy` is owner, group, other or any, not `{other}`");
                    return Err(self.wrong(who, "write one of them", &message));
                }
            }),
        };
        Ok(FileTest {
            path: self.filled(&entry.path, "path")?,
            global_env: global.to_vec(),
            is_there: entry.should_exist.unwrap_or(true),
            permissions: entry.permissions.clone().filter(|text| !text.is_empty()),
            uid: self.id("uid", entry.uid.as_ref())?,
            gid: self.id("gid", entry.gid.as_ref())?,
            executable_by,
        })
    }

    /// Returns the number of a user or a group, or `None` for any.
    fn id(&self, key: &str, number: Option<&Spanned<i64>>) -> Result<Option<u32>> {
        // -1 is container-structure-test's default: any.
        let Some(number) = number.filter(|number| number.value != -1) else { return Ok(None) };
        u32::try_from(number.value).map(Some).map_err(|_| {
            let help = "write a number from 0 to 4294967295, or -1 for any";
            self.wrong(number, help, &format!("`{key}` is {}, which is no number of an account", number.value))
        })
    }

    fn metadata(&self, entry: MetadataEntry) -> Result<MetadataTest> {
        let keys = |pairs: &[Pair]| pairs.iter().map(|pair| self.filled(&pair.key, "key")).collect::<Result<Vec<_>>>();
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(MetadataTest {
            env: self.expected(&entry.env_vars)?,
            unset_env: keys(&entry.unbound_env_vars)?,
            labels: self.expected(&entry.labels)?,
            ports: entry.exposed_ports,
            absent_ports: entry.unexposed_ports,
            volumes: entry.volumes,
            absent_volumes: entry.unmounted_volumes,
            entrypoint: entry.entrypoint,
            cmd: entry.cmd,
            workdir: filled(entry.workdir),
            user: filled(entry.user),
        })
    }

    fn options(&self, entry: RunOptionsEntry) -> Result<ContainerOptions> {
        if let Some(terminal) = entry.allocate_tty.filter(|terminal| terminal.value) {
            return Err(self.wrong(&terminal, "remove it: tests have no terminal", "`allocateTty` is not supported"));
        }
        if let Some(file) = entry.env_file.filter(|file| !file.value.is_empty()) {
            return Err(self.wrong(&file, "name the variables in `envVars`", "`envFile` is not supported"));
        }
        let env = entry.env_vars.iter().filter_map(|name| Some((name.clone(), (self.variable)(name)?)));
        Ok(ContainerOptions {
            env: Vec::new(),
            passed_on: env.filter(|(_, value)| !value.is_empty()).collect(),
            user: entry.user.filter(|user| !user.is_empty()),
            is_privileged: entry.privileged,
            capabilities: entry.capabilities,
            mounts: entry.bind_mounts,
        })
    }

    fn variables(&self, pairs: &[Pair]) -> Result<Vec<(String, String)>> {
        let value = |pair: &Pair| pair.value.as_ref().map(|value| value.value.clone()).unwrap_or_default();
        pairs.iter().map(|pair| Ok((self.filled(&pair.key, "key")?, value(pair)))).collect()
    }

    fn expected(&self, pairs: &[Pair]) -> Result<Vec<ExpectedPair>> {
        let pairs = pairs.iter().map(|pair| {
            let text = pair.value.as_ref().map(|value| value.value.clone()).unwrap_or_default();
            let value = match &pair.value {
                Some(value) if pair.is_regex => ExpectedValue::Matching(self.expression(value)?),
                _ => ExpectedValue::Exactly(text),
            };
            Ok(ExpectedPair { key: self.filled(&pair.key, "key")?, value })
        });
        pairs.collect()
    }

    fn expressions(&self, texts: &[Spanned<String>]) -> Result<Vec<Expression>> {
        texts.iter().map(|text| self.expression(text)).collect()
    }

    fn expression(&self, text: &Spanned<String>) -> Result<Expression> {
        text.value.parse().map_err(|why: String| self.wrong(text, EXPRESSION, &why))
    }

    fn filled(&self, text: &Spanned<String>, key: &str) -> Result<String> {
        if text.value.is_empty() {
            return Err(self.wrong(text, &format!("fill in `{key}`"), &format!("`{key}` must not be empty")));
        }
        Ok(text.value.clone())
    }
}
