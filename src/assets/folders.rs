//! The folders that rules and volumes name, with owners of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::entries::{EntriesByPath, Named, PlannedEntry};
use super::plan::{AssetPlan, BaseFacts, is_standard_directory, parents, path};
use crate::config::FileRule;
use crate::image::layer::{LayerEntry, with_parents};

/// Returns the paths in the base that decide which folders are made.
pub(super) fn candidates(plan: &AssetPlan) -> BTreeSet<String> {
    let of_rules = plan.rules.iter().filter(|rule| rule.owner.is_some() && may_be_folder(rule)).map(path);
    let mut paths: BTreeSet<_> = of_rules.filter(|path| !is_standard_directory(path)).map(str::to_owned).collect();
    for volume in plan.volumes {
        let volume = volume.as_str().trim_start_matches('/');
        paths.extend(parents(volume).chain([volume]).map(str::to_owned));
    }
    paths
}

/// Returns whether rules or volumes decide who owns the folder at a path of a layer. Then a layer above must not describe it: it
/// is in the layer of assets, or in the base.
pub(crate) fn is_named(plan: &AssetPlan, folder: &str) -> bool {
    let by_rule = |rule: &FileRule| {
        let has_owner = rule.owner.is_some() && may_be_folder(rule) && !is_standard_directory(folder);
        path(rule) == folder && (rule.from.is_none() || has_owner)
    };
    plan.rules.iter().any(by_rule)
        || plan.volumes.iter().any(|volume| volume.as_str().trim_start_matches('/') == folder)
}

/// Returns whether files of the rule go into a folder that it names.
fn may_be_folder(rule: &FileRule) -> bool {
    let Some(from) = rule.pattern() else { return false };
    rule.to.get_ref().ends_with('/') || from.glob.is_none() && !rule.folder().join(&from.fixed).is_file()
}

/// Returns all entries of the layer: those of files, the folders that rules name, those of volumes, and their parents.
pub(super) fn complete(planned: EntriesByPath, plan: &AssetPlan, facts: &BaseFacts) -> Vec<LayerEntry> {
    let decided: BTreeSet<_> =
        planned.iter().filter(|(_, planned)| is_decided(planned)).map(|(path, _)| path.clone()).collect();
    let alone = planned.values().filter(|planned| planned.named == Some(Named::Alone));
    let alone: Vec<_> = alone.map(|planned| planned.entry.clone()).collect();
    let entries = planned.into_values().map(|planned| planned.entry).collect();
    let by_path = |entry: LayerEntry| (entry.path.clone(), entry);
    let mut all: BTreeMap<_, _> = with_parents(entries, plan.is_scratch).into_iter().map(by_path).collect();
    // A standard folder is the base's, unless a rule is about nothing else.
    all.extend(alone.into_iter().map(by_path));
    let volumes = plan.volumes.iter().map(|volume| volume.as_str().trim_start_matches('/'));
    for volume in volumes.filter(|volume| !decided.contains(*volume)) {
        if facts.present.contains(volume) {
            // It keeps its owner, although files go there.
            all.remove(volume);
            continue;
        }
        for parent in parents(volume).filter(|parent| !facts.present.contains(*parent)) {
            all.entry(parent.to_owned()).or_insert_with(|| LayerEntry::directory(parent));
        }
        all.insert(volume.to_owned(), LayerEntry { owner: facts.volumes, ..LayerEntry::directory(volume) });
    }
    all.into_values().collect()
}

/// Returns whether a rule decides what is at a path: it is no folder, or its owner was chosen.
fn is_decided(planned: &PlannedEntry) -> bool {
    let has_owner = planned.rule.owner.is_some() && !is_standard_directory(path(planned.rule));
    !planned.is_directory() || planned.named.is_some() || has_owner
}
