//! Token services (distribution's token authentication): a registry names one in a challenge, and it grants tokens for the
//! registry.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;

use super::credential_use::CredentialRecord;
use super::credentials::{Credential, Secret};
use super::error::{RequestError, RequestProblem};
use super::hosts::HostAccess;
use super::hosts::trusted_service::authority;
use super::http::{HttpSettings, check_status, client_builder, read_limited};
use super::options::Options;
use super::proxy;
use super::silence::silence;
use super::trace::execute;
use crate::event::Event;

const MOST_TOKEN_BYTES: usize = 128 << 10;
const MAX_REDIRECTS: usize = 5;
/// The lifetime of a token without `expires_in` (distribution's token specification).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// The access that is requested from a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenScope {
    pub(crate) repository: String,
    /// Whether to request write access too.
    pub(crate) push: bool,
    /// Whether to request the right to delete too.
    pub(crate) delete: bool,
    /// Other repositories to request read access to.
    pub(crate) others: Vec<String>,
}

impl TokenScope {
    /// Returns the `scope` parameters of a token request. The scope of the challenge is ignored: some registries send
    /// too narrow or malformed ones. Without a repository, the token proves the identity only.
    fn texts(&self) -> Vec<String> {
        if self.repository.is_empty() {
            return Vec::new();
        }
        let actions = match (self.push, self.delete) {
            (false, false) => "pull",
            (true, false) => "pull,push",
            (false, true) => "pull,delete",
            (true, true) => "pull,push,delete",
        };
        let own = format!("repository:{}:{actions}", self.repository);
        let others = self.others.iter().map(|other| format!("repository:{other}:pull"));
        std::iter::once(own).chain(others).collect()
    }
}

/// A token service that a challenge names and that may be contacted.
pub(super) struct TokenService {
    url: Url,
    name: Option<String>,
    /// The registry's host and port.
    registry: String,
    http: reqwest::Client,
    /// Whether the registry's credentials may be sent there.
    is_trusted: bool,
}

impl TokenService {
    /// Resolves and checks `realm` before anything is sent there: a registry must not direct requests to hosts that only
    /// this computer or its network can reach.
    pub(super) async fn at(
        realm: &str,
        name: Option<&str>,
        local: bool,
        registry: &Url,
        options: &Options<'_>,
    ) -> Result<TokenService, RequestError> {
        let rejected = |url: &Url, why: &str| {
            let why = format!("the token service of {} {why}", host(registry));
            RequestError::new(&Method::GET, url, RequestProblem::Untrusted(why))
        };
        let url = Url::parse(realm)
            .map_err(|_| rejected(registry, &format!("has an invalid URL: {}", realm.escape_debug())))?;
        let is_own_host = host(&url) == host(registry);
        let is_plain_registry = registry.scheme() == "http" && is_own_host;
        if url.scheme() != "https" && !(url.scheme() == "http" && (local || is_plain_registry)) {
            return Err(rejected(&url, "does not use https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(rejected(&url, "has credentials in its URL"));
        }
        // Certificates of a host are for no other host.
        let access = if is_own_host { options.access.clone() } else { HostAccess::default() };
        let settings = HttpSettings { is_local: local, access };
        let mut builder = client_builder(&settings, Policy::custom(follow_same_origin))
            .map_err(|error| RequestError::new(&Method::GET, &url, RequestProblem::Transport(error.to_string())))?;
        // The registry's own host is no detour, whatever its address.
        if !local && !is_own_host {
            let is_detour = || rejected(&url, "is on this computer or its local network");
            if proxy::is_used_for(&url) {
                // The proxy knows the names of its network, which need not be known here.
                if address(&url).is_some_and(is_internal) {
                    return Err(is_detour());
                }
            } else {
                let addresses = look_up(&url).await?;
                if addresses.iter().any(|address| is_internal(address.ip())) {
                    return Err(is_detour());
                }
                // Connect to the addresses that were checked, without a second lookup.
                builder = builder.resolve_to_addrs(host(&url), &addresses);
            }
        }
        let client = builder.build().map_err(|error| RequestError::transport(&Method::GET, &url, &error))?;
        let is_trusted = trust(&url, registry, options).is_some();
        Ok(TokenService { url, name: name.map(str::to_owned), registry: authority(registry), http: client, is_trusted })
    }

    /// Tells the user that a credential is not sent, once, and returns what is sent instead.
    fn without_credential(
        &self,
        credential: &Credential,
        options: &Options<'_>,
        record: &CredentialRecord,
    ) -> &'static Credential {
        let service = authority(&self.url);
        if *credential != Credential::Anonymous
            && record.note_withheld(&service)
            && let Some(notify) = options.notify
        {
            let message = format!(
                "the registry's token service {service} is in another domain; credentials were not sent (if you trust it: `cargo oci login {} --trust-token-service {service}`)",
                self.registry
            );
            notify(Event::Warning { message });
        }
        &Credential::Anonymous
    }

    /// Requests a token, and returns it with its lifetime.
    ///
    /// # Errors
    /// Returns an error if the service does not respond, or denies the token.
    pub(super) async fn token(
        &self,
        scope: &TokenScope,
        credential: &Credential,
        options: &Options<'_>,
        record: &CredentialRecord,
    ) -> Result<(Secret, Duration), RequestError> {
        let credential =
            if self.is_trusted { credential } else { self.without_credential(credential, options, record) };
        if *credential != Credential::Anonymous {
            record.note_sent();
        }
        let token = self.request_for(scope, credential, options).await;
        if token.is_ok() {
            record.note_accepted();
        }
        token
    }

    async fn request_for(
        &self,
        scope: &TokenScope,
        credential: &Credential,
        options: &Options<'_>,
    ) -> Result<(Secret, Duration), RequestError> {
        match self.request(scope, credential, options).await {
            // Some services deny all, if one repository to mount from is not the user's.
            Err(error) if !scope.others.is_empty() && error.status().is_some_and(|status| status.is_client_error()) => {
                let own = TokenScope { others: Vec::new(), ..scope.clone() };
                self.request(&own, credential, options).await
            }
            token => token,
        }
    }

    async fn request(
        &self,
        scope: &TokenScope,
        credential: &Credential,
        options: &Options<'_>,
    ) -> Result<(Secret, Duration), RequestError> {
        let method = if matches!(credential, Credential::IdentityToken(_)) { Method::POST } else { Method::GET };
        let failed = |error| RequestError::transport(&method, &self.url, &error);
        let progress = options.retry.stall_timeout;
        let silent = || RequestError::timeout(&method, &self.url, progress);
        let answer = tokio::select! {
            answer = execute(options.notify, self.builder(scope, credential)) => answer.map_err(failed)?,
            waited = silence(&method, &self.url, None, options) => {
                return Err(RequestError::timeout(&method, &self.url, waited));
            }
        };
        let mut answer = check_status(&method, &self.url, answer).await?;
        let body = tokio::time::timeout(progress, read_limited(&mut answer, MOST_TOKEN_BYTES)).await;
        read_token(&body.map_err(|_| silent())?.map_err(failed)?).ok_or_else(|| {
            RequestError::new(
                &method,
                &self.url,
                RequestProblem::InvalidResponse("the response holds no token".to_owned()),
            )
        })
    }

    fn builder(&self, scope: &TokenScope, credential: &Credential) -> RequestBuilder {
        let mut pairs: Vec<(&str, String)> = self.name.iter().map(|name| ("service", name.clone())).collect();
        // OAuth 2 (RFC 6749, section 6), in Docker's variant: one parameter for all scopes.
        if let Credential::IdentityToken(token) = credential {
            pairs.push(("scope", scope.texts().join(" ")));
            pairs.push(("grant_type", "refresh_token".to_owned()));
            pairs.push(("client_id", "cargo-oci".to_owned()));
            pairs.push(("refresh_token", token.expose().to_owned()));
            let typed = "application/x-www-form-urlencoded";
            return self.http.post(self.url.clone()).header(reqwest::header::CONTENT_TYPE, typed).body(encoded(&pairs));
        }
        pairs.extend(scope.texts().into_iter().map(|text| ("scope", text)));
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(&pairs);
        let request = self.http.get(url);
        match credential {
            Credential::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
            _ => request,
        }
    }
}

/// Returns why the credentials for a registry may be sent to a token service, or `None` if they must not be.
pub(super) fn trust(service: &Url, registry: &Url, options: &Options<'_>) -> Option<String> {
    if is_same_organization(host(registry), host(service)) {
        return Some("it belongs to the registry".to_owned());
    }
    let trusted = options.trusted_services.iter().find(|trusted| trusted.is_at(service));
    trusted.map(|trusted| format!("trusted by {}", trusted.source))
}

/// Follows a redirect to the same origin: credentials go nowhere else.
fn follow_same_origin(attempt: Attempt) -> Action {
    let is_same = attempt.previous().last().is_some_and(|previous| previous.origin() == attempt.url().origin());
    if is_same && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
}

/// Returns the addresses of a URL's host.
async fn look_up(url: &Url) -> Result<Vec<SocketAddr>, RequestError> {
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses = tokio::net::lookup_host((host(url), port)).await;
    let addresses =
        addresses.map_err(|error| RequestError::new(&Method::GET, url, RequestProblem::Connect(error.to_string())))?;
    Ok(addresses.collect())
}

/// Returns the address that is a URL's host, or `None` if that is a name.
fn address(url: &Url) -> Option<IpAddr> {
    host(url).trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn encoded(pairs: &[(&str, String)]) -> String {
    // The query of a URL has the syntax of a form.
    let mut url = Url::parse("http://form/").unwrap_or_else(|_| unreachable!("it is a URL"));
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// Returns the token in a response, and its lifetime. `token` and `access_token` are two names for the same.
fn read_token(body: &[u8]) -> Option<(Secret, Duration)> {
    if body.len() > MOST_TOKEN_BYTES {
        return None;
    }
    let response: Value = serde_json::from_slice(body).ok()?;
    let named = |name: &str| response.get(name).and_then(Value::as_str).filter(|token| !token.is_empty());
    let token = named("token").or_else(|| named("access_token"))?;
    Some((Secret::new(token), lifetime(response.get("expires_in"))))
}

/// Returns the lifetime that is written as seconds: as a number, or as one in a string. Any other value counts as none.
fn lifetime(seconds: Option<&Value>) -> Duration {
    let seconds = match seconds {
        Some(Value::Number(seconds)) => seconds.as_f64(),
        Some(Value::String(seconds)) => seconds.trim().parse().ok(),
        _ => None,
    };
    let seconds = seconds.filter(|seconds: &f64| *seconds >= 1.0);
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(DEFAULT_LIFETIME)
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// Returns whether both hosts belong to one organization: equal names, one registrable domain, or a known pair.
fn is_same_organization(registry: &str, service: &str) -> bool {
    // The names of Docker Hub.
    const KNOWN: [(&str, &str); 2] =
        [("registry-1.docker.io", "auth.docker.io"), ("registry.hub.docker.com", "auth.docker.io")];
    registry == service
        || KNOWN.contains(&(registry, service))
        || psl::domain_str(registry).is_some_and(|domain| psl::domain_str(service) == Some(domain))
}

/// Returns whether an address is of this computer, of its local network, or of a cloud's metadata service.
fn is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_broadcast(),
        IpAddr::V6(ip) => {
            let metadata = ip.segments()[..2] == [0xfd00, 0x0ec2];
            ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local() || metadata
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn own_host_is_not_looked_up() {
        // Nobody has this name: a lookup would fail, and an address of this computer would be a detour.
        let url = |path: &str| Url::parse(&format!("https://registry.invalid{path}")).expect("a URL");
        let options = Options::default();
        let at = |realm: String, registry: Url| {
            let options = &options;
            async move { TokenService::at(&realm, None, false, &registry, options).await.map(|_| ()) }
        };
        assert!(at(url(":5001/token").to_string(), url(":5000/v2/")).await.is_ok());
        let error = at("https://127.0.1.1/token".to_owned(), url("/v2/")).await.expect_err("a detour");
        assert!(error.to_string().contains("is on this computer or its local network"), "{error}");
    }

    #[test]
    fn scope_texts_name_actions_and_other_repositories() {
        let scope =
            TokenScope { repository: "a/b".to_owned(), push: true, delete: false, others: vec!["c".to_owned()] };
        assert_eq!(scope.texts(), ["repository:a/b:pull,push", "repository:c:pull"]);
        let scope = TokenScope { delete: true, others: Vec::new(), ..scope };
        assert_eq!(scope.texts(), ["repository:a/b:pull,push,delete"]);
    }

    #[test]
    fn token_response_has_two_names() {
        let read =
            |body: &[u8]| read_token(body).map(|(token, lifetime)| (token.expose().to_owned(), lifetime.as_secs()));
        assert_eq!(read(br#"{"token":"a"}"#), Some(("a".to_owned(), 60)));
        assert_eq!(read(br#"{"access_token":"b","expires_in":3}"#), Some(("b".to_owned(), 3)));
        assert_eq!(read(br#"{"token":"","access_token":"c"}"#), Some(("c".to_owned(), 60)));
        for none in [&br#"{"token":""}"#[..], br#"{"token":7}"#, b"{}", b"[]", b"token"] {
            assert_eq!(read(none), None);
        }
    }

    #[test]
    fn token_lifetime_is_read_from_numbers_and_strings() {
        for (written, seconds) in [
            ("300", 300),
            ("300.9", 300),
            ("\"300\"", 300),
            ("\" 3e2 \"", 300),
            ("0", 60),
            ("-5", 60),
            ("null", 60),
            ("\"soon\"", 60),
            ("[]", 60),
            ("1e999", 60),
        ] {
            let body = format!("{{\"token\":\"a\",\"expires_in\":{written}}}");
            let found = read_token(body.as_bytes()).map(|(_, lifetime)| lifetime.as_secs());
            // JSON has no number as large as the last.
            assert_eq!(found, if written == "1e999" { None } else { Some(seconds) }, "{written}");
        }
    }

    #[test]
    fn same_organization_is_one_registrable_domain() {
        assert!(is_same_organization("ghcr.io", "ghcr.io"));
        assert!(is_same_organization("registry.gitlab.com", "gitlab.com"));
        assert!(is_same_organization("registry-1.docker.io", "auth.docker.io"));
        assert!(!is_same_organization("registry.example.co.uk", "evil.co.uk"));
        assert!(!is_same_organization("user.github.io", "other.github.io"));
        assert!(!is_same_organization("127.0.0.1", "127.0.0.2"));
    }

    #[test]
    fn url_hosts_may_be_punycode_but_not_unicode() {
        let url = Url::parse("https://registry.xn--bcher-kva.example/token").expect("a URL");
        assert_eq!(host(&url), "registry.xn--bcher-kva.example");
        assert!(is_same_organization(host(&url), "auth.xn--bcher-kva.example"));
        Url::parse("https://b\u{fc}cher.example").expect_err("no tables for Unicode");
    }

    #[test]
    fn internal_addresses_are_recognized_in_every_notation() {
        for internal in
            ["127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "::ffff:127.0.0.1", "fd00:ec2::254"]
        {
            assert!(is_internal(internal.parse().expect("an address")), "{internal}");
        }
        assert!(!is_internal("93.184.216.34".parse().expect("an address")));
    }
}
