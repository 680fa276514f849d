//! The strict registry: it answers as any registry legally may, breaks as registries do, and takes note of every
//! request that should not have been made.
//!
//! It is three origins on loopback: the registry, a storage that it sends clients to, and a token service.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `http`, `answer` | listeners, requests, answers |
//! | `state` | what the registry holds |
//! | `blobs`, `uploads`, `step`, `manifests`, `tokens` | what it answers |
//! | `referrers` | what is attached to what |
//! | `tags` | tags that must not move, and tags that are read as digests |
//! | `chaos` | which of the legal answers it gives |
//! | `faults` | what it breaks, and when |
//! | `monitor` | what was asked, and what of that was illegal |
//! | `personality` | whose habits it has: those of GHCR, ECR, GitLab, … |
//! | `image` | an index of two platforms, to push and to pull |
//! | `layout` | a layout that is put there |
//! | `scene` | what a seed stands for: a push or a pull, and what goes wrong in it |
//! | `random` | chance that repeats itself |
//! | `recorder` | a registry that lures elsewhere, and records what is brought there |
//! | `endless` | a registry whose bodies have no end |
//! | `single` | the answers of a registry with one image |
//! | `tree` | a registry whose image has attachments, and these have attachments, … |

pub mod answer;
pub mod blobs;
pub mod chaos;
pub mod endless;
pub mod faults;
pub mod http;
pub mod image;
pub mod layout;
pub mod manifests;
pub mod monitor;
pub mod personality;
pub mod random;
pub mod recorder;
pub mod referrers;
pub mod scene;
pub mod single;
pub mod state;
pub mod step;
pub mod tags;
pub mod tokens;
pub mod tree;
pub mod uploads;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use answer::{Answer, Shape};
use chaos::Chaos;
use faults::{Fault, Faults, Planned, Point};
use http::{Body, Origin, Request, Server};
use monitor::{Monitor, Place};
use personality::Personality;
use referrers::{Attaching, Etags};
use state::{Manifest, Repositories};
use tags::{Dashed, Immutable};
use tokens::{Access, Tokens};
use uploads::Sessions;

/// The value behind a lock: the threads here leave nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a [`StrictRegistry`] is like. By default it is plain: open, and without faults.
#[derive(Debug, Default)]
pub struct Behaviour {
    /// Where its choices come from; without a seed it answers as plainly as it can.
    pub seed: Option<u64>,
    /// What it breaks.
    pub faults: Vec<Planned>,
    /// What it wants to see.
    pub access: Access,
    /// Whether it takes blobs in chunks only.
    pub chunks_only: bool,
    /// Whether several clients are at it at once.
    pub is_shared: bool,
    /// How it is with what is attached to images.
    pub attaching: Attaching,
    /// Whether it knows conditions of writes.
    pub etags: Etags,
    /// The only artifact types that it takes, if it has a list of them.
    pub types: Option<&'static [&'static str]>,
    /// How often a list under a tag is read as it was before it was written.
    pub stale_reads: u32,
    /// What it makes of `sha256-HEX`.
    pub dashed: Dashed,
    /// Whose words it refuses to move a tag with, if it does.
    pub immutable: Option<Immutable>,
    /// Whether it deletes manifests.
    pub deletes: bool,
    /// When everything was pushed, in seconds since 1970, if its list of tags says that, as Google's registries do.
    pub uploaded: Option<u64>,
    /// How long each of its answers takes.
    pub latency: Duration,
    /// The URL that it has in public, which it names in Locations, and that of its token service.
    pub public: Option<(String, String)>,
    /// Whose habits it has. [`Behaviour::of`] sets all that goes with it.
    pub personality: Personality,
}

/// A registry that runs; it is stopped on drop.
pub struct StrictRegistry {
    world: Arc<World>,
    _servers: [Server; 3],
}

/// What the three origins share.
pub struct World {
    repositories: Mutex<Repositories>,
    sessions: Mutex<Sessions>,
    tokens: Tokens,
    /// The storage's URLs that were given out: repository and digest.
    given: Mutex<HashMap<String, (String, String)>>,
    /// The blobs that are kept, which the client does not know: the answer was lost, and it has not asked since.
    unknown: Mutex<HashSet<String>>,
    monitor: Monitor,
    chaos: Chaos,
    faults: Faults,
    access: Access,
    chunks_only: bool,
    is_shared: bool,
    attaching: Attaching,
    etags: Etags,
    types: Option<&'static [&'static str]>,
    stale_reads: u32,
    /// The lists that are read as they were before, and how often still.
    stale: Mutex<HashMap<String, (Option<String>, u32)>>,
    dashed: Dashed,
    immutable: Option<Immutable>,
    deletes: bool,
    uploaded: Option<u64>,
    latency: Duration,
    personality: Personality,
    /// The repositories that were created, for those where they have to be.
    created: Mutex<BTreeSet<String>>,
    /// What tags stood for when they were first asked for, in a cache.
    cached: Mutex<HashMap<String, String>>,
    /// Whether there was one request too many.
    was_limited: Mutex<bool>,
    /// How many lists other clients have written.
    rivals: Mutex<usize>,
    registry: SocketAddr,
    storage: SocketAddr,
    /// The URL that it has in public.
    origin: String,
    realm: String,
    tokens_at: SocketAddr,
}

struct At {
    place: Place,
    world: Arc<World>,
}

impl Origin for At {
    fn answer(&self, request: &Request, body: &mut Body<'_>) -> Answer {
        let world = &self.world;
        let place = match self.place {
            Place::Registry if world.is_token_service(request.path()) => Place::Tokens,
            place => place,
        };
        world.monitor.arrives(place, request);
        thread::sleep(world.latency);
        let mut answer = world.habit(place, request).unwrap_or_else(|| match place {
            Place::Tokens => world.token(request, body),
            Place::Storage => match world.upload(Place::Storage, request, body) {
                Some(answer) => answer,
                None => world.stored(request),
            },
            Place::Registry => world.route(request, body),
        });
        answer.close |= world.chaos.once_in("end of connection", request.path(), 20);
        world.monitor.answers(&answer);
        answer
    }
}

impl StrictRegistry {
    /// Starts it, on free ports of this machine.
    pub fn start(behaviour: Behaviour) -> StrictRegistry {
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [registry, storage, tokens] =
            listeners.each_ref().map(|listener| listener.local_addr().expect("the address of a listener"));
        let (place, path) = behaviour.personality.realm();
        let realm = format!("http://{}{path}", if place == Place::Tokens { tokens } else { registry });
        let (origin, realm) = behaviour.public.unwrap_or_else(|| (format!("http://{registry}"), realm));
        let world = Arc::new(World {
            repositories: Mutex::default(),
            sessions: Mutex::default(),
            tokens: Tokens::default(),
            given: Mutex::default(),
            unknown: Mutex::default(),
            monitor: Monitor::default(),
            chaos: behaviour.seed.map_or_else(Chaos::none, Chaos::of),
            faults: Faults::of(behaviour.faults),
            access: behaviour.access,
            chunks_only: behaviour.chunks_only,
            is_shared: behaviour.is_shared,
            attaching: behaviour.attaching,
            etags: behaviour.etags,
            types: behaviour.types,
            stale_reads: behaviour.stale_reads,
            stale: Mutex::default(),
            dashed: behaviour.dashed,
            immutable: behaviour.immutable,
            deletes: behaviour.deletes,
            uploaded: behaviour.uploaded,
            latency: behaviour.latency,
            personality: behaviour.personality,
            created: Mutex::default(),
            cached: Mutex::default(),
            was_limited: Mutex::default(),
            rivals: Mutex::default(),
            registry,
            storage,
            origin,
            realm,
            tokens_at: tokens,
        });
        world.guard_secrets();
        let mut places = [Place::Registry, Place::Storage, Place::Tokens].into_iter();
        let servers = listeners.map(|listener| {
            let place = places.next().expect("as many as listeners");
            Server::start(listener, Arc::new(At { place, world: Arc::clone(&world) }))
        });
        StrictRegistry { world, _servers: servers }
    }

    /// The full name of `repo_tag`, such as `127.0.0.1:PORT/hello:latest` for `hello:latest`.
    pub fn reference(&self, repo_tag: &str) -> String {
        format!("{}/{repo_tag}", self.world.registry)
    }

    /// The user that has the password.
    pub fn user(&self) -> &'static str {
        self.world.personality.user()
    }

    /// Where the token service is.
    pub fn tokens(&self) -> SocketAddr {
        self.world.tokens_at
    }

    /// Where the storage is: for the `urls` of a layer that must not be fetched.
    pub fn storage(&self) -> SocketAddr {
        self.world.storage
    }

    /// Creates a repository, where one has to be there before anything is pushed to it.
    pub fn create(&self, repository: &str) {
        lock(&self.world.created).insert(repository.to_owned());
    }

    /// Puts a blob there.
    pub fn put_blob(&self, repository: &str, content: &[u8]) {
        self.create(repository);
        let blob = (state::digest(content), content.into());
        lock(&self.world.repositories).get(repository).blobs.extend([blob]);
    }

    /// Puts a manifest there, and a tag on it.
    pub fn put_manifest(&self, repository: &str, media_type: &str, content: &[u8], tag: Option<&str>) {
        self.create(repository);
        let digest = state::digest(content);
        let manifest = Manifest { media_type: media_type.to_owned(), bytes: content.into() };
        let mut repositories = lock(&self.world.repositories);
        let repository = repositories.get(repository);
        repository.manifests.insert(digest.clone(), manifest);
        repository.tags.extend(tag.map(|tag| (tag.to_owned(), digest)));
    }

    /// What is in a repository.
    pub fn repository(&self, name: &str) -> state::Repository {
        lock(&self.world.repositories).get(name).clone()
    }

    /// Takes a manifest away, and the tags on it.
    pub fn remove_manifest(&self, repository: &str, digest: &str) {
        let mut repositories = lock(&self.world.repositories);
        repositories.get(repository).remove(digest);
    }

    /// The digest that a tag stands for.
    pub fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        self.repository(repository).tags.get(tag).cloned()
    }

    /// The requests that must not be.
    pub fn violations(&self) -> Vec<String> {
        self.world.monitor.violations()
    }

    /// How often each fault and each legal variation was there.
    pub fn hits(&self) -> BTreeMap<String, u64> {
        self.world.monitor.hits()
    }

    /// How often a fault has struck that the client cannot overcome.
    pub fn final_hits(&self) -> u32 {
        self.world.faults.final_hits()
    }

    /// How often it has refused, out of habit, what the client cannot do otherwise.
    pub fn refusals(&self) -> u32 {
        self.world.faults.refusals()
    }

    /// How many requests there were, at all three origins.
    pub fn requests(&self) -> usize {
        self.world.monitor.requests()
    }

    /// How many upload sessions wait for more.
    pub fn open_sessions(&self) -> usize {
        lock(&self.world.sessions).open()
    }

    /// All requests and answers, a line each.
    pub fn log(&self) -> String {
        format!("{}\n{}", self.world.faults.words(), self.world.monitor.log())
    }
}

impl World {
    fn route(&self, request: &Request, body: &mut Body<'_>) -> Answer {
        if let Some(answer) = self.upload(Place::Registry, request, body) {
            return answer;
        }
        let path = request.path().to_owned();
        let rest = path.strip_prefix("/v2/").unwrap_or_default();
        if let Some(repository) = rest.strip_suffix("/blobs/uploads/") {
            return self.begin(request, body, repository);
        }
        if rest.contains("/blobs/uploads/") {
            self.monitor.illegal(Place::Registry, request, "a Location that was never given");
            return Answer::error(404, "BLOB_UPLOAD_UNKNOWN");
        }
        if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
            return self.blob(request, repository, digest);
        }
        if let Some((repository, subject)) = rest.rsplit_once("/referrers/") {
            return self.referrers(request, repository, subject);
        }
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            return self.list_tags(request, repository);
        }
        if let Some((repository, reference)) = rest.rsplit_once("/manifests/") {
            return self.manifest(request, body, repository, reference);
        }
        if path == "/v2/" {
            return self.admit(request, &[]).unwrap_or_else(|| Answer::new(200));
        }
        self.monitor.illegal(Place::Registry, request, "nothing is there");
        Answer::error(404, "UNSUPPORTED")
    }

    /// The faults that any request may meet.
    fn fails(&self, point: Point, content: &str, is_head: bool) -> Option<Answer> {
        let can = |fault: Fault| match fault {
            Fault::NoAnswer | Fault::TooMany | Fault::ServerError | Fault::ErrorForEver => true,
            // A HEAD that is refused says little: the GET has to be.
            Fault::Refused | Fault::RefusedWithEscapes | Fault::RefusedWithMegabytes => !is_head,
            _ => false,
        };
        let fault = self.faults.strike(point, content, can)?;
        self.monitor.hit(&fault.to_string());
        let denied = || Answer::new(403).with("Content-Type", "application/json");
        Some(match fault {
            Fault::NoAnswer => Answer::nothing(),
            Fault::TooMany => self.try_again(429),
            Fault::Refused => {
                let status = self.chaos.pick("refusal", "", &[403, 404, 400, 501, 505]);
                Answer::error(status, if status == 404 { "NAME_UNKNOWN" } else { "DENIED" })
            }
            Fault::RefusedWithEscapes => denied().body(
                b"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\x1b]0;owned\x07\\u001b[2J\\u001b[31mno\\u009b1A\\r\\n\"}]}\x1b[0m"
                    .to_vec(),
            ),
            Fault::RefusedWithMegabytes => {
                let shape = self.chaos.pick("megabytes", content, &[Shape::Sized, Shape::Chunked]);
                denied().body(b"no and no again, ".repeat(200_000)).shape(shape)
            }
            _ => self.try_again(self.chaos.pick("server error", content, &[503, 500, 502, 504, 408])),
        })
    }

    /// An error that passes, and perhaps says when.
    fn try_again(&self, status: u16) -> Answer {
        let answer = Answer::error(status, if status == 429 { "TOOMANYREQUESTS" } else { "UNAVAILABLE" });
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        match self.chaos.pick("retry after", "", &["", "0", "", past]) {
            "" => answer,
            after => answer.with("Retry-After", after),
        }
    }

    /// With the digest in a header, or without.
    fn with_digest(&self, answer: Answer, digest: &str) -> Answer {
        if self.chaos.pick("digest in a header", digest, &[true, true, false]) {
            answer.with("Docker-Content-Digest", digest)
        } else {
            answer
        }
    }

    fn shape(&self, question: &'static str, content: &str) -> Shape {
        self.chaos.pick(question, content, &[Shape::Sized, Shape::Sized, Shape::Chunked])
    }

    fn pause(&self, question: &'static str, content: &str) -> Duration {
        Duration::from_millis(self.chaos.pick(question, content, &[0, 0, 0, 0, 0, 3]))
    }
}
