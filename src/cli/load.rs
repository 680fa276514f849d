//! The arguments of `cargo oci load` and `cargo oci run`.

use std::ffi::OsString;

use clap::Args;

use super::build::BuildArgs;
use super::completing::{completing, engines};
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::reference::EngineReference;

/// The arguments of `cargo oci load`.
#[derive(Args, Clone, Debug, Default)]
pub struct LoadArgs {
    /// What is built.
    #[command(flatten)]
    pub build: BuildArgs,
    /// Which engine gets it.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Which engine.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Load into this engine: docker, podman, nerdctl, containerd, kind, minikube or k3d, with its context, connection,
    /// namespace, cluster or profile after a colon [default: the first of docker, podman, nerdctl and containerd that
    /// answers]
    #[arg(long, value_name = "NAME[:PLACE]", value_parser = completing::<EngineReference>(engines))]
    #[arg(hide_possible_values = true)]
    pub engine: Option<EngineReference>,
}

/// The arguments of `cargo oci run`.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// What is built, and which engine runs it.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Arguments of the program, instead of the image's `cmd`
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<OsString>,
    /// Publish a port of the container, in the engine's syntax: 8080:8080 (repeatable)
    #[arg(long, value_name = "PORTS", help_heading = "Engine")]
    pub publish: Vec<String>,
    /// Mount a folder or a volume, in the engine's syntax: /srv/data:/data (repeatable)
    #[arg(long, value_name = "SOURCE:TARGET", help_heading = "Engine")]
    pub volume: Vec<String>,
    /// Pass another argument to the engine's `run`, such as --engine-arg=--network=host (repeatable)
    #[arg(long = "engine-arg", value_name = "ARG", allow_hyphen_values = true, help_heading = "Engine")]
    pub engine_args: Vec<String>,
}

impl CommandArgs for LoadArgs {
    fn talk(&self) -> TalkArgs {
        self.build.cargo.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.build.cargo.registries.clone()
    }
}

impl CommandArgs for RunArgs {
    fn talk(&self) -> TalkArgs {
        self.load.build.cargo.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.load.build.cargo.registries.clone()
    }
}
