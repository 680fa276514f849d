//! Images and containers that are removed after use: no image of the user gets or loses a name.

use miette::miette;

use super::Engine;
use super::inventory::full_name;
use super::program::Program;
use crate::error::Result;
use crate::event::transfer::Transfer;
use crate::platform::Platform;
use crate::store::archive::ArchiveContents;

impl Engine {
    /// Loads a docker-archive with one image.
    ///
    /// # Errors
    /// Returns an error if the engine rejects it, or runs no containers.
    pub(crate) fn load_temporary(
        &self,
        contents: &ArchiveContents,
        transfer: &Transfer,
        platform: &Platform,
    ) -> Result<()> {
        let platform = platform.to_string();
        let args = match self {
            Engine::Docker(_) => vec!["load"],
            Engine::Podman(_) => vec!["load", "--quiet"],
            Engine::Containerd(_) => vec!["images", "import", "--platform", &platform, "-"],
            Engine::Cluster(_) => return Err(miette!("{} does not run containers", self.title())),
        };
        let Some(program) = self.client() else { return Ok(()) };
        program.run_with_input(args, transfer, |input| contents.write(0, input))?;
        Ok(())
    }

    /// Removes an image, if it is there.
    pub(crate) fn remove_image(&self, name: &str) {
        let Some(program) = self.client() else { return };
        match self {
            Engine::Containerd(_) => program.clean_up(["images", "rm", &full_name(name).unwrap_or_default()]),
            _ => program.clean_up(["image", "rm", "--force", &self.local_name(name)]),
        }
    }

    /// Kills and removes a container, if it is there.
    pub(crate) fn remove_container(&self, name: &str) {
        let Some(program) = self.client() else { return };
        if let Engine::Containerd(_) = self {
            program.clean_up(["tasks", "rm", "--force", name]);
            program.clean_up(["containers", "rm", name]);
        } else {
            program.clean_up(["rm", "--force", "--volumes", name]);
        }
    }

    /// Makes an image of a container that has ended.
    ///
    /// # Errors
    /// Returns an error if the engine cannot.
    pub(crate) fn commit(&self, container: &str, image: &str) -> Result<()> {
        match (self, self.client()) {
            (Engine::Docker(_) | Engine::Podman(_), Some(program)) => {
                program.run(["commit", container, image])?;
                Ok(())
            }
            _ => Err(miette!("{} makes no images of containers", self.title())),
        }
    }

    /// Returns how a port of a container is published on a port of loopback that is free, or `None` if containers can only
    /// share the ports of this machine.
    pub(crate) fn publish_on_loopback(&self, port: u16) -> Option<String> {
        match self {
            Engine::Docker(_) | Engine::Podman(_) => Some(format!("127.0.0.1::{port}")),
            Engine::Containerd(_) | Engine::Cluster(_) => None,
        }
    }

    /// Returns the address here that leads to a port of a container, or `None` before it is started.
    pub(crate) fn published(&self, container: &str, port: u16) -> Option<String> {
        if self.publish_on_loopback(port).is_none() {
            return Some(format!("127.0.0.1:{port}"));
        }
        let output = self.client()?.query(["port", container, &format!("{port}/tcp")]).ok()?;
        output.stdout.lines().next().map(|line| line.trim().to_owned()).filter(|line| line.contains(':'))
    }

    /// Returns whether a container with this exit status may not have been started.
    pub(crate) fn may_be_start_failure(&self, status: i32) -> bool {
        match self {
            Engine::Containerd(_) => status == 1,
            // https://docs.docker.com/engine/containers/run/#exit-status, and the same in podman-run(1)
            _ => matches!(status, 125..=127),
        }
    }

    /// Returns whether the program of a container was started.
    pub(crate) fn has_started(&self, container: &str) -> bool {
        let Some(program) = self.client() else { return false };
        if let Engine::Containerd(_) = self {
            // `ctr` has removed the container, and exits with 1 for its own errors.
            return false;
        }
        let started = program.query(["container", "inspect", "--format", "{{.State.StartedAt}}", container]);
        started.is_ok_and(|output| !output.stdout.trim().is_empty() && !output.stdout.starts_with("0001-01-01"))
    }

    fn client(&self) -> Option<&Program> {
        match self {
            Engine::Docker(docker) => Some(docker.program()),
            Engine::Podman(podman) => Some(podman.program()),
            Engine::Containerd(containerd) => Some(containerd.program()),
            Engine::Cluster(_) => None,
        }
    }
}
