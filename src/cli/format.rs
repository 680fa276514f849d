//! In which form a command tells what it does.

use clap::{Args, ValueEnum};

/// The arguments of a command, and the form in which it tells what it does.
#[derive(Args, Clone, Debug, Default)]
pub struct Told<A: Args> {
    /// What is done.
    #[command(flatten)]
    pub args: A,
    /// What is written to standard output
    #[arg(long, value_name = "FORM", value_enum, default_value_t, help_heading = "Output")]
    pub message_format: MessageFormat,
}

/// What is written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// The result: a line for each image
    #[default]
    Human,
    /// A JSON object a line for each event and each result, told apart by `reason`: pulling, transfer-progress,
    /// layered, finished, pushed, loaded, warning, …; with -v also request; last result, whose `value` is that line
    Json,
}
