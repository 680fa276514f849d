//! `cargo oci man`: the arguments, as man pages.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use miette::IntoDiagnostic;

use crate::cli::{Cli, ManArgs};
use crate::error::{Result, on_path};

/// Writes the page of each command; gives their paths.
///
/// # Errors
/// A folder that cannot be written to.
pub fn man(args: &ManArgs) -> Result<Vec<String>> {
    fs::create_dir_all(&args.folder).map_err(|error| on_path("make the folder", &args.folder, error))?;
    // Pages are found as `man cargo-oci-build`.
    let mut all = Cli::command().name("cargo-oci").display_name("cargo-oci").disable_help_subcommand(true);
    all.build();
    let mut commands = vec![all.clone()];
    for command in all.get_subcommands().filter(|command| !command.is_hide_set()) {
        commands.push(command.clone());
        // What they say of help is known by then.
        commands.extend(command.get_subcommands().filter(|inner| inner.get_name() != "help").cloned());
    }
    commands.into_iter().map(|command| Ok(page(command, &args.folder)?.display().to_string())).collect()
}

fn page(mut command: Command, folder: &Path) -> Result<PathBuf> {
    let usage = command.render_usage().to_string();
    // A list of forty options between the name and the description helps nobody.
    let command = command.override_usage(usage.trim_start_matches("Usage: ").to_owned());
    let man = Man::new(command).source(concat!("cargo-oci ", env!("CARGO_PKG_VERSION"))).manual("Cargo OCI");
    let path = folder.join(man.get_filename());
    let mut text = Vec::new();
    man.render(&mut text).into_diagnostic()?;
    fs::write(&path, text).map_err(|error| on_path("write", &path, error))?;
    Ok(path)
}
