//! Errors of the command line, with the answer to a habit of another tool.

use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::habits::{of_argument, of_command, of_value};
use crate::sanitize::sanitize;

/// Returns the error with the answer to what was typed after `command`, if there is one.
#[must_use]
pub fn explain(mut error: Error, command: &str) -> Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let answer = match error.kind() {
        ErrorKind::InvalidSubcommand => of_command(&text(ContextKind::InvalidSubcommand)),
        ErrorKind::UnknownArgument => of_argument(command, &text(ContextKind::InvalidArg)),
        ErrorKind::ValueValidation => {
            let arg = text(ContextKind::InvalidArg);
            let flag = arg.split(' ').next().unwrap_or_default();
            of_value(command, flag, &text(ContextKind::InvalidValue))
        }
        _ => None,
    };
    if let Some(answer) = answer {
        // The usage would be that of the flag which clap has guessed.
        for guess in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::Usage] {
            error.remove(guess);
        }
        let answer = StyledStr::from(sanitize(&answer));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![answer]));
    }
    error
}
