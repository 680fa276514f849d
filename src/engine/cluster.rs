//! Kubernetes clusters on this computer: kind, minikube and k3d. They read a file, each node by itself.

use std::fs::{self, File};
use std::path::PathBuf;

use super::docker::{Docker, Found};
use super::podman::Podman;
use super::program::{Program, Refusal};
use super::{Absence, Loaded, LocalImage, platform_of};
use crate::environment::Environment;
use crate::error::{Result, on_path};
use crate::platform::Platform;
use crate::reference::EngineKind;

/// A cluster.
#[derive(Debug)]
pub struct Cluster {
    kind: EngineKind,
    program: Program,
    /// Its name; a profile of minikube.
    name: String,
    title: String,
    platform: Platform,
}

impl Cluster {
    /// The cluster of that name; the one that its program takes by itself where none is named.
    ///
    /// # Errors
    /// When it is not there, or does not answer.
    pub(super) fn find(kind: EngineKind, environment: &Environment, name: Option<&str>) -> Result<Cluster, Absence> {
        let program = Program::find(environment, kind.name()).ok_or(Absence::Program(kind.name()))?;
        let name = name.unwrap_or(match kind {
            EngineKind::Kind => "kind",
            EngineKind::K3d => "k3s-default",
            _ => "minikube",
        });
        let platform = match kind {
            EngineKind::Minikube => {
                let machine = program.ask(["--profile", name, "ssh", "--", "uname", "-m"])?.stdout;
                platform_of("linux", machine.trim())
            }
            EngineKind::K3d => {
                program.ask(["cluster", "list", name])?;
                platform_below(environment)
            }
            _ => {
                // It says so when there are none, and ends well.
                if program.ask(["get", "nodes", "--name", name])?.stdout.trim().is_empty() {
                    let words = format!("the cluster {name} has no nodes");
                    return Err(Refusal::Refused { program: "kind get nodes".to_owned(), words }.into());
                }
                platform_below(environment)
            }
        };
        Ok(Cluster {
            kind,
            title: format!("the {} cluster {name}", kind.name()),
            name: name.to_owned(),
            program,
            platform,
        })
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn platform(&self) -> &Platform {
        &self.platform
    }

    pub(super) fn load(&self, image: LocalImage) -> Result<Loaded> {
        let folder = image.image.layout.parent().unwrap_or(&image.image.layout);
        let failed = |error: std::io::Error| on_path("write in", folder, error);
        // Under one name, so that none of a run that was killed stays.
        let name = image.image.layout.file_name().unwrap_or_default().to_string_lossy();
        let path = Temporary(folder.join(format!(".load-{name}.tar")));
        let mut file = File::create(&path.0).map_err(failed)?;
        image.as_both()?.write(image.time, &mut file).map_err(failed)?;
        let sent = file.metadata().map_err(failed)?.len();
        let path = path.0.to_string_lossy();
        let args = match self.kind {
            EngineKind::Minikube => vec!["--profile", &self.name, "image", "load", &path],
            EngineKind::K3d => vec!["image", "import", "--cluster", &self.name, &path],
            _ => vec!["load", "image-archive", "--name", &self.name, &path],
        };
        self.program.read_in(folder, args)?;
        Ok(Loaded { id: image.manifest()?.config.digest().clone(), sent: Some(sent), was_there: false })
    }
}

/// A file that goes when this is dropped.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The platform of the engine that the nodes are containers of.
fn platform_below(environment: &Environment) -> Platform {
    let docker = Docker::find(environment, None).ok().and_then(|found| match found {
        Found::Docker(docker) => Some(docker.platform().clone()),
        Found::Podman(_) => None,
    });
    let podman = || Podman::find(environment, None).ok().map(|podman| podman.platform().clone());
    docker.or_else(podman).unwrap_or_else(Platform::host)
}
