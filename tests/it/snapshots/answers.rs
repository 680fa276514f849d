//! Registries, and proxies before them, that reject a request: what they say, and what the user can do.

use std::net::TcpListener;
use std::sync::Arc;

use serde_json::json;

use super::{of_prebuilt, prebuilt, with_docker};
use crate::support::home::Home;
use crate::support::snapshot::Snapshot;
use crate::support::strict::answer::{Answer, Shape};
use crate::support::strict::http::{Body, Origin, Request, Server};
use crate::support::strict::single::image;

/// Answers a request, or leaves that to a registry that takes everything.
type Rule = fn(&Request) -> Option<Answer>;

struct TakesAll(Rule);

impl Origin for TakesAll {
    fn answer(&self, request: &Request, body: &mut Body<'_>) -> Answer {
        let _ = body.all();
        (self.0)(request).unwrap_or_else(|| match request.method.as_str() {
            "HEAD" => Answer::new(404),
            "POST" | "PATCH" => Answer::new(202).with("Location", "/v2/acme/x/blobs/uploads/1?_state=secret"),
            "PUT" => Answer::new(201),
            _ => Answer::error(404, "MANIFEST_UNKNOWN"),
        })
    }
}

fn server(rule: Rule) -> Server {
    Server::start(TcpListener::bind("127.0.0.1:0").expect("a port"), Arc::new(TakesAll(rule)))
}

/// A registry with one image whose answers to some requests are others.
struct HasImage(Rule);

impl Origin for HasImage {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        (self.0)(request).unwrap_or_else(|| image(request))
    }
}

fn error(status: u16, code: &str, message: &str, detail: &serde_json::Value) -> Answer {
    let body = json!({ "errors": [{ "code": code, "message": message, "detail": detail }] });
    Answer::new(status).with("Content-Type", "application/json").body(body.to_string().into_bytes())
}

fn page(status: u16, title: &str) -> Answer {
    let page = format!("<html>\r\n<head><title>{title}</title></head>\r\n<body><center><h1>{title}</h1></center>");
    Answer::new(status).with("Content-Type", "text/html").body(page.into_bytes())
}

fn at(request: &Request, methods: &[&str], part: &str, answer: Answer) -> Option<Answer> {
    (methods.contains(&request.method.as_str()) && request.path().contains(part)).then_some(answer)
}

const PUSHES: [(&str, Rule); 9] = [
    ("a registry that is read-only (405)", |request| {
        at(request, &["POST"], "/uploads/", error(405, "UNSUPPORTED", "The operation is unsupported.", &json!(null)))
    }),
    ("a registry that is read-only for now (503)", |request| {
        let answer = error(503, "UNAVAILABLE", "the registry is in read-only mode", &json!(null));
        at(request, &["POST"], "/uploads/", answer.with("Retry-After", "0"))
    }),
    ("a proxy that limits bodies (413)", |request| {
        at(request, &["PUT", "PATCH"], "/uploads/", page(413, "413 Request Entity Too Large"))
    }),
    ("a registry that limits manifests (413)", |request| {
        let detail = json!({ "limit": 1024, "size": 2048 });
        at(request, &["PUT"], "/manifests/", error(413, "SIZE_INVALID", "too large", &detail))
    }),
    ("a project whose quota is used up (403)", |request| {
        let detail = "adding 1.0 MiB of storage exceeds the quota of 10 MiB";
        at(request, &["POST"], "/uploads/", error(403, "DENIED", "denied", &json!(detail)))
    }),
    ("a manifest that is rejected (400)", |request| {
        let detail = json!({ "mediaType": "application/vnd.oci.image.index.v1+json" });
        at(request, &["PUT"], "/manifests/", error(400, "MANIFEST_INVALID", "manifest invalid", &detail))
    }),
    ("a server whose API is below a path (404)", |request| at(request, &["POST"], "", page(404, "Sign in"))),
    ("a limit that is said in another form (429)", |request| {
        let body = br#"{"details":"too many failed logins for \u001b[1mrobot\u001b[0m"}"#;
        at(request, &["POST"], "/uploads/", Answer::new(429).with("Retry-After", "0").body(body.to_vec()))
    }),
    ("an upload that goes to storage, which denies it (403)", |request| {
        let body =
            b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
        if request.path() == "/storage" {
            return Some(Answer::new(403).body(body.to_vec()));
        }
        let host = request.header("host")?.replace("127.0.0.1", "localhost");
        let location = format!("http://{host}/storage?X-Amz-Signature=secret");
        at(request, &["POST"], "/uploads/", Answer::new(202).with("Location", location))
    }),
];

const PULLS: [(&str, Rule); 3] = [
    ("a manifest of schema 1", |request| {
        let manifest =
            json!({ "schemaVersion": 1, "name": "acme/x", "tag": "1", "architecture": "amd64", "fsLayers": [] });
        let typed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        let answer = Answer::new(200).with("Content-Type", typed).body(manifest.to_string().into_bytes());
        at(request, &["HEAD", "GET"], "/manifests/", answer)
    }),
    ("storage that denies access (403)", |request| {
        if request.path() == "/storage" {
            return Some(Answer::new(403).body(b"Request has expired\nat noon".to_vec()));
        }
        let host = request.header("host")?.replace("127.0.0.1", "localhost");
        let location = format!("http://{host}/storage?X-Amz-Signature=secret");
        at(request, &["GET"], "/blobs/", Answer::new(307).with("Location", location))
    }),
    ("a proxy that reaches no registry (502)", |request| {
        at(request, &["HEAD", "GET"], "", page(502, "502 Bad Gateway"))
    }),
];

#[test]
fn answer_errors_match_snapshot() {
    let mut told = Snapshot::of("answers").after_building();
    let project = with_docker(prebuilt());
    for (title, rule) in PUSHES {
        let registry = server(rule);
        let repository = format!("{}/acme/x", registry.address());
        told.writing(&format!("localhost:{}", registry.address().port()), "localhost:PORT");
        told.error(title, &project, &of_prebuilt("push", &["--base", "embedded", "--repository", &repository]));
    }
    let mut servers = Vec::new();
    let mut inspect = |title: &str, rule: Rule, flags: &[&str]| {
        let server = Server::start(TcpListener::bind("127.0.0.1:0").expect("a port"), Arc::new(HasImage(rule)));
        let image = format!("{}/acme/x:1", server.address());
        told.writing(&format!("localhost:{}", server.address().port()), "localhost:PORT");
        let args: Vec<String> = ["inspect"].iter().chain(flags).map(ToString::to_string).chain([image]).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let owned: Vec<String> = args.iter().map(ToString::to_string).collect();
        let run = move || Home::with_config("{}").oci(&owned.iter().map(String::as_str).collect::<Vec<_>>(), "");
        told.later(title, &args, 1, run);
        servers.push(server);
    };
    for (title, rule) in PULLS {
        inspect(title, rule, &[]);
    }
    let silent: Rule = |_| Some(Answer { pause: std::time::Duration::from_secs(5), ..Answer::new(200) });
    inspect("a registry that is silent", silent, &["--timeout", "1s"]);
    let stalled: Rule =
        |request| at(request, &["GET"], "/blobs/", Answer::new(200).body(b"{    }".to_vec()).shape(Shape::Stalled(3)));
    inspect("a blob that has no end", stalled, &["--timeout", "1s"]);
    let args = ["inspect", "127.0.0.1:9/acme/x:1"];
    let home = Home::with_config("{}").env("CARGO_OCI_TIMEOUT", "soon");
    told.ran("a variable that is no time", &args, &home.oci(&args, ""), 1);
    told.check();
}
