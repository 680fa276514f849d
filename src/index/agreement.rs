//! Whether parts belong together, and what they have in common.

use miette::{Report, miette};
use oci_spec::image::{ANNOTATION_BASE_IMAGE_DIGEST, ANNOTATION_REF_NAME, ANNOTATION_REVISION, ANNOTATION_VERSION};

use super::part::IndexPart;
use crate::error::Result;
use crate::image::manifest::Annotations;
use crate::platform::Platform;
use crate::unique::each_once;

/// The annotations that are the same for all images of one build, and what they are of an image.
const SAME: [(&str, &str); 3] =
    [(ANNOTATION_REF_NAME, "images"), (ANNOTATION_VERSION, "versions"), (ANNOTATION_REVISION, "commits")];

impl IndexPart {
    /// Returns whether a machine would take either of the two: also the version of Windows is the same.
    fn is_for_same_machine(&self, other: &IndexPart) -> bool {
        let of_windows = |part: &IndexPart, key: &str| part.entry["platform"][key].clone();
        let is_same = |key| of_windows(self, key) == of_windows(other, key);
        self.platform == other.platform && is_same("os.version") && is_same("os.features")
    }

    fn named(&self) -> String {
        format!("{} ({})", self.platform, self.origin)
    }
}

/// Adds parts to others, unless they are among them. An edit can remove what is there.
///
/// # Errors
/// Returns an error if two different parts are for the same platform.
pub(super) fn add(parts: &mut Vec<IndexPart>, more: impl IntoIterator<Item = IndexPart>, is_edit: bool) -> Result<()> {
    for part in more {
        let twin = parts.iter().find(|known| known.is_for_same_machine(&part));
        match twin {
            None => parts.push(part),
            Some(twin) if twin.descriptor.digest() == part.descriptor.digest() => {}
            Some(twin) => {
                let way = if is_edit {
                    format!("leave it out, or add `--remove {}` to replace the image that is there", part.platform)
                } else {
                    "leave one of them out".to_owned()
                };
                return Err(miette!(
                    help = way,
                    "two different images are for {}: {} ({}) and {} ({})",
                    part.platform,
                    twin.descriptor.digest(),
                    twin.origin,
                    part.descriptor.digest(),
                    part.origin
                ));
            }
        }
    }
    Ok(())
}

/// Checks that parts are of one image, one version and one commit, as far as they say it.
///
/// # Errors
/// Returns an error that names two that are not.
pub(super) fn check(parts: &[IndexPart]) -> Result<()> {
    for (key, what) in SAME {
        let mut named = parts.iter().filter_map(|part| Some((part, part.annotations.get(key)?)));
        let Some((first, value)) = named.next() else { continue };
        if let Some((other, different)) = named.find(|(_, other)| *other != value) {
            return Err(miette!(
                help = "build all parts from one commit; to make the index anyway, add `--allow-mixed`",
                "the parts are of different {what}: {value}, {}, and {different}, {}",
                first.named(),
                other.named()
            ));
        }
    }
    Ok(())
}

/// Checks that there is a part for each of these platforms. `origins` are the sources that were asked.
///
/// # Errors
/// Returns an error that names the platforms without a part, and what each source has.
pub(super) fn check_required(parts: &[IndexPart], required: &[Platform], origins: &[String]) -> Result<()> {
    let is_missing = |platform: &&Platform| parts.iter().all(|part| part.platform != **platform);
    let missing: Vec<_> = required.iter().filter(is_missing).collect();
    let [first, ..] = missing[..] else { return Ok(()) };
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    let from = |origin: &String| {
        let own = parts.iter().filter(|part| part.origin == *origin).map(|part| part.platform.to_string());
        let own = each_once(own).join(", ");
        if own.is_empty() { format!("{origin} has none") } else { format!("{origin} has {own}") }
    };
    let found: Vec<_> = origins.iter().map(from).collect();
    Err(miette!(
        help = format!(
            "push it, as with `cargo oci push --by-digest --platform {first} --metadata-file FILE`, and name what that has written; \
             or name the platforms that are required with `--require`"
        ),
        "there is no image for {}: {}",
        names.join(", "),
        found.join("; ")
    ))
}

/// Returns the annotations that all parts have.
pub(super) fn common_annotations(parts: &[IndexPart]) -> Annotations {
    let Some((first, rest)) = parts.split_first() else { return Annotations::new() };
    let mut common = first.annotations.clone();
    common.retain(|key, value| rest.iter().all(|part| part.annotations.get(key) == Some(value)));
    common
}

/// Returns a warning if parts of one commit stand on different bases.
pub(super) fn warn_of_bases(parts: &[IndexPart]) -> Option<String> {
    let bases = parts.iter().filter_map(|part| Some((part, part.annotations.get(ANNOTATION_BASE_IMAGE_DIGEST)?)));
    let mut bases = bases.collect::<Vec<_>>().into_iter();
    let (first, base) = bases.next()?;
    let (other, different) = bases.find(|(_, different)| *different != base)?;
    Some(format!(
        "the parts have different bases: {base}, {}, and {different}, {}; pin the digest of the base, so that all runs use the same",
        first.named(),
        other.named()
    ))
}

/// Removes platforms.
///
/// # Errors
/// Returns an error if one is not there.
pub(super) fn remove(parts: &mut Vec<IndexPart>, platforms: &[Platform], index: &str) -> Result<()> {
    for platform in platforms {
        if parts.iter().all(|part| part.platform != *platform) {
            return Err(not_there(platform, parts, index));
        }
        parts.retain(|part| part.platform != *platform);
    }
    Ok(())
}

fn not_there(platform: &Platform, parts: &[IndexPart], index: &str) -> Report {
    let names = each_once(parts.iter().map(|part| part.platform.to_string()));
    miette!(help = format!("it has {}", names.join(", ")), "{index} has no image for {platform}")
}

#[cfg(test)]
mod tests {
    use oci_spec::image::{Descriptor, MediaType};

    use super::*;
    use crate::image::digest::sha256;

    fn part(platform: &str, origin: &str, annotations: &[(&str, &str)]) -> IndexPart {
        IndexPart {
            platform: platform.parse().expect("a platform"),
            descriptor: Descriptor::new(MediaType::ImageManifest, 1, sha256(origin.as_bytes())),
            entry: serde_json::Value::Null,
            annotations: annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            content: Vec::new(),
            origin: origin.to_owned(),
            attestations: Vec::new(),
        }
    }

    #[test]
    fn parts_of_two_commits_are_refused() {
        let of = |commit| [(ANNOTATION_REVISION, commit), (ANNOTATION_VERSION, "1.0.0")];
        let mut parts = vec![part("linux/amd64", "a.json", &of("abc")), part("linux/arm64", "b.json", &of("abc"))];
        assert!(check(&parts).is_ok());
        // Images of other tools say nothing.
        parts.push(part("linux/s390x", "c", &[]));
        assert!(check(&parts).is_ok());
        parts.push(part("linux/ppc64le", "d.json", &of("def")));
        let error = check(&parts).expect_err("is mixed").to_string();
        let expected = "the parts are of different commits: abc, linux/amd64 (a.json), and def, linux/ppc64le (d.json)";
        assert_eq!(error, expected);
    }

    #[test]
    fn platform_is_there_once() {
        let mut parts = vec![part("linux/arm64", "a", &[])];
        add(&mut parts, [part("linux/arm64", "a", &[]), part("linux/amd64", "b", &[])], false).expect("adds");
        assert_eq!(parts.len(), 2);
        let error = add(&mut parts, [part("linux/arm64/v8", "c", &[])], true).expect_err("is there").to_string();
        assert!(error.starts_with("two different images are for linux/arm64/v8: sha256:"), "{error}");
        let platforms = ["linux/arm64".parse().expect("a platform")];
        remove(&mut parts, &platforms, "x").expect("removes");
        assert_eq!(
            remove(&mut parts, &platforms, "x").expect_err("is gone").to_string(),
            "x has no image for linux/arm64"
        );
    }

    #[test]
    fn missing_platform_names_what_each_source_has() {
        let parts = [part("linux/amd64", "a.json", &[]), part("linux/386", "a.json", &[])];
        let required = ["linux/arm64".parse().expect("a platform"), "linux/amd64".parse().expect("a platform")];
        let origins = ["a.json".to_owned(), "b.json".to_owned()];
        let error = check_required(&parts, &required, &origins).expect_err("lacks one").to_string();
        assert_eq!(error, "there is no image for linux/arm64: a.json has linux/amd64, linux/386; b.json has none");
        assert!(check_required(&parts, &required[1..], &origins).is_ok());
    }

    #[test]
    fn index_has_what_all_parts_say() {
        let parts =
            [part("linux/amd64", "a", &[("x", "1"), ("y", "2")]), part("linux/386", "b", &[("x", "1"), ("y", "3")])];
        assert_eq!(common_annotations(&parts), Annotations::from([("x".to_owned(), "1".to_owned())]));
        assert_eq!(common_annotations(&[]), Annotations::new());
    }
}
