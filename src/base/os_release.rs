//! Which release of which distribution a base is made of: its `os-release` (os-release(5)), or the name it was pulled by.

use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::image::Layer;
use crate::image::layer::decompress::TarLimit;
use crate::image::layer::tar_reader::TarEntryKind;
use crate::reference::BaseReference;
use crate::store::Source;
use crate::store::error::read_error;

/// No distribution has a longer name.
const MOST_CHARS: usize = 80;
/// The file is a few lines.
const MOST_BYTES: u64 = 64 << 10;

/// What an `os-release` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OsRelease {
    /// `ID`: the distribution, in lowercase.
    pub id: String,
    /// `VERSION_ID`: the release; empty if the distribution has none. A name may say the code name instead.
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: String,
    /// `SUPPORT_END`: the last day with support, as it is written.
    pub support_end: String,
}

impl OsRelease {
    /// Parses the file.
    pub(crate) fn parse(text: &str) -> OsRelease {
        let mut release = OsRelease::default();
        for (key, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
            let value = value.trim_matches(['"', '\'']).to_owned();
            match key {
                "ID" => release.id = value,
                "VERSION_ID" => release.version = value,
                "PRETTY_NAME" => release.name = value.chars().take(MOST_CHARS).collect(),
                "SUPPORT_END" => release.support_end = value,
                _ => {}
            }
        }
        release
    }

    /// Finds the file in layers, the lowest first: the first that has one is the distribution's own. Returns `None` if none
    /// has it.
    ///
    /// # Errors
    /// Returns an error if a layer cannot be read.
    pub(crate) fn find(source: &dyn Source, layers: &[Layer]) -> Result<Option<OsRelease>> {
        let limit = TarLimit::of(layers.iter().map(|layer| &layer.descriptor));
        for layer in layers {
            let mut found = None;
            layer.read(source, &limit, |entries| {
                while let Some(entry) = entries.next_entry().map_err(read_error)? {
                    // /etc/os-release is mostly a link to the other one.
                    if matches!(entry.kind, TarEntryKind::File(_)) && is_os_release(&entry.path) {
                        let mut text = Vec::new();
                        entries.by_ref().take(MOST_BYTES).read_to_end(&mut text).map_err(read_error)?;
                        found = Some(OsRelease::parse(&String::from_utf8_lossy(&text)));
                    }
                }
                Ok(())
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Returns what the name of a base says: that of distroless' images, and of Docker's official ones, wherever they are
    /// mirrored.
    pub(crate) fn by_name(base: &BaseReference) -> Option<OsRelease> {
        let BaseReference::Registry(reference) = base else { return None };
        let (folders, image) = reference.repository().rsplit_once('/')?;
        let release = |id: &str, version: &str, name: &str| {
            let (id, version, name) = (id.to_owned(), version.to_owned(), name.to_owned());
            Some(OsRelease { id, version, name, support_end: String::new() })
        };
        if folders.split('/').any(|folder| folder == "distroless") {
            let (_, version) = image.rsplit_once("-debian")?;
            return release("debian", version, "Distroless");
        }
        // The tag is not part of the reference's name if there is a digest.
        let text = reference.to_string();
        let (_, tag) = text.split('@').next()?.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
        let is_official = folders == "library" || folders.ends_with("/library");
        is_official.then(|| release(image, tag.split('-').next().unwrap_or(tag), "")).flatten()
    }
}

fn is_os_release(path: &[u8]) -> bool {
    let path = path.strip_prefix(b"./").or_else(|| path.strip_prefix(b"/")).unwrap_or(path);
    path == b"etc/os-release" || path == b"usr/lib/os-release"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_parsed_as_shells_do() {
        let text =
            "PRETTY_NAME=\"Fedora Linux 41\"\n# ID=no\nID='fedora'\n\nVERSION_ID=41\nSUPPORT_END=2025-12-15\nODD\n";
        let found = OsRelease::parse(text);
        assert_eq!((found.id.as_str(), found.version.as_str()), ("fedora", "41"));
        assert_eq!((found.name.as_str(), found.support_end.as_str()), ("Fedora Linux 41", "2025-12-15"));
        assert_eq!(OsRelease::parse(""), OsRelease::default());
    }

    #[test]
    fn names_of_official_images_say_the_release() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let by_name = |name: &str| {
            OsRelease::by_name(&name.parse().expect(name)).map(|found| [found.id, found.version, found.name].join(" "))
        };
        for (name, release) in [
            ("gcr.io/distroless/static-debian11:nonroot".to_owned(), "debian 11 Distroless"),
            ("registry.example.com/mirror/distroless/cc-debian12".to_owned(), "debian 12 Distroless"),
            ("debian:bookworm-slim".to_owned(), "debian bookworm "),
            ("alpine:3.18.4".to_owned(), "alpine 3.18.4 "),
            (format!("public.ecr.aws/docker/library/ubuntu:22.04@{digest}"), "ubuntu 22.04 "),
        ] {
            assert_eq!(by_name(&name).as_deref(), Some(release), "{name}");
        }
        let no_tag = format!("alpine@{digest}");
        for other in ["gcr.io/distroless/static:nonroot", "ghcr.io/acme/debian:11", "oci:debian:11", "scratch", &no_tag]
        {
            assert_eq!(by_name(other), None, "{other}");
        }
    }
}
