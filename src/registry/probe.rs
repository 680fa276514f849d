//! What a registry answers, for `cargo oci registry show`. Nothing is written.

use oci_spec::image::MediaType;
use reqwest::header::{ACCEPT, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};

use super::auth::Challenge;
use super::client::Client;
use super::credential_use::CredentialUse;
use super::credentials::Credential;
use super::download::MAX_MANIFEST_BYTES;
use super::error::{RequestError, public_url};
use super::hosts::trusted_service::authority;
use super::http::read_body;
use super::options::Options;
use super::proxy;
use super::retry::Retry;
use super::token_service::trust;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::Event;
use crate::image::manifest::Manifest;
use crate::inspect::registry::RegistryFact;
use crate::reference::Reference;

/// The digest of nothing that anybody has.
const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Asks a registry who it is. Returns whether it has answered, and what is known then.
///
/// # Errors
/// Returns an error if TLS cannot be set up, or on Ctrl-C.
pub(crate) fn probe(
    reference: &Reference,
    has_repository: bool,
    environment: &Environment,
    options: Options,
) -> Result<(bool, Vec<RegistryFact>)> {
    let listener = options.notify;
    let notify = |event| match (event, listener) {
        // They are told as facts.
        (Event::Warning { .. }, _) | (_, None) => {}
        (other, Some(listener)) => listener(other),
    };
    let retry = Retry { attempts: 1, ..options.retry.clone() };
    let options = Options { notify: Some(&notify), retry, ..options };
    let runtime = options.connections.runtime()?;
    let client =
        if has_repository { Client::new(reference, options)? } else { Client::without_repository(reference, options)? };
    let mut facts = Vec::new();
    let is_reachable = runtime.block_on(async {
        let answer = ask(&client).await;
        facts.push(scheme(reference, &client, answer.is_ok()));
        facts.push(proxy_fact(reference, &client.api_root(), environment));
        let Ok(response) = answer.map_err(|error| facts.push(RegistryFact::plain("/v2/", error.to_string()))) else {
            return Ok::<_, RequestError>(false);
        };
        facts.push(root(&client, response.status()).await);
        facts.push(token_service(&client, &response));
        facts.push(if has_repository {
            referrers_api(&client).await
        } else {
            RegistryFact::new("referrers-api", "unknown", "name a repository, as in HOST/REPOSITORY")
        });
        facts.push(RegistryFact::new("mounts", "unknown", "only a push shows whether they work"));
        Ok(true)
    })?;
    Ok((is_reachable, facts))
}

/// Asks without credentials.
async fn ask(client: &Client<'_>) -> Result<Response, RequestError> {
    let url = client.api_root();
    client.execute(&mut None, &Method::GET, &url, client.request(Method::GET, &url), None).await
}

fn scheme(reference: &Reference, client: &Client<'_>, has_answered: bool) -> RegistryFact {
    let url = client.api_root();
    let why = match (&client.options.access.insecure, reference.is_local(), url.scheme()) {
        (None, false, _) => "default".to_owned(),
        _ if !has_answered => "assumed: the server does not answer".to_owned(),
        (Some(source), false, "http") => format!("insecure by {source}, and the server does not speak TLS"),
        (_, true, "http") => "on this computer, and the server does not speak TLS".to_owned(),
        _ => "the server speaks TLS".to_owned(),
    };
    RegistryFact::new("scheme", url.scheme(), why)
}

fn proxy_fact(reference: &Reference, url: &Url, environment: &Environment) -> RegistryFact {
    if reference.is_local() {
        return RegistryFact::new("proxy", "none", "on this computer");
    }
    let Some(proxy) = proxy::used_for(url) else { return RegistryFact::plain("proxy", "none") };
    let variables = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let variables =
        if url.scheme() == "http" { ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] } else { variables };
    let source = variables.into_iter().find(|key| environment.get(key).is_some());
    RegistryFact::new("proxy", proxy, source.unwrap_or("the system's settings"))
}

/// Returns what `/v2/` answers, with credentials too if it asks for some.
async fn root(client: &Client<'_>, status: StatusCode) -> RegistryFact {
    if status != StatusCode::UNAUTHORIZED {
        return RegistryFact::plain("/v2/", status.to_string());
    }
    let answer = client.send_once(&Method::GET, &client.api_root(), &|request| request).await;
    let with = match client.authorizer.credential_use() {
        CredentialUse::Sent | CredentialUse::Accepted => "with the credentials",
        _ => "with a token for everybody",
    };
    RegistryFact::plain(
        "/v2/",
        match answer {
            Ok(answer) => format!("{status}; {with}: {}", answer.status()),
            Err(error) if error.status() == Some(status) && client.options.credential == Credential::Anonymous => {
                format!("{status}")
            }
            Err(error) => format!("{status}; {with}: {error}"),
        },
    )
}

fn token_service(client: &Client<'_>, response: &Response) -> RegistryFact {
    const WHAT: &str = "token-service";
    let headers = response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|header| header.to_str().ok());
    match headers.flat_map(Challenge::parse).max_by_key(Challenge::is_bearer) {
        None => RegistryFact::plain(WHAT, "none"),
        Some(Challenge::Basic) => RegistryFact::new(WHAT, "none", "the registry asks for user and password itself"),
        Some(Challenge::Bearer { realm, .. }) => {
            let Ok(url) = Url::parse(&realm) else { return RegistryFact::new(WHAT, realm, "invalid URL") };
            let registry = client.api_root();
            let why = trust(&url, &registry, &client.options).map_or_else(
                || {
                    format!(
                        "does not receive credentials: another domain; if you trust it: `cargo oci login {} --trust-token-service {}`",
                        authority(&registry),
                        authority(&url)
                    )
                },
                |why| format!("receives credentials: {why}"),
            );
            RegistryFact::new(WHAT, public_url(&url), why)
        }
    }
}

async fn referrers_api(client: &Client<'_>) -> RegistryFact {
    let fact = |value: &str, why: String| RegistryFact::new("referrers-api", value, why);
    let url = client.url(&format!("referrers/{NO_DIGEST}"));
    let accept = MediaType::ImageIndex.to_string();
    let answer = client.send_once(&Method::GET, &url, &|request| request.header(ACCEPT, &accept)).await;
    let mut response = match answer {
        Ok(response) => response,
        Err(error) => {
            let is_known = error.status().is_some_and(|status| {
                matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
            });
            return fact(if is_known && !error.is_unknown_repository() { "no" } else { "unknown" }, error.to_string());
        }
    };
    match read_body(&url, &mut response, MAX_MANIFEST_BYTES, client.options.retry.stall_timeout).await {
        Ok(body) if Manifest::parse_referrers(&body, 1).is_ok() => {
            fact("yes", "it lists an image without referrers".to_owned())
        }
        Ok(_) => fact("no", "the answer is not a list".to_owned()),
        Err(error) => fact("unknown", error.to_string()),
    }
}
