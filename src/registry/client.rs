//! Requests to one repository of a registry: authorized, with timeouts, and repeated after transient failures.

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION};
use reqwest::{Method, RequestBuilder, Response, Url};

use super::authorizer::Authorizer;
use super::error::RequestError;
use super::http::{HttpSettings, check_status};
use super::options::Options;
use super::retry::{Attempts, RateLimit, RetryPause, retry_after};
use super::scheme::Scheme;
use super::silence::{UploadProgress, silence};
use super::trace::execute;
use super::trial::TrialGuard;
use crate::error::Result;
use crate::reference::Reference;

/// A client of one repository.
pub(crate) struct Client<'a> {
    http: reqwest::Client,
    origin: Url,
    /// The registry's name as users write it.
    pub(super) registry: String,
    pub(super) repository: String,
    /// Whether the registry is on this computer.
    pub(super) is_local: bool,
    pub(super) options: Options<'a>,
    pub(super) authorizer: Authorizer,
    rate_limit: RateLimit,
}

impl<'a> Client<'a> {
    /// Creates a client of the repository of `reference`.
    ///
    /// # Errors
    /// Returns an error if TLS cannot be set up.
    pub(crate) fn new(reference: &Reference, options: Options<'a>) -> Result<Client<'a>> {
        Client::with_repository(reference, reference.repository(), options)
    }

    /// Creates a client that requests no access to a repository. It is for [`Client::api_root`] only.
    ///
    /// # Errors
    /// Returns an error if TLS cannot be set up.
    pub(crate) fn without_repository(reference: &Reference, options: Options<'a>) -> Result<Client<'a>> {
        Client::with_repository(reference, "", options)
    }

    fn with_repository(reference: &Reference, repository: &str, options: Options<'a>) -> Result<Client<'a>> {
        let (is_local, host) = (reference.is_local(), reference.api_host());
        let settings = HttpSettings { is_local, access: options.access.clone() };
        let http = options.connections.http(&settings)?;
        let scheme = if is_local || options.access.insecure.is_some() {
            let otherwise = if is_local { Scheme::Http } else { Scheme::Https };
            options.connections.scheme(host, &http, otherwise)?
        } else {
            Scheme::Https
        };
        let origin = format!("{scheme}://{host}");
        let origin = Url::parse(&origin).map_err(|error| miette::miette!("{origin} is not a URL: {error}"))?;
        Ok(Client {
            http,
            authorizer: Authorizer::new(origin.clone(), is_local, repository.to_owned(), &options),
            origin,
            registry: reference.registry().to_owned(),
            repository: repository.to_owned(),
            is_local,
            options,
            rate_limit: RateLimit::default(),
        })
    }

    /// Returns the origin of the registry's API.
    pub(super) fn origin(&self) -> &Url {
        &self.origin
    }

    /// Returns the URL of `/v2/`, which tells whether the registry grants access (distribution-spec, "Determining
    /// Support").
    pub(crate) fn api_root(&self) -> Url {
        let mut url = self.origin.clone();
        url.set_path("/v2/");
        url
    }

    /// Returns the URL of `/v2/REPOSITORY/PATH`.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(&format!("/v2/{}/{path}", self.repository));
        url
    }

    /// Creates a request, which has no credentials yet.
    pub(crate) fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.http.request(method, url.clone()).header(ACCEPT_ENCODING, "identity")
    }

    /// Sends a request once, with credentials, and returns the response whatever its status. `progress` is that of its body, if
    /// that is streamed. `trial` becomes the trial of the credential if the request is the first that shows it.
    ///
    /// # Errors
    /// Returns an error if there is no response in time.
    pub(in crate::registry) async fn execute<'t>(
        &'t self,
        trial: &mut Option<TrialGuard<'t>>,
        method: &Method,
        url: &Url,
        request: RequestBuilder,
        progress: Option<&UploadProgress>,
    ) -> Result<Response, RequestError> {
        tokio::time::sleep(self.rate_limit.remaining()).await;
        let mut authorization = self.authorizer.header(url, &self.options).await?;
        if authorization.is_some() && trial.is_none() {
            *trial = self.authorizer.login_trial(url, &self.options).await?;
            authorization = self.authorizer.current_header(url, &self.options);
        }
        let is_authorized = authorization.is_some();
        let request = match authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let generation = self.authorizer.generation();
        let mut response = tokio::select! {
            response = execute(self.options.notify, request) => {
                response.map_err(|error| RequestError::transport(method, url, &error))?
            }
            waited = silence(method, url, progress, &self.options) => return Err(RequestError::timeout(method, url, waited)),
        };
        if let Some(pause) = retry_after(response.status(), response.headers()) {
            self.rate_limit.extend(pause.min(self.options.retry.max_retry_after));
        }
        response.extensions_mut().insert(generation);
        if is_authorized {
            self.authorizer.note_response(&response, &self.options);
        }
        Ok(response)
    }

    /// Sends a request once and ignores the response, also after Ctrl-C.
    pub(crate) async fn send_and_forget(&self, method: Method, url: &Url) {
        let request = self.request(method, url);
        let request = match self.authorizer.current_header(url, &self.options) {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let _ = execute(self.options.notify, request).await;
    }

    /// Sends a request once, or twice if the registry wants a new token, and checks the status.
    ///
    /// # Errors
    /// Returns an error if there is no response in time, or if its status is an error.
    pub(crate) async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        edit: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RequestError> {
        let trial = self.authorizer.push_trial(method, url, &self.options).await?;
        let result = self.send_authorized(method, url, edit).await;
        Authorizer::end_push_trial(trial, &result);
        result
    }

    async fn send_authorized(
        &self,
        method: &Method,
        url: &Url,
        edit: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RequestError> {
        let mut trial = None;
        let mut response = self.execute_edited(&mut trial, method, url, edit).await?;
        if self.authorizer.answer_challenge(&response, &self.options, trial.is_some()).await?
            || trial.is_none() && self.answer_root_challenge(&response).await?
        {
            response = self.execute_edited(&mut trial, method, url, edit).await?;
        }
        let result = check_status(method, url, response).await;
        Authorizer::end_login_trial(trial, url, &result);
        result
    }

    /// Asks `/v2/` for a challenge and answers it, if access was denied without one. Returns whether it is worth sending the
    /// request again.
    async fn answer_root_challenge(&self, denied: &Response) -> Result<bool, RequestError> {
        if !self.authorizer.may_need_credential(denied, &self.options) {
            return Ok(false);
        }
        let mut has_asked = self.authorizer.has_asked_root().await;
        // Another request may have asked while this one waited, and before it was sent.
        if *has_asked || self.authorizer.is_renewed_since(denied) {
            return Ok(self.authorizer.is_renewed_since(denied));
        }
        let root = self.api_root();
        let asked = match self.execute_edited(&mut None, &Method::GET, &root, &|request| request).await {
            Ok(response) => self.authorizer.answer_challenge(&response, &self.options, false).await,
            Err(error) => Err(error),
        };
        // After a failure that passes, the next attempt asks again.
        *has_asked = !asked.as_ref().is_err_and(RequestError::is_transient);
        asked
    }

    async fn execute_edited<'t>(
        &'t self,
        trial: &mut Option<TrialGuard<'t>>,
        method: &Method,
        url: &Url,
        edit: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RequestError> {
        let request = edit(self.request(method.clone(), url));
        self.execute(trial, method, url, request, None).await
    }

    /// Sends a request, checks the status, and repeats both after transient failures.
    ///
    /// # Errors
    /// Returns the error of the last attempt.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &Url,
        edit: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RequestError> {
        let mut attempts = Attempts::new(&self.options.retry);
        loop {
            match self.send_once(&method, url, &edit).await {
                Err(error) => self.back_off(&mut attempts, error).await?,
                response => return response,
            }
        }
    }

    /// Reports a failure and waits until the next attempt.
    ///
    /// # Errors
    /// Returns an error, `error` itself, if there must not be another attempt.
    pub(crate) async fn back_off(&self, attempts: &mut Attempts<'_>, error: RequestError) -> Result<(), RequestError> {
        if attempts.repeats_at_once(&error) {
            return Ok(());
        }
        let pause = attempts.pause(&error);
        let is_told = attempts.is_told(&error);
        let error = attempts.name(error);
        let Some(pause) = pause else {
            return Err(error);
        };
        let _pause = self.options.notify.map(|notify| RetryPause::begin(notify, &error, is_told, pause));
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
