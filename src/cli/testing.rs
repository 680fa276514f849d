//! How images are tested, alone or before a push.

use std::time::Duration;

use clap::Args;

use super::completing::{completing, engines};
use super::time::timeout;
use crate::reference::EngineReference;

/// How images are tested.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Tests")]
pub struct TestingArgs {
    /// Fail if a test cannot be run here, such as that of another architecture without QEMU
    #[arg(long)]
    pub require_all: bool,
    /// Give each test this time, unless it sets its own: 30s, 2m [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub time_limit: Option<Duration>,
    /// Run programs in this engine: docker, podman, nerdctl or containerd, with its context, connection or namespace after a
    /// colon [default: the first that answers, else runc or crun]
    #[arg(long, value_name = "NAME[:PLACE]", value_parser = completing::<EngineReference>(engines))]
    #[arg(hide_possible_values = true)]
    pub engine: Option<EngineReference>,
}

impl TestingArgs {
    /// Returns the time limit of a test that sets none.
    pub fn limit(&self) -> Duration {
        self.time_limit.unwrap_or(Duration::from_secs(60))
    }
}
