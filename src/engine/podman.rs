//! Podman. Where its storage is on this computer, it reads the layout itself and copies no layer that it has; where it is
//! far away, all goes there through a stream.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use miette::miette;
use serde::Deserialize;

use super::has::{images, names_to_give};
use super::program::Program;
use super::run::Run;
use super::{Absence, Loaded, LocalImage, is_at_least, platform_of, program, too_old};
use crate::environment::Environment;
use crate::error::{Result, on_path};
use crate::image::digest::sha256;
use crate::platform::Platform;
use crate::store::archive::ArchiveContents;

/// A Podman.
#[derive(Debug)]
pub struct Podman {
    program: Program,
    title: String,
    platform: Platform,
    is_remote: bool,
    has_init: bool,
}

/// What `podman version` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Versions {
    client: Version,
    /// Only where it is another than the client.
    server: Option<Version>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
    os_arch: String,
}

/// Where distributions put the init that Podman puts before a program.
const INITS: [&str; 4] = [
    "/usr/libexec/podman/catatonit",
    "/usr/lib/podman/catatonit",
    "/usr/local/libexec/podman/catatonit",
    "/usr/bin/catatonit",
];

impl Podman {
    /// The Podman of a connection; the one that `podman` talks to by itself where none is named.
    ///
    /// # Errors
    /// When it is not there, does not answer, or is too old.
    pub(super) fn find(environment: &Environment, connection: Option<&str>) -> Result<Podman, Absence> {
        Podman::ask(program(environment, "podman", "--connection", connection)?)
    }

    /// The Podman behind a program, whatever that is called.
    ///
    /// # Errors
    /// When it does not answer, or is too old.
    pub(super) fn ask(program: Program) -> Result<Podman, Absence> {
        let answer = program.ask(["version", "--format", "json"])?;
        let versions: Versions = serde_json::from_str(&answer.stdout).map_err(|error| {
            Absence::Other(miette!(
                help = "see what that says: it should be one object of JSON; or name another engine with `--engine`",
                "cannot read the answer of `podman version`: {error}"
            ))
        })?;
        let is_remote = versions.server.is_some();
        let Version { version, os_arch } = versions.server.unwrap_or(versions.client);
        let title = format!("Podman {version}");
        if !is_at_least(&version, 3, 0) {
            return Err(too_old(&title, "3.0"));
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

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn platform(&self) -> &Platform {
        &self.platform
    }

    pub(super) fn load(&self, image: LocalImage) -> Result<Loaded> {
        let id = image.manifest()?.config.digest();
        let names: Vec<_> = image.image.tagged_names().iter().map(|name| local(name)).collect();
        let listed = images(&self.program)?;
        let loading = loading(image);
        let there = names_to_give(&listed, id.as_ref(), &names);
        let (was_there, copied) = (there.is_some(), there.is_none() && !self.is_remote);
        let mut sent = None;
        let missing = match there {
            Some(missing) => missing,
            None => {
                sent = self.copy(image, &names)?;
                names
            }
        };
        if !missing.is_empty() {
            self.program.tell(["tag", id.digest()].into_iter().chain(missing.iter().map(String::as_str)))?;
        }
        // Also that of a run that was killed.
        let by_path = format!("localhost/{loading}:latest");
        if copied || listed.iter().any(|listed| listed.name.as_ref() == Some(&by_path)) {
            self.program.undo(["untag", &by_path, &by_path]);
        }
        Ok(Loaded { id: id.clone(), sent, was_there })
    }

    /// Brings the image into the storage; gives the bytes that went through a stream.
    fn copy(&self, image: LocalImage, names: &[String]) -> Result<Option<u64>> {
        if self.is_remote {
            let contents = ArchiveContents::of_image(image.layout, image.root(), names)?;
            let answer = self
                .program
                .feed(["load", "--quiet"], &image.transfer(&contents), |input| contents.write(image.time, input))?;
            return Ok(Some(answer.sent));
        }
        self.pull(image)?;
        Ok(None)
    }

    /// Lets it read the layout itself. It names what it reads by the path it reads it from, and refuses paths that are no
    /// names: so it is shown one that is, and that name is taken away again.
    fn pull(&self, image: LocalImage) -> Result<()> {
        let layout = &image.image.layout;
        let folder = layout.parent().unwrap_or(layout);
        let name = loading(image);
        let _link = Link::new(layout, folder.join(&name)).map_err(|error| on_path("write in", folder, error))?;
        let tag = image.image.tags.first().map_or("latest", String::as_str);
        let (from, platform) = (format!("oci:{name}:{tag}"), image.manifest()?.platform.to_string());
        self.program.read_in(folder, ["pull", "--quiet", "--platform", &platform, &from])?;
        Ok(())
    }

    pub(super) fn run(&self, run: &Run) -> Command {
        let mut command = self.program.command(["run", "--rm", "--interactive"]);
        // Process 1 dies of no signal that it does not handle: without an init, Ctrl-C would not end most programs.
        command.args(self.has_init.then_some("--init"));
        if self.platform != *run.platform {
            command.args(["--platform", &run.platform.to_string()]);
        }
        // What is run is what was loaded, and not what a registry calls by that name.
        command.arg("--pull=never");
        run.finish(command)
    }
}

/// What a layout is called while it is read: the same each time, so that nothing of it stays.
fn loading(image: LocalImage) -> String {
    let layout = image.image.layout.file_name().unwrap_or_default().to_string_lossy();
    format!("loading-{}", &sha256(layout.as_bytes()).digest()[..12])
}

/// A link to a layout, gone when this is dropped.
struct Link(PathBuf);

impl Link {
    fn new(layout: &Path, path: PathBuf) -> io::Result<Link> {
        let to = layout.file_name().unwrap_or_default();
        // One of a run that was killed.
        let _ = fs::remove_file(&path);
        #[cfg(unix)]
        std::os::unix::fs::symlink(to, &path)?;
        #[cfg(windows)]
        std::os::windows::fs::symlink_dir(to, &path)?;
        Ok(Link(path))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A name as Podman gives it to what was built here: without a registry it is `localhost`'s.
pub(super) fn local(name: &str) -> String {
    match name.contains('/') {
        true => name.to_owned(),
        false => format!("localhost/{name}"),
    }
}
