//! containerd, through its own client `ctr`.
//!
//! containerd lists its blobs, so that only missing ones are sent. `ctr` finds its address (`CONTAINERD_ADDRESS`) and the
//! default namespace (`CONTAINERD_NAMESPACE`) itself. `ctr run` has no init: Ctrl-C only ends programs that handle SIGINT.

use std::collections::HashSet;
use std::process::Command;

use super::inventory::{InventoryImage, full_name, missing_names};
use super::local_image::{LoadedImage, LocalImage};
use super::program::Program;
use super::run::RunOptions;
use super::unavailable::{Unavailable, client};
use super::version::is_at_least;
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Platform;
use crate::store::archive::ArchiveContents;
use crate::store::graph::reachable;

/// The repository of the temporary name that an image has until it is complete.
const LOADING: &str = "cargo-oci.invalid/loading";

/// A namespace of containerd.
#[derive(Debug)]
pub(crate) struct Containerd {
    program: Program,
    title: String,
    platform: Platform,
}

impl Containerd {
    /// Connects to the containerd that `ctr` finds.
    ///
    /// # Errors
    /// Returns an error if containerd is not available or too old.
    pub(super) fn find(environment: &Environment, namespace: Option<&str>) -> Result<Containerd, Unavailable> {
        let program = client(environment, "ctr", "--namespace", namespace)?;
        let version = program.query(["version"])?.stdout;
        let version = server_version(&version).unwrap_or_default().to_owned();
        let title = format!("containerd {version}");
        if !is_at_least(&version, 1, 5) {
            return Err(Unavailable::too_old(&title, "1.5"));
        }
        let plugins = program.query(["plugins", "ls"])?.stdout;
        Ok(Containerd { platform: platform(&plugins).unwrap_or_else(Platform::host), program, title })
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
        let id = image.root().digest();
        let names = image.image.tagged_names();
        let blobs = self.program.query(["content", "ls", "--quiet"])?.stdout;
        let blobs: HashSet<_> = blobs.lines().map(str::trim).collect();
        let missing = missing_names(&self.images()?, id.as_ref(), &names);
        if missing.is_some_and(|missing| missing.is_empty()) && has_all_blobs(image, &blobs)? {
            return Ok(LoadedImage { id: id.clone(), sent: Some(0), was_present: true });
        }
        // `ctr` moves a name before the image is complete, and cannot move it back: so it gets a temporary name first.
        let loading = format!("{LOADING}:{}-{}", &id.digest()[..12], std::process::id());
        let contents = ArchiveContents::of_image(image.layout, image.root(), std::slice::from_ref(&loading))?;
        let contents = contents.without(|digest| blobs.contains(digest.as_ref()));
        let platform = image.manifest()?.platform.to_string();
        let platforms = match image.image.manifests.len() {
            1 => vec!["--platform", &platform],
            _ => vec!["--all-platforms"],
        };
        let import = ["images", "import"].into_iter().chain(platforms).chain(["-"]);
        let names: Vec<_> = names.iter().filter_map(|name| full_name(name)).collect();
        let tag = ["images", "tag", "--force", &loading].into_iter().chain(names.iter().map(String::as_str));
        let imported =
            self.program.run_with_input(import, &image.transfer(&contents), |input| contents.write(image.time, input));
        let tagged = imported.and_then(|output| self.program.run(tag).map(|_| output.sent));
        // Fails if nothing was imported: then there is nothing to remove.
        self.program.clean_up(["images", "rm", &loading]);
        Ok(LoadedImage { id: id.clone(), sent: Some(tagged?), was_present: false })
    }

    fn images(&self) -> Result<Vec<InventoryImage>> {
        let lines = self.program.query(["images", "ls"])?.stdout;
        let rows = lines.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        // REF, TYPE, DIGEST and more.
        Ok(rows.filter(|row| row.len() > 2).map(|row| InventoryImage::new(row[2], row[0])).collect())
    }

    pub(super) fn run(&self, options: &RunOptions) -> Command {
        // `ctr` removes no container that it has left.
        let mut command = self.program.command(["run", if options.is_detached { "--detach" } else { "--rm" }]);
        command.args(options.terminal.then_some("--tty"));
        for variable in options.variables {
            command.arg("--env").arg(variable.pair());
        }
        for (flag, value) in [("--user", options.user), ("--cwd", options.workdir)] {
            if let Some(value) = value {
                command.args([flag, value]);
            }
        }
        if self.platform != *options.platform {
            command.args(["--platform", &options.platform.to_string()]);
        }
        let name = options.name.map_or_else(|| format!("cargo-oci-{:016x}", fastrand::u64(..)), str::to_owned);
        command.args(options.engine_args).arg(full_name(options.image).unwrap_or_default()).arg(name);
        // The arguments of `ctr run` replace the entrypoint too.
        if !options.program.is_empty() {
            command.args(options.program).args(options.args);
        } else if !options.args.is_empty() {
            command.args(options.entrypoint).args(options.args);
        }
        command
    }
}

/// Returns whether all blobs of an image are there. containerd also lists images that were pulled in part.
fn has_all_blobs(image: LocalImage, blobs: &HashSet<&str>) -> Result<bool> {
    let all = reachable(image.layout, std::slice::from_ref(image.root()))?;
    Ok(all.iter().all(|part| blobs.contains(part.digest().as_ref())))
}

/// Returns the version of the server from the output of `ctr version`, which has that of the client too.
fn server_version(text: &str) -> Option<&str> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("Server"));
    lines.find_map(|line| line.trim().strip_prefix("Version:")).map(str::trim)
}

/// Returns the platform of the runtime plugin from the output of `ctr plugins ls`.
fn platform(text: &str) -> Option<Platform> {
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut runtimes = rows.filter(|row| row.first().is_some_and(|kind| kind.starts_with("io.containerd.runtime")));
    runtimes.find_map(|row| row.get(2)?.split(',').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_version_skips_the_client() {
        let text = "Client:\n  Version:  2.0.0\n\nServer:\n  Version:  1.6.20~ds1\n  Revision: 1\n";
        assert_eq!(server_version(text), Some("1.6.20~ds1"));
    }

    #[test]
    fn platform_is_that_of_the_runtime() {
        let text = "TYPE                            ID       PLATFORMS      STATUS\n\
            io.containerd.content.v1        content  -              ok\n\
            io.containerd.runtime.v2        task     linux/amd64    ok\n";
        assert_eq!(platform(text).map(|platform| platform.to_string()).as_deref(), Some("linux/amd64"));
    }
}
