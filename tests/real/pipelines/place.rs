//! What all stand-ins for CI services share: a folder, git repositories, releases of cargo-oci on loopback, and a shell.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;

use crate::support::environment::{self, Variables};
use crate::support::process::{Ran, output, write_program};
use crate::support::project::{Call, Project};
use crate::support::registry::sha256;
use crate::support::strict::answer::Answer;
use crate::support::strict::http::{Body, Origin, Request, Server};

/// The version of the program that is tested.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// This machine's target, as releases name it.
const TARGET: &str = concat_target();

const fn concat_target() -> &'static str {
    if cfg!(target_arch = "x86_64") { "x86_64-unknown-linux-musl" } else { "aarch64-unknown-linux-musl" }
}

/// A folder with programs that stand for those of CI.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().expect("a temporary folder") };
        fs::create_dir_all(place.path("programs")).expect("a folder");
        place.cargo_installs_at_once();
        place
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Adds a program to the PATH of all jobs.
    pub fn program(&self, name: &str, lines: &str) {
        write_program(&self.path("programs").join(name), lines);
    }

    /// `cargo install` takes the program that is tested: compiling it takes minutes. All else is cargo's.
    fn cargo_installs_at_once(&self) {
        let lines = format!(
            r#"if [ "$1" != install ]; then exec {cargo} "$@"; fi
echo "$@" >> {log}
root=${{CARGO_INSTALL_ROOT:-$HOME/installed}}
while [ $# -gt 0 ]; do
  case $1 in
    --root) root=$2 ;;
    --path) [ -e "$2/Cargo.lock" ] || exit 101 ;;
  esac
  shift
done
mkdir -p "$root/bin" && ln -sf {own} "$root/bin/cargo-oci""#,
            cargo = real_cargo().display(),
            log = self.path("installs").display(),
            own = env!("CARGO_BIN_EXE_cargo-oci"),
        );
        self.program("cargo", &lines);
    }

    /// The arguments of each `cargo install`.
    pub fn installs(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("installs")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The environment of a job: a home of its own, and no cargo-oci on PATH but the one that it installs.
    pub fn variables(&self, home: &str) -> Variables {
        let mut variables = environment::variables(&self.path(home));
        let machine = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&machine).filter(|folder| !folder.join("cargo-oci").exists());
        // Where cargo installs by default is on PATH, as runners have it.
        let own = [self.path("programs"), self.path(home).join("installed/bin")];
        let path = std::env::join_paths(own.into_iter().chain(folders)).expect("folders");
        variables.insert("PATH".into(), path);
        // The base that is inside cargo-oci, in the place of one on the Internet.
        variables.insert("CARGO_OCI_BASE".into(), "embedded".into());
        if let Some(toolchain) = std::env::var_os("CARGO_OCI_TEST_TOOLCHAIN") {
            variables.insert("RUSTUP_TOOLCHAIN".into(), toolchain);
        }
        variables
    }
}

fn real_cargo() -> PathBuf {
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&machine);
    folders.find_map(|folder| Some(folder.join("cargo")).filter(|cargo| cargo.exists())).expect("cargo on PATH")
}

/// Runs a script as CI does, with `shell ARGS FILE`. Both outputs are in `stdout`.
pub fn shell(folder: &Path, variables: &Variables, args: &[&str], script: &str) -> Ran {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), script).expect("a temporary file");
    let mut command = Command::new("bash");
    command.args(["-c", "exec 2>&1; exec \"$@\"", "sh"]).args(args).arg(file.path());
    command.current_dir(folder).env_clear().envs(variables).stdin(Stdio::null());
    Call::ran(&mut command)
}

/// A git repository with a program, a commit of it, and the branch `main`.
pub fn repository(table: &str) -> Project {
    let project = Project::new("hello").append("Cargo.toml", table).file(".gitignore", "target\n");
    output(project.oci(&[]).command("cargo").args(["generate-lockfile", "--offline", "--quiet"]));
    commit(&project, "first");
    project
}

/// Commits all that is in a project, and returns the commit.
pub fn commit(project: &Project, message: &str) -> String {
    commit_in(project.root(), message)
}

/// Commits all that is in a folder.
pub fn commit_in(folder: &Path, message: &str) -> String {
    let git = |args: &[&str]| output(environment::command("git").arg("-C").arg(folder).args(args));
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", message]);
    git(&["rev-parse", "HEAD"]).trim().to_owned()
}

/// Copies what the action is made of: this checkout, without tests and what was compiled. Names of registries are replaced.
pub fn copy_of_cargo_oci(to: &Path, names: &[(String, String)]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["action.yml", "Cargo.toml", "Cargo.lock", ".github", "src", "templates"] {
        for entry in walkdir::WalkDir::new(root.join(part)).into_iter().map(|entry| entry.expect("an entry")) {
            let target = to.join(entry.path().strip_prefix(root).expect("a path in the checkout"));
            if entry.file_type().is_dir() {
                fs::create_dir_all(target).expect("a folder");
                continue;
            }
            fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
            let text = fs::read_to_string(entry.path()).expect("a file of text");
            fs::write(target, replaced(&text, names)).expect("a file");
        }
    }
}

/// Replaces the names of registries by those that stand for them.
pub fn replaced(text: &str, names: &[(String, String)]) -> String {
    names.iter().fold(text.to_owned(), |text, (name, real)| text.replace(name, real))
}

/// Copies a folder into another.
pub fn copy(from: &Path, to: &Path) {
    let mut command = environment::command("cp");
    fs::create_dir_all(to).expect("a folder");
    output(command.args(["--archive", "--no-target-directory"]).arg(from).arg(to));
}

/// Releases of cargo-oci on loopback: `URL/vVERSION/NAME`.
pub struct Releases {
    server: Server,
    pub folder: PathBuf,
    _kept: TempDir,
}

struct Files(PathBuf);

impl Origin for Files {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        match fs::read(self.0.join(request.path().trim_start_matches('/'))) {
            Ok(content) => Answer::new(200).body(content),
            Err(_) => Answer::new(404),
        }
    }
}

impl Releases {
    /// One release: the program that is tested.
    pub fn start() -> Releases {
        let kept = tempfile::tempdir().expect("a temporary folder");
        let folder = kept.path().join(format!("v{VERSION}"));
        fs::create_dir(&folder).expect("a folder");
        let archive = folder.join(archive());
        fs::copy(packed(), &archive).expect("a copy");
        let digest = sha256(&fs::read(&archive).expect("an archive"));
        let other = "0".repeat(64);
        let sums =
            format!("{other}  cargo-oci-{VERSION}-x86_64-pc-windows-gnu.zip\n{}  {}\n", &digest[7..], self::archive());
        fs::write(folder.join("SHA256SUMS"), sums).expect("a file");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Server::start(listener, Arc::new(Files(kept.path().to_owned())));
        Releases { server, folder, _kept: kept }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }
}

/// The name of this machine's archive.
pub fn archive() -> String {
    format!("cargo-oci-{VERSION}-{TARGET}.tar.gz")
}

/// The archive with the program, which is packed once.
fn packed() -> &'static Path {
    static ARCHIVE: OnceLock<TempDir> = OnceLock::new();
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let folder = ARCHIVE.get_or_init(|| tempfile::tempdir().expect("a temporary folder")).path();
        let script = r#"name=${2%.tar.gz} && mkdir "$name" && strip -o "$name/cargo-oci" "$1" && echo read > "$name/README.md" &&
            tar --create --use-compress-program 'gzip -1' --file "$2" "$name""#;
        let mut sh = environment::command("sh");
        sh.current_dir(folder).args(["-c", script, "sh", env!("CARGO_BIN_EXE_cargo-oci"), &archive()]);
        output(&mut sh);
        folder.join(archive())
    })
}
