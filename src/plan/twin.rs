//! The debug twin of an image: the same image over the variant of its base that has a shell.

use miette::miette;

use super::image::ImagePlan;
use crate::cli::DebugTwin;
use crate::config::check::check_tag;
use crate::error::Result;
use crate::reference::{BaseReference, Reference};

/// What the tags of a twin end with.
const SUFFIX: &str = "-debug";
/// The debug variant of the bases that are no image in a registry: those have what distroless has, or less.
const FOR_EMBEDDED: &str = "gcr.io/distroless/static-debian13:debug-nonroot";
const FOR_SCRATCH: &str = "gcr.io/distroless/static-debian13:debug";
/// Official images of Docker Hub that have a shell themselves.
const WITH_SHELL: [&str; 9] =
    ["almalinux", "alpine", "amazonlinux", "busybox", "debian", "fedora", "oraclelinux", "rockylinux", "ubuntu"];

/// Makes an image its own debug twin. Returns a warning if the twin is over another release of the base than the image.
///
/// # Errors
/// Returns an error if no debug variant of the base is known, or the tag is one of the image.
pub(super) fn make_twin(image: &mut ImagePlan, twin: &DebugTwin) -> Result<Option<String>> {
    let base = twin_base(image)?;
    image.tags = twin_tags(image, twin)?;
    let name = image.layout.file_name().unwrap_or_default().to_owned();
    image.layout.set_file_name(format!("{}.debug", name.to_string_lossy()));
    // These are about the image that is deployed.
    image.max_size = None;
    image.tests = Vec::new();
    let is_pinned = matches!(&image.base, BaseReference::Registry(base) if base.name().digest().is_some());
    let is_current = matches!(&base, BaseReference::Registry(base) if base.name().tag().is_some());
    let warning = (is_pinned && is_current).then(|| {
        format!(
            "the debug twin of {} is over what {base} names today: the digest in `{}` is that of the variant without a shell",
            image.name, image.base
        )
    });
    image.base = base;
    Ok(warning)
}

fn twin_base(image: &ImagePlan) -> Result<BaseReference> {
    if let Some(base) = &image.debug_base {
        return Ok(base.clone());
    }
    debug_base(&image.base).ok_or_else(|| {
        miette!(
            help = "name one: set `debug-base` in [package.metadata.oci] to an image that has a shell, and else what the base has",
            "cannot make the debug twin of {}: no debug variant of the base {} is known",
            image.name,
            image.base
        )
    })
}

fn twin_tags(image: &ImagePlan, twin: &DebugTwin) -> Result<Vec<String>> {
    let tags: Vec<_> = match &twin.tag {
        Some(tag) => vec![tag.clone()],
        None => image.tags.iter().map(|tag| format!("{tag}{SUFFIX}")).collect(),
    };
    if let Some(tag) = tags.iter().find(|tag| image.tags.contains(tag)) {
        return Err(miette!(
            help = "choose another, as in `--debug-tag=debug`",
            "the debug twin of {} cannot have the tag {tag}: the image has it",
            image.name
        ));
    }
    for tag in &tags {
        check_tag(tag).map_err(|why| miette!(help = "choose one with `--debug-tag=TAG`", "{why}"))?;
    }
    Ok(tags)
}

/// Returns the variant of a base that has a shell, by the habits of those who publish it: the base itself, if it has one.
fn debug_base(base: &BaseReference) -> Option<BaseReference> {
    let reference = match base {
        BaseReference::Embedded => return FOR_EMBEDDED.parse().ok(),
        BaseReference::Scratch => return FOR_SCRATCH.parse().ok(),
        BaseReference::Registry(reference) => reference,
        BaseReference::Layout(_) | BaseReference::Archive(_) => return None,
    };
    let parts: Vec<_> = reference.repository().split('/').collect();
    let is_of = |name: &str| parts[..parts.len() - 1].contains(&name);
    if reference.is_on_docker_hub() && is_of("library") && WITH_SHELL.contains(parts.last()?) {
        return Some(base.clone());
    }
    let tag = reference.tag()?;
    let tag = if is_of("distroless") {
        of_distroless(tag)?
    } else if is_of("chainguard") || reference.registry() == "cgr.dev" {
        let has_shell = ["wolfi-base", "busybox", "bash"].contains(parts.last()?);
        if has_shell || tag.ends_with("-dev") { tag.to_owned() } else { format!("{tag}-dev") }
    } else {
        return None;
    };
    reference.with_tag(&tag).parse::<Reference>().ok().map(BaseReference::Registry)
}

/// Returns distroless's tag with `debug`: it stands for `latest`, and before `nonroot` and an architecture.
fn of_distroless(tag: &str) -> Option<String> {
    let (name, architecture) = tag.split_once('-').map_or((tag, None), |(name, rest)| (name, Some(rest)));
    let name = match (name, architecture) {
        ("debug", _) => return Some(tag.to_owned()),
        ("latest", _) => "debug".to_owned(),
        ("nonroot", _) => "debug-nonroot".to_owned(),
        _ => return None,
    };
    Some(architecture.map_or(name.clone(), |architecture| format!("{name}-{architecture}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_bases_are_those_of_their_families() {
        let digest = format!("@sha256:{}", "0".repeat(64));
        for (base, twin) in [
            ("gcr.io/distroless/static-debian13:nonroot", Some("gcr.io/distroless/static-debian13:debug-nonroot")),
            ("gcr.io/distroless/cc", Some("gcr.io/distroless/cc:debug")),
            ("gcr.io/distroless/cc:latest-arm64", Some("gcr.io/distroless/cc:debug-arm64")),
            ("gcr.io/distroless/cc:nonroot-amd64", Some("gcr.io/distroless/cc:debug-nonroot-amd64")),
            ("gcr.io/distroless/cc:debug-nonroot", Some("gcr.io/distroless/cc:debug-nonroot")),
            (
                "mirror.example.org/gcr/distroless/cc:nonroot",
                Some("mirror.example.org/gcr/distroless/cc:debug-nonroot"),
            ),
            ("cgr.dev/chainguard/static", Some("cgr.dev/chainguard/static:latest-dev")),
            ("cgr.dev/acme.com/glibc-dynamic:1", Some("cgr.dev/acme.com/glibc-dynamic:1-dev")),
            ("chainguard/static:latest-dev", Some("docker.io/chainguard/static:latest-dev")),
            ("cgr.dev/chainguard/wolfi-base", Some("cgr.dev/chainguard/wolfi-base:latest")),
            ("debian:13", Some("docker.io/library/debian:13")),
            ("embedded", Some(FOR_EMBEDDED)),
            ("scratch", Some(FOR_SCRATCH)),
            ("ghcr.io/acme/base:1", None),
            ("gcr.io/distroless/cc:0123abc", None),
            ("oci:base", None),
            ("ghcr.io/acme/distroless:nonroot", None),
        ] {
            let found = debug_base(&base.parse().expect("a base")).map(|base| base.to_string());
            assert_eq!(found.as_deref(), twin, "{base}");
        }
        let pinned = |text: &str| debug_base(&format!("{text}{digest}").parse().expect("a base"));
        let found = pinned("gcr.io/distroless/cc:nonroot").map(|base| base.to_string());
        assert_eq!(found.as_deref(), Some("gcr.io/distroless/cc:debug-nonroot"));
        assert_eq!(pinned("gcr.io/distroless/cc"), None);
    }
}
