//! Uploads: one state machine a session (distribution-spec, "Pushing blobs").

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::World;
use super::faults::{Fault, Point};
use super::http::{Answer, Body, Request};
use super::monitor::Place;
use super::state;
use super::tokens::right;

/// GHCR refuses larger chunks.
const MOST_CHUNK: u64 = 4 << 20;

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    all: Vec<Session>,
    /// Every Location that was ever given: whose it is.
    given: HashMap<String, usize>,
}

#[derive(Debug)]
struct Session {
    repository: String,
    place: Place,
    phase: Phase,
    received: Vec<u8>,
    /// The Location of the last answer that had one.
    latest: String,
    /// No chunk but the last may be smaller.
    least_chunk: usize,
    last_chunk: Option<usize>,
    /// Set when the client cannot know what arrived.
    unsure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Committed,
    Cancelled,
    /// The registry has lost it, which the client cannot know.
    Lost,
}

impl Sessions {
    /// How many wait for more.
    pub fn open(&self) -> usize {
        self.all.iter().filter(|session| session.phase == Phase::Open).count()
    }
}

impl World {
    /// A POST: the begin of an upload, or a mount.
    pub fn begin(&self, request: &Request, body: &mut Body<'_>, repository: &str) -> Answer {
        if request.method != "POST" {
            self.monitor.illegal(Place::Registry, request, "no request for uploads");
            return Answer::error(405, "UNSUPPORTED");
        }
        let mount = request.query("mount").zip(request.query("from"));
        let mut rights = vec![right(repository, "push")];
        rights.extend(mount.iter().map(|(_, from)| right(from, "pull")));
        if let Some(answer) = self.admit(request, &rights) {
            return answer;
        }
        if body.left() > 0 {
            self.monitor.illegal(Place::Registry, request, "a body without a session");
        }
        match mount {
            Some((digest, from)) => self.mount(request, repository, &digest, &from, &rights),
            None => match self.fails(Point::Begin, "", false) {
                Some(answer) => answer,
                None => self.session(request, repository),
            },
        }
    }

    fn mount(&self, request: &Request, repository: &str, digest: &str, from: &str, rights: &[String]) -> Answer {
        if let Some(fault) = self.faults.strike(Point::Mount, digest, |_| true) {
            self.monitor.hit(&fault.to_string());
            return match fault {
                Fault::MountRefused => self.session(request, repository),
                Fault::MountUnauthorized => self.challenge(request, rights, "too weak"),
                Fault::MountForbidden => Answer::error(403, "DENIED"),
                Fault::MountNotFound => Answer::error(404, "NAME_UNKNOWN"),
                Fault::MountNotAllowed => Answer::error(405, "UNSUPPORTED"),
                _ => self.try_again(self.chaos.pick("mount error", digest, &[500, 502, 503, 504])),
            };
        }
        let mut repositories = super::lock(&self.repositories);
        let content = repositories.get(from).blobs.get(digest).cloned();
        let taken = self.chaos.pick("mount", digest, &[true, true, true, false]);
        let Some(content) = content.filter(|_| taken) else {
            drop(repositories);
            self.monitor.hit("mount 202");
            return self.session(request, repository);
        };
        self.monitor.hit("mount 201");
        repositories.get(repository).blobs.insert(digest.to_owned(), content);
        let answer = Answer::new(201).with("Location", format!("/v2/{repository}/blobs/{digest}"));
        self.with_digest(answer, digest)
    }

    /// A new session.
    fn session(&self, request: &Request, repository: &str) -> Answer {
        let place = self.chaos.pick("place of uploads", "", &[Place::Registry, Place::Registry, Place::Storage]);
        let least = self.chaos.pick("least chunk", "", &[0, 0, 1, 1_000, 60_000, 5 << 20]);
        let number = {
            let mut sessions = super::lock(&self.sessions);
            sessions.all.push(Session {
                repository: repository.to_owned(),
                place,
                phase: Phase::Open,
                received: Vec::new(),
                latest: String::new(),
                least_chunk: least,
                last_chunk: None,
                unsure: false,
            });
            sessions.all.len() - 1
        };
        let answer = Answer::new(202).with("Location", self.location(Place::Registry, request, number));
        let answer = answer.with("Range", "0-0");
        let answer = match self.chaos.pick("id of uploads", "", &[true, false]) {
            true => answer.with("Docker-Upload-UUID", format!("00000000-0000-4000-8000-{number:012}")),
            false => answer,
        };
        match least {
            0 => answer,
            least => answer.with("OCI-Chunk-Min-Length", least.to_string()),
        }
    }

    /// A new Location for a session: opaque, in any form that RFC 3986 has for it.
    fn location(&self, asked: Place, request: &Request, number: usize) -> String {
        let mut random = self.chaos.random("location", "");
        let id = format!("{:016x}{:016x}", random.next(), random.next());
        // Escaped and plain, in both cases of hex, in no order, and twice: bytes that nobody may tidy up.
        let state = random.text(b"ABCDEFabcdef0123456789-._~", 24);
        let query = self.chaos.pick(
            "query of a location",
            "",
            &["?_state=STATE", "", "?zz=%2Fa%2fb+c%3D%3d&_state=STATE==&a=1&zz=!$()*,;:@/?&b", "?_state=STATE&"],
        );
        let query = query.replace("STATE", &state);
        let (repository, place) = {
            let sessions = super::lock(&self.sessions);
            (sessions.all[number].repository.clone(), sessions.all[number].place)
        };
        let path = match (place, self.chaos.once_in("path of a location", "", 4)) {
            (Place::Registry, false) => format!("/v2/{repository}/blobs/uploads/{id}"),
            _ => format!("/uploads/here%2Fthere/{id}"),
        };
        let target = format!("{path}{query}");
        {
            let mut sessions = super::lock(&self.sessions);
            sessions.given.insert(key(&target).to_owned(), number);
            sessions.all[number].latest = key(&target).to_owned();
        }
        let host = if place == Place::Registry { self.registry } else { self.storage };
        let forms = ["absolute", "path", "path", "host", "relative"];
        let form = self.chaos.pick("form of a location", "", &forms);
        let folder = |path: &str| path.rfind('/').map(|end| path[..=end].to_owned());
        let (form, text) = match form {
            "host" => ("host", format!("//{host}{target}")),
            "path" if place == asked => ("path", target),
            "relative" if place == asked && folder(request.path()) == folder(&path) => {
                ("relative", format!("{id}{query}"))
            }
            _ => ("absolute", format!("http://{host}{target}")),
        };
        self.monitor.hit(&format!("Location {form} on {place}"));
        text
    }

    /// A request within a session; nothing when it is for none.
    pub fn upload(&self, place: Place, request: &Request, body: &mut Body<'_>) -> Option<Answer> {
        let (target, digest) = without_digest(&request.target);
        let (number, repository, phase, is_latest, at) = {
            let sessions = super::lock(&self.sessions);
            let number = *sessions.given.get(key(&target))?;
            let session = &sessions.all[number];
            (number, session.repository.clone(), session.phase, session.latest == key(&target), session.place)
        };
        let unknown = || Some(Answer::error(404, "BLOB_UPLOAD_UNKNOWN"));
        match phase {
            _ if at != place => {
                self.monitor.illegal(place, request, format!("a Location of {at}"));
                return unknown();
            }
            Phase::Committed | Phase::Cancelled => {
                self.monitor.illegal(place, request, format!("the session is {phase:?}"));
                return unknown();
            }
            _ if !is_latest => {
                self.monitor.illegal(place, request, "not the latest Location");
                return unknown();
            }
            Phase::Lost => return unknown(),
            Phase::Open => {}
        }
        let rights = [right(&repository, "push")];
        if place == Place::Registry
            && let Some(answer) = self.admit(request, &rights)
        {
            return Some(answer);
        }
        let step = Step { world: self, place, request, number };
        Some(match (request.method.as_str(), digest) {
            ("PUT", Some(digest)) => step.put(body, &repository, &digest, &rights),
            ("PATCH", None) => step.patch(body, &rights),
            ("GET", None) => step.status(),
            ("DELETE", None) => step.cancel(),
            _ => {
                self.monitor.illegal(place, request, "no request for a session");
                Answer::error(405, "UNSUPPORTED")
            }
        })
    }
}

/// One request within an open session.
struct Step<'a> {
    world: &'a World,
    place: Place,
    request: &'a Request,
    number: usize,
}

impl Step<'_> {
    fn illegal(&self, why: impl std::fmt::Display) {
        self.world.monitor.illegal(self.place, self.request, why);
    }

    fn with<T>(&self, use_session: impl FnOnce(&mut Session) -> T) -> T {
        use_session(&mut super::lock(&self.world.sessions).all[self.number])
    }

    fn put(&self, body: &mut Body<'_>, repository: &str, digest: &str, rights: &[String]) -> Answer {
        self.check_type(body);
        let has_body = body.left() > 0;
        if has_body && self.world.chunks_only {
            self.world.monitor.hit("monolithic PUT refused");
            return Answer::error(self.world.chaos.pick("PUT refused", "", &[413, 405]), "UNSUPPORTED");
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
        match fault {
            Some(Fault::ResetAfterCommit) => return Answer::nothing(),
            Some(Fault::ErrorAfterCommit) => return self.world.try_again(503),
            _ => {}
        }
        let status = self.world.chaos.pick("PUT of a blob", digest, &[201, 201, 201, 204, 202, 200]);
        self.world.monitor.hit(&format!("PUT of a blob {status}"));
        let answer = match self.world.chaos.pick("end of an upload", digest, &[true, true, false]) {
            true => Answer::new(status).with("Location", format!("/v2/{repository}/blobs/{digest}")),
            false => Answer::new(status),
        };
        self.world.with_digest(answer, digest)
    }

    fn patch(&self, body: &mut Body<'_>, rights: &[String]) -> Answer {
        self.check_type(body);
        let length = body.left();
        if length > MOST_CHUNK {
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
            return if fault == Some(Fault::ResetAfterCommit) { Answer::nothing() } else { self.world.try_again(503) };
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

    fn status(&self) -> Answer {
        let received = self.with(|session| {
            session.unsure = false;
            session.received.len()
        });
        self.world.monitor.hit("state of an upload");
        Answer::new(204).with("Location", self.location()).with("Range", range_of(received))
    }

    fn cancel(&self) -> Answer {
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

/// A target as it tells sessions apart: what may or may not stand before an added `digest=` is left out.
fn key(target: &str) -> &str {
    target.trim_end_matches(['?', '&'])
}

/// A target without the digest that a PUT adds to its query, every other byte as it was; and the digest.
fn without_digest(target: &str) -> (String, Option<String>) {
    let Some((path, query)) = target.split_once('?') else { return (target.to_owned(), None) };
    let pairs: Vec<&str> = query.split('&').collect();
    let at = pairs.iter().position(|pair| pair.starts_with("digest="));
    let Some(at) = at else { return (target.to_owned(), None) };
    let digest = pairs[at]["digest=".len()..].replace("%3A", ":").replace("%3a", ":");
    let rest: Vec<&str> = pairs[..at].iter().chain(&pairs[at + 1..]).copied().collect();
    (format!("{path}?{}", rest.join("&")), Some(digest))
}
