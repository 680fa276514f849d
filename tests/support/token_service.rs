//! A real token service, as registries use one: distribution's token authentication specification, with its JWTs.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What the registry calls itself towards the service; tokens are made out to it.
const SERVICE: &str = "registry.test";
/// Who signs the tokens.
const ISSUER: &str = "token-service.test";
/// How long `docker-registry` accepts a token after its end, in seconds.
const LEEWAY: i64 = 60;
/// How long a client may take to send its request.
const LIMIT: Duration = Duration::from_secs(60);

/// The settings of a [`TokenService`].
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// Who may do everything.
    pub user: String,
    /// The user's.
    pub password: String,
    /// How long the registry accepts a token, in seconds.
    pub lifetime: u32,
    /// Where the answer holds the token.
    pub field: TokenField,
}

impl Default for TokenOptions {
    fn default() -> TokenOptions {
        TokenOptions {
            user: "robot".to_owned(),
            password: "open:sesame".to_owned(),
            lifetime: 300,
            field: TokenField::Token,
        }
    }
}

/// The two names that the specification has for the same field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenField {
    /// `token`, the older one.
    Token,
    /// `access_token`, as in OAuth 2.
    AccessToken,
}

/// A request to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Who asked; nothing for the anonymous.
    pub user: Option<String>,
    /// What for, such as `repository:hello:pull,push`.
    pub scopes: Vec<String>,
}

/// A running token service, stopped on drop.
///
/// Everyone may pull. Whoever has the credentials may do everything.
pub struct TokenService {
    address: SocketAddr,
    state: Arc<State>,
    folder: TempDir,
    listener: Option<JoinHandle<()>>,
}

struct State {
    options: TokenOptions,
    signer: Arc<Signer>,
    requests: Mutex<Vec<TokenRequest>>,
    stopped: AtomicBool,
}

impl TokenService {
    /// One with a fresh key, on a free port of this machine.
    pub fn start(options: TokenOptions) -> TokenService {
        let (signer, certificate) = Signer::fresh();
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(bundle(&folder), certificate).expect("a temporary file");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the address of a listener");
        let state = Arc::new(State {
            options,
            signer: Arc::new(signer),
            requests: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let listener = Some(thread::spawn(move || serve(&listener, &shared)));
        TokenService { address, state, folder, listener }
    }

    /// Where it is: `http://127.0.0.1:PORT/token`.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The credentials, as `user:password`.
    pub fn credentials(&self) -> String {
        format!("{}:{}", self.state.options.user, self.state.options.password)
    }

    /// Returns how many requests it has answered, including denied ones.
    pub fn served(&self) -> usize {
        self.requests().len()
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<TokenRequest> {
        self.state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `auth.token` of the registry's configuration.
    pub(super) fn registry_config(&self) -> Value {
        json!({
            "realm": self.realm(),
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": bundle(&self.folder),
        })
    }

    pub(super) fn signer(&self) -> Arc<Signer> {
        Arc::clone(&self.state.signer)
    }
}

fn bundle(folder: &TempDir) -> PathBuf {
    folder.path().join("bundle.pem")
}

impl Drop for TokenService {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // The listener looks at that when someone connects.
        let connected = TcpStream::connect(self.address).is_ok();
        if let Some(listener) = self.listener.take().filter(|_| connected) {
            let _ = listener.join();
        }
    }
}

/// Makes tokens.
pub struct Signer {
    key: EcdsaKeyPair,
    certificate: Vec<u8>,
    made: AtomicU64,
}

impl Signer {
    /// With a new key; and its certificate, signed by itself, in PEM.
    fn fresh() -> (Signer, String) {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a new key");
        let params = CertificateParams::new([ISSUER.to_owned()]).expect("a certificate's name");
        let certificate = params.self_signed(&pair).expect("a self-signed certificate");
        // JWTs have the two numbers of a signature side by side, not in DER as certificates have.
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pair.serialized_der(), &SystemRandom::new());
        let signer =
            Signer { key: key.expect("the new key"), certificate: certificate.der().to_vec(), made: AtomicU64::new(0) };
        (signer, certificate.pem())
    }

    /// A token of a minute that is good for everything in `repository`.
    pub(super) fn everything_in(&self, repository: &str) -> String {
        let actions = ["pull", "push", "delete"];
        let access = json!([{ "type": "repository", "name": repository, "actions": actions }]);
        self.token("", &access, 60)
    }

    /// A token for `access`, which `docker-registry` accepts for `lifetime` seconds.
    fn token(&self, user: &str, access: &Value, lifetime: u32) -> String {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock past 1970").as_secs();
        let now = i64::try_from(now).expect("a clock that is not broken");
        let header = json!({
            "typ": "JWT",
            "alg": "ES256",
            "x5c": [BASE64_STANDARD.encode(&self.certificate)],
        });
        let claims = json!({
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "iat": now - LEEWAY,
            "nbf": now - LEEWAY,
            "exp": now - LEEWAY + i64::from(lifetime),
            "jti": self.made.fetch_add(1, Ordering::SeqCst).to_string(),
            "access": access,
        });
        let encoded = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn serve(listener: &TcpListener, state: &Arc<State>) {
    for connection in listener.incoming() {
        if state.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else { continue };
        let state = Arc::clone(state);
        // A thread each: a client may connect and say nothing.
        thread::spawn(move || answer(connection, &state));
    }
}

/// Answers one request; a client that goes away has no answer to wait for.
fn answer(mut connection: TcpStream, state: &State) -> Option<()> {
    connection.set_read_timeout(Some(LIMIT)).ok()?;
    let request = HttpRequest::read(&connection)?;
    let (status, body) = state.answer(&request);
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len(),
    );
    connection.write_all(format!("{head}{body}").as_bytes()).ok()?;
    // A connection that is closed over what was not read yet takes the answer with it.
    connection.shutdown(Shutdown::Write).ok()?;
    io::copy(&mut connection, &mut io::sink()).ok().map(|_| ())
}

impl State {
    fn answer(&self, request: &HttpRequest) -> (&'static str, Value) {
        if request.path != "/token" {
            return ("404 Not Found", json!({ "details": "only /token is here" }));
        }
        if request.method != "GET" {
            return ("405 Method Not Allowed", json!({ "details": "only GET is served" }));
        }
        let credentials = request.credentials();
        let scopes = request.all("scope");
        let scopes = scopes.flat_map(|value| value.split(' ')).map(str::to_owned);
        let asked = TokenRequest { user: credentials.as_ref().map(|(user, _)| user.clone()), scopes: scopes.collect() };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(asked.clone());
        drop(requests);

        if request.all("service").ne([SERVICE]) {
            return ("400 Bad Request", json!({ "details": "this is not the service for that" }));
        }
        let right = (self.options.user.clone(), self.options.password.clone());
        if credentials.as_ref().is_some_and(|given| *given != right) {
            return ("401 Unauthorized", json!({ "details": "incorrect username or password" }));
        }
        let known = credentials.is_some();
        let access = asked.scopes.iter().filter_map(|scope| access(scope, known)).collect();
        let lifetime = self.options.lifetime;
        let token = self.signer.token(&asked.user.unwrap_or_default(), &access, lifetime);
        let field = match self.options.field {
            TokenField::Token => "token",
            TokenField::AccessToken => "access_token",
        };
        ("200 OK", json!({ field: token, "expires_in": lifetime }))
    }
}

/// What is granted of a scope such as `repository:NAME:pull,push`; `None` if it is not a scope.
fn access(scope: &str, known: bool) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    // A name may hold the port of a host.
    let (name, actions) = rest.rsplit_once(':')?;
    let public = |action: &&str| kind == "repository" && *action == "pull";
    let granted: Vec<&str> = actions.split(',').filter(|action| known || public(action)).collect();
    Some(json!({ "type": kind, "name": name, "actions": granted }))
}

struct HttpRequest {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    /// Names in lowercase.
    headers: BTreeMap<String, String>,
}

impl HttpRequest {
    fn read(connection: &TcpStream) -> Option<HttpRequest> {
        // No request needs more.
        let mut lines = BufReader::new(connection.take(64 << 10)).lines().map_while(Result::ok);
        let first = lines.next()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = query.map(|(key, value)| Some((decoded(key)?, decoded(value)?)));
        let headers = lines.take_while(|line| !line.is_empty());
        let headers = headers.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        });
        Some(HttpRequest {
            method,
            path: path.to_owned(),
            query: query.collect::<Option<_>>()?,
            headers: headers.collect(),
        })
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// User and password; both empty where the header is there and cannot be read, which are nobody's.
    fn credentials(&self) -> Option<(String, String)> {
        let basic = self.headers.get("authorization")?.strip_prefix("Basic ");
        let bytes = basic.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let (user, password) = text.split_once(':').unwrap_or_default();
        Some((user.to_owned(), password.to_owned()))
    }
}

/// A part of a query, without its percent signs.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let code = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
                u8::try_from(code).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}
