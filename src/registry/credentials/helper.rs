//! Credential helpers: programs that store secrets elsewhere (docker-credential-helpers' protocol).
//!
//! Each run is limited to 30 seconds and 64 KiB of output. Errors never repeat the output: it may contain a secret.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use miette::{Report, miette};
use serde::Deserialize;
use serde_json::json;

use super::credential::Credential;
use crate::environment::Environment;
use crate::error::Result;
use crate::interrupt;
use crate::interrupt::blocking::wait_for;
use crate::secret::Secret;

/// The time limit of a helper.
const LIMIT: Duration = Duration::from_secs(30);
/// The limit of its output.
const MOST_BYTES: usize = 64 << 10;
/// The pause between two checks whether the user has interrupted.
const PAUSE: Duration = Duration::from_millis(50);
/// The user name that marks the secret as an identity token.
const TOKEN_USER: &str = "<token>";

/// A helper, and where it is configured.
pub(crate) struct Helper<'a> {
    environment: &'a Environment,
    program: String,
    key: &'static str,
    file: PathBuf,
    limit: Duration,
}

/// The output of `get`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperOutput {
    username: String,
    secret: String,
}

/// The exit status and the output of a helper.
struct HelperExit {
    status: ExitStatus,
    output: Vec<u8>,
}

impl HelperExit {
    /// Returns whether the helper has no credentials: the protocol knows only this message for it.
    fn is_not_found(&self) -> bool {
        let output = String::from_utf8_lossy(&self.output).to_ascii_lowercase();
        !self.status.success() && output.contains("credentials not found")
    }
}

impl<'a> Helper<'a> {
    /// Creates the helper that `key` in `file` configures. `name` must not be a path.
    pub(crate) fn new(environment: &'a Environment, name: &str, key: &'static str, file: &Path) -> Helper<'a> {
        let program = format!("docker-credential-{name}");
        Helper { environment, program, key, file: file.to_owned(), limit: LIMIT }
    }

    /// Returns the name of its program.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// Returns the credential for a registry, or `None` if it has none.
    ///
    /// # Errors
    /// Returns an error if the helper is missing, fails, hangs, or writes invalid output.
    pub(crate) fn get(&self, registry: &str) -> Result<Option<Credential>> {
        let ended = self.run("get", registry, registry.as_bytes().to_vec())?;
        if ended.is_not_found() {
            return Ok(None);
        }
        self.succeeded(&ended, "get", registry)?;
        let answer: HelperOutput = serde_json::from_slice(&ended.output)
            .map_err(|_| self.failed("get", registry, "returned invalid output (not shown)"))?;
        Ok(match (answer.username, Secret::new(answer.secret)) {
            (_, secret) if secret.expose().is_empty() => None,
            (user, token) if user == TOKEN_USER => Some(Credential::IdentityToken(token)),
            (user, password) => Some(Credential::Basic { user, password }),
        })
    }

    /// Stores a credential.
    ///
    /// # Errors
    /// Returns an error if the helper is missing, fails, or hangs.
    pub(crate) fn store(&self, registry: &str, user: &str, password: &Secret) -> Result<()> {
        let credential = json!({ "ServerURL": registry, "Username": user, "Secret": password.expose() });
        let ended = self.run("store", registry, credential.to_string().into_bytes())?;
        self.succeeded(&ended, "store", registry)
    }

    /// Erases the credential for a registry. Returns whether there was one.
    ///
    /// # Errors
    /// Returns an error if the helper is missing, fails, or hangs.
    pub(crate) fn erase(&self, registry: &str) -> Result<bool> {
        if self.get(registry)?.is_none() {
            return Ok(false);
        }
        let ended = self.run("erase", registry, registry.as_bytes().to_vec())?;
        if ended.is_not_found() {
            return Ok(false);
        }
        self.succeeded(&ended, "erase", registry)?;
        Ok(true)
    }

    fn succeeded(&self, ended: &HelperExit, action: &str, registry: &str) -> Result<()> {
        if !ended.status.success() {
            return Err(self.failed(action, registry, &format!("failed ({})", ended.status)));
        }
        Ok(())
    }

    fn failed(&self, action: &str, registry: &str, what: &str) -> Report {
        let (program, key, file) = (&self.program, self.key, self.file.display());
        miette!(
            help =
                format!("run it yourself: `echo {registry} | {program} get`; or remove it from `{key}` in that file"),
            "credential helper {program} {what} on `{action}` for {registry}; `{key}` in {file} configures it"
        )
    }

    fn run(&self, action: &str, registry: &str, input: Vec<u8>) -> Result<HelperExit> {
        let Some(path) = self.environment.find_program(&[&self.program]) else {
            let (program, key, file) = (&self.program, self.key, self.file.display());
            return Err(miette!(
                help =
                    format!("install it, or remove it from `{key}` in that file and run `cargo oci login {registry}`"),
                "credential helper {program} is not on PATH; `{key}` in {file} configures it"
            ));
        };
        let mut child = self.start(&path, action).map_err(|error| {
            self.failed(action, registry, &format!("({}) cannot be started: {error}", path.display()))
        })?;
        let output = output_of(&mut child, input);
        let ended = self.wait(&mut child, &output);
        // It must not outlive this call.
        let _ = child.kill();
        let _ = child.wait();
        ended.map_err(|what| self.failed(action, registry, &what))
    }

    fn start(&self, path: &Path, action: &str) -> io::Result<Child> {
        let mut command = self.environment.command(path);
        command.arg(action).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn()
    }

    fn wait(&self, child: &mut Child, output: &Receiver<io::Result<Vec<u8>>>) -> Result<HelperExit, String> {
        let end = Instant::now() + self.limit;
        let silent = || format!("did not respond within {} seconds", self.limit.as_secs());
        // The output ends when the helper exits, unless a child of the helper keeps it open.
        let output = receive(output, end).map_err(|error| error.to_string())?.ok_or_else(silent)?;
        let output = output.map_err(|error| format!("cannot be read from: {error}"))?;
        if output.len() > MOST_BYTES {
            return Err(format!("returned more than {} KiB", MOST_BYTES >> 10));
        }
        match wait_for(child, end.saturating_duration_since(Instant::now())) {
            Ok(Some(status)) => Ok(HelperExit { status, output }),
            Ok(None) => Err(silent()),
            Err(error) => Err(format!("cannot be waited for: {error}")),
        }
    }
}

/// Receives the output of a program, or `None` if there is none before `end`.
///
/// # Errors
/// Returns an error on Ctrl-C.
fn receive<T>(output: &Receiver<T>, end: Instant) -> io::Result<Option<T>> {
    while Instant::now() < end {
        match output.recv_timeout(PAUSE) {
            Ok(output) => return Ok(Some(output)),
            Err(RecvTimeoutError::Timeout) => interrupt::check()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
    Ok(None)
}

/// Writes the input of a program and reads its output in threads: the program may hang.
fn output_of(child: &mut Child, input: Vec<u8>) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stdin) = child.stdin.take() {
        // A helper may exit without reading its input.
        thread::spawn(move || stdin.write_all(&input));
    }
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut output = Vec::new();
            let read = stdout.take(MOST_BYTES as u64 + 1).read_to_end(&mut output);
            // The receiver is gone after the time limit.
            let _ = sender.send(read.map(|_| output));
        });
    }
    receiver
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::tests::Home;
    use super::*;

    /// Returns the output of a helper with this script for ghcr.io, or its error, within a second.
    fn get(script: &str) -> Result<Option<Credential>, String> {
        let mut home = Home::default();
        home.helper("fake", script);
        let environment = home.environment();
        let limit = Duration::from_secs(1);
        let helper = Helper { limit, ..Helper::new(&environment, "fake", "credsStore", Path::new("/h/config.json")) };
        helper.get("ghcr.io").map_err(|error| format!("{error} help: {}", error.help().expect("help")))
    }

    #[test]
    fn helper_get_reads_json_for_the_registry() {
        let script = r#"read -r x; [ "$1 $x" = "get ghcr.io" ] || [ "$1$x" = getghcr.io ] && echo '{"ServerURL":"x","Username":"u","Secret":"a:b"}'"#;
        let basic = Credential::Basic { user: "u".to_owned(), password: Secret::new("a:b") };
        assert_eq!(get(script), Ok(Some(basic)));
        let token = get(r#"echo '{"Username":"<token>","Secret":"t"}'"#);
        assert_eq!(token, Ok(Some(Credential::IdentityToken(Secret::new("t")))));
    }

    #[test]
    fn helper_without_credentials_is_no_error() {
        assert_eq!(get("echo credentials not found in native keychain; exit 1"), Ok(None));
        assert_eq!(get(r#"echo '{"Username":"","Secret":""}'"#), Ok(None));
    }

    #[test]
    fn helper_input_ends_after_the_registry() {
        let script = r#"[ "$(cat)" = ghcr.io ] && echo '{"Username":"u","Secret":"s"}'"#;
        assert!(get(script).is_ok_and(|found| found.is_some()));
    }

    #[test]
    fn helper_gets_no_registry_variables() {
        let script = r#"env | grep -q CARGO_OCI_REGISTRY && exit 1; echo '{"Username":"u","Secret":"s"}'"#;
        assert!(get(script).is_ok());
    }

    #[test]
    fn helper_errors_repeat_no_output() {
        let named = "`credsStore` in /h/config.json configures it";
        for (script, says) in [
            ("echo sesame", "docker-credential-fake returned invalid output (not shown)"),
            ("echo '{\"Secret\":\"sesame\"}'", "returned invalid output"),
            ("echo sesame; echo sesame >&2; exit 3", "failed (exit status: 3)"),
            ("kill -9 $$", "failed (signal: 9"),
            ("head -c 70000 /dev/zero", "returned more than 64 KiB"),
            ("yes sesame 2>&-", "returned more than 64 KiB"),
            ("echo sesame; exec sleep 60", "did not respond within 1 seconds"),
            (
                "echo '{\"Username\":\"u\",\"Secret\":\"sesame\"}'; exec >&-; sleep 60",
                "did not respond within 1 seconds",
            ),
        ] {
            let start = Instant::now();
            let error = get(script).expect_err(script);
            assert!(start.elapsed() < Duration::from_secs(10), "{script}");
            assert!(error.contains(says) && error.contains(named), "{says:?} is not in {error}");
            assert!(!error.contains("sesame"), "{error}");
            assert!(error.contains("help: run it yourself: `echo ghcr.io | docker-credential-fake get`"), "{error}");
        }
    }

    #[test]
    fn helper_that_is_missing_is_named() {
        let home = Home::default();
        let environment = [("PATH", home.path("bin").display().to_string())].into_iter().collect();
        let helper = Helper::new(&environment, "nope", "credHelpers", Path::new("/h/config.json"));
        let error = helper.get("ghcr.io").expect_err("missing").to_string();
        assert_eq!(
            error,
            "credential helper docker-credential-nope is not on PATH; `credHelpers` in /h/config.json configures it"
        );
        home.write("bin/docker-credential-nope", "not a program");
        let error = helper.get("ghcr.io").expect_err("no program").to_string();
        assert!(error.contains("cannot be started: Permission denied"), "{error}");
    }
}
