//! `cargo oci completions`: shell completions.

use clap::{Arg, Command, CommandFactory};
use clap_complete::{Shell, generate};

use super::Outcome;
use crate::cli::CompletionsArgs;
use crate::context::GlobalContext;
use crate::error::Result;

/// Completes `cargo oci` in bash with what completes `cargo-oci`. Cargo's completion in zsh does so by itself.
const IN_BASH: &str = include_str!("completions.bash");

/// Returns the script that a shell reads.
#[allow(clippy::unnecessary_wraps)] // as the other commands
pub(crate) fn run<C: CommandFactory>(args: &CompletionsArgs, _: &GlobalContext) -> Result<Outcome> {
    Ok(Outcome::Text(match args.shell {
        // clap_complete 4.6 has two names for the subcommands of a program with a hyphen, and finds none of them.
        Shell::Bash => {
            script(Shell::Bash, alone::<C>("cargo_oci")).replace("-o default cargo_oci", "-o default cargo-oci")
                + IN_BASH
        }
        // Beside what fish knows of cargo.
        Shell::Fish => script(Shell::Fish, alone::<C>("cargo-oci")) + &script(Shell::Fish, within_cargo::<C>()),
        Shell::Zsh => script(Shell::Zsh, alone::<C>("cargo-oci").mut_subcommands(|command| command.mut_args(for_zsh))),
        shell => script(shell, alone::<C>("cargo-oci")),
    }))
}

fn script(shell: Shell, mut command: Command) -> String {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    generate(shell, &mut command, name, &mut script);
    // It holds text of this program alone.
    String::from_utf8_lossy(&script).into_owned()
}

fn alone<C: CommandFactory>(name: &'static str) -> Command {
    C::command().name(name)
}

/// Escapes colons in the names of values: one would end the name.
fn for_zsh(arg: Arg) -> Arg {
    let names = arg.get_value_names().unwrap_or_default().iter();
    let names: Vec<_> = names.map(|name| name.replace(':', "\\:")).collect();
    if names.is_empty() { arg } else { arg.value_names(names) }
}

/// Returns a cargo that has the subcommand `oci` alone.
fn within_cargo<C: CommandFactory>() -> Command {
    let ours = C::command().name("oci").disable_version_flag(true);
    Command::new("cargo").disable_help_flag(true).disable_help_subcommand(true).subcommand(ours)
}
