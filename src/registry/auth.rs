//! Challenges and grants: a 401 response names the authentication schemes that the registry accepts (RFC 9110, section
//! 11; distribution's token authentication). A grant answers one of them, and is reused until it expires.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;
use reqwest::Url;
use reqwest::header::HeaderValue;

use super::credential_use::CredentialRecord;
use super::credentials::{Credential, Secret};
use super::error::RequestError;
use super::options::Options;
use super::token_service::{TokenScope, TokenService};

/// A token is renewed this long before it expires.
const MARGIN: Duration = Duration::from_secs(30);

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

    /// Returns the challenge that a token was requested for, or `None` if there is no token.
    pub(crate) fn challenge(&self) -> Option<Challenge> {
        match self {
            Grant::Bearer { challenge, .. } => Some(challenge.clone()),
            Grant::Open | Grant::Basic => None,
        }
    }

    /// Returns whether requests show the credential itself to the registry.
    pub(crate) fn shows(&self, credential: &Credential) -> bool {
        match self {
            Grant::Open => false,
            Grant::Basic => matches!(credential, Credential::Basic { .. }),
            Grant::Bearer { .. } => matches!(credential, Credential::RegistryToken(_)),
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

impl Challenge {
    /// Returns whether a header says that the registry knows the credential, and that it has too few rights (RFC 6750, section 3.1).
    pub(crate) fn is_insufficient_scope(header: &str) -> bool {
        ChallengeParser::new(header)
            .map_while(Result::ok)
            .any(|challenge| parameter(&challenge, "error").is_some_and(|error| error == "insufficient_scope"))
    }

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
    pub(super) async fn answer(
        self,
        scope: &TokenScope,
        options: &Options<'_>,
        local: bool,
        registry: &Url,
        record: &CredentialRecord,
    ) -> Result<Grant, RequestError> {
        let Challenge::Bearer { realm, service } = &self else {
            return Ok(Grant::Basic);
        };
        let (token, lifetime) = match &options.credential {
            // It already is the token.
            Credential::RegistryToken(token) => (token.clone(), Duration::MAX),
            credential => {
                let service = TokenService::at(realm, service.as_deref(), local, registry, options).await?;
                service.token(scope, credential, options, record).await?
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
}
