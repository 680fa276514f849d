//! Wherever a registry sends a client, no byte of a secret arrives where it should not (security.md, "Credentials").

mod support;

use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cargo_oci::image::digest::Digest;
use cargo_oci::registry::credentials::{Credential, Secret};
use cargo_oci::registry::{Options, Registry, Retry};
use cargo_oci::store::{Memory, Sink, Source, copy};
use oci_spec::image::{Descriptor, MediaType};

use support::strict::image::Content;
use support::strict::recorder::{Elsewhere, Lure, Proof, Recorder, Seen, TOKEN};

const USER: &str = "someone";
const PASSWORD: &str = "password-1d4e8a77";

#[test]
fn no_secret_goes_elsewhere() {
    let problems: Vec<String> = thread::scope(|scope| {
        let lures = Lure::ALL.map(|lure| scope.spawn(move || problems(lure)));
        lures.into_iter().flat_map(|lure| lure.join().expect("no case panics")).collect()
    });
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

fn problems(lure: Lure) -> Vec<String> {
    let mut problems = Vec::new();
    for elsewhere in Elsewhere::ALL {
        for given in Given::ALL {
            for is_push in [true, false] {
                let case = Case { lure, elsewhere, given, is_push };
                problems.extend(case.problems().into_iter().map(|problem| format!("{case:?}: {problem}")));
            }
        }
    }
    problems
}

/// What the client has, and what it is asked for.
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

#[derive(Debug)]
struct Case {
    lure: Lure,
    elsewhere: Elsewhere,
    given: Given,
    is_push: bool,
}

impl Case {
    fn problems(&self) -> Vec<String> {
        let recorder = Recorder::start(self.lure, self.elsewhere, self.given.proof());
        // Whether it succeeds is not the question here.
        let result = self.run(&recorder);
        let seen = recorder.seen();
        let mut problems: Vec<_> = seen.iter().filter(|seen| self.leaks(seen)).map(|seen| seen.text.clone()).collect();
        if self.is_taken() != seen.iter().any(|seen| !seen.is_own) {
            problems.push(format!("taken or not, against what is expected: {result:?}\n{seen:#?}"));
        }
        problems
    }

    /// Whether a request brings what it should not.
    fn leaks(&self, seen: &Seen) -> bool {
        let basic = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let has_password = seen.text.contains(PASSWORD) || seen.text.contains(&basic);
        let has_token = seen.text.contains(TOKEN);
        // A token service on another port of the same host is the same house.
        let is_service = self.lure == Lure::Realm && self.elsewhere == Elsewhere::Port && seen.text.contains(" /token");
        match seen.is_own {
            // What was taken off on the way is not put on again.
            true => seen.text.contains("/back/") && (has_password || has_token || seen.proves),
            false if is_service => has_token,
            false => has_password || has_token || seen.proves,
        }
    }

    /// Whether a client goes elsewhere at all, where someone listens: it has to, to get on; and it must not for `urls`.
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

    fn run(&self, recorder: &Recorder) -> miette::Result<()> {
        let retry = Retry {
            attempts: 2,
            first: Duration::from_millis(1),
            progress: Duration::from_secs(2),
            ..Retry::default()
        };
        let reference = recorder.reference("acme/hello:latest").parse().expect("a reference");
        let options = Options { credential: self.given.credential(), retry, ..Options::default() };
        let registry = Registry::new(reference, options)?;
        let memory = Memory::default();
        if self.is_push {
            let image = recorder.image();
            image.contents().for_each(|content| memory.put(&descriptor(content), content.bytes.clone()));
            let root = descriptor(&image.index);
            copy(&memory, &registry, std::slice::from_ref(&root))?;
            return registry.tag(&root, "latest");
        }
        let root = registry.resolve(Some("latest"))?;
        copy(&registry, &memory, &[root])
    }
}

fn descriptor(content: &Content) -> Descriptor {
    let digest = Digest::try_from(content.digest.as_str()).expect("a digest");
    Descriptor::new(MediaType::from(content.media_type), content.bytes.len() as u64, digest)
}
