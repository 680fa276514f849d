//! The arguments of `cargo oci load`.

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

impl CommandArgs for LoadArgs {
    fn talk(&self) -> TalkArgs {
        self.build.cargo.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.build.cargo.registries.clone()
    }
}
