//! What is in an image: its software bill of materials, a pure function of what was planned, resolved and built.
//!
//! | file | what it knows |
//! | --- | --- |
//! | [`crates`] | cargo's resolve → the crates of a program |
//! | `lock`, `license`, [`purl`] | checksums, licences and names of packages |
//! | [`contents`] | image, base, programs, crates, toolchain → a [`Bom`] |
//! | `cyclonedx`, `spdx` | a [`Bom`] → CycloneDX 1.6, SPDX 2.3 |
//!
//! The crates are those of `cargo tree --edges normal` for the target: what is linked, and procedural macros with what they
//! are built from, which run in the compiler alone and are marked so. What build scripts use is not among them, and neither
//! is what tests use. Equal inputs give equal bytes: there is no random serial number, no path of this computer, and no time
//! but the plan's.

pub mod contents;
pub mod crates;
mod cyclonedx;
mod license;
mod lock;
pub mod purl;
mod spdx;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use miette::miette;

use crate::config::SbomFormat;
use crate::error::Result;
use crate::image::canonical_json;
pub use license::License;
pub use lock::Lock;

/// An SBOM is never larger: it is read as a whole by who verifies it, and as a document of an image by us.
pub const MOST_BYTES: usize = 4 << 20;

/// A bill of materials, in no format yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bom {
    /// The one time of all that is made.
    pub created: Timestamp,
    /// What it is of: the id of a component.
    pub root: String,
    /// All there is, by id.
    pub components: BTreeMap<String, Component>,
    /// Which component is made of which, by their ids.
    pub needs: BTreeMap<String, BTreeSet<String>>,
}

/// A thing in an image, or one that it was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Its package URL.
    pub purl: Option<String>,
    /// The name that security advisories know it by (CPE 2.3).
    pub cpe: Option<String>,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Its licence.
    pub license: Option<License>,
    /// What it says of itself, or is for.
    pub description: Option<String>,
    /// Where its sources are developed.
    pub repository: Option<String>,
    /// Where it is presented.
    pub homepage: Option<String>,
    /// Where cargo has it from.
    pub source: Option<String>,
    /// Whether it is in the image; else it was there when that was made.
    pub is_shipped: bool,
}

/// Kinds of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An index, or an image for one platform.
    Image,
    /// The image below.
    Base,
    /// An executable file.
    Program,
    /// A crate.
    Crate,
    /// A part of the toolchain.
    Tool,
}

impl Component {
    /// A thing of which no more is known than its name, and that it is in the image.
    pub fn new(kind: Kind, name: &str) -> Component {
        Component {
            kind,
            name: name.to_owned(),
            version: None,
            purl: None,
            cpe: None,
            sha256: None,
            license: None,
            description: None,
            repository: None,
            homepage: None,
            source: None,
            is_shipped: true,
        }
    }
}

impl Bom {
    /// The document in a format. `what` it is of is said in the error.
    ///
    /// # Errors
    /// When it has more than [`MOST_BYTES`].
    pub fn document(&self, format: SbomFormat, what: &str) -> Result<Vec<u8>> {
        let json = match format {
            SbomFormat::CycloneDx => cyclonedx::document(self),
            SbomFormat::Spdx => spdx::document(self),
        };
        let bytes = canonical_json(&json);
        if bytes.len() > MOST_BYTES {
            return Err(miette!(
                help = "leave it out with `--sbom false`, or `sbom = false` in [package.metadata.oci]; `cargo oci sbom` prints it",
                "the SBOM of {what} has {} bytes as {format}; more than {MOST_BYTES} are not attached",
                bytes.len()
            ));
        }
        Ok(bytes)
    }

    fn needs(&self, id: &str) -> impl Iterator<Item = (&String, &Component)> {
        let ids = self.needs.get(id).into_iter().flatten();
        ids.filter_map(|id| self.components.get_key_value(id))
    }
}

#[cfg(test)]
mod tests {
    use super::contents::{Contents, Named, of_index};
    use super::crates::Crate;
    use super::*;
    use crate::attest::Tool;
    use crate::image::digest::sha256;
    use crate::platform::Platform;

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
        let tool = Tool { name: "rustc".to_owned(), version: "1.96.0".to_owned(), text: "rustc 1.96.0".to_owned() };
        let contents = Contents {
            image: Named { name: "app", version: "1.0.0", digest: None, created: Timestamp::UNIX_EPOCH },
            platform,
            base: (&base, Some(&digest)),
            programs: &[("/app/app".to_owned(), Some(sha256(b"app")))],
            crates,
            tools: &[tool],
        };
        contents.bom()
    }

    #[test]
    fn what_is_linked_for_one_platform_is_shipped_in_the_index() {
        let [amd64, arm64]: [Platform; 2] =
            ["linux/amd64", "linux/arm64"].map(|text| text.parse().expect("a platform"));
        let linked = bom(&[made("app", true, vec![1]), made("a", true, vec![])], &amd64);
        let not = bom(&[made("app", true, vec![1]), made("a", false, vec![])], &arm64);
        let named = Named { name: "app", version: "1.0.0", digest: None, created: Timestamp::UNIX_EPOCH };
        let index = of_index(named, &[not, linked]);
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
    fn one_that_readers_would_refuse_is_refused_with_a_way_out() {
        let platform = "linux/amd64".parse().expect("a platform");
        let crates: Vec<_> = (0..20_000).map(|at| made(&format!("crate-{at}"), true, vec![at])).collect();
        for format in SbomFormat::ALL {
            let error = bom(&crates, &platform).document(format, "app for linux/amd64").unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with("the SBOM of app for linux/amd64 has ") && said.contains("4194304"), "{said}");
            assert!(error.help().expect("help").to_string().contains("--sbom false"));
        }
    }
}
