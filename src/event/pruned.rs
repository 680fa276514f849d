//! What nothing in a repository needs any more, as data.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::image::Digest;

/// What was found in a repository.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrunedRepository {
    /// `registry/repository`.
    pub repository: String,
    /// How many manifests and indexes are needed.
    pub needed: usize,
    /// Those that nothing needs, in the order in which they are deleted.
    pub unneeded: Vec<UnneededManifest>,
    /// Whether they were deleted.
    pub deleted: bool,
}

/// A manifest or an index that nothing needs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnneededManifest {
    /// Its digest.
    pub digest: Digest,
    /// What it is: `index for linux/amd64, linux/arm64`, `image`, or the type of an attachment.
    pub kind: String,
    /// Its tags: only lists of what is attached have some.
    pub tags: Vec<String>,
    /// When it was pushed, or seen first where the registry does not say that.
    #[serde(serialize_with = "as_text")]
    pub since: Timestamp,
    /// Its number, where another service than the registry deletes it.
    #[serde(skip)]
    pub number: Option<u64>,
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
