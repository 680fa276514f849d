//! Upload sessions: chunks, the end, the state, and faults.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::World;
use super::answer::Answer;
use super::faults::{Fault, Point};
use super::http::{Body, Request};
use super::monitor::Place;
use super::state;
use super::uploads::{Phase, Session};

/// GHCR refuses larger chunks.
const MOST_CHUNK: u64 = 4 << 20;

/// One request within an open session.
pub struct Step<'a> {
    /// The registry.
    pub world: &'a World,
    /// Where it arrives.
    pub place: Place,
    /// Its head.
    pub request: &'a Request,
    /// Of the session.
    pub number: usize,
}

impl Step<'_> {
    fn illegal(&self, why: impl std::fmt::Display) {
        self.world.monitor.illegal(self.place, self.request, why);
    }

    fn with<T>(&self, use_session: impl FnOnce(&mut Session) -> T) -> T {
        use_session(super::lock(&self.world.sessions).get(self.number))
    }

    /// The end: all bytes, or the last, or none.
    pub fn put(&self, body: &mut Body<'_>, repository: &str, digest: &str, rights: &[String]) -> Answer {
        self.check_type(body);
        if !self.world.is_shared && super::lock(&self.world.unknown).contains(digest) {
            self.illegal("sent again, and nobody asked whether it had arrived");
        }
        let has_body = body.left() > 0;
        if has_body && self.world.chunks_only {
            self.world.monitor.hit("monolithic PUT refused");
            return Answer::error(self.world.chaos.pick("PUT refused", "", &[413, 405]), "UNSUPPORTED");
        }
        if let Some(answer) = self.world.no_bytes(body.left(), false) {
            return answer;
        }
        let fault = match self.breaks(body, digest, rights) {
            Ok(fault) => fault,
            Err(answer) => return answer,
        };
        let start = self.with(|session| session.received.len());
        if has_body && let Err(answer) = self.check_range(start, body.left(), false) {
            return answer;
        }
        let Ok(bytes) = body.all() else { return Answer::nothing() };
        if fault == Some(Fault::ResetBeforeCommit) {
            self.lose();
            return Answer::nothing();
        }
        let content = self.with(|session| {
            session.received.extend(&bytes);
            std::mem::take(&mut session.received)
        });
        if state::digest(&content) != digest {
            self.illegal(format!("{} bytes that are {}", content.len(), state::digest(&content)));
            self.with(|session| session.phase = Phase::Lost);
            return Answer::error(400, "DIGEST_INVALID");
        }
        self.with(|session| session.phase = Phase::Committed);
        super::lock(&self.world.repositories).get(repository).blobs.insert(digest.to_owned(), Arc::from(content));
        if matches!(fault, Some(Fault::ResetAfterCommit | Fault::ErrorAfterCommit)) {
            super::lock(&self.world.unknown).insert(digest.to_owned());
            return self.after_commit(fault);
        }
        let status = self.world.chaos.pick("PUT of a blob", digest, &[201, 201, 201, 204, 202, 200]);
        self.world.monitor.hit(&format!("PUT of a blob {status}"));
        let answer = if self.world.chaos.pick("end of an upload", digest, &[true, true, false]) {
            Answer::new(status).with("Location", format!("/v2/{repository}/blobs/{digest}"))
        } else {
            Answer::new(status)
        };
        self.world.with_digest(answer, digest)
    }

    /// A chunk.
    pub fn patch(&self, body: &mut Body<'_>, rights: &[String]) -> Answer {
        self.check_type(body);
        let length = body.left();
        if let Some(answer) = self.world.no_bytes(length, self.request.header("content-range").is_some()) {
            return answer;
        }
        // Where a chunk has to be larger, it is as large as that.
        if length > MOST_CHUNK.max(self.with(|session| session.least_chunk as u64)) {
            self.illegal("a chunk of more than 4 MiB");
            return Answer::error(416, "BLOB_UPLOAD_INVALID");
        }
        let fault = match self.breaks(body, "chunk", rights) {
            Ok(fault) => fault,
            Err(answer) => return answer,
        };
        let (start, least, last) =
            self.with(|session| (session.received.len(), session.least_chunk, session.last_chunk));
        if last.is_some_and(|last| last < least) {
            self.illegal(format!("the chunk before this one was smaller than {least} bytes"));
        }
        if let Err(answer) = self.check_range(start, length, true) {
            return answer;
        }
        let Ok(bytes) = body.all() else { return Answer::nothing() };
        if fault == Some(Fault::ResetBeforeCommit) {
            self.lose();
            return Answer::nothing();
        }
        let received = self.with(|session| {
            session.last_chunk = Some(bytes.len());
            session.received.extend(&bytes);
            session.received.len()
        });
        if matches!(fault, Some(Fault::ResetAfterCommit | Fault::ErrorAfterCommit)) {
            self.with(|session| session.unsure = true);
            return self.after_commit(fault);
        }
        let status = self.world.chaos.pick("PATCH", "", &[202, 202, 201, 204, 200]);
        self.world.monitor.hit(&format!("PATCH {status}"));
        let answer = Answer::new(status).with("Location", self.location());
        // Some registries' Range stays where it is.
        match self.world.chaos.pick("range of PATCH", "", &["right", "right", "stuck", "none"]) {
            "right" => answer.with("Range", range_of(received)),
            "stuck" => answer.with("Range", range_of(start)),
            _ => answer,
        }
    }

    /// What the client gets to know of something that went well.
    fn after_commit(&self, fault: Option<Fault>) -> Answer {
        if fault == Some(Fault::ResetAfterCommit) { Answer::nothing() } else { self.world.try_again(503) }
    }

    /// Where the session stands.
    pub fn status(&self) -> Answer {
        let received = self.with(|session| {
            session.unsure = false;
            session.received.len()
        });
        self.world.monitor.hit("state of an upload");
        Answer::new(204).with("Location", self.location()).with("Range", range_of(received))
    }

    /// The end without a blob.
    pub fn cancel(&self) -> Answer {
        self.with(|session| session.phase = Phase::Cancelled);
        self.world.monitor.hit("upload cancelled");
        Answer::new(self.world.chaos.pick("DELETE", "", &[204, 204, 202]))
    }

    fn location(&self) -> String {
        self.world.location(self.place, self.request, self.number)
    }

    /// The faults that come before the bytes are kept; else the one that comes after.
    fn breaks(&self, body: &mut Body<'_>, content: &str, rights: &[String]) -> Result<Option<Fault>, Answer> {
        if let Some(answer) = self.world.fails(Point::Upload, content, false) {
            // Whether it hears the client out is up to it.
            if self.world.chaos.pick("body of what fails", content, &[true, false]) {
                let _ = body.all();
            }
            return Err(answer);
        }
        let has_body = body.left() > 0;
        let can = |fault| match fault {
            Fault::ResetInUpload => has_body,
            Fault::UnauthorizedInUpload => {
                has_body && self.place == Place::Registry && self.world.can_unauthorize(self.request)
            }
            _ => true,
        };
        let Some(fault) = self.world.faults.strike(Point::Upload, content, can) else { return Ok(None) };
        let half = self.world.chaos.random("where", content).below(usize::try_from(body.left()).unwrap_or(1).max(1));
        self.world.monitor.hit(&fault.to_string());
        match fault {
            Fault::UnauthorizedInUpload => {
                let _ = body.some(half as u64);
                Err(self.world.unauthorize(self.request, rights))
            }
            Fault::ResetInUpload => {
                let part = body.some(half as u64).unwrap_or_default();
                self.lose();
                // What has arrived may be kept or not; the client has to ask.
                if self.world.chaos.pick("part of an upload", content, &[false, true]) {
                    self.with(|session| session.received.extend(part));
                }
                Err(Answer::nothing())
            }
            Fault::SessionLost => {
                let _ = body.all();
                self.with(|session| session.phase = Phase::Lost);
                Err(self.world.try_again(502))
            }
            after => Ok(Some(after)),
        }
    }

    /// The connection breaks, and with it perhaps the session.
    fn lose(&self) {
        let lost = self.world.chaos.pick("session after a break", "", &[true, false]);
        self.with(|session| {
            session.unsure = true;
            if lost {
                session.phase = Phase::Lost;
            }
        });
    }

    fn check_type(&self, body: &Body<'_>) {
        let typed = self.request.header("content-type");
        if body.left() > 0 && typed != Some("application/octet-stream") {
            self.illegal(format!("Content-Type of a blob is {typed:?}"));
        }
    }

    /// Whether a body goes where the last one ended.
    fn check_range(&self, start: usize, length: u64, required: bool) -> Result<(), Answer> {
        let header = self.request.header("content-range");
        let range = header.and_then(range);
        let is_right = match range {
            Some(range) => *range.start() == start as u64 && length == range.end() + 1 - range.start(),
            None => !required && header.is_none() && start == 0,
        };
        if is_right {
            return Ok(());
        }
        // Registries take a whole blob in a PATCH that does not say where it goes, which tools send and the specification
        // does not know.
        if header.is_none() && start == 0 {
            self.illegal("a chunk without Content-Range");
            return Ok(());
        }
        if !self.with(|session| session.unsure) {
            self.illegal(format!("Content-Range {header:?} of {length} bytes, where {start} bytes are there"));
        }
        Err(Answer::error(416, "BLOB_UPLOAD_INVALID").with("Range", range_of(start)))
    }
}

/// `0-LAST`, of so many bytes.
fn range_of(received: usize) -> String {
    format!("0-{}", received.saturating_sub(1))
}

/// `FIRST-LAST`.
fn range(text: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}
