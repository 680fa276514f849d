//! Docker through `docker`, and containerd through `nerdctl`, which speaks like it.
//!
//! Docker keeps images in one of two stores. The classic one reads docker-archives, of which it needs no layer that it
//! has; containerd's reads layouts, of which it needs no blob that it has. Contexts, `DOCKER_HOST` and ssh are the
//! program's own affair.

use std::collections::HashSet;
use std::process::Command;

use miette::miette;
use serde::Deserialize;

use super::has::{Listed, diff_ids, images, in_full, layers, names_to_give, remember, shared};
use super::program::{Answer, Program, Refusal};
use super::run::Run;
use super::{Absence, Loaded, LocalImage, is_at_least, platform_of, program, too_old};
use crate::environment::Environment;
use crate::error::Result;
use crate::image::Digest;
use crate::platform::Platform;
use crate::store::archive::ArchiveContents;

/// A Docker daemon, or containerd behind nerdctl.
#[derive(Debug)]
pub struct Docker {
    program: Program,
    title: String,
    platform: Platform,
    store: Store,
    /// Whether it reads layers in zstd.
    knows_zstd: bool,
    /// Whether it can be told to run only what it has.
    can_refuse_to_pull: bool,
    /// Whether it can put a small init before a program.
    has_init: bool,
}

/// Where it keeps images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    /// Docker's own: layers by their diffIDs, images by their configs.
    Classic,
    /// containerd's: blobs and images by their digests.
    Containerd,
    /// containerd's, behind nerdctl.
    Nerdctl,
}

/// Who answers to the name of docker.
pub enum Found {
    /// Docker.
    Docker(Docker),
    /// Podman, which some install under this name.
    Podman(Program),
}

/// What `docker info` says; nerdctl says the same.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    server_version: String,
    #[serde(rename = "OSType")]
    os: String,
    architecture: String,
    driver_status: Option<Vec<(String, String)>>,
    server_errors: Option<Vec<String>>,
    /// Podman's own.
    #[serde(rename = "host")]
    podman: Option<serde_json::Value>,
}

/// What Podman calls itself in `docker version`.
const PODMAN: &str = "Podman Engine";
/// What names a driver of containerd's in `docker info`.
const CONTAINERD_DRIVER: &str = "io.containerd.snapshotter";
/// How a Docker before version 28 says that it cannot tell whether a platform is there. What it has said while loading is
/// all there is then.
const OLD: [&str; 2] = ["unknown flag", "API version"];
/// How `docker load` begins the line for a name that now stands for the image.
const LOADED: &str = "Loaded image";

impl Docker {
    /// The daemon of a context; the one that `docker` talks to by itself where none is named.
    ///
    /// # Errors
    /// When it is not there, does not answer, or is too old.
    pub(super) fn find(environment: &Environment, context: Option<&str>) -> Result<Found, Absence> {
        let program = program(environment, "docker", "--context", context)?;
        let info = info(&program)?;
        if info.podman.is_some() {
            return Ok(Found::Podman(program));
        }
        let mut title = format!("Docker {}", info.server_version);
        if !is_at_least(&info.server_version, 17, 6) {
            // Podman answers for Docker too, with versions of its own.
            let components = program.ask(["version", "--format", "{{json .Server.Components}}"])?.stdout;
            if !components.contains(PODMAN) {
                return Err(too_old(&title, "17.06"));
            }
            title = format!("Podman {} in the place of Docker", info.server_version);
        }
        let status = info.driver_status.unwrap_or_default();
        let is_containerd = status.iter().any(|(_, value)| value.starts_with(CONTAINERD_DRIVER));
        Ok(Found::Docker(Docker {
            platform: platform_of(&info.os, &info.architecture),
            store: if is_containerd { Store::Containerd } else { Store::Classic },
            knows_zstd: is_at_least(&info.server_version, 23, 0),
            can_refuse_to_pull: is_at_least(&info.server_version, 20, 10),
            // It comes along since long.
            has_init: true,
            program,
            title,
        }))
    }

    /// containerd, as nerdctl sees it in a namespace.
    ///
    /// # Errors
    /// When it is not there, does not answer, or is too old.
    pub(super) fn find_nerdctl(environment: &Environment, namespace: Option<&str>) -> Result<Docker, Absence> {
        let program = program(environment, "nerdctl", "--namespace", namespace)?;
        let info = info(&program)?;
        Ok(Docker {
            title: format!("nerdctl with containerd {}", info.server_version.trim_start_matches('v')),
            platform: platform_of(&info.os, &info.architecture),
            store: Store::Nerdctl,
            knows_zstd: true,
            can_refuse_to_pull: true,
            has_init: environment.find_program(&["tini"]).is_some(),
            program,
        })
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn platform(&self) -> &Platform {
        &self.platform
    }

    pub(super) fn takes_indexes(&self) -> bool {
        self.store != Store::Classic
    }

    pub(super) fn load(&self, image: LocalImage) -> Result<Loaded> {
        let id = match self.store {
            Store::Classic => image.manifest()?.config.digest(),
            Store::Containerd | Store::Nerdctl => image.root().digest(),
        };
        let names = image.image.tagged_names();
        let listed = images(&self.program)?;
        if let Some(missing) = names_to_give(&listed, id.as_ref(), &names)
            && (self.store != Store::Containerd || self.has_whole(image, "")?)
        {
            self.tag(id, &missing)?;
            return Ok(Loaded { id: id.clone(), sent: Some(0), was_there: true });
        }
        let sent = match self.store {
            Store::Classic => self.load_docker_image(image, &listed)?,
            Store::Containerd => self.load_layout(image, &listed)?,
            Store::Nerdctl => {
                let contents = image.as_layout()?;
                self.program
                    .feed(["load", "--all-platforms"], &image.transfer(&contents), |input| {
                        contents.write(image.time, input)
                    })?
                    .sent
            }
        };
        Ok(Loaded { id: id.clone(), sent: Some(sent), was_there: false })
    }

    fn tag(&self, id: &Digest, names: &[String]) -> Result<()> {
        for name in names {
            self.program.tell(["image", "tag", id.as_ref(), name])?;
        }
        Ok(())
    }

    /// Into the classic store.
    fn load_docker_image(&self, image: LocalImage, images: &[Listed]) -> Result<u64> {
        let manifest = image.manifest()?;
        let wanted = diff_ids(image.layout, &manifest.config)?;
        // An older version of the image has most in common with it; only where there is none, all are asked.
        let own = image.image.local_names.iter().filter_map(|name| in_full(name));
        let own: HashSet<_> = own.map(|name| untagged(&name)).collect();
        let is_own = |listed: &&Listed| listed.name.as_ref().is_some_and(|name| own.contains(&untagged(name)));
        let mut has = shared(&wanted, &self.chains(images.iter().filter(is_own))?);
        if has + 1 < wanted.len() {
            has = has.max(shared(&wanted, &self.chains(images.iter())?));
        }
        let known: HashSet<_> = manifest.layers.iter().take(has).map(|layer| layer.digest()).collect();
        let contents = || ArchiveContents::of_docker_image(image.layout, &image.docker_image()?, self.knows_zstd);
        if !known.is_empty() {
            match self.send(image, &contents()?.without(|digest| known.contains(digest))) {
                Ok(answer) => return Ok(answer.sent),
                Err(refusal) if is_final(&refusal) => return Err(refusal.into()),
                // What it has against the whole it says next.
                Err(_) => {}
            }
        }
        Ok(self.send(image, &contents()?)?.sent)
    }

    /// Into containerd's store. It takes a layout without blobs that it has not, and ends well: so the image comes without
    /// a name, and gets its names when it is all there.
    fn load_layout(&self, image: LocalImage, images: &[Listed]) -> Result<u64> {
        let known = layers(image.cache, images, &self.platform);
        let contents = || ArchiveContents::of_image(image.layout, image.root(), &[]);
        let mut sent = 0;
        let mut is_whole = false;
        if !known.is_empty() {
            match self.send(image, &contents()?.without(|digest| known.contains(digest))) {
                Ok(answer) => {
                    sent = answer.sent;
                    is_whole = self.has_whole(image, &answer.stdout)?;
                }
                Err(refusal) if is_final(&refusal) => return Err(refusal.into()),
                Err(_) => {}
            }
        }
        if !is_whole {
            let answer = self.send(image, &contents()?)?;
            sent += answer.sent;
            if !self.has_whole(image, &answer.stdout)? {
                let said = answer.stdout.lines().filter(|line| !line.starts_with(LOADED));
                let words = said.map(str::to_owned).chain(["it does not have all of it afterwards".to_owned()]).next();
                let program = "docker image load".to_owned();
                return Err(Refusal::Refused { program, words: words.unwrap_or_default() }.into());
            }
        }
        self.tag(image.root().digest(), &image.image.tagged_names())?;
        let manifests = image.image.manifests.iter().map(|manifest| manifest.descriptor.clone());
        remember(image.cache, image.layout, manifests.chain([image.root().clone()]));
        Ok(sent)
    }

    /// Whether every platform of the image is there with all that it names; the engine has `said` something when it was
    /// loaded.
    fn has_whole(&self, image: LocalImage, said: &str) -> Result<bool> {
        let id = image.root().digest().as_ref();
        for manifest in &image.image.manifests {
            let platform = manifest.platform.to_string();
            match self.program.ask(["image", "inspect", "--platform", &platform, "--format", "{{.Id}}", id]) {
                Ok(answer) if answer.stdout.trim() == manifest.digest.as_ref() => {}
                Ok(_) => return Ok(false),
                Err(Refusal::Refused { words, .. }) if OLD.iter().any(|old| words.contains(old)) => {
                    return Ok(!said.lines().any(|line| line.starts_with("Error")));
                }
                Err(Refusal::Refused { .. }) => return Ok(false),
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok(true)
    }

    fn send(&self, image: LocalImage, contents: &ArchiveContents) -> Result<Answer, Refusal> {
        self.program.feed(["image", "load"], &image.transfer(contents), |input| contents.write(image.time, input))
    }

    /// The diffIDs of images.
    fn chains<'a>(&self, images: impl Iterator<Item = &'a Listed>) -> Result<Vec<Vec<String>>> {
        let ids: HashSet<_> = images.map(|image| image.id.as_str()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let format = ["image", "inspect", "--format", "{{json .RootFS.Layers}}"];
        // Where one of them has gone meanwhile, nothing is known, and all is sent.
        let Ok(answer) = self.program.ask(format.into_iter().chain(ids)) else {
            return Ok(Vec::new());
        };
        Ok(answer.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    pub(super) fn run(&self, run: &Run) -> Command {
        let mut command = self.program.command(["run", "--rm", "--interactive"]);
        // Process 1 dies of no signal that it does not handle: without an init, Ctrl-C would not end most programs.
        command.args(self.has_init.then_some("--init"));
        if self.platform != *run.platform {
            command.args(["--platform", &run.platform.to_string()]);
        }
        // What is run is what was loaded, and not what a registry calls by that name.
        command.args(self.can_refuse_to_pull.then_some("--pull=never"));
        run.finish(command)
    }
}

/// Whether there is no use in asking again: the user has interrupted, or what was to be sent cannot be read.
fn is_final(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Broken { .. })
}

/// A name without its tag.
fn untagged(name: &str) -> String {
    name.rsplit_once(':').map_or(name, |(name, _)| name).to_owned()
}

/// Asks who it is.
fn info(program: &Program) -> Result<Info, Absence> {
    let answer = program.ask(["info", "--format", "{{json .}}"])?;
    let info: Info = serde_json::from_str(&answer.stdout).map_err(|error| {
        Absence::Other(miette!(
            help = "see what that says: it should be one object of JSON; or name another engine with `--engine`",
            "cannot read the answer of `docker info`: {error}"
        ))
    })?;
    match info.server_errors.iter().flatten().next() {
        Some(words) => {
            Err(Absence::Silence(Refusal::Refused { program: "docker info".to_owned(), words: words.clone() }))
        }
        None => Ok(info),
    }
}
