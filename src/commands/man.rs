//! `cargo oci man`: man pages.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use miette::IntoDiagnostic;

use super::Outcome;
use crate::cli::ManArgs;
use crate::context::GlobalContext;
use crate::error::{Result, on_path};

/// Writes the page of each subcommand; returns their paths.
///
/// # Errors
/// Returns an error if the folder cannot be written.
pub(crate) fn run<C: CommandFactory>(args: &ManArgs, _: &GlobalContext) -> Result<Outcome> {
    fs::create_dir_all(&args.folder).map_err(|error| on_path("create", &args.folder, error))?;
    // `man cargo-oci-build` finds the page of a subcommand by its name.
    let mut all = C::command().name("cargo-oci").display_name("cargo-oci").disable_help_subcommand(true);
    all.build();
    let mut commands = vec![all.clone()];
    for command in all.get_subcommands().filter(|command| !command.is_hide_set()) {
        commands.push(command.clone());
        // Built, so that their help flags are in them.
        commands.extend(command.get_subcommands().filter(|inner| inner.get_name() != "help").cloned());
    }
    let mut pages = Vec::new();
    for command in commands {
        pages.push(page(command, &args.folder)?.display().to_string());
    }
    Ok(Outcome::Results(pages))
}

fn page(mut command: Command, folder: &Path) -> Result<PathBuf> {
    let usage = command.render_usage().to_string();
    // The usage alone: a synopsis of forty options hides the description.
    let command = command.override_usage(usage.trim_start_matches("Usage: ").to_owned());
    let man = Man::new(command).source(concat!("cargo-oci ", env!("CARGO_PKG_VERSION"))).manual("Cargo OCI");
    let path = folder.join(man.get_filename());
    let mut text = Vec::new();
    man.render(&mut text).into_diagnostic()?;
    fs::write(&path, text).map_err(|error| on_path("write", &path, error))?;
    Ok(path)
}
