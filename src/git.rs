//! Facts about the git commit that a package is built from. All are optional: a package without git builds, too.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::interrupt::{self, blocking};

/// The commit that is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The full hash, in hex.
    pub sha: String,
    /// The committer date, in seconds since 1970.
    pub time: i64,
    /// Whether tracked files differ from the commit.
    pub dirty: bool,
}

/// Returns the commit that is checked out in the repository around `folder`, or `None` without git, a repository or a
/// commit.
pub(crate) fn commit(folder: &Path) -> Option<Commit> {
    let mut log = spawn(folder, &["log", "-1", "--no-show-signature", "--format=%H %ct"])?;
    // The two commands do not depend on each other: run them at the same time.
    let mut status = spawn(folder, &["status", "--porcelain", "--untracked-files=no", "--ignore-submodules"])?;
    let (log, status) = (output(&mut log), output(&mut status));
    let (sha, time) = log.as_deref()?.trim().split_once(' ').map(|(sha, time)| (sha.to_owned(), time.parse()))?;
    Some(Commit { sha, time: time.ok()?, dirty: status.is_some_and(|changes| !changes.trim().is_empty()) })
}

/// Returns the branch that is checked out, or `None` if HEAD is detached.
pub(crate) fn branch(folder: &Path) -> Option<String> {
    first_line(folder, &["symbolic-ref", "--quiet", "--short", "HEAD"])
}

/// Returns the tag of the commit that is checked out. Of several tags, the highest version is returned.
pub(crate) fn tag(folder: &Path) -> Option<String> {
    first_line(folder, &["tag", "--points-at", "HEAD", "--sort=-version:refname"])
}

/// Checks that git can read a repository around `folder`.
///
/// # Errors
/// Returns git's message if it cannot, or why git cannot be run.
pub(crate) fn check(folder: &Path) -> Result<(), String> {
    let output = blocking::output(command(folder, &["rev-parse", "--git-dir"]).stderr(Stdio::piped()));
    let output = output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no `git` on PATH".to_owned(),
        _ => format!("cannot run git: {error}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("fatal: ").to_owned())
}

/// Returns whether the repository around `folder` is a shallow clone.
pub(crate) fn is_shallow(folder: &Path) -> bool {
    first_line(folder, &["rev-parse", "--is-shallow-repository"]).is_some_and(|line| line == "true")
}

fn first_line(folder: &Path, args: &[&str]) -> Option<String> {
    let output = output(&mut spawn(folder, args)?)?;
    output.lines().next().map(str::to_owned).filter(|line| !line.is_empty())
}

fn spawn(folder: &Path, args: &[&str]) -> Option<Child> {
    command(folder, args).stderr(Stdio::null()).spawn().ok()
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut git = Command::new("git");
    // The commands only read: take no locks.
    git.env("GIT_OPTIONAL_LOCKS", "0").arg("-C").arg(folder).args(args);
    git.stdin(Stdio::null()).stdout(Stdio::piped());
    git
}

fn output(child: &mut Child) -> Option<String> {
    let _relay = interrupt::relay(child.id());
    let mut text = String::new();
    let read = child.stdout.as_mut()?.read_to_string(&mut text);
    let status = child.wait().ok()?;
    (read.is_ok() && status.success()).then_some(text)
}
