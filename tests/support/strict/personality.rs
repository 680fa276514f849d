//! Registries as people report them: each personality answers as one product does where products differ.
//!
//! What is modelled on a report names it. All keep to the monitor's rules: none of them makes an illegal request legal.

use serde_json::{Value, json};

use super::answer::Answer;
use super::http::Request;
use super::monitor::Place;
use super::referrers::{Attaching, is_list};
use super::state::Repository;
use super::tokens::{Access, ROBOT, USER};
use super::{Behaviour, World, lock};

/// The largest body that Nginx lets through by default (`client_max_body_size 1m`).
const NGINX_LIMIT: u64 = 1 << 20;
const NGINX_413: &str = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n\
    <center><h1>413 Request Entity Too Large</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n";
/// What configs and artifacts may be in a registry with a list of types. Others are on such lists, too; SPDX only as `text`
/// (sigstore/cosign#2479).
const KNOWN_TYPES: [&str; 9] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.empty.v1+json",
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.in-toto+json",
    "application/vnd.cyclonedx+json",
    "text/spdx+json",
];

/// What layers of artifacts may be besides.
const LAYER_TYPES: [&str; 3] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
];

/// Whose habits a registry has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Personality {
    /// Nobody's.
    #[default]
    Plain,
    /// ghcr.io. The referrers API redirects to a page of the web site, which limits requests (artifacthub/hub#4785); lists
    /// are under tags (oras-project/oras-java#773). Locations of uploads are relative (apple/swift-container-plugin#44), and
    /// below `/blobs/upload/` (dotnet/sdk-container-builds#292). Everybody gets tokens to pull.
    Ghcr,
    /// Amazon ECR. A repository has to be there (plexsystems/sinker#55, mulgadc/spinifex#400), and its tags are immutable:
    /// the same image again is refused, too (aws/containers-roadmap#2380, osscontainertools/kaniko#204). No method is
    /// allowed for referrers (aws/containers-roadmap#2783). User and password, no tokens.
    Ecr,
    /// GitLab. A tag that looks like a digest stands for the manifest with that digest (oras-project/oras#2148,
    /// oras-project/oras-go#1396). What configs and artifacts may be is listed (ocx-sh/ocx#480, grimoire-rs/grimoire#11). The
    /// token service is that of the web site, at `/jwt/auth`.
    GitLab,
    /// Artifactory. Whoever shows nothing finds nothing, and is asked for nothing (as containerd/containerd#3291); `/v2/`
    /// asks, and names a token service in a folder of the same host (containerd/containerd#6339). Mounts are refused, and so
    /// are other images under a tag that is there: with 403 and MANIFEST_INVALID (GoogleContainerTools/kaniko#1095).
    Artifactory,
    /// Google Artifact Registry. Tags are immutable, and with them the lists of referrers (actions/attest-build-provenance#80).
    /// Uploads go on below `/artifacts-uploads/` (gitpod-io/gitpod#10214), and not in chunks
    /// (podman-container-tools/skopeo#1101, dotnet/sdk-container-builds#287).
    Gar,
    /// Docker Hub. Too many requests are told in plain text (docker/hub-feedback#1907); the token service is on another host
    /// (distribution/distribution#1203).
    DockerHub,
    /// Harbor. Its token service redirects within its host (as goharbor/harbor#10430), and its token is in `access_token`
    /// alone (as containerd/overlaybd#35). Robots have a `$` in their name (goharbor/harbor#9553). A mount from what is not
    /// there is answered with 401 (goharbor/harbor#17097).
    Harbor,
    /// Quay. What configs, artifacts and layers of artifacts may be is listed (oras-project/oras#738, sigstore/cosign#2479). It
    /// lists referrers (quay/quay#3047), and does not say so when they come (opencontainers/distribution-spec#563).
    Quay,
    /// Distribution 3, the registry of the CNCF. It has no referrers API, and says no `OCI-Subject`
    /// (distribution/distribution#4828, oras-project/rust-oci-client#259).
    Distribution3,
    /// A cache of another registry. It takes no pushes (distribution/distribution#1218), fetches before it answers
    /// (goharbor/harbor#17934), and its tags stay what they were (mattrobinsonsre/terrapod#1425).
    ProxyCache,
    /// Nginx in front of distribution. It lets no large body through (goharbor/harbor#3270), in HTML; Locations are `http://`,
    /// whatever is in front (distribution/distribution#479, distribution/distribution#970).
    Nginx,
}

impl Personality {
    /// All of them.
    pub const ALL: [Personality; 12] = [
        Personality::Plain,
        Personality::Ghcr,
        Personality::Ecr,
        Personality::GitLab,
        Personality::Artifactory,
        Personality::Gar,
        Personality::DockerHub,
        Personality::Harbor,
        Personality::Quay,
        Personality::Distribution3,
        Personality::ProxyCache,
        Personality::Nginx,
    ];

    /// Its name, in lowercase.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// What it wants to see.
    pub fn access(self) -> Access {
        match self {
            Personality::Plain | Personality::Distribution3 | Personality::ProxyCache => Access::Open,
            Personality::Ecr | Personality::Nginx => Access::Basic,
            Personality::Ghcr | Personality::DockerHub | Personality::Quay => Access::Public,
            Personality::GitLab | Personality::Artifactory | Personality::Gar | Personality::Harbor => Access::Bearer,
        }
    }

    /// How it is with what is attached.
    fn attaching(self) -> Attaching {
        match self {
            Personality::Artifactory | Personality::Harbor => Attaching::Api,
            Personality::Quay => Attaching::SilentApi,
            _ => Attaching::Tags,
        }
    }

    /// The user that has the password.
    pub fn user(self) -> &'static str {
        match self {
            Personality::Ecr => "AWS",
            Personality::Harbor => ROBOT,
            _ => USER,
        }
    }

    /// Where its token service is: a path, of the registry itself or of the other origin.
    pub fn realm(self) -> (Place, &'static str) {
        match self {
            Personality::GitLab => (Place::Tokens, "/jwt/auth"),
            Personality::Artifactory => (Place::Registry, "/artifactory/api/docker/docker-local/v2/token"),
            Personality::Gar => (Place::Registry, "/v2/token"),
            Personality::Harbor => (Place::Registry, "/service/token"),
            Personality::Quay => (Place::Registry, "/v2/auth"),
            _ => (Place::Tokens, "/token"),
        }
    }

    /// Where its token service is in truth, to which it redirects.
    pub fn service(self) -> &'static str {
        if self == Personality::Harbor { "/c/service/token" } else { self.realm().1 }
    }

    /// Whether no more than one image is ever under a tag.
    fn has_immutable_tags(self) -> bool {
        matches!(self, Personality::Ecr | Personality::Gar | Personality::Artifactory)
    }

    /// Whether uploads go on where this personality wants, in the registry.
    pub fn has_own_locations(self) -> bool {
        matches!(self, Personality::Ghcr | Personality::Gar | Personality::Nginx)
    }
}

impl Behaviour {
    /// A registry with this personality, and all that goes with it.
    pub fn of(personality: Personality) -> Behaviour {
        Behaviour {
            personality,
            access: personality.access(),
            attaching: personality.attaching(),
            ..Behaviour::default()
        }
    }
}

/// An error as this product words it.
fn told(status: u16, code: &str, message: &str, detail: &Value) -> Answer {
    let body = json!({ "errors": [{ "code": code, "message": message, "detail": detail }] }).to_string().into_bytes();
    Answer::new(status).with("Content-Type", "application/json").body(body)
}

impl World {
    /// The personality's answer before anything else is looked at.
    pub fn habit(&self, place: Place, request: &Request) -> Option<Answer> {
        let path = request.path();
        let reads = matches!(request.method.as_str(), "GET" | "HEAD");
        match (self.personality, place) {
            (Personality::ProxyCache, Place::Registry) if !reads => {
                let answer = told(405, "UNSUPPORTED", "The operation is unsupported.", &Value::Null);
                Some(self.refusal(answer))
            }
            (Personality::Ghcr, Place::Storage) if path.starts_with("/-/v2/packages/") => {
                self.monitor.hit("page in the place of referrers");
                let status = self.chaos.pick("page", "", &[429, 404]);
                let page = b"<!DOCTYPE html>\n<html><body>Not here</body></html>\n".to_vec();
                Some(Answer::new(status).with("Content-Type", "text/html; charset=utf-8").body(page))
            }
            (Personality::DockerHub, Place::Registry) if path.contains("/manifests/") => self.too_many(),
            (Personality::Harbor, Place::Tokens) if path == self.personality.realm().1 => {
                let query = request.target.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
                Some(Answer::new(307).with("Location", format!("{}{query}", self.personality.service())))
            }
            (Personality::Artifactory, Place::Registry) if path != "/v2/" => {
                let is_anonymous = request.header("authorization").is_none();
                is_anonymous.then(|| told(404, "NAME_UNKNOWN", "Repository is unknown.", &Value::Null))
            }
            _ => None,
        }
    }

    /// The one request too many, which is the first for a manifest.
    fn too_many(&self) -> Option<Answer> {
        if std::mem::replace(&mut *lock(&self.was_limited), true) {
            return None;
        }
        self.monitor.hit("HAP429");
        let answer =
            Answer::new(429).with("Content-Type", "text/plain").body(b"Too Many Requests (HAP429).\n".to_vec());
        Some(match self.chaos.pick("retry after of the hub", "", &["1", "0", ""]) {
            "" => answer,
            after => answer.with("Retry-After", after),
        })
    }

    /// An answer that the client cannot overcome.
    fn refusal(&self, answer: Answer) -> Answer {
        self.monitor.hit(&format!("refused by {:?}", self.personality));
        self.faults.refuse();
        answer
    }

    /// The refusal of what somebody with all rights wants in a repository.
    pub fn is_no_repository(&self, repository: &str) -> Option<Answer> {
        if self.personality != Personality::Ecr || lock(&self.created).contains(repository) {
            return None;
        }
        let message =
            format!("The repository with name '{repository}' does not exist in the registry with id '123456789012'");
        Some(self.refusal(told(404, "NAME_UNKNOWN", &message, &json!({ "name": repository }))))
    }

    /// The refusal of a mount. The client sends the blob then.
    pub fn no_mount(&self, from: &str) -> Option<Answer> {
        match self.personality {
            Personality::Artifactory => {
                Some(told(403, "DENIED", "The client does not have permission for manifest", &Value::Null))
            }
            Personality::Harbor if !lock(&self.created).contains(from) => {
                let project = from.split('/').next().unwrap_or_default();
                let message = format!("project {project} not found: project {project} not found");
                Some(told(401, "UNAUTHORIZED", &message, &Value::Null))
            }
            _ => None,
        }
    }

    /// The refusal of the bytes of a blob, by their length and whether they are one of several chunks.
    pub fn no_bytes(&self, length: u64, is_chunk: bool) -> Option<Answer> {
        match self.personality {
            Personality::Nginx if length > NGINX_LIMIT => {
                let answer = Answer::new(413).with("Content-Type", "text/html").body(NGINX_413.as_bytes().to_vec());
                Some(self.refusal(answer))
            }
            Personality::Gar if is_chunk => {
                let message = "chunked uploads are not supported";
                Some(self.refusal(told(400, "UNSUPPORTED", message, &Value::Null)))
            }
            _ => None,
        }
    }

    /// Where an upload goes on: a target of the registry, `id` and what is behind it being the session.
    pub fn own_location(&self, request: &Request, repository: &str, id: &str, query: &str) -> (String, String) {
        let target = match self.personality {
            Personality::Ghcr => format!("/v2/{repository}/blobs/upload/{id}{query}"),
            Personality::Gar => {
                format!("/artifacts-uploads/namespaces/acme/repositories/{repository}/uploads/{id}{query}")
            }
            _ => format!("/v2/{repository}/blobs/uploads/{id}{query}"),
        };
        let text = match self.personality {
            Personality::Nginx => format!("http://{}{target}", request.header("host").unwrap_or_default()),
            _ => target.clone(),
        };
        (target, text)
    }

    /// The answer to a question for referrers where there is no API.
    pub fn no_referrers(&self, repository: &str) -> Answer {
        match self.personality {
            Personality::Ghcr => {
                let name = repository.replace('/', "%2F");
                let page = format!("/-/v2/packages/container/package/{name}%2Freferrers%2Fsha256");
                Answer::new(303).with("Location", format!("http://{}{page}", self.storage))
            }
            Personality::Ecr => told(405, "UNSUPPORTED", "The operation is unsupported.", &Value::Null),
            // Of a server that knows no such path.
            Personality::Distribution3 | Personality::Nginx => Answer::new(404)
                .with("Content-Type", "text/plain; charset=utf-8")
                .body(b"404 page not found\n".to_vec()),
            _ => Answer::error(404, "UNSUPPORTED"),
        }
    }

    /// The digest that a tag or a digest stands for in this registry.
    pub fn resolve(&self, name: &str, repository: &Repository, reference: &str) -> Option<String> {
        if self.personality == Personality::GitLab && is_list(reference) {
            let digest = reference.replacen('-', ":", 1);
            if repository.manifests.contains_key(&digest) {
                return Some(digest);
            }
        }
        let found = self.digest_of(repository, reference);
        if self.personality != Personality::ProxyCache {
            return found;
        }
        let found = found?;
        Some(lock(&self.cached).entry(format!("{name}:{reference}")).or_insert(found).clone())
    }

    /// The refusal of a manifest because of what it is.
    pub fn no_type(&self, manifest: &Value) -> Option<Answer> {
        let types = ["artifactType", "/config/mediaType"];
        let text = |key: &str| match key.strip_prefix('/') {
            Some(_) => manifest.pointer(key).and_then(Value::as_str),
            None => manifest[key].as_str(),
        };
        let is_unknown = |one: &&str| !KNOWN_TYPES.contains(one);
        match self.personality {
            Personality::GitLab => {
                let unknown = types.into_iter().filter_map(text).find(is_unknown)?;
                let detail = json!(format!("unknown media type: {unknown}"));
                Some(self.refusal(told(400, "MANIFEST_INVALID", "manifest invalid", &detail)))
            }
            Personality::Quay => {
                let is_artifact = manifest["artifactType"].is_string() || manifest["subject"].is_object();
                let layers = manifest["layers"].as_array().into_iter().flatten().filter(|_| is_artifact);
                let layers = layers.filter_map(|layer| layer["mediaType"].as_str());
                let layers = layers.filter(|layer| !LAYER_TYPES.contains(layer));
                let unknown = types.into_iter().filter_map(text).chain(layers).find(is_unknown)?;
                let detail = json!({
                    "message": format!("failed to parse manifest: manifest data does not match schema: '{unknown}' is not one of …"),
                });
                Some(self.refusal(told(400, "MANIFEST_INVALID", "manifest invalid", &detail)))
            }
            _ => None,
        }
    }

    /// The refusal of another manifest under a tag.
    pub fn no_other(&self, repository: &str, tag: &str, there: Option<&str>, digest: &str) -> Option<Answer> {
        let there = there.filter(|_| self.personality.has_immutable_tags())?;
        let answer = match self.personality {
            Personality::Ecr => {
                let message = format!(
                    "The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten \
                     because the tag is immutable."
                );
                told(400, "TAG_INVALID", &message, &json!({}))
            }
            _ if there == digest => return None,
            Personality::Artifactory => {
                told(403, "MANIFEST_INVALID", "manifest invalid", &json!({ "description": "HTTP 403 Forbidden" }))
            }
            _ => told(
                400,
                "DENIED",
                &format!("cannot update tag {tag}. The repository has enabled tag immutability"),
                &Value::Null,
            ),
        };
        // Where the tag names the image already, nothing is lost.
        Some(if there == digest { answer } else { self.refusal(answer) })
    }
}
