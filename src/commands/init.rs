//! `cargo oci init`: write the table in Cargo.toml, and a file for CI.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, Package};
use miette::{Report, miette};

use super::Outcome;
use crate::cli::{CargoArgs, CiService, InitArgs, InstallSource};
use crate::config::base_signers::BaseSigner;
use crate::config::{Section, Table, Whose};
use crate::context::GlobalContext;
use crate::error::{Result, on_path, with_help};
use crate::event::Event;
use crate::git;
use crate::plan::facts::DEFAULT_BASE;
use crate::plan::{candidates, compile, manifest_folder, selection};
use crate::starter::ci_file::{self, CiFile};
use crate::starter::hosting::image_repository;
use crate::starter::installed;
use crate::starter::table::{StarterRepository, StarterTable};

/// Folders with files that programs often read at run time.
const FOLDERS: [&str; 4] = ["assets", "public", "static", "templates"];

/// Writes the table, and the file for CI; returns their paths.
///
/// # Errors
/// Returns an error if one of them is there already, or cannot be written. Then nothing was written.
pub(crate) fn run(args: &InitArgs, context: &GlobalContext) -> Result<Outcome> {
    let cargo = CargoArgs {
        packages: args.package.iter().cloned().collect(),
        manifest_path: args.manifest_path.clone(),
        talk: args.talk.clone(),
        ..CargoArgs::default()
    };
    let folder = manifest_folder(args.manifest_path.as_deref())?;
    let workspace = compile::metadata(&context.environment, &cargo, &["--no-deps".into()])?;
    let init = Init::new(&workspace.metadata, &cargo, &folder, args, context)?;
    // All is decided and checked before anything is written.
    let appendix = init.appendix()?;
    let ci = args.ci.map(|service| init.ci_file(service)).transpose()?;
    let mut written = Vec::new();
    if let Some(appendix) = appendix {
        append(&init.manifest, &appendix)?;
        written.push(init.manifest.clone());
    }
    if let Some((path, text)) = ci {
        create(&path, &text)?;
        written.push(path);
    }
    let shown: Vec<_> = written.iter().map(|path| relative(path)).collect();
    for path in &shown {
        context.report(Event::Wrote { only: None, path: path.clone() });
    }
    context.report(Event::Advice { message: init.next(args.ci) });
    Ok(Outcome::Results(shown.iter().map(|path| path.display().to_string()).collect()))
}

/// What is known about the package.
struct Init<'a> {
    args: &'a InitArgs,
    context: &'a GlobalContext<'a>,
    metadata: &'a Metadata,
    package: &'a Package,
    manifest: PathBuf,
    /// The content of its Cargo.toml.
    text: String,
    /// Its own table, if it has one.
    table: Option<Table>,
    /// Whether the workspace's table has a repository.
    is_shared: bool,
    /// The short name of who signs its base, if that is known and nothing verifies it yet.
    base_signer: Option<&'static str>,
    /// What the new table says of it, if anything.
    repository: Option<StarterRepository>,
}

impl<'a> Init<'a> {
    fn new(
        metadata: &'a Metadata,
        cargo: &CargoArgs,
        folder: &Path,
        args: &'a InitArgs,
        context: &'a GlobalContext,
    ) -> Result<Init<'a>> {
        let package = package(metadata, cargo, folder)?;
        if selection::binaries(package).is_empty() {
            return Err(candidates::no_binary(package));
        }
        let manifest = package.manifest_path.clone().into_std_path_buf();
        let text = fs::read_to_string(&manifest).map_err(|error| on_path("read", &manifest, error))?;
        let image = candidates::local_name(&package.name);
        let section = Section::read(&manifest, Whose::Package { image: &image, binaries: &[] })?;
        if section.is_off {
            return Err(miette!(
                help = "remove that line, then run this again",
                "the package {} has no image: its Cargo.toml has `oci = false`",
                package.name
            ));
        }
        let root = metadata.workspace_root.join("Cargo.toml");
        let shared = Section::read(root.as_std_path(), Whose::Workspace)?.table.unwrap_or_default();
        let is_shared = shared.repository.is_some();
        let base = shared.base.as_ref().map_or(DEFAULT_BASE.to_owned(), ToString::to_string);
        let base_signer = BaseSigner::of(&base).filter(|_| shared.base_verify.is_none()).map(|signer| signer.name);
        let repository = match &args.repository {
            Some(typed) => Some(StarterRepository::Known(typed.clone())),
            None if is_shared || section.table.is_some() => None,
            None => Some(repository(metadata, package, context)),
        };
        Ok(Init {
            args,
            context,
            metadata,
            package,
            manifest,
            text,
            table: section.table,
            is_shared,
            base_signer,
            repository,
        })
    }

    /// Returns what is appended to Cargo.toml, or `None` if its table is there and only a file for CI is wanted.
    fn appendix(&self) -> Result<Option<String>> {
        if self.table.is_some() {
            return match self.args {
                InitArgs { ci: Some(_), repository: None, .. } => Ok(None),
                _ => Err(self.has_table()),
            };
        }
        let image = candidates::local_name(&self.package.name);
        let binaries = selection::binaries(self.package);
        let folder = self.manifest.parent().unwrap_or(Path::new("."));
        let folders: Vec<_> = FOLDERS.into_iter().filter(|name| folder.join(name).is_dir()).collect();
        let is_ambiguous = candidates::default_bin(self.package).is_none();
        let table = StarterTable {
            image: &image,
            binaries: &binaries,
            repository: self.repository.clone(),
            base_signer: self.base_signer,
            bins: if is_ambiguous { &binaries } else { &[] },
            has_ci: self.args.ci.is_some(),
            folders: &folders,
        };
        let appendix = table.appendix(&self.text).map_err(|error| {
            let shown = Report::from(error.within(&self.manifest, &self.text));
            let lines = table.lines();
            let shown = shown.wrap_err(format!("cannot add [package.metadata.oci] to {}", self.manifest.display()));
            with_help(shown, format!("write `metadata` as a table of its own, then add:\n{lines}"))
        })?;
        Ok(Some(appendix))
    }

    fn has_table(&self) -> Report {
        let help = if self.args.repository.is_some() {
            "set `repository` in it"
        } else {
            "`cargo oci build` builds the image; `cargo oci init --ci github` or `--ci gitlab` adds a file for CI"
        };
        miette!(help = help, "{} has a table [package.metadata.oci] already", self.manifest.display())
    }

    /// Returns the path and the content of the file for CI.
    ///
    /// # Errors
    /// Returns an error if the file exists, or it is not known where CI can install cargo-oci from.
    fn ci_file(&self, service: CiService) -> Result<(PathBuf, String)> {
        let root = self.metadata.workspace_root.as_std_path();
        let environment = &self.context.environment;
        let folder = git::prefix(root, environment);
        let top = root.ancestors().nth(folder.components().count()).unwrap_or(root);
        let path = top.join(ci_file::path(service));
        // A dangling link is somebody's, too.
        if path.symlink_metadata().is_ok() {
            return Err(miette!(
                help = "add the steps to it by hand: docs/ci.md has them; nothing was written",
                "{} already exists",
                relative(&path).display()
            ));
        }
        let source = self.source()?;
        let lock = BTreeSet::from(["Cargo.lock".to_owned()]);
        let is_ignored = git::ignored(root, environment, &lock).is_some_and(|ignored| !ignored.is_empty());
        let is_root = self.package.manifest_path == self.metadata.workspace_root.join("Cargo.toml");
        let has_repository = match &self.table {
            Some(table) => table.repository.is_some(),
            None => matches!(self.repository, Some(StarterRepository::Known(_))),
        };
        let file = CiFile {
            package: &self.package.name,
            folder: &folder,
            is_named: !is_root,
            has_lock: !is_ignored,
            branch: &git::default_branch(root, environment).unwrap_or_else(|| "main".to_owned()),
            has_repository: self.is_shared || has_repository,
            source: &source,
        };
        Ok((path, file.text(service)))
    }

    /// Returns where CI installs cargo-oci from: by flag, or by what cargo has recorded of this one.
    fn source(&self) -> Result<InstallSource> {
        let typed = self.args.install_from.clone();
        let recorded = || installed::source(&self.context.environment.cargo_home()?);
        typed.or_else(recorded).ok_or_else(|| {
            miette!(
                help = "name its git repository, and a commit or tag: `--install-from https://github.com/acme/cargo-oci#v0.1.0`; \
                        nothing was written",
                "cannot tell where CI installs cargo-oci from: cargo did not install this one from a git repository"
            )
        })
    }

    /// Returns what to do next.
    fn next(&self, ci: Option<CiService>) -> String {
        let is_here = std::env::current_dir().is_ok_and(|current| Some(&*current) == self.manifest.parent());
        let package = if is_here { String::new() } else { format!(" --package {}", self.package.name) };
        let build = format!("`cargo oci build{package}` builds the image");
        match ci {
            None => format!("{build}, `cargo oci push{package}` pushes it"),
            Some(_) => format!("{build}; commit the file for CI, and the next push of git runs it"),
        }
    }
}

/// Returns the package that is named, or that of the folder.
fn package<'a>(metadata: &'a Metadata, cargo: &CargoArgs, folder: &Path) -> Result<&'a Package> {
    let is_here = |package: &&Package| {
        let own = package.manifest_path.parent().and_then(|own| own.canonicalize().ok());
        own.is_some_and(|own| folder.canonicalize().is_ok_and(|folder| folder == own))
    };
    if cargo.packages.is_empty()
        && let Some(package) = metadata.workspace_packages().into_iter().find(is_here)
    {
        return Ok(package);
    }
    match selection::packages(metadata, cargo)?[..] {
        [package] => Ok(package),
        ref several => Err(miette!(
            help = format!(
                "choose one with `--package NAME`: {}",
                several.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
            "cannot tell which of {} packages gets the table",
            several.len()
        )),
    }
}

/// Returns the repository that belongs to git's remote, or to the one in Cargo.toml. Packages of one workspace get one each.
fn repository(metadata: &Metadata, package: &Package, context: &GlobalContext) -> StarterRepository {
    let folder = package.manifest_path.parent().map_or(Path::new("."), |folder| folder.as_std_path());
    let remote = git::remote(folder, &context.environment);
    let found = remote.as_deref().and_then(image_repository);
    let members = metadata.workspace_packages().into_iter();
    let is_alone = members.filter(|member| !selection::binaries(member).is_empty()).count() == 1;
    match found.or_else(|| package.repository.as_deref().and_then(image_repository)) {
        Some(repository) if is_alone => StarterRepository::Known(repository),
        Some(repository) => StarterRepository::Known(format!("{repository}/{{name}}")),
        None => StarterRepository::Unknown,
    }
}

/// Appends to a file, or leaves it as it was.
fn append(path: &Path, text: &str) -> Result<()> {
    let written = || {
        // Some users may write any file: for them, too, this means that it is to stay.
        if path.metadata()?.permissions().readonly() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut file = File::options().append(true).open(path)?;
        let size = file.metadata()?.len();
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        if written.is_err() {
            let _ = file.set_len(size);
        }
        written
    };
    written().map_err(|error| {
        let error = on_path("write", path, error);
        with_help(error, "make it writable, or add the table by hand".to_owned())
    })
}

/// Creates a file that must not exist yet, with its folder.
fn create(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| on_path("create", folder, error))?;
    let file = File::options().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| {
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        if written.is_err() {
            let _ = fs::remove_file(path);
        }
        written
    });
    written.map_err(|error| on_path("write", path, error))
}

/// Returns a path as it is written in the current folder, if it is below it.
fn relative(path: &Path) -> PathBuf {
    let current = std::env::current_dir().and_then(|current| current.canonicalize());
    current.ok().and_then(|current| path.strip_prefix(current).ok()).unwrap_or(path).to_owned()
}
