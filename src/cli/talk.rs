//! What a subcommand prints: how much, in which colors and in which format.

use clap::{Args, ColorChoice, ValueEnum};

use super::registry::RegistryArgs;

/// The arguments of a subcommand.
pub trait CommandArgs {
    /// Returns how much the subcommand prints.
    fn talk(&self) -> TalkArgs;

    /// Returns how registries are reached.
    fn registries(&self) -> RegistryArgs {
        RegistryArgs::default()
    }

    /// Returns the form of what it prints to stdout.
    fn message_format(&self) -> MessageFormat {
        MessageFormat::Human
    }
}

/// How much is printed, and in which colors.
#[derive(Args, Clone, Debug, Default)]
pub struct TalkArgs {
    /// Print only errors and the result
    #[arg(short, long, env = "CARGO_TERM_QUIET", value_parser = quiet)]
    pub quiet: bool,
    /// Print requests, and cargo's verbose output (-vv: very verbose)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Coloring: auto, always, never
    #[arg(long, value_name = "WHEN", env = "CARGO_TERM_COLOR", hide_env = true)]
    pub color: Option<ColorChoice>,
}

/// Parses the variable: the flag has no value.
fn quiet(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "CARGO_TERM_QUIET must be `true` or `false`".to_owned())
}

/// The format of standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// A line for each image: the result
    #[default]
    Human,
    /// A line of JSON for each event, then for each result; `reason` is pulling, transfer-progress, layered, finished,
    /// pushed, loaded, warning, … and with -v request; the last is result, with that line as `value`
    Json,
}
