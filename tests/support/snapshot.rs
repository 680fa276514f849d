//! Snapshots of error messages: one file in `tests/snapshots` for each area, with every call and
//! its last words.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test it snapshots` writes the files again, and `git diff` shows what changed. A
//! missing file is a failure like any other.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use super::process::Ran;
use super::project::{Call, Project};

/// The prefix of a case's title.
const TITLE: &str = "=== ";

/// A call that was made, or is being made.
enum Case {
    Done(String),
    Running { title: String, args: Vec<String>, status: i32, call: JoinHandle<Ran> },
}

/// The snapshot of an area.
pub struct Snapshot {
    file: PathBuf,
    cases: Vec<Case>,
    /// Text that differs in each run, and its placeholder.
    variable: Vec<(String, String)>,
    /// Whether a call may compile and write a layout.
    builds: bool,
    /// Messages that are wrong whatever the snapshot says.
    problems: Vec<String>,
}

impl Snapshot {
    /// Creates the snapshot that `tests/snapshots/AREA.txt` must equal.
    pub fn of(area: &str) -> Snapshot {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
        let file = folder.join(format!("{area}.txt"));
        Snapshot { file, cases: Vec::new(), variable: Vec::new(), builds: false, problems: Vec::new() }
    }

    /// Allows calls to compile and to write layouts.
    pub fn after_building(self) -> Snapshot {
        Snapshot { builds: true, ..self }
    }

    /// Sets whether the next calls may fail while cargo runs.
    pub fn beside_cargo(&mut self, is_beside: bool) {
        self.builds = is_beside;
    }

    /// Writes `what` as `name` from now on.
    pub fn writing(&mut self, what: &(impl ToString + ?Sized), name: &str) {
        self.variable.push((what.to_string(), name.to_owned()));
    }

    /// Adds a call of `cargo oci ARGS` in a project, which must fail with status 1.
    pub fn error(&mut self, title: &str, project: &Project, args: &[&str]) {
        self.call(title, project, args, project.oci(args), 1);
    }

    /// Adds a call of `cargo oci ARGS` in a project, which must fail with status 2.
    pub fn misuse(&mut self, title: &str, project: &Project, args: &[&str]) {
        self.call(title, project, args, project.oci(args), 2);
    }

    /// Adds a prepared call of `cargo oci ARGS` in a project, which must fail with `status`.
    pub fn call(&mut self, title: &str, project: &Project, args: &[&str], call: Call, status: i32) {
        let ran = Call::ran(&mut call.env("NO_COLOR", "1").direct());
        if !self.builds && project.path("target").exists() {
            self.problems.push(format!("!!! {title}\nsomething was compiled or written\n"));
        }
        let root = project.root().display().to_string();
        self.ran(title, args, &Ran { stderr: ran.stderr.replace(&root, "ROOT"), ..ran }, status);
    }

    /// Like [`Snapshot::error`], but in the background: for a call that waits for seconds. The project must stay as it is.
    pub fn error_later(&mut self, title: &str, project: &Project, args: &[&str]) {
        let mut command = project.oci(args).env("NO_COLOR", "1").direct();
        let root = project.root().display().to_string();
        self.later(title, args, 1, move || {
            let ran = Call::ran(&mut command);
            Ran { stderr: ran.stderr.replace(&root, "ROOT"), ..ran }
        });
    }

    /// Makes a call in the background, which must fail with `status`.
    pub fn later(&mut self, title: &str, args: &[&str], status: i32, call: impl FnOnce() -> Ran + Send + 'static) {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self.cases.push(Case::Running { title: title.to_owned(), args, status, call: thread::spawn(call) });
    }

    /// Adds the output of `cargo oci ARGS`, which must have failed with `status`.
    pub fn ran(&mut self, title: &str, args: &[&str], ran: &Ran, status: i32) {
        let case = self.case(title, args, ran, status);
        self.cases.push(Case::Done(case));
    }

    fn case(&mut self, title: &str, args: &[&str], ran: &Ran, status: i32) -> String {
        let words = self.stable(last_words(&ran.stderr)).trim_end().to_owned();
        if ran.status != status || !ran.stdout.is_empty() || !is_telling(&words, status) {
            self.problems.push(format!("!!! {title} (status {})\n{}{}\n", ran.status, ran.stdout, ran.stderr));
        }
        let args: Vec<_> = args.iter().map(|arg| quoted(&self.stable(arg))).collect();
        format!("{TITLE}{title}\n$ cargo oci {}\n{words}\n\n", args.join(" "))
    }

    /// Adds what `cargo oci ARGS` printed in a project, for a test that makes the call itself.
    pub fn heard(&mut self, title: &str, project: &Project, args: &[&str], words: &str) {
        let root = project.root().display().to_string();
        let ran = Ran { stdout: String::new(), stderr: words.replace(&root, "ROOT"), status: 1 };
        self.ran(title, args, &ran, 1);
    }

    /// Replaces what differs in each run: ports, digests, and the text of [`Snapshot::writing`].
    fn stable(&self, words: &str) -> String {
        let mut words = words.to_owned();
        for (what, name) in &self.variable {
            words = words.replace(what, name);
        }
        let words = replace(
            &words,
            "127.0.0.1:",
            |c| c.is_ascii_digit(),
            |port| match port {
                // The discard port, where nothing listens, is the same in each run.
                "9" => port.to_owned(),
                _ => "PORT".to_owned(),
            },
        );
        let mut seen = Vec::new();
        // A blob's file has its digest for a name.
        let mut digests = |begin: &str, words: &str| {
            replace(
                words,
                begin,
                |c| c.is_ascii_hexdigit(),
                |digest| {
                    let at = seen.iter().position(|other| other == digest).unwrap_or_else(|| {
                        seen.push(digest.to_owned());
                        seen.len() - 1
                    });
                    // The first digest of a case becomes aaaa…, the next bbbb….
                    let letter = char::from(b'a' + u8::try_from(at).expect("a few digests"));
                    if digest.len() == 64 { letter.to_string().repeat(4) + "…" } else { digest.to_owned() }
                },
            )
        };
        let words = digests("sha256:", &words);
        digests("sha256/", &words)
    }

    /// Compares all cases with the snapshot file.
    ///
    /// # Panics
    /// Panics if they differ, and shows the cases that do.
    #[track_caller]
    pub fn check(mut self) {
        let written = std::mem::take(&mut self.cases).into_iter().map(|case| match case {
            Case::Done(text) => text,
            Case::Running { title, args, status, call } => {
                let args: Vec<_> = args.iter().map(String::as_str).collect();
                self.case(&title, &args, &call.join().expect("a call is made"), status)
            }
        });
        let text = format!("{}\n", written.collect::<String>().trim_end());
        let name = self.file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&self.file).display();
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::create_dir_all(self.file.parent().expect("a folder")).expect("a folder");
            fs::write(&self.file, &text).expect("a snapshot is written");
        }
        assert!(self.problems.is_empty(), "errors that do not say enough, or too much:\n{}", self.problems.concat());
        let kept = fs::read_to_string(&self.file).unwrap_or_default().replace("\r\n", "\n");
        if kept == text {
            return;
        }
        let (before, after) = (cases(&kept), cases(&text));
        let gone = before.iter().filter(|case| !after.contains(case)).map(|case| format!("--- kept\n{case}\n"));
        let new = after.iter().filter(|case| !before.contains(case)).map(|case| format!("+++ said\n{case}\n"));
        let changed: String = gone.chain(new).collect();
        panic!("{name} is not what is said; UPDATE_SNAPSHOTS=1 writes it anew.\n{changed}");
    }
}

/// Returns the output from the first warning or error on, without the progress before it.
fn last_words(words: &str) -> &str {
    let begins = |line: &&str| line.starts_with("error") || line.starts_with("warning");
    let first = words.lines().find(begins).and_then(|line| words.find(line));
    &words[first.unwrap_or_default()..]
}

/// Returns whether an error has one message, one help line, and no path of this machine.
fn is_telling(words: &str, status: i32) -> bool {
    let lines = |begin: &str| words.lines().filter(|line| line.starts_with(begin)).count();
    let is_whole = match status {
        2 => lines("error: ") == 1 && words.contains("try '--help'"),
        1 => lines("error: ") == 1 && lines("help: ") == 1,
        // Another program printed it.
        _ => true,
    };
    is_whole
        && !words.contains("/.cargo-oci-new-")
        && !words.contains("/tmp/")
        && !words.contains(env!("CARGO_MANIFEST_DIR"))
}

/// Replaces what follows `begin`, as long as it `is_part`.
fn replace(text: &str, begin: &str, is_part: fn(char) -> bool, mut other: impl FnMut(&str) -> String) -> String {
    let mut parts = text.split(begin);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c| !is_part(c)).unwrap_or(part.len());
        replaced.push_str(&format!("{begin}{}{}", other(&part[..end]), &part[end..]));
    }
    replaced
}

/// Quotes an argument for a shell.
fn quoted(arg: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c) || c == '…';
    if !arg.is_empty() && arg.chars().all(is_plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.escape_debug().to_string().replace("\\\"", "\""))
    }
}

fn cases(text: &str) -> Vec<&str> {
    text.split(TITLE).map(str::trim_end).filter(|case| !case.is_empty()).collect()
}
