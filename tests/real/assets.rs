//! The key `files`: what is in the image, and what a program sees of it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::support::base::BaseImage;
use crate::support::container::{Runtime, run, unpack};
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;
use crate::support::{blob, digest, image, problems};

/// Says of each path that it is called with what it is, whose, and what is in it.
const LOOK: &str = r#"
use std::os::unix::fs::MetadataExt;
fn main() {
    for path in std::env::args().skip(1) {
        let found = std::fs::symlink_metadata(&path).unwrap();
        let content = match (std::fs::read_link(&path), std::fs::read_to_string(&path)) {
            (Ok(link), content) => format!("-> {}: {}", link.display(), content.unwrap()),
            (_, Ok(content)) => content,
            (_, Err(error)) => format!("{:?}", error.kind()),
        };
        println!("{path} {:o} {}:{} {content}", found.mode() & 0o7777, found.uid(), found.gid());
    }
}
"#;

/// A package with that program and these rules; its files hold their own names.
fn package(rules: &str, files: &[&str]) -> Project {
    let project = Project::with_table(&format!("files = [{rules}]")).file("src/main.rs", LOOK);
    files.iter().fold(project, |project, file| project.file(file, file))
}

fn says(project: &Project, architecture: &str, paths: &[&str]) -> String {
    let bundle = project.path(&format!("bundle-{architecture}"));
    unpack(&project.layout(), "latest", architecture, &bundle);
    let ran = run(&bundle, Runtime::Runc, paths);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran.stdout
}

/// The digest of the layer of assets, the last but one.
fn layer(layout: &Path, platform: &str) -> String {
    let (manifest, config) = image(layout, platform);
    let made_by = |entry: &Value| entry["created_by"].as_str().unwrap_or_default().to_owned();
    let history: Vec<_> = config["history"].as_array().expect("a history").iter().map(made_by).collect();
    assert!(history.ends_with(&["cargo oci build (assets)".to_owned(), "cargo oci build (binaries)".to_owned()]));
    let layers = manifest["layers"].as_array().expect("layers");
    layers[layers.len() - 2]["digest"].as_str().expect("a digest").to_owned()
}

/// The entries of a layer as `PATH MODE USER:GROUP`.
fn entries(layout: &Path, layer: &str) -> Vec<String> {
    let gzip = flate2::read::GzDecoder::new(std::fs::File::open(blob(layout, layer)).expect("a blob"));
    let mut tar = tar::Archive::new(gzip);
    let shown = |entry: std::io::Result<tar::Entry<_>>| {
        let entry = entry.expect("an entry");
        let header = entry.header();
        let number = |number: std::io::Result<u64>| number.expect("a number");
        let (mode, uid, gid) = (header.mode().expect("a mode"), number(header.uid()), number(header.gid()));
        format!("{} {mode:o} {uid}:{gid}", entry.path().expect("a path").display())
    };
    tar.entries().expect("a tar").map(shown).collect()
}

#[test]
fn asset_rules_apply_on_both_architectures() {
    let rules = r#"
        { from = "assets/**", to = "/srv/www/", owner = "nonroot" },
        { from = "conf/*.toml", to = "/etc/look.toml", mode = "0600" },
        { from = "$OUT_DIR/generated", to = "/usr/share/look/", owner = "7:nobody" },
    "#;
    let script = "fn main() {\n    let folder = std::env::var(\"OUT_DIR\").unwrap();\n    \
                  std::fs::write(folder + \"/generated\", std::env::var(\"TARGET\").unwrap()).unwrap();\n}\n";
    let files = ["assets/css/a.css", "assets/.hidden", "assets/run.sh", "conf/look.toml"];
    let project = package(rules, &files).file("build.rs", script);
    std::fs::set_permissions(project.path("assets/run.sh"), std::fs::Permissions::from_mode(0o700)).expect("a mode");
    symlink("css/a.css", project.path("assets/now.css")).expect("a link");
    let ran = project.build(&[]).succeeds();
    assert!(
        ran.stderr.contains("Layering x linux/amd64: /srv/www/, /etc/look.toml, /usr/share/look/"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    assert_eq!(problems(&project.layout()), []);
    for (architecture, triple) in [("amd64", "x86_64-unknown-linux-musl"), ("arm64", "aarch64-unknown-linux-musl")] {
        let expected = [
            ("/srv/www/css/a.css", "644 65532:65532 assets/css/a.css"),
            ("/srv/www/.hidden", "644 65532:65532 assets/.hidden"),
            ("/srv/www/run.sh", "755 65532:65532 assets/run.sh"),
            ("/srv/www/now.css", "777 65532:65532 -> css/a.css: assets/css/a.css"),
            ("/srv/www/css", "755 65532:65532 IsADirectory"),
            ("/srv/www", "755 65532:65532 IsADirectory"),
            ("/etc/look.toml", "600 0:0 PermissionDenied"),
            ("/usr/share/look/generated", &format!("644 7:65534 {triple}")),
            // The base's own are as they were.
            ("/tmp", "1777 0:0 IsADirectory"),
        ];
        let said = says(&project, architecture, &expected.map(|(path, _)| path));
        assert_eq!(said, expected.map(|(path, what)| format!("{path} {what}\n")).concat());
    }
    let layers = ["linux/amd64", "linux/arm64/v8"].map(|platform| layer(&project.layout(), platform));
    assert_ne!(layers[0], layers[1], "what was generated differs");
}

#[test]
fn asset_layer_is_shared_by_all_platforms() {
    let script =
        "fn main() {\n    std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/same\", \"same\").unwrap();\n}\n";
    let rules = r#"{ from = "assets", to = "/srv/" }, { from = "$OUT_DIR", to = "/srv/generated/" }"#;
    let project = package(rules, &["assets/a"]).file("build.rs", script);
    let build = || {
        project.build(&[]).succeeds();
        let [amd64, arm64] = ["linux/amd64", "linux/arm64/v8"].map(|platform| layer(&project.layout(), platform));
        assert_eq!(amd64, arm64);
        let file = blob(&project.layout(), &amd64).metadata().expect("a blob");
        (amd64, file.ino(), digest(&project.layout()))
    };
    let first = build();
    assert_eq!(build(), first);
    std::fs::write(project.path("src/main.rs"), "fn main() {}").expect("a file");
    let (layer, file, whole) = build();
    assert_eq!((&layer, file), (&first.0, first.1), "the layer was made again");
    assert_ne!(whole, first.2);
    std::fs::write(project.path("assets/a"), "new").expect("a file");
    assert_ne!(build().0, first.0);
}

#[test]
fn asset_owners_resolve_without_pulling_the_base() {
    let project = package(r#"{ from = "a", to = "/srv/", owner = "nonroot:staff" }"#, &["a/b"]);
    let base = BaseImage::new().write(&project.path("base"));
    let registry = DockerRegistry::start();
    base.push_to(&registry, "base", "nonroot");
    let (base, repository) = (registry.reference("base:nonroot"), registry.reference("x"));
    project.oci(&["push", "--base", &base, "--repository", &repository]).succeeds();
    let layer = layer(&project.layout(), "linux/arm64/v8");
    assert_eq!(entries(&project.layout(), &layer), ["srv/b 644 65532:50"]);
    // The base's layers are mounted, and only those: that of assets is not looked for in the base's repository.
    let mounts: Vec<_> = registry.requests().into_iter().filter(|request| request.path.contains("mount=")).collect();
    assert_eq!(mounts.len(), 5, "{mounts:?}");
    assert!(!mounts.iter().any(|request| request.path.contains(layer.trim_start_matches("sha256:"))), "{mounts:?}");
}

#[test]
fn asset_parents_are_added_only_over_scratch() {
    let project = package(r#"{ from = "rootfs", to = "/" }"#, &["rootfs/etc/x/y", "rootfs/tmp/z"]);
    let build = |base: &str| {
        project.oci(&["build", "--base", base, "--platform", "linux/amd64"]).succeeds();
        entries(&project.layout(), &layer(&project.layout(), "linux/amd64"))
    };
    assert_eq!(build("embedded"), ["etc/x/ 755 0:0", "etc/x/y 644 0:0", "tmp/z 644 0:0"]);
    let all = ["etc/ 755 0:0", "etc/x/ 755 0:0", "etc/x/y 644 0:0", "tmp/ 755 0:0", "tmp/z 644 0:0"];
    assert_eq!(build("scratch"), all);
    assert_eq!(problems(&project.layout()), []);
}

#[test]
fn asset_rules_of_package_replace_workspace_rules() {
    let member = |name: &str, table: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[package.metadata.oci]\n{table}\n"
        )
    };
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"a\", \"b\", \"c\"]\n\
                     [workspace.metadata.oci]\nfiles = [{ from = \"LICENSE\", to = \"/\" }]\n";
    let project = Project::empty("ws")
        .file("Cargo.toml", workspace)
        .file("LICENSE", "")
        .file("a/Cargo.toml", &member("a", ""))
        .file("a/src/main.rs", "fn main() {}\n")
        .file(
            "b/Cargo.toml",
            &member("b", "files = [{ from = \"target/made\", to = \"/\" }, { from = \"own\", to = \"/\" }]"),
        )
        .file("b/src/main.rs", "fn main() {}\n")
        .file("b/own", "")
        .file("c/Cargo.toml", &member("c", "files = []"))
        .file("c/src/main.rs", "fn main() {}\n")
        .file("target/made", "");
    project.build(&["--workspace", "--platform", "linux/amd64"]).succeeds();
    let layout = |name: &str| project.path("target/oci").join(name);
    let of = |name: &str| entries(&layout(name), &layer(&layout(name), "linux/amd64"));
    assert_eq!(of("a"), ["LICENSE 644 0:0"]);
    assert_eq!(of("b"), ["made 644 0:0", "own 644 0:0"]);
    let (manifest, _) = image(&layout("c"), "linux/amd64");
    assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(2));
}

#[test]
fn missing_build_output_keeps_previous_layout() {
    let project = package(r#"{ from = "target/made/*", to = "/srv/" }"#, &["target/made/a"]);
    project.build(&["--platform", "linux/amd64"]).succeeds();
    let before = digest(&project.layout());
    std::fs::remove_file(project.path("target/made/a")).expect("a file");
    let words = project.build(&["--platform", "linux/amd64"]).env("NO_COLOR", "1").fails(1);
    assert!(
        words.contains("`target/made/*` matches nothing: no file matches") && words.contains("Cargo.toml:7:"),
        "{words}"
    );
    assert_eq!(digest(&project.layout()), before);
    assert_eq!(problems(&project.layout()), []);
}

#[test]
fn asset_link_to_excluded_file_warns() {
    let project = package(r#"{ from = "assets", to = "/srv/" }"#, &["assets/a", "other"]);
    symlink("../other", project.path("assets/b")).expect("a link");
    let ran = project.build(&["--platform", "linux/amd64"]).succeeds();
    let words = "warning: the link /srv/b leads to ../other, which is not among the copied files";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}
