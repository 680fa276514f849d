//! What the program says, kept as text to be reviewed: one file of `tests/snapshots` for each area, with every call and
//! the words that it ends with.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test snapshots` writes the files anew, and `git diff` shows which words changed. A
//! file that is not there is a failure like any other.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::Ran;
use super::project::{Call, Project};

/// What begins the title of a case.
const TITLE: &str = "=== ";

/// The words of an area.
pub struct Snapshot {
    file: PathBuf,
    text: String,
    /// What is written in another way, because it differs by run.
    variable: Vec<(String, String)>,
    /// Whether a call may get as far as to compile, and to write a layout.
    builds: bool,
    /// What no snapshot excuses.
    problems: Vec<String>,
}

impl Snapshot {
    /// Those that are kept in `tests/snapshots/AREA.txt`.
    pub fn of(area: &str) -> Snapshot {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
        let file = folder.join(format!("{area}.txt"));
        Snapshot { file, text: String::new(), variable: Vec::new(), builds: false, problems: Vec::new() }
    }

    /// What goes wrong here does so after something was built.
    pub fn after_building(self) -> Snapshot {
        Snapshot { builds: true, ..self }
    }

    /// From now on what goes wrong is found while cargo runs, or before that again.
    pub fn beside_cargo(&mut self, is_beside: bool) {
        self.builds = is_beside;
    }

    /// From now on `what` is written as `name`.
    pub fn writing(&mut self, what: impl ToString, name: &str) {
        self.variable.push((what.to_string(), name.to_owned()));
    }

    /// `cargo oci ARGS` in a project, which fails with status 1.
    pub fn error(&mut self, title: &str, project: &Project, args: &[&str]) {
        self.call(title, project, args, project.oci(args), 1);
    }

    /// `cargo oci ARGS` in a project, which fails with status 2.
    pub fn misuse(&mut self, title: &str, project: &Project, args: &[&str]) {
        self.call(title, project, args, project.oci(args), 2);
    }

    /// A call of `cargo oci ARGS` in a project, made in a way of its own, which fails with `status`.
    pub fn call(&mut self, title: &str, project: &Project, args: &[&str], call: Call, status: i32) {
        let ran = Call::ran(&mut call.env("NO_COLOR", "1").direct());
        if !self.builds && project.path("target").exists() {
            self.problems.push(format!("!!! {title}\nsomething was compiled or written\n"));
        }
        let root = project.root().display().to_string();
        self.ran(title, args, Ran { stderr: ran.stderr.replace(&root, "ROOT"), ..ran }, status);
    }

    /// What came of `cargo oci ARGS`, which must have failed with `status`.
    pub fn ran(&mut self, title: &str, args: &[&str], ran: Ran, status: i32) {
        let words = self.stable(last_words(&ran.stderr)).trim_end().to_owned();
        if ran.status != status || !ran.stdout.is_empty() || !is_telling(&words, status) {
            self.problems.push(format!("!!! {title} (status {})\n{}{}\n", ran.status, ran.stdout, ran.stderr));
        }
        let args: Vec<_> = args.iter().map(|arg| quoted(&self.stable(arg))).collect();
        self.text.push_str(&format!("{TITLE}{title}\n$ cargo oci {}\n{words}\n\n", args.join(" ")));
    }

    /// What `cargo oci ARGS` said in a project, to a test that makes the call itself: it failed with status 1.
    pub fn heard(&mut self, title: &str, project: &Project, args: &[&str], words: &str) {
        let root = project.root().display().to_string();
        let ran = Ran { stdout: String::new(), stderr: words.replace(&root, "ROOT"), status: 1 };
        self.ran(title, args, ran, 1);
    }

    /// Without what differs by run: ports, digests, and what [`Snapshot::writing`] names.
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
                // Nobody listens there, and nobody is told so by a name.
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
                    // The first of a case is aaaa…, the next is bbbb….
                    let letter = char::from(b'a' + u8::try_from(at).expect("a few digests"));
                    if digest.len() == 64 { letter.to_string().repeat(4) + "…" } else { digest.to_owned() }
                },
            )
        };
        let words = digests("sha256:", &words);
        digests("sha256/", &words)
    }

    /// Compares all that was said with what is kept.
    ///
    /// # Panics
    /// Where it is not the same, with the cases that are not.
    #[track_caller]
    pub fn check(self) {
        let text = format!("{}\n", self.text.trim_end());
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

/// What is said from the first warning or error on: before it stands what was done.
fn last_words(words: &str) -> &str {
    let begins = |line: &&str| line.starts_with("error") || line.starts_with("warning");
    let first = words.lines().find(begins).and_then(|line| words.find(line));
    &words[first.unwrap_or_default()..]
}

/// Whether an error says once what is wrong, once how to mend it, and nothing of this machine.
fn is_telling(words: &str, status: i32) -> bool {
    let lines = |begin: &str| words.lines().filter(|line| line.starts_with(begin)).count();
    let is_whole = match status {
        2 => lines("error: ") == 1 && words.contains("try '--help'"),
        1 => lines("error: ") == 1 && lines("help: ") == 1,
        // Another program has said it.
        _ => true,
    };
    is_whole && !words.contains("/.new-") && !words.contains("/tmp/") && !words.contains(env!("CARGO_MANIFEST_DIR"))
}

/// The text with what follows `begin`, as long as `is_part`, in another way.
fn replace(text: &str, begin: &str, is_part: fn(char) -> bool, mut other: impl FnMut(&str) -> String) -> String {
    let mut parts = text.split(begin);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c| !is_part(c)).unwrap_or(part.len());
        replaced.push_str(&format!("{begin}{}{}", other(&part[..end]), &part[end..]));
    }
    replaced
}

/// As a shell reads it.
fn quoted(arg: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c) || c == '…';
    match !arg.is_empty() && arg.chars().all(is_plain) {
        true => arg.to_owned(),
        false => format!("'{}'", arg.escape_debug().to_string().replace("\\\"", "\"")),
    }
}

fn cases(text: &str) -> Vec<&str> {
    text.split(TITLE).map(str::trim_end).filter(|case| !case.is_empty()).collect()
}
