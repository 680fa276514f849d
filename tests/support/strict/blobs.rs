//! Reading blobs: redirects to storage, and their bytes, whole or in part.

use super::World;
use super::answer::{Answer, Shape};
use super::faults::{Fault, Point, spoiled};
use super::http::Request;
use super::monitor::Place;
use super::state;
use super::tokens::right;

impl World {
    /// A HEAD or GET of a blob in the registry.
    pub fn blob(&self, request: &Request, repository: &str, digest: &str) -> Answer {
        if !matches!(request.method.as_str(), "GET" | "HEAD") || !is_sha256(digest) {
            self.monitor.illegal(Place::Registry, request, "no request for a blob");
            return Answer::error(400, "UNSUPPORTED");
        }
        if let Some(answer) = self.admit(request, &[right(repository, "pull")]) {
            return answer;
        }
        super::lock(&self.unknown).remove(digest);
        let is_head = request.method == "HEAD";
        if let Some(answer) = self.fails(Point::AskBlob, digest, is_head) {
            return answer;
        }
        if is_head && self.chaos.once_in("HEAD of a blob", digest, 12) {
            self.monitor.hit("HEAD of a blob 405");
            return Answer::error(405, "UNSUPPORTED");
        }
        if !super::lock(&self.repositories).get(repository).blobs.contains_key(digest) {
            return Answer::error(404, "BLOB_UNKNOWN");
        }
        // A registry may send one elsewhere for the bytes, but not in a circle.
        let statuses = [0, 0, 0, 307, 302, 303, 301, 308, 1307];
        match self.chaos.pick("redirect", digest, &statuses) {
            0 => self.serve(request, repository, digest),
            _ if request.query("here").is_some() => self.serve(request, repository, digest),
            1307 => {
                self.monitor.hit("redirect within the registry");
                Answer::new(307).with("Location", format!("{}?here=yes", request.path()))
            }
            status => {
                self.monitor.hit(&format!("redirect {status}"));
                Answer::new(status).with("Location", self.storage_url(repository, digest))
            }
        }
    }

    /// Where a blob is in the storage, with a signature that must arrive as it is.
    fn storage_url(&self, repository: &str, digest: &str) -> String {
        let signature = self.chaos.random("signature", digest).text(b"ABCDEFabcdef0123456789-._~+/=", 40);
        let target = format!("/storage/{digest}?z=%2B%2f&X-Signature={signature}&a=b+c&z=1");
        super::lock(&self.given).insert(target.clone(), (repository.to_owned(), digest.to_owned()));
        format!("http://{}{target}", self.storage)
    }

    /// A HEAD or GET of a blob in the storage.
    pub fn stored(&self, request: &Request) -> Answer {
        let found = super::lock(&self.given).get(&request.target).cloned();
        match found {
            Some((repository, digest)) if matches!(request.method.as_str(), "GET" | "HEAD") => {
                self.serve(request, &repository, &digest)
            }
            _ => {
                self.monitor.illegal(Place::Storage, request, "a URL that was never given");
                Answer::error(403, "DENIED")
            }
        }
    }

    fn serve(&self, request: &Request, repository: &str, digest: &str) -> Answer {
        let content = super::lock(&self.repositories).get(repository).blobs.get(digest).cloned();
        let Some(content) = content else { return Answer::error(404, "BLOB_UNKNOWN") };
        let answer = Answer::new(200).with("Content-Type", "application/octet-stream");
        let answer = self.with_digest(answer, digest).with("Accept-Ranges", "bytes");
        if request.method == "HEAD" {
            return answer.body(content.to_vec());
        }
        let (content, shape) = self.content(digest, &content);
        if !matches!(shape, Shape::Sized | Shape::Chunked) {
            return Answer { shape, ..answer.body(content) };
        }
        let mut answer = match request.header("range").map(first_byte) {
            None => answer.body(content),
            Some(Some(from)) => self.rest(answer, digest, content, from),
            Some(None) => {
                self.monitor.illegal(Place::Registry, request, "a Range that is not `bytes=N-`");
                Answer::error(416, "UNSUPPORTED")
            }
        };
        answer.pause = self.pause("blob", digest);
        answer.shape(shape)
    }

    /// The bytes that are sent for some content, and how: right and whole, or not.
    pub fn content(&self, digest: &str, content: &[u8]) -> (Vec<u8>, Shape) {
        let breaks = [Fault::ResetInDownload, Fault::StallInDownload, Fault::ShortDownload];
        let can = |fault| !content.is_empty() || !breaks.contains(&fault);
        let Some(fault) = self.faults.strike(Point::Serve, digest, can) else {
            return (content.to_vec(), self.shape("blob", digest));
        };
        self.monitor.hit(&fault.to_string());
        let mut random = self.chaos.random("where", digest);
        let at = random.below(content.len().max(1));
        match fault {
            Fault::ResetInDownload => (content.to_vec(), Shape::Reset(at)),
            Fault::StallInDownload => (content.to_vec(), Shape::Stalled(at)),
            Fault::ShortDownload => (content.to_vec(), Shape::Short(at)),
            fault => (spoiled(fault, content, &mut random).unwrap_or_default(), self.shape("blob", digest)),
        }
    }

    /// The bytes from `from` on, or all of them: a server may not know ranges.
    fn rest(&self, answer: Answer, digest: &str, content: Vec<u8>, from: usize) -> Answer {
        let fault = self.faults.strike(Point::Resume, digest, |_| true);
        if let Some(fault) = fault {
            self.monitor.hit(&fault.to_string());
        }
        if fault == Some(Fault::RangeRefused) || from >= content.len() {
            return Answer::error(416, "RANGE_INVALID").with("Content-Range", format!("bytes */{}", content.len()));
        }
        if fault.is_none() && self.chaos.once_in("range", digest, 4) {
            self.monitor.hit("range answered with all");
            return answer.body(content);
        }
        let total = content.len();
        let (start, told) = match fault {
            Some(_) if self.chaos.once_in("range shifted", digest, 2) => (from - 1, total),
            Some(_) => (from, total + 1),
            None => (from, total),
        };
        self.monitor.hit("range answered with the rest");
        let range = format!("bytes {start}-{}/{told}", total - 1);
        Answer { status: 206, ..answer.with("Content-Range", range).body(content[start..].to_vec()) }
    }
}

/// `from` of `bytes=from-`.
fn first_byte(range: &str) -> Option<usize> {
    let from = range.strip_prefix("bytes=")?.split('-').next()?.parse().ok()?;
    (from > 0).then_some(from)
}

/// Whether it is `sha256:` and 64 lowercase hex digits.
pub fn is_sha256(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    state::is_digest(digest) && hex.len() == 64 && hex.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}
