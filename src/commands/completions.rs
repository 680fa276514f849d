//! `cargo oci completions`: the arguments, told to a shell.

use clap::{Arg, Command, CommandFactory};
use clap_complete::{Shell, generate};

use crate::cli::{Cli, CompletionsArgs};

/// How bash comes from `cargo oci` to `cargo-oci`. The completion of cargo in zsh looks for it by itself.
const IN_BASH: &str = include_str!("completions.bash");

/// What the shell reads.
pub fn completions(args: &CompletionsArgs) -> String {
    match args.shell {
        // clap_complete 4.6 calls the parts of a program with a hyphen by two names, and finds none of them.
        Shell::Bash => {
            script(Shell::Bash, alone("cargo_oci")).replace("-o default cargo_oci", "-o default cargo-oci") + IN_BASH
        }
        // What fish knows of cargo stays beside it.
        Shell::Fish => script(Shell::Fish, alone("cargo-oci")) + &script(Shell::Fish, within_cargo()),
        Shell::Zsh => script(Shell::Zsh, alone("cargo-oci").mut_subcommands(|command| command.mut_args(for_zsh))),
        shell => script(shell, alone("cargo-oci")),
    }
}

fn script(shell: Shell, mut command: Command) -> String {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    generate(shell, &mut command, name, &mut script);
    // All that is in it are words of ours.
    String::from_utf8_lossy(&script).into_owned()
}

fn alone(name: &'static str) -> Command {
    Cli::command().name(name)
}

/// A colon in the name of a value would end it.
fn for_zsh(arg: Arg) -> Arg {
    let names = arg.get_value_names().unwrap_or_default().iter();
    let names: Vec<_> = names.map(|name| name.replace(':', "\\:")).collect();
    if names.is_empty() { arg } else { arg.value_names(names) }
}

/// A cargo that knows `oci` and nothing else.
fn within_cargo() -> Command {
    let ours = Cli::command().name("oci").disable_version_flag(true);
    Command::new("cargo").disable_help_flag(true).disable_help_subcommand(true).subcommand(ours)
}
