//! Which images are built: those of the selected packages, restricted by `--image` and `--bin`.

use cargo_metadata::Package;
use miette::{Report, miette};

use super::selection::binaries;
use crate::cli::BuildArgs;
use crate::config::{Section, Table, Whose};
use crate::error::Result;
use crate::reference::Reference;
use crate::suggest::nearest;
use crate::unique::each_once;

/// An image of a package, before its plan is made.
#[derive(Debug)]
pub(crate) struct ImageCandidate<'a> {
    /// The package.
    pub package: &'a Package,
    /// The name of the image.
    pub name: String,
    /// Its table, merged with those of the package and the workspace.
    pub table: Table,
    /// Its binaries.
    pub bins: Vec<String>,
    /// Whether the package has other images.
    is_one_of_several: bool,
    /// Whether it is only built if the package says which binary it is for: the tables `images` may define all of its images.
    is_optional: bool,
}

/// Returns the images of `packages` that the arguments select. `shared` is the workspace's table.
///
/// # Errors
/// Returns an error if a table is wrong, if no image or binary has a given name, or if it is ambiguous which binary is meant.
pub(crate) fn candidates<'a>(
    packages: &[&'a Package],
    shared: &Table,
    args: &BuildArgs,
) -> Result<Vec<ImageCandidate<'a>>> {
    let mut found = listed(packages, shared, &args.image.images)?;
    let several = found.len() > 1;
    let mut kept = Vec::new();
    for mut candidate in found.drain(..) {
        candidate.bins = candidate.choose(&args.cargo.bins, several)?;
        if !args.cargo.bins.is_empty() && !candidate.starts_one_of_its_own() {
            (candidate.table.entrypoint, candidate.table.cmd) = (None, None);
        }
        // Other images may have the binaries that were named.
        if !candidate.bins.is_empty() {
            kept.push(candidate);
        }
    }
    Ok(kept)
}

/// Returns the images of `packages` with one of the names, or all if there are no names. Their binaries are not chosen yet.
///
/// # Errors
/// Returns an error if a table is wrong, or if no image has a given name.
pub(super) fn listed<'a>(
    packages: &[&'a Package],
    shared: &Table,
    names: &[String],
) -> Result<Vec<ImageCandidate<'a>>> {
    let several = packages.len() > 1;
    let mut found = Vec::new();
    for package in packages {
        found.extend(of_package(package, shared, several)?);
    }
    named(found, names)
}

/// Returns the image of the package itself, and those of its `images`. Among `several` packages, libraries and packages
/// without images are skipped.
fn of_package<'a>(package: &'a Package, shared: &Table, several: bool) -> Result<Vec<ImageCandidate<'a>>> {
    let own = local_name(&package.name);
    let all = binaries(package);
    let section = Section::read(package.manifest_path.as_std_path(), Whose::Package { image: &own, binaries: &all })?;
    let is_library = all.is_empty();
    if several && (section.is_off || is_library && section.table.is_none()) {
        return Ok(Vec::new());
    }
    if section.is_off {
        return Err(miette!(
            help = "remove that line from its Cargo.toml, or choose another package with `--package`",
            "the package {} has no image: its Cargo.toml has `oci = false`",
            package.name
        ));
    }
    if is_library {
        return Err(no_binary(package));
    }
    let table = section.table.unwrap_or_default().over(shared.clone());
    let is_one_of_several = !section.images.is_empty();
    let candidate = |name: String, table: Table, is_optional: bool| ImageCandidate {
        package,
        name,
        table,
        bins: Vec::new(),
        is_one_of_several,
        is_optional,
    };
    let mut candidates = vec![candidate(own, table.clone(), is_one_of_several)];
    candidates
        .extend(section.images.into_iter().map(|(name, image)| candidate(name, image.over(table.clone()), false)));
    Ok(candidates)
}

/// Returns the error that a package has no binary.
pub(crate) fn no_binary(package: &Package) -> Report {
    miette!(
        help = "add a src/main.rs, or choose another package with `--package`",
        "the package {} has no binary: it is a library",
        package.name
    )
}

/// Returns the images with one of the names, or all if there are no names.
fn named<'a>(all: Vec<ImageCandidate<'a>>, names: &[String]) -> Result<Vec<ImageCandidate<'a>>> {
    if names.is_empty() {
        return Ok(all);
    }
    if let Some(name) = names.iter().find(|name| all.iter().all(|candidate| candidate.name != **name)) {
        let known: Vec<_> = all.iter().map(|candidate| candidate.name.as_str()).collect();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the images are {}", known.join(", ")),
        };
        return Err(miette!(help = help, "no image `{name}` in the selected packages"));
    }
    let named = all.into_iter().filter(|candidate| names.contains(&candidate.name));
    Ok(named.map(|candidate| ImageCandidate { is_optional: false, ..candidate }).collect())
}

impl ImageCandidate<'_> {
    /// Returns whether no build makes the image: others define all images of the package.
    pub(super) fn is_left_to_others(&self) -> bool {
        self.is_optional && self.table.bins.is_none() && default_bin(self.package).is_none()
    }

    /// Returns the binaries of the image: by flag, by table, else the one that `cargo run` would run. If `several` images are
    /// built, a flag is for those that have such a binary; the others get none.
    ///
    /// # Errors
    /// Returns an error if there is no such binary, or if it is ambiguous which is meant.
    fn choose(&self, flags: &[String], several: bool) -> Result<Vec<String>> {
        let all = binaries(self.package);
        // A flag chooses among all binaries of the package; if that has several images, among those of the image.
        let own = match &self.table.bins {
            _ if !flags.is_empty() && !self.is_one_of_several => all.iter().map(|bin| (*bin).to_owned()).collect(),
            Some(bins) => bins.0.iter().map(|bin| bin.0.clone()).collect(),
            None => match default_bin(self.package) {
                Some(bin) => vec![bin.to_owned()],
                None if self.is_optional => Vec::new(),
                None => return Err(self.ambiguous(&all)),
            },
        };
        let chosen = match flags {
            [] => own,
            flags if several => {
                flags.iter().filter(|bin| all.contains(&bin.as_str()) && own.contains(bin)).cloned().collect()
            }
            flags => flags.to_vec(),
        };
        match chosen.iter().find(|bin| !all.contains(&bin.as_str())) {
            Some(bin) => Err(self.unknown(bin, &all, flags.is_empty())),
            None => Ok(each_once(chosen)),
        }
    }

    /// Returns whether its entrypoint is one of the chosen binaries, or no binary of the package at all.
    fn starts_one_of_its_own(&self) -> bool {
        let all = binaries(self.package);
        let Some(entrypoint) = &self.table.entrypoint else {
            let first = self
                .table
                .bins
                .as_ref()
                .map_or_else(|| default_bin(self.package), |bins| bins.0.first().map(|bin| bin.0.as_str()));
            return first == self.bins.first().map(String::as_str);
        };
        let program = entrypoint.0[0].rsplit('/').next().unwrap_or_default();
        !all.contains(&program) || self.bins.iter().any(|bin| bin == program)
    }

    /// The names in the package's own Cargo.toml are checked when it is read: a wrong name that no flag gave `is_shared`, from
    /// the workspace's table.
    fn unknown(&self, bin: &str, all: &[&str], is_shared: bool) -> Report {
        let package = &self.package.name;
        let (origin, instead) = if is_shared {
            (
                format!(", which `bins` in [workspace.metadata.oci] names for the image {}", self.name),
                "; `bins` in its own Cargo.toml overrides the workspace's",
            )
        } else {
            (String::new(), "")
        };
        miette!(
            help = format!("its binaries are {}{instead}", all.join(", ")),
            "the package {package} has no binary `{bin}`{origin}"
        )
    }

    fn ambiguous(&self, all: &[&str]) -> Report {
        miette!(
            help = format!(
                "choose with `--bin`, `default-run` in [package], or `bins = [\"{}\"]` in [package.metadata.oci]",
                all.join("\", \"")
            ),
            "cannot tell which binary the image is for: the package {} has {}",
            self.package.name,
            all.len()
        )
    }
}

/// Returns the binary of a package that `cargo run` would run.
pub(crate) fn default_bin(package: &Package) -> Option<&str> {
    let all = binaries(package);
    let named = all.iter().copied().find(|bin| *bin == package.name.as_str());
    let only = (all.len() == 1).then(|| all[0]);
    package.default_run.as_deref().or(named).or(only)
}

/// Returns a package's name as an image name: engines and registries allow neither uppercase letters nor a trailing `_` or `-`.
pub(crate) fn local_name(package: &str) -> String {
    let name = package.to_lowercase();
    if is_image_name(&name) {
        return name;
    }
    let parts: Vec<_> = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let joined = parts.join("-");
    if is_image_name(&joined) { joined } else { name }
}

fn is_image_name(name: &str) -> bool {
    name.parse::<Reference>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_name_is_one_that_engines_accept() {
        for (package, name) in [("Hello", "hello"), ("foo_", "foo"), ("a__b", "a__b"), ("a___b-", "a-b")] {
            assert_eq!(local_name(package), name);
        }
    }
}
