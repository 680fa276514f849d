//! What is attached to what: told by an API, or under tags that clients write.

use serde_json::{Value, json};

use super::answer::Answer;
use super::http::Request;
use super::state::{self, Manifest};
use super::tokens::right;
use super::{World, lock};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// How a registry is with what is attached to images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attaching {
    /// It keeps it, and knows no more of it: clients write lists under tags.
    #[default]
    Tags,
    /// The same, and with each list that is written, so many times, another client writes another list at once.
    Rivals(usize),
    /// It tells what is attached by the referrers API.
    Api,
    /// The same, and does not say so when something is attached.
    SilentApi,
    /// It tells it, and refuses what is attached to something that it has not.
    ApiForWhatIsThere,
    /// It refuses it.
    Refused,
}

/// How a registry is with conditions of writes: `ETag`, `If-Match`, `If-None-Match` (RFC 9110, section 13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Etags {
    /// It knows none of them.
    #[default]
    None,
    /// It gives ETags, and ignores the conditions: so does the registry of the CNCF.
    Ignored,
    /// It keeps to the conditions.
    Kept,
    /// It gives ETags, and refuses every request with a condition.
    Refused,
}

/// Whether a tag stands in for the referrers API.
pub fn is_list(reference: &str) -> bool {
    reference.starts_with("sha256-")
}

/// What the list of another client names: an artifact that is attached to nothing else.
pub fn rivals() -> Vec<u8> {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "text/rival",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": state::digest(b"{}"), "size": 2 },
        "layers": [],
    })
    .to_string()
    .into_bytes()
}

impl Attaching {
    fn has_api(self) -> bool {
        matches!(self, Attaching::Api | Attaching::SilentApi | Attaching::ApiForWhatIsThere)
    }
}

impl World {
    /// A question for the API.
    pub fn referrers(&self, request: &Request, repository: &str, subject: &str) -> Answer {
        if let Some(answer) = self.admit(request, &[right(repository, "pull")]) {
            return answer;
        }
        if !self.attaching.has_api() {
            return self.no_referrers(repository);
        }
        let repository = lock(&self.repositories).get(repository).clone();
        let entries = repository.manifests.iter().filter_map(|(digest, manifest)| {
            let content: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
            let entry = json!({
                "mediaType": manifest.media_type,
                "digest": digest,
                "size": manifest.bytes.len(),
                "artifactType": content["artifactType"],
                "annotations": content["annotations"],
            });
            (content["subject"]["digest"] == subject).then_some(entry)
        });
        let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries.collect::<Vec<_>>() });
        Answer::new(200).with("Content-Type", INDEX).body(list.to_string().into_bytes())
    }

    /// The subject of a manifest, where this registry makes known what is attached.
    pub fn subject(&self, manifest: &[u8]) -> Option<String> {
        let content: Value = serde_json::from_slice(manifest).unwrap_or_default();
        let subject = content["subject"]["digest"].as_str()?;
        (self.attaching.has_api() && self.attaching != Attaching::SilentApi).then(|| subject.to_owned())
    }

    /// The refusal of an artifact whose type is not on the list, in GitLab's words.
    pub fn refuses_type(&self, manifest: &Value) -> Option<Answer> {
        let artifact_type = manifest["artifactType"].as_str()?;
        let is_refused = self.types.is_some_and(|types| !types.contains(&artifact_type));
        let message = format!("unknown media type: {artifact_type}");
        is_refused.then(|| Answer::told(400, "MANIFEST_INVALID", "manifest invalid", &message))
    }

    /// Takes note of what a list was before it was written.
    pub fn written(&self, repository: &str, tag: &str, before: Option<String>) {
        if self.stale_reads > 0 && is_list(tag) {
            lock(&self.stale).insert(format!("{repository}:{tag}"), (before, self.stale_reads));
        }
    }

    /// Whether a list is still read as it was before it was written. Each question counts as a read.
    pub fn is_stale(&self, repository: &str, tag: &str) -> bool {
        let mut stale = lock(&self.stale);
        let left = stale.get_mut(&format!("{repository}:{tag}")).map(|(_, left)| left).filter(|left| **left > 0);
        left.is_some_and(|left| {
            *left -= 1;
            true
        })
    }

    /// The digest that a list had before it was written.
    pub fn before(&self, repository: &str, tag: &str) -> Option<String> {
        lock(&self.stale).get(&format!("{repository}:{tag}"))?.0.clone()
    }

    /// With the ETag of what a tag stands for.
    pub fn with_etag(&self, answer: Answer, digest: &str) -> Answer {
        if self.etags == Etags::None { answer } else { answer.with("ETag", format!("\"{digest}\"")) }
    }

    /// The refusal of a write whose condition is not met. `digest` is what the tag stands for.
    pub fn unmet(&self, request: &Request, digest: Option<&str>) -> Option<Answer> {
        let (same, none) = (request.header("if-match"), request.header("if-none-match"));
        match self.etags {
            Etags::None | Etags::Ignored => None,
            Etags::Refused => (same.is_some() || none.is_some()).then(|| Answer::error(400, "UNSUPPORTED")),
            Etags::Kept => {
                let is_met = same.is_none_or(|etag| digest.is_some_and(|digest| etag.trim_matches('"') == digest))
                    && (none.is_none() || digest.is_none());
                (!is_met).then(|| Answer::error(412, "PRECONDITION_FAILED"))
            }
        }
    }

    /// Another client writes the list, as it read it before this one was written.
    pub fn rival(&self, repository: &str, tag: &str) {
        let Attaching::Rivals(most) = self.attaching else { return };
        let mut written = lock(&self.rivals);
        if !is_list(tag) || *written == most {
            return;
        }
        *written += 1;
        let artifact = rivals();
        let digest = state::digest(&artifact);
        let entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": artifact.len(),
            "annotations": { "nth": written.to_string() },
        });
        let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] }).to_string().into_bytes();
        let mut repositories = lock(&self.repositories);
        let repository = repositories.get(repository);
        let manifest =
            |media_type: &str, bytes: &[u8]| Manifest { media_type: media_type.to_owned(), bytes: bytes.into() };
        repository.tags.insert(tag.to_owned(), state::digest(&list));
        repository.manifests.insert(state::digest(&list), manifest(INDEX, &list));
        repository.manifests.insert(digest, manifest("application/vnd.oci.image.manifest.v1+json", &artifact));
    }
}
