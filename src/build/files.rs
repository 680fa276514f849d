//! The keys `files` and `volumes` of a plan → the layer of assets for each platform.

use std::collections::BTreeSet;
use std::path::Path;

use miette::Context;
use serde_json::Value;

use super::layers::Layers;
use crate::assets::{self, AssetPlan, Assets, BaseFacts, BaseLayers};
use crate::base::{Base, BaseImage};
use crate::compile::OutDir;
use crate::config::PatternRoot;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::Event;
use crate::image::layer::Layer;
use crate::plan::ImagePlan;
use crate::reference::BaseReference;
use crate::store::layer::layers_of;
use crate::store::{Cache, Source};

/// The assets of an image.
pub(crate) struct AssetLayers<'a> {
    /// The plan.
    pub plan: &'a ImagePlan,
    /// The base.
    pub base: &'a Base,
    /// What it decides, for each platform ([`facts`]).
    pub facts: &'a [BaseFacts],
    /// The variables of the run, for git.
    pub environment: &'a Environment,
}

/// Checks the files that exist already: mistakes are reported before minutes of compiling.
///
/// # Errors
/// Returns an error if a rule has a mistake, or a folder cannot be read.
pub(crate) fn check(plan: &ImagePlan) -> Result<()> {
    asset_plan(plan, &binaries(plan)).check()
}

/// Returns whether the layer of assets, or the base, says who owns the folder at a path of a layer.
pub(crate) fn names_folder(plan: &ImagePlan, folder: &str) -> bool {
    assets::is_named(&asset_plan(plan, &[]), folder)
}

/// Returns what the base decides of the layer of assets, for each platform. `source` has the content of the base, `cache` what
/// was found in it before.
///
/// # Errors
/// Returns an error if the base does not know the user of the image or an owner of files, or cannot be read.
pub(crate) fn facts(plan: &ImagePlan, base: &Base, source: &dyn Source, cache: &Cache) -> Result<Vec<BaseFacts>> {
    let binaries = binaries(plan);
    let assets = asset_plan(plan, &binaries);
    let mut facts: Vec<BaseFacts> = Vec::new();
    for (at, below) in base.images.iter().enumerate() {
        // The same layers have the same users.
        let known =
            base.images[..at].iter().position(|other| other.layers == below.layers && user(other) == user(below));
        facts.push(if let Some(known) = known {
            facts[known].clone()
        } else {
            let layers = layers_of(&below.config, &below.layers)?;
            let user = user(below);
            assets::facts(&assets, &BaseLayers { platform: &below.platform, source, cache, layers: &layers, user })?
        });
    }
    Ok(facts)
}

/// Returns a warning if neither the image nor its base has the program that starts.
pub(crate) fn missing_program(plan: &ImagePlan, base: &Base, facts: &[BaseFacts]) -> Option<String> {
    // Then the plan has warned already.
    let program = plan.entrypoint.first().filter(|_| plan.missing_program().is_none())?;
    let lacking = base.images.iter().zip(facts).filter(|(_, facts)| facts.lacks_program);
    let platforms: Vec<_> = lacking.map(|(image, _)| image.platform.to_string()).collect();
    (!platforms.is_empty()).then(|| {
        format!(
            "the image {} starts {program}, which neither its files nor its base have for {}: correct `entrypoint`, or add the program with `files`",
            plan.name,
            platforms.join(", ")
        )
    })
}

/// Returns the user of the config of a base; empty for root.
fn user(base: &BaseImage) -> &str {
    let config = base.config.get("config");
    config.and_then(|config| config.get("User")).and_then(Value::as_str).unwrap_or_default()
}

impl AssetLayers<'_> {
    /// Writes the layer for each platform, which is mostly the same one. There is none if there is nothing to write.
    ///
    /// # Errors
    /// Returns an error if a rule has a mistake that only shows after cargo has run, if a file cannot be read, or if the layout
    /// cannot be written.
    pub(crate) fn layers(&self, layers: &Layers, out_dirs: &[OutDir]) -> Result<Vec<Option<Layer>>> {
        let mut made: Vec<(&BaseFacts, Option<&Path>, Option<Layer>)> = Vec::new();
        let (mut astray, mut files) = (BTreeSet::new(), BTreeSet::new());
        let binaries = binaries(self.plan);
        let assets = asset_plan(self.plan, &binaries);
        for (below, facts) in self.base.images.iter().zip(self.facts) {
            let unit = self.plan.unit(below.target);
            let out_dir = out_dirs.iter().rfind(|out_dir| out_dir.unit == unit).filter(|_| self.depends_on_out_dir());
            let out_dir = out_dir.map(|out_dir| out_dir.path.as_path());
            let same = made.iter().find(|(other, folder, _)| (*other, *folder) == (facts, out_dir));
            let layer = if let Some((_, _, layer)) = same {
                layer.clone()
            } else {
                let Assets { entries, files: packaged } = assets.entries(facts, out_dir)?;
                files.extend(packaged);
                let links = assets::dangling_links(&entries).into_iter();
                astray.extend(links.map(|(path, target)| (path.to_owned(), target.to_owned())));
                let name = format!("{} (files)", self.plan.name);
                let layer = (!entries.is_empty()).then(|| layers.layer(&entries, &name)).transpose();
                layer.wrap_err("cannot make the layer of `files`")?
            };
            made.push((facts, out_dir, layer));
        }
        for (path, target) in astray {
            let message = format!("the link /{path} leads to {target}, which is not among the copied files");
            (layers.listener)(Event::Warning { message });
        }
        for message in assets::warnings(&self.plan.name, &files, self.environment) {
            (layers.listener)(Event::Warning { message });
        }
        Ok(made.into_iter().map(|(_, _, layer)| layer).collect())
    }

    fn depends_on_out_dir(&self) -> bool {
        self.plan.files.iter().any(|rule| rule.pattern().is_some_and(|from| from.root == PatternRoot::OutDir))
    }
}

fn asset_plan<'a>(plan: &'a ImagePlan, binaries: &'a [String]) -> AssetPlan<'a> {
    AssetPlan {
        name: &plan.name,
        rules: &plan.files,
        volumes: &plan.volumes,
        user: plan.user.as_deref(),
        program: plan.entrypoint.first().map(String::as_str).filter(|program| program.starts_with('/')),
        binaries,
        target_dir: &plan.target_dir,
        image_time: plan.mtime(),
        is_scratch: plan.base == BaseReference::Scratch,
    }
}

/// Returns the path of a binary in the image, without the leading slash.
fn binaries(plan: &ImagePlan) -> Vec<String> {
    plan.bins.iter().map(|bin| plan.bin_dir.join(bin).trim_start_matches('/').to_owned()).collect()
}
