//! Manifests and tags.

use serde_json::{Value, json};

use super::World;
use super::answer::Answer;
use super::blobs::is_sha256;
use super::faults::{Fault, Point};
use super::http::{Body, Request};
use super::monitor::Place;
use super::referrers::{Attaching, is_list};
use super::state::{self, Manifest, is_digest};
use super::tokens::right;

impl World {
    /// A request for a manifest by tag or digest.
    pub fn manifest(&self, request: &Request, body: &mut Body<'_>, repository: &str, reference: &str) -> Answer {
        match request.method.as_str() {
            "GET" | "HEAD" => self.get_manifest(request, repository, reference),
            "PUT" => self.put_manifest(request, body, repository, reference),
            "DELETE" => self.delete_manifest(request, repository, reference),
            _ => {
                self.monitor.illegal(Place::Registry, request, "no request for a manifest");
                Answer::error(405, "UNSUPPORTED")
            }
        }
    }

    /// The tags, a page of two at a time; with everything else if it says when that was pushed.
    pub fn list_tags(&self, request: &Request, name: &str) -> Answer {
        const PAGE: usize = 2;
        if let Some(answer) = self.admit(request, &[right(name, "pull")]) {
            return answer;
        }
        let mut repositories = super::lock(&self.repositories);
        let repository = repositories.get(name);
        if repository.manifests.is_empty() {
            return Answer::error(404, "NAME_UNKNOWN");
        }
        let last = request.query("last");
        let tags: Vec<_> = repository.tags.keys().filter(|tag| last.as_ref().is_none_or(|last| *tag > last)).collect();
        let mut page = json!({ "name": name, "tags": tags.iter().take(PAGE).collect::<Vec<_>>() });
        if let Some(uploaded) = self.uploaded {
            let manifests = repository.manifests.keys().map(|digest| {
                let tags: Vec<_> = repository.tags.iter().filter(|(_, of)| *of == digest).map(|(tag, _)| tag).collect();
                (
                    digest.clone(),
                    json!({ "tag": tags, "timeUploadedMs": format!("{}000", uploaded), "imageSizeBytes": "0" }),
                )
            });
            page["tags"] = json!(tags);
            page["manifest"] = manifests.collect::<serde_json::Map<_, _>>().into();
        }
        let answer = Answer::new(200).with("Content-Type", "application/json").body(page.to_string().into_bytes());
        match tags.get(PAGE - 1).filter(|_| tags.len() > PAGE && self.uploaded.is_none()) {
            Some(last) => answer.with("Link", format!("</v2/{name}/tags/list?n={PAGE}&last={last}>; rel=\"next\"")),
            None => answer,
        }
    }

    fn delete_manifest(&self, request: &Request, name: &str, reference: &str) -> Answer {
        if let Some(answer) = self.admit(request, &[right(name, "delete")]) {
            return answer;
        }
        if !self.deletes {
            return Answer::error(405, "UNSUPPORTED");
        }
        if !is_digest(reference) {
            self.monitor.illegal(Place::Registry, request, "a tag is deleted");
        }
        let mut repositories = super::lock(&self.repositories);
        if !repositories.get(name).remove(reference) {
            return Answer::error(404, "MANIFEST_UNKNOWN");
        }
        Answer::new(202)
    }

    fn get_manifest(&self, request: &Request, name: &str, reference: &str) -> Answer {
        if let Some(answer) = self.admit(request, &[right(name, "pull")]) {
            return answer;
        }
        let is_head = request.method == "HEAD";
        if let Some(answer) = self.fails(Point::AskManifest, reference, is_head) {
            return answer;
        }
        // Some registries know no HEAD; some do not find with HEAD what is there.
        let refusal = self.chaos.pick("HEAD of a manifest", reference, &[0, 0, 0, 0, 0, 0, 405, 404]);
        if is_head && refusal != 0 {
            self.monitor.hit(&format!("HEAD of a manifest {refusal}"));
            return Answer::error(refusal, "UNSUPPORTED");
        }
        let found = {
            let mut repositories = super::lock(&self.repositories);
            let repository = repositories.get(name);
            let digest = if self.is_stale(name, reference) {
                self.before(name, reference)
            } else {
                self.resolve(name, repository, reference)
            };
            digest.and_then(|digest| Some((repository.manifests.get(&digest)?.clone(), digest)))
        };
        let Some((Manifest { media_type, bytes }, digest)) = found else {
            return Answer::error(404, "MANIFEST_UNKNOWN");
        };
        let answer = self.with_etag(self.with_digest(Answer::new(200), &digest), &digest);
        let parameter = self.chaos.pick("type of a manifest", reference, &["", "", "; charset=utf-8"]);
        let answer = answer.with("Content-Type", format!("{media_type}{parameter}"));
        if is_head {
            // The length need not be told (RFC 9110, section 9.3.2).
            let shape = self.shape("HEAD of a manifest", reference);
            return answer.body(bytes.to_vec()).shape(shape);
        }
        // What a tag stands for is whatever comes; a digest can be held against it.
        let (bytes, shape) = if is_digest(reference) {
            self.content(&digest, &bytes)
        } else {
            (bytes.to_vec(), self.shape("manifest", reference))
        };
        Answer { pause: self.pause("manifest", reference), ..answer.body(bytes).shape(shape) }
    }

    fn put_manifest(&self, request: &Request, body: &mut Body<'_>, repository: &str, reference: &str) -> Answer {
        if let Some(answer) = self.admit(request, &[right(repository, "push")]) {
            return answer;
        }
        let commits = [Fault::ResetBeforeCommit, Fault::ResetAfterCommit, Fault::ErrorAfterCommit, Fault::OtherDigest];
        let fault = self.faults.strike(Point::PutManifest, reference, |fault| commits.contains(&fault));
        if let Some(fault) = fault {
            self.monitor.hit(&fault.to_string());
        }
        if let Some(answer) = self.fails(Point::PutManifest, reference, false) {
            return answer;
        }
        let Ok(bytes) = body.all() else { return Answer::nothing() };
        if fault == Some(Fault::ResetBeforeCommit) {
            return Answer::nothing();
        }
        let digest = match self.keep_manifest(request, &bytes, repository, reference) {
            Ok(digest) => digest,
            Err(answer) => return answer,
        };
        match fault {
            Some(Fault::ResetAfterCommit) => return Answer::nothing(),
            Some(Fault::ErrorAfterCommit) => return self.try_again(503),
            _ => {}
        }
        let status = self.chaos.pick("PUT of a manifest", reference, &[201, 201, 201, 202, 200, 204]);
        self.monitor.hit(&format!("PUT of a manifest {status}"));
        let answer = Answer::new(status).with("Location", format!("/v2/{repository}/manifests/{digest}"));
        let answer = match self.subject(&bytes) {
            Some(subject) => answer.with("OCI-Subject", subject),
            None => answer,
        };
        match fault {
            Some(Fault::OtherDigest) => answer.with("Docker-Content-Digest", state::digest(b"something else")),
            _ => self.with_digest(answer, &digest),
        }
    }

    /// Stores a manifest; its digest, or why not.
    fn keep_manifest(&self, request: &Request, bytes: &[u8], name: &str, reference: &str) -> Result<String, Answer> {
        let illegal = |why: String| self.monitor.illegal(Place::Registry, request, why);
        let digest = state::digest(bytes);
        let content: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let media_type = request.header("content-type").unwrap_or_default();
        if content["mediaType"].as_str() != Some(media_type) {
            illegal(format!("Content-Type is {media_type:?}, but the manifest is {}", content["mediaType"]));
            return Err(Answer::error(400, "MANIFEST_INVALID"));
        }
        if let Some(answer) = self.no_type(&content) {
            return Err(answer);
        }
        let mut repositories = super::lock(&self.repositories);
        let repository = repositories.get(name);
        let subject = content["subject"]["digest"].as_str();
        let is_refused = match self.attaching {
            Attaching::Refused => subject.is_some(),
            Attaching::ApiForWhatIsThere => subject.is_some_and(|of| !repository.manifests.contains_key(of)),
            _ => false,
        };
        if is_refused {
            return Err(Answer::error(400, "MANIFEST_INVALID"));
        }
        if let Some(answer) = self.refuses_type(&content) {
            return Err(answer);
        }
        let lacks = repository.lacks(&content);
        if !lacks.is_empty() {
            illegal(format!("a manifest before what it names: {}", lacks.join(", ")));
            return Err(Answer::error(404, "MANIFEST_BLOB_UNKNOWN"));
        }
        if is_digest(reference) && (reference != digest || !is_sha256(reference)) {
            illegal(format!("the manifest is {digest}"));
            return Err(Answer::error(400, "DIGEST_INVALID"));
        }
        if !is_digest(reference) {
            let there = repository.tags.get(reference).map(String::as_str);
            let unmet = self.unmet(request, there).or_else(|| self.no_other(name, reference, there, &digest));
            if let Some(answer) = unmet {
                return Err(answer);
            }
            if let Some(answer) = self.keeps_tag(repository, name, reference, &digest) {
                return Err(answer);
            }
            // The manifests in an index show that content is kept as it comes. Nobody names signatures by their manifest's digest.
            let is_index = content.get("manifests").is_some();
            if !repository.manifests.contains_key(&digest) && !is_index && !is_list(reference) {
                illegal(format!("a tag before {digest} is there by its digest"));
            }
            let before = repository.tags.insert(reference.to_owned(), digest.clone());
            self.written(name, reference, before);
        }
        let manifest = Manifest { media_type: media_type.to_owned(), bytes: bytes.into() };
        repository.manifests.insert(digest.clone(), manifest);
        drop(repositories);
        self.rival(name, reference);
        Ok(digest)
    }
}
