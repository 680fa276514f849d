//! The bases of a workspace, and what their tags name now, as data. `cargo oci base check --json` prints [`CheckedBases`]:
//!
//! ```json
//! {
//!   "bases": [{
//!     "base": "gcr.io/distroless/static-debian13:nonroot@sha256:…", "state": "behind",
//!     "images": ["hello"], "manifest": "Cargo.toml", "table": "[package.metadata.oci]",
//!     "pinned": { "digest": "sha256:…", "created": "2026-10-01T00:00:00Z", "days": 60 },
//!     "current": { "digest": "sha256:…", "created": "2026-11-20T00:00:00Z", "days": 10 },
//!     "changes": {
//!       "platform": "linux/amd64", "layers": { "added": 2, "kept": 11, "bytes": 40960 },
//!       "packages": { "added": [], "removed": [], "changed": [{ "name": "tzdata", "from": "2026b", "to": "2026c" }] },
//!       "certificates": { "added": 1, "removed": 0 },
//!       "osRelease": [{ "key": "VERSION_ID", "from": "13.1", "to": "13.2" }]
//!     },
//!     "problem": null
//!   }]
//! }
//! ```
//!
//! `manifest` and `table` are `null` for the default base of images whose tables have no key `base`. Fields may be added, but
//! are never removed.

use serde::Serialize;

use super::package_changes::PackageChanges;
use crate::image::Digest;

/// The bases of all images of a workspace.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedBases {
    /// Each key `base`, in the order of the images.
    pub bases: Vec<CheckedBase>,
}

/// A base, and what its tag names now.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedBase {
    /// The base as Cargo.toml has it.
    pub base: String,
    /// What there is to say of it.
    pub state: PinState,
    /// The names of the images that have it.
    pub images: Vec<String>,
    /// The Cargo.toml that names it, or `None` for the default base.
    pub manifest: Option<String>,
    /// The table in it.
    pub table: Option<String>,
    /// The image with the digest in Cargo.toml.
    pub pinned: Option<BaseAge>,
    /// The image that the tag names.
    pub current: Option<BaseAge>,
    /// What differs, if the base is behind and both images can be read.
    pub changes: Option<BaseChanges>,
    /// Why one of the two could not be read, or the tag not resolved.
    pub problem: Option<String>,
}

/// What there is to say of a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinState {
    /// The tag names the pinned image.
    Current,
    /// The tag names another image.
    Behind,
    /// There is no digest.
    NotPinned,
    /// There is a digest, and no tag that could be compared with it.
    NoTag,
    /// What the tag names could not be found out.
    Unknown,
    /// The base is not in a registry.
    NotInRegistry,
}

/// An image of a base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaseAge {
    /// Its digest.
    pub digest: Digest,
    /// When it was created, as its config says.
    pub created: Option<String>,
    /// How many days ago that is, or `None` if the time is made up: many tools that build reproducibly write 1970.
    pub days: Option<i64>,
}

/// What differs between two images of a base.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseChanges {
    /// The platform whose images were compared: the first one that differs.
    pub platform: String,
    /// The layers.
    pub layers: LayerChanges,
    /// The packages of the distribution.
    pub packages: PackageChanges,
    /// The certificates of authorities.
    pub certificates: CertificateChanges,
    /// The fields of os-release.
    pub os_release: Vec<FieldChange>,
}

/// Which layers of an image are new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerChanges {
    /// The number of new layers.
    pub added: usize,
    /// The number of layers that both images have.
    pub kept: usize,
    /// The size of the new layers.
    pub bytes: u64,
}

/// Which certificates differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CertificateChanges {
    /// The number of those that only the new image has.
    pub added: usize,
    /// The number of those that only the old image has.
    pub removed: usize,
}

/// A field with another value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Its name.
    pub key: String,
    /// The value that it had.
    pub from: Option<String>,
    /// The value that it has.
    pub to: Option<String>,
}

impl CheckedBases {
    /// Returns the number of bases in a state.
    pub(crate) fn count(&self, state: PinState) -> usize {
        self.bases.iter().filter(|base| base.state == state).count()
    }
}
