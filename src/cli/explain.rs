//! Errors of the command line, with the answers to habits of other tools.

use std::ffi::OsString;

use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::habits::{of_argument, of_command, of_flag, of_value};
use crate::sanitize::sanitize;
use crate::unique::each_once;

/// Flags of one letter whose values may be habits.
const SHORT: [(&str, &str); 3] = [("-t", "--tag"), ("-p", "--package"), ("-o", "--output")];

/// Returns the error with the answer to what was typed, if there is one, and to the other habits among the arguments: clap
/// tells the first error only.
#[must_use]
pub fn explain(mut error: Error, typed: &[OsString]) -> Error {
    let typed: Vec<_> = typed.iter().skip(1).map(|arg| arg.to_string_lossy()).collect();
    let command = typed.first().map(AsRef::as_ref).unwrap_or_default();
    let Some(answer) = answer(&error, command) else { return error };
    let args: Vec<_> = typed.iter().skip(1).take_while(|arg| *arg != "--").map(AsRef::as_ref).collect();
    // The usage would be that of the flag which clap has guessed.
    for guess in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::Usage] {
        error.remove(guess);
    }
    let answers = each_once(std::iter::once(answer).chain(others(&args, command)));
    let answers = answers.iter().map(|answer| StyledStr::from(sanitize(answer))).collect();
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(answers));
    error
}

fn answer(error: &Error, command: &str) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => of_command(text(ContextKind::InvalidSubcommand)),
        ErrorKind::UnknownArgument => of_argument(command, text(ContextKind::InvalidArg)),
        ErrorKind::ValueValidation => {
            let flag = text(ContextKind::InvalidArg).split(' ').next().unwrap_or_default();
            of_value(command, flag, text(ContextKind::InvalidValue))
        }
        _ => None,
    }
}

/// Returns the answers to flags and to their values.
fn others(args: &[&str], command: &str) -> Vec<String> {
    let flags = args.iter().filter_map(|arg| of_flag(command, arg.split('=').next().unwrap_or_default()));
    let values = args.windows(2).filter_map(|pair| {
        let long = SHORT.iter().find(|(short, _)| *short == pair[0]).map_or(pair[0], |(_, long)| long);
        of_value(command, long, pair[1]).filter(|_| long.starts_with("--"))
    });
    values.chain(flags).collect()
}
