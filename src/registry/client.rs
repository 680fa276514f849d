//! One origin and one repository: requests with the right credentials and no others, bounded, and made again when that
//! makes sense.

use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use super::Options;
use super::asked::ask;
use super::auth::{Challenge, Grant, Scope};
use super::error::{Problem, RequestError, said};
use super::retry::{Attempts, Quiet, retry_after};
use crate::error::Result;
use crate::event::Event;
use crate::interrupt;
use crate::reference::Reference;
use crate::store::lock;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
const MOST_ERROR_BYTES: usize = 64 << 10;

/// A client of one repository.
pub struct Client<'a> {
    http: reqwest::Client,
    /// Where the API answers; credentials go nowhere else.
    origin: Url,
    local: bool,
    pub(super) repository: String,
    pub(super) options: Options<'a>,
    grant: Mutex<Grant>,
    /// Held while a grant is asked for: requests side by side need but one.
    renewals: tokio::sync::Mutex<()>,
    /// How many there were.
    renewed: AtomicU64,
    /// Set once something is to be written: from then on tokens are asked for that.
    writes: AtomicBool,
    /// Other repositories of this registry that blobs are mounted from.
    reads: Mutex<Vec<String>>,
    quiet: Quiet,
    /// What went wrong last and was to be tried again.
    failed: Mutex<Option<RequestError>>,
}

/// How many grants there were when a request was made, beside its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Granted(u64);

/// A connection pool that follows `policy`. A proxy's loopback is not ours: for a local registry there is none.
pub(super) fn http(local: bool, policy: fn() -> Policy) -> reqwest::ClientBuilder {
    // Set once a process; a second time is no error worth telling.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("cargo-oci/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(policy());
    if local { builder.no_proxy() } else { builder }
}

impl<'a> Client<'a> {
    pub fn new(reference: &Reference, options: Options<'a>) -> Result<Client<'a>> {
        let origin = reference.origin();
        Ok(Client {
            http: options.connections.http(reference.is_local())?,
            origin: Url::parse(&origin).map_err(|error| miette::miette!("{origin} is not a URL: {error}"))?,
            local: reference.is_local(),
            repository: reference.repository().to_owned(),
            options,
            grant: Mutex::default(),
            renewals: tokio::sync::Mutex::default(),
            renewed: AtomicU64::new(0),
            writes: AtomicBool::new(false),
            reads: Mutex::default(),
            quiet: Quiet::default(),
            failed: Mutex::default(),
        })
    }

    /// A client that asks for nothing but [`Client::root`].
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn of_no_repository(reference: &Reference, options: Options<'a>) -> Result<Client<'a>> {
        Ok(Client { repository: String::new(), ..Client::new(reference, options)? })
    }

    /// `/v2/`, where a registry tells whether one may come in (distribution-spec, "Determining Support").
    pub fn root(&self) -> Url {
        let mut url = self.origin.clone();
        url.set_path("/v2/");
        url
    }

    /// `/v2/REPOSITORY/…` of the registry.
    pub fn url(&self, rest: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.repository));
        url
    }

    /// From now on tokens are asked for writing too.
    pub fn will_write(&self) {
        self.writes.store(true, Ordering::Relaxed);
    }

    /// From now on tokens are asked for reading that repository too.
    pub fn will_read(&self, repository: &str) {
        let mut reads = lock(&self.reads);
        if !reads.iter().any(|known| known == repository) && repository != self.repository {
            reads.push(repository.to_owned());
        }
    }

    fn scope(&self) -> Scope {
        Scope {
            repository: self.repository.clone(),
            push: self.writes.load(Ordering::Relaxed),
            others: lock(&self.reads).clone(),
        }
    }

    /// A request to `url`, without credentials so far.
    pub fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.http.request(method, url.clone()).header(ACCEPT_ENCODING, "identity")
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.origin.origin()
    }

    /// The head of whatever the registry answers to one request, within `patience`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn exchange(
        &self,
        method: &Method,
        url: &Url,
        request: RequestBuilder,
        patience: impl Future<Output = Duration>,
    ) -> Result<Response, RequestError> {
        tokio::time::sleep(self.quiet.left()).await;
        let request = match self.authorization(url).await? {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let had = self.granted();
        let mut answer = tokio::select! {
            answer = ask(self.options.notify, request) => answer.map_err(|error| RequestError::transport(method, url, &error))?,
            () = interrupt::wait() => return Err(RequestError::new(method, url, Problem::Interrupted)),
            waited = patience => return Err(RequestError::new(method, url, Problem::Silent(waited.as_secs()))),
        };
        if let Some(pause) = asked_pause(answer.headers()) {
            self.quiet.keep(pause.min(self.options.retry.most_asked));
        }
        answer.extensions_mut().insert(had);
        Ok(answer)
    }

    /// The credentials for a request to `url`: none on another origin.
    async fn authorization(&self, url: &Url) -> Result<Option<HeaderValue>, RequestError> {
        if !self.is_own(url) {
            return Ok(None);
        }
        let stale = || lock(&self.grant).stale(&self.scope());
        if stale().is_some() {
            let _alone = self.renewals.lock().await;
            if let Some(challenge) = stale() {
                self.renew(challenge).await?;
            }
        }
        Ok(lock(&self.grant).header(&self.options.credential))
    }

    /// Asks for a grant, by one who holds the lock.
    async fn renew(&self, challenge: Challenge) -> Result<(), RequestError> {
        let grant = challenge.answer(&self.scope(), &self.options, self.local, &self.origin).await?;
        *lock(&self.grant) = grant;
        self.renewed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn granted(&self) -> Granted {
        Granted(self.renewed.load(Ordering::Relaxed))
    }

    /// Takes the challenge of a 401 up, unless another request has done that meanwhile; false when it is one that nothing
    /// can be done about.
    ///
    /// # Errors
    /// When the token service says no.
    pub async fn challenged(&self, answer: &Response) -> Result<bool, RequestError> {
        if answer.status() != StatusCode::UNAUTHORIZED || !self.is_own(answer.url()) {
            return Ok(false);
        }
        let headers = answer.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges = headers.filter_map(|header| header.to_str().ok()).flat_map(Challenge::parse);
        // Bearer before Basic: a token is worth less to a thief than a password.
        let Some(challenge) = challenges.max_by_key(Challenge::is_bearer) else {
            return Ok(false);
        };
        if !challenge.can_be_met(&self.options.credential) {
            return Ok(false);
        }
        let _alone = self.renewals.lock().await;
        if answer.extensions().get::<Granted>().is_none_or(|had| *had == self.granted()) {
            self.renew(challenge).await?;
        }
        Ok(true)
    }

    /// A request whose answer matters to nobody, made also when work is to stop.
    pub async fn quick(&self, method: Method, url: &Url) {
        let request = self.request(method, url);
        let own = self.is_own(url).then(|| lock(&self.grant).header(&self.options.credential)).flatten();
        let request = own.into_iter().fold(request, |request, value| request.header(AUTHORIZATION, value));
        let _ = ask(self.options.notify, request).await;
    }

    /// One request, with a new token once where the registry wants one; the answer says yes.
    ///
    /// # Errors
    /// When there is no answer, or it says no.
    pub async fn once(
        &self,
        method: &Method,
        url: &Url,
        edit: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RequestError> {
        let request = || edit(self.request(method.clone(), url));
        let patience = || after(self.options.retry.progress);
        let answer = self.exchange(method, url, request(), patience()).await?;
        if self.challenged(&answer).await? {
            let answer = self.exchange(method, url, request(), patience()).await?;
            return accepted(method, url, answer).await;
        }
        accepted(method, url, answer).await
    }

    /// The same, made again while that makes sense.
    ///
    /// # Errors
    /// The last one.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        edit: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RequestError> {
        let mut attempts = Attempts::new(&self.options.retry);
        loop {
            match self.once(&method, url, &edit).await {
                Err(error) => self.pause(&mut attempts, error).await?,
                answer => return answer,
            }
        }
    }

    /// The error of who has waited long enough: what went wrong while it was tried, else that nobody answered.
    pub fn silent(&self, method: &Method, url: &Url, waited: Duration) -> RequestError {
        let failed = lock(&self.failed).take();
        failed.unwrap_or_else(|| RequestError::new(method, url, Problem::Silent(waited.as_secs())))
    }

    /// Waits before the next attempt, and says so.
    ///
    /// # Errors
    /// `error` itself, when there is to be no other attempt.
    pub async fn pause(&self, attempts: &mut Attempts<'_>, error: RequestError) -> Result<(), RequestError> {
        let Some(pause) = attempts.pause(&error) else {
            return Err(error);
        };
        *lock(&self.failed) = Some(error.clone());
        if let Some(notify) = self.options.notify {
            notify(Event::Retrying { error: error.to_string(), pause });
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = interrupt::wait() => Err(RequestError { problem: Problem::Interrupted, ..error }),
        }
    }
}

/// Ends after that long, and says how long it was.
pub(super) async fn after(time: Duration) -> Duration {
    tokio::time::sleep(time).await;
    time
}

fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?)
}

/// The answer if it says yes, else what it says.
pub(super) async fn accepted(method: &Method, url: &Url, mut answer: Response) -> Result<Response, RequestError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let retry_after = asked_pause(answer.headers());
    // What it says is worth having, but not worth waiting for.
    let body = tokio::time::timeout(Duration::from_secs(5), bounded(&mut answer, MOST_ERROR_BYTES)).await;
    let says = body.map_or_else(|_| String::new(), |body| said(&body.unwrap_or_default()));
    let error = RequestError::new(method, url, Problem::Status { status, says });
    Err(RequestError { retry_after, ..error })
}

/// The body, cut off behind `most` bytes and the chunk they end in.
pub(super) async fn bounded(answer: &mut Response, most: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() <= most
        && let Some(chunk) = answer.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
