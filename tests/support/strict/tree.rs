//! A registry with an image that has attachments, and each of these has as many, and so on.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::Answer;
use super::http::{Body, Origin, Request, Server};
use super::lock;
use super::single::{INDEX, MANIFEST, document, image, manifest};
use super::state::digest;

/// What a [`TreeRegistry`] is like.
#[derive(Clone, Debug, Default)]
pub struct TreeShape {
    /// How many are attached to each.
    pub width: usize,
    /// How many levels there are.
    pub depth: usize,
    /// Whether it names the attachments of the image for every digest.
    pub is_lying: bool,
    /// How long each answer takes.
    pub latency: Duration,
    /// The artifact type of the attachments, and the document that each of them holds.
    pub content: Option<(&'static str, Vec<u8>)>,
    /// What a page of the list of attachments names as the next one.
    pub next_page: Option<fn(&Request) -> String>,
}

/// The registry; it is stopped on drop.
pub struct TreeRegistry {
    address: SocketAddr,
    world: Arc<TreeWorld>,
    _server: Server,
}

struct TreeWorld {
    shape: TreeShape,
    /// The manifests that were listed, each with its level.
    listed: Mutex<HashMap<String, (usize, Vec<u8>)>>,
    requests: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl TreeRegistry {
    /// Starts one.
    pub fn start(shape: TreeShape) -> TreeRegistry {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let counts = [(); 3].map(|()| AtomicUsize::new(0));
        let [requests, now, most] = counts;
        let world = Arc::new(TreeWorld { shape, listed: Mutex::default(), requests, now, most });
        TreeRegistry { address, world: Arc::clone(&world), _server: Server::start(listener, world) }
    }

    /// The name of the image.
    pub fn image(&self) -> String {
        format!("{}/acme/x:1", self.address)
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.world.requests.load(Ordering::SeqCst)
    }

    /// How many requests there were at once.
    pub fn most_at_once(&self) -> usize {
        self.world.most.load(Ordering::SeqCst)
    }
}

impl Origin for TreeWorld {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(self.shape.latency);
        let answer = self.reply(request);
        self.now.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

impl TreeWorld {
    fn reply(&self, request: &Request) -> Answer {
        let (folder, name) = request.path().rsplit_once('/').unwrap_or_default();
        if folder.ends_with("/referrers") {
            let page = document(INDEX, self.list(name).to_string().into_bytes());
            return match self.shape.next_page {
                Some(next) => page.with("Link", format!("<{}>; rel=\"next\"", next(request))),
                None => page,
            };
        }
        if let Some((_, content)) = &self.shape.content
            && digest(content) == name
        {
            return Answer::new(200).body(content.clone());
        }
        match lock(&self.listed).get(name) {
            Some((_, content)) => document(MANIFEST, content.clone()),
            None => image(request),
        }
    }

    fn list(&self, subject: &str) -> Value {
        let own = digest(&manifest());
        let subject = if self.shape.is_lying { &own } else { subject };
        let mut listed = lock(&self.listed);
        let level = listed.get(subject).map_or(0, |(level, _)| *level) + 1;
        let width = if level > self.shape.depth { 0 } else { self.shape.width };
        let mut entries = Vec::new();
        for nth in 0..width {
            let content = self.attachment(subject, nth);
            let name = digest(&content);
            entries.push(json!({ "mediaType": MANIFEST, "digest": name, "size": content.len() }));
            listed.insert(name, (level, content));
        }
        json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries })
    }

    fn attachment(&self, subject: &str, nth: usize) -> Vec<u8> {
        let (artifact_type, content) = self.shape.content.clone().unwrap_or(("text/a", b"{}".to_vec()));
        let content = json!({ "mediaType": artifact_type, "digest": digest(&content), "size": content.len() });
        let empty = json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 });
        let subject = json!({ "mediaType": MANIFEST, "digest": subject, "size": 1 });
        let attachment = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": artifact_type, "config": empty,
            "layers": [content], "subject": subject, "annotations": { "nth": nth.to_string() },
        });
        attachment.to_string().into_bytes()
    }
}
