//! Docker through `docker`, and containerd through `nerdctl`, which has the same interface.
//!
//! Docker has two image stores. The classic store reads docker-archives without the layers that it has; containerd's reads
//! layouts without the blobs that it has. `docker` resolves contexts, `DOCKER_HOST` and SSH itself.

mod load;

use std::process::Command;

use serde::Deserialize;

use super::program::{Program, ProgramError};
use super::run::RunOptions;
use super::unavailable::{Unavailable, client};
use super::version::{is_at_least, platform_of};
use crate::environment::Environment;
use crate::platform::Platform;

/// A Docker daemon, or containerd behind nerdctl.
#[derive(Debug)]
pub(crate) struct Docker {
    program: Program,
    title: String,
    platform: Platform,
    store: ImageStore,
    /// Whether it reads layers compressed with zstd.
    supports_zstd: bool,
    /// Whether it supports `--pull=never`.
    supports_pull_never: bool,
    /// Whether it supports `--init`.
    has_init: bool,
}

/// How the engine stores images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ImageStore {
    /// Docker's classic store: layers by diffID, images by config digest.
    Classic,
    /// containerd's store: blobs and images by digest.
    Containerd,
    /// containerd's store, behind nerdctl.
    Nerdctl,
}

/// The engine behind the program `docker`.
pub(super) enum DetectedDocker {
    /// Docker.
    Docker(Docker),
    /// Podman, installed as `docker`.
    Podman(Program),
}

/// The output of `docker info` or `nerdctl info`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    server_version: String,
    #[serde(rename = "OSType")]
    os: String,
    architecture: String,
    driver_status: Option<Vec<(String, String)>>,
    server_errors: Option<Vec<String>>,
    /// Only Podman has this object.
    #[serde(rename = "host")]
    podman: Option<serde_json::Value>,
}

/// The name of Podman in `docker version`.
const PODMAN: &str = "Podman Engine";
/// The driver of containerd's store in `docker info`.
const CONTAINERD_DRIVER: &str = "io.containerd.snapshotter";

impl Docker {
    /// Connects to the daemon of a context, or to the default one of `docker`.
    ///
    /// # Errors
    /// Returns an error if Docker is not available or too old.
    pub(super) fn find(environment: &Environment, context: Option<&str>) -> Result<DetectedDocker, Unavailable> {
        let program = client(environment, "docker", "--context", context)?;
        let info = info(&program)?;
        if info.podman.is_some() {
            return Ok(DetectedDocker::Podman(program));
        }
        let mut title = format!("Docker {}", info.server_version);
        if !is_at_least(&info.server_version, 17, 6) {
            // Podman serves Docker's API too, with versions of its own.
            let components = program.query(["version", "--format", "{{json .Server.Components}}"])?.stdout;
            if !components.contains(PODMAN) {
                return Err(Unavailable::too_old(&title, "17.06"));
            }
            title = format!("Podman {} with Docker's API", info.server_version);
        }
        let status = info.driver_status.unwrap_or_default();
        let is_containerd = status.iter().any(|(_, value)| value.starts_with(CONTAINERD_DRIVER));
        Ok(DetectedDocker::Docker(Docker {
            platform: platform_of(&info.os, &info.architecture),
            store: if is_containerd { ImageStore::Containerd } else { ImageStore::Classic },
            supports_zstd: is_at_least(&info.server_version, 23, 0),
            supports_pull_never: is_at_least(&info.server_version, 20, 10),
            // All supported versions have one.
            has_init: true,
            program,
            title,
        }))
    }

    /// Connects to containerd through nerdctl, in a namespace.
    ///
    /// # Errors
    /// Returns an error if nerdctl or containerd is not available.
    pub(super) fn find_nerdctl(environment: &Environment, namespace: Option<&str>) -> Result<Docker, Unavailable> {
        let program = client(environment, "nerdctl", "--namespace", namespace)?;
        let info = info(&program)?;
        Ok(Docker {
            title: format!("nerdctl with containerd {}", info.server_version.trim_start_matches('v')),
            platform: platform_of(&info.os, &info.architecture),
            store: ImageStore::Nerdctl,
            supports_zstd: true,
            supports_pull_never: true,
            has_init: environment.find_program(&["tini"]).is_some(),
            program,
        })
    }

    /// Returns the client program.
    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn platform(&self) -> &Platform {
        &self.platform
    }

    pub(super) fn supports_indexes(&self) -> bool {
        self.store != ImageStore::Classic
    }

    pub(super) fn run(&self, options: &RunOptions) -> Command {
        let mut command = self.program.command(["run"]);
        if !options.is_bare {
            command.args(["--rm", "--interactive"]);
            // The kernel ignores signals to process 1 without a handler: without an init, Ctrl-C would not end most programs.
            command.args(self.has_init.then_some("--init"));
        }
        if self.platform != *options.platform {
            command.args(["--platform", &options.platform.to_string()]);
        }
        // Runs the loaded image, not an image of the same name from a registry.
        command.args(self.supports_pull_never.then_some("--pull=never"));
        options.add_to(command)
    }
}

/// Queries the engine's version, platform and store.
fn info(program: &Program) -> Result<Info, Unavailable> {
    let output = program.query(["info", "--format", "{{json .}}"])?;
    let info: Info = serde_json::from_str(&output.stdout)
        .map_err(|error| Unavailable::invalid_output("docker info --format '{{json .}}'", &error))?;
    match info.server_errors.iter().flatten().next() {
        Some(message) => {
            Err(ProgramError::Failed { program: "docker info".to_owned(), message: message.clone() }.into())
        }
        None => Ok(info),
    }
}
