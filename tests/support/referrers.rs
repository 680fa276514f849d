//! A registry that knows what is attached to what, and tells it page by page. It gives out a layout.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::strict::answer::Answer;
use super::strict::http::{Body, Origin, Request, Server};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The registry; it is stopped on drop.
pub struct ReferrersRegistry {
    address: SocketAddr,
    _server: Server,
}

struct At(PathBuf);

impl ReferrersRegistry {
    /// Starts one with what is in a layout: its first image by any tag, all others by their digests.
    pub fn start(layout: &Path) -> ReferrersRegistry {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the address of a listener");
        ReferrersRegistry { address, _server: Server::start(listener, Arc::new(At(layout.to_owned()))) }
    }

    /// `127.0.0.1:PORT/REPOSITORY:TAG` for `repo_tag`.
    pub fn reference(&self, repo_tag: &str) -> String {
        format!("{}/{repo_tag}", self.address)
    }
}

impl Origin for At {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        let name = request.path().rsplit('/').next().unwrap_or_default();
        if request.path().contains("/referrers/") {
            return self.page(name, request);
        }
        let first = self.entries()[0]["digest"].as_str().expect("a digest").to_owned();
        let digest = if name.starts_with("sha256:") { name } else { &first };
        let Ok(content) = fs::read(super::blob(&self.0, digest)) else {
            return Answer::error(404, "MANIFEST_UNKNOWN");
        };
        let document: Value = serde_json::from_slice(&content).unwrap_or_default();
        let media_type = document["mediaType"].as_str().unwrap_or("application/octet-stream");
        Answer::new(200).with("Content-Type", media_type).with("Docker-Content-Digest", digest).body(content)
    }
}

impl At {
    fn entries(&self) -> Vec<Value> {
        let lists = ["index.json", "referrers.json"].map(|list| fs::read(self.0.join(list)));
        let lists = lists.into_iter().flatten().map(|list| serde_json::from_slice::<Value>(&list).expect("JSON"));
        lists.flat_map(|list| list["manifests"].as_array().expect("a list").clone()).collect()
    }

    /// One of those whose subject that is, and where the next one is.
    fn page(&self, subject: &str, request: &Request) -> Answer {
        let is_attached = |entry: &Value| {
            let document = super::document(&self.0, entry["digest"].as_str().expect("a digest"));
            document["subject"]["digest"] == subject
        };
        let all: Vec<_> = self.entries().into_iter().filter(is_attached).collect();
        let at: usize = request.query("at").and_then(|at| at.parse().ok()).unwrap_or_default();
        let page = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": all.get(at..=at).unwrap_or_default() });
        let answer = Answer::new(200).with("Content-Type", INDEX).body(page.to_string().into_bytes());
        if at + 1 < all.len() {
            answer.with("Link", format!("<{}?at={}>; rel=\"next\"", request.path(), at + 1))
        } else {
            answer
        }
    }
}
