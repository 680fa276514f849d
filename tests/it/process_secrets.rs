//! The code of others that runs during a build finds no secret in any process: neither in its own environment, nor in those of
//! cargo-oci and of the programs that it started, nor in the memory of cargo-oci.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::base::BaseImage;
use crate::support::process::Process;
use crate::support::project::{Call, Project};
use crate::support::strict::{Behaviour, StrictRegistry};

/// All secrets of the test begin with it.
const MARK: &str = "sesame-";

/// A build script that looks for secrets in all processes, writes what it has found to the file `REPORT`, and fails.
const BUILD_SCRIPT: &str = r#"
use std::fs;
fn name(pid: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}
fn has_mark(bytes: &[u8]) -> bool {
    let mark = [b"sesa", &b"me-"[..]].concat();
    bytes.windows(mark.len()).any(|window| window == mark)
}
fn main() {
    let mut report = String::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().into_string().unwrap();
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        // Those of other tests have nothing of this one.
        if has_mark(&environment) && String::from_utf8_lossy(&environment).contains("MARKED_FOR=secrets") {
            report += &format!("{} has a secret in its environment\n", name(&pid));
        }
    }
    let mut pid = std::process::id().to_string();
    while name(&pid) != "cargo-oci" {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        pid = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().to_owned();
    }
    for file in ["environ", "mem", "maps", "auxv"] {
        let is_read = fs::File::open(format!("/proc/{pid}/{file}")).is_ok();
        report += &format!("{file} of cargo-oci {}\n", if is_read { "opens" } else { "is denied" });
    }
    report.insert_str(0, if has_mark(&fs::read("/proc/self/environ").unwrap()) { "has secrets\n" } else { "" });
    fs::write(std::env::var_os("REPORT").unwrap(), report).unwrap();
    std::process::exit(1);
}
"#;

/// Returns a command that runs `command` with the capabilities that root has in a container of Docker's or Podman's. Others have
/// fewer.
fn without_privileges(command: &Command) -> Command {
    // To trace processes; what lets Linux 6.16 and later read variables of others too.
    const DROPPED: &str = "-sys_ptrace,-perfmon,-sys_admin";
    if !rustix::process::geteuid().is_root() {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return with_settings(same, command);
    }
    let mut without = Command::new("setpriv");
    without.args(["--bounding-set", DROPPED, "--"]).arg(command.get_program()).args(command.get_args());
    with_settings(without, command)
}

fn with_settings(mut command: Command, like: &Command) -> Command {
    command.env_clear().envs(like.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.current_dir(like.get_current_dir().unwrap_or(Path::new(".")));
    command
}

#[test]
fn build_script_finds_no_secrets() {
    let project = Project::new("x").file("build.rs", BUILD_SCRIPT);
    let oci = |args: &[&str]| project.oci(args).env("COSIGN_PASSWORD", format!("{MARK}key"));
    BaseImage::new().glibc().write(&project.path("base"));
    oci(&["generate-key"]).succeeds();
    let key = fs::read_to_string(project.path("cosign.key")).expect("a key");
    let registry = StrictRegistry::start(Behaviour::default());
    let report = project.path("report");
    let auths = format!(r#"{{"auths":{{"registry.example":{{"auth":"{MARK}"}}}}}}"#);
    let args =
        ["push", "--base", "oci:base", "--libc", "gnu", "--platform", "host", "--sign", "--key", "env://SIGNING_KEY"];
    let call = oci(&[&args[..], &["--repository", &registry.reference("acme/x")]].concat())
        .env("MARKED_FOR", "secrets")
        .env("SIGNING_KEY", format!("{MARK}\n{key}"))
        .env("CARGO_OCI_REGISTRY_USERNAME", "someone")
        .env("CARGO_OCI_REGISTRY_PASSWORD", format!("{MARK}registry"))
        .env("DOCKER_AUTH_CONFIG", auths)
        .env("SIGSTORE_ID_TOKEN", format!("{MARK}identity"))
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", format!("{MARK}request"))
        .env("BUILDKITE_AGENT_ACCESS_TOKEN", format!("{MARK}agent"))
        .env("CI_REGISTRY_PASSWORD", format!("{MARK}ci"))
        .env("CI_DEPENDENCY_PROXY_PASSWORD", format!("{MARK}proxy"))
        .env("REPORT", &report);
    // What the script would find, if there were anything: without it, the test would say nothing.
    let mut other = Command::new("sleep");
    other.arg("60").env("MARKED_FOR", "secrets").env("OTHER", MARK);
    let _other = Process::start(&mut without_privileges(&other));
    let ran = Call::ran(&mut without_privileges(&call.direct()));
    assert!(ran.status != 0 && ran.stderr.contains("custom build command"), "{ran:?}");
    assert_eq!(
        fs::read_to_string(report).expect("a report"),
        "sleep has a secret in its environment\nenviron of cargo-oci is denied\nmem of cargo-oci is denied\n\
         maps of cargo-oci is denied\nauxv of cargo-oci is denied\n"
    );
    let files = walkdir::WalkDir::new(project.root()).into_iter().chain(walkdir::WalkDir::new(project.cache()));
    let files = files.map(|entry| entry.expect("an entry")).filter(|entry| entry.file_type().is_file());
    let is_telling =
        |path: &Path| fs::read(path).expect("a file").windows(MARK.len()).any(|part| part == MARK.as_bytes());
    let telling: Vec<_> = files.filter(|file| is_telling(file.path())).map(|file| file.path().to_owned()).collect();
    assert!(telling.is_empty(), "{telling:?}");
}

#[test]
fn programs_are_started_without_secrets() {
    // What cargo starts has no secrets to hand on.
    let without = ["environment.rs", "compile/tools/", "tests.rs"];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(&source).into_iter().map(|entry| entry.expect("an entry")) {
        let path = entry.path().strip_prefix(&source).expect("a path in the folder").display().to_string();
        if !entry.file_type().is_file() || without.iter().any(|known| path.starts_with(known) || path.ends_with(known))
        {
            continue;
        }
        let text = fs::read_to_string(entry.path()).expect("a file");
        let code = text.split("\nmod tests {").next().unwrap_or_default();
        // clap has commands too.
        if code.contains("Command::new(") && code.contains("process::") {
            found.push(path);
        }
    }
    assert!(found.is_empty(), "start programs by `Environment::command`: {found:?}");
}
