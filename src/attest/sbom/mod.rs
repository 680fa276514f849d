//! Software bills of materials, computed from the plan, cargo's resolve and the build.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`crates`] | cargo's resolve → the crates of a binary |
//! | `lock`, `license`, [`purl`] | checksums, licenses and package URLs |
//! | [`bom`] | a [`Bom`]: components and their dependencies, in no format |
//! | [`contents`] | image, base, binaries, crates, toolchain → a [`Bom`] |
//! | `cyclonedx`, `spdx` | a [`Bom`] → CycloneDX 1.6, SPDX 2.3 |
//! | [`mod@merge`] | the SBOMs of images → that of their index |
//!
//! The crates are those of `cargo tree --edges normal` for the target: linked crates, and procedural macros with their
//! dependencies, which are marked as not shipped. Dependencies of build scripts and tests are left out. Equal inputs give
//! equal bytes: there is no random serial number, no local path, and no time but the plan's.

pub(crate) mod bom;
pub(crate) mod contents;
pub(crate) mod crates;
mod cyclonedx;
mod license;
mod lock;
pub(crate) mod merge;
pub(crate) mod moved;
pub(crate) mod purl;
mod spdx;

use miette::miette;
use serde_json::Value;

use crate::config::SbomFormat;
use crate::error::Result;
use crate::image::canonical_json;
pub(crate) use bom::Bom;
pub(crate) use lock::Lock;

/// The most bytes of an SBOM: it is read into memory to be verified, and as a document of an image.
pub(crate) const MOST_BYTES: usize = 4 << 20;

impl Bom {
    /// Returns the SBOM in a format. The error names the subject as `what`.
    ///
    /// # Errors
    /// Returns an error if it has more than [`MOST_BYTES`].
    pub(crate) fn document(&self, format: SbomFormat, what: &str) -> Result<Vec<u8>> {
        let json = match format {
            SbomFormat::CycloneDx => cyclonedx::document(self),
            SbomFormat::Spdx => spdx::document(self),
        };
        bytes(&json, format, what)
    }
}

/// Returns the bytes of an SBOM. The error names the subject as `what`.
///
/// # Errors
/// Returns an error if there are more than [`MOST_BYTES`].
fn bytes(json: &Value, format: SbomFormat, what: &str) -> Result<Vec<u8>> {
    let bytes = canonical_json(json);
    if bytes.len() > MOST_BYTES {
        return Err(miette!(
            help = "disable it with `--sbom false`, or `sbom = false` in [package.metadata.oci]; print it with `cargo oci sbom`",
            "the SBOM of {what} has {} bytes as {format}: the limit is {MOST_BYTES}",
            bytes.len()
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::contents::{ImageContents, ProgramFile, SbomSubject, of_index};
    use super::crates::Crate;
    use super::*;
    use crate::attest::base::ResolvedBase;
    use crate::image::digest::sha256;
    use crate::platform::Platform;
    use crate::release::Release;
    use jiff::Timestamp;

    const SUBJECT: SbomSubject =
        SbomSubject { name: "app", version: "1.0.0", digest: None, created: Timestamp::UNIX_EPOCH };

    fn made(name: &str, is_linked: bool, needs: Vec<usize>) -> Crate {
        Crate {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            purl: format!("pkg:cargo/{name}@1.0.0"),
            source: "path".to_owned(),
            checksum: None,
            license: None,
            description: None,
            repository: None,
            homepage: None,
            is_linked,
            needs,
        }
    }

    fn bom(crates: &[Crate], platform: &Platform) -> Bom {
        let (base, digest) = ("gcr.io/a/static:1".parse().expect("a base"), sha256(b"base"));
        let (program, version) = ("rustc".to_owned(), "1.96.0".to_owned());
        let contents = ImageContents {
            image: SUBJECT,
            platform,
            base: Some(ResolvedBase { reference: &base, digest: &digest }),
            programs: &[ProgramFile { path: "/app/app".to_owned(), digest: Some(sha256(b"app")) }],
            crates,
            tools: &[Release { program, version, text: "rustc 1.96.0".to_owned() }],
        };
        contents.bom()
    }

    #[test]
    fn index_ships_crates_linked_for_any_platform() {
        let [amd64, arm64]: [Platform; 2] =
            ["linux/amd64", "linux/arm64"].map(|text| text.parse().expect("a platform"));
        let linked = bom(&[made("app", true, vec![1]), made("a", true, vec![])], &amd64);
        let not_linked = bom(&[made("app", true, vec![1]), made("a", false, vec![])], &arm64);
        let index = of_index(SUBJECT, &[not_linked, linked]);
        assert!(index.components["pkg:cargo/a@1.0.0"].is_shipped);
        assert_eq!(
            index.needs("index").map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
            ["image:linux/amd64", "image:linux/arm64"]
        );
        for format in SbomFormat::ALL {
            let once = index.document(format, "app").expect("is small");
            assert_eq!(once, index.document(format, "app").expect("is small"));
        }
    }

    #[test]
    fn document_over_the_limit_is_rejected() {
        let platform = "linux/amd64".parse().expect("a platform");
        let crates: Vec<_> = (0..20_000).map(|at| made(&format!("crate-{at}"), true, vec![at])).collect();
        for format in SbomFormat::ALL {
            let error = bom(&crates, &platform).document(format, "app for linux/amd64").unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with("the SBOM of app for linux/amd64 has "), "{message}");
            assert!(message.ends_with("the limit is 4194304"), "{message}");
            assert!(error.help().expect("help").to_string().contains("--sbom false"));
        }
    }
}
