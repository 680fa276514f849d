//! Images on their way into real engines: what arrives, what is sent, and what is left when something goes wrong.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::base::BaseImage;
use crate::support::container::skopeo;
use crate::support::engine::{Containerd, Docker, DockerOptions, Podman, Store};
use crate::support::environment;
use crate::support::process::{Ran, output};
use crate::support::project::{Call, Project};
use crate::support::{digest, image, problems};

const STORES: [Store; 2] = [Store::Classic, Store::Containerd];
const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];
/// What may be said around a layer.
const TALK: u64 = 64 << 10;

fn docker(store: Store) -> Docker {
    Docker::start_with(DockerOptions { store, ..DockerOptions::default() })
}

/// `cargo oci load ARGS` over the embedded base, with an engine's environment.
fn load(project: &Project, env: Vec<(String, OsString)>, args: &[&str]) -> Call {
    let call = project.oci(&[&["load", "--base", "embedded"], args].concat());
    env.into_iter().fold(call, |call, (key, value)| call.env(&key, value))
}

/// A project whose program says `text`.
fn saying(text: &str) -> Project {
    Project::new("x").file("src/main.rs", &program(text))
}

fn program(text: &str) -> String {
    format!("fn main() {{ println!(\"{text}\"); }}\n")
}

#[track_caller]
fn succeeds(ran: Ran) -> String {
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// Asserts that the fixture `hello` found itself in its image.
#[track_caller]
fn assert_at_home(ran: Ran, machine: &str) {
    let said = succeeds(ran);
    assert!(said.starts_with(&format!("Hello from {machine}!")), "{said}");
    for line in ["uid=65532", "gid=65532", "cwd=/home/nonroot", "tmp_writable=true", "args=one two"] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    assert!(!said.contains("certificates=0"), "{said}");
}

/// The layout of a build for one platform.
fn layout(project: &Project, architecture: &str) -> std::path::PathBuf {
    let name = project.root().file_name().expect("a name").to_str().expect("a name");
    let variant = if architecture == "arm64" { "-v8" } else { "" };
    project.path(&format!("target/oci/{name}@linux-{architecture}{variant}"))
}

#[test]
fn docker_runs_both_platforms_by_printed_name() {
    for store in STORES {
        let docker = docker(store);
        let project = Project::fixture("hello");
        for (architecture, machine) in ARCHITECTURES {
            let platform = format!("linux/{architecture}");
            let ran = load(&project, docker.env(), &["--platform", &platform]).succeeds();
            assert_eq!(ran.stdout, "hello:latest\n");
            let run = ["run", "--rm", "--network", "none", "--platform", &platform, "hello:latest", "one", "two"];
            assert_at_home(docker.docker(&run), machine);
            let id = succeeds(docker.docker(&["image", "inspect", "--format", "{{.Id}}", "hello:latest"]));
            assert!(ran.stderr.contains(&format!("({}, ", id.trim())), "{id}: {}", ran.stderr);
        }
        // Built for the engine alone, it is not what `build` builds.
        assert!(!project.layout().exists());
    }
}

#[test]
fn docker_gets_its_own_platform_by_default() {
    let docker = Docker::start();
    let project = Project::fixture("hello");
    load(&project, docker.env(), &[]).succeeds();
    let format = "{{.Os}}/{{.Architecture}}";
    let image = succeeds(docker.docker(&["image", "inspect", "--format", format, "hello"]));
    let engine = succeeds(docker.docker(&["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"]));
    assert_eq!(image, engine);
}

#[test]
fn changed_binary_sends_docker_one_layer() {
    for store in STORES {
        let docker = docker(store);
        let project = saying("first");
        BaseImage::new().big(100).single("linux/amd64").write(&project.path("base"));
        let counter = docker.counter();
        let load = || {
            let args = ["load", "--base", "oci:base", "--platform", "linux/amd64", "--engine", "docker"];
            let env = counter.env().into_iter();
            let ran = env.fold(project.oci(&args), |call, (key, value)| call.env(&key, value)).succeeds();
            let (manifest, _) = image(&layout(&project, "amd64"), "linux/amd64");
            let layers = manifest["layers"].as_array().expect("layers").clone();
            (ran, layers.last().and_then(|layer| layer["size"].as_u64()).expect("a layer"))
        };
        load();
        assert!(counter.sent() > 100 << 20, "all of it the first time: {}", counter.sent());
        let run = ["run", "--rm", "--network", "none", "x:latest"];
        assert_eq!(succeeds(docker.docker(&run)), "first\n");

        let _ = fs::write(project.path("src/main.rs"), program("second"));
        counter.reset();
        let (_, layer) = load();
        assert!(counter.sent() <= layer + TALK, "{store:?}: {} for a layer of {layer}", counter.sent());
        assert_eq!(succeeds(docker.docker(&run)), "second\n");

        counter.reset();
        let (ran, _) = load();
        assert!(ran.stderr.contains("Unchanged x:latest is already in Docker"), "{}", ran.stderr);
        assert!(counter.sent() < TALK, "{}", counter.sent());
    }
}

#[test]
fn docker_gets_lost_layers_again() {
    let docker = docker(Store::Containerd);
    let project = saying("first");
    load(&project, docker.env(), &[]).succeeds();
    let (manifest, _) = image(&layout(&project, "amd64"), "linux/amd64");
    let base_layer = manifest["layers"][0]["digest"].as_str().expect("a digest").to_owned();
    let socket = docker.host().trim_start_matches("unix://").replace("socket", "containerd.socket");
    let ctr = ["--address", &socket, "--namespace", "moby"];
    let lose = docker.inside("ctr").args(ctr).args(["content", "rm", &base_layer]).output().expect("ctr runs");
    assert!(lose.status.success(), "{lose:?}");

    let project = project.file("src/main.rs", &program("second"));
    load(&project, docker.env(), &[]).succeeds();
    let run = ["run", "--rm", "--network", "none", "x:latest"];
    assert_eq!(succeeds(docker.docker(&run)), "second\n");
    let content = docker.inside("ctr").args(ctr).args(["content", "ls", "-q"]).output().expect("ctr runs");
    assert!(String::from_utf8_lossy(&content.stdout).contains(&base_layer));
}

#[test]
fn load_applies_all_tags_of_all_repositories() {
    for store in STORES {
        let docker = docker(store);
        let project = saying("x");
        let args = ["--repository", "registry.test/a/x", "--repository", "docker.io/b/x", "-t", "one", "-t", "two"];
        let ran = load(&project, docker.env(), &args).succeeds();
        assert_eq!(ran.stdout, "registry.test/a/x:one\n");
        let names = || {
            let listed = succeeds(docker.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]));
            let mut names: Vec<_> = listed.lines().map(str::to_owned).collect();
            names.sort();
            names.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(), ["b/x:one", "b/x:two", "registry.test/a/x:one", "registry.test/a/x:two"], "{store:?}");
        // A name more costs a name, and no byte of the image.
        let counter = docker.counter();
        load(&project, counter.env(), &["--repository", "registry.test/a/x", "-t", "three"]).succeeds();
        assert!(names().contains(&"registry.test/a/x:three".to_owned()));
        assert!(counter.sent() < TALK);
    }
}

#[test]
fn containerd_store_takes_all_platforms() {
    let docker = docker(Store::Containerd);
    let project = Project::fixture("hello");
    let ran = load(&project, docker.env(), &["--platform", "linux/amd64,linux/arm64"]).succeeds();
    assert!(ran.stderr.contains(&digest(&project.layout())), "{}", ran.stderr);
    for (architecture, machine) in ARCHITECTURES {
        let platform = format!("linux/{architecture}");
        let run = ["run", "--rm", "--network", "none", "--platform", &platform, "hello", "one", "two"];
        assert_at_home(docker.docker(&run), machine);
    }
}

#[test]
fn classic_store_rejects_several_platforms() {
    let docker = Docker::start();
    let project = Project::fixture("hello");
    let words = load(&project, docker.env(), &["--platform", "linux/amd64,linux/arm64"]).fails(1);
    assert!(words.contains("keeps an image for one"), "{words}");
    assert!(words.contains("choose one platform, such as `--platform linux/"), "{words}");
    assert!(!words.contains("Compiling"), "{words}");
}

#[test]
fn zstd_layers_reach_docker_without_zstd() {
    let docker = Docker::start();
    let project = Project::fixture("hello");
    BaseImage::new().write(&project.path("base"));
    let call = project.oci(&["load", "--base", "oci:base", "--engine", "docker"]);
    docker.env().into_iter().fold(call, |call, (key, value)| call.env(&key, value)).succeeds();
    let run = ["run", "--rm", "--network", "none", "hello", "one", "two"];
    assert_at_home(docker.docker(&run), std::env::consts::ARCH);
}

#[test]
fn killed_docker_keeps_previous_tag() {
    for store in STORES {
        let mut docker = docker(store);
        let project = saying("first");
        load(&project, docker.env(), &[]).succeeds();
        BaseImage::new().big(200).single("linux/amd64").write(&project.path("base"));
        let counter = docker.counter();
        let args = ["load", "--base", "oci:base", "--platform", "linux/amd64", "--engine", "docker"];
        let call = counter.env().into_iter().fold(project.oci(&args), |call, (key, value)| call.env(&key, value));
        let loading = thread::spawn(move || {
            let words = call.fails(1);
            (words, Instant::now())
        });
        while counter.sent() < 10 << 20 {
            assert!(!loading.is_finished(), "{store:?}: {:?}", loading.join());
            thread::sleep(Duration::from_millis(2));
        }
        docker.kill();
        let killed = Instant::now();
        let (words, ended) = loading.join().expect("it ends");
        assert!(words.contains("cannot load x into Docker"), "{words}");
        assert!(words.contains("docker image load: "), "{words}");
        assert!(ended.duration_since(killed) < Duration::from_secs(10));
        docker.restart();
        let run = ["run", "--rm", "--network", "none", "x:latest"];
        assert_eq!(succeeds(docker.docker(&run)), "first\n", "{store:?}");
    }
}

#[test]
fn interrupted_load_keeps_previous_tag() {
    for (store, signal, status) in [(Store::Classic, "-INT", 130), (Store::Containerd, "-TERM", 143)] {
        let docker = docker(store);
        let project = saying("first");
        load(&project, docker.env(), &[]).succeeds();
        BaseImage::new().big(200).single("linux/amd64").write(&project.path("base"));
        let counter = docker.counter();
        let args = ["load", "--base", "oci:base", "--platform", "linux/amd64", "--engine", "docker"];
        let call = counter.env().into_iter().fold(project.oci(&args), |call, (key, value)| call.env(&key, value));
        let mut loading = call.whole().process_group(0).spawn().expect("it starts");
        while counter.sent() < 10 << 20 {
            assert!(loading.try_wait().expect("a child").is_none(), "it has ended");
            thread::sleep(Duration::from_millis(2));
        }
        output(environment::command("kill").args([signal, &loading.id().to_string()]));
        assert_eq!(loading.wait().expect("a child").code(), Some(status));
        let run = ["run", "--rm", "--network", "none", "x:latest"];
        assert_eq!(succeeds(docker.docker(&run)), "first\n", "{store:?}");
    }
}

#[test]
fn concurrent_loads_take_turns() {
    let docker = docker(Store::Containerd);
    let project = saying("first");
    let calls = ["one", "two"].map(|tag| load(&project, docker.env(), &["-t", tag]));
    thread::scope(|scope| calls.iter().for_each(|call| drop(scope.spawn(|| call.succeeds()))));
    for name in ["x:one", "x:two"] {
        assert_eq!(succeeds(docker.docker(&["run", "--rm", "--network", "none", name])), "first\n");
    }
}

#[test]
fn docker_without_space_keeps_previous_image() {
    for store in STORES {
        let docker = Docker::start_with(DockerOptions { store, disk: Some(60), ..DockerOptions::default() });
        let project = saying("first");
        load(&project, docker.env(), &[]).succeeds();
        // There may be no room left to run anything.
        let id = |name| docker.docker(&["image", "inspect", "--format", "{{.Id}}", name]);
        let first = succeeds(id("x:latest"));
        BaseImage::new().big(100).single("linux/amd64").write(&project.path("base"));
        let args = [
            "load",
            "--base",
            "oci:base",
            "--platform",
            "linux/amd64",
            "--engine",
            "docker",
            "-t",
            "latest",
            "-t",
            "new",
        ];
        let call = docker.env().into_iter().fold(project.oci(&args), |call, (key, value)| call.env(&key, value));
        let words = call.fails(1);
        assert!(words.contains("no space left on device"), "{store:?}: {words}");
        assert!(words.contains("help: free disk space where the engine stores images"), "{words}");
        assert_eq!(succeeds(id("x:latest")), first);
        assert_ne!(id("x:new").status, 0);
    }
}

#[test]
fn podman_runs_both_platforms() {
    let podman = Podman::new();
    let project = Project::fixture("hello");
    for (architecture, machine) in ARCHITECTURES {
        let platform = format!("linux/{architecture}");
        // Podman takes a path for a name, and this one is none.
        let args = ["--engine", "podman", "--platform", &platform, "-t", "latest", "-t", "v1", "--target-dir", "Upper"];
        let ran = load(&project, podman.env(), &args).succeeds();
        assert_eq!(ran.stdout, "localhost/hello:latest\n");
        let run = ["run", "--rm", "--network", "none", "localhost/hello:latest", "one", "two"];
        assert_at_home(podman.podman(&run), machine);
        let names = succeeds(podman.podman(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]));
        let mut names: Vec<_> = names.lines().filter(|name| !name.contains("<none>")).collect();
        names.sort_unstable();
        assert_eq!(names, ["localhost/hello:latest", "localhost/hello:v1"]);
    }
    let args = ["--engine", "podman", "--platform", "linux/arm64", "--target-dir", "Upper"];
    let ran = load(&project, podman.env(), &args).succeeds();
    assert!(ran.stderr.contains("Unchanged"), "{}", ran.stderr);
    let left = fs::read_dir(project.path("Upper/oci")).expect("a folder").flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("loading")));
}

/// The images of Docker or Podman, each once, and how many have no name.
fn listed(engine: &dyn Fn(&[&str]) -> Ran) -> (usize, usize) {
    let images =
        succeeds(engine(&["image", "ls", "--all", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"]));
    let ids: BTreeSet<_> = images.lines().filter_map(|line| line.split(' ').next()).collect();
    (ids.len(), images.lines().filter(|line| line.contains("<none>")).count())
}

/// Loads an image, changes it and loads it again: the image before is gone, unless somebody needs it.
fn reload(env: Vec<(String, OsString)>, name: &str, kind: &str, engine: &dyn Fn(&[&str]) -> Ran) {
    let project = saying("first");
    let load = || load(&project, env.clone(), &["--engine", kind, "-t", "latest", "-t", "v1"]).succeeds();
    let change = |text: &str| fs::write(project.path("src/main.rs"), program(text)).expect("a file");
    load();
    assert_eq!(listed(engine), (1, 0));
    change("second");
    load();
    assert_eq!(listed(engine), (1, 0));
    // Another name, or a container, keeps the image.
    succeeds(engine(&["tag", &format!("{name}:latest"), &format!("{name}:kept")]));
    change("third");
    load();
    assert_eq!(listed(engine), (2, 0));
    succeeds(engine(&["create", "--name", "user", &format!("{name}:latest")]));
    change("fourth");
    load();
    assert_eq!(listed(engine), (3, 1));
    succeeds(engine(&["rm", "user"]));
}

#[test]
fn reload_leaves_no_image_without_a_name() {
    for store in STORES {
        let docker = docker(store);
        reload(docker.env(), "x", "docker", &|args| docker.docker(args));
    }
    let podman = Podman::new();
    reload(podman.env(), "localhost/x", "podman", &|args| podman.podman(args));
}

#[test]
fn containerd_runs_both_platforms() {
    let containerd = Containerd::start();
    let project = Project::fixture("hello");
    for (architecture, machine) in ARCHITECTURES {
        let platform = format!("linux/{architecture}");
        let args = ["--engine", "containerd:tests", "--platform", &platform];
        let name = "docker.io/library/hello:latest";
        assert_eq!(load(&project, containerd.env(), &args).succeeds().stdout, format!("{name}\n"));
        let run = ["-n", "tests", "run", "--rm", "--platform", &platform, name, "one-run", "/app/hello", "one", "two"];
        assert_at_home(containerd.ctr(&run), machine);
        let images = succeeds(containerd.ctr(&["-n", "tests", "images", "ls", "-q"]));
        assert_eq!(images, format!("{name}\n"));
    }
    let main = fs::read_to_string(project.path("src/main.rs")).expect("a program");
    let project = project.file("src/main.rs", &main.replace("Hello", "Good day"));
    let ran = load(&project, containerd.env(), &["--engine", "containerd:tests"]).succeeds();
    let (manifest, _) = image(&layout(&project, "amd64"), "linux/amd64");
    let layer = manifest["layers"].as_array().and_then(|layers| layers.last()?["size"].as_u64()).expect("a size");
    assert!(sent(&ran.stderr) <= layer + TALK, "{layer}: {}", ran.stderr);
}

#[test]
fn containerd_gets_missing_content_again() {
    let containerd = Containerd::start();
    let project = saying("x");
    let args = ["--engine", "containerd", "--platform", "linux/amd64,linux/arm64"];
    load(&project, containerd.env(), &args).succeeds();
    let (manifest, _) = image(&project.layout(), "linux/arm64/v8");
    let layers = manifest["layers"].as_array().expect("layers");
    let layer = layers.last().and_then(|layer| layer["digest"].as_str()).expect("a digest");
    succeeds(containerd.ctr(&["content", "rm", layer]));
    let ran = load(&project, containerd.env(), &args).succeeds();
    assert!(!ran.stderr.contains("Unchanged"), "{}", ran.stderr);
    assert!(succeeds(containerd.ctr(&["content", "ls", "-q"])).contains(layer));
    let ran = load(&project, containerd.env(), &args).succeeds();
    assert!(ran.stderr.contains("Unchanged"), "{}", ran.stderr);
}

/// How many bytes were sent, by what is told.
fn sent(words: &str) -> u64 {
    let number = words.split(" KiB sent").next().and_then(|before| before.rsplit(' ').next());
    let kib: f64 = number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{words}"));
    (kib * 1024.0).ceil() as u64
}

/// A stand-in for a program that does not run here: it keeps the archive that it is given.
fn stand_in(project: &Project, name: &str, answers: &str, archive: &str) {
    let root = project.root().display();
    let keep = format!("cp \"{archive}\" '{root}/{name}.tar'; echo \"$*\" >> '{root}/calls'");
    project.program(name, &format!("case \"$*\" in\n{answers}\n*) {keep} ;;\nesac"));
}

#[test]
fn kind_cluster_loads_an_archive_on_every_node() {
    let project = saying("x");
    stand_in(&project, "kind", "'get nodes --name c') echo node ;;", "$5");
    stand_in(&project, "minikube", "*'ssh -- uname -m') echo aarch64 ;;", "$5");
    stand_in(&project, "k3d", "'cluster list c') ;;", "$5");
    for (engine, platform) in [("kind:c", "amd64"), ("minikube:c", "arm64"), ("k3d:c", "amd64")] {
        let ran = project.oci(&["load", "--base", "embedded", "--engine", engine]).on_path(project.path("programs"));
        assert_eq!(ran.succeeds().stdout, "x:latest\n");
        let name = engine.split(':').next().expect("a name");
        let archive = project.path(&format!("{name}.tar")).display().to_string();
        let said = skopeo(&["inspect", &format!("docker-archive:{archive}:x:latest")]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&said).expect("JSON")["Architecture"], platform);
        let copy = project.path(&format!("from-{name}"));
        skopeo(&["copy", "--all", &format!("oci-archive:{archive}"), &format!("oci:{}:x", copy.display())]);
        assert_eq!(problems(&copy), []);
    }
    // Nothing is left of the files.
    let left = fs::read_dir(project.path("target/oci")).expect("a folder").flatten();
    assert!(left.into_iter().all(|entry| entry.path().is_dir()));
    let calls = fs::read_to_string(project.path("calls")).expect("calls");
    assert!(calls.contains("load image-archive --name c "), "{calls}");
    assert!(calls.contains("--profile c image load "), "{calls}");
    assert!(calls.contains("image import --cluster c "), "{calls}");
}

#[test]
fn layers_of_every_compression_run() {
    for store in STORES {
        let docker = docker(store);
        for compression in ["zstd", "none"] {
            let project = saying(compression);
            load(&project, docker.env(), &["--compression", compression]).succeeds();
            assert_eq!(
                succeeds(docker.docker(&["run", "--rm", "--network", "none", "x:latest"])),
                format!("{compression}\n")
            );
        }
    }
}
