//! What must be here as it was where an image was built: otherwise nobody can expect the same digest.

use jiff::Timestamp;
use serde_json::Value;

use crate::attest::recorded::RecordedBuild;
use crate::build::parameters::choices;
use crate::cli::ReproduceArgs;
use crate::compile::choices::COMPILE_CHOICES;
use crate::compile::{Toolchain, release};
use crate::context::GlobalContext;
use crate::error::Result;
use crate::git;
use crate::image::digest::sha256;
use crate::plan::{self, Plan};
use crate::platform::Target;

/// A condition that is not met.
pub(super) struct Unmet {
    /// What it is about.
    pub what: &'static str,
    /// What the provenance records.
    pub recorded: String,
    /// What is here.
    pub here: String,
    /// What to do.
    pub fix: Option<String>,
}

/// The conditions of a build.
pub(super) struct BuildConditions<'a> {
    /// The build.
    pub recorded: &'a RecordedBuild,
    /// Where Cargo.toml is.
    pub args: &'a ReproduceArgs,
    /// The context of the run.
    pub context: &'a GlobalContext<'a>,
}

impl BuildConditions<'_> {
    /// Compares what needs no plan: the commit, and this program.
    ///
    /// # Errors
    /// Returns an error if there is no Cargo.toml.
    pub(super) fn of_sources(&self) -> Result<Vec<Unmet>> {
        let recorded = self.recorded;
        let folder = plan::manifest_folder(self.args.manifest_path.as_deref())?;
        let commit = git::commit(&folder, &self.context.environment).ok();
        let shown = |sha: Option<&str>, is_dirty| match sha {
            Some(sha) if is_dirty => format!("{sha} with uncommitted changes"),
            Some(sha) => sha.to_owned(),
            None => "no commit".to_owned(),
        };
        let mut unmet = Vec::new();
        let here = commit.as_ref().map(|commit| commit.sha.as_str());
        let is_dirty = commit.as_ref().is_some_and(|commit| commit.dirty);
        if recorded.commit.as_deref() != here || recorded.is_dirty || is_dirty {
            let fix = match &recorded.commit {
                Some(sha) if Some(sha.as_str()) != here => Some(format!("check it out: `git checkout {sha}`")),
                Some(_) if is_dirty && !recorded.is_dirty => Some("put changes away: `git stash`".to_owned()),
                _ => None,
            };
            let (there, here) = (shown(recorded.commit.as_deref(), recorded.is_dirty), shown(here, is_dirty));
            unmet.push(Unmet { what: "commit", recorded: there, here, fix });
        } else if here.is_none() {
            self.context.warn("the provenance names no commit: whether the sources are the same is not known");
        }
        let version = env!("CARGO_PKG_VERSION");
        if recorded.cargo_oci != version {
            let fix = Some(format!("use that release: `cargo install cargo-oci@{} --locked`", recorded.cargo_oci));
            unmet.push(Unmet {
                what: "cargo-oci",
                recorded: recorded.cargo_oci.clone(),
                here: version.to_owned(),
                fix,
            });
        }
        if !recorded.prebuilt.is_empty() {
            let platforms = recorded.prebuilt.join(", ");
            let here = "nothing to compile them from".to_owned();
            unmet.push(Unmet { what: "prebuilt binaries", recorded: platforms, here, fix: None });
        }
        Ok(unmet)
    }

    /// Compares the package, the time, Cargo.lock and the toolchain with those of a plan.
    ///
    /// # Errors
    /// Returns an error if a program of the toolchain cannot be run.
    pub(super) fn of_plan(&self, plan: &Plan, created: Option<Timestamp>) -> Result<Vec<Unmet>> {
        let recorded = self.recorded;
        let mut unmet = Vec::new();
        if !plan.images.iter().any(|image| image.name == recorded.name && image.spec == recorded.package) {
            let names: Vec<_> = plan.images.iter().map(|image| format!("{} of {}", image.name, image.spec)).collect();
            let recorded = format!("{} of {}", recorded.name, recorded.package);
            unmet.push(Unmet { what: "image", recorded, here: names.join(", "), fix: None });
        }
        let here = plan.images.first().map(|image| image.created);
        if let (Some(created), Some(here)) = (created, here)
            && created != here
        {
            let fix = Some(format!("set the time: `SOURCE_DATE_EPOCH={}`", created.as_second()));
            unmet.push(Unmet { what: "time", recorded: created.to_string(), here: here.to_string(), fix });
        }
        let lock = std::fs::read(&plan.compile.lock).ok().map(|lock| sha256(&lock).to_string());
        if recorded.lock != lock {
            let [there, here] = [recorded.lock.clone(), lock].map(|lock| lock.unwrap_or_else(|| "none".to_owned()));
            unmet.push(Unmet { what: "Cargo.lock", recorded: there, here, fix: Some("restore Cargo.lock".to_owned()) });
        }
        let environment = &self.context.environment;
        let toolchain = Toolchain::find(environment, &plan.compile.config)?;
        for (what, program) in [("rustc", toolchain.compiler_name()), ("cargo", environment.cargo())] {
            let Some(there) = recorded.tools.iter().find(|text| text.split(' ').next() == Some(what)) else { continue };
            let here = release::ask(program, environment)?;
            if *there != here.text {
                let version = there.split(' ').nth(1).unwrap_or_default();
                let fix = format!("use that release, as with rustup: `rustup override set {version}`");
                unmet.push(Unmet { what, recorded: there.clone(), here: here.text, fix: Some(fix) });
            }
        }
        // One help is enough for both.
        if let [.., rustc, cargo] = &mut unmet[..]
            && rustc.fix == cargo.fix
        {
            cargo.fix = None;
        }
        unmet.extend(self.of_compilation(plan, &toolchain));
        Ok(unmet)
    }

    /// Compares what was chosen for the compilation in other ways than by flags: it cannot be set from here.
    fn of_compilation(&self, plan: &Plan, toolchain: &Toolchain) -> Vec<Unmet> {
        let recorded = self.recorded;
        let targets: Vec<Target> = recorded.targets.iter().filter_map(|target| target.parse().ok()).collect();
        let Some(image) = plan.images.iter().find(|image| image.name == recorded.name) else { return Vec::new() };
        if !recorded.prebuilt.is_empty() {
            return Vec::new();
        }
        let here = choices(plan, image, &targets, toolchain);
        let what = [
            ("compiler flags", "set RUSTFLAGS, or cargo's configuration, as it was there"),
            ("cargo's configuration", "set it as it was there"),
            ("variables", "set the variables that differ"),
        ];
        let shown = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), Value::to_string);
        let all = COMPILE_CHOICES.into_iter().zip(what);
        let differing = all.filter(|(key, _)| recorded.parameters.get(*key) != here.get(*key));
        let unmet = differing.map(|(key, (what, fix))| Unmet {
            what,
            recorded: shown(recorded.parameters.get(key)),
            here: shown(here.get(key)),
            fix: Some(fix.to_owned()),
        });
        unmet.collect()
    }
}
