//! All that changes an image is in its provenance: each key and each flag is decided here.

use std::fs;

use cargo_oci::commands::Cli;
use cargo_oci::config::KEYS;
use clap::CommandFactory;
use serde_json::{Value, json};

use crate::snapshots::{AMD64, elf};
use crate::support::base::BaseImage;
use crate::support::project::{Call, Project};

/// What a key or a flag changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// The image. Provenance differs too.
    Image,
    /// The programs that are compiled. Provenance differs, also if they are compiled elsewhere.
    Programs,
    /// What is attached, what is done with the image, or where it is. Provenance is the same.
    Nothing,
}

use Change::{Image, Nothing, Programs};

/// A key, what it changes, and a value other than the default; without one, it is tested elsewhere.
const BY_KEY: [(&str, Change, &str); 36] = [
    ("base", Image, r#""oci:other""#),
    ("base-verify", Nothing, ""),
    ("debug-base", Nothing, r#""oci:other""#),
    // The targets are in provenance, and so is the C library.
    ("platforms", Image, ""),
    ("libc", Image, ""),
    ("repository", Nothing, r#""ghcr.io/acme/x""#),
    ("tags", Nothing, r#"["v1"]"#),
    ("bins", Image, r#"["x", "y"]"#),
    ("bin-dir", Image, r#""/bin""#),
    ("entrypoint", Image, r#"["/app/x", "--quiet"]"#),
    ("cmd", Image, r#"["--quiet"]"#),
    ("env", Image, r#"{ A = "b" }"#),
    ("user", Image, r#""1000""#),
    ("workdir", Image, r#""/srv""#),
    ("expose", Image, r#"["80"]"#),
    ("volumes", Image, r#"["/data"]"#),
    ("stop-signal", Image, r#""SIGINT""#),
    ("labels", Image, r#"{ a = "b" }"#),
    ("annotations", Image, r#"{ a = "b" }"#),
    ("compression", Image, r#""zstd""#),
    ("max-size", Nothing, r#""1 GiB""#),
    ("features", Programs, r#"["f"]"#),
    ("no-default-features", Programs, "true"),
    ("all-features", Programs, "true"),
    ("profile", Programs, r#""small""#),
    // It is only told where it is linked: tests/real/allocators.rs.
    ("allocator", Programs, ""),
    ("engine", Nothing, r#""podman""#),
    ("files", Image, r#"[{ from = "file", to = "/srv/", mode = "0600" }]"#),
    ("sbom", Nothing, r#""spdx""#),
    ("provenance", Nothing, ""),
    // It changes the index and no image of it, and is there to be seen: tests/it/index_attestations.rs.
    ("attestations", Nothing, ""),
    ("signature-format", Nothing, r#""both""#),
    ("policy", Nothing, r#"{ require = ["sbom"] }"#),
    ("vex", Nothing, ""),
    ("auditable", Programs, "false"),
    ("test", Nothing, r#"{ run = ["--version"], stdout = "x" }"#),
];

/// A flag of `cargo oci build` that is no key, what it changes, and its use; without one, it is tested elsewhere.
const BY_FLAG: [(&str, Change, &[&str]); 32] = [
    ("targets", Image, &[]),
    ("prebuilt", Image, &[]),
    ("images", Nothing, &["--image", "x"]),
    ("no_index", Image, &["--no-index"]),
    ("outputs", Nothing, &["--output", "oci-archive=image.tar"]),
    ("metadata_file", Nothing, &["--metadata-file", "image.json"]),
    ("sbom_dir", Nothing, &["--sbom-dir", "sboms"]),
    ("packages", Nothing, &["--package", "x"]),
    ("workspace", Nothing, &["--workspace"]),
    ("exclude", Nothing, &["--workspace", "--exclude", "none"]),
    ("bins", Image, &["--bin", "x", "--bin", "y"]),
    ("manifest_path", Nothing, &["--manifest-path", "Cargo.toml"]),
    ("features", Programs, &["--features", "f"]),
    ("all_features", Programs, &["--all-features"]),
    ("no_default_features", Programs, &["--no-default-features"]),
    ("profile", Programs, &["--profile", "small"]),
    ("release", Nothing, &["--release"]),
    ("target_dir", Nothing, &[]),
    ("jobs", Nothing, &["--jobs", "1"]),
    ("locked", Nothing, &["--locked"]),
    ("offline", Nothing, &["--offline"]),
    ("frozen", Nothing, &["--frozen"]),
    // Below, where something is compiled.
    ("config", Programs, &[]),
    ("no_remap_path_prefix", Programs, &["--no-remap-path-prefix"]),
    ("no_install", Nothing, &["--no-install"]),
    ("insecure_registries", Nothing, &["--insecure-registry", "registry.example"]),
    ("timeout", Nothing, &["--timeout", "1m"]),
    ("verbose", Nothing, &["-v"]),
    ("quiet", Nothing, &["--quiet"]),
    ("color", Nothing, &["--color", "never"]),
    ("message_format", Nothing, &["--message-format", "json"]),
    ("help", Nothing, &[]),
];

const MANIFEST: &str = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\ndefault-run = \"x\"\n\
                        [features]\ndefault = [\"d\"]\nd = []\nf = []\n[profile.small]\ninherits = \"release\"\n\
                        [package.metadata.oci]\n";

/// A package whose programs were compiled elsewhere, and bases.
fn project() -> Project {
    let project = Project::new("x").file("src/bin/y.rs", "fn main() {}\n").file("file", "content");
    let project = project.file("Cargo.toml", MANIFEST);
    fs::create_dir(project.path("compiled")).expect("a folder");
    for name in ["x", "y"] {
        fs::write(project.path("compiled").join(name), elf(AMD64)).expect("a file");
    }
    BaseImage::new().write(&project.path("base"));
    BaseImage::new().big(1).write(&project.path("other"));
    project
}

/// The digest of the image, and what its provenance says of the build.
fn recorded(project: &Project, build: &Call) -> (String, Value) {
    build.succeeds();
    let statement = project.oci(&["referrers", "target/oci/x", "--get", "provenance"]).succeeds().stdout;
    let statement: Value = serde_json::from_str(&statement).expect("JSON");
    let digest = statement["subject"][0]["digest"]["sha256"].as_str().expect("a digest").to_owned();
    (digest, statement["predicate"]["buildDefinition"].clone())
}

/// Builds with these lines in the table, and these arguments.
fn build(project: &Project, table: &str, args: &[&str]) -> (String, Value) {
    let base = if table.starts_with("base ") { "" } else { "base = \"oci:base\"\n" };
    fs::write(project.path("Cargo.toml"), format!("{MANIFEST}{base}{table}\n")).expect("a file");
    let common = ["build", "--platform", "linux/amd64", "--prebuilt", "linux/amd64=compiled"];
    recorded(project, &project.oci(&[&common, args].concat()))
}

#[test]
fn provenance_tells_what_changes_the_image() {
    let project = project();
    let plain = build(&project, "", &[]);
    let mut wrong = Vec::new();
    let mut check = |name: &str, change: Change, built: (String, Value)| {
        let differs = (built.0 != plain.0, built.1 != plain.1);
        if differs != (change == Image, change != Nothing) {
            wrong.push(format!("{name} is to change {change:?}: (image, provenance) {differs:?}\n{}", built.1));
        }
    };
    for (key, change, value) in BY_KEY.iter().filter(|(_, _, value)| !value.is_empty()) {
        check(key, *change, build(&project, &format!("{key} = {value}"), &[]));
    }
    for (flag, change, args) in BY_FLAG.iter().filter(|(_, _, args)| !args.is_empty()) {
        check(flag, *change, build(&project, "", args));
    }
    fs::write(project.path("compiled/x"), [elf(AMD64), b"other".to_vec()].concat()).expect("a file");
    check("prebuilt", Image, build(&project, "", &[]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn provenance_decides_each_key_and_flag() {
    let keys: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(BY_KEY.map(|(name, ..)| name).to_vec(), keys);
    let mut program = Cli::command();
    program.build();
    let build = program.find_subcommand("build").expect("a command");
    let has_own_flag =
        |name: &str| KEYS.iter().any(|key| key.name == name && key.flag.is_some_and(|flag| flag.is_declared_here));
    let mut flags: Vec<_> =
        build.get_arguments().map(|arg| arg.get_id().as_str()).filter(|name| !has_own_flag(name)).collect();
    let mut decided = BY_FLAG.map(|(name, ..)| name).to_vec();
    flags.sort_unstable();
    decided.sort_unstable();
    assert_eq!(decided, flags);
}

#[test]
fn provenance_tells_what_cargo_is_told() {
    let project = Project::with_table("base = \"oci:base\"");
    BaseImage::new().glibc().write(&project.path("base"));
    let root = project.root().display().to_string();
    let common = ["build", "--libc", "gnu", "--platform", "host", "--sbom", "false"];
    let config = ["--config", "profile.release.opt-level=1", "--config", "env.API=\"sesame\""];
    let secret = ["--config", "env.ACME_TOKEN=\"sesame\""];
    let flags = format!("-C debuginfo=1 -L native={root}/lib");
    let call = |args: &[&str]| {
        let call = project.oci(args).env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "2");
        call.env("RUSTC_WRAPPER", "").env("CARGO_BUILD_JOBS", "2").env("CARGO_REGISTRY_TOKEN", "sesame")
    };
    let args = [&common[..], &config, &secret].concat();
    let (digest, told) = recorded(&project, &call(&args).env("RUSTFLAGS", &flags));
    let chosen = &told["externalParameters"];
    let target = chosen["targets"][0].as_str().expect("a target").to_owned();
    assert_eq!(chosen["rustflags"], json!({ target: ["-C", "debuginfo=1", "-L", "native=/workspace/lib"] }));
    assert_eq!(chosen["cargoConfig"]["profile.release.opt-level"], 1);
    assert!(chosen["cargoConfig"]["env.API"].as_str().is_some_and(|value| value.starts_with("sha256:")), "{chosen}");
    assert_eq!(chosen["variables"], json!({ "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "2" }));
    assert!(!told.to_string().contains("sesame") && !told.to_string().contains(&root), "{told}");
    // Without choices, nothing is told, and the same again is the same.
    let (plain, told) = recorded(&project, &project.oci(&common));
    assert_ne!(plain, digest);
    for name in ["rustflags", "cargoConfig", "variables", "noRemapPathPrefix", "auditable", "files", "annotations"] {
        assert_eq!(told["externalParameters"].get(name), None);
    }
    assert_eq!(recorded(&project, &project.oci(&common)), (plain.clone(), told));
    // It is reproduced where the same is chosen, and nowhere else.
    let args = [&common[..], &config[..2]].concat();
    let (digest, _) = recorded(&project, &call(&args).env("RUSTFLAGS", &flags));
    let reproduced = call(&["reproduce", "target/oci/x"]).env("RUSTFLAGS", &flags).succeeds().stdout;
    assert!(reproduced.contains(&digest), "{reproduced}");
    let words = call(&["reproduce", "target/oci/x"]).env("RUSTFLAGS", "-C debuginfo=2").fails(1);
    assert!(words.contains("compiler flags: {") && words.contains("debuginfo=2"), "{words}");
    let words = project.oci(&["reproduce", "target/oci/x"]).env("RUSTFLAGS", &flags).fails(1);
    assert!(words.contains("variables: {") && words.contains(", here: none"), "{words}");
}
