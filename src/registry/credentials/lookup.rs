//! The order in which credentials are looked for.

use std::collections::HashMap;
use std::sync::Mutex;

use miette::miette;

use super::file::{self, ConfigFile, HelperEntry};
use super::key::Wanted;
use super::{Credential, Found, Helper, Secret, helper, short};
use crate::environment::{Environment, REGISTRY_VARIABLES};
use crate::error::Result;
use crate::parallel::lock;

/// The credential for `repository` in `registry`. Our own variables are for the registry that is pushed to (`is_target`)
/// and no other. Where nothing is said of the registry, it is anonymous.
///
/// # Errors
/// Half a credential in the variables, a file that is malformed or cannot be read, and a helper that does not do its
/// work. A file that is not there is none, and neither is a helper that knows nothing of the registry.
pub fn find(
    environment: &Environment,
    registry: &str,
    repository: &str,
    is_target: bool,
    asked: &Asked,
) -> Result<Found> {
    if is_target && let Some(found) = in_variables(environment)? {
        return Ok(found);
    }
    let wanted = Wanted::new(registry, repository);
    let mut looked_into = Vec::new();
    for path in file::places(environment) {
        let name = short(environment, &path);
        if looked_into.contains(&name) {
            continue;
        }
        let Some(file) = ConfigFile::read(&path)? else { continue };
        if let Some(found) = in_file(environment, &file, &wanted, asked)? {
            return Ok(found);
        }
        looked_into.push(name);
    }
    let source = match looked_into.is_empty() {
        true => "none: neither Docker nor Podman has a file of credentials here".to_owned(),
        false => format!("none: {} has nothing for {}", looked_into.join(" and "), wanted.registry()),
    };
    Ok(Found { credential: Credential::Anonymous, source })
}

fn in_variables(environment: &Environment) -> Result<Option<Found>> {
    let [token_key, user_key, password_key] = REGISTRY_VARIABLES;
    let text = |key: &str| match environment.get(key).map(|value| value.to_str()) {
        Some(Some(text)) if !text.contains(char::is_control) => Ok(Some(text.to_owned())),
        Some(_) => Err(miette!(
            help = "look for a line break at its end; `$(cat FILE)` in a shell leaves it out",
            "{key} holds what is no text or has control characters (it is not shown)"
        )),
        None => Ok(None),
    };
    if let Some(token) = text(token_key)? {
        let credential = Credential::RegistryToken(Secret::new(token));
        return Ok(Some(Found { credential, source: token_key.to_owned() }));
    }
    match (text(user_key)?, text(password_key)?) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) => {
            let credential = Credential::Basic { user, password: Secret::new(password) };
            Ok(Some(Found { credential, source: format!("{user_key} and {password_key}") }))
        }
        (user, _) => {
            let (set, missing) = if user.is_some() { (user_key, password_key) } else { (password_key, user_key) };
            Err(miette!(help = "set both, or none of them", "{set} is set, but {missing} is not"))
        }
    }
}

fn in_file(environment: &Environment, file: &ConfigFile, wanted: &Wanted, asked: &Asked) -> Result<Option<Found>> {
    let name = short(environment, &file.path);
    let ask = |entry: &HelperEntry| -> Result<Option<Found>> {
        let Some(helper) = helper(environment, file, entry) else { return Ok(None) };
        let source = format!("{} of {name} ({})", entry.key, helper.program());
        Ok(asked.get(&helper, wanted.key())?.map(|credential| Found { credential, source }))
    };
    let own = file.own_helper(wanted)?;
    if let Some(found) = own.as_ref().map_or(Ok(None), ask)? {
        return Ok(Some(found));
    }
    if let Some(credential) = file.auth(wanted)? {
        return Ok(Some(Found { credential, source: format!("auths of {name}") }));
    }
    // The helper for all is for those that have none of their own.
    match (own, file.common_helper()?) {
        (None, Some(common)) => ask(&common),
        _ => Ok(None),
    }
}

/// What helpers have said: each is asked once in a run for a registry, however many repositories are wanted there.
#[derive(Debug, Default)]
pub struct Asked(Mutex<HashMap<(String, String), Option<Credential>>>);

impl Asked {
    fn get(&self, helper: &Helper, registry: &str) -> Result<Option<Credential>> {
        let mut known = lock(&self.0);
        let key = (helper.program().to_owned(), registry.to_owned());
        if let Some(said) = known.get(&key) {
            return Ok(said.clone());
        }
        let said = helper.get(registry)?;
        known.insert(key, said.clone());
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Home;
    use super::*;

    fn basic(user: &str, password: &str) -> Credential {
        Credential::Basic { user: user.to_owned(), password: Secret::new(password) }
    }

    /// What is found for ghcr.io/acme/hello with this in the home folder's file.
    fn found(config: &str) -> Credential {
        Home::with(".docker/config.json", config).found("ghcr.io", "acme/hello").credential
    }

    #[test]
    fn every_form_of_an_entry_is_read() {
        let form = |entry: &str| found(&format!(r#"{{"auths": {{"ghcr.io": {entry}}}}}"#));
        // robot:open:sesame
        assert_eq!(form(r#"{"auth": "cm9ib3Q6b3BlbjpzZXNhbWU="}"#), basic("robot", "open:sesame"));
        assert_eq!(form(r#"{"auth": " cm9ib3Q6b3BlbjpzZXNhbWU\n"}"#), basic("robot", "open:sesame"));
        assert_eq!(form(r#"{"username": "tenancy/robot", "password": "p"}"#), basic("tenancy/robot", "p"));
        let token = form(r#"{"auth": "MDA6", "identitytoken": "t"}"#);
        assert_eq!(token, Credential::IdentityToken(Secret::new("t")));
        assert_eq!(form(r#"{"registrytoken": "t"}"#), Credential::RegistryToken(Secret::new("t")));
        for empty in ["{}", "null", r#"{"auth": "", "email": "x"}"#, r#"{"auth": null}"#] {
            assert_eq!(form(empty), Credential::Anonymous, "{empty}");
        }
    }

    #[test]
    fn the_longest_path_and_then_the_plainest_key_wins() {
        let entry = |key: &str| format!(r#""{key}": {{"username": "{key}", "password": "p"}}"#);
        let entries = |keys: &[&str]| {
            let entries: Vec<_> = keys.iter().map(|key| entry(key)).collect();
            found(&format!(r#"{{"auths": {{{}}}}}"#, entries.join(",")))
        };
        let all =
            ["https://ghcr.io/v1/", "ghcr.io", "ghcr.io/acme", "ghcr.io/acme/hello/x", "ghcr.io/other", "quay.io"];
        assert_eq!(entries(&all), basic("ghcr.io/acme", "p"));
        assert_eq!(entries(&["ghcr.io", "https://ghcr.io/v1/"]), basic("ghcr.io", "p"));
        assert_eq!(entries(&["https://ghcr.io/v2/"]), basic("https://ghcr.io/v2/", "p"));
        assert_eq!(entries(&["ghcr.io/acm", "io", "quay.io"]), Credential::Anonymous);
    }

    #[test]
    fn docker_hub_is_found_by_its_old_key() {
        let config = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YTpi"}}}"#;
        let home = Home::with(".docker/config.json", config);
        for registry in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(home.found(registry, "library/debian").credential, basic("a", "b"), "{registry}");
        }
    }

    #[test]
    fn files_count_in_their_order_and_one_that_is_not_there_is_none() {
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
    fn our_variables_are_for_the_target_only() {
        let mut home = Home::with(".docker/config.json", r#"{"auths": {"ghcr.io": {"username": "file"}}}"#);
        home.set("CARGO_OCI_REGISTRY_USERNAME", "robot");
        let find = |home: &Home, is_target| find(&home.environment(), "ghcr.io", "x", is_target, &Asked::default());
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
    fn where_nothing_was_is_told() {
        let home = Home::with(".docker/config.json", "{}");
        assert_eq!(home.found("ghcr.io", "x").source, "none: ~/.docker/config.json has nothing for ghcr.io");
        let nothing = Home::default().found("ghcr.io", "x").source;
        assert_eq!(nothing, "none: neither Docker nor Podman has a file of credentials here");
    }

    #[test]
    fn a_mistake_names_the_file_and_the_key_and_repeats_no_secret() {
        for (config, says) in [
            (r#"{"auths": {"ghcr.io": {"auth": "sesame"}}}"#, "`auths.\"ghcr.io\".auth` should be `user:password`"),
            (r#"{"auths": {"ghcr.io": {"auth": 7}}}"#, "the value of `auths.\"ghcr.io\".auth` should be a string"),
            (r#"{"auths": {"ghcr.io": "sesame"}}"#, "the value of `auths.\"ghcr.io\"` should be an object"),
            (r#"{"auths": "sesame"}"#, "the value of `auths` should be an object"),
            (r#"{"auths": {"ghcr.io": {"password": "sesame}}}"#, "this is not JSON, in line 1, column 45"),
            (r#"{"credHelpers": {"ghcr.io": "../sesame"}}"#, "the name of a credential helper is letters"),
            (r#"{"credHelpers": {"ghcr.io": {}}}"#, "the value of `credHelpers.\"ghcr.io\"` should be a string"),
            (r#"{"credsStore": "/bin/sesame"}"#, "the name of a credential helper is letters"),
            (r#"{"credsStore": []}"#, "the value of `credsStore` should be a string"),
        ] {
            let home = Home::with(".docker/config.json", config);
            let error = find(&home.environment(), "ghcr.io", "x", false, &Asked::default()).expect_err(config);
            let words = format!("{error} {error:?}");
            let file = home.path(".docker/config.json");
            assert!(words.starts_with(&format!("cannot use {}: ", file.display())), "{words}");
            assert!(words.contains(says), "{says:?} is not in {words}");
            assert!(!words.contains("sesame"), "{words}");
        }
        let other = r#"{"auths": {"quay.io": {"auth": 7}}}"#;
        assert_eq!(found(other), Credential::Anonymous, "another registry's mistake is not ours");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let home = Home::with(".docker/config.json/x", "");
        let error = find(&home.environment(), "ghcr.io", "x", false, &Asked::default()).expect_err("a folder");
        assert!(error.to_string().starts_with("cannot read "), "{error}");
        let home = Home::with(".docker/config.json", &" ".repeat((1 << 20) + 1));
        let error = find(&home.environment(), "ghcr.io", "x", false, &Asked::default()).expect_err("too large");
        assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
    }
}
