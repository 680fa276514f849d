//! The images that a user names as `REF|PATH`: which text means what.

use miette::{IntoDiagnostic, miette};

use crate::error::Result;
use crate::reference::{BaseReference, OnDisk};

/// What a text means: a layout or an archive that is there, by its path and maybe `:TAG` or `@DIGEST`; else a reference.
///
/// # Errors
/// A path that leads to no image, and what is no reference either.
pub fn reference(text: &str) -> Result<BaseReference> {
    // A path may hold a colon itself.
    for place in [OnDisk { path: text.into(), name: None }, OnDisk::parse(text)] {
        if place.path.is_file() {
            return Ok(BaseReference::Archive(place));
        }
        // A folder that happens to be called as an image is none.
        if place.path.join("index.json").is_file() {
            return Ok(BaseReference::Layout(place));
        }
    }
    if text.starts_with(['.', '/', '~']) {
        return Err(miette!(
            help = "name the folder of a layout, an archive of one, or an image in a registry",
            "there is no OCI layout in {text}"
        ));
    }
    text.parse().into_diagnostic()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_path_that_is_there_is_meant_before_a_reference() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["layout", "a:b"] {
            fs::create_dir(path(name)).expect("a folder");
            fs::write(folder.path().join(name).join("index.json"), "{}").expect("a file");
        }
        fs::create_dir(path("other")).expect("a folder");
        fs::write(path("a.tar"), "").expect("a file");
        let means =
            |text: &str| reference(text).map(|reference| reference.to_string()).map_err(|error| error.to_string());
        let digest = format!("sha256:{}", "0".repeat(64));
        for (kind, name) in [
            ("oci", "layout".to_owned()),
            ("oci", "layout:v1".to_owned()),
            ("oci", format!("layout@{digest}")),
            ("oci", "a:b".to_owned()),
            ("oci", "a:b:c".to_owned()),
            ("oci-archive", "a.tar".to_owned()),
            ("oci-archive", "a.tar:v1".to_owned()),
        ] {
            assert_eq!(means(&path(&name)), Ok(format!("{kind}:{}", path(&name))));
        }
        assert!(means(&path("other")).unwrap_err().contains("no OCI layout"));
        assert_eq!(means("debian:12").as_deref(), Ok("docker.io/library/debian:12"));
        assert_eq!(means("oci:a:b").as_deref(), Ok("oci:a:b"));
    }
}
