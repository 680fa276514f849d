//! Credential helpers: programs that keep secrets elsewhere (docker-credential-helpers' protocol).
//!
//! They are not trusted with our time, our memory or our words: each has 30 seconds and 64 KiB, and nothing of what it
//! writes is repeated in an error, because that may be a secret.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use miette::{Report, miette};
use serde::Deserialize;
use serde_json::json;

use super::{Credential, Secret};
use crate::environment::Environment;
use crate::error::Result;

/// How long a helper may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How much it may answer.
const MOST_BYTES: usize = 64 << 10;
/// How often it is looked at whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);
/// The user that stands for "the secret is an identity token".
const TOKEN_USER: &str = "<token>";

/// A helper, and who named it.
pub struct Helper<'a> {
    environment: &'a Environment,
    program: String,
    key: &'static str,
    file: PathBuf,
    limit: Duration,
}

/// What `get` answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// How a helper ended, and what it wrote.
struct Ended {
    status: ExitStatus,
    output: Vec<u8>,
}

impl Ended {
    /// Whether it says that it has nothing: it fails then, and these words are how one knows why.
    fn found_nothing(&self) -> bool {
        let says = String::from_utf8_lossy(&self.output).to_ascii_lowercase();
        !self.status.success() && says.contains("credentials not found")
    }
}

impl<'a> Helper<'a> {
    /// The helper that `key` in `file` names; `name` holds no path.
    pub fn new(environment: &'a Environment, name: &str, key: &'static str, file: &Path) -> Helper<'a> {
        let program = format!("docker-credential-{name}");
        Helper { environment, program, key, file: file.to_owned(), limit: LIMIT }
    }

    /// The name of its program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// What it knows of a registry; nothing when it knows nothing.
    ///
    /// # Errors
    /// When it is missing, fails, hangs, or answers what nobody understands.
    pub fn get(&self, registry: &str) -> Result<Option<Credential>> {
        let ended = self.run("get", registry, registry.as_bytes().to_vec())?;
        if ended.found_nothing() {
            return Ok(None);
        }
        self.succeeded(&ended, "get", registry)?;
        let answer: Answer = serde_json::from_slice(&ended.output)
            .map_err(|_| self.failed("get", registry, "answered something that is no credential (it is not shown)"))?;
        Ok(match (answer.username, Secret::new(answer.secret)) {
            (_, secret) if secret.expose().is_empty() => None,
            (user, token) if user == TOKEN_USER => Some(Credential::IdentityToken(token)),
            (user, password) => Some(Credential::Basic { user, password }),
        })
    }

    /// Has it keep a credential.
    ///
    /// # Errors
    /// When it is missing, fails, or hangs.
    pub fn store(&self, registry: &str, user: &str, password: &Secret) -> Result<()> {
        let credential = json!({ "ServerURL": registry, "Username": user, "Secret": password.expose() });
        let ended = self.run("store", registry, credential.to_string().into_bytes())?;
        self.succeeded(&ended, "store", registry)
    }

    /// Has it forget a registry; says whether there was something to forget.
    ///
    /// # Errors
    /// When it is missing, fails, or hangs.
    pub fn erase(&self, registry: &str) -> Result<bool> {
        if self.get(registry)?.is_none() {
            return Ok(false);
        }
        let ended = self.run("erase", registry, registry.as_bytes().to_vec())?;
        if ended.found_nothing() {
            return Ok(false);
        }
        self.succeeded(&ended, "erase", registry)?;
        Ok(true)
    }

    fn succeeded(&self, ended: &Ended, action: &str, registry: &str) -> Result<()> {
        match ended.status.success() {
            true => Ok(()),
            false => Err(self.failed(action, registry, &format!("failed ({})", ended.status))),
        }
    }

    fn failed(&self, action: &str, registry: &str, what: &str) -> Report {
        let (program, key, file) = (&self.program, self.key, self.file.display());
        miette!(
            help = format!(
                "see what it says: `echo {registry} | {program} get`. Without `{key}` in that file it is not asked"
            ),
            "the credential helper {program} {what} when asked to {action} the credentials for {registry}; `{key}` in {file} names it"
        )
    }

    fn run(&self, action: &str, registry: &str, input: Vec<u8>) -> Result<Ended> {
        let Some(path) = self.environment.find_program(&[&self.program]) else {
            let (program, key, file) = (&self.program, self.key, self.file.display());
            return Err(miette!(
                help =
                    format!("install it, or take it out of `{key}` in that file and run `cargo oci login {registry}`"),
                "the credential helper {program} is not on PATH; `{key}` in {file} names it"
            ));
        };
        let mut child = self
            .start(&path, action)
            .map_err(|error| self.failed(action, registry, &format!("({}) does not start: {error}", path.display())))?;
        let output = output_of(&mut child, input);
        let ended = self.wait(&mut child, &output);
        // Whatever came of it, it does not stay.
        let _ = child.kill();
        let _ = child.wait();
        ended.map_err(|what| self.failed(action, registry, &what))
    }

    fn start(&self, path: &Path, action: &str) -> io::Result<Child> {
        let mut command = Command::new(path);
        command.arg(action).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        self.environment.without_credentials(&mut command);
        command.spawn()
    }

    fn wait(&self, child: &mut Child, output: &Receiver<io::Result<Vec<u8>>>) -> Result<Ended, String> {
        let end = Instant::now() + self.limit;
        let silent = || format!("gave no answer within {} seconds", self.limit.as_secs());
        // Its output ends when it does, unless it leaves another program behind that holds on to it.
        let output = output.recv_timeout(self.limit).map_err(|_| silent())?;
        let output = output.map_err(|error| format!("cannot be read: {error}"))?;
        if output.len() > MOST_BYTES {
            return Err(format!("answered more than {} KiB", MOST_BYTES >> 10));
        }
        while Instant::now() < end {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(Ended { status, output }),
                Ok(None) => thread::sleep(PAUSE),
                Err(error) => return Err(format!("cannot be waited for: {error}")),
            }
        }
        Err(silent())
    }
}

/// Gives a program its input and reads its output, neither of which may be waited for here: it may hang.
fn output_of(child: &mut Child, input: Vec<u8>) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it has no need of it.
        thread::spawn(move || stdin.write_all(&input));
    }
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut output = Vec::new();
            let read = stdout.take(MOST_BYTES as u64 + 1).read_to_end(&mut output);
            // Nobody listens any more when it took too long.
            let _ = sender.send(read.map(|_| output));
        });
    }
    receiver
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::tests::Home;
    use super::*;

    /// What a helper with these lines answers for ghcr.io, or the error, in a second.
    fn get(script: &str) -> Result<Option<Credential>, String> {
        let mut home = Home::default();
        home.helper("fake", script);
        let environment = home.environment();
        let limit = Duration::from_secs(1);
        let helper = Helper { limit, ..Helper::new(&environment, "fake", "credsStore", Path::new("/h/config.json")) };
        helper.get("ghcr.io").map_err(|error| format!("{error} help: {}", error.help().expect("help")))
    }

    #[test]
    fn a_helper_is_asked_for_the_registry_and_answers_in_json() {
        let script = r#"read -r x; [ "$1 $x" = "get ghcr.io" ] || [ "$1$x" = getghcr.io ] && echo '{"ServerURL":"x","Username":"u","Secret":"a:b"}'"#;
        let basic = Credential::Basic { user: "u".to_owned(), password: Secret::new("a:b") };
        assert_eq!(get(script), Ok(Some(basic)));
        let token = get(r#"echo '{"Username":"<token>","Secret":"t"}'"#);
        assert_eq!(token, Ok(Some(Credential::IdentityToken(Secret::new("t")))));
    }

    #[test]
    fn a_helper_that_knows_nothing_is_no_error() {
        assert_eq!(get("echo credentials not found in native keychain; exit 1"), Ok(None));
        assert_eq!(get(r#"echo '{"Username":"","Secret":""}'"#), Ok(None));
    }

    #[test]
    fn the_input_ends_behind_the_registry() {
        let script = r#"[ "$(cat)" = ghcr.io ] && echo '{"Username":"u","Secret":"s"}'"#;
        assert!(get(script).is_ok_and(|found| found.is_some()));
    }

    #[test]
    fn our_own_variables_do_not_reach_it() {
        let script = r#"env | grep -q CARGO_OCI_REGISTRY && exit 1; echo '{"Username":"u","Secret":"s"}'"#;
        assert!(get(script).is_ok());
    }

    #[test]
    fn what_goes_wrong_is_told_without_a_word_of_its_output() {
        let named = "`credsStore` in /h/config.json names it";
        for (script, says) in [
            ("echo sesame", "docker-credential-fake answered something that is no credential (it is not shown)"),
            ("echo '{\"Secret\":\"sesame\"}'", "answered something that is no credential"),
            ("echo sesame; echo sesame >&2; exit 3", "failed (exit status: 3)"),
            ("kill -9 $$", "failed (signal: 9"),
            ("head -c 70000 /dev/zero", "answered more than 64 KiB"),
            ("yes sesame 2>&-", "answered more than 64 KiB"),
            ("echo sesame; exec sleep 60", "gave no answer within 1 seconds"),
            (
                "echo '{\"Username\":\"u\",\"Secret\":\"sesame\"}'; exec >&-; sleep 60",
                "gave no answer within 1 seconds",
            ),
        ] {
            let start = Instant::now();
            let error = get(script).expect_err(script);
            assert!(start.elapsed() < Duration::from_secs(10), "{script}");
            assert!(error.contains(says) && error.contains(named), "{says:?} is not in {error}");
            assert!(!error.contains("sesame"), "{error}");
            assert!(error.contains("help: see what it says: `echo ghcr.io | docker-credential-fake get`"), "{error}");
        }
    }

    #[test]
    fn a_helper_that_is_missing_or_cannot_start_is_named() {
        let home = Home::default();
        let environment = [("PATH", home.path("bin").display().to_string())].into_iter().collect();
        let helper = Helper::new(&environment, "nope", "credHelpers", Path::new("/h/config.json"));
        let says = helper.get("ghcr.io").expect_err("it is missing").to_string();
        assert_eq!(
            says,
            "the credential helper docker-credential-nope is not on PATH; `credHelpers` in /h/config.json names it"
        );
        home.write("bin/docker-credential-nope", "not a program");
        let says = helper.get("ghcr.io").expect_err("it is no program").to_string();
        assert!(says.contains("does not start: Permission denied"), "{says}");
    }
}
