//! What was asked, and what of it was illegal.
//!
//! Nothing here panics: a server's thread has nobody to tell. The test asks at the end.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use super::answer::{Answer, Shape};
use super::http::Request;
use super::lock;

/// Runs that need more have lost their way: four clients that change one tag, and lose to each other, need some hundred.
const MOST_REQUESTS: usize = 1_000;
/// What a registry may be asked for a manifest as (registry.md, "Pull").
const DOCUMENT_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Who was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The registry.
    Registry,
    /// Another origin, where the registry keeps blobs.
    Storage,
    /// The token service.
    Tokens,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Registry => "registry",
            Place::Storage => "storage",
            Place::Tokens => "tokens",
        })
    }
}

thread_local! {
    /// The number of the request that this thread answers.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The record of a run.
#[derive(Debug, Default)]
pub struct Monitor(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    lines: Vec<String>,
    requests: usize,
    violations: Vec<String>,
    hits: BTreeMap<String, u64>,
    /// Texts that only some places may see.
    secrets: Vec<Secret>,
}

#[derive(Debug)]
struct Secret {
    what: &'static str,
    text: String,
    of: Vec<Place>,
}

impl Monitor {
    /// A request that must not be.
    pub fn illegal(&self, place: Place, request: &Request, why: impl fmt::Display) {
        let text = format!("{why}: {place} {} {}", request.method, request.target);
        self.note(&format!("ILLEGAL: {why}"));
        lock(&self.0).violations.push(text);
    }

    /// A line for the log, about the request that this thread answers.
    pub fn note(&self, text: &str) {
        let line = format!("{:>4}   {text}", CURRENT.get());
        lock(&self.0).lines.push(line);
    }

    /// One more of a fault's row or of a legal variation.
    pub fn hit(&self, what: &str) {
        self.note(&format!("* {what}"));
        *lock(&self.0).hits.entry(what.to_owned()).or_default() += 1;
    }

    /// A text that may be seen at these places only.
    pub fn secret(&self, what: &'static str, text: &str, of: &[Place]) {
        lock(&self.0).secrets.push(Secret { what, text: text.to_owned(), of: of.to_vec() });
    }

    /// What was illegal so far.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.0).violations.clone()
    }

    /// How often each fault and each variation was there.
    pub fn hits(&self) -> BTreeMap<String, u64> {
        lock(&self.0).hits.clone()
    }

    /// All requests and answers, a line each.
    pub fn log(&self) -> String {
        lock(&self.0).lines.join("\n")
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        lock(&self.0).requests
    }

    /// A request, as it arrives: what holds for all of them.
    pub fn arrives(&self, place: Place, request: &Request) {
        let mut record = lock(&self.0);
        record.requests += 1;
        CURRENT.set(record.requests);
        let mut line = format!("{:>4} {place} {} {}", record.requests, request.method, request.target);
        for name in ["range", "content-range", "content-length", "content-type"] {
            request.all(name).for_each(|value| line.push_str(&format!(" {name}: {value}")));
        }
        for value in request.all("authorization") {
            let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
            line.push_str(&format!(" {scheme} {}", &token[..token.len().min(8)]));
        }
        record.lines.push(line);
        let too_many = record.requests == MOST_REQUESTS;
        let leaked = leaked(&record.secrets, place, request);
        drop(record);
        for what in leaked {
            self.illegal(place, request, format!("{what} is none of the business of {place}"));
        }
        if too_many {
            self.illegal(place, request, format!("{MOST_REQUESTS} requests are too many"));
        }
        if request.header("cookie").is_some() {
            self.illegal(place, request, "a cookie");
        }
        if request.header("referer").is_some() {
            self.illegal(place, request, "a Referer: it tells the storage which image is pulled");
        }
        self.check_head(place, request);
    }

    fn check_head(&self, place: Place, request: &Request) {
        let illegal = |why: String| self.illegal(place, request, why);
        let reads = matches!(request.method.as_str(), "GET" | "HEAD") && place != Place::Tokens;
        match request.all("accept-encoding").collect::<Vec<_>>()[..] {
            ["identity"] => {}
            [] if !reads => {}
            // Without the header every encoding is welcome (RFC 9110, section 12.5.3).
            ref other => illegal(format!("Accept-Encoding is {other:?}, not identity")),
        }
        if matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
            match request.all("content-length").collect::<Vec<_>>()[..] {
                [length] if length.parse::<u64>().is_ok() => {}
                ref other => illegal(format!("Content-Length is {other:?}")),
            }
            if request.header("transfer-encoding").is_some() {
                illegal("a body without a length".to_owned());
            }
        }
        if reads && place == Place::Registry && request.path().contains("/manifests/") {
            let accepted: Vec<&str> = request.all("accept").flat_map(|value| value.split(',')).map(str::trim).collect();
            for wanted in DOCUMENT_TYPES.iter().filter(|wanted| !accepted.contains(wanted)) {
                illegal(format!("Accept lacks {wanted}"));
            }
        }
    }

    /// The answer that goes out.
    pub fn answers(&self, answer: &Answer) {
        let mut text = match answer.shape {
            Shape::Nothing => "→ nothing".to_owned(),
            Shape::Sized => format!("→ {}, {} bytes", answer.status, answer.body.len()),
            shape => format!("→ {}, {} bytes {shape:?}", answer.status, answer.body.len()),
        };
        for (name, value) in &answer.headers {
            text.push_str(&format!(" {name}: {value}"));
        }
        self.note(&text);
    }
}

fn leaked(secrets: &[Secret], place: Place, request: &Request) -> Vec<&'static str> {
    let has = |secret: &&Secret| {
        let text = secret.text.as_str();
        request.target.contains(text) || request.headers.iter().any(|(_, value)| value.contains(text))
    };
    let mut found: Vec<_> =
        secrets.iter().filter(|secret| !secret.of.contains(&place)).filter(has).map(|secret| secret.what).collect();
    // Whatever it holds, it is not for there.
    if place == Place::Storage && request.header("authorization").is_some() {
        found.push("an Authorization header");
    }
    found
}
