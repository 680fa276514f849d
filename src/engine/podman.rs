//! Podman. A local one reads the layout itself and copies only the layers that it lacks; a remote one gets an archive.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use oci_spec::image::Descriptor;
use serde::Deserialize;
use serde_json::json;

use super::inventory::{images, missing_names, remove_unnamed, replaced_images};
use super::local_image::{LoadedImage, LocalImage};
use super::program::Program;
use super::run::RunOptions;
use super::unavailable::{Unavailable, client};
use super::version::{is_at_least, platform_of};
use crate::environment::Environment;
use crate::error::{Result, on_path};
use crate::image::digest::sha256;
use crate::platform::Platform;
use crate::store::archive::ArchiveContents;
use crate::store::atomic;
use crate::store::layout::index::{INDEX, OCI_LAYOUT, OCI_LAYOUT_CONTENT, write_index};

/// A Podman.
#[derive(Debug)]
pub(crate) struct Podman {
    program: Program,
    title: String,
    platform: Platform,
    is_remote: bool,
    has_init: bool,
}

/// The output of `podman version`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PodmanVersions {
    client: PodmanVersion,
    /// Only present if Podman is remote.
    server: Option<PodmanVersion>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PodmanVersion {
    version: String,
    os_arch: String,
}

/// Where distributions install the program that `--init` runs.
const INITS: [&str; 4] = [
    "/usr/libexec/podman/catatonit",
    "/usr/lib/podman/catatonit",
    "/usr/local/libexec/podman/catatonit",
    "/usr/bin/catatonit",
];

impl Podman {
    /// Connects to the Podman of a connection, or to the default one of `podman`.
    ///
    /// # Errors
    /// Returns an error if Podman is not available or too old.
    pub(super) fn find(environment: &Environment, connection: Option<&str>) -> Result<Podman, Unavailable> {
        Podman::connect(client(environment, "podman", "--connection", connection)?)
    }

    /// Connects to the Podman behind a program of any name.
    ///
    /// # Errors
    /// Returns an error if Podman is not available or too old.
    pub(super) fn connect(program: Program) -> Result<Podman, Unavailable> {
        let output = program.query(["version", "--format", "json"])?;
        let versions: PodmanVersions = serde_json::from_str(&output.stdout)
            .map_err(|error| Unavailable::invalid_output("podman version --format json", &error))?;
        let is_remote = versions.server.is_some();
        let PodmanVersion { version, os_arch } = versions.server.unwrap_or(versions.client);
        let title = format!("Podman {version}");
        if !is_at_least(&version, 3, 0) {
            return Err(Unavailable::too_old(&title, "3.0"));
        }
        let (os, machine) = os_arch.split_once('/').unwrap_or(("linux", &os_arch));
        Ok(Podman {
            platform: platform_of(os, machine),
            has_init: is_remote || INITS.iter().any(|path| Path::new(path).exists()),
            is_remote,
            program,
            title,
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

    pub(super) fn load(&self, image: LocalImage) -> Result<LoadedImage> {
        let id = image.manifest()?.config.digest();
        let names: Vec<_> = image.image.tagged_names().iter().map(|name| local_name(name)).collect();
        let listed = images(&self.program)?;
        let replaced = replaced_images(&listed, id.as_ref(), &names);
        let existing = missing_names(&listed, id.as_ref(), &names);
        let was_present = existing.is_some();
        let mut sent = None;
        let missing = if let Some(missing) = existing {
            missing
        } else {
            sent = self.copy(image, &names)?;
            names
        };
        if !missing.is_empty() {
            self.program.run(["tag", id.digest()].into_iter().chain(missing.iter().map(String::as_str)))?;
        }
        // Also removes the name that a killed run has left.
        let temporary = format!("localhost/{}:latest", temporary_name(image));
        let was_pulled = !was_present && !self.is_remote;
        if was_pulled || listed.iter().any(|listed| listed.name.as_ref() == Some(&temporary)) {
            self.program.clean_up(["untag", &temporary, &temporary]);
        }
        remove_unnamed(&self.program, &replaced);
        Ok(LoadedImage { id: id.clone(), sent, was_present })
    }

    /// Copies the image into the storage. Returns the number of bytes sent, or `None` if Podman reads the layout itself.
    fn copy(&self, image: LocalImage, names: &[String]) -> Result<Option<u64>> {
        if !self.is_remote {
            self.pull(image)?;
            return Ok(None);
        }
        let contents = ArchiveContents::of_image(image.layout, image.root(), names)?;
        let transfer = image.transfer(&contents);
        let load = ["load", "--quiet"];
        let output = self.program.run_with_input(load, &transfer, |input| contents.write(image.time, input))?;
        Ok(Some(output.sent))
    }

    /// Pulls the image from the layout. Podman names the image by the path of the layout, by a tag in it, or not at all, which
    /// depends on its version. So it gets a layout without a tag, in a folder whose name is a valid name of an image; that is
    /// untagged afterwards.
    fn pull(&self, image: LocalImage) -> Result<()> {
        let layout = &image.image.layout;
        let folder = layout.parent().unwrap_or(layout);
        let name = temporary_name(image);
        let untagged = UntaggedLayout::new(layout, image.root(), folder.join(&name));
        let _untagged = untagged.map_err(|error| on_path("write in", folder, error))?;
        let (from, platform) = (format!("oci:{name}"), image.manifest()?.platform.to_string());
        self.program.run_in(folder, ["pull", "--quiet", "--platform", &platform, &from])?;
        Ok(())
    }

    pub(super) fn run(&self, options: &RunOptions) -> Command {
        let mut command = self.program.command(["run"]);
        if options.is_bare {
            // Otherwise its removal waits 10 seconds for a program that ignores SIGTERM, as most do in process 1.
            command.args(["--stop-timeout", "0"]);
        } else {
            command.args(["--rm", "--interactive"]);
            // The kernel ignores signals to process 1 without a handler: without an init, Ctrl-C would not end most programs.
            command.args(self.has_init.then_some("--init"));
        }
        if self.platform != *options.platform {
            command.args(["--platform", &options.platform.to_string()]);
        }
        // Runs the loaded image, not an image of the same name from a registry.
        command.arg("--pull=never");
        options.add_to(command)
    }
}

/// Returns the name of the folder that Podman pulls from. It is the same each time, so that the next run removes what a killed
/// one has left.
fn temporary_name(image: LocalImage) -> String {
    let layout = image.image.layout.file_name().unwrap_or_default().to_string_lossy();
    format!("loading-{}", &sha256(layout.as_bytes()).digest()[..12])
}

/// A layout with one image without a tag, whose blobs are those of another layout; removed on drop.
struct UntaggedLayout(PathBuf);

impl UntaggedLayout {
    fn new(layout: &Path, root: &Descriptor, path: PathBuf) -> io::Result<UntaggedLayout> {
        let blobs = Path::new("..").join(layout.file_name().unwrap_or_default()).join("blobs");
        remove(&path);
        atomic::create_folder(&path)?;
        // From here on, a failure removes it.
        let untagged = UntaggedLayout(path);
        #[cfg(unix)]
        std::os::unix::fs::symlink(blobs, untagged.0.join("blobs"))?;
        #[cfg(windows)]
        std::os::windows::fs::symlink_dir(blobs, untagged.0.join("blobs"))?;
        fs::write(untagged.0.join(OCI_LAYOUT), OCI_LAYOUT_CONTENT)?;
        fs::write(untagged.0.join(INDEX), write_index(&[json!(root)]))?;
        Ok(untagged)
    }
}

impl Drop for UntaggedLayout {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes a folder or a link. Links in the folder are not followed.
fn remove(path: &Path) {
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
}

/// Returns the name that Podman gives a local image: `localhost/NAME` if it has no registry.
pub(super) fn local_name(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("localhost/{name}") }
}
