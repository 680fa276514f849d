//! The tests of an image.

use std::time::Duration;

use crate::config::{Expression, HttpCheck, ImageTest};

/// Tests from one place.
#[derive(Clone, Debug)]
pub(crate) struct Suite {
    /// The file, or `Cargo.toml`.
    pub name: String,
    /// The tests.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    /// Its name, or an empty one.
    pub name: String,
    /// What is tested.
    pub kind: TestKind,
    /// Its own time limit.
    pub limit: Option<Duration>,
}

/// What a test is about.
#[derive(Clone, Debug)]
pub(crate) enum TestKind {
    /// The config.
    Metadata(Box<MetadataTest>),
    /// Whether a file is there.
    Existence(FileTest),
    /// What is in a file.
    Content(ContentTest),
    /// What a program prints, and its status.
    Command(Box<CommandTest>),
    /// What a server answers.
    Http(HttpTest),
}

/// What the config must have. What is `None` or empty is not compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetadataTest {
    /// Variables that are set.
    pub env: Vec<ExpectedPair>,
    /// Variables that are not set.
    pub unset_env: Vec<String>,
    /// Labels.
    pub labels: Vec<ExpectedPair>,
    /// Ports.
    pub ports: Vec<String>,
    /// Ports that are not there.
    pub absent_ports: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
    /// Volumes that are not there.
    pub absent_volumes: Vec<String>,
    /// The entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// The default arguments.
    pub cmd: Option<Vec<String>>,
    /// The working directory.
    pub workdir: Option<String>,
    /// The user.
    pub user: Option<String>,
}

/// A name and its value.
#[derive(Clone, Debug)]
pub(crate) struct ExpectedPair {
    /// The name.
    pub key: String,
    /// The value.
    pub value: ExpectedValue,
}

/// A value of a variable or a label.
#[derive(Clone, Debug)]
pub(crate) enum ExpectedValue {
    /// Exactly this.
    Exactly(String),
    /// What this matches.
    Matching(Expression),
}

/// What a file must be.
#[derive(Clone, Debug)]
pub(crate) struct FileTest {
    /// The path, with `$NAME` for variables.
    pub path: String,
    /// Variables that are set for all tests.
    pub global_env: Vec<(String, String)>,
    /// Whether it must be there.
    pub is_there: bool,
    /// Type and mode, as Go prints them: `-rwxr-xr-x`.
    pub permissions: Option<String>,
    /// The user.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// Who must be able to execute it.
    pub executable_by: Option<ExecutableBy>,
}

/// Who can execute a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExecutableBy {
    /// Its owner.
    Owner,
    /// Its group.
    Group,
    /// All others.
    Other,
    /// Any of these.
    Any,
}

/// What a file must contain.
#[derive(Clone, Debug)]
pub(crate) struct ContentTest {
    /// The path.
    pub path: String,
    /// What matches.
    pub expected: Vec<Expression>,
    /// What does not.
    pub excluded: Vec<Expression>,
}

/// What a program must do.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandTest {
    /// The program.
    pub program: TestedProgram,
    /// Programs that run before, in the same file system.
    pub setup: Vec<Vec<String>>,
    /// Settings of the container.
    pub options: ContainerOptions,
    /// Variables that are set for all tests, with `$NAME` of the image in their values.
    pub global_env: Vec<(String, String)>,
    /// The exit status.
    pub status: i32,
    /// What stdout matches.
    pub stdout: Vec<Expression>,
    /// What it does not.
    pub stdout_excluded: Vec<Expression>,
    /// What stderr matches.
    pub stderr: Vec<Expression>,
    /// What it does not.
    pub stderr_excluded: Vec<Expression>,
}

/// Which program is started.
#[derive(Clone, Debug)]
pub(crate) enum TestedProgram {
    /// The image's own, with these arguments, or with its `cmd`.
    Entrypoint(Option<Vec<String>>),
    /// Another, with its arguments. `$NAME` and `${NAME}` are variables of the image.
    Other(Vec<String>),
}

impl Default for TestedProgram {
    fn default() -> TestedProgram {
        TestedProgram::Entrypoint(None)
    }
}

/// Settings of a container.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContainerOptions {
    /// Variables. Those that come later win.
    pub env: Vec<(String, String)>,
    /// Variables of this process, whose values must not show in lists of processes.
    pub passed_on: Vec<(String, String)>,
    /// The user.
    pub user: Option<String>,
    /// Whether it has all privileges.
    pub is_privileged: bool,
    /// Capabilities in addition to the default ones.
    pub capabilities: Vec<String>,
    /// Mounts, as `HOST:CONTAINER[:OPTIONS]`.
    pub mounts: Vec<String>,
}

/// What a server must answer.
#[derive(Clone, Debug)]
pub(crate) struct HttpTest {
    /// The program.
    pub program: TestedProgram,
    /// Settings of the container.
    pub options: ContainerOptions,
    /// The request and its answer.
    pub check: HttpCheck,
}

impl TestKind {
    /// Returns whether a program of the image is run.
    pub(crate) fn is_run(&self) -> bool {
        matches!(self, TestKind::Command(_) | TestKind::Http(_))
    }
}

impl Test {
    /// Returns the kind and the name: `command: version`.
    pub(crate) fn title(&self) -> String {
        let kind = match self.kind {
            TestKind::Metadata(_) => return "metadata".to_owned(),
            TestKind::Existence(_) => "file",
            TestKind::Content(_) => "content",
            TestKind::Command(_) => "command",
            TestKind::Http(_) => "http",
        };
        format!("{kind}: {}", self.name)
    }

    /// Returns the test of an entry of the key `test`, which names no files.
    pub(super) fn of_table(test: &ImageTest) -> Test {
        let options = ContainerOptions { env: test.env.clone(), ..ContainerOptions::default() };
        let program = TestedProgram::Entrypoint(test.run.clone());
        let kind = match &test.http {
            Some(check) => TestKind::Http(HttpTest { program, options, check: check.clone() }),
            None => TestKind::Command(Box::new(CommandTest {
                program,
                options,
                status: test.status.unwrap_or_default(),
                stdout: test.stdout.clone(),
                stderr: test.stderr.clone(),
                ..CommandTest::default()
            })),
        };
        let name = test.name.clone().unwrap_or_else(|| match (&test.http, &test.run) {
            (Some(check), _) => format!("{} on {}", check.path, check.port),
            (None, Some(args)) => args.join(" "),
            (None, None) => String::new(),
        });
        Test { name, kind, limit: test.time_limit }
    }
}
