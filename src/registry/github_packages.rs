//! GitHub's API for packages ("REST API endpoints for packages"): ghcr.io itself neither lists what has no tag nor deletes.

use std::collections::HashSet;

use jiff::Timestamp;
use miette::{Report, miette};
use oci_spec::image::Digest;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::Registry;
use super::credentials::Credential;
use super::error::RequestError;
use super::http::{HttpSettings, check_status};
use super::listing::{ListedManifest, RepositoryListing, json};
use super::referrers_api::next_page;
use super::trace::execute;
use crate::error::{Result, with_help};
use crate::reference::{Reference, is_loopback};

/// More pages than any real list has.
const MAX_PAGES: usize = 10_000;

/// A package of a user or an organization: a repository of GitHub's registry.
pub(crate) struct GithubPackage<'a> {
    registry: &'a Registry<'a>,
    api: Url,
    owner: String,
    name: String,
    /// Whether the owner is an organization, as soon as that is known.
    owners: [&'static str; 2],
}

/// A version of a package: a manifest.
#[derive(Deserialize)]
struct PackageVersion {
    id: u64,
    /// Its digest.
    name: String,
    updated_at: Option<String>,
    #[serde(default)]
    metadata: PackageMetadata,
}

#[derive(Default, Deserialize)]
struct PackageMetadata {
    #[serde(default)]
    container: PackageTags,
}

#[derive(Default, Deserialize)]
struct PackageTags {
    #[serde(default)]
    tags: Vec<String>,
}

impl<'a> GithubPackage<'a> {
    /// Returns the package of a repository, as the user names it, if it is one of GitHub's registry. `api` is the address of the
    /// API.
    ///
    /// # Errors
    /// Returns an error if the address is invalid.
    pub(crate) fn of(
        reference: &Reference,
        registry: &'a Registry<'a>,
        api: Option<&str>,
    ) -> Result<Option<GithubPackage<'a>>> {
        let Some((owner, name)) = reference.repository().split_once('/') else { return Ok(None) };
        let api = Url::parse(api.unwrap_or("https://api.github.com")).map_err(|error| {
            miette!(help = "unset GITHUB_API_URL, or set it to a URL", "invalid GITHUB_API_URL: {error}")
        })?;
        let host = api.host_str().unwrap_or_default();
        // A server of a company has its registry at containers.HOST; one on this computer may have both here.
        let is_own = reference.registry() == format!("containers.{host}") || is_loopback(host) && reference.is_local();
        if reference.registry() != "ghcr.io" && !is_own {
            return Ok(None);
        }
        // A token must not be read by others.
        if api.scheme() != "https" && !is_loopback(host) {
            return Err(miette!(
                help = "set it to a URL that begins with https://",
                "GITHUB_API_URL does not use https"
            ));
        }
        let (owner, name) = (owner.to_owned(), name.to_owned());
        Ok(Some(GithubPackage { registry, api, owner, name, owners: ["orgs", "users"] }))
    }

    /// Returns everything in the repository.
    ///
    /// # Errors
    /// Returns an error if there is no such package for the token, or no valid response.
    pub(crate) fn listing(&mut self) -> Result<RepositoryListing> {
        let mut last = None;
        for owners in self.owners {
            match self.registry.runtime.block_on(self.list(owners)) {
                Ok(manifests) => {
                    self.owners = [owners; 2];
                    return Ok(RepositoryListing { manifests, is_complete: true });
                }
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => last = Some(error),
                Err(error) => return Err(explain(error)),
            }
        }
        Err(last.map_or_else(|| miette!("there is no package"), explain))
    }

    /// Deletes a version.
    ///
    /// # Errors
    /// Returns an error if the service does not do it. It is none if there is no such version any more.
    pub(crate) fn delete(&self, number: u64) -> Result<()> {
        let url = self.url(self.owners[0], &format!("versions/{number}"));
        match self.registry.runtime.block_on(self.send(Method::DELETE, &url)) {
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(()),
            deleted => deleted.map(drop).map_err(explain),
        }
    }

    async fn list(&self, owners: &str) -> Result<Vec<ListedManifest>, RequestError> {
        let mut url = self.url(owners, "versions");
        url.set_query(Some("per_page=100"));
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        while seen.len() < MAX_PAGES && seen.insert(url.clone()) {
            let mut response = self.send(Method::GET, &url).await?;
            let next = next_page(response.headers(), &url);
            let page: Vec<PackageVersion> = json(&self.registry.client, &url, &mut response).await?;
            found.extend(page.into_iter().filter_map(PackageVersion::listed));
            match next {
                Some(next) => url = next,
                None => break,
            }
        }
        Ok(found)
    }

    fn url(&self, owners: &str, path: &str) -> Url {
        let mut url = self.api.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        // A slash in the name of a package is one segment.
        let name = self.name.replace('/', "%2F");
        url.set_path(&format!("{base}/{owners}/{}/packages/container/{name}/{path}", self.owner));
        url
    }

    async fn send(&self, method: Method, url: &Url) -> Result<reqwest::Response, RequestError> {
        let options = &self.registry.client.options;
        let settings =
            HttpSettings { is_local: url.host_str().is_some_and(is_loopback), access: super::HostAccess::default() };
        let http = options.connections.http(&settings);
        let http = http.map_err(|error| RequestError::invalid_response(&method, url, error.to_string()))?;
        let mut request = http.request(method.clone(), url.clone()).header(ACCEPT, "application/vnd.github+json");
        if let Credential::Basic { password, .. } = &options.credential
            && let Ok(mut header) = HeaderValue::from_str(&format!("Bearer {}", password.expose()))
        {
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        let response = execute(options.notify, request).await;
        check_status(&method, url, response.map_err(|error| RequestError::transport(&method, url, &error))?).await
    }
}

impl PackageVersion {
    fn listed(self) -> Option<ListedManifest> {
        Some(ListedManifest {
            digest: Digest::try_from(self.name).ok()?,
            tags: self.metadata.container.tags,
            uploaded: self.updated_at.and_then(|text| text.parse::<Timestamp>().ok()),
            number: Some(self.id),
        })
    }
}

/// Adds what the token needs to an error.
fn explain(error: RequestError) -> Report {
    let is_about_token = error.status().is_some_and(|status| matches!(status.as_u16(), 401 | 403 | 404));
    let error = Report::from(error);
    if !is_about_token {
        return error;
    }
    let help = "use a token with the scopes read:packages and delete:packages, or in GitHub Actions `packages: write` and a package \
                whose settings give the repository the role Admin";
    with_help(error, help.to_owned())
}
