//! A registry that sends clients to other origins, and records what they send there.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::answer::Answer;
use super::http::{Body, Origin, Request, Server};
use super::image::{Content, Image};
use super::lock;
use super::random::Random;
use super::state::digest;

/// How a client is sent elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lure {
    /// A blob is elsewhere.
    BlobRedirect,
    /// A manifest is elsewhere.
    ManifestRedirect,
    /// A blob is elsewhere, and from there it is back in the registry, where nothing is to be proven for it.
    RedirectAndBack,
    /// An upload goes on elsewhere.
    UploadLocation,
    /// The bytes of an upload are sent elsewhere by a redirect.
    UploadRedirect,
    /// All answers have more of them elsewhere.
    Link,
    /// The token service is elsewhere.
    Realm,
    /// The token service is here, and redirects.
    RealmRedirect,
    /// The layers say that they are elsewhere, too.
    Urls,
}

impl Lure {
    /// All of them.
    pub const ALL: [Lure; 9] = [
        Lure::BlobRedirect,
        Lure::ManifestRedirect,
        Lure::RedirectAndBack,
        Lure::UploadLocation,
        Lure::UploadRedirect,
        Lure::Link,
        Lure::Realm,
        Lure::RealmRedirect,
        Lure::Urls,
    ];
}

/// In what the other origin differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// `localhost` for `127.0.0.1`.
    Host,
    /// Another port.
    Port,
    /// `https` for `http`; nobody speaks TLS there.
    Scheme,
}

impl Elsewhere {
    /// All of them.
    pub const ALL: [Elsewhere; 3] = [Elsewhere::Host, Elsewhere::Port, Elsewhere::Scheme];
}

/// What a client is asked to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// User and password.
    Basic,
    /// A token of the token service.
    Token,
}

/// The token that the token service gives.
pub const TOKEN: &str = "token-5f0e7d2c9b";

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Whether it arrived where the registry itself is.
    pub is_own: bool,
    /// Method, target, headers and body, as text.
    pub text: String,
    /// Whether it brought an Authorization or a Cookie.
    pub proves: bool,
}

/// The registry and the origins it lures to; they are stopped on drop.
pub struct Recorder {
    shared: Arc<Shared>,
    _servers: [Server; 2],
}

struct Shared {
    lure: Lure,
    elsewhere: Elsewhere,
    proof: Proof,
    own: SocketAddr,
    other: SocketAddr,
    image: Image,
    seen: Mutex<Vec<Seen>>,
}

impl Recorder {
    /// Starts it, on free ports of this machine.
    pub fn start(lure: Lure, elsewhere: Elsewhere, proof: Proof) -> Recorder {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [own, other] = listeners.each_ref().map(|listener| listener.local_addr().expect("a listener's address"));
        let url = match elsewhere {
            Elsewhere::Host => format!("http://localhost:{}", own.port()),
            Elsewhere::Port => format!("http://{other}"),
            Elsewhere::Scheme => format!("https://{own}"),
        };
        let urls = (lure == Lure::Urls).then(|| format!("{url}/urls"));
        let image = Image::random(&mut Random::new(4), urls.as_deref());
        let shared = Arc::new(Shared { lure, elsewhere, proof, own, other, image, seen: Mutex::default() });
        let servers = listeners.map(|listener| Server::start(listener, Arc::new(At(Arc::clone(&shared)))));
        Recorder { shared, _servers: servers }
    }

    /// `127.0.0.1:PORT/REPOSITORY:TAG` for `repo_tag`.
    pub fn reference(&self, repo_tag: &str) -> String {
        format!("{}/{repo_tag}", self.shared.own)
    }

    /// The other origin: its host and port.
    pub fn elsewhere(&self) -> String {
        let url = self.shared.url("");
        url.split("://").nth(1).unwrap_or_default().to_owned()
    }

    /// What it has under any name; what it does not have when it is asked by HEAD, so that it is pushed.
    pub fn image(&self) -> &Image {
        &self.shared.image
    }

    /// What arrived, where it may and where it may not.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }
}

struct At(Arc<Shared>);

impl Origin for At {
    fn answer(&self, request: &Request, body: &mut Body<'_>) -> Answer {
        let Ok(body) = body.all() else { return Answer::nothing() };
        let shared = &self.0;
        let is_own = request.header("host") == Some(&shared.own.to_string());
        let mut text = format!("{} {}\n", request.method, request.target);
        request.headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\n")));
        text.push_str(&String::from_utf8_lossy(&body));
        let proves = ["authorization", "cookie"].iter().any(|name| request.header(name).is_some());
        lock(&shared.seen).push(Seen { is_own, text, proves });
        let answer = if is_own { shared.here(request) } else { shared.there(request) };
        match shared.lure {
            Lure::Link => answer.with("Link", format!("<{}>; rel=\"next\"", shared.url("/next?n=1"))),
            _ => answer,
        }
    }
}

impl Shared {
    /// A URL elsewhere.
    fn url(&self, path: &str) -> String {
        match self.elsewhere {
            Elsewhere::Host => format!("http://localhost:{}{path}", self.own.port()),
            Elsewhere::Port => format!("http://{}{path}", self.other),
            Elsewhere::Scheme => format!("https://{}{path}", self.own),
        }
    }

    /// What the registry answers.
    fn here(&self, request: &Request) -> Answer {
        let path = request.path();
        if path == "/token" {
            return self.token();
        }
        // What it redirects back to needs no proof.
        if let Some(digest) = path.strip_prefix("/back/") {
            return self.content(digest);
        }
        let given = request.header("authorization").unwrap_or_default();
        let is_proven = match self.proof {
            Proof::Basic => given.starts_with("Basic "),
            Proof::Token => given == format!("Bearer {TOKEN}"),
        };
        if !is_proven {
            return self.challenge();
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let elsewhere = |kind: &str| Answer::new(307).with("Location", self.url(&format!("/{kind}/{name}")));
        match request.method.as_str() {
            "POST" if self.lure == Lure::UploadLocation => {
                Answer::new(202).with("Location", self.url("/upload?state=1"))
            }
            "POST" => Answer::new(202).with("Location", format!("{path}1?state=1")),
            "PUT" if self.lure == Lure::UploadRedirect && path.contains("/uploads/") => elsewhere("upload"),
            "PUT" | "DELETE" => Answer::new(201),
            "GET" if self.lure == Lure::ManifestRedirect && path.contains("/manifests/") => elsewhere("content"),
            "GET" if self.lure == Lure::BlobRedirect && path.contains("/blobs/") => elsewhere("content"),
            "GET" if self.lure == Lure::RedirectAndBack && path.contains("/blobs/") => elsewhere("back"),
            "GET" => self.content(name),
            _ => Answer::error(404, "UNKNOWN"),
        }
    }

    /// What is answered elsewhere.
    fn there(&self, request: &Request) -> Answer {
        let name = request.path().rsplit('/').next().unwrap_or_default();
        match request.path() {
            "/token" => self.token(),
            path if path.starts_with("/content/") => self.content(name),
            path if path.starts_with("/back/") => {
                Answer::new(307).with("Location", format!("http://{}/back/{name}", self.own))
            }
            path if path.starts_with("/upload") => Answer::new(201),
            _ => Answer::error(404, "UNKNOWN"),
        }
    }

    fn challenge(&self) -> Answer {
        let answer = Answer::error(401, "UNAUTHORIZED");
        let realm = match self.lure {
            Lure::Realm => self.url("/token"),
            _ => format!("http://{}/token", self.own),
        };
        match self.proof {
            Proof::Basic => answer.with("WWW-Authenticate", "Basic realm=\"here\""),
            Proof::Token => answer.with("WWW-Authenticate", format!("Bearer realm=\"{realm}\",service=\"here\"")),
        }
    }

    fn token(&self) -> Answer {
        match self.lure {
            Lure::RealmRedirect => Answer::new(307).with("Location", self.url("/elsewhere?token")),
            _ => Answer::new(200).body(json!({ "token": TOKEN, "expires_in": 300 }).to_string().into_bytes()),
        }
    }

    fn content(&self, name: &str) -> Answer {
        let is_it = |content: &&Content| content.digest == name;
        let content = self.image.contents().find(is_it).unwrap_or(&self.image.index);
        let answer = Answer::new(200).with("Content-Type", content.media_type);
        answer.with("Docker-Content-Digest", digest(&content.bytes)).body(content.bytes.clone())
    }
}
