//! The flag for the format of a command's standard output.

use std::ops::Deref;

use clap::Args;

use super::registry::RegistryArgs;
use super::talk::{CommandArgs, MessageFormat, TalkArgs};

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

impl<A: Args + CommandArgs> CommandArgs for WithFormat<A> {
    fn talk(&self) -> TalkArgs {
        self.args.talk()
    }

    fn registries(&self) -> RegistryArgs {
        self.args.registries()
    }

    fn message_format(&self) -> MessageFormat {
        self.message_format
    }
}
