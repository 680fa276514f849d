//! What provenance records → the arguments of a build.

use std::str::FromStr;

use miette::miette;
use oci_spec::image::ANNOTATION_BASE_IMAGE_NAME;
use serde_json::Value;

use crate::attest::recorded::RecordedBuild;
use crate::cli::{BuildArgs, CargoArgs, ReproduceArgs};
use crate::config::{Allocator, Labels};
use crate::error::Result;
use crate::image::Compression;
use crate::platform::Target;
use crate::reference::BaseReference;

/// Returns the arguments that give the recorded build, whatever the table and the environment say now.
///
/// # Errors
/// Returns an error if this release does not know what was chosen.
pub(super) fn build_args(recorded: &RecordedBuild, args: &ReproduceArgs) -> Result<BuildArgs> {
    let mut build = BuildArgs {
        cargo: CargoArgs {
            packages: recorded.package.split('@').next().map(str::to_owned).into_iter().collect(),
            bins: recorded.bins.clone(),
            profile: Some(recorded.profile.clone()),
            manifest_path: args.manifest_path.clone(),
            target_dir: args.target_dir.clone(),
            locked: recorded.lock.is_some(),
            no_remap_path_prefix: recorded.keeps_paths,
            offline: args.offline,
            registries: args.registries.clone(),
            talk: args.talk.clone(),
            ..CargoArgs::default()
        },
        ..BuildArgs::default()
    };
    let mut features = recorded.features.iter();
    while let Some(argument) = features.next() {
        match argument.as_str() {
            "--no-default-features" => build.cargo.no_default_features = true,
            "--all-features" => build.cargo.all_features = true,
            "--features" => build.cargo.features.extend(features.next().cloned()),
            other => build.cargo.features.extend(other.strip_prefix("--features=").map(str::to_owned)),
        }
    }
    // Other tables name programs and folders of the machine, or are not shown.
    let configured = recorded.parameters.get("cargoConfig").and_then(Value::as_object).into_iter().flatten();
    let of_cargo = configured.filter(|(key, _)| ["profile.", "unstable."].iter().any(|table| key.starts_with(table)));
    // Text, numbers and arrays are the same in JSON and TOML.
    build.cargo.config = of_cargo.map(|(key, value)| format!("{key}={value}")).collect();
    build.image.no_index = recorded.no_index;
    for target in &recorded.targets {
        build.image.targets.push(known::<Target>("target", target)?);
    }
    let table = &mut build.image.table;
    table.auditable = recorded.auditable.or(Some(true));
    table.compression = Some(known::<Compression>("compression", &recorded.compression)?);
    let allocator = recorded.allocator.as_deref().map(|name| known::<Allocator>("allocator", name)).transpose()?;
    table.allocator = Some(allocator.unwrap_or_default());
    // The place of a local base is not recorded: the table has it.
    if !["oci", "oci-archive"].contains(&recorded.base.as_str()) {
        let base = known::<BaseReference>("base", &recorded.base)?;
        if let (BaseReference::Registry(named), Some(digest)) = (&base, &recorded.base_digest) {
            let tag = named.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
            table.base = Some(known::<BaseReference>("base", &format!("{}{tag}@{digest}", named.location()))?);
            let name = Labels::from_iter([(ANNOTATION_BASE_IMAGE_NAME.to_owned(), Some(base.to_string()))]);
            table.labels = Some(name.clone());
            table.annotations = Some(name);
        } else {
            table.base = Some(base);
        }
    }
    Ok(build)
}

fn known<T: FromStr>(what: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| {
        miette!(
            help = "use the release of cargo-oci that has built the image",
            "cargo-oci {} does not know the {what} `{text}` of its provenance",
            env!("CARGO_PKG_VERSION")
        )
    })
}
