//! What the user has chosen for an image, as provenance records it: all that changes the image and is not in the sources.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::inputs::Inputs;
use super::settings::own_settings;
use crate::attest::provenance::BuildParameters;
use crate::compile::Toolchain;
use crate::compile::choices::compile_choices;
use crate::config::pattern::Exclusion;
use crate::config::{FileMtime, FileRule};
use crate::plan::allocator::AllocatorCrate;
use crate::plan::{ImagePlan, Plan};
use crate::platform::Target;
use crate::reference::BaseReference;
use crate::unique::each_once;

/// An image whose choices are recorded.
pub(crate) struct ChosenBuild<'a> {
    /// The plan.
    pub whole: &'a Plan,
    /// The plan of the image.
    pub plan: &'a ImagePlan,
    /// The inputs of its binaries.
    pub inputs: &'a Inputs<'a>,
    /// Its targets.
    pub targets: &'a [Target],
}

impl ChosenBuild<'_> {
    /// Returns the parameters.
    pub(crate) fn parameters(&self) -> BuildParameters {
        let ChosenBuild { whole, plan, targets, .. } = self;
        BuildParameters {
            package: plan.spec.clone(),
            bins: plan.bins.clone(),
            targets: targets.iter().map(|target| target.triple.to_owned()).collect(),
            libc: each_once(targets.iter().map(|target| target.libc().to_string())).join(", "),
            profile: plan.profile.clone(),
            features: whole.compile.runs[plan.run].resolve.features.clone(),
            base: without_place(&plan.base),
            compression: plan.packing.compression.to_string(),
            allocator: self.allocator_crate().map(|_| plan.allocator().to_string()).unwrap_or_default(),
            settings: own_settings(plan),
            prebuilt: whole.prebuilt.iter().map(|given| given.target.platform().to_string()).collect(),
            // They are the same unless one of them was chosen.
            annotations: Some(plan.annotations.clone()).filter(|annotations| *annotations != plan.labels),
            files: plan.files.iter().map(file_rule).collect(),
            auditable: match (plan.auditable, plan.auditable_prebuilt) {
                (false, _) => Some(false),
                (true, true) if !whole.prebuilt.is_empty() => Some(true),
                (true, _) => None,
            },
            no_index: plan.no_index,
            keeps_paths: whole.compile.remaps.is_empty(),
            compilation: self
                .inputs
                .toolchain
                .map(|toolchain| choices(whole, plan, targets, toolchain))
                .unwrap_or_default(),
        }
    }

    /// Returns the crate with the sources of the allocator, if it is linked into a binary.
    pub(crate) fn allocator_crate(&self) -> Option<&'static AllocatorCrate> {
        self.targets.iter().find_map(|target| self.inputs.allocator_crate(self.plan.allocator(), *target))
    }

    /// Returns the binaries that were compiled elsewhere, each with its name in provenance.
    pub(crate) fn prebuilt_programs(&self) -> Vec<(String, PathBuf)> {
        let of_image = self
            .whole
            .prebuilt
            .iter()
            .filter(|given| self.targets.iter().any(|target| target.platform() == given.target.platform()));
        let programs = of_image.flat_map(|given| {
            let named = |bin: &String| (format!("{bin} {}", given.target.platform()), given.program(bin));
            self.plan.bins.iter().map(named)
        });
        programs.collect()
    }
}

/// Returns what was chosen for the compilation of an image for those of these targets that are compiled.
pub(crate) fn choices(
    whole: &Plan,
    image: &ImagePlan,
    targets: &[Target],
    toolchain: &Toolchain,
) -> Map<String, Value> {
    let is_prebuilt = |target: &Target| whole.prebuilt.iter().any(|given| given.target.platform() == target.platform());
    let compiled: Vec<_> = targets.iter().copied().filter(|target| !is_prebuilt(target)).collect();
    compile_choices(&toolchain.config, &whole.compile, &compiled, &image.profile)
}

/// Returns a rule of `files`, as it is written in Cargo.toml.
fn file_rule(rule: &FileRule) -> Value {
    let mut shown = json!({ "to": rule.to.get_ref() });
    if let Some(from) = rule.pattern() {
        shown["from"] = json!(from.to_string());
    }
    if !rule.exclude.is_empty() {
        shown["exclude"] = rule.exclude.iter().map(|Exclusion(glob)| glob.glob()).collect();
    }
    if let Some(mode) = rule.mode {
        shown["mode"] = json!(format!("{mode:04o}"));
    }
    if let Some(owner) = &rule.owner {
        shown["owner"] = json!(owner.get_ref().to_string());
    }
    match rule.mtime {
        FileMtime::Commit => shown["mtime"] = json!("commit"),
        FileMtime::Seconds(0) => {}
        FileMtime::Seconds(seconds) => shown["mtime"] = json!(seconds),
    }
    shown
}

/// Returns the name of a base, without the path of a layout or an archive.
fn without_place(base: &BaseReference) -> String {
    match base {
        BaseReference::Layout(_) => "oci".to_owned(),
        BaseReference::Archive(_) => "oci-archive".to_owned(),
        other => other.to_string(),
    }
}
