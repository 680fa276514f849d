//! Facts of the git commit a package is built from. All are optional: a package without git builds as well.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The commit that is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The full hash, in hex.
    pub sha: String,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
    /// Whether tracked files differ from it.
    pub dirty: bool,
}

/// The commit checked out in the repository around `folder`; nothing where there is no git, no repository or no commit.
pub fn commit(folder: &Path) -> Option<Commit> {
    let mut log = git(folder, &["log", "-1", "--no-show-signature", "--format=%H %ct"])?;
    // The two questions do not depend on each other: git answers both at once.
    let mut status = git(folder, &["status", "--porcelain", "--untracked-files=no", "--ignore-submodules"])?;
    let (log, status) = (answer(&mut log), answer(&mut status));
    let (sha, time) = log.as_deref()?.trim().split_once(' ').map(|(sha, time)| (sha.to_owned(), time.parse()))?;
    Some(Commit { sha, time: time.ok()?, dirty: status.is_some_and(|changes| !changes.trim().is_empty()) })
}

/// The branch that is checked out; nothing where there is none, as for a commit that is checked out by itself.
pub fn branch(folder: &Path) -> Option<String> {
    first_line(folder, &["symbolic-ref", "--quiet", "--short", "HEAD"])
}

/// The tag of the commit that is checked out; of several, the highest version.
pub fn tag(folder: &Path) -> Option<String> {
    first_line(folder, &["tag", "--points-at", "HEAD", "--sort=-version:refname"])
}

/// Whether `folder` is in a repository that git reads.
///
/// # Errors
/// Why it does not, in git's own words where there is a git.
pub fn check(folder: &Path) -> Result<(), String> {
    let asked = question(folder, &["rev-parse", "--git-dir"]).stderr(Stdio::piped()).output();
    let answer = asked.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no `git` on PATH".to_owned(),
        _ => format!("git cannot be run: {error}"),
    })?;
    let words = String::from_utf8_lossy(&answer.stderr);
    match answer.status.success() {
        true => Ok(()),
        false => Err(words.trim().trim_start_matches("fatal: ").to_owned()),
    }
}

/// Whether only a part of the repository around `folder` is here.
pub fn is_shallow(folder: &Path) -> bool {
    first_line(folder, &["rev-parse", "--is-shallow-repository"]).is_some_and(|answer| answer == "true")
}

fn first_line(folder: &Path, args: &[&str]) -> Option<String> {
    let answer = answer(&mut git(folder, args)?)?;
    answer.lines().next().map(str::to_owned).filter(|line| !line.is_empty())
}

fn git(folder: &Path, args: &[&str]) -> Option<Child> {
    question(folder, args).stderr(Stdio::null()).spawn().ok()
}

fn question(folder: &Path, args: &[&str]) -> Command {
    let mut git = Command::new("git");
    // A read-only question: take no locks, ask nobody for a password.
    git.env("GIT_OPTIONAL_LOCKS", "0").arg("-C").arg(folder).args(args);
    git.stdin(Stdio::null()).stdout(Stdio::piped());
    git
}

fn answer(child: &mut Child) -> Option<String> {
    let mut text = String::new();
    let read = std::io::Read::read_to_string(child.stdout.as_mut()?, &mut text);
    let status = child.wait().ok()?;
    (read.is_ok() && status.success()).then_some(text)
}
