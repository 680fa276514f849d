//! `cargo oci login` and `logout` with real registries, and what other tools make of what is kept.

use std::time::{Duration, Instant};

use crate::support::base::BaseImage;
use crate::support::environment;
use crate::support::home::Home;
use crate::support::process;
use crate::support::registry::DockerRegistry;
use crate::support::snapshot::Snapshot;
use crate::support::token_service::{TokenOptions, TokenService};

const USER: &str = "tenancy/robot";
const PASSWORD: &str = "open:sesame";

fn login<'a>(registry: &'a DockerRegistry, user: &'a str) -> Vec<&'a str> {
    vec!["login", registry.host(), "--username", user, "--password-stdin"]
}

/// Whether Skopeo may look into the registry with what is kept in this file.
fn skopeo_sees(home: &Home, registry: &DockerRegistry, file: &str) -> bool {
    let image = format!("docker://{}", registry.reference("base:1"));
    let mut skopeo = home.command("skopeo");
    skopeo.args(["inspect", "--raw", "--tls-verify=false", "--authfile", file, &image]);
    process::run(&mut skopeo).status == 0
}

/// A registry with an image, for which one has to be that user.
fn registry() -> (Home, DockerRegistry) {
    let (home, registry) = (Home::new(), DockerRegistry::with_htpasswd(USER, PASSWORD));
    BaseImage::new().write(&home.path("base")).push_to(&registry, "base", "1");
    (home, registry)
}

#[test]
fn login_file_serves_other_tools() {
    let (home, registry) = registry();
    std::fs::create_dir(home.path(".docker")).expect("a folder");
    let before =
        "{\n  \"HttpHeaders\": { \"X\": \"y\" },\n  \"auths\": {\n    \"ghcr.io\": { \"auth\": \"YTpi\" }\n  }\n}\n";
    std::fs::write(home.path(".docker/config.json"), before).expect("a file");
    assert!(!skopeo_sees(&home, &registry, ".docker/config.json"));
    home.succeeds(&login(&registry, USER), PASSWORD);
    assert!(skopeo_sees(&home, &registry, ".docker/config.json"));
    home.succeeds(&["logout", registry.host()], "");
    assert!(!skopeo_sees(&home, &registry, ".docker/config.json"));
    assert_eq!(home.read(".docker/config.json"), before);
}

#[test]
fn login_with_wrong_credentials_stores_nothing() {
    let (home, registry) = registry();
    for (user, password) in [(USER, "sesame"), ("robot", PASSWORD)] {
        let words = home.fails(1, &login(&registry, user), password);
        let error = format!("error: {} does not accept the user `{user}` with this password", registry.host());
        assert!(words.contains(&error) && words.contains("401 Unauthorized"), "{words}");
        assert!(!words.contains("sesame"), "{words}");
    }
    assert!(!home.path(".docker").exists());
}

#[test]
fn login_uses_password_at_token_service_only() {
    let options = TokenOptions { user: USER.to_owned(), password: PASSWORD.to_owned(), ..TokenOptions::default() };
    let service = TokenService::start(options);
    let (home, registry) = (Home::new(), DockerRegistry::with_tokens(&service));
    let words = home.fails(1, &login(&registry, USER), "sesame");
    assert!(words.contains("does not accept the user `tenancy/robot`"), "{words}");
    assert!(words.contains(&format!("GET {} returned 401 Unauthorized", service.realm())), "{words}");
    assert!(!home.path(".docker").exists());
    home.succeeds(&login(&registry, USER), PASSWORD);
    let asked = service.requests();
    let last = asked.last().expect("a request");
    assert_eq!((last.user.as_deref(), last.scopes.as_slice()), (Some(USER), &[][..]));
}

#[test]
fn login_helper_serves_other_tools() {
    let (home, registry) = registry();
    let home = home.with_keeper("keeper");
    std::fs::create_dir(home.path(".docker")).expect("a folder");
    let config = format!(
        "{{\"auths\": {{\"{}\": {{\"auth\": \"YTpi\"}}}}, \"credHelpers\": {{\"{0}\": \"keeper\"}}}}",
        registry.host()
    );
    std::fs::write(home.path(".docker/config.json"), config).expect("a file");
    let words = home.succeeds(&login(&registry, USER), PASSWORD);
    assert_eq!(words, format!("       Login {} as {USER} (docker-credential-keeper)\n", registry.host()));
    let file = home.read(".docker/config.json");
    assert_eq!(file, format!("{{\"auths\": {{}}, \"credHelpers\": {{\"{}\": \"keeper\"}}}}", registry.host()));
    assert!(skopeo_sees(&home, &registry, ".docker/config.json"));
    let words = home.succeeds(&["logout", registry.host()], "");
    assert_eq!(words, format!("      Logout {} (docker-credential-keeper)\n", registry.host()));
    assert_eq!(std::fs::read_dir(home.path("kept")).expect("a folder").count(), 0);
    assert_eq!(home.read(".docker/config.json"), file);
}

#[test]
fn logout_and_docker_remove_each_others_credentials() {
    let (home, registry) = registry();
    // No daemon of Docker runs: its client does this by itself.
    let docker = |args: &str| process::run(home.command("sh").args(["-c", &format!("docker {args}")]));
    let read = || home.read(".docker/config.json");
    let ran = docker(&format!("login -u '{USER}' --password-stdin {} <<'END'\n{PASSWORD}\nEND\n", registry.host()));
    assert!(ran.status == 0, "{ran:?}");
    let dockers = read();
    assert!(dockers.contains(registry.host()), "{dockers}");
    home.succeeds(&["logout", registry.host()], "");
    assert!(!read().contains(registry.host()));
    home.succeeds(&login(&registry, USER), PASSWORD);
    let auth =
        |text: &str| text.split("\"auth\": \"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    assert_eq!(auth(&read()), auth(&dockers));
    let ran = docker(&format!("logout {}", registry.host()));
    assert!(ran.status == 0 && ran.stdout.contains("Removing login credentials"), "{ran:?}");
    assert!(!read().contains(registry.host()));
}

#[test]
fn hanging_helper_times_out() {
    let home = Home::with_config("{\"credsStore\": \"slow\"}").with_helper("slow", "echo sesame; exec sleep 300.125");
    let start = Instant::now();
    let ran = home.oci(&["logout", "ghcr.io"], "");
    assert!((29..40).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(!ran.stderr.contains("sesame"), "{ran:?}");
    let mut told = Snapshot::of("real/slow-helper");
    told.ran("a helper that hangs", &["logout", "ghcr.io"], &ran, 1);
    told.check();
    let still = process::run(environment::command("pgrep").args(["-f", "^sleep 300.125$"]));
    assert!(start.elapsed() > Duration::from_secs(29) && still.stdout.is_empty(), "it is left running: {still:?}");
}
