//! Container engines: finds them, loads images into them, and runs images with them.
//!
//! | file | what it does |
//! | --- | --- |
//! | `program` | runs the client programs |
//! | `docker` | Docker, with its classic image store or containerd's, and nerdctl |
//! | `podman` | Podman, local or remote |
//! | `containerd` | containerd, through `ctr` |
//! | `cluster` | kind, minikube and k3d |
//! | `inventory` | the images and layers that an engine has |
//! | [`local_image`] | an image on its way to an engine |
//! | [`run`] | a container in the foreground: terminal, signals, exit status |
//! | `temporary` | images and containers that are removed after use |
//! | `setting` | the user's settings that select an instance, such as `DOCKER_HOST` |
//! | `unavailable`, `version` | why an engine cannot be used, its version and its platform |

mod cluster;
mod containerd;
mod docker;
mod inventory;
pub(crate) mod local_image;
mod podman;
mod program;
pub(crate) mod run;
mod setting;
mod temporary;
mod unavailable;
mod version;

use std::process::Command;

use miette::miette;

use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Platform;
use crate::reference::{EngineKind, EngineReference};

use cluster::Cluster;
use containerd::Containerd;
use docker::{DetectedDocker, Docker};
use local_image::{LoadedImage, LocalImage};
use podman::Podman;
use run::RunOptions;
use setting::EngineSetting;
use unavailable::Unavailable;

/// An engine that is available.
#[derive(Debug)]
pub(crate) enum Engine {
    /// Docker, or nerdctl, which has the same interface.
    Docker(Docker),
    /// Podman.
    Podman(Podman),
    /// containerd.
    Containerd(Containerd),
    /// A Kubernetes cluster on this machine.
    Cluster(Cluster),
}

/// The engines to try if the user selects none.
const CANDIDATES: [EngineKind; 4] =
    [EngineKind::Docker, EngineKind::Podman, EngineKind::Nerdctl, EngineKind::Containerd];

impl Engine {
    /// Connects to the `selected` engine, or to the first one that is available.
    ///
    /// # Errors
    /// Returns an error if the engine is not available or too old; without a selection, if none is available, or if one that a
    /// setting of the user selects cannot be reached: another engine would be a surprise.
    pub(crate) fn find(selected: Option<&EngineReference>, environment: &Environment) -> Result<Engine> {
        if let Some(selected) = selected {
            return Engine::open(selected, environment).map_err(|reason| reason.error(selected));
        }
        Engine::first(environment)?.map_err(|reasons| {
            miette!(
                help = "start one of them, or select another with `--engine`; to load an image elsewhere, write an archive with `cargo oci build -o docker-archive=image.tar`",
                "no container engine is available\n  {}",
                reasons.join("\n  ")
            )
        })
    }

    /// Connects to the first engine that is available, or returns why each is not.
    ///
    /// # Errors
    /// Returns an error if an engine is too old, or if one that a setting of the user selects cannot be reached: another engine
    /// would be a surprise.
    pub(crate) fn first(environment: &Environment) -> Result<Result<Engine, Vec<String>>> {
        let mut reasons = Vec::new();
        for kind in CANDIDATES {
            match Engine::open(&EngineReference { kind, instance: None }, environment) {
                Ok(engine) => return Ok(Ok(engine)),
                Err(Unavailable::Unusable(error)) => return Err(error),
                Err(Unavailable::Unreachable(cause)) => match EngineSetting::find(kind, environment) {
                    Some(setting) => return Err(setting.unreachable(cause)),
                    None => reasons.push(format!("{}: {cause}", kind.name())),
                },
                Err(reason) => reasons.push(format!("{}: {}", kind.name(), reason.message())),
            }
        }
        Ok(Err(reasons))
    }

    fn open(selected: &EngineReference, environment: &Environment) -> Result<Engine, Unavailable> {
        let instance = selected.instance.as_deref();
        match selected.kind {
            EngineKind::Docker => match Docker::find(environment, instance)? {
                DetectedDocker::Docker(docker) => Ok(Engine::Docker(docker)),
                // The package `podman-docker` installs Podman as `docker`.
                DetectedDocker::Podman(program) => Podman::connect(program).map(Engine::Podman),
            },
            EngineKind::Nerdctl => Docker::find_nerdctl(environment, instance).map(Engine::Docker),
            EngineKind::Podman => Podman::find(environment, instance).map(Engine::Podman),
            EngineKind::Containerd => Containerd::find(environment, instance).map(Engine::Containerd),
            EngineKind::Kind | EngineKind::Minikube | EngineKind::K3d => {
                Cluster::find(selected.kind, environment, instance).map(Engine::Cluster)
            }
        }
    }

    /// Returns the name and version, such as `Docker 28.5.2`.
    pub(crate) fn title(&self) -> &str {
        match self {
            Engine::Docker(docker) => docker.title(),
            Engine::Podman(podman) => podman.title(),
            Engine::Containerd(containerd) => containerd.title(),
            Engine::Cluster(cluster) => cluster.title(),
        }
    }

    /// Returns the platform that the engine runs without emulation.
    pub(crate) fn platform(&self) -> &Platform {
        match self {
            Engine::Docker(docker) => docker.platform(),
            Engine::Podman(podman) => podman.platform(),
            Engine::Containerd(containerd) => containerd.platform(),
            Engine::Cluster(cluster) => cluster.platform(),
        }
    }

    /// Returns whether the engine stores multi-platform images.
    pub(crate) fn supports_indexes(&self) -> bool {
        match self {
            Engine::Docker(docker) => docker.supports_indexes(),
            Engine::Containerd(_) => true,
            Engine::Podman(_) | Engine::Cluster(_) => false,
        }
    }

    /// Loads the image under all its names.
    ///
    /// # Errors
    /// Returns an error if the engine rejects the image, or the image cannot be read. Then no name is changed.
    pub(crate) fn load(&self, image: LocalImage) -> Result<LoadedImage> {
        match self {
            Engine::Docker(docker) => docker.load(image),
            Engine::Podman(podman) => podman.load(image),
            Engine::Containerd(containerd) => containerd.load(image),
            Engine::Cluster(cluster) => cluster.load(image),
        }
    }

    /// Checks that the engine can run containers, with these of the flags that Docker has and `ctr` lacks. Called before
    /// anything is built.
    ///
    /// # Errors
    /// Returns an error if the engine does not support that.
    pub(crate) fn check_run(&self, flags: &[&str]) -> Result<()> {
        match self {
            Engine::Containerd(_) if !flags.is_empty() => Err(miette!(
                help = "pass its own flags, such as `--engine-arg=--net-host` and `--engine-arg=--mount=…`, or select another engine with `--engine`",
                "{} does not support `{}`",
                self.title(),
                flags.join("` and `")
            )),
            Engine::Cluster(_) => Err(miette!(
                help = "use `cargo oci load`, then `kubectl run`; or select an engine that runs containers, such as `--engine docker`",
                "{} runs pods: `cargo oci run` needs an engine that runs containers",
                self.title()
            )),
            _ => Ok(()),
        }
    }

    /// Returns the engine's own name of the image loaded as `name`, so that it runs no other image.
    pub(crate) fn local_name(&self, name: &str) -> String {
        match self {
            Engine::Podman(_) => podman::local_name(name),
            Engine::Containerd(_) => inventory::full_name(name).unwrap_or_else(|| name.to_owned()),
            Engine::Docker(_) | Engine::Cluster(_) => name.to_owned(),
        }
    }

    /// Returns the command that runs a container.
    ///
    /// # Errors
    /// Returns an error if the engine does not run containers.
    pub(crate) fn run(&self, options: &RunOptions) -> Result<Command> {
        match self {
            Engine::Docker(docker) => Ok(docker.run(options)),
            Engine::Podman(podman) => Ok(podman.run(options)),
            Engine::Containerd(containerd) => Ok(containerd.run(options)),
            Engine::Cluster(_) => {
                self.check_run(&[]).and_then(|()| Err(miette!("{} does not run containers", self.title())))
            }
        }
    }
}
