//! containerd itself, through its own `ctr`.
//!
//! It tells every blob that it has, so that just the others are sent. Its address is `ctr`'s own affair
//! (`CONTAINERD_ADDRESS`), as is the namespace where none is named (`CONTAINERD_NAMESPACE`, else `default`). `ctr run` has no
//! init: Ctrl-C ends programs that know what it means, and no others.

use std::collections::HashSet;
use std::process::Command;

use miette::Report;

use super::has::{Listed, in_full, names_to_give};
use super::program::Program;
use super::run::Run;
use super::{Absence, Loaded, LocalImage, is_at_least, program, too_old};
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Platform;
use crate::store::archive::ArchiveContents;
use crate::store::graph::reachable;

/// The name of an image that is not all there yet.
const LOADING: &str = "cargo-oci.invalid/loading";

/// A namespace of a containerd.
#[derive(Debug)]
pub struct Containerd {
    program: Program,
    title: String,
    platform: Platform,
}

impl Containerd {
    /// The containerd that `ctr` talks to by itself.
    ///
    /// # Errors
    /// When it is not there, does not answer, or is too old.
    pub(super) fn find(environment: &Environment, namespace: Option<&str>) -> Result<Containerd, Absence> {
        let program = program(environment, "ctr", "--namespace", namespace)?;
        let version = program.ask(["version"])?.stdout;
        let version = server_version(&version).unwrap_or_default().to_owned();
        let title = format!("containerd {version}");
        if !is_at_least(&version, 1, 5) {
            return Err(too_old(&title, "1.5"));
        }
        let plugins = program.ask(["plugins", "ls"])?.stdout;
        Ok(Containerd { platform: platform(&plugins).unwrap_or_else(Platform::host), program, title })
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn platform(&self) -> &Platform {
        &self.platform
    }

    pub(super) fn load(&self, image: LocalImage) -> Result<Loaded> {
        let id = image.root().digest();
        let names = image.image.tagged_names();
        let content = self.program.ask(["content", "ls", "--quiet"])?.stdout;
        let has: HashSet<_> = content.lines().map(str::trim).collect();
        let lacking = names_to_give(&self.images()?, id.as_ref(), &names);
        // An image can be listed of which only a part was ever pulled.
        let is_whole = || {
            let all = reachable(image.layout, std::slice::from_ref(image.root()))?;
            Ok::<_, Report>(all.iter().all(|part| has.contains(part.digest().as_ref())))
        };
        if lacking.is_some_and(|lacking| lacking.is_empty()) && is_whole()? {
            return Ok(Loaded { id: id.clone(), sent: Some(0), was_there: true });
        }
        // It moves a name before it knows that all is well, and cannot move it back: so it gets one of its own first.
        let loading = format!("{LOADING}:{}-{}", &id.digest()[..12], std::process::id());
        let contents = ArchiveContents::of_image(image.layout, image.root(), std::slice::from_ref(&loading))?;
        let contents = contents.without(|digest| has.contains(digest.as_ref()));
        let platform = image.manifest()?.platform.to_string();
        let platforms = match image.image.manifests.len() {
            1 => vec!["--platform", &platform],
            _ => vec!["--all-platforms"],
        };
        let import = ["images", "import"].into_iter().chain(platforms).chain(["-"]);
        let names: Vec<_> = names.iter().filter_map(|name| in_full(name)).collect();
        let tag = ["images", "tag", "--force", &loading].into_iter().chain(names.iter().map(String::as_str));
        let imported = self.program.feed(import, &image.transfer(&contents), |input| contents.write(image.time, input));
        let tagged = imported.and_then(|answer| self.program.tell(tag).map(|_| answer.sent));
        // Where nothing came in, there is nothing to remove.
        self.program.undo(["images", "rm", &loading]);
        Ok(Loaded { id: id.clone(), sent: Some(tagged?), was_there: false })
    }

    fn images(&self) -> Result<Vec<Listed>> {
        let lines = self.program.ask(["images", "ls"])?.stdout;
        let columns = lines.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        // REF, TYPE, DIGEST and more.
        Ok(columns.filter(|row| row.len() > 2).map(|row| Listed::new(row[2], row[0])).collect())
    }

    pub(super) fn run(&self, run: &Run) -> Command {
        let mut command = self.program.command(["run", "--rm"]);
        command.args(run.terminal.then_some("--tty"));
        for value in run.env {
            command.args(["--env", value]);
        }
        if self.platform != *run.platform {
            command.args(["--platform", &run.platform.to_string()]);
        }
        let container = format!("cargo-oci-{:016x}", fastrand::u64(..));
        command.args(run.engine_args).arg(in_full(run.name).unwrap_or_default()).arg(container);
        // Its arguments stand for the whole of the image's own.
        if !run.args.is_empty() {
            command.args(run.entrypoint).args(run.args);
        }
        command
    }
}

/// The version of the server, in what `ctr version` prints of both sides.
fn server_version(text: &str) -> Option<&str> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("Server"));
    lines.find_map(|line| line.trim().strip_prefix("Version:")).map(str::trim)
}

/// What the plugin that starts programs is for, in what `ctr plugins ls` prints.
fn platform(text: &str) -> Option<Platform> {
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut runtimes = rows.filter(|row| row.first().is_some_and(|kind| kind.starts_with("io.containerd.runtime")));
    runtimes.find_map(|row| row.get(2)?.split(',').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_version_counts() {
        let text = "Client:\n  Version:  2.0.0\n\nServer:\n  Version:  1.6.20~ds1\n  Revision: 1\n";
        assert_eq!(server_version(text), Some("1.6.20~ds1"));
    }

    #[test]
    fn the_platform_is_that_of_what_starts_programs() {
        let text = "TYPE                            ID       PLATFORMS      STATUS\n\
            io.containerd.content.v1        content  -              ok\n\
            io.containerd.runtime.v2        task     linux/amd64    ok\n";
        assert_eq!(platform(text).map(|platform| platform.to_string()).as_deref(), Some("linux/amd64"));
    }
}
