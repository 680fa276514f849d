//! Challenges and grants: a 401 response names the authentication schemes that the registry accepts (RFC 9110, section
//! 11; distribution's token authentication). A grant answers one of them, and is reused until it expires.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::credentials::{Credential, Secret};
use super::error::{RequestError, RequestProblem};
use super::hosts::HostAccess;
use super::http::{HttpSettings, check_status, client_builder, read_limited};
use super::options::Options;
use super::trace::execute;
use crate::event::Event;

const MOST_TOKEN_BYTES: usize = 128 << 10;
/// The lifetime of a token without `expires_in`, in seconds (distribution's token specification).
const DEFAULT_LIFETIME: u64 = 60;
/// A token is renewed this long before it expires.
const MARGIN: Duration = Duration::from_secs(30);

/// The access that is requested from a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenScope {
    pub(crate) repository: String,
    /// Whether to request write access too.
    pub(crate) push: bool,
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
        let actions = if self.push { "pull,push" } else { "pull" };
        let own = format!("repository:{}:{actions}", self.repository);
        let others = self.others.iter().map(|other| format!("repository:{other}:pull"));
        std::iter::once(own).chain(others).collect()
    }
}

/// How requests to a registry are authorized.
#[derive(Debug, Default)]
pub(crate) enum Grant {
    /// Not at all: the registry has sent no challenge yet.
    #[default]
    Open,
    /// By user and password.
    Basic,
    /// By a token.
    Bearer { token: Secret, scope: TokenScope, renew_at: Instant, challenge: Challenge },
}

impl Grant {
    /// Returns the challenge to answer again before a request with this scope, or `None` if the grant covers it.
    pub(crate) fn stale(&self, wanted: &TokenScope) -> Option<Challenge> {
        match self {
            Grant::Bearer { scope, renew_at, challenge, .. } if scope != wanted || Instant::now() >= *renew_at => {
                Some(challenge.clone())
            }
            _ => None,
        }
    }

    /// Returns the value of the `Authorization` header, or `None` if the request goes without one.
    pub(crate) fn header(&self, credential: &Credential) -> Option<HeaderValue> {
        let text = match (self, credential) {
            (Grant::Bearer { token, .. }, _) => format!("Bearer {}", token.expose()),
            (Grant::Basic, Credential::Basic { user, password }) => basic(user, password),
            (Grant::Open | Grant::Basic, _) => return None,
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn basic(user: &str, password: &Secret) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))
}

/// A challenge of a `WWW-Authenticate` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Asks for user and password.
    Basic,
    /// Asks for a token of the service at `realm`.
    Bearer { realm: String, service: Option<String> },
}

/// A response of a token service. `token` and `access_token` are two names for the same.
#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Challenge {
    /// Returns the challenges of one header, such as `Bearer realm="https://auth.example/token",service="example"`.
    /// Skips schemes other than Basic and Bearer, and all that follows a syntax error.
    pub(crate) fn parse(header: &str) -> Vec<Challenge> {
        ChallengeParser::new(header).map_while(Result::ok).filter_map(|challenge| Challenge::new(&challenge)).collect()
    }

    fn new(challenge: &ChallengeRef) -> Option<Challenge> {
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        Some(Challenge::Bearer { realm: parameter(challenge, "realm")?, service: parameter(challenge, "service") })
    }

    /// Returns whether the challenge asks for a token.
    pub(crate) fn is_bearer(&self) -> bool {
        matches!(self, Challenge::Bearer { .. })
    }

    /// Returns whether `credential` can answer the challenge.
    pub(crate) fn can_be_met(&self, credential: &Credential) -> bool {
        self.is_bearer() || matches!(credential, Credential::Basic { .. })
    }

    /// Answers the challenge. For a token, requests one from the token service.
    ///
    /// # Errors
    /// Returns an error if the token service must not be contacted, does not respond, or denies the token.
    pub(crate) async fn answer(
        self,
        scope: &TokenScope,
        options: &Options<'_>,
        local: bool,
        registry: &Url,
    ) -> Result<Grant, RequestError> {
        let Challenge::Bearer { realm, service } = &self else {
            return Ok(Grant::Basic);
        };
        let (token, lifetime) = match &options.credential {
            // It already is the token.
            Credential::RegistryToken(token) => (token.clone(), Duration::MAX),
            credential => {
                let service = TokenService::at(realm, service.as_deref(), local, registry, &options.access).await?;
                service.token(scope, credential, options).await?
            }
        };
        // Short-lived tokens are used for half of their lifetime, not renewed before each request.
        let used = lifetime.saturating_sub(MARGIN).max(lifetime / 2);
        let renew_at = Instant::now().checked_add(used);
        let renew_at = renew_at.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
        Ok(Grant::Bearer { token, scope: scope.clone(), renew_at, challenge: self })
    }
}

/// Returns the value of a challenge's parameter, or `None` if there is none.
fn parameter(challenge: &ChallengeRef, name: &str) -> Option<String> {
    let (_, value) = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.to_unescaped())
}

/// A token service that a challenge names and that may be contacted.
struct TokenService {
    url: Url,
    name: Option<String>,
    http: reqwest::Client,
    /// Whether the registry's credentials may be sent there.
    is_trusted: bool,
}

impl TokenService {
    /// Resolves and checks `realm` before anything is sent there: a registry must not direct requests to hosts that only
    /// this computer or its network can reach.
    async fn at(
        realm: &str,
        name: Option<&str>,
        local: bool,
        registry: &Url,
        access: &HostAccess,
    ) -> Result<TokenService, RequestError> {
        let rejected = |url: &Url, why: &str| {
            let why = format!("the token service of {} {why}", host(registry));
            RequestError::new(&Method::GET, url, RequestProblem::Untrusted(why))
        };
        let url = Url::parse(realm)
            .map_err(|_| rejected(registry, &format!("has an invalid URL: {}", realm.escape_debug())))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && local) {
            return Err(rejected(&url, "does not use https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(rejected(&url, "has credentials in its URL"));
        }
        // Certificates of a host are for no other host.
        let access = if host(&url) == host(registry) { access.clone() } else { HostAccess::default() };
        let mut builder = client_builder(&HttpSettings { is_local: local, access }, Policy::none())
            .map_err(|error| RequestError::new(&Method::GET, &url, RequestProblem::Transport(error.to_string())))?;
        if !local {
            let port = url.port_or_known_default().unwrap_or(443);
            let addresses: Vec<_> = tokio::net::lookup_host((host(&url), port))
                .await
                .map_err(|error| RequestError::new(&Method::GET, &url, RequestProblem::Connect(error.to_string())))?
                .collect();
            if addresses.iter().any(|address| is_internal(address.ip())) {
                return Err(rejected(&url, "is on this computer or its local network"));
            }
            // Connect to the addresses that were checked, without a second lookup.
            builder = builder.resolve_to_addrs(host(&url), &addresses);
        }
        let client = builder.build().map_err(|error| RequestError::transport(&Method::GET, &url, &error))?;
        let is_trusted = is_same_organization(host(registry), host(&url));
        Ok(TokenService { url, name: name.map(str::to_owned), http: client, is_trusted })
    }

    /// Tells the user that a credential is not sent, and returns what is sent instead.
    fn without_credential(&self, credential: &Credential, options: &Options<'_>) -> &'static Credential {
        if *credential != Credential::Anonymous
            && let Some(notify) = options.notify
        {
            let service = host(&self.url);
            let message =
                format!("the registry's token service {service} is in another domain; credentials were not sent");
            notify(Event::Warning { message });
        }
        &Credential::Anonymous
    }

    async fn token(
        &self,
        scope: &TokenScope,
        credential: &Credential,
        options: &Options<'_>,
    ) -> Result<(Secret, Duration), RequestError> {
        let credential = if self.is_trusted { credential } else { self.without_credential(credential, options) };
        let mut pairs: Vec<(&str, String)> = self.name.iter().map(|name| ("service", name.clone())).collect();
        let request = match credential {
            // OAuth 2 (RFC 6749, section 6), in Docker's variant: one parameter for all scopes.
            Credential::IdentityToken(token) => {
                pairs.push(("scope", scope.texts().join(" ")));
                pairs.push(("grant_type", "refresh_token".to_owned()));
                pairs.push(("client_id", "cargo-oci".to_owned()));
                pairs.push(("refresh_token", token.expose().to_owned()));
                let form = encoded(&pairs);
                let typed = "application/x-www-form-urlencoded";
                self.http.post(self.url.clone()).header(reqwest::header::CONTENT_TYPE, typed).body(form)
            }
            credential => {
                pairs.extend(scope.texts().into_iter().map(|text| ("scope", text)));
                let mut url = self.url.clone();
                url.query_pairs_mut().extend_pairs(&pairs);
                let request = self.http.get(url);
                match credential {
                    Credential::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
                    _ => request,
                }
            }
        };
        let method = if matches!(credential, Credential::IdentityToken(_)) { Method::POST } else { Method::GET };
        let failed = |error| RequestError::transport(&method, &self.url, &error);
        let progress = options.retry.stall_timeout;
        let silent = || RequestError::new(&method, &self.url, RequestProblem::Timeout(progress.as_secs()));
        let answer = tokio::time::timeout(progress, execute(options.notify, request))
            .await
            .map_err(|_| silent())?
            .map_err(failed)?;
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
}

fn encoded(pairs: &[(&str, String)]) -> String {
    // The query of a URL has the syntax of a form.
    let mut url = Url::parse("http://form/").unwrap_or_else(|_| unreachable!("it is a URL"));
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// Returns the token in a response, and its lifetime.
fn read_token(body: &[u8]) -> Option<(Secret, Duration)> {
    if body.len() > MOST_TOKEN_BYTES {
        return None;
    }
    let response: TokenResponse = serde_json::from_slice(body).ok()?;
    let token = response.token.or(response.access_token).filter(|token| !token.is_empty())?;
    let lifetime = response.expires_in.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_LIFETIME);
    Some((Secret::new(token), Duration::from_secs(lifetime)))
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// Returns whether both hosts belong to one organization: equal names, one registrable domain, or a known pair.
fn is_same_organization(registry: &str, service: &str) -> bool {
    const KNOWN: [(&str, &str); 1] = [("registry-1.docker.io", "auth.docker.io")];
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

    fn bearer(realm: &str, service: &str) -> Challenge {
        Challenge::Bearer { realm: realm.to_owned(), service: Some(service.to_owned()) }
    }

    #[test]
    fn challenge_values_contain_commas_and_quotes() {
        let header = r#"Bearer realm="https://a.example/t?x=1,2",service="a \"b\"",scope="repository:x:pull,push""#;
        assert_eq!(Challenge::parse(header), [bearer("https://a.example/t?x=1,2", "a \"b\"")]);
        assert_eq!(Challenge::parse("Basic realm=\"x\""), [Challenge::Basic]);
        assert_eq!(Challenge::parse("bearer Realm=\"r\", SERVICE=s"), [bearer("r", "s")]);
    }

    #[test]
    fn challenge_parse_reads_several_schemes_in_one_header() {
        let token = r#"Bearer realm="https://a.example/t",service="a",scope="a,b""#;
        let expected = bearer("https://a.example/t", "a");
        assert_eq!(Challenge::parse(&format!("Basic realm=\"x\", {token}")), [Challenge::Basic, expected.clone()]);
        assert_eq!(Challenge::parse(&format!("{token}, Basic realm=\"x\"")), [expected.clone(), Challenge::Basic]);
        assert_eq!(Challenge::parse(&format!("Negotiate, Digest realm=\"x\", nonce=\"1\", {token}")), [expected]);
    }

    #[test]
    fn challenge_parse_skips_what_it_cannot_answer() {
        for header in ["Negotiate", "Bearer service=\"x\"", "Bearer", "Bearer realm=\"open", ""] {
            assert_eq!(Challenge::parse(header), [], "{header}");
        }
        assert_eq!(Challenge::parse("Basic realm=\"x\", Bearer realm=\"open"), [Challenge::Basic]);
    }

    #[test]
    fn scope_texts_name_actions_and_other_repositories() {
        let scope = TokenScope { repository: "a/b".to_owned(), push: true, others: vec!["c".to_owned()] };
        assert_eq!(scope.texts(), ["repository:a/b:pull,push", "repository:c:pull"]);
    }

    #[test]
    fn token_response_has_two_names_and_default_lifetime() {
        let read =
            |body: &[u8]| read_token(body).map(|(token, lifetime)| (token.expose().to_owned(), lifetime.as_secs()));
        assert_eq!(read(br#"{"token":"a"}"#), Some(("a".to_owned(), 60)));
        assert_eq!(read(br#"{"access_token":"b","expires_in":3}"#), Some(("b".to_owned(), 3)));
        assert_eq!(read(br#"{"token":""}"#), None);
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
