//! Every personality of the strict registry × push, the same push again, another tag, sign, verify, a build on what was
//! pushed, a signed push, and another image under the same tag. What a registry refuses is told as it said it, and no tag
//! moves then; no step takes long, and no request is illegal.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::snapshots::{AMD64, elf};
use crate::support::base::BaseImage;
use crate::support::connect_proxy::ConnectProxy;
use crate::support::process::Ran;
use crate::support::project::{Call, Project};
use crate::support::strict::personality::Personality;
use crate::support::strict::referrers::is_list;
use crate::support::strict::tokens::PASSWORD;
use crate::support::strict::{Behaviour, StrictRegistry};
use crate::support::tls::{Authority, TlsProxy};

/// How long a step may take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);
const REPOSITORY: &str = "acme/hello";

/// What a step comes to: success, or an error with these words.
type Outcome = Result<(), &'static str>;

/// What every step comes to.
struct Outcomes {
    push: Outcome,
    new_tag: Outcome,
    sign: Outcome,
    verify: Outcome,
    base: Outcome,
    signed_push: Outcome,
    other_image: Outcome,
}

impl Default for Outcomes {
    fn default() -> Outcomes {
        Outcomes {
            push: Ok(()),
            new_tag: Ok(()),
            sign: Ok(()),
            verify: Ok(()),
            base: Ok(()),
            signed_push: Ok(()),
            other_image: Ok(()),
        }
    }
}

/// The names that a registry and its token service have in public.
struct Names {
    registry: &'static str,
    tokens: &'static str,
    /// What the registry is called in references, and in the user's configuration.
    reference: &'static str,
    key: &'static str,
}

/// A user with a password at a registry.
struct Tour {
    registry: StrictRegistry,
    /// What the registry is called.
    host: String,
    project: Project,
    variables: Vec<(&'static str, String)>,
}

impl Tour {
    /// At a registry on this computer.
    fn of(personality: Personality) -> Tour {
        let registry = StrictRegistry::start(Behaviour::of(personality));
        let host = registry.reference("").trim_end_matches('/').to_owned();
        Tour::at(registry, host.clone(), &host)
    }

    /// At a registry that is behind something that speaks TLS.
    fn behind_tls(personality: Personality) -> Tour {
        let registry = StrictRegistry::start(Behaviour::of(personality));
        let authority = Authority::new();
        let tls = TlsProxy::before(registry.reference("").trim_end_matches('/'), &authority);
        Tour::at(registry, tls.host().to_owned(), tls.host()).trusting(&authority)
    }

    /// At a registry and a token service that have names, which only a proxy knows.
    fn with_names(personality: Personality, names: &Names) -> Tour {
        let realm = format!("https://{}{}", names.tokens, personality.realm().1);
        let public = Some((format!("https://{}", names.registry), realm));
        let registry = StrictRegistry::start(Behaviour { public, ..Behaviour::of(personality) });
        let authority = Authority::new();
        let at = |upstream: &str, name: &str| TlsProxy::with_names(upstream, &authority, &[name]).host().to_owned();
        let servers = [
            (format!("{}:443", names.registry), at(registry.reference("").trim_end_matches('/'), names.registry)),
            (format!("{}:443", names.tokens), at(&registry.tokens().to_string(), names.tokens)),
        ];
        let proxy = ConnectProxy::start(&servers.each_ref().map(|(name, server)| (&**name, &**server)));
        let mut tour = Tour::at(registry, names.reference.to_owned(), names.key).trusting(&authority);
        tour.variables.push(("HTTPS_PROXY", proxy.url()));
        tour
    }

    fn at(registry: StrictRegistry, host: String, key: &str) -> Tour {
        registry.create(REPOSITORY);
        let project = Project::new("x");
        for (name, last) in [("one", 0), ("two", 1)] {
            let mut program = elf(AMD64);
            program.push(last);
            fs::create_dir_all(project.path("dist")).expect("a folder");
            fs::write(project.path(&format!("dist/{name}")), program).expect("a file");
        }
        let auths = json!({ "auths": { key: { "username": registry.user(), "password": PASSWORD } } });
        fs::create_dir_all(project.home().join(".docker")).expect("a folder");
        fs::write(project.home().join(".docker/config.json"), auths.to_string()).expect("a file");
        let tour = Tour { registry, host, project, variables: Vec::new() };
        tour.expect(&["generate-key"], Ok(()));
        tour
    }

    fn trusting(mut self, authority: &Authority) -> Tour {
        let pem = self.project.path("ca.pem");
        fs::write(&pem, authority.pem()).expect("a file");
        self.variables.push(("SSL_CERT_FILE", pem.display().to_string()));
        self
    }

    fn image(&self, tag: &str) -> String {
        format!("{}/{REPOSITORY}:{tag}", self.host)
    }

    /// Runs a command, which must come to `outcome` in time. Returns it, and how many requests there were.
    fn expect(&self, args: &[&str], outcome: Outcome) -> (Ran, usize) {
        let (requests, tags) = (self.registry.requests(), self.tags());
        let call = self.project.oci(args).env("COSIGN_PASSWORD", "sesame");
        let call = self.variables.iter().fold(call, |call, (key, value)| call.env(key, value));
        let start = Instant::now();
        let ran = Call::ran(&mut call.direct());
        let took = start.elapsed();
        let told = || format!("{args:?} in {took:?}: {}\n{}", ran.stderr, self.registry.log());
        assert!(took < LIMIT, "{}", told());
        match outcome {
            Ok(()) => assert_eq!(ran.status, 0, "{}", told()),
            Err(words) => {
                assert_eq!(ran.status, 1, "{}", told());
                assert!(ran.stderr.contains(words), "without {words:?}: {}", told());
                assert_eq!(self.tags(), tags, "{}", told());
            }
        }
        assert_eq!(self.registry.violations(), [""; 0], "{}", told());
        (ran, self.registry.requests() - requests)
    }

    /// The tags, without those of lists.
    fn tags(&self) -> BTreeMap<String, String> {
        self.registry.repository(REPOSITORY).tags.into_iter().filter(|(tag, _)| !is_list(tag)).collect()
    }

    fn push(&self, program: &str, args: &[&str], outcome: Outcome) -> (Ran, usize) {
        let repository = format!("{}/{REPOSITORY}", self.host);
        let prebuilt = format!("linux/amd64=dist/{program}");
        let own = ["push", "--repository", &repository, "--platform", "linux/amd64", "--prebuilt", &prebuilt];
        self.expect(&[&own[..], &["--base", "embedded"], args].concat(), outcome)
    }

    /// All steps.
    fn run(&self, outcomes: &Outcomes) {
        self.push("one", &["--tag", "1"], outcomes.push);
        let (_, requests) = self.push("one", &["--tag", "1"], outcomes.push);
        // The challenge, the token and a redirect to it come on top.
        assert!(outcomes.push.is_err() || requests <= 5, "{requests}\n{}", self.registry.log());
        self.push("one", &["--tag", "1", "--tag", "2"], outcomes.new_tag);
        let one = self.image("1");
        self.expect(&["sign", &one, "--key", "cosign.key"], outcomes.sign);
        self.expect(&["verify", &one, "--key", "cosign.pub"], outcomes.verify);
        let base = ["build", "--base", &one, "--platform", "linux/amd64", "--prebuilt", "linux/amd64=dist/two"];
        self.expect(&base, outcomes.base);
        self.push("two", &["--tag", "3", "--sign", "--key", "cosign.key"], outcomes.signed_push);
        let verify = self.image("3");
        if outcomes.signed_push.is_ok() {
            self.expect(&["verify", &verify, "--key", "cosign.pub"], Ok(()));
        }
        self.push("two", &["--tag", "1"], outcomes.other_image);
    }
}

#[test]
fn plain_registry_takes_every_step() {
    Tour::of(Personality::Plain).run(&Outcomes::default());
}

#[test]
fn ghcr_takes_every_step() {
    Tour::of(Personality::Ghcr).run(&Outcomes::default());
}

#[test]
fn ecr_refuses_to_move_tags() {
    let lists = Err("TAG_INVALID: The image tag 'sha256-");
    let tags = Err("TAG_INVALID: The image tag '1' already exists in the 'acme/hello' repository");
    let tour = Tour::of(Personality::Ecr);
    tour.run(&Outcomes { sign: lists, verify: Err("is not signed by"), other_image: tags, ..Outcomes::default() });
}

#[test]
fn ecr_has_no_repository_before_it_is_created() {
    let tour = Tour::of(Personality::Ecr);
    let repository = format!("{}/acme/other", tour.host);
    let args = ["push", "--repository", &repository, "--base", "embedded", "--platform", "linux/amd64", "--prebuilt"];
    let unknown = Err("NAME_UNKNOWN: The repository with name 'acme/other' does not exist in the registry");
    tour.expect(&[&args[..], &["linux/amd64=dist/one"]].concat(), unknown);
}

#[test]
fn gitlab_keeps_no_lists() {
    let no_list = Err("the image itself in place of the list");
    let (sign, signed_push, verify) = (no_list, no_list, Err("is not signed by"));
    Tour::of(Personality::GitLab).run(&Outcomes { sign, verify, signed_push, ..Outcomes::default() });
}

#[test]
fn artifactory_refuses_to_move_tags() {
    let refused = Err("MANIFEST_INVALID");
    Tour::of(Personality::Artifactory).run(&Outcomes { other_image: refused, ..Outcomes::default() });
}

#[test]
fn gar_refuses_to_move_tags() {
    let lists = Err("DENIED: cannot update tag sha256-");
    let tags = Err("DENIED: cannot update tag 1.");
    let tour = Tour::of(Personality::Gar);
    tour.run(&Outcomes { sign: lists, verify: Err("is not signed by"), other_image: tags, ..Outcomes::default() });
}

#[test]
fn docker_hub_takes_every_step() {
    let names = Names {
        registry: "registry-1.docker.io",
        tokens: "auth.docker.io",
        reference: "docker.io",
        key: "https://index.docker.io/v1/",
    };
    Tour::with_names(Personality::DockerHub, &names).run(&Outcomes::default());
}

#[test]
fn harbor_takes_every_step() {
    Tour::of(Personality::Harbor).run(&Outcomes::default());
}

#[test]
fn quay_takes_every_step() {
    Tour::of(Personality::Quay).run(&Outcomes::default());
}

#[test]
fn distribution_3_takes_every_step() {
    Tour::of(Personality::Distribution3).run(&Outcomes::default());
}

#[test]
fn proxy_cache_takes_no_pushes() {
    let tour = Tour::of(Personality::ProxyCache);
    BaseImage::new().write(&tour.project.path("base"));
    tour.registry.put_layout(&tour.project.path("base"), REPOSITORY, "1");
    let refused = Err("405 Method Not Allowed");
    tour.run(&Outcomes {
        push: refused,
        new_tag: refused,
        sign: refused,
        verify: Err("is not signed by"),
        base: Ok(()),
        signed_push: refused,
        other_image: refused,
    });
}

#[test]
fn nginx_takes_every_step() {
    Tour::behind_tls(Personality::Nginx).run(&Outcomes::default());
}

#[test]
fn nginx_refuses_large_bodies() {
    let tour = Tour::behind_tls(Personality::Nginx);
    let mut program = elf(AMD64);
    // Nothing that a layer makes smaller.
    program.extend(crate::support::strict::random::Random::new(1).bytes(6 << 20));
    fs::write(tour.project.path("dist/one"), program).expect("a file");
    tour.push("one", &["--tag", "1"], Err("413"));
}
