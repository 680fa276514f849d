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
use crate::event::{Event, Listener};
use crate::image::layer::{Layer, LayerEntry, with_parents};
use crate::plan::ImagePlan;
use crate::store::Source;
use crate::store::layer::layers_of;

/// The assets of an image.
pub(crate) struct Assets<'a> {
    /// Which are wanted.
    pub plan: &'a ImagePlan,
    /// What they go over.
    pub base: &'a Base,
    /// For each platform, whose the files of each rule are ([`owners`]).
    pub owners: &'a [Vec<OwnerIds>],
}

/// Looks at the files that are there already: mistakes are told before minutes of compiling.
///
/// # Errors
/// A mistake in a rule; folders that cannot be read.
pub(crate) fn check(plan: &ImagePlan) -> Result<()> {
    assets::check(&plan.files, &plan.target_dir, &binaries(plan))
}

/// For each platform, whose the files of each rule are; `source` has the content of the base.
///
/// # Errors
/// An owner whom the base does not know; a base that cannot be read.
pub(crate) fn owners(plan: &ImagePlan, base: &Base, source: &dyn Source) -> Result<Vec<Vec<OwnerIds>>> {
    let mut owners: Vec<Vec<OwnerIds>> = Vec::new();
    if plan.files.is_empty() {
        return Ok(owners);
    }
    for (at, below) in base.images.iter().enumerate() {
        // The same layers know the same names.
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
    /// Writes the layers: one for each platform, which is mostly the same; none where there are no rules.
    ///
    /// # Errors
    /// A mistake in a rule that only shows after cargo has run; of reading files, and of writing the layout.
    pub(crate) fn layers(&self, layers: &Layers, out_dirs: &[OutDir], listener: Listener) -> Result<Vec<Layer>> {
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
            let message = format!("the link /{path} leads to {target}, which is not among the files that go in");
            listener(Event::Warning { message });
        }
        Ok(made.into_iter().map(|(_, _, layer)| layer).collect())
    }

    fn entries(&self, owners: &[OwnerIds], out_dir: Option<&Path>) -> Result<Vec<LayerEntry>> {
        let dirs = SourceDirs { target_dir: &self.plan.target_dir, out_dir };
        let entries = assets::entries(&self.plan.files, owners, &dirs, &binaries(self.plan))?;
        Ok(with_parents(entries, self.base.root.is_none()))
    }

    fn depends_on_out_dir(&self) -> bool {
        self.plan.files.iter().any(|rule| rule.from.get_ref().root == PatternRoot::OutDir)
    }
}

/// Where in the image the binaries go, without the slash at the beginning.
fn binaries(plan: &ImagePlan) -> Vec<String> {
    plan.bins.iter().map(|bin| plan.bin_dir.join(bin).trim_start_matches('/').to_owned()).collect()
}
