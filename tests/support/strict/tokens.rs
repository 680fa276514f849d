//! Who may do what: tokens, the service that makes them, and the challenges that send clients there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::answer::Answer;
use super::faults::{Fault, Point};
use super::http::{Body, Request, pairs};
use super::monitor::Place;
use super::personality::Personality;
use super::{World, lock};

/// What the registry calls itself towards the service.
const SERVICE: &str = "strict.registry.test";

/// What a registry wants to see before it does something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    #[default]
    Open,
    /// User and password with each request.
    Basic,
    /// A token, which everyone gets.
    Anonymous,
    /// A token, which everyone gets to pull, and the user for the password to push.
    Public,
    /// A token, which the user gets for the password.
    Bearer,
}

/// The user.
pub const USER: &str = "strict-user";
/// The user of a registry that has robots.
pub const ROBOT: &str = "robot$acme+ci";
/// The user's.
pub const PASSWORD: &str = "pass:word-8c1f43f2a6";

/// The tokens that were made.
#[derive(Debug, Default)]
pub struct Tokens(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    made: BTreeMap<String, Token>,
    /// Requests that were answered with 401 and did not come back so far. No token ends meanwhile: a client asks for
    /// one new token, and what comes of that must count. Of several clients nobody knows which of them came back: there
    /// no token ends.
    waiting: BTreeMap<String, u32>,
    /// All that were ever answered with 401 for an ended token: once is enough.
    sent_back: BTreeSet<String>,
}

#[derive(Debug)]
struct Token {
    /// Such as `NAME:push`.
    rights: BTreeSet<String>,
    used: u32,
    ended: bool,
}

/// A right, such as to `push` to a repository.
pub fn right(repository: &str, action: &str) -> String {
    format!("{repository}:{action}")
}

impl World {
    fn basic(&self) -> String {
        BASE64_STANDARD.encode(format!("{}:{PASSWORD}", self.personality.user()))
    }

    /// Whether a token service answers at a path of the registry.
    pub fn is_token_service(&self, path: &str) -> bool {
        let (place, realm) = self.personality.realm();
        place == Place::Registry && (path == realm || path == self.personality.service())
    }

    /// Tells the monitor what may be seen where.
    pub fn guard_secrets(&self) {
        let of: &[Place] = match self.access {
            Access::Basic => &[Place::Registry],
            Access::Bearer | Access::Public => &[Place::Tokens],
            Access::Open | Access::Anonymous => &[],
        };
        self.monitor.secret("the password", PASSWORD, of);
        self.monitor.secret("the encoded password", &self.basic(), of);
    }

    /// Lets a request with these rights through, or answers it with a challenge.
    pub fn admit(&self, request: &Request, rights: &[String]) -> Option<Answer> {
        self.admit_anywhere(request, rights).or_else(|| {
            let (repository, _) = rights.first()?.rsplit_once(':')?;
            self.is_no_repository(repository)
        })
    }

    fn admit_anywhere(&self, request: &Request, rights: &[String]) -> Option<Answer> {
        let given = request.header("authorization").unwrap_or_default();
        match self.access {
            Access::Open => {
                if !given.is_empty() {
                    self.monitor.illegal(Place::Registry, request, "credentials that nobody asked for");
                }
                None
            }
            Access::Basic => {
                (given != format!("Basic {}", self.basic())).then(|| self.challenge(request, rights, "missing"))
            }
            Access::Anonymous | Access::Public | Access::Bearer => self.admit_token(request, given, rights),
        }
    }

    fn admit_token(&self, request: &Request, given: &str, rights: &[String]) -> Option<Answer> {
        let asked = asked(request);
        let mut state = lock(&self.tokens.0);
        let free = !self.is_shared && state.can_end(&asked);
        let token = given.strip_prefix("Bearer ").and_then(|token| state.made.get_mut(token));
        let why = match token {
            None => "missing",
            // Where a redirect leads to is a part of the request that was admitted.
            Some(token) if token.ended && request.query("here").is_none() => "ended",
            Some(token) if !rights.iter().all(|right| token.rights.contains(right)) => "too weak",
            Some(token) => {
                token.used += 1;
                // A token may end at any time; but what has just been made lives for a moment.
                let old = free && token.used > 3 && request.query("here").is_none();
                if !old || !self.chaos.once_in("end of token", "", 25) {
                    state.came_back(&asked);
                    return None;
                }
                self.monitor.hit("token ends");
                state.end_all();
                "ended"
            }
        };
        state.send_back(asked);
        drop(state);
        Some(self.challenge(request, rights, why))
    }

    /// Notes that a request is about to be answered with 401 although its token is good: it comes back with another one, which
    /// must live so long.
    pub fn note_challenged(&self, request: &Request) {
        lock(&self.tokens.0).send_back(asked(request));
    }

    /// Ends all tokens in the middle of a request that was admitted, which [`World::can_unauthorize`] says is possible.
    pub fn unauthorize(&self, request: &Request, rights: &[String]) -> Answer {
        let mut state = lock(&self.tokens.0);
        state.end_all();
        state.send_back(asked(request));
        drop(state);
        self.challenge(request, rights, "ended")
    }

    /// Whether an admitted request may still be answered with 401.
    pub fn can_unauthorize(&self, request: &Request) -> bool {
        let has_tokens = matches!(self.access, Access::Anonymous | Access::Public | Access::Bearer);
        has_tokens && !self.is_shared && lock(&self.tokens.0).can_end(&asked(request))
    }

    /// A 401 that says where to get a token, as registries do: not all name the right scope, or one at all.
    pub fn challenge(&self, request: &Request, rights: &[String], why: &str) -> Answer {
        let answer = Answer::error(401, "UNAUTHORIZED");
        if self.access == Access::Open {
            return answer;
        }
        if self.access == Access::Basic {
            return answer.with("WWW-Authenticate", "Basic realm=\"strict, very\"");
        }
        let repository = rights.first().and_then(|right| right.rsplit_once(':')).map_or("", |(name, _)| name);
        let scope = self.chaos.pick("scope of challenge", request.path(), &["right", "pull", "none", "malformed"]);
        let scope = match scope {
            "right" => format!(",scope=\"repository:{repository}:pull,push\""),
            "pull" => format!(",scope=\"repository:{repository}:pull\""),
            "malformed" => ",scope=\"repository::\"".to_owned(),
            _ => String::new(),
        };
        let error = if why == "missing" { "" } else { ",error=\"invalid_token\"" };
        let scheme = self.chaos.pick("scheme of challenge", request.path(), &["Bearer", "Bearer", "bearer"]);
        let realm = &self.realm;
        let answer =
            answer.with("WWW-Authenticate", format!("{scheme} realm=\"{realm}\",service=\"{SERVICE}\"{scope}{error}"));
        if self.access == Access::Bearer && self.chaos.pick("second challenge", request.path(), &[false, false, true]) {
            answer.with("WWW-Authenticate", "Negotiate")
        } else {
            answer
        }
    }

    /// The token service.
    pub fn token(&self, request: &Request, body: &mut Body<'_>) -> Answer {
        let Ok(form) = body.all() else { return Answer::nothing() };
        let form = String::from_utf8_lossy(&form).into_owned();
        let given = request.header("authorization").unwrap_or_default();
        if given.starts_with("Bearer") {
            self.monitor.illegal(Place::Tokens, request, "a token for the registry");
        }
        if request.path() != self.personality.service() || !matches!(request.method.as_str(), "GET" | "POST") {
            self.monitor.illegal(Place::Tokens, request, "nothing is there");
            return Answer::error(404, "NOT_FOUND");
        }
        let can = |fault: Fault| fault != Fault::TokenRefused || self.access == Access::Bearer;
        match self.faults.strike(Point::Token, "", can) {
            Some(Fault::TokenServiceError) => {
                self.monitor.hit("TokenServiceError");
                let status = self.chaos.pick("token error", "", &[503, 429, 500, 502, 504, 0]);
                return if status == 0 { Answer::nothing() } else { self.try_again(status) };
            }
            Some(fault) => {
                self.monitor.hit(&fault.to_string());
                return Answer::error(401, "UNAUTHORIZED");
            }
            None => {}
        }
        let all = |key: &str| request.queries(key).chain(pairs(&form, key)).collect::<Vec<_>>();
        if all("service") != [SERVICE] {
            self.monitor.illegal(Place::Tokens, request, "a request for a token of another service");
        }
        let known = given == format!("Basic {}", self.basic()) || all("password") == [PASSWORD];
        if self.access == Access::Bearer && !known {
            return Answer::error(401, "UNAUTHORIZED");
        }
        self.grant(&all("scope"), known)
    }

    fn grant(&self, scopes: &[String], known: bool) -> Answer {
        let may = |action: &str| known || self.access == Access::Anonymous || action == "pull";
        let scopes = scopes.iter().flat_map(|value| value.split(' ')).filter_map(|scope| {
            let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
            Some(actions.split(',').filter(|action| may(action)).map(|action| right(name, action)).collect::<Vec<_>>())
        });
        let token = Token { rights: scopes.flatten().collect(), used: 0, ended: false };
        let text = {
            let mut state = lock(&self.tokens.0);
            let nth = state.made.len().to_string();
            let alphabet = b"ABCDEFabcdefghijklmnop0123456789._-~+/";
            let text = format!("{}==", self.chaos.random("token text", &nth).text(alphabet, 48));
            state.made.insert(text.clone(), token);
            text
        };
        self.monitor.secret("a token", &text, &[Place::Registry]);
        let answers = ["token", "access_token", "both", "lifeless"];
        let answer = match self.personality {
            Personality::Harbor => "empty",
            _ => self.chaos.pick("token answer", "", &answers),
        };
        let body = match answer {
            "empty" => json!({ "token": "", "access_token": text, "expires_in": 1800 }),
            "token" => json!({ "token": text, "expires_in": 300 }),
            "access_token" => json!({ "access_token": text, "expires_in": 60, "issued_at": "2024-01-01T00:00:00Z" }),
            "both" => json!({ "token": text, "access_token": text, "expires_in": 3600, "refresh_token": "unasked" }),
            _ => json!({ "token": text }),
        };
        let shape = self.shape("token", "");
        Answer::new(200).with("Content-Type", "application/json").body(body.to_string().into_bytes()).shape(shape)
    }
}

impl State {
    fn can_end(&self, asked: &str) -> bool {
        self.waiting.is_empty() && !self.sent_back.contains(asked)
    }

    fn send_back(&mut self, asked: String) {
        self.sent_back.insert(asked.clone());
        *self.waiting.entry(asked).or_default() += 1;
    }

    fn end_all(&mut self) {
        self.made.values_mut().for_each(|token| token.ended = true);
    }

    fn came_back(&mut self, asked: &str) {
        // Several of these are under way at once, and all look the same: who came back is unknown.
        if asked.ends_with("/blobs/uploads/") {
            return;
        }
        if let Some(count) = self.waiting.get_mut(asked) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(asked);
            }
        }
    }
}

/// What tells requests apart.
fn asked(request: &Request) -> String {
    format!("{} {}", request.method, request.target)
}
