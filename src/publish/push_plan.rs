//! What a push knows of an image, besides its content.

use std::path::Path;

use crate::config::SignatureFormat;
use crate::plan::ImagePlan;
use crate::reference::BaseReference;

/// What a push knows of an image, besides its content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PushPlan<'a> {
    /// Its local name.
    pub name: &'a str,
    /// Its base.
    pub base: &'a BaseReference,
    /// Whether there is a plain manifest instead of an index.
    pub no_index: bool,
    /// The folder of the layout of the image that was built last; `None` if this run builds nothing.
    pub layout: Option<&'a Path>,
    /// How signatures are kept beside it.
    pub signature_format: SignatureFormat,
    /// Whether a registry must accept its SBOMs.
    pub is_sbom_required: bool,
    /// Whether a registry must accept its provenance.
    pub is_provenance_required: bool,
    /// Whether a registry must accept its VEX documents.
    pub is_vex_required: bool,
}

impl<'a> From<&'a ImagePlan> for PushPlan<'a> {
    fn from(plan: &'a ImagePlan) -> PushPlan<'a> {
        PushPlan {
            name: &plan.name,
            base: &plan.base,
            no_index: plan.no_index,
            layout: Some(&plan.layout),
            signature_format: plan.signature_format,
            is_sbom_required: plan.is_sbom_required,
            is_provenance_required: plan.is_provenance_required,
            is_vex_required: plan.is_vex_required,
        }
    }
}
