//! The environment of every program that a test starts. It begins empty: a home and an identity of the test's own are added,
//! and the few variables that say where programs are. Nothing of the user's settings gets in.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The variables of the machine that programs see. `CARGO_NET_OFFLINE` says whether there is a network to get crates from.
const INHERITED: [&str; 5] = ["PATH", "TMPDIR", "RUSTUP_DIST_SERVER", "RUSTUP_AUTO_INSTALL", "CARGO_NET_OFFLINE"];

/// The same for all tests: locale, time zone, git without the settings of anybody, and a day on which no base is old.
const FIXED: [(&str, &str); 13] = [
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("CARGO_OCI_TODAY", "2026-11-29"),
    ("TERM", "xterm-256color"),
    ("SHELL", "/bin/sh"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_AUTHOR_NAME", "Test"),
    ("GIT_AUTHOR_EMAIL", "test@example.org"),
    ("GIT_COMMITTER_NAME", "Test"),
    ("GIT_COMMITTER_EMAIL", "test@example.org"),
];

/// Whether this is the program with the real tests.
pub const IS_REAL: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"real");

/// Environment variables, by name.
pub type Variables = BTreeMap<OsString, OsString>;

/// Returns the variables for programs whose home is `home`, and creates that folder.
pub fn variables(home: &Path) -> Variables {
    use_common_umask();
    fs::create_dir_all(home).expect("a home");
    let inherited = INHERITED.iter().filter_map(|key| Some((OsString::from(key), std::env::var_os(key)?)));
    let fixed = FIXED.iter().map(|(key, value)| (OsString::from(key), OsString::from(value)));
    let mut variables: Variables = inherited.chain(fixed).collect();
    let mut add = |key: &str, value: &OsStr| variables.insert(key.into(), value.into());
    add("HOME", home.as_os_str());
    add("CARGO_HOME", shared().join("cargo").as_os_str());
    add("RUSTUP_HOME", machine_folder("RUSTUP_HOME", ".rustup").as_os_str());
    // Folders of tests are not part of a repository that the temporary folder may be in.
    add("GIT_CEILING_DIRECTORIES", std::env::temp_dir().as_os_str());
    variables
}

/// Returns a command with a clean environment, for a program other than `cargo-oci`.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(variables(&shared().join("home")));
    command
}

/// Returns the machine's `cargo`, which names itself to its tests.
pub fn cargo() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO").expect("cargo runs the tests"))
}

/// Returns PATH with `cargo-oci` in front.
///
/// The fast tests also find [`toolchain`] there; the real ones use rustup's programs.
pub fn path() -> OsString {
    let program = Path::new(env!("CARGO_BIN_EXE_cargo-oci")).parent().expect("a folder").to_owned();
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let toolchain = (!IS_REAL).then(|| toolchain().to_owned());
    let folders = [program].into_iter().chain(toolchain).chain(std::env::split_paths(&machine));
    std::env::join_paths(folders).expect("folders")
}

/// Returns a folder with `cargo` and `rustc`: in the fast tests, with a `rustc` that answers from a file what it was asked
/// before. Cargo asks six times for versions and settings in each new package, which takes longer than most tests otherwise.
pub fn toolchain() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let (cargo, rustc) = (cargo(), cargo().with_file_name("rustc"));
        if IS_REAL {
            return cargo.parent().expect("a folder").to_owned();
        }
        let metadata = rustc.metadata().expect("a rustc beside cargo");
        let folder = shared().join(format!("rustc-{}-{}", metadata.mtime(), metadata.size()));
        fs::create_dir_all(&folder).expect("a folder");
        let _ = symlink(cargo, folder.join("cargo"));
        // With flags of the user's own, it is asked anew. A test may have no other program on PATH than this. Cargo reads the
        // warnings, too.
        let script = format!(
            r#"case "$*" in
-vV) answer='{folder}/version' ;;
"- --crate-name ___ --print=file-names --crate-type "*" -Wwarnings") answer='{folder}/host-'$# ;;
"- --crate-name ___ --print=file-names --target "*" -Wwarnings") answer='{folder}/'$6-$# ;;
*) exec '{rustc}' "$@" ;;
esac
PATH=/usr/bin:/bin
if ! [ -e "$answer" ]; then
  '{rustc}' "$@" > "$answer.$$" 2> "$answer.$$.errors" || exec '{rustc}' "$@"
  mv "$answer.$$.errors" "$answer.errors"
  mv "$answer.$$" "$answer"
fi
[ ! -s "$answer.errors" ] || cat "$answer.errors" >&2
exec cat "$answer""#,
            folder = folder.display(),
            rustc = rustc.display(),
        );
        // Another run of the tests may be starting the same program.
        let new = folder.join(format!("rustc.{}", std::process::id()));
        super::process::write_program(&new, &script);
        fs::rename(new, folder.join("rustc")).expect("a program");
        folder
    })
}

/// Runs `body` in a process that has a clean environment and does nothing else, by starting this program again for the one
/// test `name`. For tests that call the library, where it reads the variables or the memory of its process.
///
/// # Panics
/// If `body` panics there, or if there is no test of this name.
#[track_caller]
pub fn alone(name: &str, body: impl FnOnce()) {
    const MARK: &str = "CARGO_OCI_TEST_ALONE";
    if std::env::var_os(MARK).is_some_and(|alone| alone == name) {
        return body();
    }
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut again = Command::new(std::env::current_exe().expect("a program"));
    again.args(["--exact", name, "--nocapture"]).env_clear().envs(variables(home.path()));
    again.env("PATH", path()).env("CARGO", cargo()).env(MARK, name);
    let output = again.output().expect("the tests run again");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains("1 passed"), "{name}, alone:\n{stdout}{stderr}");
}

/// The folder of what all tests share: a home for tools, and one for cargo.
fn shared() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
        let cargo = folder.join("cargo");
        fs::create_dir_all(&cargo).expect("a folder");
        let machine = machine_folder("CARGO_HOME", ".cargo");
        // The fast tests need no crates. In a test that runs [`alone`], the variable names this folder already.
        if !IS_REAL || machine == cargo {
            return folder;
        }
        // The crates of the machine, under the same locks, without its settings.
        for name in ["registry", "git", ".package-cache", ".package-cache-mutate"] {
            let link = cargo.join(name);
            if fs::read_link(&link).is_ok_and(|target| target != machine.join(name)) {
                fs::remove_file(&link).expect("a link");
            }
            if machine.join(name).exists() {
                let _ = symlink(machine.join(name), link);
            }
        }
        folder
    })
}

/// A folder that a variable names, or else one in the user's home.
fn machine_folder(variable: &str, in_home: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(in_home);
    std::env::var_os(variable).map_or_else(home, PathBuf::from)
}

/// Files that tests write have the rights that most users' files have.
fn use_common_umask() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    });
}
