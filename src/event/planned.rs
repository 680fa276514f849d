//! What a push would send, as data.

use serde::Serialize;

use crate::image::Digest;

/// The push of an image to a repository, before it is done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedPush {
    /// The name of the image.
    pub image: String,
    /// `registry/repository`.
    pub to: String,
    /// The digest of the index, or of the only manifest.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<PlannedTag>,
    /// What is signed: `index`, and platforms.
    pub signed: Vec<String>,
    /// Its content.
    pub content: Vec<PlannedContent>,
}

/// A tag that would be set.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedTag {
    /// The tag.
    pub name: String,
    /// What it refers to now, if it exists.
    pub before: Option<Digest>,
}

/// A blob or a manifest of the image, or one that is attached to it.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedContent {
    /// What it is, such as `layer linux/amd64`.
    pub what: String,
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// What becomes of it.
    pub transfer: PlannedTransfer,
}

/// What a push does with content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedTransfer {
    /// It is sent.
    Send,
    /// It is mounted from the repository of the base, or sent if the registry refuses that.
    Mount,
    /// The repository has it.
    Exists,
}

impl PlannedPush {
    /// Returns the number of parts that are sent, and their size in bytes.
    pub fn sent(&self) -> (usize, u64) {
        let sent = self.content.iter().filter(|part| part.transfer == PlannedTransfer::Send);
        (sent.clone().count(), sent.map(|part| part.size).fold(0, u64::saturating_add))
    }
}
