//! Authorizes requests: requests a grant after a challenge, renews it before it expires, and sends it to the registry only.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};

use super::auth::{Challenge, Grant};
use super::credential_use::{CredentialRecord, CredentialUse};
use super::credentials::Credential;
use super::error::RequestError;
use super::options::Options;
use super::phase::{RequestPhase, Shown};
use super::token_service::TokenScope;
use super::trial::{Trial, TrialGuard};
use crate::parallel::lock;

/// The responses to a wrong credential: those of registries, and of token services.
const WRONG: [StatusCode; 1] = [StatusCode::UNAUTHORIZED];
const WRONG_FOR_TOKEN: [StatusCode; 3] = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST];
/// The responses to a credential without the right to push.
const DENIED: [StatusCode; 2] = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];

/// Authorizes requests to one repository.
pub(crate) struct Authorizer {
    /// The origin of the registry's API. Credentials are sent nowhere else.
    origin: Url,
    is_local: bool,
    repository: String,
    /// Whether tokens must allow pushes.
    pushes: AtomicBool,
    deletes: AtomicBool,
    /// Other repositories of the registry to mount blobs from.
    mounts_from: Mutex<Vec<String>>,
    grant: Mutex<Grant>,
    /// Held during a renewal, so that concurrent requests share one.
    renewal: tokio::sync::Mutex<()>,
    renewals: AtomicU64,
    /// What became of the credential.
    record: CredentialRecord,
    /// Whether the credential is accepted at all, for all repositories of the registry.
    login: Arc<Trial>,
    /// Whether it allows pushes to this repository.
    push_right: Trial,
    /// Whether it allows mounts. A registry may refuse them for reasons of their own.
    mount_right: Trial,
    /// Whether `/v2/` was asked for a challenge. Held meanwhile, so that concurrent requests wait for the answer.
    has_asked_root: tokio::sync::Mutex<bool>,
}

/// The number of renewals before a request, kept with its response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Authorizer {
    /// Creates an authorizer that has no grant yet.
    pub(crate) fn new(origin: Url, is_local: bool, repository: String, options: &Options<'_>) -> Authorizer {
        Authorizer {
            login: options.connections.login_trial(&origin, &options.credential),
            push_right: Trial::once(),
            mount_right: Trial::default(),
            record: CredentialRecord::default(),
            origin,
            is_local,
            repository,
            pushes: AtomicBool::new(false),
            deletes: AtomicBool::new(false),
            mounts_from: Mutex::default(),
            grant: Mutex::default(),
            renewal: tokio::sync::Mutex::default(),
            renewals: AtomicU64::new(0),
            has_asked_root: tokio::sync::Mutex::default(),
        }
    }

    /// Requests tokens that allow pushes from now on.
    pub(crate) fn allow_push(&self) {
        self.pushes.store(true, Ordering::Relaxed);
    }

    /// Requests tokens that allow deletes from now on.
    pub(crate) fn allow_delete(&self) {
        self.deletes.store(true, Ordering::Relaxed);
    }

    /// Requests tokens that allow pulls from another repository, too, from now on.
    pub(crate) fn allow_mount_from(&self, repository: &str) {
        let mut mounts_from = lock(&self.mounts_from);
        if !mounts_from.iter().any(|known| known == repository) && repository != self.repository {
            mounts_from.push(repository.to_owned());
        }
    }

    /// Returns whether the registry is pushed to.
    pub(crate) fn is_push(&self) -> bool {
        self.pushes.load(Ordering::Relaxed)
    }

    /// Returns which credentials the server of a request has seen.
    pub(crate) fn shown(&self, options: &Options<'_>) -> Shown {
        match self.record.get() {
            _ if options.credential == Credential::Anonymous => Shown::Nothing,
            CredentialUse::Unused | CredentialUse::OfAnotherKind | CredentialUse::Withheld(_) => Shown::Withheld,
            CredentialUse::Accepted => Shown::Accepted,
            CredentialUse::Sent if options.is_credential_in_environment => Shown::Environment,
            CredentialUse::Sent => Shown::Stored,
        }
    }

    /// Returns the number of renewals so far.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.renewals.load(Ordering::Relaxed))
    }

    /// Returns the Authorization header for a request to `url`, after a renewal if necessary.
    ///
    /// # Errors
    /// Returns an error if the token service rejects the renewal.
    pub(crate) async fn header(&self, url: &Url, options: &Options<'_>) -> Result<Option<HeaderValue>, RequestError> {
        if !self.is_own(url) {
            return Ok(None);
        }
        if self.stale_challenge().is_some() {
            let _renewal = self.renewal.lock().await;
            // Another request may have renewed the grant while this one waited.
            if let Some(challenge) = self.stale_challenge() {
                // A credential that was good for one token is past its trial.
                self.renew(challenge, options).await?;
            }
        }
        Ok(self.current_header(url, options))
    }

    /// Returns the Authorization header of the present grant.
    pub(crate) fn current_header(&self, url: &Url, options: &Options<'_>) -> Option<HeaderValue> {
        if !self.is_own(url) {
            return None;
        }
        lock(&self.grant).header(&options.credential)
    }

    /// Returns what became of the credential.
    pub(crate) fn credential_use(&self) -> CredentialUse {
        self.record.get()
    }

    /// Begins the trial of the first upload with a credential. Others wait until it has begun, or is refused.
    ///
    /// # Errors
    /// Returns the refusal of the request that this one has waited for.
    pub(crate) async fn push_trial(
        &self,
        method: &Method,
        url: &Url,
        options: &Options<'_>,
    ) -> Result<Option<TrialGuard<'_>>, RequestError> {
        // Manifests are refused for other reasons, too, such as their type.
        if *method != Method::POST || options.credential == Credential::Anonymous {
            return Ok(None);
        }
        if is_mount(url) { self.mount_right.enter().await } else { self.push_right.enter().await }
    }

    /// Ends the trial of the first upload.
    pub(crate) fn end_push_trial<T>(trial: Option<TrialGuard<'_>>, result: &Result<T, RequestError>) {
        if let Some(trial) = trial {
            trial.end(result, &DENIED);
        }
    }

    /// Begins the trial of the first request that shows the credential to the registry. Others wait until it has ended.
    ///
    /// # Errors
    /// Returns the refusal of the request that this one has waited for.
    pub(crate) async fn login_trial(
        &self,
        url: &Url,
        options: &Options<'_>,
    ) -> Result<Option<TrialGuard<'_>>, RequestError> {
        if !self.is_own(url) || !lock(&self.grant).shows(&options.credential) {
            return Ok(None);
        }
        self.login.enter().await
    }

    /// Ends the trial of the first request that shows the credential. A mount that is refused tells nothing: some registries
    /// refuse every one with 401, so that the next request is on trial.
    pub(crate) fn end_login_trial<T>(trial: Option<TrialGuard<'_>>, url: &Url, result: &Result<T, RequestError>) {
        if let Some(trial) = trial.filter(|_| !is_mount(url) || result.is_ok()) {
            trial.end(result, &WRONG);
        }
    }

    /// Notes what a response says about the credential that its request showed.
    pub(crate) fn note_response(&self, response: &Response, options: &Options<'_>) {
        if !self.is_own(response.url()) || !lock(&self.grant).shows(&options.credential) {
            return;
        }
        let says_known = |header: &HeaderValue| header.to_str().is_ok_and(Challenge::is_insufficient_scope);
        let mut headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
        if response.status() != StatusCode::UNAUTHORIZED || headers.any(says_known) {
            self.record.note_accepted();
        }
    }

    /// Answers the challenge of a 401, unless another request has done so meanwhile. Returns whether it is worth sending
    /// the request again. `is_on_trial` is whether the request itself is on trial for the credential.
    ///
    /// # Errors
    /// Returns an error if the token service rejects the credential.
    pub(crate) async fn answer_challenge(
        &self,
        response: &Response,
        options: &Options<'_>,
        is_on_trial: bool,
    ) -> Result<bool, RequestError> {
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_own(response.url()) {
            return Ok(false);
        }
        let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges = headers.filter_map(|header| header.to_str().ok()).flat_map(Challenge::parse);
        // Bearer before Basic: a token is worth less to a thief than a password. Without a challenge, a token has expired.
        let known = lock(&self.grant).challenge();
        let Some(challenge) = challenges.max_by_key(Challenge::is_bearer).or(known) else {
            return Ok(false);
        };
        if !challenge.can_be_met(&options.credential) {
            if options.credential != Credential::Anonymous {
                self.record.note_other_kind();
            }
            return Ok(false);
        }
        // Before the wait for other renewals, so that what they are refused is refused to this one.
        let login = if is_on_trial { None } else { self.token_trial(&challenge, options).await? };
        let _renewal = self.renewal.lock().await;
        if response.extensions().get::<Generation>().is_none_or(|before| *before == self.generation()) {
            let is_basic_again = challenge == Challenge::Basic && matches!(*lock(&self.grant), Grant::Basic);
            if is_basic_again {
                return Ok(false);
            }
            let renewed = self.renew(challenge, options).await;
            if let Some(login) = login.filter(|_| self.record.is_sent()) {
                login.end(&renewed, &WRONG_FOR_TOKEN);
            }
            renewed?;
        }
        Ok(true)
    }

    /// Begins the trial of the first request that shows the credential to a token service.
    async fn token_trial(
        &self,
        challenge: &Challenge,
        options: &Options<'_>,
    ) -> Result<Option<TrialGuard<'_>>, RequestError> {
        match options.credential {
            Credential::Basic { .. } | Credential::IdentityToken(_) if challenge.is_bearer() => {
                self.login.enter().await
            }
            _ => Ok(None),
        }
    }

    /// Returns whether there is a credential, and a response to a request without one denies access. Registries that also
    /// serve the public answer so, without a challenge.
    pub(crate) fn may_need_credential(&self, response: &Response, options: &Options<'_>) -> bool {
        let status = response.status();
        let is_denied = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
        let was_open = matches!(*lock(&self.grant), Grant::Open) || self.is_renewed_since(response);
        is_denied && was_open && self.is_own(response.url()) && options.credential != Credential::Anonymous
    }

    /// Returns whether the grant was renewed after the request of a response was sent.
    pub(crate) fn is_renewed_since(&self, response: &Response) -> bool {
        response.extensions().get::<Generation>().is_some_and(|before| *before != self.generation())
    }

    /// Waits until no other request asks `/v2/` for a challenge. Returns whether that was done: it is done once.
    pub(crate) async fn has_asked_root(&self) -> tokio::sync::MutexGuard<'_, bool> {
        self.has_asked_root.lock().await
    }

    /// Requests a grant. The caller holds the lock `renewal`.
    async fn renew(&self, challenge: Challenge, options: &Options<'_>) -> Result<(), RequestError> {
        let answer = challenge.answer(&self.scope(), options, self.is_local, &self.origin, &self.record).await;
        let grant = answer.map_err(|mut error| {
            error.context.phase = Some(RequestPhase::Token);
            error
        })?;
        if grant.shows(&options.credential) {
            self.record.note_sent();
        }
        *lock(&self.grant) = grant;
        self.renewals.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn stale_challenge(&self) -> Option<Challenge> {
        lock(&self.grant).stale(&self.scope())
    }

    fn scope(&self) -> TokenScope {
        TokenScope {
            repository: self.repository.clone(),
            push: self.pushes.load(Ordering::Relaxed),
            delete: self.deletes.load(Ordering::Relaxed),
            others: lock(&self.mounts_from).clone(),
        }
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.origin.origin()
    }
}

fn is_mount(url: &Url) -> bool {
    url.query_pairs().any(|(key, _)| key == "mount")
}
