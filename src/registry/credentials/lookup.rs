//! Finds credentials, in order of precedence.

use std::collections::HashMap;
use std::sync::Mutex;

use miette::{Report, miette};

use super::file::{self, ConfigFile, HelperEntry};
use super::key::Query;
use super::{Credential, FoundCredential, Helper, Secret, helper, short};
use crate::ci;
use crate::environment::{Environment, REGISTRY_VARIABLES};
use crate::error::Result;
use crate::interrupt;
use crate::parallel::lock;

/// Returns the credential for `repository` in `registry`, or an anonymous one if none is configured. The variables of
/// cargo-oci apply only to the registry that is pushed to (`is_target`).
///
/// A helper for all registries that fails is a reason to have no credential for what is only read, which anybody may be able
/// to.
///
/// # Errors
/// Returns an error if the variables are incomplete, a file is invalid or cannot be read, or a helper fails.
pub fn find(
    environment: &Environment,
    registry: &str,
    repository: &str,
    is_target: bool,
    cache: &CredentialCache,
) -> Result<FoundCredential> {
    if is_target && let Some(found) = in_variables(environment)? {
        return Ok(found);
    }
    let query = Query::new(registry, repository);
    let mut searched = Vec::new();
    let mut failed = Vec::new();
    let mut in_file = |file: &ConfigFile| match in_file(environment, file, &query, cache)? {
        FileLookup::Found(found) => Ok(Some(found)),
        FileLookup::HelperFailed(error) if is_target => Err(error),
        FileLookup::HelperFailed(error) => {
            failed.push(error.to_string());
            Ok(None)
        }
        FileLookup::Nothing => Ok(None),
    };
    if let Some(file) = file::in_variable(environment)? {
        if let Some(found) = in_file(&file)? {
            return Ok(found);
        }
        searched.push(short(environment, &file.path));
    }
    for path in file::paths(environment) {
        let name = short(environment, &path);
        if searched.contains(&name) {
            continue;
        }
        let Some(file) = ConfigFile::read(&path)? else { continue };
        if let Some(found) = in_file(&file)? {
            return Ok(found);
        }
        searched.push(name);
    }
    if let Some(found) = ci::credentials(environment, registry, repository, is_target) {
        let credential = Credential::Basic { user: found.user, password: Secret::new(found.password) };
        return Ok(FoundCredential { credential, source: found.variable.to_owned(), failed });
    }
    let source = if let Some(failure) = failed.first() {
        format!("none: {failure}")
    } else if searched.is_empty() {
        "none: found no credentials file of Docker or Podman".to_owned()
    } else {
        format!("none: no entry for {} in {}", query.registry(), searched.join(" or "))
    };
    Ok(FoundCredential { credential: Credential::Anonymous, source, failed })
}

/// What a file has for a registry.
enum FileLookup {
    Found(FoundCredential),
    /// The helper for all registries failed.
    HelperFailed(Report),
    Nothing,
}

fn in_variables(environment: &Environment) -> Result<Option<FoundCredential>> {
    let [token_key, user_key, password_key] = REGISTRY_VARIABLES;
    let text = |key: &str| match environment.get(key).map(|value| value.to_str()) {
        Some(Some(text)) if !text.contains(char::is_control) => Ok(Some(text.to_owned())),
        Some(_) => Err(miette!(
            help = "remove control characters, such as a line break at the end; `$(cat FILE)` in a shell drops that",
            "invalid {key}: not UTF-8, or it contains control characters (value not shown)"
        )),
        None => Ok(None),
    };
    if let Some(token) = text(token_key)? {
        let credential = Credential::RegistryToken(Secret::new(token));
        return Ok(Some(FoundCredential::new(credential, token_key.to_owned())));
    }
    match (text(user_key)?, text(password_key)?) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) => {
            let credential = Credential::Basic { user, password: Secret::new(password) };
            Ok(Some(FoundCredential::new(credential, format!("{user_key} and {password_key}"))))
        }
        (user, _) => {
            let (set, missing) = if user.is_some() { (user_key, password_key) } else { (password_key, user_key) };
            Err(miette!(help = "set both or neither", "{set} is set, but {missing} is not"))
        }
    }
}

fn in_file(environment: &Environment, file: &ConfigFile, query: &Query, cache: &CredentialCache) -> Result<FileLookup> {
    let name = short(environment, &file.path);
    let ask = |entry: &HelperEntry| -> Result<Option<FoundCredential>> {
        let Some(helper) = helper(environment, file, entry) else { return Ok(None) };
        let source = format!("{} of {name} ({})", entry.key, helper.program());
        Ok(cache.get(&helper, query.key())?.map(|credential| FoundCredential::new(credential, source)))
    };
    let own = file.own_helper(query)?;
    if let Some(found) = own.as_ref().map_or(Ok(None), ask)? {
        return Ok(FileLookup::Found(found));
    }
    if let Some(credential) = file.auth(query)? {
        return Ok(FileLookup::Found(FoundCredential::new(credential, format!("auths of {name}"))));
    }
    // `credsStore` applies to registries without an entry in `credHelpers`.
    let (None, Some(common)) = (own, file.common_helper()?) else { return Ok(FileLookup::Nothing) };
    match ask(&common) {
        Ok(found) => Ok(found.map_or(FileLookup::Nothing, FileLookup::Found)),
        Err(error) if interrupt::is_set() => Err(error),
        Err(error) => Ok(FileLookup::HelperFailed(error)),
    }
}

/// The credentials that helpers returned: each helper runs once per registry, even for several repositories.
#[derive(Debug, Default)]
pub struct CredentialCache(Mutex<HashMap<(String, String), Option<Credential>>>);

impl CredentialCache {
    fn get(&self, helper: &Helper, registry: &str) -> Result<Option<Credential>> {
        let mut cached = lock(&self.0);
        let key = (helper.program().to_owned(), registry.to_owned());
        if let Some(credential) = cached.get(&key) {
            return Ok(credential.clone());
        }
        let credential = helper.get(registry)?;
        cached.insert(key, credential.clone());
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Home;
    use super::*;

    fn basic(user: &str, password: &str) -> Credential {
        Credential::Basic { user: user.to_owned(), password: Secret::new(password) }
    }

    /// Returns the credential for ghcr.io/acme/hello with this content of Docker's file.
    fn found(config: &str) -> Credential {
        Home::with(".docker/config.json", config).found("ghcr.io", "acme/hello").credential
    }

    #[test]
    fn find_reads_every_form_of_an_entry() {
        let form = |entry: &str| found(&format!(r#"{{"auths": {{"ghcr.io": {entry}}}}}"#));
        // robot:open:sesame
        assert_eq!(form(r#"{"auth": "cm9ib3Q6b3BlbjpzZXNhbWU="}"#), basic("robot", "open:sesame"));
        assert_eq!(form(r#"{"auth": " cm9ib3Q6b3BlbjpzZXNhbWU\n"}"#), basic("robot", "open:sesame"));
        assert_eq!(form(r#"{"auth": "cm9ib3Q6b3Bl\r\nbjpzZXNh\nbWU="}"#), basic("robot", "open:sesame"));
        assert_eq!(form(r#"{"username": "tenancy/robot", "password": "p"}"#), basic("tenancy/robot", "p"));
        let token = form(r#"{"auth": "MDA6", "identitytoken": "t"}"#);
        assert_eq!(token, Credential::IdentityToken(Secret::new("t")));
        assert_eq!(form(r#"{"registrytoken": "t"}"#), Credential::RegistryToken(Secret::new("t")));
        for empty in ["{}", "null", r#"{"auth": "", "email": "x"}"#, r#"{"auth": null}"#] {
            assert_eq!(form(empty), Credential::Anonymous, "{empty}");
        }
    }

    #[test]
    fn find_prefers_the_longest_path() {
        fn entries(keys: &[&str]) -> Credential {
            let entries: Vec<_> =
                keys.iter().map(|key| format!(r#""{key}": {{"username": "{key}", "password": "p"}}"#)).collect();
            found(&format!(r#"{{"auths": {{{}}}}}"#, entries.join(",")))
        }
        let all =
            ["https://ghcr.io/v1/", "ghcr.io", "ghcr.io/acme", "ghcr.io/acme/hello/x", "ghcr.io/other", "quay.io"];
        assert_eq!(entries(&all), basic("ghcr.io/acme", "p"));
        assert_eq!(entries(&["ghcr.io", "https://ghcr.io/v1/"]), basic("ghcr.io", "p"));
        assert_eq!(entries(&["https://ghcr.io/v2/"]), basic("https://ghcr.io/v2/", "p"));
        assert_eq!(entries(&["ghcr.io/acm", "io", "quay.io"]), Credential::Anonymous);
    }

    #[test]
    fn find_knows_the_old_key_of_docker_hub() {
        let config = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}}}"#;
        let home = Home::with(".docker/config.json", config);
        for registry in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(home.found(registry, "library/debian").credential, basic("a", "b"), "{registry}");
        }
    }

    #[test]
    fn find_searches_files_in_order_of_precedence() {
        let mut home = Home::default();
        assert_eq!(home.found("ghcr.io", "x").credential, Credential::Anonymous);
        let order = [
            (".config/containers/auth.json", None),
            ("run/containers/auth.json", Some(("XDG_RUNTIME_DIR", "run"))),
            (".docker/config.json", None),
            ("docker/config.json", Some(("DOCKER_CONFIG", "docker"))),
            ("named.json", Some(("REGISTRY_AUTH_FILE", "named.json"))),
        ];
        for (path, variable) in order {
            let before = home.found("ghcr.io", "x").credential;
            if let Some((key, value)) = variable {
                home.set(key, &home.path(value).display().to_string());
                assert_eq!(home.found("ghcr.io", "x").credential, before, "{path} is not there");
            }
            home.write(path, &format!(r#"{{"auths": {{"ghcr.io": {{"username": "{path}"}}}}}}"#));
            let found = home.found("ghcr.io", "x");
            assert_eq!(found.credential, basic(path, ""));
            assert_eq!(found.source, format!("auths of ~/{path}"));
            assert_eq!(home.found("quay.io", "x").credential, Credential::Anonymous);
        }
    }

    #[test]
    fn find_reads_docker_auth_config_before_files() {
        let mut home = Home::with(".docker/config.json", r#"{"auths": {"ghcr.io": {"username": "file"}}}"#);
        home.set("DOCKER_AUTH_CONFIG", r#"{"auths": {"ghcr.io": {"username": "variable"}}}"#);
        let found = home.found("ghcr.io", "x");
        assert_eq!((found.credential, &*found.source), (basic("variable", ""), "auths of DOCKER_AUTH_CONFIG"));
        assert_eq!(
            home.found("quay.io", "x").source,
            "none: no entry for quay.io in DOCKER_AUTH_CONFIG or ~/.docker/config.json"
        );
        let mut home = Home::default();
        home.set("DOCKER_AUTH_CONFIG", r#"{"auths": {"ghcr.io": {"auth": "sesame"}}}"#);
        let error =
            find(&home.environment(), "ghcr.io", "x", false, &CredentialCache::default()).expect_err("no base64");
        let words = format!("{error} {error:?}");
        assert!(words.starts_with("cannot use DOCKER_AUTH_CONFIG: ") && !words.contains("sesame"), "{words}");
    }

    #[test]
    fn find_uses_variables_for_the_target_only() {
        let mut home = Home::with(".docker/config.json", r#"{"auths": {"ghcr.io": {"username": "file"}}}"#);
        home.set("CARGO_OCI_REGISTRY_USERNAME", "robot");
        let find =
            |home: &Home, is_target| find(&home.environment(), "ghcr.io", "x", is_target, &CredentialCache::default());
        let error = find(&home, true).expect_err("half a credential");
        assert_eq!(error.to_string(), "CARGO_OCI_REGISTRY_USERNAME is set, but CARGO_OCI_REGISTRY_PASSWORD is not");
        home.set("CARGO_OCI_REGISTRY_PASSWORD", "a:b");
        assert_eq!(find(&home, true).expect("both").credential, basic("robot", "a:b"));
        assert_eq!(find(&home, false).expect("the file").credential, basic("file", ""));
        home.set("CARGO_OCI_REGISTRY_TOKEN", "t");
        assert_eq!(find(&home, true).expect("a token").credential, Credential::RegistryToken(Secret::new("t")));
        home.set("CARGO_OCI_REGISTRY_TOKEN", "sesame\n");
        let error = find(&home, true).expect_err("a line break");
        assert!(!error.to_string().contains("sesame"), "{error}");
    }

    #[test]
    fn find_tells_where_it_searched() {
        let home = Home::with(".docker/config.json", "{}");
        assert_eq!(home.found("ghcr.io", "x").source, "none: no entry for ghcr.io in ~/.docker/config.json");
        let nothing = Home::default().found("ghcr.io", "x").source;
        assert_eq!(nothing, "none: found no credentials file of Docker or Podman");
    }

    #[test]
    fn find_errors_name_the_key_and_no_secret() {
        for (config, says) in [
            (r#"{"auths": {"ghcr.io": {"auth": "sesame"}}}"#, "`auths.\"ghcr.io\".auth` must be `user:password`"),
            (r#"{"auths": {"ghcr.io": {"auth": 7}}}"#, "`auths.\"ghcr.io\".auth` must be a string"),
            (r#"{"auths": {"ghcr.io": "sesame"}}"#, "`auths.\"ghcr.io\"` must be an object"),
            (r#"{"auths": "sesame"}"#, "`auths` must be an object"),
            (r#"{"auths": {"ghcr.io": {"password": "sesame}}}"#, "invalid JSON at line 1, column 45"),
            (
                r#"{"credHelpers": {"ghcr.io": "../sesame"}}"#,
                "invalid credential helper: its name must consist of letters",
            ),
            (r#"{"credHelpers": {"ghcr.io": {}}}"#, "`credHelpers.\"ghcr.io\"` must be a string"),
            (r#"{"credsStore": "/bin/sesame"}"#, "invalid credential helper: its name must consist of letters"),
            (r#"{"credsStore": []}"#, "`credsStore` must be a string"),
        ] {
            let home = Home::with(".docker/config.json", config);
            let error =
                find(&home.environment(), "ghcr.io", "x", false, &CredentialCache::default()).expect_err(config);
            let words = format!("{error} {error:?}");
            let file = home.path(".docker/config.json");
            assert!(words.starts_with(&format!("cannot use {}: ", file.display())), "{words}");
            assert!(words.contains(says), "{says:?} is not in {words}");
            assert!(!words.contains("sesame"), "{words}");
        }
        let other = r#"{"auths": {"quay.io": {"auth": 7}}}"#;
        assert_eq!(found(other), Credential::Anonymous, "other registries' entries are not read");
    }

    #[test]
    fn find_fails_if_a_file_is_unreadable() {
        let home = Home::with(".docker/config.json/x", "");
        let error =
            find(&home.environment(), "ghcr.io", "x", false, &CredentialCache::default()).expect_err("a folder");
        assert!(error.to_string().starts_with("cannot read "), "{error}");
        let home = Home::with(".docker/config.json", &" ".repeat((1 << 20) + 1));
        let error =
            find(&home.environment(), "ghcr.io", "x", false, &CredentialCache::default()).expect_err("too large");
        assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
    }
}
