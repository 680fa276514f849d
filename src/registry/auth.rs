//! Tokens: a 401 says where to get one (distribution's token specification, and RFC 6750).

use reqwest::Url;
use serde::Deserialize;

/// A `WWW-Authenticate` header that asks for a bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    service: Option<String>,
}

/// What a token service answers. Some name the token one way, some the other, and it means the same.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// The token in the answer of a token service.
pub fn token(body: &[u8]) -> Option<String> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    answer.token.or(answer.access_token).filter(|token| !token.is_empty())
}

impl Challenge {
    /// Reads a header such as `Bearer realm="https://auth.example/token",service="example"`; nothing for other schemes.
    pub fn parse(header: &str) -> Option<Challenge> {
        let (scheme, parameters) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        for (key, value) in Parameters(parameters) {
            match key.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                // The scope is known better here than there: some registries' challenges name less than is needed.
                _ => {}
            }
        }
        Some(Challenge { realm: realm?, service })
    }

    /// Where to ask for a token to pull from `repository`; nothing when the realm is not a URL.
    pub fn pull_url(&self, repository: &str) -> Option<Url> {
        let mut url = Url::parse(&self.realm).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        if let Some(service) = &self.service {
            url.query_pairs_mut().append_pair("service", service);
        }
        url.query_pairs_mut().append_pair("scope", &format!("repository:{repository}:pull"));
        Some(url)
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
        let challenge = Challenge::parse(header).expect("reads");
        let url = challenge.pull_url("a/b").expect("a URL");
        assert_eq!(url.as_str(), "https://a.example/t?x=1,2&service=a+%22b%22&scope=repository%3Aa%2Fb%3Apull");
    }

    #[test]
    fn what_is_no_bearer_challenge_is_none() {
        for header in ["Basic realm=\"x\"", "Bearer service=\"x\"", "Bearer", "Bearer realm=\"open"] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
        let elsewhere = Challenge::parse("bearer realm=file:///etc/passwd").expect("reads");
        assert_eq!(elsewhere.pull_url("x"), None);
    }

    #[test]
    fn a_token_goes_by_two_names() {
        assert_eq!(token(br#"{"token":"a"}"#).as_deref(), Some("a"));
        assert_eq!(token(br#"{"access_token":"b","expires_in":3}"#).as_deref(), Some("b"));
        assert_eq!(token(br#"{"token":""}"#), None);
    }
}
