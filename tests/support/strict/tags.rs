//! Tags that must not move, and tags that are read as digests.

use super::World;
use super::answer::Answer;
use super::state::Repository;

/// What a registry makes of `sha256-HEX` in the place of a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dashed {
    /// It is a tag.
    #[default]
    Tag,
    /// It is a tag if there is one, else the digest `sha256:HEX`.
    TagOrDigest,
    /// It is that digest if there is such a manifest, whatever was written under the tag.
    Digest,
}

/// Whose words a registry refuses to move a tag with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Immutable {
    /// Amazon ECR's.
    Ecr,
    /// Google Artifact Registry's.
    Gar,
    /// Harbor's.
    Harbor,
    /// Docker Hub's.
    DockerHub,
    /// GitLab's.
    GitLab,
    /// Nexus's.
    Nexus,
    /// Words that do not say why.
    Unnamed,
}

impl Immutable {
    /// All of them.
    pub const ALL: [Immutable; 7] = [
        Immutable::Ecr,
        Immutable::Gar,
        Immutable::Harbor,
        Immutable::DockerHub,
        Immutable::GitLab,
        Immutable::Nexus,
        Immutable::Unnamed,
    ];

    fn refusal(self, repository: &str, tag: &str) -> Answer {
        let told = |status, code, message: &str| Answer::told(status, code, message, "");
        match self {
            Immutable::Ecr => told(
                400,
                "TAG_INVALID",
                &format!(
                    "The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten because the \
                     tag is immutable."
                ),
            ),
            Immutable::Gar => told(
                400,
                "MANIFEST_INVALID",
                &format!("cannot update tag {tag}. The repository has enabled tag immutability"),
            ),
            Immutable::Harbor => told(
                412,
                "PRECONDITION",
                &format!("Failed to process request due to '{repository}:{tag}' configured as immutable."),
            ),
            Immutable::DockerHub => told(
                403,
                "DENIED",
                "requested access to the resource is denied - This tag is already assigned to an image in this repository and \
                 cannot be updated due to immutability settings. To push this image, use a different tag.",
            ),
            Immutable::GitLab => told(400, "IMMUTABLE_TAG", "tag is immutable"),
            Immutable::Nexus => Answer::told(
                400,
                "BLOB_UPLOAD_INVALID",
                "blob upload invalid",
                "Repository does not allow updating assets: docker",
            ),
            Immutable::Unnamed => told(403, "MANIFEST_INVALID", "manifest invalid"),
        }
    }
}

impl World {
    /// The digest that a reference stands for.
    pub fn digest_of(&self, repository: &Repository, reference: &str) -> Option<String> {
        let tagged = repository.digest(reference);
        let dashed = reference.replacen('-', ":", 1);
        match self.dashed {
            Dashed::TagOrDigest if tagged.is_none() => Some(dashed),
            Dashed::Digest if repository.manifests.contains_key(&dashed) => Some(dashed),
            _ => tagged,
        }
    }

    /// The refusal to move a tag to `digest`.
    pub fn keeps_tag(&self, repository: &Repository, name: &str, tag: &str, digest: &str) -> Option<Answer> {
        let moves = repository.tags.get(tag).is_some_and(|known| known != digest);
        self.immutable.filter(|_| moves).map(|whose| whose.refusal(name, tag))
    }
}
