//! No secret reaches another server, wherever a registry sends a client (security.md, "Credentials"), and no secret
//! is printed: not in messages, not in JSON, and not with `-vv`.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cargo_oci::event::{Event, Listener};
use cargo_oci::image::digest::Digest;
use cargo_oci::registry::credentials::{Credential, Secret};
use cargo_oci::registry::{Options, Registry, Retry, TrustedService};
use cargo_oci::report::{json, lines};
use cargo_oci::store::{Memory, Sink, Source, copy};
use oci_spec::image::{Descriptor, MediaType};

use crate::support::home::Home;
use crate::support::project::Project;
use crate::support::strict::image::Content;
use crate::support::strict::recorder::{Elsewhere, Lure, Proof, Recorder, Seen, TOKEN};

const USER: &str = "someone";
const PASSWORD: &str = "password-1d4e8a77";

#[test]
fn secrets_stay_with_their_registry() {
    let problems: Vec<String> = thread::scope(|scope| {
        let lures = Lure::ALL.map(|lure| scope.spawn(move || problems(lure)));
        lures.into_iter().flat_map(|lure| lure.join().expect("no case panics")).collect()
    });
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[test]
fn output_contains_no_secrets() {
    thread::scope(|scope| {
        let cases = Lure::ALL.map(|lure| (lure, Proof::Token)).into_iter().chain([(Lure::BlobRedirect, Proof::Basic)]);
        for (lure, proof) in cases {
            scope.spawn(move || says_no_secret(lure, proof));
        }
    });
}

fn says_no_secret(lure: Lure, proof: Proof) {
    let recorder = Recorder::start(lure, Elsewhere::Port, proof);
    let base = recorder.reference("acme/hello:latest");
    let registry = base.split('/').next().expect("a registry");
    // The base is read before anything is compiled, and what cannot be compiled costs no time.
    let project = Project::new("x")
        .file("src/main.rs", "no Rust")
        .file("docker/config.json", &format!(r#"{{"auths":{{"{registry}":{{"auth":"{}"}}}}}}"#, basic()));
    let args = ["build", "-vv", "--message-format", "json", "--no-install", "--base", &base];
    let ran = project.oci(&args).env("DOCKER_CONFIG", project.path("docker")).run();
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("Request HEAD") && said.contains(r#"{"reason":"request""#), "{said}");
    assert!(!is_telling(&said), "{lure:?}:\n{said}");
    if !matches!(lure, Lure::Realm | Lure::RealmRedirect) {
        return;
    }
    let ran = Home::new().oci(&["login", "-vv", registry, "-u", USER, "--password-stdin"], PASSWORD);
    assert!(ran.stderr.contains("Request GET"), "{ran:?}");
    assert!(!is_telling(&format!("{}{}", ran.stdout, ran.stderr)), "{lure:?}: {ran:?}");
}

fn basic() -> String {
    BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"))
}

/// Returns whether the output contains a secret, or a part of a URL that may hold one.
fn is_telling(said: &str) -> bool {
    let parts = [PASSWORD, TOKEN, &basic(), "uthorization", "?state", "?token", "?n=", "scope="];
    parts.iter().any(|part| said.contains(part))
}

fn problems(lure: Lure) -> Vec<String> {
    let mut problems = Vec::new();
    for elsewhere in Elsewhere::ALL {
        for given in Given::ALL {
            for is_push in [true, false] {
                // Trust matters where a token service is elsewhere.
                let has_realm = matches!(lure, Lure::Realm | Lure::RealmRedirect);
                for trust in if has_realm { &Trust::ALL[..] } else { &[Trust::Nobody] } {
                    let case = Case { lure, elsewhere, given, is_push, trust: *trust };
                    problems.extend(case.problems().into_iter().map(|problem| format!("{case:?}: {problem}")));
                }
            }
        }
    }
    problems
}

/// The client's credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    /// User and password, which the registry itself wants.
    Basic,
    /// User and password, for tokens.
    Password,
    /// A token for tokens.
    IdentityToken,
    /// The token itself.
    RegistryToken,
}

impl Given {
    const ALL: [Given; 4] = [Given::Basic, Given::Password, Given::IdentityToken, Given::RegistryToken];

    fn credential(self) -> Credential {
        match self {
            Given::Basic | Given::Password => {
                Credential::Basic { user: USER.to_owned(), password: Secret::new(PASSWORD.to_owned()) }
            }
            Given::IdentityToken => Credential::IdentityToken(Secret::new(PASSWORD.to_owned())),
            Given::RegistryToken => Credential::RegistryToken(Secret::new(TOKEN.to_owned())),
        }
    }

    fn proof(self) -> Proof {
        if self == Given::Basic { Proof::Basic } else { Proof::Token }
    }
}

/// The token service that the user trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Nobody,
    /// The other origin.
    Other,
    /// The same host as the other origin, on another port.
    OtherPort,
}

impl Trust {
    const ALL: [Trust; 3] = [Trust::Nobody, Trust::Other, Trust::OtherPort];

    /// Returns the trusted services of a client.
    fn services(self, recorder: &Recorder) -> Vec<TrustedService> {
        let other = recorder.elsewhere();
        let service = match self {
            Trust::Nobody => return Vec::new(),
            Trust::Other => other,
            Trust::OtherPort => format!("{}:1", other.split(':').next().unwrap_or_default()),
        };
        let registry = recorder.reference("").trim_end_matches('/').to_owned();
        vec![TrustedService { registry, service, source: "a test".to_owned() }]
    }
}

#[derive(Debug)]
struct Case {
    lure: Lure,
    elsewhere: Elsewhere,
    given: Given,
    is_push: bool,
    trust: Trust,
}

impl Case {
    fn problems(&self) -> Vec<String> {
        let recorder = Recorder::start(self.lure, self.elsewhere, self.given.proof());
        // Whether it succeeds is not the question here.
        let told = Mutex::new(Vec::new());
        let listener = |event: Event| {
            let line = lines::line(&event, Duration::ZERO).unwrap_or_default();
            told.lock().expect("no thread panics").push(format!("{line}\n{}", json::event(&event, Duration::ZERO)));
        };
        let result = self.run(&recorder, &listener);
        let seen = recorder.seen();
        let mut problems: Vec<_> = seen.iter().filter(|seen| self.leaks(seen)).map(|seen| seen.text.clone()).collect();
        let mut told = told.into_inner().expect("no thread panics");
        assert!(told.iter().any(|told| told.contains(r#"{"reason":"request""#)), "{told:?}");
        told.push(format!("{result:?}"));
        problems.extend(told.into_iter().filter(|told| is_telling(told)));
        if self.is_taken() != seen.iter().any(|seen| !seen.is_own) {
            problems.push(format!("taken or not, against what is expected: {result:?}\n{seen:#?}"));
        }
        let is_sent =
            seen.iter().any(|seen| !seen.is_own && (seen.text.contains(PASSWORD) || seen.text.contains(&basic())));
        if is_sent != (self.is_service() && self.is_taken()) {
            problems
                .push(format!("the credential reached the token service or not, against what is expected: {seen:#?}"));
        }
        problems
    }

    /// Returns whether the other origin may get the credential for a token.
    fn is_service(&self) -> bool {
        let is_same_house = self.elsewhere == Elsewhere::Port;
        let is_trusted = self.elsewhere == Elsewhere::Host && self.trust == Trust::Other;
        self.lure == Lure::Realm && (is_same_house || is_trusted)
    }

    /// Returns whether a request leaks a secret.
    fn leaks(&self, seen: &Seen) -> bool {
        let has_password = seen.text.contains(PASSWORD) || seen.text.contains(&basic());
        let has_token = seen.text.contains(TOKEN);
        // A token service on another port of the same host is the same house.
        let is_service = self.is_service() && seen.text.contains(" /token");
        let has_any = has_password || has_token || seen.proves;
        if seen.is_own {
            // Credentials that were removed by a redirect must not come back.
            return seen.text.contains("/back/") && has_any;
        }
        if is_service { has_token } else { has_any }
    }

    /// Returns whether the client must follow to the other server to succeed. For `urls` it must not.
    fn is_taken(&self) -> bool {
        let is_followed = match self.lure {
            Lure::BlobRedirect | Lure::ManifestRedirect | Lure::RedirectAndBack => !self.is_push,
            Lure::UploadLocation => self.is_push,
            Lure::Realm => matches!(self.given, Given::Password | Given::IdentityToken),
            // A streamed body does not follow a redirect by itself: the client begins anew, and is sent there again.
            Lure::UploadRedirect | Lure::Link | Lure::RealmRedirect | Lure::Urls => false,
        };
        is_followed && self.elsewhere != Elsewhere::Scheme
    }

    fn run(&self, recorder: &Recorder, listener: Listener) -> miette::Result<()> {
        let retry = Retry {
            attempts: 2,
            first_pause: Duration::from_millis(1),
            answer_timeout: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(2),
            ..Retry::default()
        };
        let reference = recorder.reference("acme/hello:latest").parse().expect("a reference");
        let options = Options {
            credential: self.given.credential(),
            trusted_services: self.trust.services(recorder),
            retry,
            notify: Some(listener),
            ..Options::default()
        };
        let registry = Registry::new(reference, options)?;
        let memory = Memory::default();
        if self.is_push {
            let image = recorder.image();
            image.contents().for_each(|content| memory.put(&descriptor(content), content.bytes.clone()));
            let root = descriptor(&image.index);
            copy(&memory, &registry, std::slice::from_ref(&root))?;
            return registry.tag(&root, "latest");
        }
        let root = registry.resolve(Some(&"latest".parse().expect("a tag")))?;
        copy(&registry, &memory, &[root])
    }
}

fn descriptor(content: &Content) -> Descriptor {
    let digest = Digest::try_from(content.digest.as_str()).expect("a digest");
    Descriptor::new(MediaType::from(content.media_type), content.bytes.len() as u64, digest)
}
