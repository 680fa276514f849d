//! Uploads: one state machine a session (distribution-spec, "Pushing blobs").

use std::collections::HashMap;

use super::World;
use super::answer::Answer;
use super::faults::{Fault, Point};
use super::http::{Body, Request};
use super::monitor::Place;
use super::step::Step;
use super::tokens::right;

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    all: Vec<Session>,
    /// Every Location that was ever given: whose it is.
    given: HashMap<String, usize>,
}

/// An upload of one blob.
#[derive(Debug)]
pub struct Session {
    repository: String,
    place: Place,
    /// How far it is.
    pub phase: Phase,
    /// The bytes so far.
    pub received: Vec<u8>,
    /// The Location of the last answer that had one.
    latest: String,
    /// No chunk but the last may be smaller.
    pub least_chunk: usize,
    /// The size of the last one.
    pub last_chunk: Option<usize>,
    /// Set when the client cannot know what arrived.
    pub unsure: bool,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for more.
    Open,
    /// It has become a blob.
    Committed,
    /// The client has ended it.
    Cancelled,
    /// The registry has lost it, which the client cannot know.
    Lost,
}

impl Sessions {
    /// The session of a number.
    pub fn get(&mut self, number: usize) -> &mut Session {
        &mut self.all[number]
    }

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
                Fault::MountUnauthorized => {
                    self.note_challenged(request);
                    self.challenge(request, rights, "too weak")
                }
                Fault::MountForbidden => Answer::error(403, "DENIED"),
                Fault::MountNotFound => Answer::error(404, "NAME_UNKNOWN"),
                Fault::MountNotAllowed => Answer::error(405, "UNSUPPORTED"),
                _ => self.try_again(self.chaos.pick("mount error", digest, &[500, 502, 503, 504])),
            };
        }
        if let Some(answer) = self.no_mount(from) {
            return answer;
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
        let places = [Place::Registry, Place::Registry, Place::Storage];
        let place = if self.personality.has_own_locations() {
            Place::Registry
        } else {
            self.chaos.pick("place of uploads", "", &places)
        };
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
        let answer = if self.chaos.pick("id of uploads", "", &[true, false]) {
            answer.with("Docker-Upload-UUID", format!("00000000-0000-4000-8000-{number:012}"))
        } else {
            answer
        };
        match least {
            0 => answer,
            least => answer.with("OCI-Chunk-Min-Length", least.to_string()),
        }
    }

    /// A new Location for a session: opaque, in any form that RFC 3986 has for it.
    pub fn location(&self, asked: Place, request: &Request, number: usize) -> String {
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
        if self.personality.has_own_locations() {
            let (target, text) = self.own_location(request, &repository, &id, &query);
            self.give(number, &target);
            return text;
        }
        let path = match (place, self.chaos.once_in("path of a location", "", 4)) {
            (Place::Registry, false) => format!("/v2/{repository}/blobs/uploads/{id}"),
            _ => format!("/uploads/here%2Fthere/{id}"),
        };
        let target = format!("{path}{query}");
        self.give(number, &target);
        let storage = format!("http://{}", self.storage);
        let origin = if place == Place::Registry { &self.origin } else { &storage };
        let host = origin.split_once("//").map_or("", |(_, host)| host);
        let forms = ["absolute", "path", "path", "host", "relative"];
        let form = self.chaos.pick("form of a location", "", &forms);
        let folder = |path: &str| path.rfind('/').map(|end| path[..=end].to_owned());
        let (form, text) = match form {
            "host" => ("host", format!("//{host}{target}")),
            "path" if place == asked => ("path", target),
            "relative" if place == asked && folder(request.path()) == folder(&path) => {
                ("relative", format!("{id}{query}"))
            }
            _ => ("absolute", format!("{origin}{target}")),
        };
        self.monitor.hit(&format!("Location {form} on {place}"));
        text
    }

    fn give(&self, number: usize, target: &str) {
        let mut sessions = super::lock(&self.sessions);
        sessions.given.insert(key(target).to_owned(), number);
        key(target).clone_into(&mut sessions.all[number].latest);
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
