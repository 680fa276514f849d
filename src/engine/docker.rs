//! Docker through `docker`, and containerd through `nerdctl`, which speaks like it.
//!
//! Docker keeps images in one of two stores. The classic one reads docker-archives, of which it needs no layer that it
//! has; containerd's reads layouts, of which it needs no blob that it has. Contexts, `DOCKER_HOST` and ssh are the
//! program's own affair.

use std::collections::HashSet;
use std::process::Command;

use miette::Report;
use serde::Deserialize;

use super::has::{Listed, diff_ids, images, in_full, layers, names_to_give, remember, shared};
use super::program::{Answer, Program, Refusal};
use super::run::Run;
use super::{Absence, Loaded, LocalImage, is_at_least, platform_of, program, too_old};
use crate::error::Result;
use crate::plan::Environment;
use crate::platform::Platform;
use crate::store::archive::Contents;

/// A Docker daemon, or containerd behind nerdctl.
#[derive(Debug)]
pub struct Docker {
    program: Program,
    title: String,
    platform: Platform,
    store: Store,
    /// Whether it reads layers in zstd.
    knows_zstd: bool,
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

/// What names a driver of containerd's in `docker info`.
const CONTAINERD_DRIVER: &str = "io.containerd.snapshotter";
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
        let title = format!("Docker {}", info.server_version);
        if !is_at_least(&info.server_version, 17, 6) {
            return Err(too_old(&title, "17.06"));
        }
        let status = info.driver_status.unwrap_or_default();
        let is_containerd = status.iter().any(|(_, value)| value.starts_with(CONTAINERD_DRIVER));
        Ok(Found::Docker(Docker {
            platform: platform_of(&info.os, &info.architecture),
            store: if is_containerd { Store::Containerd } else { Store::Classic },
            knows_zstd: is_at_least(&info.server_version, 23, 0),
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
            && (self.store != Store::Containerd || self.has_whole(image, id.as_ref(), "")?)
        {
            for name in &missing {
                self.program.ask(["image", "tag", id.as_ref(), name])?;
            }
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
        let contents = || Contents::of_docker_image(image.layout, &image.docker_image()?, self.knows_zstd);
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

    /// Into containerd's store. It takes a layout without blobs that it has not, moves the names to it, and ends well: so
    /// it is asked afterwards, and where the image is not whole, the names go back.
    fn load_layout(&self, image: LocalImage, images: &[Listed]) -> Result<u64> {
        let names = image.image.tagged_names();
        let known = layers(image.cache, images, &self.platform);
        let mut sent = 0;
        if !known.is_empty() {
            match self.send(image, &image.as_layout()?.without(|digest| known.contains(digest))) {
                Ok(answer) => {
                    sent = answer.sent;
                    if self.has_whole(image, &names[0], &answer.stdout)? {
                        self.remember(image);
                        return Ok(sent);
                    }
                }
                Err(refusal) if is_final(&refusal) => return Err(self.give_back(image, images, refusal.into())),
                Err(_) => {}
            }
        }
        let answer =
            self.send(image, &image.as_layout()?).map_err(|refusal| self.give_back(image, images, refusal.into()))?;
        if self.has_whole(image, &names[0], &answer.stdout).map_err(|error| self.give_back(image, images, error))? {
            self.remember(image);
            return Ok(sent + answer.sent);
        }
        let words = answer.stdout.lines().filter(|line| !line.starts_with(LOADED)).collect::<Vec<_>>().join("; ");
        let words = if words.is_empty() { "it does not have all of it afterwards".to_owned() } else { words };
        let refusal = Refusal::Refused { program: "docker image load".to_owned(), words };
        Err(self.give_back(image, images, refusal.into()))
    }

    /// Whether every platform of the image is there with all that it names: the image of that name or id, of which the
    /// engine has `said` something.
    fn has_whole(&self, image: LocalImage, name: &str, said: &str) -> Result<bool> {
        for manifest in &image.image.manifests {
            let platform = manifest.platform.to_string();
            let inspected =
                self.program.ask(["image", "inspect", "--platform", &platform, "--format", "{{.Id}}", name]);
            match inspected {
                Ok(answer) if answer.stdout.trim() == manifest.digest.as_ref() => {}
                Ok(_) => return Ok(false),
                Err(Refusal::Refused { words, .. })
                    if ["unknown flag", "API version"].iter().any(|old| words.contains(old)) =>
                {
                    // Before version 28 there is nothing but what it has said.
                    return Ok(!said.lines().any(|line| line.starts_with("Error")));
                }
                Err(Refusal::Refused { .. }) => return Ok(false),
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok(true)
    }

    /// After a failure: names that stand for a part of the image stand for what they did `before`.
    fn give_back(&self, image: LocalImage, before: &[Listed], error: Report) -> Report {
        let id = image.root().digest().as_ref();
        // An engine that does not answer any more has not moved them, or nothing can be done.
        let now = images(&self.program).unwrap_or_default();
        for name in image.image.tagged_names() {
            let full = in_full(&name);
            let stands_for =
                |images: &[Listed]| images.iter().find(|listed| listed.name == full).map(|listed| listed.id.clone());
            if stands_for(&now).as_deref() == Some(id) {
                let _ = match stands_for(before) {
                    Some(old) => self.program.ask(["image", "tag", &old, &name]),
                    None => self.program.ask(["image", "rm", &name]),
                };
            }
        }
        error
    }

    /// For the next load: what is there now.
    fn remember(&self, image: LocalImage) {
        let manifests = image.image.manifests.iter().map(|manifest| manifest.descriptor.clone());
        remember(image.cache, image.layout, manifests.chain([image.root().clone()]));
    }

    fn send(&self, image: LocalImage, contents: &Contents) -> Result<Answer, Refusal> {
        self.program.feed(["image", "load"], &image.transfer(contents), |input| contents.write(image.time, input))
    }

    /// The diffIDs of images.
    fn chains<'a>(&self, images: impl Iterator<Item = &'a Listed>) -> Result<Vec<Vec<String>>> {
        let ids: HashSet<_> = images.map(|image| image.id.as_str()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let format = ["image", "inspect", "--format", "{{json .RootFS.Layers}}"];
        // An image that went meanwhile is no reason to send everything, but a sign that something else may be amiss.
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
        Absence::Other(Report::msg(error.to_string()).wrap_err("cannot read the answer of `docker info`"))
    })?;
    match info.server_errors.iter().flatten().next() {
        Some(words) => {
            Err(Absence::Silence(Refusal::Refused { program: "docker info".to_owned(), words: words.clone() }))
        }
        None => Ok(info),
    }
}
