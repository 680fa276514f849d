//! What a push would send. Registries are only read.

use std::collections::HashSet;

use miette::Context;
use oci_spec::image::Descriptor;

use super::push_plan::PushPlan;
use crate::build::Built;
use crate::context::GlobalContext;
use crate::error::Result;
use crate::event::{BuiltImage, PlannedContent, PlannedPush, PlannedTag, PlannedTransfer};
use crate::parallel::{MANY, each};
use crate::reference::{BaseReference, Reference};
use crate::store::Source;

/// What a push would do besides sending the images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DryRun {
    /// Whether it sets no tags.
    pub by_digest: bool,
    /// Whether it signs.
    pub signs: bool,
}

/// A part of an image.
struct Part<'a> {
    what: String,
    descriptor: &'a Descriptor,
    is_mountable: bool,
}

impl DryRun {
    /// Returns what a push of all images would send to each of their repositories.
    ///
    /// # Errors
    /// Returns an error if a registry does not respond, or denies access.
    pub(crate) fn run(self, built: &Built, context: &GlobalContext) -> Result<Vec<PlannedPush>> {
        let mut pushes = Vec::new();
        for (plan, image, _) in built.each() {
            for repository in &plan.repositories {
                pushes.push(self.push(&PushPlan::from(plan), image, &plan.tags, repository, context)?);
            }
        }
        Ok(pushes)
    }

    /// Returns what a push of an image would send to a repository.
    ///
    /// # Errors
    /// Returns an error if the registry does not respond, or denies access.
    pub(crate) fn push(
        self,
        plan: &PushPlan,
        image: &BuiltImage,
        tags: &[String],
        repository: &Reference,
        context: &GlobalContext,
    ) -> Result<PlannedPush> {
        let push = self.plan(plan, image, tags, repository, context);
        push.wrap_err_with(|| format!("cannot find out what {} lacks of {}", repository.location(), plan.name))
    }

    fn plan(
        self,
        plan: &PushPlan,
        image: &BuiltImage,
        tags: &[String],
        repository: &Reference,
        context: &GlobalContext,
    ) -> Result<PlannedPush> {
        let registry = context.connect_to_push(repository)?;
        let tags = if self.by_digest { &[][..] } else { tags };
        let tags = each(tags, MANY, |tag| {
            let before = registry.tagged(tag)?.map(|before| before.digest().clone());
            Ok(PlannedTag { name: tag.clone(), before })
        })?;
        let content = each(&parts(plan, image, repository), MANY, |part| {
            let transfer = if registry.has(part.descriptor)? {
                PlannedTransfer::Exists
            } else if part.is_mountable {
                PlannedTransfer::Mount
            } else {
                PlannedTransfer::Send
            };
            let Part { what, descriptor, .. } = part;
            Ok(PlannedContent {
                what: what.clone(),
                digest: descriptor.digest().clone(),
                size: descriptor.size(),
                transfer,
            })
        })?;
        let platforms = image.manifests.iter().map(|manifest| manifest.platform.to_string());
        let index = Some("index".to_owned()).filter(|_| !plan.no_index);
        let signed = index.into_iter().chain(platforms).filter(|_| self.signs).collect();
        Ok(PlannedPush {
            image: image.name.clone(),
            to: registry.location(),
            digest: image.digest.clone(),
            tags,
            signed,
            content,
        })
    }
}

/// Returns all content that a push sends, each once, in the order it is sent in.
fn parts<'a>(plan: &PushPlan, image: &'a BuiltImage, repository: &Reference) -> Vec<Part<'a>> {
    let is_mountable = matches!(plan.base, BaseReference::Registry(base) if base.registry() == repository.registry());
    let mut parts = Vec::new();
    for manifest in &image.manifests {
        let platform = &manifest.platform;
        for (at, layer) in manifest.layers.iter().enumerate() {
            let is_of_base = at < manifest.below;
            let what = if is_of_base { format!("base layer {platform}") } else { format!("layer {platform}") };
            parts.push(Part { what, descriptor: layer, is_mountable: is_of_base && is_mountable });
        }
        let mut add = |what, descriptor| parts.push(Part { what, descriptor, is_mountable: false });
        add(format!("config {platform}"), &manifest.config);
        add(format!("manifest {platform}"), &manifest.descriptor);
    }
    for attached in &image.attached {
        let mut add = |what: &str, descriptor| {
            let what = format!("{what} {}", attached.artifact_type);
            parts.push(Part { what, descriptor, is_mountable: false });
        };
        add("attachment", &attached.content);
        add("manifest of attachment", &attached.descriptor);
    }
    parts.push(Part { what: "index".to_owned(), descriptor: &image.root, is_mountable: false });
    let mut seen = HashSet::new();
    parts.retain(|part| seen.insert(part.descriptor.digest()));
    parts
}
