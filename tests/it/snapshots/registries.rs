//! Base images and registries that are missing or fail, and credentials.

use super::{of_prebuilt, prebuilt, with_docker};
use crate::support::base::BaseImage;
use crate::support::home::Home;
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;
use crate::support::strict::answer::Answer;
use crate::support::strict::http::{Body, Origin, Request, Server};
use serde_json::json;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

/// A registry that answers everything alike.
struct Always(fn() -> Answer);

impl Origin for Always {
    fn answer(&self, _: &Request, body: &mut Body<'_>) -> Answer {
        let _ = body.all();
        self.0()
    }
}

fn always(answer: fn() -> Answer) -> Server {
    Server::start(TcpListener::bind("127.0.0.1:0").expect("a port"), Arc::new(Always(answer)))
}

fn page() -> Answer {
    let page = b"<!doctype html><title>Welcome</title>";
    Answer::new(200).with("Content-Type", "text/html").body(page.to_vec())
}

fn unauthorized() -> Answer {
    refusal(401, "UNAUTHORIZED", "authentication required").with("WWW-Authenticate", "Basic realm=\"x\"")
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({ "errors": [{ "code": code, "message": message }] });
    Answer::new(status).with("Content-Type", "application/json").body(body.to_string().into_bytes())
}

type Refusal = (&'static str, fn() -> Answer);

/// What registries refuse with, and how they say it.
const REFUSALS: [Refusal; 7] = [
    ("a registry that wants credentials (401)", unauthorized),
    ("a registry that denies (403)", || refusal(403, "DENIED", "requested access to the resource is denied")),
    ("a repository that is not there (NAME_UNKNOWN)", || {
        refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
    }),
    ("an answer for browsers (HTML)", page),
    ("a server that is no registry (404)", || Answer::new(404).body(b"404 page not found".to_vec())),
    ("a registry that limits (429)", || refusal(429, "TOOMANYREQUESTS", "rate limit").with("Retry-After", "0")),
    ("a registry that does not do it (501)", || Answer::new(501)),
];

#[test]
fn base_errors_match_snapshot() {
    let mut told = Snapshot::of("bases");
    let project = with_docker(Project::new("x"));
    let mut base = |title: &str, base: &str| told.error(title, &project, &["build", "--base", base]);
    base("a layout that is not there", "oci:nowhere");
    base("an archive that is not there", "oci-archive:nowhere.tar");
    base("an archive that is none", "oci-archive:Cargo.toml");
    base("a folder for an archive", "oci-archive:src");
    base("a folder that is no layout", "oci:src");
    let offline = ["build", "--base", "127.0.0.1:9/base:1", "--offline"];
    told.error("a registry that may not be asked", &project, &offline);
    told.beside_cargo(true);
    let nowhere = with_docker(Project::new("x"));
    told.error_later("a registry that does not answer", &nowhere, &["build", "--base", "127.0.0.1:9/base:1"]);
    for (title, answer) in REFUSALS {
        let registry = always(answer);
        told.error(title, &project, &["build", "--base", &format!("{}/acme/base:1", registry.address())]);
    }
    told.beside_cargo(false);
    let project = Project::new("x");
    let written = BaseImage::new().write(&project.path("base"));
    let riscv = ["build", "--base", "oci:base", "--platform", "linux/amd64,linux/riscv64"];
    told.error("a base without the platform", &project, &riscv);
    told.error("a tag that the layout does not have", &project, &["build", "--base", "oci:base:v9"]);
    let project = Project::with_table("env = { PATH = \"/opt:$PATH\", HOME = \"$HOEM\" }");
    told.error("an unset variable", &project, &["build", "--base", "embedded"]);

    let project = Project::new("x");
    BaseImage::new().single("linux/amd64").write(&project.path("base"));
    told.error("a base for one platform of two", &project, &["build", "--base", "oci:base"]);
    let config = written.platform("linux/amd64").config.clone();
    let size = written.blob(&config).len();
    let index = |entry: serde_json::Value| json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    let wrong =
        index(json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size }));
    let project = project.file("base/index.json", &wrong);
    told.error("a base that is no image", &project, &["build", "--base", "oci:base"]);

    let damaged = |spoil: &dyn Fn(&Path)| {
        let project = Project::new("x");
        let base = BaseImage::new().write(&project.path("base"));
        spoil(&crate::support::blob(&base.folder, &base.platform("linux/amd64").config));
        project
    };
    let spoiled = damaged(&|blob| {
        let text = fs::read_to_string(blob).expect("a config").replace("65532", "00000");
        fs::write(blob, text).expect("a file");
    });
    told.error("a base with a wrong digest", &spoiled, &["build", "--base", "oci:base"]);
    let cut = damaged(&|blob| fs::write(blob, "{}").expect("a file"));
    told.error("a base with a wrong size", &cut, &["build", "--base", "oci:base"]);
    let gone = damaged(&|blob| fs::remove_file(blob).expect("a file"));
    told.error("a base that lacks its config", &gone, &["build", "--base", "oci:base"]);
    let project = Project::new("x");
    let base = BaseImage::new().write(&project.path("base"));
    fs::remove_file(crate::support::blob(&base.folder, &base.platform("linux/amd64").layers[2])).expect("a blob");
    told.error("a base that lacks a layer", &project, &["build", "--base", "oci:base"]);
    told.check();
}

#[test]
fn registry_errors_match_snapshot() {
    let mut told = Snapshot::of("registries").after_building();
    let project = with_docker(prebuilt());
    let push = |host: &dyn ToString| format!("{}/acme/x", host.to_string());
    for (title, answer) in REFUSALS {
        let registry = always(answer);
        let repository = push(&registry.address());
        let args = of_prebuilt("push", &["--base", "embedded", "--repository", &repository]);
        told.error(title, &project, &args);
    }
    let nobody = of_prebuilt("push", &["--base", "embedded", "--repository", "127.0.0.1:9/acme/x"]);
    let nowhere = with_docker(prebuilt());
    told.error_later("a registry that does not answer", &nowhere, &nobody);
    let registry = always(unauthorized);
    let repository = push(&registry.address());
    let args = of_prebuilt("push", &["--base", "embedded", "--repository", &repository]);
    let call = project.oci(&args).env("CARGO_OCI_REGISTRY_USERNAME", "robot");
    let call = call.env("CARGO_OCI_REGISTRY_PASSWORD", "open:sesame");
    told.call("a password that is not accepted", &project, &args, call, 1);
    let call = project.oci(&args).env("CARGO_OCI_REGISTRY_USERNAME", "robot");
    told.call("a user without a password", &project, &args, call, 1);
    told.check();
}

#[test]
fn credential_errors_match_snapshot() {
    let mut told = Snapshot::of("credentials");
    told.beside_cargo(true);
    let mut config = |title: &str, config: &str, helper: &str| {
        let project = Project::new("x").file("docker/config.json", config);
        if !helper.is_empty() {
            project.program("docker-credential-bad", helper);
        }
        let args = ["build", "--base", "127.0.0.1:9/base:1"];
        let call = project.oci(&args).env("DOCKER_CONFIG", project.path("docker")).on_path(project.path("programs"));
        told.call(title, &project, &args, call, 1);
    };
    config(
        "a file of credentials that is not JSON",
        "{\n  \"auths\": {\n    \"ghcr.io\": {\"auth\": sesame}\n  }\n}\n",
        "",
    );
    config("an auth that is not base64", "{\"auths\": {\"127.0.0.1:9\": {\"auth\": \"sesame!\"}}}", "");
    config("an auth of the wrong type", "{\"auths\": {\"127.0.0.1:9\": {\"auth\": 7}}}", "");
    config("a helper with an illegal name", "{\"credsStore\": \"../../sesame\"}", "");
    config("a helper that is missing", "{\"credHelpers\": {\"127.0.0.1:9\": \"bad\"}}", "");
    config(
        "a helper that fails",
        "{\"credHelpers\": {\"127.0.0.1:9\": \"bad\"}}",
        "echo sesame; echo sesame >&2; exit 3",
    );
    config("a helper that prints rubbish", "{\"credHelpers\": {\"127.0.0.1:9\": \"bad\"}}", "echo sesame");
    config("a helper that prints without end", "{\"credHelpers\": {\"127.0.0.1:9\": \"bad\"}}", "exec yes sesame");

    let home = Home::new();
    let mut login = |title: &str, args: &[&str], input: &str| {
        let args = [&["login"], args].concat();
        told.ran(title, &args, &home.oci(&args, input), 1);
    };
    login("no terminal to prompt for the user", &["ghcr.io"], "");
    login("no terminal to prompt for the password", &["ghcr.io", "-u", "robot"], "");
    login("an empty password", &["ghcr.io", "-u", "robot", "--password-stdin"], "\n");
    login("a password that is too long", &["ghcr.io", "-u", "robot", "--password-stdin"], &"x".repeat(70_000));
    login("an empty name", &["ghcr.io", "-u", "", "--password-stdin"], "sesame");
    login("a name with the password in it", &["ghcr.io", "-u", "robot:sesame", "--password-stdin"], "x");
    let args = ["login", "127.0.0.1:9", "-u", "robot", "--password-stdin"];
    told.later("a registry that is not there", &args, 1, move || Home::new().oci(&args, "sesame"));
    let mut login = |title: &str, args: &[&str], input: &str| {
        let args = [&["login"], args].concat();
        told.ran(title, &args, &home.oci(&args, input), 1);
    };
    for (title, answer) in REFUSALS {
        let registry = always(answer);
        login(title, &[&registry.address().to_string(), "-u", "robot", "--password-stdin"], "sesame");
    }
    let home = Home::new().env("DOCKER_CONFIG", "/proc/nope");
    let open = always(|| Answer::new(200));
    let host = open.address().to_string();
    let args = ["login", &host, "-u", "robot", "--password-stdin"];
    told.ran("a file that cannot be written", &args, &home.oci(&args, "sesame"), 1);
    told.check();
}
