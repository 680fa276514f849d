//! The key `files` of a plan → the layer of assets for each platform.

use std::collections::BTreeSet;
use std::path::Path;

use miette::Context;

use super::layers::Layers;
use crate::assets::{self, BaseLayers, OwnerIds, SourceDirs};
use crate::base::Base;
use crate::compile::OutDir;
use crate::config::PatternRoot;
use crate::error::Result;
use crate::event::Event;
use crate::image::layer::{Layer, LayerEntry, with_parents};
use crate::plan::ImagePlan;
use crate::store::Source;
use crate::store::layer::layers_of;

/// The assets of an image.
pub(crate) struct Assets<'a> {
    /// The rules.
    pub plan: &'a ImagePlan,
    /// The base.
    pub base: &'a Base,
    /// For each platform, the owner of the files of each rule ([`owners`]).
    pub owners: &'a [Vec<OwnerIds>],
}

/// Checks the files that exist already: mistakes are reported before minutes of compiling.
///
/// # Errors
/// Returns an error if a rule has a mistake, or a folder cannot be read.
pub(crate) fn check(plan: &ImagePlan) -> Result<()> {
    assets::check(&plan.files, &plan.target_dir, &binaries(plan))
}

/// Returns the owner of the files of each rule, for each platform. `source` has the content of the base.
///
/// # Errors
/// Returns an error if the base does not know an owner, or cannot be read.
pub(crate) fn owners(plan: &ImagePlan, base: &Base, source: &dyn Source) -> Result<Vec<Vec<OwnerIds>>> {
    let mut owners: Vec<Vec<OwnerIds>> = Vec::new();
    if plan.files.is_empty() {
        return Ok(owners);
    }
    for (at, below) in base.images.iter().enumerate() {
        // The same layers have the same users.
        let known = base.images[..at].iter().position(|other| other.layers == below.layers);
        owners.push(if let Some(known) = known {
            owners[known].clone()
        } else {
            let layers = layers_of(&below.config, &below.layers)?;
            assets::owners(&plan.files, &BaseLayers { platform: &below.platform, source, layers: &layers })?
        });
    }
    Ok(owners)
}

impl Assets<'_> {
    /// Writes the layer for each platform, which is mostly the same one. Without rules, there are none.
    ///
    /// # Errors
    /// Returns an error if a rule has a mistake that only shows after cargo has run, if a file cannot be read, or if the layout
    /// cannot be written.
    pub(crate) fn layers(&self, layers: &Layers, out_dirs: &[OutDir]) -> Result<Vec<Layer>> {
        let mut made: Vec<(&Vec<OwnerIds>, Option<&Path>, Layer)> = Vec::new();
        let mut astray = BTreeSet::new();
        for (below, owners) in self.base.images.iter().zip(self.owners) {
            let unit = self.plan.unit(below.target);
            let out_dir = out_dirs.iter().rfind(|out_dir| out_dir.unit == unit).filter(|_| self.depends_on_out_dir());
            let out_dir = out_dir.map(|out_dir| out_dir.path.as_path());
            let same = made.iter().find(|(other, folder, _)| (*other, *folder) == (owners, out_dir));
            let layer = if let Some((_, _, layer)) = same {
                layer.clone()
            } else {
                let entries = self.entries(owners, out_dir)?;
                let links = assets::dangling_links(&entries).into_iter();
                astray.extend(links.map(|(path, target)| (path.to_owned(), target.to_owned())));
                let name = format!("{} (files)", self.plan.name);
                layers.layer(&entries, &name).wrap_err("cannot make the layer of `files`")?
            };
            made.push((owners, out_dir, layer));
        }
        for (path, target) in astray {
            let message = format!("the link /{path} leads to {target}, which is not among the copied files");
            (layers.listener)(Event::Warning { message });
        }
        Ok(made.into_iter().map(|(_, _, layer)| layer).collect())
    }

    fn entries(&self, owners: &[OwnerIds], out_dir: Option<&Path>) -> Result<Vec<LayerEntry>> {
        let dirs = SourceDirs { target_dir: &self.plan.target_dir, out_dir };
        let entries = assets::entries(&self.plan.files, owners, self.plan.mtime(), &dirs, &binaries(self.plan))?;
        Ok(with_parents(entries, self.base.root.is_none()))
    }

    fn depends_on_out_dir(&self) -> bool {
        self.plan.files.iter().any(|rule| rule.from.get_ref().root == PatternRoot::OutDir)
    }
}

/// Returns the path of a binary in the image, without the leading slash.
fn binaries(plan: &ImagePlan) -> Vec<String> {
    plan.bins.iter().map(|bin| plan.bin_dir.join(bin).trim_start_matches('/').to_owned()).collect()
}
