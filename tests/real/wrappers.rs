//! Wrappers around the compiler.

use std::fs;

use crate::support::process;
use crate::support::project::{Call, Project};
use crate::support::{image, problems};

/// A script that notes the names of the crates that it compiles.
const NOTES_CRATES: &str = r#"while [ "$#" -gt 0 ] && ! [ -x "$1" ] && ! command -v "$1" > /dev/null; do shift; done
case " $* " in
*" --crate-name ___ "*) ;;
*" --crate-name "*) rest=${*##*--crate-name }; echo "${rest%% *}" >> "${0%/*}/crates" ;;
esac
exec "$@""#;

/// A package with a library beside its program, and a dependency that is no member of its workspace.
fn project() -> Project {
    let project = Project::new("app")
        .file("src/lib.rs", "pub fn line() -> &'static str {\n    \"Hello\"\n}\n")
        .file("src/main.rs", "fn main() {\n    println!(\"{} {}\", app::line(), dependency::line());\n}\n")
        .append(
            "Cargo.toml",
            "[dependencies]\ndependency.path = \"dependency\"\n[workspace]\nexclude = [\"dependency\"]\n",
        )
        .file("dependency/Cargo.toml", "[package]\nname = \"dependency\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .file("dependency/src/lib.rs", "pub fn line() -> &'static str {\n    \"there\"\n}\n");
    project.program("wrapper", NOTES_CRATES);
    project
}

/// Builds and returns the names of the crates that the wrapper has compiled, each once.
fn wrapped(project: &Project, call: &Call) -> Vec<String> {
    let crates = project.path("programs/crates");
    let _ = fs::remove_file(&crates);
    call.succeeds();
    assert_eq!(problems(&project.layout()), []);
    let mut names: Vec<_> = fs::read_to_string(crates).unwrap_or_default().lines().map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn wrappers_compile_for_both_platforms() {
    let project = project();
    let wrapper = project.path("programs/wrapper");
    let build = || project.build(&[]);
    assert_eq!(wrapped(&project, &build().env("RUSTC_WRAPPER", &wrapper)), ["app", "dependency"]);
    let (_, config) = image(&project.layout(), "linux/arm64/v8");
    assert_eq!(config["config"]["Entrypoint"][0], "/app/app");
    fs::remove_dir_all(project.path("target")).expect("a folder");
    // Of members of the workspace alone.
    assert_eq!(wrapped(&project, &build().env("RUSTC_WORKSPACE_WRAPPER", &wrapper)), ["app"]);
    fs::remove_dir_all(project.path("target")).expect("a folder");
    let project = project.file(".cargo/config.toml", "[build]\nrustc-wrapper = \"programs/wrapper\"\n");
    assert_eq!(wrapped(&project, &project.build(&[])), ["app", "dependency"]);
    fs::remove_dir_all(project.path("target")).expect("a folder");
    // An empty one is none.
    assert_eq!(wrapped(&project, &project.build(&[]).env("RUSTC_WRAPPER", "")), [""; 0]);
}

/// A server of sccache's that is stopped on drop.
struct Server<'a>(&'a Project);

impl Server<'_> {
    fn around(&self, call: Call) -> Call {
        let socket = self.0.path("sccache.socket");
        let folder = self.0.path("sccache");
        let call = call.env("SCCACHE_SERVER_UDS", socket).env("SCCACHE_DIR", folder).env("SCCACHE_IDLE_TIMEOUT", "120");
        call.on_path(std::env::var_os("CARGO_OCI_TEST_SCCACHE_PATH").expect("a folder: `.ci/test` sets it"))
    }

    fn ask(&self, args: &[&str]) -> String {
        process::output(self.around(self.0.build(&[])).command("sccache").args(args))
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.around(self.0.build(&[])).command("sccache").arg("--stop-server").output();
    }
}

#[test]
fn sccache_compiles_no_library_on_second_machine() {
    let project = project();
    let server = Server(&project);
    server.ask(&["--start-server"]);
    let build = || server.around(project.build(&[])).env("RUSTC_WRAPPER", "sccache").succeeds();
    let count = |what: &str| {
        let stats = server.ask(&["--show-stats", "--stats-format", "json"]);
        let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
        stats["stats"][what]["counts"]["Rust"].as_u64().unwrap_or_default()
    };
    let first = build().stdout;
    let misses = count("cache_misses");
    // Another machine with the same folders, as runners of CI are: nothing is there but the cache of the compiler.
    for folder in [project.path("target"), project.cache(), project.home()] {
        let _ = fs::remove_dir_all(folder);
    }
    assert_eq!(build().stdout, first);
    // Two libraries for two platforms. Programs are linked again: sccache keeps none.
    assert_eq!((count("cache_hits"), count("cache_misses")), (4, misses));
}
