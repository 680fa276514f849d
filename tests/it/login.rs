//! `cargo oci login` and `logout`: messages, files, and that rejected credentials are not stored.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::home::Home;

/// `robot:open:sesame`.
const AUTH: &str = "cm9ib3Q6b3BlbjpzZXNhbWU=";

/// Starts a server that answers each request from its head. Ends with the test.
fn server(answer: impl Fn(&str) -> String + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            let mut reader = BufReader::new(&connection);
            // The first byte of TLS, which nobody speaks here.
            if reader.fill_buf().is_ok_and(|bytes| bytes.first() == Some(&0x16)) {
                continue;
            }
            let lines = reader.lines().map_while(Result::ok);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            let head = head.join("\n");
            let _ = connection.write_all(answer(&head).as_bytes());
            seen.lock().expect("no thread panicked").push(head);
        }
    });
    (host, heads)
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Starts a registry that accepts only the user robot.
fn registry() -> String {
    server(|head| {
        if head.contains(AUTH) {
            return http("200 OK", "Content-Type: application/json\r\n", "{}");
        }
        let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
        http("401 Unauthorized", "WWW-Authenticate: Basic realm=\"test\"\r\n", body)
    })
    .0
}

#[track_caller]
fn assert_says(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in:\n{words}");
    }
}

#[test]
fn login_reads_password_from_stdin_and_logout_removes() {
    let (home, registry) = (Home::new(), registry());
    let words = home.succeeds(&["login", &registry, "-u", "robot", "--password-stdin"], "open:sesame\r\n");
    let warning =
        "warning: the password is not encrypted in ~/.docker/config.json; set a credential helper as its `credsStore`";
    assert_says(&words, &[warning, &format!("       Login {registry} as robot (~/.docker/config.json)\n")]);
    let kept = format!("{{\n\t\"auths\": {{\n\t\t\"{registry}\": {{\"auth\": \"{AUTH}\"}}\n\t}}\n}}\n");
    assert_eq!((home.read(".docker/config.json"), home.mode(".docker/config.json")), (kept, 0o600));
    let words = home.succeeds(&["logout", &registry], "");
    assert_eq!(words, format!("      Logout {registry} (~/.docker/config.json)\n"));
    assert_eq!(home.read(".docker/config.json"), "{\n\t\"auths\": {}\n}\n");
    let words = home.succeeds(&["logout", &registry], "");
    assert_eq!(words, format!("warning: no credentials for {registry} to remove\n"));
}

#[test]
fn login_warns_about_password_flag() {
    let (home, registry) = (Home::new(), registry());
    let words = home.succeeds(&["oci", "login", "-u", "robot", "-p", "open:sesame", &registry], "");
    assert_says(&words, &["warning: other users of this machine can see a password in `--password`", "Login"]);
    assert!(home.read(".docker/config.json").contains(AUTH));
}

#[test]
fn login_rejects_wrong_password_and_stores_nothing() {
    let (home, registry) = (Home::new(), registry());
    let words = home.fails(1, &["login", &registry, "-u", "robot", "--password-stdin"], "wrong-sesame\n");
    let error = format!("error: {registry} does not accept the user `robot` with this password");
    let cause = format!("GET http://{registry}/v2/ returned 401 Unauthorized: UNAUTHORIZED: authentication required");
    assert_says(&words, &[&error, &cause, "help: check both; many registries expect an access token as the password"]);
    assert!(!words.contains("sesame"), "{words}");
    assert!(!home.path(".docker").exists());
}

#[test]
fn login_rejects_servers_that_are_not_registries() {
    let (web, _) = server(|_| http("200 OK", "Content-Type: text/html; charset=utf-8\r\n", "<html>"));
    let (nothing, _) = server(|_| http("404 Not Found", "", "nothing here"));
    let home = Home::new();
    let login = |registry: &str| home.fails(1, &["login", registry, "-u", "robot", "--password-stdin"], "sesame\n");
    let help = "help: enter the host, and the port if there is one";
    let page = format!("error: {web} is not a container registry: it returned a web page");
    assert_says(&login(&web), &[&page, help]);
    assert_says(
        &login(&nothing),
        &[&format!("error: {nothing} is not a container registry: GET http://{nothing}/v2/ returned 404"), help],
    );
    assert!(!home.path(".docker").exists());
}

#[test]
fn login_to_failing_registry_stores_nothing() {
    let (broken, _) = server(|_| http("501 Not Implemented", "", "not today"));
    let home = Home::new();
    for (registry, why) in [("127.0.0.1:9", "Connection refused"), (&*broken, "501 Not Implemented: not today")] {
        let words = home.fails(1, &["login", registry, "-u", "robot", "--password-stdin"], "sesame\n");
        let error = format!(
            "error: cannot ask {registry} whether it accepts the user `robot` with this password\n\nCaused by:\n"
        );
        assert_says(&words, &[&error, why, "help: nothing was stored; check that"]);
    }
    assert!(!home.path(".docker").exists());
}

#[test]
fn login_prefers_a_token_among_several_challenges() {
    let (service, _) = server(|_| http("200 OK", "", r#"{"token":"a.b.c"}"#));
    let token = format!("Bearer realm=\"http://{service}/token\",service=\"s\",scope=\"a,b\"");
    let one_header = format!("WWW-Authenticate: Basic realm=\"x\", {token}\r\n");
    let two_headers = format!("WWW-Authenticate: {token}\r\nWWW-Authenticate: Basic realm=\"x\"\r\n");
    for challenges in [one_header, two_headers] {
        let (registry, heads) = server(move |head| {
            if head.to_lowercase().contains("authorization: bearer a.b.c") {
                http("200 OK", "", "{}")
            } else {
                http("401 Unauthorized", &challenges, "")
            }
        });
        Home::new().succeeds(&["login", &registry, "-u", "robot", "--password-stdin"], "open:sesame\n");
        let heads = heads.lock().expect("no thread panicked");
        assert!(heads.len() == 2 && !heads.concat().to_lowercase().contains("authorization: basic"), "{heads:?}");
    }
}

#[test]
fn login_sends_no_password_to_foreign_token_service() {
    let (stranger, heads) = server(|_| http("200 OK", "", r#"{"token":"for everybody"}"#));
    let realm = format!("http://{}/token", stranger.replace("127.0.0.1", "localhost"));
    let (registry, _) = server(move |head| {
        if head.to_lowercase().contains("authorization: bearer") {
            http("200 OK", "", "{}")
        } else {
            http("401 Unauthorized", &format!("WWW-Authenticate: Bearer realm=\"{realm}\"\r\n"), "")
        }
    });
    let home = Home::new();
    let words = home.fails(1, &["login", &registry, "-u", "robot", "--password-stdin"], "sesame\n");
    assert_says(&words, &["error: the password was not sent: the token service localhost:"]);
    assert_says(
        &words,
        &[
            &format!(" of {registry} is in another domain"),
            "help: nothing was stored; if localhost:",
            &format!("run `cargo oci login {registry} --trust-token-service localhost:"),
        ],
    );
    let heads = heads.lock().expect("no thread panicked");
    assert!(heads.len() == 1 && !heads[0].to_lowercase().contains("authorization"), "{heads:?}");
    assert!(!home.path(".docker").exists());
}

#[test]
fn login_accepts_user_with_tenancy() {
    let (registry, heads) = server(|head| {
        if head.to_lowercase().contains("authorization: basic") {
            http("200 OK", "", "{}")
        } else {
            http("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "")
        }
    });
    let home = Home::new();
    home.succeeds(&["login", &registry, "-u", "tenancy/oracle/robot@x.org", "--password-stdin"], "a;b:c>d\n");
    // tenancy/oracle/robot@x.org:a;b:c>d
    let auth = "dGVuYW5jeS9vcmFjbGUvcm9ib3RAeC5vcmc6YTtiOmM+ZA==";
    assert!(home.read(".docker/config.json").contains(auth));
    assert!(heads.lock().expect("no thread panicked")[1].contains(auth));
}

#[test]
fn login_usage_errors_exit_with_2() {
    let home = Home::new();
    let login = |args: &[&str]| home.fails(2, &[&["login"], args].concat(), "");
    assert_says(&login(&[]), &["required arguments were not provided", "<REGISTRY>"]);
    assert_says(&login(&["ghcr.io", "--password-stdin"]), &["--username <USER>"]);
    assert_says(&login(&["ghcr.io", "-u", "x", "-p", "y", "--password-stdin"]), &["cannot be used with"]);
    assert_says(&login(&["ghcr.io/acme"]), &["`ghcr.io/acme` is not a registry: remove the path"]);
    assert_says(&login(&["http://ghcr.io"]), &["remove the scheme"]);
    assert_says(&login(&["acme"]), &["expected a host with a dot or a port"]);
    assert_says(&home.fails(2, &["logout"], ""), &["<REGISTRY>"]);
}

#[test]
fn login_without_terminal_needs_user_and_password() {
    let home = Home::new();
    let login = |args: &[&str], input: &str| home.fails(1, &[&["login", "ghcr.io"], args].concat(), input);
    let help = |user: &str| {
        format!("help: `cargo oci login ghcr.io --username {user} --password-stdin < FILE` needs no terminal")
    };
    assert_says(&login(&[], "robot\n"), &["error: cannot prompt for the user: no terminal", &help("USER")]);
    assert_says(&login(&["-u", "x"], ""), &["error: cannot prompt for the password: no terminal", &help("x")]);
    assert_says(&login(&["-u", "x", "--password-stdin"], "\n"), &["error: the password is empty", "help: "]);
    assert_says(&login(&["-u", "", "-p", "x"], ""), &["error: the user name is empty", "--username"]);
    let words = login(&["-u", "robot:sesame", "--password-stdin"], "x");
    assert_says(&words, &["error: a user name cannot have a colon", "help: omit the password from it"]);
    assert!(!words.contains("sesame"), "{words}");
    let long = "x".repeat(70_000);
    assert_says(&login(&["-u", "x", "--password-stdin"], &long), &["exceeds the limit of 64 KiB"]);
}

#[test]
fn malformed_config_error_hides_secrets() {
    let home = Home::with_config("{\n  \"auths\": {\n    \"ghcr.io\": {\"auth\": sesame}\n  }\n}\n");
    let words = home.fails(1, &["logout", "ghcr.io"], "");
    let error = "error: cannot use HOME/.docker/config.json: invalid JSON at line 3, column 25";
    let lines = [error, "--> HOME/.docker/config.json:3:25", "    \"*******\": {\"auth\": ******}", "^ expected value"];
    assert_says(&words, &lines);
    assert_says(&words, &["help: fix it there, or set REGISTRY_AUTH_FILE to another file"]);
    assert!(!words.contains("sesame"), "{words}");
    let home = Home::with_config("{\"credsStore\": \"../../sesame\"}");
    let words = home.fails(1, &["logout", "ghcr.io"], "");
    assert_says(&words, &["invalid credential helper: its name must consist of letters", "^ invalid name"]);
    assert!(!words.contains("sesame"), "{words}");
}

#[test]
fn helper_errors_name_helper_without_its_output() {
    let home = |helper: &str| Home::with_config(&format!("{{\"credsStore\": \"{helper}\"}}"));
    let words = home("nope").fails(1, &["logout", "ghcr.io"], "");
    let error = "error: credential helper docker-credential-nope is not on PATH; \
                 `credsStore` in HOME/.docker/config.json configures it";
    let help = "help: install it, or remove it from `credsStore` in that file and run `cargo oci login ghcr.io`";
    assert_says(&words, &[error, help]);
    for (lines, says) in [
        ("echo sesame; echo sesame >&2", "returned invalid output (not shown)"),
        ("echo sesame; exit 7", "failed (exit status: 7)"),
        ("exec yes sesame", "returned more than 64 KiB"),
    ] {
        let words = home("bad").with_helper("bad", lines).fails(1, &["logout", "ghcr.io"], "");
        let error = format!("error: credential helper docker-credential-bad {says} on `get` for ghcr.io");
        assert_says(&words, &[&error, "help: run it yourself: `echo ghcr.io | docker-credential-bad get`"]);
        assert!(!words.contains("sesame"), "{words}");
    }
}

#[test]
fn login_fails_if_helper_cannot_store() {
    let config = "{\"credsStore\": \"ecr-login\"}";
    let home =
        Home::with_config(config).with_helper("ecr-login", "cat >/dev/null; echo 'not implemented: sesame'; exit 1");
    let words = home.fails(1, &["login", &registry(), "-u", "robot", "--password-stdin"], "open:sesame");
    assert_says(&words, &["error: credential helper docker-credential-ecr-login failed", "on `store` for"]);
    assert!(!words.contains("sesame"), "{words}");
    assert_eq!(home.read(".docker/config.json"), config);
}

#[test]
fn login_names_config_that_cannot_be_written() {
    let home = Home::new().env("DOCKER_CONFIG", "/proc/nope");
    let words = home.fails(1, &["login", &registry(), "-u", "robot", "--password-stdin"], "open:sesame");
    assert_says(
        &words,
        &["error: cannot write /proc/nope/config.json: ", "help: nothing was changed", "DOCKER_CONFIG"],
    );
}

#[test]
fn logout_reports_credentials_left_elsewhere() {
    let home = Home::new().env("DOCKER_CONFIG", "other");
    std::fs::create_dir(home.path(".docker")).expect("a folder");
    let config = "{\"auths\": {\"ghcr.io\": {\"auth\": \"YTpi\"}}}";
    std::fs::write(home.path(".docker/config.json"), config).expect("a file");
    let words = home.succeeds(&["logout", "ghcr.io"], "");
    assert_eq!(words, "warning: ghcr.io still has credentials: auths of ~/.docker/config.json\n");
    assert_eq!(home.read(".docker/config.json"), config);
}

/// Runs the command in a terminal, and returns its exit status and the final screen. Each item of `typed` is a
/// question to wait for, and the keys to type then.
fn at_a_terminal(home: &Home, args: &str, typed: &[(&str, &str)]) -> (Option<i32>, String) {
    // A password that is typed before the program reads it would be shown by the terminal itself.
    let typing = typed.iter().map(|(question, keys)| {
        let pause = i32::from(question.starts_with("Password"));
        format!("while ! grep -q '{question}' screen; do sleep 0.05; done; sleep {pause}; printf '{keys}'")
    });
    let program = env!("CARGO_BIN_EXE_cargo-oci");
    let typing = typing.collect::<Vec<_>>().join("; ");
    let shell = format!(": > screen; {{ {typing}; sleep 0.2; }} | script -qfec '{program} {args}' screen");
    let mut command: Command = home.command("sh");
    let ended = command.args(["-c", &shell]).stdin(Stdio::null()).output().expect("script runs");
    (ended.status.code(), home.read("screen"))
}

#[test]
#[cfg(target_os = "linux")]
fn login_prompts_without_echoing_the_password() {
    let (home, registry) = (Home::new(), registry());
    let typed = [("Username for", "robot\\r"), ("Password for robot", "open:sesame\\r")];
    let (status, screen) = at_a_terminal(&home, &format!("login {registry}"), &typed);
    assert_eq!(status, Some(0), "{screen}");
    assert_says(
        &screen,
        &[&format!("Username for {registry}: robot"), &format!("Password for robot at {registry}: \r\n")],
    );
    assert_says(&screen, &["Login"]);
    assert!(!screen.contains("sesame"), "{screen}");
    assert!(home.read(".docker/config.json").contains(AUTH));
}

#[test]
#[cfg(target_os = "linux")]
fn login_prompt_can_be_interrupted() {
    for (args, question) in [("login ghcr.io", "Username for"), ("login ghcr.io -u robot", "Password for")] {
        let home = Home::new();
        let (status, screen) = at_a_terminal(&home, args, &[(question, "\\003")]);
        assert_eq!(status, Some(130), "{screen}");
        assert!(!screen.contains("error"), "{screen}");
        assert!(!home.path(".docker").exists());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn login_asks_whether_to_trust_a_token_service() {
    let (service, heads) = server(|head| {
        let is_shown = head.contains("cm9ib3Q6c2VzYW1l");
        http(if is_shown { "200 OK" } else { "401 Unauthorized" }, "", r#"{"token":"a.b.c"}"#)
    });
    let service = service.replace("127.0.0.1", "localhost");
    let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{service}/token\"\r\n");
    let (registry, _) = server(move |head| {
        if head.to_lowercase().contains("authorization: bearer") {
            http("200 OK", "", "{}")
        } else {
            http("401 Unauthorized", &challenge, "")
        }
    });
    let question = format!("The token service of {registry} is {service}, in another domain. Send the password there?");
    for (answer, status) in [("\\r", 1), ("y\\r", 0)] {
        let home = Home::new();
        let typed = [("Password for robot", "sesame\\r"), ("Send the password there", answer)];
        let (found, screen) = at_a_terminal(&home, &format!("login {registry} -u robot"), &typed);
        assert_eq!(found, Some(status), "{screen}");
        assert_says(&screen, &[&question]);
        assert_eq!(home.path(".config/cargo-oci/registries.toml").exists(), status == 0);
        assert_eq!(home.path(".docker/config.json").exists(), status == 0);
        let heads = heads.lock().expect("no thread panicked");
        assert_eq!(heads.iter().any(|head| head.contains("cm9ib3Q6c2VzYW1l")), status == 0, "{heads:?}");
    }
}
