//! A base image: its manifests and configs, and how old it is.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `listing`, `image` | an index → the image for each platform |
//! | [`embedded`], [`certificates`] | the base in cargo-oci itself |
//! | `shell` | the shell that a base starts by default |
//! | [`os_release`], [`end_of_life`] | the distribution that a base is made of, and until when it is fixed |

pub(crate) mod certificates;
pub(crate) mod embedded;
pub(crate) mod end_of_life;
mod image;
mod listing;
pub(crate) mod os_release;
mod shell;

use miette::{Context, Report, miette};
use oci_spec::image::Descriptor;

use crate::error::Result;
use crate::platform::{PlatformChoice, TARGETS, Target};
use crate::store::Source;
pub(crate) use image::BaseImage;
use listing::{ListedImage, list_images};
pub(crate) use shell::shell_of;

/// A base image, of which only manifests and configs have been read.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    /// The descriptor that its reference named when this run began, or `None` for `scratch`.
    pub root: Option<Descriptor>,
    /// Its images for the chosen platforms, in that order.
    pub images: Vec<BaseImage>,
}

impl Base {
    /// Creates `scratch`: a base without files, for any platform.
    pub(crate) fn scratch(choices: &[PlatformChoice]) -> Base {
        let mut images = Vec::new();
        for choice in choices {
            match choice {
                PlatformChoice::One(target) => images.push(BaseImage::scratch(*target)),
                PlatformChoice::All(libc) => {
                    images.extend(TARGETS.map(|target| BaseImage::scratch(target.with_libc(*libc))));
                }
            }
        }
        Base { root: None, images: without_repeats(images) }
    }

    /// Reads the base that `root` describes in `source`.
    ///
    /// # Errors
    /// Returns an error if it is not an image, contradicts itself, or has no image for a chosen platform.
    pub(crate) fn read(source: &dyn Source, root: Descriptor, choices: &[PlatformChoice]) -> Result<Base> {
        let images = read_images(source, &root, choices)?;
        Ok(Base { root: Some(root), images })
    }
}

fn read_images(source: &dyn Source, root: &Descriptor, choices: &[PlatformChoice]) -> Result<Vec<BaseImage>> {
    let unusable = || format!("cannot use {} from {}", root.digest(), source.location());
    let listed = list_images(source, root).wrap_err_with(unusable)?;
    let mut images = Vec::new();
    for choice in choices {
        match choice {
            PlatformChoice::One(target) => {
                let candidates = listed.iter().filter(|image| image.platform == target.platform());
                let mut read = candidates.filter_map(|image| image.read(source, *target).transpose());
                let image = read.next().transpose().wrap_err_with(unusable)?;
                images.push(image.ok_or_else(|| missing(source, *target, &listed))?);
            }
            PlatformChoice::All(libc) => {
                for image in &listed {
                    if let Some(target) = image.platform.target() {
                        images.extend(image.read(source, target.with_libc(*libc)).wrap_err_with(unusable)?);
                    }
                }
            }
        }
    }
    if images.is_empty() {
        return Err(miette!("Rust has no musl target for any platform of {}: {}", source.location(), list(&listed)));
    }
    Ok(without_repeats(images))
}

/// Removes images for the same target: a platform that was chosen twice is built once.
fn without_repeats(images: Vec<BaseImage>) -> Vec<BaseImage> {
    let mut kept: Vec<BaseImage> = Vec::new();
    for image in images {
        if kept.iter().all(|other| other.target != image.target) {
            kept.push(image);
        }
    }
    kept
}

fn missing(source: &dyn Source, target: Target, listed: &[ListedImage]) -> Report {
    miette!(
        help = format!(
            "choose another platform with `--platform` or the key `platforms`, or use another image; it has {}",
            list(listed)
        ),
        "{} has no image for {}",
        source.location(),
        target.platform()
    )
}

fn list(listed: &[ListedImage]) -> String {
    if listed.is_empty() {
        return "no platform".to_owned();
    }
    let names: Vec<_> = listed.iter().map(|image| image.platform.to_string()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config::Object;
    use crate::image::manifest::{Annotations, config, image, index};
    use crate::platform::Platform;
    use crate::store::Memory;
    use oci_spec::image::MediaType;
    use serde_json::json;

    /// Stores an image with one layer without content.
    fn single(memory: &Memory, platform: &str, diff_ids: usize) -> Descriptor {
        let platform: Platform = platform.parse().expect("a platform");
        let diff_ids = vec![crate::image::digest::sha256(b""); diff_ids];
        let content =
            json!({"os": platform.os, "architecture": platform.architecture, "rootfs": {"diff_ids": diff_ids}});
        let config = memory.put_document(config(content.as_object().expect("an object").clone()));
        let mut layer = config.clone();
        layer.set_media_type(MediaType::from(crate::image::media_type::DOCKER_LAYER));
        memory.put_document(image(&config, &[layer], &Annotations::new()))
    }

    fn choices(platforms: &[&str]) -> Vec<PlatformChoice> {
        platforms.iter().map(|platform| platform.parse().expect("a platform")).collect()
    }

    fn error(result: Result<Base>) -> String {
        let error = result.expect_err("is rejected");
        let mut words: Vec<_> = error.chain().map(ToString::to_string).collect();
        words.extend(error.help().map(|help| help.to_string()));
        words.join(": ")
    }

    #[test]
    fn images_have_the_order_of_the_choices() {
        let memory = Memory::default();
        let of = |platform: &str| (platform.parse().expect("a platform"), single(&memory, platform, 1));
        let images = [of("linux/amd64"), of("windows/amd64"), of("linux/arm64/v8"), of("unknown/unknown")];
        let root = memory.put_document(index(&images, &Annotations::new()));
        let base = Base::read(&memory, root.clone(), &choices(&["linux/arm64", "linux/amd64"])).expect("reads");
        let found: Vec<_> = base.images.iter().map(|image| image.platform.to_string()).collect();
        assert_eq!(found, ["linux/arm64/v8", "linux/amd64"]);
        assert_eq!(base.images[0].layers[0].media_type(), &MediaType::ImageLayerGzip);
        let base = Base::read(&memory, root.clone(), &choices(&["all", "linux/amd64"])).expect("reads");
        assert_eq!(base.images.len(), 2);
        let error = error(Base::read(&memory, root, &choices(&["linux/riscv64"])));
        assert!(error.contains("no image for linux/riscv64"), "{error}");
        assert!(error.ends_with("it has linux/amd64, linux/arm64/v8, windows/amd64"), "{error}");
    }

    #[test]
    fn manifest_without_index_has_platform_of_config() {
        let memory = Memory::default();
        let root = single(&memory, "linux/arm64", 1);
        assert!(Base::read(&memory, root.clone(), &choices(&["linux/arm64"])).is_ok());
        assert!(error(Base::read(&memory, root, &choices(&["linux/amd64"]))).ends_with("it has linux/arm64"));
    }

    #[test]
    fn contradictory_base_is_rejected() {
        let memory = Memory::default();
        let root = single(&memory, "linux/amd64", 2);
        assert!(error(Base::read(&memory, root, &choices(&["all"]))).contains("1 layers, but its config has 2"));
    }

    #[test]
    fn platform_of_index_counts_before_that_of_config() {
        let memory = Memory::default();
        let lie = [("linux/arm64".parse().expect("a platform"), single(&memory, "linux/amd64", 1))];
        let root = memory.put_document(index(&lie, &Annotations::new()));
        let base = Base::read(&memory, root.clone(), &choices(&["linux/arm64"])).expect("reads");
        let other = base.images[0].other_platform.as_ref().map(ToString::to_string);
        assert_eq!(
            (base.images[0].platform.to_string(), other),
            ("linux/arm64".to_owned(), Some("linux/amd64".to_owned()))
        );
        assert!(error(Base::read(&memory, root, &choices(&["linux/amd64"]))).ends_with("it has linux/arm64"));
    }

    #[test]
    fn artifacts_in_an_index_are_passed_over() {
        let memory = Memory::default();
        let mut artifact_config = memory.put_document(config(Object::new()));
        artifact_config.set_media_type(MediaType::Other("application/vnd.example".to_owned()));
        let artifact = memory.put_document(image(&artifact_config, &[], &Annotations::new()));
        let mut typed = artifact.clone();
        typed.set_artifact_type(Some(MediaType::Other("application/vnd.example".to_owned())));
        let amd = single(&memory, "linux/amd64", 1);
        let of = |entry: &Descriptor, platform: Option<&str>| {
            let mut entry = json!(entry);
            if let Some(architecture) = platform {
                entry["platform"] = json!({"os": "linux", "architecture": architecture});
            }
            entry
        };
        // Also those that the index lists for the platform, before the image.
        let entries =
            [of(&artifact, None), of(&typed, Some("amd64")), of(&artifact, Some("amd64")), of(&amd, Some("amd64"))];
        let bytes = crate::image::canonical_json(&json!({ "manifests": entries }));
        let root = Descriptor::new(MediaType::ImageIndex, bytes.len() as u64, crate::image::digest::sha256(&bytes));
        memory.put(&root, bytes);
        for chosen in ["linux/amd64", "all"] {
            let base = Base::read(&memory, root.clone(), &choices(&[chosen])).expect("reads");
            assert_eq!(base.images.len(), 1, "{chosen}");
        }
        assert!(error(Base::read(&memory, artifact, &choices(&["all"]))).contains("vnd.example"));
    }

    #[test]
    fn index_without_platforms_is_read_by_configs() {
        let memory = Memory::default();
        let image = single(&memory, "linux/arm64", 1);
        let bare =
            json!({"manifests": [image, {"odd": 1}, {"mediaType": "text/plain", "digest": image.digest(), "size": 1}]});
        let bytes = crate::image::canonical_json(&bare);
        let root = Descriptor::new(MediaType::ImageIndex, bytes.len() as u64, crate::image::digest::sha256(&bytes));
        memory.put(&root, bytes);
        let read = Base::read(&memory, root, &choices(&["all"])).expect("reads");
        assert_eq!(read.images[0].platform.to_string(), "linux/arm64");
    }

    #[test]
    fn repeated_entries_are_read_once() {
        let memory = Memory::default();
        let mut root = single(&memory, "linux/amd64", 1);
        for _ in 0..3 {
            let entries = vec![json!(root); 1_000];
            let bytes = crate::image::canonical_json(&json!({"manifests": entries}));
            root = Descriptor::new(MediaType::ImageIndex, bytes.len() as u64, crate::image::digest::sha256(&bytes));
            memory.put(&root, bytes);
        }
        assert!(Base::read(&memory, root, &choices(&["linux/amd64"])).is_ok());
    }

    #[test]
    fn artifact_is_rejected_with_its_type() {
        let memory = Memory::default();
        let artifact = memory.put_document(config(Object::new()));
        assert!(error(Base::read(&memory, artifact, &choices(&["all"]))).contains("image.config.v1+json"));
    }
}
