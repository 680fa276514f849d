//! Several packages, and several images of one: one command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::container::{Runtime, run, unpack};
use crate::support::environment;
use crate::support::process::{Ran, output};
use crate::support::project::{Call, Project};
use crate::support::registry::DockerRegistry;
use crate::support::{image, problems};

/// Calls with a cargo that notes what it is called for.
struct Counted<'a>(&'a Project);

impl Counted<'_> {
    /// `cargo oci build ARGS`, which succeeds.
    fn build(&self, args: &[&str]) -> Ran {
        self.0.program("cargo", "echo \"$@\" >>\"$(dirname \"$0\")/calls\"\nexec \"$REAL_CARGO\" \"$@\"");
        let real = std::env::var_os("CARGO").expect("cargo runs the tests");
        let toolchain = std::env::var_os("CARGO_OCI_TEST_TOOLCHAIN");
        // What rustup puts there knows which toolchain is wanted.
        let real = if toolchain.is_some() { "cargo".into() } else { real };
        let call = self.0.oci(&[&["build"], args].concat()).env("CARGO", self.0.path("programs/cargo"));
        let call = call.env("REAL_CARGO", real);
        let mut command = call.command("cargo-oci");
        let ran = Call::ran(command.arg("build").args(args));
        assert!(ran.status == 0, "ended with {}:\n{}{}", ran.status, ran.stdout, ran.stderr);
        ran
    }

    /// The arguments of each `cargo build` up to now.
    fn builds(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.0.path("programs/calls")).unwrap_or_default();
        calls.lines().filter(|call| call.starts_with("build")).map(str::to_owned).collect()
    }
}

/// The layout that each result line names, by the image's name.
fn layouts(project: &Project, ran: &Ran) -> BTreeMap<String, PathBuf> {
    let path = |line: &str| line.strip_prefix("oci:")?.split_once('@').map(|(path, _)| project.path(path));
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    ran.stdout.lines().map(|line| path(line).expect("a result")).map(|path| (name(&path), path)).collect()
}

/// The tags in a layout.
fn tags(layout: &Path) -> Vec<String> {
    let layout = cargo_oci::store::Layout::open(layout).expect("a layout");
    // What is attached has none.
    let tag = |entry: &cargo_oci::image::Descriptor| {
        entry.annotations().as_ref()?.get("org.opencontainers.image.ref.name").cloned()
    };
    layout.entries().iter().filter_map(tag).collect()
}

/// What the image of this computer's architecture says when it runs.
fn says(project: &Project, layout: &Path, tag: &str) -> String {
    let name = layout.file_name().expect("a name").to_string_lossy().into_owned();
    let bundle = project.path(&format!("bundle-{name}"));
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    unpack(layout, tag, architecture, &bundle);
    let ran = run(&bundle, Runtime::Runc, &[]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

#[test]
fn workspace_images_take_one_cargo_run() {
    let project = Project::fixture("workspace");
    let cargo = Counted(&project);
    let ran = cargo.build(&["--workspace"]);
    let layouts = layouts(&project, &ran);
    assert_eq!(layouts.keys().collect::<Vec<_>>(), ["api", "store", "store-migrate", "worker"]);
    assert_eq!(cargo.builds().len(), 1, "{:?}", cargo.builds());
    assert!(ran.stderr.contains("     Tagging worker: latest, 1.2.3, worker-1.2\n"), "{}", ran.stderr);
    let tagged = ran.stderr.find("Tagging").expect("tags");
    assert!(tagged < ran.stderr.find("Compiling").expect("cargo's words"), "{}", ran.stderr);
    for (name, layout) in &layouts {
        assert_eq!(problems(layout), [], "{name}");
        assert_eq!(tags(layout), ["latest".to_owned(), "1.2.3".to_owned(), format!("{name}-1.2")]);
    }

    let config = |name: &str| image(&layouts[name], "linux/arm64/v8").1["config"].clone();
    let (api, worker) = (config("api"), config("worker"));
    assert_eq!(worker["Cmd"], json!(["--greeting", "hello"]));
    assert_eq!(worker["Labels"]["com.example.tier"], "backend");
    assert_eq!(worker["User"], "65532:65532");
    assert_eq!(api["User"], "65532:65532");
    assert_eq!(api["ExposedPorts"], json!({ "8080/tcp": {}, "9000/udp": {} }));
    assert_eq!(api["Volumes"], json!({ "/data": {} }));
    assert_eq!(api["StopSignal"], "SIGQUIT");
    let env = api["Env"].to_string();
    assert!(env.contains("\"LOG=debug\"") && env.contains("\"REGION=nowhere\""), "{env}");
    assert_eq!(api["Labels"]["com.example.team"], "storefront");
    assert_eq!(api["Labels"]["com.example.tier"], "edge");
    assert_eq!(api["Labels"].get("org.opencontainers.image.description"), None);
    assert_eq!(api["Labels"]["org.opencontainers.image.ref.name"], "api");
    let annotations = &image(&layouts["api"], "linux/amd64").0["annotations"];
    assert_eq!(annotations["org.opencontainers.image.description"], "A service with a table of its own");

    // Features of one package are none of the others.
    assert_eq!(says(&project, &layouts["api"], "latest"), "api says GOOD DAY\n");
    assert_eq!(says(&project, &layouts["worker"], "1.2.3"), "worker says hello\n");
    assert_eq!(says(&project, &layouts["store-migrate"], "store-migrate-1.2"), "store migrates, with 0 arguments\n");
}

#[test]
fn images_of_a_package_inherit_its_settings() {
    let project = Project::fixture("workspace");
    let ran = project.oci(&["build", "-p", "store", "--platform", "linux/amd64"]).succeeds();
    let layouts = layouts(&project, &ran);
    let [store, migrate] = ["store", "store-migrate"].map(|name| image(&layouts[name], "linux/amd64"));
    assert_eq!(store.1["config"]["Entrypoint"], json!(["/usr/local/bin/store"]));
    assert_eq!(store.1["config"]["Cmd"], json!(["--greeting", "hello"]));
    assert_eq!(migrate.1["config"]["Entrypoint"], json!(["/usr/local/bin/store-migrate"]));
    assert_eq!(migrate.1["config"].get("Cmd"), None);
    assert_eq!(migrate.1["config"]["WorkingDir"], "/tmp");
    // The folder is in the base's PATH already.
    assert_eq!(migrate.1["config"]["Env"][0], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_eq!(store.0["annotations"]["org.opencontainers.image.title"], "store");
    assert_eq!(migrate.0["annotations"]["org.opencontainers.image.title"], "The migration of store");
    let media_type = |manifest: &Value| manifest["layers"][1]["mediaType"].clone();
    assert_eq!(media_type(&store.0), "application/vnd.oci.image.layer.v1.tar+gzip");
    assert_eq!(media_type(&migrate.0), "application/vnd.oci.image.layer.v1.tar+zstd");

    let one = |args: &[&str]| {
        let args = [&["build", "-p", "store", "--platform", "linux/amd64"], args].concat();
        project.oci(&args).succeeds().stdout
    };
    for choice in [["--image", "store-migrate"], ["--bin", "store-migrate"]] {
        let line = one(&choice);
        assert!(line.starts_with("oci:target/oci/store-migrate@") && line.lines().count() == 1, "{line}");
    }
    let words = project.oci(&["build", "-p", "store", "--image", "store-migrat"]).fails(1);
    assert!(words.contains("no image `store-migrat`") && words.contains("did you mean `store-migrate`?"), "{words}");
}

#[test]
fn workspace_push_prints_one_line_per_image() {
    let project = Project::fixture("workspace");
    let registry = DockerRegistry::start();
    let repository = |name: &str| format!("repository = \"{}\"\n", registry.reference(&format!("acme/{name}")));
    let table = "[package.metadata.oci]\n";
    let project = project
        .append("api/Cargo.toml", &repository("api"))
        .append("store/Cargo.toml", &repository("store-migrate"))
        .append("worker/Cargo.toml", &(table.to_owned() + &repository("worker")));
    let words = project.oci(&["push", "--workspace"]).fails(1);
    assert!(words.contains("cannot push store: no repository is set"), "{words}");
    let store = std::fs::read_to_string(project.path("store/Cargo.toml")).expect("a file");
    let project = project.file("store/Cargo.toml", &store.replace(table, &(table.to_owned() + &repository("store"))));
    let ran = project.oci(&["push", "--workspace"]).succeeds();
    let lines: Vec<_> = ran.stdout.lines().map(|line| line.split_once('@').expect("a digest")).collect();
    let names = ["api", "store", "store-migrate", "worker"];
    assert_eq!(lines.len(), names.len(), "{}", ran.stdout);
    for (name, (place, digest)) in names.into_iter().zip(lines) {
        assert_eq!(place, registry.reference(&format!("acme/{name}")));
        for tag in [digest.to_owned(), "1.2.3".to_owned(), format!("{name}-1.2")] {
            assert!(registry.manifest(&format!("acme/{name}"), &tag).is_some(), "{name} {tag}");
        }
    }
    // One repository for all of them, where their tags are the same, would be one image in the end.
    let one = registry.reference("acme/all");
    let words = project.oci(&["push", "--workspace", "--repository", &one]).fails(1);
    assert!(words.contains(&format!("the images api and store have the same name, {one}:latest")), "{words}");
    let ran = project.oci(&["push", "--workspace", "--repository", &one, "--tag", "{name}"]).succeeds();
    assert_eq!(ran.stdout.lines().count(), 4);
    assert!(registry.manifest("acme/all", "store-migrate").is_some());
}

#[test]
fn disabled_member_is_never_built() {
    let project = Project::fixture("workspace");
    let words = project.oci(&["build", "-p", "tool"]).fails(1);
    assert!(words.contains("the package tool has no image: its Cargo.toml has `oci = false`"), "{words}");
    let names = ["--exclude", "store", "--exclude", "nobody", "--exclude", "no*", "--platform", "linux/amd64"];
    let ran = project.oci(&[&["build", "--workspace"], &names[..]].concat()).succeeds();
    assert_eq!(layouts(&project, &ran).keys().collect::<Vec<_>>(), ["api", "worker"]);
    let warning =
        format!("warning: excluded package(s) `nobody` not found in workspace `{}`", project.root().display());
    assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
    assert!(ran.stderr.contains("excluded package pattern(s) `no*` not found"), "{}", ran.stderr);
}

#[test]
fn members_share_cargo_runs_per_profile() {
    let member = |name: &str, table: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[features]\ndefault = [\"one\"]\none = []\n\
             two = []\n[package.metadata.oci]\n{table}\n"
        )
    };
    let main = "fn main() {\n    println!(\"{}{}\", cfg!(feature = \"one\"), cfg!(feature = \"two\"));\n}\n";
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"a\", \"b\", \"c\"]\n";
    let project = Project::empty("ws")
        .file("Cargo.toml", &format!("{workspace}[profile.dist]\ninherits = \"release\"\n"))
        .file("a/Cargo.toml", &member("a", "no-default-features = true"))
        .file("a/src/main.rs", main)
        .file(
            "b/Cargo.toml",
            &member("b", "features = [\"two\"]\n[package.metadata.oci.images.b-dist]\nprofile = \"dist\""),
        )
        .file("b/src/main.rs", main)
        .file("c/Cargo.toml", &member("c", "all-features = true"))
        .file("c/src/main.rs", main);
    let cargo = Counted(&project);
    let build = |args: &[&str]| {
        let args = [&["--workspace", "--base", "embedded", "--platform", "host", "--tag", "{profile}"], args].concat();
        layouts(&project, &cargo.build(&args))
    };
    let built = build(&[]);
    assert_eq!(cargo.builds().len(), 2, "{:?}", cargo.builds());
    for (name, words) in [("a", "falsefalse"), ("b", "truetrue"), ("c", "truetrue")] {
        assert_eq!(says(&project, &built[name], "release"), format!("{words}\n"), "{name}");
    }
    assert_eq!(says(&project, &built["b-dist"], "dist"), "truetrue\n");

    // Cargo's own flags take the place of what the tables say, and one profile is one run.
    let built = build(&["--no-default-features", "--profile", "dist"]);
    assert_eq!(cargo.builds().len(), 3, "{:?}", cargo.builds());
    let config = image(&built["b"], &host()).1;
    assert_eq!(config["config"]["Entrypoint"], json!(["/app/b"]));
    assert_eq!(tags(&built["c"]), ["dist"]);
}

/// The platform of this computer, as an index writes it.
fn host() -> String {
    if cfg!(target_arch = "aarch64") { "linux/arm64/v8".to_owned() } else { "linux/amd64".to_owned() }
}

#[test]
fn tag_templates_read_git_before_compiling() {
    let project = Project::with_table("tags = [\"{git.branch}\", \"{git.short}\", \"{git.tag}\", \"{version}\"]")
        .file(".gitignore", "target\n");
    let build = || -> Call { project.build(&["--platform", "linux/amd64"]) };
    let words = build().fails(1);
    assert!(words.contains("cannot make the tag `{git.branch}` of x"), "{words}");
    assert!(words.contains("not a git repository") && words.contains("help: "), "{words}");
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"];
        let mut git = environment::command("git");
        output(git.args(identity).args(args).current_dir(project.root()))
    };
    git(&["init", "--quiet"]);
    let words = build().fails(1);
    assert!(words.contains("the repository has no commits"), "{words}");
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message=x"]);
    git(&["switch", "--quiet", "--create", "feature/ä"]);
    let words = build().fails(1);
    assert!(words.contains("the tag `{git.tag}` of x") && words.contains(" has no tag"), "{words}");
    assert!(!project.path("target/oci").exists());
    for tag in ["v0.9.0", "v0.10.0"] {
        git(&["tag", tag]);
    }
    build().succeeds();
    let short = git(&["rev-parse", "HEAD"])[..7].to_owned();
    assert_eq!(tags(&project.layout()), ["feature--".to_owned(), short, "v0.10.0".to_owned(), "0.1.0".to_owned()]);
    git(&["checkout", "--quiet", "--detach"]);
    let words = build().fails(1);
    assert!(words.contains("no branch is checked out (detached HEAD)"), "{words}");
}

#[test]
fn commit_of_one_service_sends_one_layer() {
    let project = Project::fixture("workspace").file(".gitignore", "target\n");
    let registry = DockerRegistry::start();
    let commit = |seconds: u64| {
        for args in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--message=x"]] {
            let date = format!("@{seconds} +0000");
            let mut git = environment::command("git");
            git.env("GIT_COMMITTER_DATE", &date).env("GIT_AUTHOR_DATE", date);
            output(git.args(args).current_dir(project.root()));
        }
    };
    // Each time from a cold cache, as in CI.
    let push = || {
        for folder in [project.path("target/oci"), project.cache()] {
            let _ = std::fs::remove_dir_all(folder);
        }
        let repository = registry.reference("acme");
        let args = ["push", "--workspace", "--platform", "linux/amd64", "--repository", &repository, "--tag", "{name}"];
        project.oci(&args).succeeds();
    };
    let names = ["api", "store", "store-migrate", "worker"];
    let layers = || names.map(|name| image(&project.path("target/oci").join(name), "linux/amd64").0["layers"].clone());
    commit(1_700_000_000);
    push();
    let (before, requests) = (layers(), registry.requests().len());
    let worker = std::fs::read_to_string(project.path("worker/src/main.rs")).expect("a program");
    std::fs::write(project.path("worker/src/main.rs"), worker.replace("worker says", "worker shouts")).expect("a file");
    commit(1_700_000_060);
    push();
    let after = layers();
    assert_eq!(before[..3], after[..3], "only the program of the worker is another");
    let sent = |layer: &&Value| {
        let digest = layer["digest"].as_str().expect("a digest").replace(':', "%3A");
        let requests = registry.requests().split_off(requests);
        requests.iter().any(|request| request.method == "PUT" && request.path.contains(&digest))
    };
    let all: Vec<_> = after.iter().flat_map(|layers| layers.as_array().expect("layers")).collect();
    let sent: Vec<_> = all.into_iter().filter(sent).collect();
    assert_eq!(sent, [after[3].as_array().expect("layers").last().expect("a layer")]);
}
