//! A repository of The Update Framework with a trusted root (TUF specification 1.0.31, consistent snapshots).

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData, SigningKey};
use serde_json::{Value, json};

use super::super::registry::sha256;
use super::super::strict::answer::Answer;
use super::super::strict::http::{Body, Origin, Request, Server};

/// The name of the one target.
const TARGET: &str = "trusted_root.json";

pub struct Tuf {
    server: Server,
    files: Arc<TufFiles>,
    root: String,
}

#[derive(Default)]
struct TufFiles {
    files: Mutex<HashMap<String, Vec<u8>>>,
    asked: Mutex<Vec<String>>,
}

impl Tuf {
    /// Starts a repository whose documents are valid until `expires`.
    pub fn start(trusted_root: &Value, expires: &str) -> Tuf {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let public: String = key.der_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let id = sha256(public.as_bytes()).trim_start_matches("sha256:").to_owned();
        // Texts without escapes and whole numbers: the canonical form is what serde_json writes.
        let signed = |kind: &str, mut content: Value| {
            content["_type"] = json!(kind);
            content["spec_version"] = json!("1.0.31");
            content["version"] = json!(1);
            content["expires"] = json!(expires);
            let signature = key.sign(content.to_string().as_bytes()).expect("signs");
            let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "signatures": [{ "keyid": id, "sig": signature }], "signed": content }).to_string()
        };
        let of = |text: &str| json!({ "version": 1, "length": text.len(), "hashes": { "sha256": digits(text) } });
        let role = json!({ "keyids": [id], "threshold": 1 });
        let root = signed(
            "root",
            json!({
                "consistent_snapshot": true,
                "keys": { (id.clone()): { "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": public } } },
                "roles": { "root": role, "timestamp": role, "snapshot": role, "targets": role },
            }),
        );
        let target = trusted_root.to_string();
        let hash = digits(&target);
        let described = json!({ "length": target.len(), "hashes": { "sha256": hash } });
        let targets = signed("targets", json!({ "targets": { (TARGET): described } }));
        let snapshot = signed("snapshot", json!({ "meta": { "targets.json": of(&targets) } }));
        let timestamp = signed("timestamp", json!({ "meta": { "snapshot.json": of(&snapshot) } }));
        let files = Arc::new(TufFiles::default());
        for (path, text) in [
            ("/1.root.json".to_owned(), root.clone()),
            ("/timestamp.json".to_owned(), timestamp),
            ("/1.snapshot.json".to_owned(), snapshot),
            ("/1.targets.json".to_owned(), targets),
            (format!("/targets/{hash}.{TARGET}"), target),
        ] {
            files.files.lock().expect("nobody panics").insert(path, text.into_bytes());
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Tuf { server: Server::start(listener, files.clone()), files, root }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Writes the root to trust.
    pub fn write_root(&self, path: &Path) {
        std::fs::write(path, &self.root).expect("a file");
    }

    /// How many documents were asked for.
    pub fn requests(&self) -> usize {
        self.files.asked.lock().expect("nobody panics").len()
    }

    /// Takes a document away, or changes a byte in the middle of it.
    pub fn damage(&self, ending: &str) {
        let mut files = self.files.files.lock().expect("nobody panics");
        let (_, content) = files.iter_mut().find(|(path, _)| path.ends_with(ending)).expect("a document");
        let at = content.len() / 2;
        content[at] ^= 1;
    }

    /// Has nothing any more.
    pub fn empty(&self) {
        self.files.files.lock().expect("nobody panics").clear();
    }
}

fn digits(text: &str) -> String {
    sha256(text.as_bytes()).trim_start_matches("sha256:").to_owned()
}

impl Origin for TufFiles {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        self.asked.lock().expect("nobody panics").push(request.path().to_owned());
        match self.files.lock().expect("nobody panics").get(request.path()) {
            Some(content) => Answer::new(200).body(content.clone()),
            None => Answer::new(404),
        }
    }
}
