//! Local Kubernetes clusters: kind, minikube and k3d. Each of their nodes loads an image from a file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::docker::{DetectedDocker, Docker};
use super::local_image::{LoadedImage, LocalImage};
use super::podman::Podman;
use super::program::{Program, ProgramError};
use super::unavailable::Unavailable;
use super::version::platform_of;
use crate::environment::Environment;
use crate::error::{Result, on_path};
use crate::platform::Platform;
use crate::reference::EngineKind;
use crate::store::archive::ArchiveContents;

/// A local cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    kind: EngineKind,
    program: Program,
    /// The name of the cluster, or the profile of minikube.
    name: String,
    title: String,
    platform: Platform,
}

impl Cluster {
    /// Finds a cluster by name. Without a name, it is the default one of its program.
    ///
    /// # Errors
    /// Returns an error if the cluster is not available.
    pub(super) fn find(
        kind: EngineKind,
        environment: &Environment,
        name: Option<&str>,
    ) -> Result<Cluster, Unavailable> {
        let program = Program::find(environment, kind.name()).ok_or(Unavailable::NotInstalled(kind.name()))?;
        let name = name.unwrap_or(match kind {
            EngineKind::Kind => "kind",
            EngineKind::K3d => "k3s-default",
            _ => "minikube",
        });
        let platform = match kind {
            EngineKind::Minikube => {
                let machine = program.query(["--profile", name, "ssh", "--", "uname", "-m"])?.stdout;
                platform_of("linux", machine.trim())
            }
            EngineKind::K3d => {
                program.query(["cluster", "list", name])?;
                host_platform(environment)
            }
            _ => {
                // kind exits with 0 even if the cluster does not exist.
                if program.query(["get", "nodes", "--name", name])?.stdout.trim().is_empty() {
                    let message = format!("the cluster {name} has no nodes");
                    return Err(ProgramError::Failed { program: "kind get nodes".to_owned(), message }.into());
                }
                host_platform(environment)
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

    pub(super) fn load(&self, image: LocalImage) -> Result<LoadedImage> {
        let folder = image.image.layout.parent().unwrap_or(&image.image.layout);
        // A fixed name, so that the next run replaces the file of one that was killed.
        let name = image.image.layout.file_name().unwrap_or_default().to_string_lossy();
        let archive = TemporaryFile(folder.join(format!(".load-{name}.tar")));
        let contents = image.as_both()?;
        let sent =
            write_archive(&contents, image.time, &archive.0).map_err(|error| on_path("write in", folder, error))?;
        let path = archive.0.to_string_lossy();
        let args = match self.kind {
            EngineKind::Minikube => vec!["--profile", &self.name, "image", "load", &path],
            EngineKind::K3d => vec!["image", "import", "--cluster", &self.name, &path],
            _ => vec!["load", "image-archive", "--name", &self.name, &path],
        };
        self.program.run_in(folder, args)?;
        Ok(LoadedImage { id: image.manifest()?.config.digest().clone(), sent: Some(sent), was_present: false })
    }
}

/// Writes an archive and returns its size.
fn write_archive(contents: &ArchiveContents, time: u64, path: &Path) -> io::Result<u64> {
    let mut file = File::create(path)?;
    contents.write(time, &mut file)?;
    Ok(file.metadata()?.len())
}

/// A file that is removed on drop.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns the platform of the engine whose containers are the nodes.
fn host_platform(environment: &Environment) -> Platform {
    if let Ok(DetectedDocker::Docker(docker)) = Docker::find(environment, None) {
        return docker.platform().clone();
    }
    Podman::find(environment, None).map_or_else(|_| Platform::host(), |podman| podman.platform().clone())
}
