//! Challenges and grants: a 401 says how to prove who one is (RFC 9110, section 11; distribution's token
//! authentication), and what is proven is kept until it ends.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::credentials::{Credential, Secret};
use super::error::{RequestError, RequestProblem};
use super::http::{check_status, client_builder, read_limited};
use super::options::Options;
use super::trace::execute;
use crate::event::Event;

const MOST_TOKEN_BYTES: usize = 128 << 10;
/// A token that says nothing of its life lives so long (distribution's token specification).
const SHORTEST_LIFE: u64 = 60;
/// A token is renewed so long before its end.
const MARGIN: Duration = Duration::from_secs(30);

/// What is wanted of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub repository: String,
    /// Whether to write there as well.
    pub push: bool,
    /// Other repositories to read.
    pub others: Vec<String>,
}

impl Scope {
    /// As token services read it. Some challenges name less, or a malformed scope: ours is the one that counts.
    /// Without a repository nothing is asked for but who one is.
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

/// What a registry has granted so far.
#[derive(Debug, Default)]
pub enum Grant {
    /// It has not asked.
    #[default]
    Open,
    /// It wants user and password with each request.
    Basic,
    /// It wants a token.
    Bearer { token: Secret, scope: Scope, renew_at: Instant, challenge: Challenge },
}

impl Grant {
    /// The challenge to answer anew before a request with this scope.
    pub fn stale(&self, wanted: &Scope) -> Option<Challenge> {
        match self {
            Grant::Bearer { scope, renew_at, challenge, .. } if scope != wanted || Instant::now() >= *renew_at => {
                Some(challenge.clone())
            }
            _ => None,
        }
    }

    /// The value of the Authorization header.
    pub fn header(&self, credential: &Credential) -> Option<HeaderValue> {
        let text = match (self, credential) {
            (Grant::Open, _) => return None,
            (Grant::Bearer { token, .. }, _) => format!("Bearer {}", token.expose()),
            (Grant::Basic, Credential::Basic { user, password }) => basic(user, password),
            (Grant::Basic, _) => return None,
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn basic(user: &str, password: &Secret) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))
}

/// A `WWW-Authenticate` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User and password.
    Basic,
    /// A token of the service at `realm`.
    Bearer { realm: String, service: Option<String> },
}

/// What a token service answers. Some name the token one way, some the other, and it means the same.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Challenge {
    /// Reads a header such as `Bearer realm="https://auth.example/token",service="example"`; nothing for other schemes.
    pub fn parse(header: &str) -> Option<Challenge> {
        let (scheme, parameters) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        for (key, value) in Parameters(parameters) {
            match key.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                _ => {}
            }
        }
        Some(Challenge::Bearer { realm: realm?, service })
    }

    /// Whether it asks for a token.
    pub fn is_bearer(&self) -> bool {
        matches!(self, Challenge::Bearer { .. })
    }

    /// Whether there is anything to answer it with.
    pub fn can_be_met(&self, credential: &Credential) -> bool {
        self.is_bearer() || matches!(credential, Credential::Basic { .. })
    }

    /// Answers it: for a token, by asking the service that it names.
    ///
    /// # Errors
    /// A service that is not to be trusted, does not answer, or says no.
    pub async fn answer(
        self,
        scope: &Scope,
        options: &Options<'_>,
        local: bool,
        registry: &Url,
    ) -> Result<Grant, RequestError> {
        let Challenge::Bearer { realm, service } = &self else {
            return Ok(Grant::Basic);
        };
        let (token, life) = match &options.credential {
            // It is the token already.
            Credential::RegistryToken(token) => (token.clone(), Duration::MAX),
            credential => {
                let service = Service::at(realm, service.as_deref(), local, registry).await?;
                service.token(scope, credential, options).await?
            }
        };
        // A service whose tokens are short is not asked before each request.
        let renew_at = Instant::now().checked_add(if life > 2 * MARGIN { life - MARGIN } else { life / 2 });
        let renew_at = renew_at.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
        Ok(Grant::Bearer { token, scope: scope.clone(), renew_at, challenge: self })
    }
}

/// A token service that a registry has named, and that may be asked.
struct Service {
    url: Url,
    name: Option<String>,
    http: reqwest::Client,
    /// Whether credentials for the registry may go there.
    trusted: bool,
}

impl Service {
    /// Looks at where `realm` is before anything is sent there: a registry may not point at what only this computer or
    /// its network can reach.
    async fn at(realm: &str, name: Option<&str>, local: bool, registry: &Url) -> Result<Service, RequestError> {
        let refused = |url: &Url, why: &str| {
            RequestError::new(
                &Method::GET,
                url,
                RequestProblem::Untrusted(format!("{} names this token service, {why}", host(registry))),
            )
        };
        let url =
            Url::parse(realm).map_err(|_| refused(registry, &format!("{} is not a URL", realm.escape_debug())))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && local) {
            return Err(refused(&url, "which is not https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(&url, "with credentials in its URL"));
        }
        let mut builder = client_builder(local, Policy::none());
        if !local {
            let port = url.port_or_known_default().unwrap_or(443);
            let found = tokio::net::lookup_host((host(&url), port)).await;
            let addresses: Vec<_> = found
                .map_err(|error| RequestError::new(&Method::GET, &url, RequestProblem::Connect(error.to_string())))?
                .collect();
            if addresses.iter().any(|address| is_internal(address.ip())) {
                return Err(refused(&url, "which is an address of this computer or of its network"));
            }
            // What was looked at is what is asked: the name is not looked up again.
            builder = builder.resolve_to_addrs(host(&url), &addresses);
        }
        let client = builder.build().map_err(|error| RequestError::transport(&Method::GET, &url, &error))?;
        let trusted = is_same_house(host(registry), host(&url));
        Ok(Service { url, name: name.map(str::to_owned), http: client, trusted })
    }

    async fn token(
        &self,
        scope: &Scope,
        credential: &Credential,
        options: &Options<'_>,
    ) -> Result<(Secret, Duration), RequestError> {
        let credential = match (credential, self.trusted) {
            (Credential::Anonymous, _) | (_, true) => credential,
            (_, false) => {
                if let Some(notify) = options.notify {
                    let message = format!(
                        "the registry sends to the token service of another house, {}: it is asked without your credentials",
                        host(&self.url)
                    );
                    notify(Event::Warning { message });
                }
                &Credential::Anonymous
            }
        };
        let mut pairs: Vec<(&str, String)> = self.name.iter().map(|name| ("service", name.clone())).collect();
        let request = match credential {
            // OAuth 2 (RFC 6749, section 6), as Docker's registries read it: one parameter for all scopes.
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
                RequestProblem::InvalidResponse("the answer holds no token".to_owned()),
            )
        })
    }
}

fn encoded(pairs: &[(&str, String)]) -> String {
    // A URL's query is written as a form is.
    let mut url = Url::parse("http://form/").unwrap_or_else(|_| unreachable!("it is a URL"));
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// The token in the answer of a token service, and how long it lives.
fn read_token(body: &[u8]) -> Option<(Secret, Duration)> {
    if body.len() > MOST_TOKEN_BYTES {
        return None;
    }
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty())?;
    let life = answer.expires_in.filter(|life| *life > 0).unwrap_or(SHORTEST_LIFE);
    Some((Secret::new(token), Duration::from_secs(life)))
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// Whether one owner has both names: the same host, one registered domain, or a pair that is known.
fn is_same_house(registry: &str, service: &str) -> bool {
    const KNOWN: [(&str, &str); 1] = [("registry-1.docker.io", "auth.docker.io")];
    let domain = |host: &str| psl::domain_str(host).map(str::to_owned);
    registry == service
        || KNOWN.contains(&(registry, service))
        || domain(registry).is_some_and(|own| domain(service) == Some(own))
}

/// Whether an address is this computer's, its network's, or that of a cloud's metadata.
fn is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_broadcast(),
        IpAddr::V6(ip) => {
            let metadata = ip.segments()[..2] == [0xfd00, 0x0ec2];
            ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local() || metadata
        }
    }
}

/// The `key=value` and `key="value"` pairs of a challenge (RFC 9110, section 11.2).
struct Parameters<'a>(&'a str);

impl Iterator for Parameters<'_> {
    type Item = (String, String);

    fn next(&mut self) -> Option<(String, String)> {
        let text = self.0.trim_start_matches([' ', '\t', ',']);
        let (key, rest) = text.split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        self.0 = rest;
        Some((key.trim().to_owned(), value))
    }
}

/// The text up to the closing quote, and what is behind that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_with_commas_and_quotes_in_its_values() {
        let header = r#"Bearer realm="https://a.example/t?x=1,2",service="a \"b\"",scope="repository:x:pull,push""#;
        let expected =
            Challenge::Bearer { realm: "https://a.example/t?x=1,2".to_owned(), service: Some("a \"b\"".to_owned()) };
        assert_eq!(Challenge::parse(header), Some(expected));
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
    }

    #[test]
    fn what_asks_for_neither_token_nor_password_is_no_challenge() {
        for header in ["Negotiate", "Bearer service=\"x\"", "Bearer", "Bearer realm=\"open"] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
    }

    #[test]
    fn a_scope_names_what_is_done_and_where_blobs_come_from() {
        let scope = Scope { repository: "a/b".to_owned(), push: true, others: vec!["c".to_owned()] };
        assert_eq!(scope.texts(), ["repository:a/b:pull,push", "repository:c:pull"]);
    }

    #[test]
    fn a_token_goes_by_two_names_and_lives_a_minute_unless_it_says() {
        let read = |body: &[u8]| read_token(body).map(|(token, life)| (token.expose().to_owned(), life.as_secs()));
        assert_eq!(read(br#"{"token":"a"}"#), Some(("a".to_owned(), 60)));
        assert_eq!(read(br#"{"access_token":"b","expires_in":3}"#), Some(("b".to_owned(), 3)));
        assert_eq!(read(br#"{"token":""}"#), None);
    }

    #[test]
    fn credentials_go_to_the_registrys_own_house() {
        assert!(is_same_house("ghcr.io", "ghcr.io"));
        assert!(is_same_house("registry.gitlab.com", "gitlab.com"));
        assert!(is_same_house("registry-1.docker.io", "auth.docker.io"));
        assert!(!is_same_house("registry.example.co.uk", "evil.co.uk"));
        assert!(!is_same_house("user.github.io", "other.github.io"));
        assert!(!is_same_house("127.0.0.1", "127.0.0.2"));
    }

    #[test]
    fn inner_addresses_are_known_however_they_are_written() {
        for inner in ["127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "::ffff:127.0.0.1", "fd00:ec2::254"]
        {
            assert!(is_internal(inner.parse().expect("an address")), "{inner}");
        }
        assert!(!is_internal("93.184.216.34".parse().expect("an address")));
    }
}
