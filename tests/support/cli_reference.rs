//! The reference of all commands as Markdown, made of what clap knows of them.

use std::fmt::Write;

use clap::{Arg, Command};

/// Flags that every command has: named once.
const GENERAL: [&str; 4] = ["quiet", "verbose", "color", "help"];

/// Returns the reference of all commands.
pub fn reference(mut program: Command) -> String {
    program.build();
    let build = program.find_subcommand("build").expect("a command");
    let mut out = "## Every command\n\n".to_owned();
    table(&mut out, build.get_arguments().filter(|arg| GENERAL.contains(&arg.get_id().as_str())));
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        section(&mut out, command, build, &format!("cargo oci {}", command.get_name()));
    }
    out.trim_end().to_owned() + "\n"
}

fn section(out: &mut String, command: &Command, build: &Command, name: &str) {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = write!(out, "## {name}\n\n{about}\n\n");
    if command.has_subcommands() {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            section(out, inner, build, &format!("{name} {}", inner.get_name()));
        }
        return;
    }
    let usage = command.clone().render_usage().to_string();
    let _ = write!(out, "```text\n{usage}\n```\n\n");
    let args: Vec<_> = command.get_arguments().filter(|arg| is_listed(arg)).collect();
    if command.get_name() == build.get_name() {
        for heading in headings(&args) {
            let rows_of_heading: Vec<_> =
                args.iter().filter(|arg| arg.get_help_heading() == heading).map(|arg| row(arg)).collect();
            rows(out, heading, &rows_of_heading);
        }
        return;
    }
    // A group of flags that is the same as that of `build` is described there.
    let of_build = build.get_arguments().filter(|arg| is_listed(arg));
    let of_build: Vec<_> = of_build.filter_map(|arg| Some((arg.get_help_heading()?, row(arg)))).collect();
    let mut own: Vec<_> = args.iter().map(|arg| row(arg)).collect();
    let mut shared = Vec::new();
    for heading in headings(&args).into_iter().flatten() {
        // A heading may go on in parentheses.
        let heading = heading.split(" (").next().unwrap_or(heading);
        let group = of_build.iter().filter(|(other, _)| *other == heading).map(|(_, row)| row.clone());
        let (group, other): (Vec<_>, Vec<_>) = group.partition(|row| own.contains(row));
        if !group.is_empty() {
            own.retain(|row| !group.contains(row));
            let other: Vec<_> = other.iter().filter_map(|row| Some(format!("`{}`", long(row)?))).collect();
            let except = if other.is_empty() { String::new() } else { format!(" except {}", other.join(", ")) };
            shared.push(format!("[{heading}](#{}){except}", heading.to_lowercase()));
        }
    }
    rows(out, None, &own);
    if !shared.is_empty() {
        let _ = write!(out, "Also the flags of `cargo oci build`: {}.\n\n", shared.join(", "));
    }
}

/// Returns the flag that a row is for.
fn long(row: &str) -> Option<&str> {
    row.split(['`', ' ']).find(|word| word.starts_with("--"))
}

fn is_listed(arg: &Arg) -> bool {
    !arg.is_hide_set() && !GENERAL.contains(&arg.get_id().as_str())
}

/// The headings of arguments, each once; those without one come first.
fn headings<'a>(args: &[&'a Arg]) -> Vec<Option<&'a str>> {
    let mut headings = vec![None];
    for arg in args {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    headings
}

fn table<'a>(out: &mut String, args: impl Iterator<Item = &'a Arg>) {
    rows(out, None, &args.map(row).collect::<Vec<_>>());
}

fn rows(out: &mut String, heading: Option<&str>, rows: &[String]) {
    if rows.is_empty() {
        return;
    }
    if let Some(heading) = heading {
        let _ = write!(out, "### {heading}\n\n");
    }
    let _ = write!(out, "| flag or argument | what it does |\n| --- | --- |\n{}\n", rows.concat());
}

/// Returns the row of the table for an argument.
fn row(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default();
    let value = values.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" ");
    let takes_value = arg.get_action().takes_values() && !values.is_empty();
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let mut name = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if takes_value {
        name = if name.is_empty() { value } else { format!("{name} {value}") };
    }
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut cell = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let possible = arg.get_possible_values();
    let is_told = possible.iter().all(|value| cell.contains(value.get_name()));
    if takes_value && !is_told && !arg.is_hide_possible_values_set() {
        let names: Vec<_> = possible.iter().map(|value| format!("`{}`", value.get_name())).collect();
        let _ = write!(cell, " [{}]", names.join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes_value && !defaults.is_empty() {
        let _ = write!(cell, " [default: {}]", defaults.join(" "));
    }
    format!("| `{}` | {} |\n", name.replace('|', "\\|"), cell.replace('|', "\\|"))
}
