//! What a plan sets in the config and the annotations of an image.

use miette::{Report, miette};
use oci_spec::image::{ANNOTATION_BASE_IMAGE_DIGEST, ANNOTATION_BASE_IMAGE_NAME};

use crate::base::Base;
use crate::config::Labels;
use crate::error::Result;
use crate::image::config::{Settings, UnknownVariable, assemble};
use crate::plan::ImagePlan;
use crate::reference::BaseReference;

/// Returns what the plan sets in the config of an image.
pub(crate) fn settings(plan: &ImagePlan, base: &Base) -> Settings {
    Settings { labels: with_base(plan, base, &plan.labels), ..own_settings(plan) }
}

/// Returns the same, without what names the base.
pub(crate) fn own_settings(plan: &ImagePlan) -> Settings {
    Settings {
        entrypoint: plan.entrypoint.clone(),
        cmd: plan.cmd.clone(),
        env: plan.env.clone(),
        path: plan.bin_dir.as_str().to_owned(),
        user: plan.user.clone(),
        workdir: plan.workdir.clone(),
        expose: plan.expose.iter().map(ToString::to_string).collect(),
        volumes: plan.volumes.iter().map(ToString::to_string).collect(),
        stop_signal: plan.stop_signal.as_ref().map(ToString::to_string),
        labels: plan.labels.clone(),
        created: plan.created.to_string(),
    }
}

/// Checks that configs and manifests can be made, before minutes of compiling.
///
/// # Errors
/// Returns an error if the settings do not fit the base.
pub(crate) fn check(plan: &ImagePlan, base: &Base) -> Result<()> {
    if plan.no_index && base.images.len() != 1 {
        return Err(miette!(
            help = "choose one platform with `--platform`, or omit `--no-index`",
            "cannot write {} without an index: it is built for {} platforms",
            plan.name,
            base.images.len()
        ));
    }
    let settings = settings(plan, base);
    for below in &base.images {
        assemble(&below.config, &below.platform, &settings, &[]).map_err(|error| unknown_variable(plan, &error))?;
    }
    Ok(())
}

/// Returns labels or annotations with the name and digest of the base, if others can find it in a registry (image-spec,
/// `annotations.md`).
pub(crate) fn with_base(plan: &ImagePlan, base: &Base, values: &Labels) -> Labels {
    let mut values = values.clone();
    if let (BaseReference::Registry(reference), Some(root)) = (&plan.base, &base.root) {
        let facts = [
            (ANNOTATION_BASE_IMAGE_NAME, reference.to_string()),
            (ANNOTATION_BASE_IMAGE_DIGEST, root.digest().to_string()),
        ];
        for (key, value) in facts {
            values.entry(key.to_owned()).or_insert(Some(value));
        }
    }
    values
}

/// Returns the error of a setting that names a variable which neither it nor the base has.
pub(crate) fn unknown_variable(plan: &ImagePlan, error: &UnknownVariable) -> Report {
    let way = match error.name.as_str() {
        "" => String::new(),
        name => format!(
            "; for a variable of this machine, write `{{env.{name}}}`; set another variable of the image before {}",
            error.key
        ),
    };
    miette!(help = format!("write `$$` for a dollar sign{way}"), "cannot configure the image {}: {error}", plan.name)
}
