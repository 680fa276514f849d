//! Facts about the git commit that a package is built from. All are optional: a package without git builds, too.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use crate::environment::Environment;
use crate::interrupt::{self, blocking};

/// The commit that is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The full hash, in hex.
    pub sha: String,
    /// The committer date, in seconds since 1970.
    pub time: i64,
    /// Whether tracked files differ from the commit, or it does not have the package.
    pub dirty: bool,
}

/// Why there is no commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoCommit {
    /// Git is not installed.
    #[error("there is no `git` on PATH")]
    NoGit,
    /// The folder is in no work tree, as git says.
    #[error("{0}")]
    NoWorkTree(String),
    /// The repository belongs to another user. The command trusts it.
    #[error("the repository belongs to another user")]
    Untrusted {
        /// The command that git proposes.
        command: String,
    },
    /// The repository ignores the folder: the package is not a part of it.
    #[error("the repository ignores the package")]
    Ignored,
    /// Nothing was committed yet.
    #[error("the repository has no commits")]
    NoCommits,
    /// Git fails otherwise, with this message.
    #[error("{0}")]
    Failed(String),
}

/// Variables that name a repository or a part of one. Git sets them for its hooks: there, they name the repository of the
/// hook, and not the one around the package. Those with settings, such as `safe.directory`, stay.
const LOCATION_VARIABLES: [&str; 17] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Returns the commit that is checked out in the work tree around the folder of a package, as `cargo package` finds it: a
/// package that git ignores is not a part of the repository.
///
/// # Errors
/// Returns why there is none.
pub(crate) fn commit(folder: &Path, environment: &Environment) -> Result<Commit, NoCommit> {
    // The commands do not depend on each other: run them at the same time.
    let log = spawn(folder, environment, &["log", "-1", "--no-show-signature", "--format=%H %ct"]);
    let status = spawn(folder, environment, &["status", "--porcelain", "--untracked-files=no", "--ignore-submodules"]);
    let package = spawn(
        folder,
        environment,
        &["status", "--porcelain", "--ignored", "--untracked-files=normal", "--", "Cargo.toml"],
    );
    let [log, status, package] = [log, status, package].map(|child| output(&mut child?));
    let found = log.as_deref().and_then(|log| {
        let (sha, time) = log.trim().split_once(' ')?;
        Some((sha.to_owned(), time.parse().ok()?))
    });
    let (Some((sha, time)), Some(status), Some(package)) = (found, status, package) else {
        return Err(why(folder, environment));
    };
    match package.get(..2) {
        Some("!!") => Err(NoCommit::Ignored),
        untracked => Ok(Commit { sha, time, dirty: untracked == Some("??") || !status.trim().is_empty() }),
    }
}

/// Returns why the commit of a folder cannot be read.
fn why(folder: &Path, environment: &Environment) -> NoCommit {
    match run(folder, environment, &["rev-parse", "--is-inside-work-tree"]) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return NoCommit::NoGit,
        Err(error) => return NoCommit::Failed(format!("cannot run git: {error}")),
        Ok(output) if !output.status.success() => {
            return match proposed(&output) {
                Some(command) => NoCommit::Untrusted { command },
                None => NoCommit::NoWorkTree(message(&output)),
            };
        }
        Ok(output) if output.stdout.trim_ascii() != b"true" => {
            return NoCommit::NoWorkTree("it is in a repository without a work tree".to_owned());
        }
        Ok(_) => {}
    }
    if first_line(folder, environment, &["rev-parse", "--verify", "--quiet", "HEAD"]).is_none() {
        return NoCommit::NoCommits;
    }
    let failed = [&["log", "-1", "--format=%H"][..], &["status", "--porcelain", "--untracked-files=no"]]
        .into_iter()
        .find_map(|args| run(folder, environment, args).ok().filter(|output| !output.status.success()));
    NoCommit::Failed(failed.map_or_else(|| "git failed".to_owned(), |output| message(&output)))
}

/// Returns the command that git proposes for the repository of another user. It is the only message with one.
fn proposed(output: &Output) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("git config --global --add safe.directory ")).map(str::to_owned)
}

/// Returns the first line of what git says about a failure. It may print more, such as a trace.
fn message(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let fatal = text.lines().find_map(|line| line.strip_prefix("fatal: "));
    fatal.or(text.lines().next()).unwrap_or("git failed").to_owned()
}

/// Returns the branch that is checked out, or `None` if HEAD is detached.
pub(crate) fn branch(folder: &Path, environment: &Environment) -> Option<String> {
    first_line(folder, environment, &["symbolic-ref", "--quiet", "--short", "HEAD"])
}

/// Returns the tag of the commit that is checked out. Of several tags, the highest version is returned.
pub(crate) fn tag(folder: &Path, environment: &Environment) -> Option<String> {
    first_line(folder, environment, &["tag", "--points-at", "HEAD", "--sort=-version:refname"])
}

/// Returns the path of `folder` in the work tree around it; empty if it is the root of one, or in none.
pub(crate) fn prefix(folder: &Path, environment: &Environment) -> PathBuf {
    // Without the slash at its end.
    let prefix = first_line(folder, environment, &["rev-parse", "--show-prefix"]);
    prefix.map(|prefix| prefix.trim_end_matches('/').into()).unwrap_or_default()
}

/// Returns the URL of the remote `origin`.
pub(crate) fn remote(folder: &Path, environment: &Environment) -> Option<String> {
    first_line(folder, environment, &["config", "--get", "remote.origin.url"])
}

/// Returns the default branch: that of the remote `origin`, else `main` or `master` if there is one, else the one that is
/// checked out.
pub(crate) fn default_branch(folder: &Path, environment: &Environment) -> Option<String> {
    let of_origin = ["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"];
    if let Some(branch) = first_line(folder, environment, &of_origin) {
        return Some(branch.strip_prefix("origin/").unwrap_or(&branch).to_owned());
    }
    let usual = ["main", "master"].into_iter().find(|branch| {
        let name = format!("refs/heads/{branch}");
        first_line(folder, environment, &["rev-parse", "--verify", "--quiet", &name]).is_some()
    });
    usual.map(str::to_owned).or_else(|| branch(folder, environment))
}

/// Returns whether the repository around `folder` is a shallow clone.
pub(crate) fn is_shallow(folder: &Path, environment: &Environment) -> bool {
    first_line(folder, environment, &["rev-parse", "--is-shallow-repository"]).is_some_and(|line| line == "true")
}

/// Returns those of `paths` that git ignores and does not track, or `None` if `folder` is in no work tree.
pub(crate) fn ignored(folder: &Path, environment: &Environment, paths: &BTreeSet<String>) -> Option<HashSet<String>> {
    let mut git = command(folder, environment, &["check-ignore", "--stdin", "-z"]);
    let mut child = git.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut input = child.stdin.take()?;
    let (read, status) = thread::scope(|scope| {
        // Git may answer before it has read all.
        scope.spawn(move || paths.iter().try_for_each(|path| write!(input, "{path}\0")));
        let mut text = String::new();
        let _relay = interrupt::relay(child.id());
        let read = child.stdout.as_mut().map(|stdout| stdout.read_to_string(&mut text));
        (read.is_some_and(|read| read.is_ok()).then_some(text), child.wait())
    });
    // 1 is for no such path; with other numbers, git fails.
    status.ok()?.code().filter(|code| [0, 1].contains(code))?;
    Some(read?.split_terminator('\0').map(str::to_owned).collect())
}

fn first_line(folder: &Path, environment: &Environment, args: &[&str]) -> Option<String> {
    let output = output(&mut spawn(folder, environment, args)?)?;
    output.lines().next().map(str::to_owned).filter(|line| !line.is_empty())
}

fn spawn(folder: &Path, environment: &Environment, args: &[&str]) -> Option<Child> {
    command(folder, environment, args).stderr(Stdio::null()).spawn().ok()
}

fn run(folder: &Path, environment: &Environment, args: &[&str]) -> io::Result<Output> {
    blocking::output(command(folder, environment, args).stderr(Stdio::piped()))
}

fn command(folder: &Path, environment: &Environment, args: &[&str]) -> Command {
    // A repository may name programs that git runs.
    let mut git = environment.command("git");
    for variable in LOCATION_VARIABLES {
        git.env_remove(variable);
    }
    // The commands only read: take no locks. Messages are quoted in messages of ours.
    git.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C").arg("-C").arg(folder).args(args);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_locations_are_those_that_git_lists() {
        let listed = Command::new("git").args(["rev-parse", "--local-env-vars"]).output().expect("git");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains("GIT_DIR"), "{listed}");
        // They carry settings of the user.
        let kept = ["GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"];
        for variable in listed.lines().filter(|variable| !kept.contains(variable)) {
            assert!(LOCATION_VARIABLES.contains(&variable), "{variable}");
        }
    }
}
