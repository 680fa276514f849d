//! Mirrors, insecure and blocked registries, and certificates for one registry, where Podman and Docker have them.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use crate::support::connect_proxy::ConnectProxy;
use crate::support::home::Home;
use crate::support::process::Ran;
use crate::support::strict::image::Image;
use crate::support::strict::random::Random;
use crate::support::strict::{Behaviour, StrictRegistry};
use crate::support::tls::{Authority, TlsProxy};

/// A registry with an image in `repository`, tagged `1`; and the digest of that.
fn registry(repository: &str) -> (StrictRegistry, String) {
    let registry = StrictRegistry::start(Behaviour::default());
    let image = Image::random(&mut Random::new(7), None);
    for blob in &image.blobs {
        registry.put_blob(repository, &blob.bytes);
    }
    for manifest in &image.manifests {
        registry.put_manifest(repository, manifest.media_type, &manifest.bytes, None);
    }
    registry.put_manifest(repository, image.index.media_type, &image.index.bytes, Some("1"));
    (registry, image.index.digest.clone())
}

/// `127.0.0.1:PORT`.
fn host(registry: &StrictRegistry) -> String {
    registry.reference("").trim_end_matches('/').to_owned()
}

/// A user with this registries.conf.
fn user(conf: &str) -> Home {
    let home = Home::new();
    fs::create_dir_all(home.path(".config/containers")).expect("a folder");
    fs::write(home.path(".config/containers/registries.conf"), conf).expect("a file");
    home
}

fn inspect(home: &Home, args: &[&str]) -> Ran {
    home.oci(&[&["inspect"], args].concat(), "")
}

#[test]
fn mirror_of_registries_conf_is_asked_first() {
    let (mirror, digest) = registry("hub/acme/app");
    let conf =
        format!("[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"{}/hub\"\n", host(&mirror));
    let ran = inspect(&user(&conf), &["docker.io/acme/app:1"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains(&digest), "{}", ran.stdout);
    assert_eq!(mirror.violations(), [""; 0]);
}

#[test]
fn next_mirror_is_asked_if_one_is_down() {
    let (mirror, digest) = registry("app");
    // A port that nothing listens on.
    let down = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let conf = format!(
        "[[registry]]\nprefix = \"registry.example.com/team\"\n[[registry.mirror]]\nlocation = \"{down}\"\n\
         [[registry.mirror]]\nlocation = \"{}\"\n",
        host(&mirror)
    );
    let ran = inspect(&user(&conf), &["registry.example.com/team/app:1"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains(&digest), "{}", ran.stdout);
    let warning = format!("warning: cannot pull registry.example.com/team/app:1 from the mirror {down}/app");
    assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
    assert!(ran.stderr.contains("registries.conf:3"), "{}", ran.stderr);
}

#[test]
fn location_of_registries_conf_replaces_the_prefix() {
    let (moved, digest) = registry("images/app");
    let conf = format!("[[registry]]\nprefix = \"old.example.com\"\nlocation = \"{}/images\"\n", host(&moved));
    let ran = inspect(&user(&conf), &["old.example.com/app:1"]);
    assert!(ran.stdout.contains(&digest), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn blocked_registry_is_not_asked() {
    let (blocked, _) = registry("app");
    let conf = format!("[[registry]]\nlocation = \"{}\"\nblocked = true\n", host(&blocked));
    let home = user(&conf);
    let words = inspect(&home, &[&blocked.reference("app:1")]);
    assert_eq!(words.status, 1, "{}", words.stderr);
    assert!(words.stderr.contains(&format!("{} is blocked by ", host(&blocked))), "{}", words.stderr);
    assert!(words.stderr.contains(".config/containers/registries.conf:1"), "{}", words.stderr);
    assert_eq!(blocked.requests(), 0);
}

#[test]
fn broken_registries_conf_is_shown_with_its_line() {
    let home = user("[[registry]]\nlocation = \"a.io\"\ninsecure = \"yes\"\n");
    let ran = inspect(&home, &["a.io/x"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    for part in ["cannot use ", "registries.conf:3", "insecure = \"yes\"", "expected true or false"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

#[test]
fn certificate_of_certs_d_is_trusted_for_its_host() {
    let (registry, digest) = registry("app");
    let authority = Authority::new();
    let tls = TlsProxy::before(&host(&registry), &authority);
    let reference = format!("{}/app:1", tls.host());
    let home = Home::new();
    let ran = inspect(&home, &[&reference]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("unknown certificate authority"), "{}", ran.stderr);
    let folder = home.path(&format!(".config/containers/certs.d/{}", tls.host()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("ca.crt"), authority.pem()).expect("a file");
    let ran = inspect(&home, &[&reference]);
    assert!(ran.stdout.contains(&digest), "{}{}", ran.stdout, ran.stderr);
    fs::write(folder.join("ca.crt"), "no certificate").expect("a file");
    let ran = inspect(&home, &[&reference]);
    assert!(ran.stderr.contains("ca.crt: it holds no certificate"), "{}", ran.stderr);
}

/// A server before a registry that requires a certificate of the client, and the authority of both sides.
fn with_client_certificates(registry: &StrictRegistry) -> (TlsProxy, Authority) {
    let authority = Authority::new();
    (TlsProxy::with_client_certificates(&host(registry), &authority), authority)
}

/// A user who trusts the authority for a server, and the folder with the certificates for it.
fn trusting(tls: &TlsProxy, authority: &Authority) -> (Home, PathBuf) {
    let home = Home::new();
    let folder = home.path(&format!(".config/containers/certs.d/{}", tls.host()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("ca.crt"), authority.pem()).expect("a file");
    (home, folder)
}

#[test]
fn client_certificate_of_certs_d_is_shown() {
    let (registry, digest) = registry("app");
    let (tls, authority) = with_client_certificates(&registry);
    let (home, folder) = trusting(&tls, &authority);
    let reference = format!("{}/app:1", tls.host());
    let ran = inspect(&home, &[&reference]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    authority.write_client(&folder, "me");
    let ran = inspect(&home, &[&reference]);
    assert!(ran.stdout.contains(&digest), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn insecure_registry_needs_no_valid_certificate() {
    let (registry, digest) = registry("app");
    let tls = TlsProxy::before(&host(&registry), &Authority::new());
    let reference = format!("{}/app:1", tls.host());
    let flag = inspect(&Home::new(), &["--insecure-registry", tls.host(), &reference]);
    assert!(flag.stdout.contains(&digest), "{}{}", flag.stdout, flag.stderr);
    let variable = inspect(&Home::new().env("CARGO_OCI_INSECURE_REGISTRIES", tls.host()), &[&reference]);
    assert!(variable.stdout.contains(&digest), "{}{}", variable.stdout, variable.stderr);
    let conf = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", tls.host());
    let file = inspect(&user(&conf), &[&reference]);
    assert!(file.stdout.contains(&digest), "{}{}", file.stdout, file.stderr);
    let other = inspect(&Home::new(), &["--insecure-registry", "127.0.0.1:1", &reference]);
    assert_eq!(other.status, 1, "{}", other.stdout);
}

#[test]
fn server_without_tls_is_named_at_once() {
    // As web servers answer what is not HTTP.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request");
        }
    });
    let proxy = ConnectProxy::start(&[("plain.example.com:443", &server)]);
    let ran = inspect(&Home::new().env("HTTPS_PROXY", proxy.url()), &["plain.example.com/app:1"]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    for part in [": the server does not speak TLS", "add `--insecure-registry plain.example.com`"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("Retrying"), "{}", ran.stderr);
    assert_eq!(proxy.asked().len(), 1);
}

#[test]
fn last_error_is_that_of_the_registry_itself() {
    let down = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let conf = format!(
        "[[registry]]\nprefix = \"a.example.com\"\nlocation = \"{down}/a\"\n[[registry.mirror]]\nlocation = \"{down}/m\"\n"
    );
    let ran = inspect(&user(&conf), &["a.example.com/app:1"]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    let mirror = format!("warning: cannot pull a.example.com/app:1 from the mirror {down}/m/app");
    assert!(ran.stderr.contains(&mirror), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("http://{down}/v2/a/app/manifests/1: cannot connect")), "{}", ran.stderr);
}

#[test]
fn rejected_client_certificate_is_named_at_once() {
    let (registry, _) = registry("app");
    let (tls, authority) = with_client_certificates(&registry);
    let (home, folder) = trusting(&tls, &authority);
    let reference = format!("{}/app:1", tls.host());
    let ran = inspect(&home, &[&reference]);
    for part in ["the server rejects the client: it requires a certificate", "NAME.cert and NAME.key"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("Retrying"), "{}", ran.stderr);
    authority.write_expired_client(&folder, "me");
    let ran = inspect(&home, &[&reference]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("the server rejects the client: its certificate has expired"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("Retrying"), "{}", ran.stderr);
}

#[test]
fn mirrors_of_each_other_are_no_loop() {
    let (first, second) = (registry("app"), registry("other"));
    let (own, mirror) = (host(&first.0), host(&second.0));
    let conf = format!(
        "[[registry]]\nlocation = \"{own}\"\n[[registry.mirror]]\nlocation = \"{own}\"\n\
         [[registry.mirror]]\nlocation = \"{mirror}\"\n\
         [[registry]]\nlocation = \"{mirror}\"\n[[registry.mirror]]\nlocation = \"{own}\"\n"
    );
    let home = user(&conf);
    let ran = inspect(&home, &[&format!("{own}/app:1")]);
    assert!(ran.stdout.contains(&first.1), "{}{}", ran.stdout, ran.stderr);
    let ran = inspect(&home, &[&format!("{mirror}/nothing:1")]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    // Each was asked, and none sent to the next.
    assert!(first.0.requests() + second.0.requests() < 20, "{}", ran.stderr);
}

#[test]
fn insecure_public_registry_is_warned_of() {
    let proxy = ConnectProxy::start(&[]);
    for (home, args, source) in [
        (Home::new(), &["--insecure-registry", "ghcr.io"][..], "--insecure-registry"),
        (
            user("[[registry]]\nlocation = \"ghcr.io\"\ninsecure = true\n"),
            &[],
            "HOME/.config/containers/registries.conf:1",
        ),
        (with_own_file("insecure = [\"ghcr.io\"]\n"), &[], "HOME/.config/cargo-oci/registries.toml:1"),
    ] {
        let home = home.env("HTTPS_PROXY", proxy.url()).env("HTTP_PROXY", proxy.url());
        let ran = inspect(&home, &[args, &["ghcr.io/acme/x:1"]].concat());
        let warning = format!("warning: the identity of ghcr.io is not verified: it is insecure by {source}\n");
        assert!(ran.status == 1 && ran.stderr.contains(&warning), "{}", ran.stderr);
    }
}

/// A user with this registries.toml.
fn with_own_file(toml: &str) -> Home {
    let home = Home::new();
    fs::create_dir_all(home.path(".config/cargo-oci")).expect("a folder");
    fs::write(home.path(".config/cargo-oci/registries.toml"), toml).expect("a file");
    home
}

#[test]
fn login_uses_settings_of_the_host() {
    let (registry, _) = registry("app");
    let tls = TlsProxy::before(&host(&registry), &Authority::new());
    let login = ["login", tls.host(), "-u", "robot", "--password-stdin"];
    let ran = Home::new().oci(&login, "sesame");
    assert!(ran.stderr.contains("unknown certificate authority"), "{}", ran.stderr);
    let home = with_own_file(&format!("insecure = [\"{}\"]\n", tls.host()));
    assert_eq!(home.oci(&login, "sesame").status, 0);
}
