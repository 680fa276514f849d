//! Which images: those of the packages that are selected, narrowed down by `--image` and `--bin`.

use cargo_metadata::Package;
use miette::{Report, miette};

use super::each_once;
use super::selection::binaries;
use crate::cli::BuildArgs;
use crate::config::{Section, Table, Whose};
use crate::error::Result;
use crate::reference::Reference;
use crate::suggest::nearest;

/// An image of a package, before it is decided what is in it.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// The package.
    pub package: &'a Package,
    /// What the image is called.
    pub name: String,
    /// Its table, over that of the package and that of the workspace.
    pub table: Table,
    /// Its binaries.
    pub bins: Vec<String>,
    /// Whether the package has others.
    is_one_of_several: bool,
    /// Whether it is there only if the package says which program it is of: its images may be all it has.
    is_optional: bool,
}

/// The images of `packages` that the arguments select. `shared` is the workspace's table.
///
/// # Errors
/// A mistake in a table; a name that no image or no binary has; nothing that says which binary is meant.
pub fn candidates<'a>(packages: &[&'a Package], shared: &Table, args: &BuildArgs) -> Result<Vec<Candidate<'a>>> {
    let several = packages.len() > 1;
    let mut found = Vec::new();
    for package in packages {
        found.extend(of_package(package, shared, several)?);
    }
    let mut found = named(found, &args.image.images)?;
    let several = found.len() > 1;
    let mut kept = Vec::new();
    for mut candidate in found.drain(..) {
        candidate.bins = candidate.choose(&args.cargo.bins, several)?;
        if !args.cargo.bins.is_empty() && !candidate.starts_one_of_its_own() {
            (candidate.table.entrypoint, candidate.table.cmd) = (None, None);
        }
        // Among several, one without a binary of those names is no mistake.
        if !candidate.bins.is_empty() {
            kept.push(candidate);
        }
    }
    Ok(kept)
}

/// The image of the package itself, and those of its `images`. Among `several` packages, one that is a library, or wants no
/// image, is no mistake.
fn of_package<'a>(package: &'a Package, shared: &Table, several: bool) -> Result<Vec<Candidate<'a>>> {
    let own = local_name(&package.name);
    let all = binaries(package);
    let section = Section::read(package.manifest_path.as_std_path(), Whose::Package { image: &own, binaries: &all })?;
    let is_library = all.is_empty();
    if several && (section.is_off || is_library && section.table.is_none()) {
        return Ok(Vec::new());
    }
    if section.is_off {
        return Err(miette!(
            help = "take that line out of its Cargo.toml, or choose another package with `--package`",
            "the package {} has no image: it says `oci = false`",
            package.name
        ));
    }
    if is_library {
        return Err(miette!(
            help = "images are made of programs: add a src/main.rs, or choose another package with `--package`",
            "the package {} is a library: it has no binary",
            package.name
        ));
    }
    let table = section.table.unwrap_or_default().over(shared.clone());
    let is_one_of_several = !section.images.is_empty();
    let images = section.images.into_iter().map(|(name, image)| (name, image.over(table.clone()), false));
    let images: Vec<_> = images.collect();
    let all = std::iter::once((own, table, is_one_of_several)).chain(images);
    let candidate = |(name, table, is_optional)| Candidate {
        package,
        name,
        table,
        bins: Vec::new(),
        is_one_of_several,
        is_optional,
    };
    Ok(all.map(candidate).collect())
}

/// Those with one of the names; all where there are no names.
fn named<'a>(all: Vec<Candidate<'a>>, names: &[String]) -> Result<Vec<Candidate<'a>>> {
    if names.is_empty() {
        return Ok(all);
    }
    if let Some(name) = names.iter().find(|name| all.iter().all(|candidate| candidate.name != **name)) {
        let known: Vec<_> = all.iter().map(|candidate| candidate.name.as_str()).collect();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the images are {}", known.join(", ")),
        };
        return Err(miette!(help = help, "there is no image `{name}` in the packages that are built"));
    }
    let is_wanted = |candidate: &Candidate| names.contains(&candidate.name);
    // Who is named is wanted, whatever else there is.
    let wanted = all.into_iter().filter(is_wanted).map(|candidate| Candidate { is_optional: false, ..candidate });
    Ok(wanted.collect())
}

impl Candidate<'_> {
    /// The binaries that go in: flag, table, then what `cargo run` would run. Where `several` images are built, a flag is
    /// about those that have such a binary; the others get none.
    ///
    /// # Errors
    /// A name that no binary has; several binaries, and nothing that says which.
    fn choose(&self, flags: &[String], several: bool) -> Result<Vec<String>> {
        let all = binaries(self.package);
        let has = |bin: &&String| all.contains(&bin.as_str());
        // A flag chooses among all binaries of a package; where that has several images, among those of the image.
        let own = match &self.table.bins {
            _ if !flags.is_empty() && !self.is_one_of_several => all.iter().map(|bin| (*bin).to_owned()).collect(),
            Some(bins) => bins.clone(),
            None => match self.default_bin() {
                Some(bin) => vec![bin.to_owned()],
                None if self.is_optional => Vec::new(),
                None => return Err(self.undecided(&all)),
            },
        };
        let wanted = match flags {
            [] => own,
            flags if several => flags.iter().filter(|bin| has(bin) && own.contains(bin)).cloned().collect(),
            flags => flags.to_vec(),
        };
        match wanted.iter().find(|bin| !has(bin)) {
            Some(bin) => Err(self.unknown(bin, &all, flags.is_empty())),
            None => Ok(each_once(wanted)),
        }
    }

    /// Whether what its table says of program and arguments is about the binaries that were chosen, or about none of the
    /// package's.
    fn starts_one_of_its_own(&self) -> bool {
        let all = binaries(self.package);
        let Some(entrypoint) = &self.table.entrypoint else {
            let first =
                self.table.bins.as_ref().map_or_else(|| self.default_bin(), |bins| bins.first().map(String::as_str));
            return first == self.bins.first().map(String::as_str);
        };
        let program = entrypoint[0].rsplit('/').next().unwrap_or_default();
        !all.contains(&program) || self.bins.iter().any(|bin| bin == program)
    }

    /// What `cargo run` would run.
    fn default_bin(&self) -> Option<&str> {
        let all = binaries(self.package);
        let named = all.iter().copied().find(|bin| *bin == self.package.name.as_str());
        let only = (all.len() == 1).then(|| all[0]);
        self.package.default_run.as_deref().or(named).or(only)
    }

    /// A binary that the package lacks. What its own Cargo.toml says has been looked at, with its line: a name that no
    /// flag gave `is_shared`.
    fn unknown(&self, bin: &str, all: &[&str], is_shared: bool) -> Report {
        let package = &self.package.name;
        let (asked, instead) = match is_shared {
            true => (
                format!(", and `bins` in [workspace.metadata.oci] asks for it in the image {}", self.name),
                "; `bins` in its own Cargo.toml takes the place of the workspace's",
            ),
            false => (String::new(), ""),
        };
        miette!(
            help = format!("its binaries are {}{instead}", all.join(", ")),
            "the package {package} has no binary `{bin}`{asked}"
        )
    }

    fn undecided(&self, all: &[&str]) -> Report {
        miette!(
            help = format!(
                "choose with `--bin`, `default-run` in [package], or `bins = [\"{}\"]` in [package.metadata.oci]",
                all.join("\", \"")
            ),
            "the package {} has {} binaries, and nothing says which the image is of",
            self.package.name,
            all.len()
        )
    }
}

/// A package's name as that of an image: engines and registries know no capitals, and no `_` or `-` at the end of a name.
fn local_name(package: &str) -> String {
    let name = package.to_lowercase();
    let is_right = |name: &str| name.parse::<Reference>().is_ok();
    if is_right(&name) {
        return name;
    }
    let parts: Vec<_> = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    match parts.join("-") {
        joined if is_right(&joined) => joined,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_so_that_engines_take_the_name() {
        for (package, name) in [("Hello", "hello"), ("foo_", "foo"), ("a__b", "a__b"), ("a___b-", "a-b")] {
            assert_eq!(local_name(package), name);
        }
    }
}
