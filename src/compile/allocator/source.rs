//! The sources of an allocator: the archive of a crate, which cargo gets where it gets crates: from its cache, a vendored folder,
//! a mirror, or the registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cargo_metadata::MetadataCommand;
use miette::{Context, IntoDiagnostic, miette};

use crate::config::Allocator;
use crate::error::{Result, on_path};
use crate::interrupt::blocking;
use crate::plan::CompilePlan;
use crate::plan::allocator::AllocatorCrate;

/// Returns the folder with the sources. `folder` is one for a package that depends on nothing else.
///
/// # Errors
/// Returns an error if cargo cannot get them, or they are not those that are expected.
pub(super) fn sources(
    allocator: Allocator,
    source: &AllocatorCrate,
    plan: &CompilePlan,
    folder: &Path,
) -> Result<PathBuf> {
    let manifest = folder.join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"oci-allocator\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[lib]\npath = \"lib.rs\"\n\n\
         [dependencies]\n{} = {{ version = \"={}\", default-features = false }}\n\n[workspace]\n",
        source.name,
        source.version.split('+').next().unwrap_or(source.version),
    );
    fs::create_dir_all(folder).map_err(|error| on_path("create", folder, error))?;
    for (path, text) in [(&manifest, text.as_str()), (&folder.join("lib.rs"), "")] {
        fs::write(path, text).map_err(|error| on_path("write", path, error))?;
    }
    let cannot =
        || format!("cannot get {} {}, which has the sources of the allocator {allocator}", source.name, source.version);
    // Most often they are there already, and no registry is asked.
    let mut found = metadata(plan, &manifest, true);
    if found.is_err() && !plan.is_offline {
        found = metadata(plan, &manifest, false);
    }
    let found = found.map_err(|why| {
        let help = if plan.is_offline {
            "build once without `--offline`, or add it to your vendored crates; `--allocator system` builds without it"
        } else {
            "check that `cargo fetch` works here, or add it to your vendored crates; `--allocator system` builds without it"
        };
        miette!(help = help, "{}: {why}", cannot())
    })?;
    let metadata = MetadataCommand::parse(found).into_diagnostic().wrap_err_with(cannot)?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == source.name && package.version.to_string() == source.version);
    let package = package.ok_or_else(|| miette!("{}: cargo found another version", cannot()))?;
    let lock = fs::read_to_string(folder.join("Cargo.lock")).unwrap_or_default();
    match checksum(&lock, source.name) {
        Some(checksum) if checksum != source.checksum => Err(miette!(
            help = "check where cargo's configuration takes crates from: `[source]` replaces the registry",
            "{}: the archive has the checksum {checksum}, and not {}",
            cannot(),
            source.checksum
        )),
        _ => Ok(package.manifest_path.parent().map(PathBuf::from).unwrap_or_default()),
    }
}

/// Runs `cargo metadata`, which downloads what is not there; returns its output, or what it said.
fn metadata(plan: &CompilePlan, manifest: &Path, is_offline: bool) -> Result<String, String> {
    let mut command = plan.environment.command(plan.environment.cargo());
    command.args(["metadata", "--format-version", "1", "--color", "never", "--manifest-path"]).arg(manifest);
    command.args(plan.config.iter().flat_map(|value| ["--config", value]));
    command.args(is_offline.then_some("--offline")).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = blocking::output(&mut command).map_err(|error| error.to_string())?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|error| error.to_string());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    // The first error is the shortest, and the last cause says the most.
    let of_error: Vec<_> = lines.skip_while(|line| !line.starts_with("error")).collect();
    Err(of_error.join(": ").trim_start_matches("error: ").to_owned())
}

/// Returns the checksum of a package in Cargo.lock.
fn checksum<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{name}\"\n")))?;
    let line = entry.lines().find_map(|line| line.strip_prefix("checksum = "))?;
    Some(line.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_that_of_the_package() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nchecksum = \"1\"\n\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nchecksum = \"2\"\n";
        assert_eq!(checksum(lock, "b"), Some("2"));
        assert_eq!(checksum(lock, "c"), None);
    }
}
