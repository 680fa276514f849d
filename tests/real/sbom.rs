//! What is said to be in an image, by us and by other tools.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::support::container::skopeo;
use crate::support::engine::{Docker, DockerOptions, Podman, Store};
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::registry::DockerRegistry;
use crate::support::strict::referrers::Attaching;
use crate::support::strict::{Behaviour, StrictRegistry};
use crate::support::{digest, document, problems};

/// What is compiled once is compiled for all tests here, which take turns at the layout in it.
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/fixtures-sbom");

/// The folder of the Python tools that `.ci/setup` brings.
fn tool(name: &str) -> Command {
    let folder = std::env::var_os("CARGO_OCI_TEST_SBOM_PATH").expect("CARGO_OCI_TEST_SBOM_PATH: run `.ci/test`");
    let mut command = environment::command(PathBuf::from(folder).join(name));
    command.env("SYFT_CHECK_FOR_APP_UPDATE", "false");
    command
}

/// Who has the layout.
static TURN: Mutex<()> = Mutex::new(());

/// `service`, built with both kinds of SBOMs in a folder.
fn service(sboms: &Path) -> Project {
    let project = Project::fixture("service");
    let folder = sboms.to_str().expect("a path");
    let args = ["--sbom", "cyclonedx,spdx", "--sbom-dir", folder, "--target-dir", TARGET];
    project.build(&args).succeeds();
    project
}

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// `name@version` of all crates.
fn crates<'a>(packages: &'a Value, purl: impl Fn(&'a Value) -> Option<&'a str>, version: &str) -> BTreeSet<String> {
    let packages = packages.as_array().expect("packages").iter();
    let of_cargo = packages.filter(|package| purl(package).is_some_and(|purl| purl.starts_with("pkg:cargo/")));
    let text = |package: &Value, key: &str| package[key].as_str().expect("a text").to_owned();
    of_cargo.map(|package| format!("{}@{}", text(package, "name"), text(package, version))).collect()
}

fn of_cyclonedx(path: &Path) -> BTreeSet<String> {
    let document = json(path);
    crates(&document["components"], |package| package["purl"].as_str(), "version")
}

fn of_spdx(path: &Path) -> BTreeSet<String> {
    let document = json(path);
    let purl = |package: &Value| package["externalRefs"][0]["referenceLocator"].as_str().map(str::to_owned);
    let packages = document["packages"].as_array().expect("packages").iter();
    let of_cargo = packages.filter(|package| purl(package).is_some_and(|purl| purl.starts_with("pkg:cargo/")));
    let text = |package: &Value, key: &str| package[key].as_str().expect("a text").to_owned();
    of_cargo.map(|package| format!("{}@{}", text(package, "name"), text(package, "versionInfo"))).collect()
}

/// What `cargo tree` names for a target.
fn tree(project: &Project, target: &str) -> BTreeSet<String> {
    let args = ["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--target", target];
    let mut command = project.oci(&[]).command("cargo");
    let said = output(command.args(args));
    let name = |line: &str| {
        let mut words = line.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some(format!("{name}@{version}"))
    };
    said.lines().filter_map(name).collect()
}

const TARGETS: [(&str, &str); 2] =
    [("linux-amd64", "x86_64-unknown-linux-musl"), ("linux-arm64-v8", "aarch64-unknown-linux-musl")];

#[test]
fn sbom_lists_crates_of_cargo_tree() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let project = service(folder.path());
    for (platform, target) in TARGETS {
        let tree = tree(&project, target);
        assert!(tree.len() > 30, "{tree:?}");
        assert_eq!(of_cyclonedx(&folder.path().join(format!("service-{platform}.cdx.json"))), tree);
        assert_eq!(of_spdx(&folder.path().join(format!("service-{platform}.spdx.json"))), tree);
    }
    let layout = Path::new(TARGET).join("oci/service");
    assert_eq!(problems(&layout), []);
    let root = digest(&layout);
    let listed: Value = json(&layout.join("referrers.json"));
    let attached = listed["manifests"].as_array().expect("entries").iter();
    let mut subjects: Vec<_> = attached
        .map(|entry| document(&layout, entry["digest"].as_str().expect("a digest")))
        .map(|manifest| manifest["subject"]["digest"].as_str().expect("a subject").to_owned())
        .collect();
    subjects.sort();
    subjects.dedup();
    let index = document(&layout, &root);
    let images = index["manifests"].as_array().expect("images").iter();
    let mut wanted: Vec<_> = images.map(|image| image["digest"].as_str().expect("a digest").to_owned()).collect();
    wanted.push(root);
    wanted.sort();
    assert_eq!(subjects, wanted);
}

#[test]
fn sboms_match_official_schemas() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    service(folder.path());
    let names = |extension: &str| {
        let names = ["service", "service-linux-amd64", "service-linux-arm64-v8"];
        names.map(|name| folder.path().join(format!("{name}.{extension}")))
    };
    // CycloneDX: the project's own schema, and nothing beside it.
    let check = "import sys\n\
                 from cyclonedx.schema import SchemaVersion\n\
                 from cyclonedx.validation.json import JsonStrictValidator\n\
                 for name in sys.argv[1:]:\n    \
                     wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(name).read())\n    \
                     assert wrong is None, (name, wrong)\n";
    output(tool("python3").args(["-c", check]).args(names("cdx.json")));
    // SPDX: its project's own validator.
    for name in names("spdx.json") {
        output(tool("pyspdxtools").arg("--infile").arg(name));
    }
    for (name, crates) in names("cdx.json").iter().zip(names("cdx.json").iter().map(|name| of_cyclonedx(name))) {
        assert_eq!(read_by_syft(name), crates);
    }
    for name in names("spdx.json") {
        assert_eq!(read_by_syft(&name), of_spdx(&name));
    }
}

/// The crates that syft finds in an SBOM.
fn read_by_syft(sbom: &Path) -> BTreeSet<String> {
    let said = output(tool("syft").args(["convert", "--quiet", "--output", "json"]).arg(sbom));
    let found: Value = serde_json::from_str(&said).expect("JSON");
    crates(&found["artifacts"], |package| package["purl"].as_str(), "version")
}

#[test]
fn sbom_and_provenance_are_reproducible() {
    let _turn = turn();
    let layout = Path::new(TARGET).join("oci/service");
    let built = [(); 2].map(|()| {
        let folder = tempfile::tempdir().expect("a folder");
        let project = service(folder.path());
        // It names all that is attached by digests.
        (folder, project, fs::read_to_string(layout.join("referrers.json")).expect("a list"))
    });
    assert_eq!(built[0].2, built[1].2);
    let (folder, project, list) = &built[0];
    let list: Value = serde_json::from_str(list).expect("JSON");
    let mut seen = BTreeSet::new();
    for entry in list["manifests"].as_array().expect("entries") {
        let manifest = document(&layout, entry["digest"].as_str().expect("a digest"));
        let content = document(&layout, manifest["layers"][0]["digest"].as_str().expect("a digest")).to_string();
        for (_, project, _) in &built {
            assert!(
                !content.contains(project.root().to_str().expect("a path")),
                "{entry} names a folder of this computer"
            );
        }
        seen.insert(entry["artifactType"].as_str().expect("a type").to_owned());
        if entry["artifactType"] == "application/vnd.in-toto+json" {
            is_provenance(&serde_json::from_str(&content).expect("JSON"), &layout);
        }
    }
    let all = ["application/spdx+json", "application/vnd.cyclonedx+json", "application/vnd.in-toto+json"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
    unbuilt(project, &folder.path().join("service-linux-amd64.cdx.json"));
}

/// It is about index and images, and names what they are made of.
fn is_provenance(statement: &Value, layout: &Path) {
    let subjects = statement["subject"].as_array().expect("subjects").iter();
    let subjects: Vec<_> = subjects.map(|subject| subject["digest"]["sha256"].as_str().expect("a digest")).collect();
    assert_eq!((subjects.len(), format!("sha256:{}", subjects[0])), (3, digest(layout)));
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let definition = &statement["predicate"]["buildDefinition"];
    assert_eq!(definition["externalParameters"]["package"], "service@1.2.3");
    let resolved = definition["resolvedDependencies"].as_array().expect("a list").iter();
    let names: Vec<_> = resolved.map(|one| one["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["base", "Cargo.lock", "rustc", "cargo"]);
}

/// What is said without building lacks the digests that only a build can know, and no crate.
fn unbuilt(project: &Project, built: &Path) {
    let said = project.oci(&["sbom", "--platform", "linux/amd64"]).succeeds().stdout;
    let unbuilt: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(crates(&unbuilt["components"], |package| package["purl"].as_str(), "version"), of_cyclonedx(built));
    let programs = |document: &Value| -> Vec<bool> {
        let components = document["components"].as_array().expect("components").iter();
        components.filter(|made| made["type"] == "file").map(|made| made["hashes"].is_array()).collect()
    };
    assert_eq!((programs(&unbuilt), programs(&json(built))), (vec![false; 2], vec![true; 2]));
}

/// The manifests of what a registry lists under the tag that stands in for a list of referrers.
fn attached(registry: &DockerRegistry, subject: &str) -> Vec<String> {
    let listed = registry.manifest("acme/hello", &subject.replace(':', "-"));
    let (_, list) = listed.expect("a list");
    let list: Value = serde_json::from_slice(&list).expect("JSON");
    let entries = list["manifests"].as_array().expect("entries").iter();
    entries.map(|entry| entry["artifactType"].as_str().expect("a type").to_owned()).collect()
}

#[test]
fn push_attaches_sbom_and_provenance_once() {
    let project = Project::fixture("hello");
    let registry = DockerRegistry::start();
    let repository = registry.reference("acme/hello");
    let push = |more: &[&str]| project.push(&[&["--repository", &repository], more].concat()).succeeds();
    push(&[]);
    let layout = project.layout();
    let root = digest(&layout);
    let index = document(&layout, &root);
    let images = index["manifests"].as_array().expect("images").iter();
    let subjects: Vec<_> =
        images.map(|image| image["digest"].as_str().expect("a digest").to_owned()).chain([root]).collect();
    let (cyclonedx, provenance) = ("application/vnd.cyclonedx+json", "application/vnd.in-toto+json");
    for subject in &subjects {
        assert_eq!(attached(&registry, subject), [cyclonedx, provenance]);
    }
    // Whoever has pushed it before asks nobody; who has not asks, and sends nothing.
    for (forget, requests) in [(false, 1), (true, 1 + 2 * subjects.len())] {
        if forget {
            fs::remove_dir_all(project.cache()).expect("a cache");
        }
        let before = registry.requests().len();
        push(&[]);
        let sent = registry.requests().split_off(before);
        // One of those who ask side by side may tell the others that there is no list but the tag.
        assert!((requests - requests / 3..=requests).contains(&sent.len()), "{sent:?}");
        assert!(sent.iter().all(|request| ["GET", "HEAD"].contains(&request.method.as_str())), "{sent:?}");
    }
    // The image is the same with another SBOM, which is attached beside the first one.
    push(&["--sbom", "spdx"]);
    for subject in &subjects {
        assert_eq!(attached(&registry, subject), [cyclonedx, provenance, "application/spdx+json"]);
    }
}

#[test]
fn attachments_are_pushed_before_the_tag() {
    let project = Project::fixture("hello");
    let push = |registry: &StrictRegistry, more: &[&str]| {
        let repository = registry.reference("acme/hello");
        project.push(&[&["--repository", &repository, "--platform", "linux/amd64"], more].concat())
    };
    for attaching in [Attaching::Api, Attaching::ApiForWhatIsThere, Attaching::Rivals(2)] {
        let registry = StrictRegistry::start(Behaviour { attaching, ..Behaviour::default() });
        for _ in 0..2 {
            push(&registry, &[]).succeeds();
            let name = registry.reference("acme/hello:latest");
            let tree = project.oci(&["referrers", &name]).succeeds().stdout;
            for kind in ["application/vnd.cyclonedx+json", "application/vnd.in-toto+json"] {
                assert_eq!(tree.matches(kind).count(), 2, "{attaching:?}: {tree}");
            }
        }
        let before = registry.requests();
        push(&registry, &[]).succeeds();
        assert_eq!(registry.requests() - before, 1, "{attaching:?}");
        assert_eq!(registry.violations(), [""; 0]);
    }
    let registry = StrictRegistry::start(Behaviour { attaching: Attaching::Refused, ..Behaviour::default() });
    let words = push(&registry, &["--sbom", "cyclonedx"]).fails(1);
    assert!(words.contains("does not accept attachments of the type") && words.contains("--sbom false"), "{words}");
    assert_eq!(registry.tag("acme/hello", "latest"), None);
    let ran = push(&registry, &[]).succeeds();
    assert!(ran.stderr.contains("was pushed without its attachments"), "{}", ran.stderr);
    assert!(registry.tag("acme/hello", "latest").is_some());
}

#[test]
fn attachments_do_not_disturb_other_tools() {
    let project = Project::fixture("hello");
    let [archive, docker_archive] = ["hello.tar", "docker.tar"].map(|name| project.path(name));
    let outputs =
        [format!("oci-archive={}", archive.display()), format!("docker-archive={}", docker_archive.display())];
    // Podman takes no path with a capital letter in it.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures-attached");
    let copy = format!("oci-dir={}", folder.display());
    project.build(&["-o", &outputs[0], "-o", &outputs[1], "-o", &copy]).succeeds();
    let root = digest(&project.layout());
    for place in [&project.layout(), &folder] {
        assert_eq!(problems(place), []);
        let seen = skopeo(&["inspect", &format!("oci:{}:latest", place.display())]);
        assert!(seen.contains("Architecture"), "{seen}");
        let back = project.path("back");
        skopeo(&["copy", "--all", &format!("oci:{}:latest", place.display()), &format!("oci:{}:x", back.display())]);
        assert_eq!(digest(&back), root);
        let seen = project.oci(&["inspect", place.to_str().expect("a path")]).succeeds().stdout;
        assert_eq!(seen.matches("application/vnd.cyclonedx+json").count(), 3, "{seen}");
    }
    let from = format!("oci-archive:{}:latest", archive.display());
    skopeo(&["copy", "--all", &from, &format!("oci:{}:y", project.path("back").display())]);
    project.oci(&["validate", archive.to_str().expect("a path")]).succeeds();
    for store in [Store::Classic, Store::Containerd] {
        let docker = Docker::start_with(DockerOptions { store, ..DockerOptions::default() });
        let ran = docker.docker(&["load", "--input", docker_archive.to_str().expect("a path")]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let seen = docker.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        assert_eq!(seen.stdout.trim_end(), "hello:latest");
    }
    let ran = Podman::new().podman(&["pull", &format!("oci:{}:latest", folder.display())]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn default_programs_run_and_are_scanned() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let project = Project::fixture("service");
    let sboms = folder.path().to_str().expect("a path");
    let args = ["--sbom-dir", sboms, "--target-dir", TARGET];
    project.build(&args).succeeds();
    let layout = Path::new(TARGET).join("oci/service");
    let first = digest(&layout);
    // Nothing changes where nothing has changed, and nothing is left where it is not wanted any more.
    project.build(&args).succeeds();
    assert_eq!(digest(&layout), first);
    for (platform, target) in TARGETS {
        for program in ["service", "service-migrate"] {
            let path = Path::new(TARGET).join(format!("oci-auditable/{target}/release/service-1.2.3-0/{program}"));
            let list = auditable_info::audit_info_from_file(&path, auditable_info::Limits::default()).expect("a list");
            let listed: BTreeSet<_> = list.packages.iter().map(|one| format!("{}@{}", one.name, one.version)).collect();
            assert_eq!(listed, of_cyclonedx(&folder.path().join(format!("service-{platform}.cdx.json"))));
        }
    }
    // syft reads what is linked; procedural macros and what only they are made of are in the SBOM, marked as not shipped.
    let registry = DockerRegistry::start();
    let repository = registry.reference("acme/service");
    project.push(&["--repository", &repository, "--sbom", "false", "--target-dir", TARGET]).succeeds();
    // This syft reads no index in a layout or an archive.
    let [one, archive] = ["one", "one.tar"].map(|name| folder.path().join(name).display().to_string());
    let outputs = [format!("oci-dir={one}"), format!("oci-archive={archive}")];
    let one_platform = ["--platform", "linux/amd64", "--no-index", "-o", &outputs[0], "-o", &outputs[1]];
    project.build(&[&one_platform[..], &["--sbom", "false", "--target-dir", TARGET]].concat()).succeeds();
    let platforms = [("linux/amd64", "linux-amd64"), ("linux/arm64", "linux-arm64-v8")];
    for (from, (platform, name)) in [
        (format!("oci-dir:{one}"), platforms[0]),
        (format!("oci-archive:{archive}"), platforms[0]),
        (format!("registry:{repository}:latest"), platforms[0]),
        (format!("registry:{repository}:latest"), platforms[1]),
    ] {
        let mut syft = tool("syft");
        syft.env("SYFT_REGISTRY_INSECURE_USE_HTTP", "true").args(["scan", "--quiet", "--output", "json"]);
        let said = output(syft.args(["--platform", platform, &from]));
        let found: Value = serde_json::from_str(&said).expect("JSON");
        let found = crates(&found["artifacts"], |package| package["purl"].as_str(), "version");
        let sbom = json(&folder.path().join(format!("service-{name}.cdx.json")));
        let all = sbom["components"].as_array().expect("components").iter();
        let shipped = Value::Array(all.filter(|made| made["scope"] != "excluded").cloned().collect());
        assert_eq!(found, crates(&shipped, |package| package["purl"].as_str(), "version"), "{from} {platform}");
    }
    let host = if cfg!(target_arch = "x86_64") { TARGETS[0].1 } else { TARGETS[1].1 };
    let program = Path::new(TARGET).join(format!("oci-auditable/{host}/release/service-1.2.3-0/service-migrate"));
    assert!(output(&mut environment::command(program)).contains("schema="));
}
