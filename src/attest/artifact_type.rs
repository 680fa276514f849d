//! What kind of document a file is, by its name.

use std::path::Path;

use super::statement::IN_TOTO;
use crate::config::SbomFormat;

/// The ends of names, and the artifact types of such files.
const SUFFIXES: [(&str, &str); 11] = [
    // CycloneDX 1.6, "Recognized file patterns"
    (".cdx.json", SbomFormat::CycloneDx.media_type()),
    ("bom.json", SbomFormat::CycloneDx.media_type()),
    (".cdx.xml", "application/vnd.cyclonedx+xml"),
    ("bom.xml", "application/vnd.cyclonedx+xml"),
    // SPDX 2.3, annex "SPDX file extensions"
    (".spdx.json", SbomFormat::Spdx.media_type()),
    (".spdx", "text/spdx"),
    // in-toto attestation framework, "Bundle"
    (".intoto.jsonl", IN_TOTO),
    (".intoto.json", IN_TOTO),
    // openvex/spec; it is attached as a statement
    (".openvex.json", IN_TOTO),
    // SARIF 2.1.0, section 3.3
    (".sarif", "application/sarif+json"),
    (".sarif.json", "application/sarif+json"),
];

/// Returns the artifact type of a file by the end of its name, or `None` if that says nothing.
pub(crate) fn of_file(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, artifact_type)| *artifact_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_type_follows_from_the_name() {
        let found = |name: &str| of_file(Path::new(name));
        assert_eq!(found("out/app.cdx.json"), Some("application/vnd.cyclonedx+json"));
        assert_eq!(found("bom.json"), Some("application/vnd.cyclonedx+json"));
        assert_eq!(found("App.SPDX.json"), Some("application/spdx+json"));
        assert_eq!(found("scan.sarif"), Some("application/sarif+json"));
        for unknown in ["report.txt", "data.json", "spdx", ""] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
    }
}
