//! `cargo oci registry show`: what is used for a registry, and why.

use std::fs;

use serde_json::Value;

use crate::support::connect_proxy::ConnectProxy;
use crate::support::home::Home;
use crate::support::process::Ran;
use crate::support::strict::answer::Answer;
use crate::support::strict::image::Image;
use crate::support::strict::random::Random;
use crate::support::strict::referrers::Attaching;
use crate::support::strict::tokens::{Access, PASSWORD, USER};
use crate::support::strict::{Behaviour, StrictRegistry};

fn host(registry: &StrictRegistry) -> String {
    registry.reference("").trim_end_matches('/').to_owned()
}

/// A registry with a repository `app`.
fn registry(behaviour: Behaviour) -> StrictRegistry {
    let registry = StrictRegistry::start(behaviour);
    let image = Image::random(&mut Random::new(7), None);
    image.blobs.iter().for_each(|blob| registry.put_blob("app", &blob.bytes));
    for manifest in image.manifests.iter().chain([&image.index]) {
        registry.put_manifest("app", manifest.media_type, &manifest.bytes, Some("1"));
    }
    registry
}

fn show(home: &Home, args: &[&str]) -> Ran {
    home.oci(&[&["registry", "show"], args].concat(), "")
}

/// Returns the value and the source of a fact.
#[track_caller]
fn fact(ran: &Ran, what: &str) -> (String, String) {
    let line = ran.stdout.lines().find(|line| line.split_whitespace().next() == Some(what));
    let line = line.unwrap_or_else(|| panic!("{what} is not in:\n{}{}", ran.stdout, ran.stderr));
    let rest = line[what.len()..].trim_start();
    let (value, source) = rest.split_once(" (").unwrap_or((rest, ""));
    (value.to_owned(), source.trim_end_matches(')').to_owned())
}

#[test]
fn show_tells_what_an_open_registry_answers() {
    let registry = registry(Behaviour { attaching: Attaching::Api, ..Behaviour::default() });
    let home = Home::new();
    let ran = show(&home, &[&format!("{}/app", host(&registry))]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let no_tls = "on this computer, and the server does not speak TLS";
    assert_eq!(fact(&ran, "scheme"), ("http".to_owned(), no_tls.to_owned()));
    assert_eq!(fact(&ran, "proxy").0, "none");
    assert_eq!(fact(&ran, "credentials").0, "none");
    assert_eq!(fact(&ran, "/v2/").0, "200 OK");
    assert_eq!(fact(&ran, "token-service").0, "none");
    assert_eq!(fact(&ran, "referrers-api").0, "yes");
    assert_eq!(fact(&ran, "mounts").0, "unknown");
    let ran = show(&home, &[&host(&registry), "--json"]);
    let found: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&found["registry"], &found["reachable"]), (&Value::from(host(&registry)), &Value::from(true)));
    let facts = found["facts"].as_array().expect("facts");
    let referrers = facts.iter().find(|fact| fact["what"] == "referrers-api").expect("a fact");
    assert_eq!(referrers["value"], "unknown");
    assert_eq!(registry.violations(), [""; 0]);
}

#[test]
fn show_uses_credentials_and_prints_no_secret() {
    let registry = registry(Behaviour { access: Access::Bearer, ..Behaviour::default() });
    let config =
        format!(r#"{{"auths": {{"{}": {{"username": "{USER}", "password": "{PASSWORD}"}}}}}}"#, host(&registry));
    let ran = show(&Home::with_config(&config), &["-vv", &format!("{}/app", host(&registry))]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(fact(&ran, "credentials").0, format!("password of {USER}"));
    assert_eq!(fact(&ran, "credentials").1, "auths of ~/.docker/config.json");
    assert_eq!(fact(&ran, "/v2/").0, "401 Unauthorized; with the credentials: 200 OK");
    assert!(fact(&ran, "token-service").1.starts_with("receives credentials: "), "{}", ran.stdout);
    assert_eq!(fact(&ran, "referrers-api").0, "no");
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(PASSWORD), "{ran:?}");
}

#[test]
fn show_names_the_line_of_each_setting() {
    let home = Home::new();
    fs::create_dir_all(home.path(".config/containers")).expect("a folder");
    fs::create_dir_all(home.path(".config/containers/certs.d/a.example.com")).expect("a folder");
    let conf = "[[registry]]\nlocation = \"a.example.com\"\ninsecure = true\n\
                [[registry.mirror]]\nlocation = \"m.example.com/a\"\n\
                [[registry]]\nprefix = \"b.example.com\"\nblocked = true\n";
    fs::write(home.path(".config/containers/registries.conf"), conf).expect("a file");
    let proxy = ConnectProxy::start(&[]);
    let home = home.env("https_proxy", proxy.url());
    let ran = show(&home, &["a.example.com"]);
    let file = "HOME/.config/containers/registries.conf";
    assert_eq!(fact(&ran, "mirror"), ("m.example.com/a/x".to_owned(), format!("{file}:4")));
    assert_eq!(fact(&ran, "insecure"), ("a.example.com".to_owned(), format!("{file}:1")));
    assert_eq!(fact(&ran, "proxy"), (proxy.url(), "https_proxy".to_owned()));
    assert_eq!(ran.status, 1, "the proxy knows no such host: {ran:?}");
    let ran = show(&home, &["b.example.com/x"]);
    assert_eq!(fact(&ran, "blocked"), ("b.example.com".to_owned(), format!("{file}:6")));
    assert_eq!(ran.status, 1, "{ran:?}");
}

#[test]
fn show_works_while_the_server_is_down() {
    let ran = show(&Home::new(), &["127.0.0.1:9"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert_eq!(fact(&ran, "scheme").1, "assumed: the server does not answer");
    assert!(fact(&ran, "/v2/").0.contains("cannot connect"), "{}", ran.stdout);
    assert!(ran.stderr.contains("error: 127.0.0.1:9 is not reachable"), "{}", ran.stderr);
}

#[test]
fn show_tells_which_token_service_gets_no_credentials() {
    let refused = crate::token_services::Registry::start(|request, address| {
        let realm = format!("Bearer realm=\"http://localhost:{}/token\",service=\"x\"", address.port());
        (!request.path().starts_with("/token"))
            .then(|| Answer::error(401, "UNAUTHORIZED").with("WWW-Authenticate", realm))
    });
    let registry = refused.address.to_string();
    let home = crate::token_services::user(&registry);
    let service = format!("localhost:{}", refused.address.port());
    let why = fact(&show(&home, &[&registry]), "token-service").1;
    assert!(why.contains("does not receive credentials: another domain"), "{why}");
    assert!(why.contains(&format!("`cargo oci login {registry} --trust-token-service {service}`")), "{why}");
    fs::create_dir_all(home.path(".config/cargo-oci")).expect("a folder");
    let trust = format!("[[token-service]]\nregistry = \"{registry}\"\ntrust = \"{service}\"\n");
    fs::write(home.path(".config/cargo-oci/registries.toml"), trust).expect("a file");
    let why = fact(&show(&home, &[&registry]), "token-service").1;
    assert_eq!(why, "receives credentials: trusted by HOME/.config/cargo-oci/registries.toml:1");
}
