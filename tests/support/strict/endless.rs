//! A registry whose bodies have no end, or claim to have none.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::answer::{Answer, Shape};
use super::http::{Body, Origin, Request, Server};
use super::state::digest;

/// What a body claims to be, where it claims anything.
pub const TEN_GIB: u64 = 10 << 30;

/// The body that has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A manifest, by its tag.
    TaggedManifest,
    /// A manifest, by its digest.
    Manifest,
    /// A config.
    Config,
    /// A layer, which is said to have a few bytes.
    Layer,
    /// A token.
    Token,
    /// The body of a 404.
    Error,
    /// The body of a 503.
    PassingError,
    /// The body of a 401.
    Challenge,
    /// What is said to the begin of an upload.
    Begin,
    /// What is said to the end of an upload.
    End,
}

impl What {
    /// All of them.
    pub const ALL: [What; 10] = [
        What::TaggedManifest,
        What::Manifest,
        What::Config,
        What::Layer,
        What::Token,
        What::Error,
        What::PassingError,
        What::Challenge,
        What::Begin,
        What::End,
    ];
}

/// How large a descriptor says its content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// What it would be without the lie.
    Right,
    /// 10 GiB.
    TenGib,
    /// A byte more than is allowed.
    TooMuch,
}

/// The registry; it is stopped on drop.
pub struct Endless {
    address: SocketAddr,
    at: Arc<At>,
    _server: Server,
}

/// An image of one platform; what its descriptors say of sizes may be wrong.
#[derive(Clone, Debug)]
pub struct TinyImage {
    /// A layer.
    pub layer: Vec<u8>,
    /// Its config.
    pub config: Vec<u8>,
    /// Its manifest.
    pub manifest: Vec<u8>,
}

impl TinyImage {
    fn new(config_size: Said, layer_size: Said) -> TinyImage {
        let (layer, config) = (vec![7; 5_000], b"{\"architecture\":\"amd64\",\"os\":\"linux\"}".to_vec());
        let described = |media_type: &str, content: &[u8], said: Said| {
            let size = match said {
                Said::Right => content.len() as u64,
                Said::TenGib => TEN_GIB,
                Said::TooMuch => (4 << 20) + 1,
            };
            json!({ "mediaType": media_type, "digest": digest(content), "size": size })
        };
        let manifest: Value = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described("application/vnd.oci.image.config.v1+json", &config, config_size),
            "layers": [described("application/vnd.oci.image.layer.v1.tar", &layer, layer_size)],
        });
        TinyImage { layer, config, manifest: manifest.to_string().into_bytes() }
    }
}

struct At {
    what: Option<What>,
    length: Option<u64>,
    image: TinyImage,
    realm: String,
    begun: AtomicU32,
}

impl Endless {
    /// Starts one whose `what` streams without a length, or claims this one.
    pub fn start(what: What, length: Option<u64>) -> Endless {
        Endless::with(Some(what), length, TinyImage::new(Said::Right, Said::Right))
    }

    /// Starts one whose descriptors lie; where one says 10 GiB of `what`, that comes indeed.
    pub fn lying(config: Said, layer: Said, what: Option<What>) -> Endless {
        Endless::with(what, Some(TEN_GIB), TinyImage::new(config, layer))
    }

    fn with(what: Option<What>, length: Option<u64>, image: TinyImage) -> Endless {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the address of a listener");
        let realm = format!("http://{address}/token");
        let at = Arc::new(At { what, length, image, realm, begun: AtomicU32::new(0) });
        let origin = Arc::clone(&at);
        Endless { address, at, _server: Server::start(listener, origin) }
    }

    /// `127.0.0.1:PORT/REPOSITORY:TAG` for `repo_tag`.
    pub fn reference(&self, repo_tag: &str) -> String {
        format!("{}/{repo_tag}", self.address)
    }

    /// What it has.
    pub fn image(&self) -> &TinyImage {
        &self.at.image
    }

    /// How many bodies without an end it has begun.
    pub fn begun(&self) -> u32 {
        self.at.begun.load(Ordering::SeqCst)
    }
}

impl Origin for At {
    fn answer(&self, request: &Request, body: &mut Body<'_>) -> Answer {
        if body.all().is_err() {
            return Answer::nothing();
        }
        let (what, answer) = self.plain(request);
        if what != self.what || request.method == "HEAD" {
            return answer;
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        let filler = b"{\"endless\": \"".iter().copied().chain(std::iter::repeat_n(b'x', 64 << 10)).collect();
        answer.body(filler).shape(Shape::Endless(self.length))
    }
}

impl At {
    /// The answer without anything endless, and what it is.
    fn plain(&self, request: &Request) -> (Option<What>, Answer) {
        let path = request.path();
        let name = path.rsplit('/').next().unwrap_or_default();
        let manifest_type = "application/vnd.oci.image.manifest.v1+json";
        if path == "/token" {
            return (Some(What::Token), Answer::new(200).body(json!({ "token": "t" }).to_string().into_bytes()));
        }
        // Whoever has a password, and was told of no way to show it, asks here.
        if path == "/v2/" {
            return (None, Answer::new(200));
        }
        // What is asked for by HEAD is to be pushed, or its GET tells more.
        if request.method == "HEAD" {
            return (None, Answer::error(404, "UNKNOWN"));
        }
        let wants_token = matches!(self.what, Some(What::Token | What::Challenge));
        if wants_token && request.header("authorization").is_none() {
            let answer = Answer::error(401, "UNAUTHORIZED");
            return (
                Some(What::Challenge),
                answer.with("WWW-Authenticate", format!("Bearer realm=\"{}\"", self.realm)),
            );
        }
        let refused = match self.what {
            Some(What::Error) => 404,
            Some(What::PassingError) => 503,
            _ => 0,
        };
        if refused > 0 {
            return (self.what, Answer::error(refused, "UNKNOWN"));
        }
        let content =
            |bytes: &[u8], media_type: &str| Answer::new(200).with("Content-Type", media_type).body(bytes.to_vec());
        let layer = digest(&self.image.layer);
        match request.method.as_str() {
            "POST" => (Some(What::Begin), Answer::new(202).with("Location", format!("{path}1?state=1"))),
            "PUT" => (Some(What::End), Answer::new(201)),
            _ if path.contains("/manifests/") && name.contains(':') => {
                (Some(What::Manifest), content(&self.image.manifest, manifest_type))
            }
            _ if path.contains("/manifests/") => {
                (Some(What::TaggedManifest), content(&self.image.manifest, manifest_type))
            }
            _ if name == layer => (Some(What::Layer), content(&self.image.layer, "application/octet-stream")),
            _ => (Some(What::Config), content(&self.image.config, "application/octet-stream")),
        }
    }
}
