//! Engines: who runs images here, what each can take, and how it gets that.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`program`] | the client programs: asked, fed and understood |
//! | `docker` | Docker with its classic store and with containerd's, and nerdctl |
//! | `podman` | Podman, here or far away |
//! | `containerd` | containerd itself, through `ctr` |
//! | `cluster` | kind, minikube and k3d |
//! | [`run`] | a program in an engine: terminal, signals, exit status |

mod cluster;
mod containerd;
mod docker;
mod has;
mod podman;
pub mod program;
pub mod run;

use std::process::Command;

use miette::{Diagnostic, Report, miette};
use oci_spec::image::Descriptor;

use crate::environment::Environment;
use crate::error::Result;
use crate::event::transfer::{Activity, Transfer};
use crate::event::{BuiltImage, BuiltManifest, Listener};
use crate::image::Digest;
use crate::platform::Platform;
use crate::reference::{EngineKind, EngineReference};
use crate::store::archive::{Contents, DockerImage};
use crate::store::{Cache, Layout};

use cluster::Cluster;
use containerd::Containerd;
use docker::Docker;
use podman::Podman;
use program::{Program, Refusal};
use run::Run;

/// An engine that has answered.
#[derive(Debug)]
pub enum Engine {
    /// Docker, or nerdctl, which speaks like it.
    Docker(Docker),
    /// Podman.
    Podman(Podman),
    /// containerd.
    Containerd(Containerd),
    /// A Kubernetes cluster on this computer.
    Cluster(Cluster),
}

/// A finished image on its way to an engine.
#[derive(Clone, Copy)]
pub struct LocalImage<'a> {
    /// What it is, and what it is called.
    pub image: &'a BuiltImage,
    /// Where all of it is.
    pub layout: &'a Layout,
    /// Where the documents of what was handed over before are kept: by them it is known what an engine has.
    pub cache: &'a Cache,
    /// The mtime of what is in archives: seconds since 1970.
    pub time: u64,
    /// Who wants to know how far it is.
    pub listener: Listener<'a>,
}

/// An image that an engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What the engine calls it itself: the digest of its config, or its own.
    pub id: Digest,
    /// How many bytes were written to the engine; nothing for one that reads the layout itself.
    pub sent: Option<u64>,
    /// Whether it was there, and only had to be named.
    pub was_there: bool,
}

/// Who is asked where nobody is named.
const CANDIDATES: [EngineKind; 4] =
    [EngineKind::Docker, EngineKind::Podman, EngineKind::Nerdctl, EngineKind::Containerd];

impl Engine {
    /// The engine that is `wanted`, else the first that answers.
    ///
    /// # Errors
    /// When it does not answer, or nobody does, with what each said; when it is too old.
    pub fn find(wanted: Option<&EngineReference>, environment: &Environment) -> Result<Engine> {
        if let Some(wanted) = wanted {
            return Engine::open(wanted, environment).map_err(|absence| absence.told(wanted));
        }
        let mut tried = Vec::new();
        for kind in CANDIDATES {
            match Engine::open(&EngineReference { kind, instance: None }, environment) {
                Ok(engine) => return Ok(engine),
                Err(Absence::Other(error)) => return Err(error),
                Err(absence) => tried.push(format!("{}: {}", kind.name(), absence.words())),
            }
        }
        Err(miette!(
            help = "start one of them, or name another with `--engine`; without any, `cargo oci build -o docker-archive=image.tar` writes a file that all of them load",
            "no engine answers\n  {}",
            tried.join("\n  ")
        ))
    }

    fn open(wanted: &EngineReference, environment: &Environment) -> Result<Engine, Absence> {
        let place = wanted.instance.as_deref();
        match wanted.kind {
            EngineKind::Docker => match Docker::find(environment, place)? {
                docker::Found::Docker(docker) => Ok(Engine::Docker(docker)),
                // `podman-docker` gives Podman this name, and users of it mean that.
                docker::Found::Podman(program) => Podman::ask(program).map(Engine::Podman),
            },
            EngineKind::Nerdctl => Docker::find_nerdctl(environment, place).map(Engine::Docker),
            EngineKind::Podman => Podman::find(environment, place).map(Engine::Podman),
            EngineKind::Containerd => Containerd::find(environment, place).map(Engine::Containerd),
            EngineKind::Kind | EngineKind::Minikube | EngineKind::K3d => {
                Cluster::find(wanted.kind, environment, place).map(Engine::Cluster)
            }
        }
    }

    /// Its name and version, such as `Docker 28.5.2`.
    pub fn title(&self) -> &str {
        match self {
            Engine::Docker(docker) => docker.title(),
            Engine::Podman(podman) => podman.title(),
            Engine::Containerd(containerd) => containerd.title(),
            Engine::Cluster(cluster) => cluster.title(),
        }
    }

    /// What it runs without an emulator.
    pub fn platform(&self) -> &Platform {
        match self {
            Engine::Docker(docker) => docker.platform(),
            Engine::Podman(podman) => podman.platform(),
            Engine::Containerd(containerd) => containerd.platform(),
            Engine::Cluster(cluster) => cluster.platform(),
        }
    }

    /// Whether it keeps an image for several platforms as one.
    pub fn takes_indexes(&self) -> bool {
        match self {
            Engine::Docker(docker) => docker.takes_indexes(),
            Engine::Containerd(_) => true,
            Engine::Podman(_) | Engine::Cluster(_) => false,
        }
    }

    /// Hands the image over, under all its names.
    ///
    /// # Errors
    /// What the engine says against it; of reading the image. Then no name stands for it.
    pub fn load(&self, image: LocalImage) -> Result<Loaded> {
        match self {
            Engine::Docker(docker) => docker.load(image),
            Engine::Podman(podman) => podman.load(image),
            Engine::Containerd(containerd) => containerd.load(image),
            Engine::Cluster(cluster) => cluster.load(image),
        }
    }

    /// Whether it can run programs, and with these ports and folders; asked before anything is built.
    ///
    /// # Errors
    /// What it cannot do.
    pub fn check_run(&self, publish: &[String], volumes: &[String]) -> Result<()> {
        match self {
            Engine::Containerd(_) if !publish.is_empty() || !volumes.is_empty() => Err(miette!(
                help = "give it its own flags, such as `--engine-arg=--net-host` and `--engine-arg=--mount=…`, or name another engine with `--engine`",
                "{} knows neither `--publish` nor `--volume`",
                self.title()
            )),
            Engine::Cluster(_) => Err(miette!(
                help = "use `cargo oci load`, then `kubectl run`; or name an engine that runs programs, such as `--engine docker`",
                "{} runs pods, not programs",
                self.title()
            )),
            _ => Ok(()),
        }
    }

    /// What the engine itself calls the image that is loaded as `name`: so that no other image is meant.
    pub fn name(&self, name: &str) -> String {
        match self {
            Engine::Podman(_) => podman::local(name),
            Engine::Containerd(_) => has::in_full(name).unwrap_or_else(|| name.to_owned()),
            Engine::Docker(_) | Engine::Cluster(_) => name.to_owned(),
        }
    }

    /// The command that runs a program of a loaded image.
    ///
    /// # Errors
    /// That it runs none.
    pub fn run(&self, run: &Run) -> Result<Command> {
        match self {
            Engine::Docker(docker) => Ok(docker.run(run)),
            Engine::Podman(podman) => Ok(podman.run(run)),
            Engine::Containerd(containerd) => Ok(containerd.run(run)),
            Engine::Cluster(_) => self.check_run(&[], &[]).and(Err(miette!("{} runs no programs", self.title()))),
        }
    }
}

impl<'a> LocalImage<'a> {
    /// Its only platform's part; the first where it has several.
    ///
    /// # Errors
    /// When there is none.
    fn manifest(&self) -> Result<&'a BuiltManifest> {
        self.image.manifests.first().ok_or_else(|| miette!("the image {} has no platform", self.image.name))
    }

    /// It in Docker's own format, which holds one platform.
    fn docker_image(&self) -> Result<DockerImage<'a>> {
        Ok(DockerImage { manifest: &self.manifest()?.descriptor, names: self.image.tagged_names() })
    }

    /// All of it as a layout.
    fn as_layout(&self) -> Result<Contents<'a>> {
        Contents::of_image(self.layout, &self.image.root, &self.image.tagged_names())
    }

    /// All of it in the form that every engine reads: layout and docker-archive in one.
    fn as_both(&self) -> Result<Contents<'a>> {
        self.as_layout()?.with_docker_image(&self.docker_image()?)
    }

    /// It on its way to a program's standard input, as these contents.
    fn transfer(&self, contents: &Contents) -> Transfer<'a> {
        Transfer::begin(Some(self.listener), Activity::Loading, &self.image.name, contents.size())
    }

    fn root(&self) -> &'a Descriptor {
        &self.image.root
    }
}

/// An engine that was named does not answer.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the engine {engine} does not answer")]
#[diagnostic(help("start it, or name another with `--engine` or the key `engine`"))]
struct NoAnswer {
    engine: String,
    #[source]
    cause: Refusal,
}

/// Why there is no engine.
#[derive(Debug)]
enum Absence {
    /// Its program is not on PATH.
    Program(&'static str),
    /// The program does not reach it.
    Silence(Refusal),
    /// It answers, but cannot be used; nobody else is asked then.
    Other(Report),
}

impl From<Refusal> for Absence {
    fn from(refusal: Refusal) -> Absence {
        Absence::Silence(refusal)
    }
}

impl Absence {
    fn words(&self) -> String {
        match self {
            Absence::Program(name) => format!("there is no `{name}` on PATH"),
            Absence::Silence(refusal) => refusal.to_string(),
            Absence::Other(error) => error.to_string(),
        }
    }

    fn told(self, wanted: &EngineReference) -> Report {
        match self {
            Absence::Other(error) => error,
            Absence::Silence(cause) => NoAnswer { engine: wanted.to_string(), cause }.into(),
            Absence::Program(name) => miette!(
                help = format!("install {name}, or name another engine with `--engine` or the key `engine`"),
                "the engine {wanted} cannot be used: there is no `{name}` on PATH"
            ),
        }
    }
}

/// The program of an engine, told by its `flag` which `place` is meant.
fn program(environment: &Environment, name: &'static str, flag: &str, place: Option<&str>) -> Result<Program, Absence> {
    let program = Program::find(environment, name).ok_or(Absence::Program(name))?;
    Ok(match place {
        Some(place) => program.with(&[flag, place]),
        None => program,
    })
}

/// The platform of an engine that names its machine as `uname -m` does, or as Go does.
fn platform_of(os: &str, machine: &str) -> Platform {
    let (architecture, variant) = match machine {
        "x86_64" | "amd64" => ("amd64", None),
        "aarch64" | "arm64" => ("arm64", Some("v8")),
        "armv6l" => ("arm", Some("v6")),
        "armv7l" | "armv8l" | "arm" => ("arm", Some("v7")),
        "i386" | "i486" | "i586" | "i686" | "386" => ("386", None),
        "loongarch64" => ("loong64", None),
        other => (other, None),
    };
    Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
}

/// Whether a version such as `20.10.24+dfsg1` is at least `major.minor`; one that cannot be read is taken to be new.
fn is_at_least(version: &str, major: u32, minor: u32) -> bool {
    let mut numbers = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    match (number(), number()) {
        (Some(is), None) => is >= major,
        (Some(is), Some(minor_is)) => (is, minor_is) >= (major, minor),
        (None, _) => true,
    }
}

/// An engine that is older than what is known to work.
fn too_old(title: &str, least: &str) -> Absence {
    Absence::Other(miette!(
        help = "update it, or name another with `--engine`",
        "{title} is too old: {least} is needed"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(is_at_least("20.10.24+dfsg1", 17, 6));
        assert!(is_at_least("v1.6.20~ds1", 1, 4));
        assert!(!is_at_least("1.13.1", 17, 6));
        assert!(is_at_least("dev", 17, 6));
    }

    #[test]
    fn machines_are_platforms() {
        let platform = |machine: &str| platform_of("linux", machine).to_string();
        assert_eq!(platform("x86_64"), "linux/amd64");
        assert_eq!(platform("aarch64"), "linux/arm64/v8");
        assert_eq!(platform("armv7l"), "linux/arm/v7");
        assert_eq!(platform("s390x"), "linux/s390x");
    }
}
