//! The format of a command's standard output.

use std::ops::Deref;

use clap::{Args, ValueEnum};

use super::{Arguments, TalkArgs};

/// The arguments of a command, with the format of its output.
#[derive(Args, Clone, Debug, Default)]
pub struct WithFormat<A: Args> {
    /// The arguments.
    #[command(flatten)]
    pub args: A,
    /// Write standard output in this format
    #[arg(long, value_name = "FORM", value_enum, default_value_t, help_heading = "Output")]
    pub message_format: MessageFormat,
}

impl<A: Args> Deref for WithFormat<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.args
    }
}

impl<A: Args + Arguments> Arguments for WithFormat<A> {
    fn talk(&self) -> TalkArgs {
        self.args.talk()
    }

    fn message_format(&self) -> MessageFormat {
        self.message_format
    }
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
