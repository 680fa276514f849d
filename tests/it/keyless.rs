//! What was signed without a key: verified by whom the certificate names, and refused whatever is wrong with it.

use std::fs;
use std::time::Duration;

use crate::support::base::BaseImage;
use crate::support::project::{Call, Project};
use crate::support::registry::sha256;
use crate::support::sigstore::authority::Claims;
use crate::support::sigstore::bundle::signature_of;
use crate::support::sigstore::log::Log;
use crate::support::sigstore::tuf::Tuf;
use crate::support::sigstore::{IDENTITY, ISSUER, Sigstore, World, token};
use crate::support::strict::{Behaviour, StrictRegistry};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A folder with the layout `base`, and what is to be trusted in `root.json`.
struct Scene {
    project: Project,
    world: World,
    digest: String,
}

impl Scene {
    fn new() -> Scene {
        let (project, world) = (Project::empty("x"), World::new());
        let digest = BaseImage::new().write(&project.path("base")).digest;
        fs::write(project.path("root.json"), world.trusted_root().to_string()).expect("a file");
        Scene { project, world, digest }
    }

    fn signed(&self, claims: &Claims) -> Value {
        self.world.sign(&signature_of(&self.digest), claims)
    }

    fn put(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = sha256(content);
        fs::write(crate::support::blob(&self.project.path("base"), &digest), content).expect("a blob");
        json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
    }

    /// Attaches bundles, and nothing else, to content of a digest.
    fn attach(&self, subject: &str, bundles: &[&str]) {
        let blob = crate::support::blob(&self.project.path("base"), subject);
        let size = fs::metadata(blob).map_or(1, |found| found.len());
        let subject =
            json!({ "mediaType": "application/vnd.oci.image.index.v1+json", "digest": subject, "size": size });
        let config = self.put(EMPTY, b"{}");
        let entries: Vec<_> = bundles
            .iter()
            .map(|bundle| {
                let layer = self.put(BUNDLE, bundle.as_bytes());
                let manifest = json!({
                    "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE,
                    "config": config, "layers": [layer], "subject": subject,
                });
                self.put(MANIFEST, manifest.to_string().as_bytes())
            })
            .collect();
        let list = json!({ "schemaVersion": 2, "manifests": entries });
        fs::write(self.project.path("base/referrers.json"), list.to_string()).expect("a file");
    }

    fn verify(&self, more: &[&str]) -> Call {
        self.project.oci(&[&["verify", "base"], more].concat())
    }

    fn verify_identity(&self) -> Call {
        self.verify_identity_with(&[])
    }

    fn verify_identity_with(&self, more: &[&str]) -> Call {
        let who = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER];
        self.verify(&[&who[..], &["--trusted-root", "root.json"], more].concat())
    }

    /// Asserts that each is refused, with its own words.
    fn refuses(&self, cases: &[(&str, &str, Value)]) {
        for (what, words, changed) in cases {
            let said = self.refused(&changed.to_string());
            assert!(said.contains(words), "{what}: expected `{words}`: {said}");
        }
    }

    /// What is said of a bundle that must be refused.
    fn refused(&self, bundle: &str) -> String {
        self.attach(&self.digest, &[bundle]);
        self.verify_identity().fails(1)
    }
}

/// Takes a value out of JSON.
fn without(bundle: &Value, pointer: &str) -> Value {
    let mut changed = bundle.clone();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    changed.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(key);
    changed
}

/// Sets a value in JSON.
fn with(bundle: &Value, pointer: &str, value: impl Into<Value>) -> Value {
    let mut changed = bundle.clone();
    *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer} in {bundle}")) = value.into();
    changed
}

/// A text of base64 with one bit of its content changed.
fn flipped(bundle: &Value, pointer: &str, at: usize) -> Value {
    let text = bundle.pointer(pointer).and_then(Value::as_str).expect("a text");
    let mut content = BASE64_STANDARD.decode(text).expect("base64");
    content[at] ^= 1;
    with(bundle, pointer, BASE64_STANDARD.encode(content))
}

#[test]
fn verify_accepts_whom_the_certificate_names() {
    let scene = Scene::new();
    let more = [
        (12, "https://github.com/acme/x"),
        (13, "0123abc"),
        (14, "refs/tags/v1"),
        (21, "https://github.com/acme/x/actions/runs/1"),
    ];
    let claims = Claims { more: more.map(|(last, text)| (last, text.to_owned())).to_vec(), ..Claims::default() };
    scene.attach(&scene.digest, &[&scene.signed(&claims).to_string()]);
    let verified = scene.verify_identity().succeeds();
    assert_eq!(verified.stdout, format!("oci:base@{}\n", scene.digest));
    for line in [
        format!("Signed by {IDENTITY} (identified by {ISSUER})"),
        ", entry 0 of the log".to_owned(),
        "Built from https://github.com/acme/x, commit 0123abc (refs/tags/v1)".to_owned(),
        "Built by https://github.com/acme/x/actions/runs/1".to_owned(),
        format!("Verified index {}: signature", scene.digest),
    ] {
        assert!(verified.stderr.contains(&line), "{line}: {}", verified.stderr);
    }
    let regexps =
        ["--certificate-identity-regexp", "^ci@example[.]org$", "--certificate-oidc-issuer-regexp", "issuer[.]"];
    scene.verify(&[&regexps[..], &["--trusted-root", "root.json"]].concat()).succeeds();
    let json = scene.verify_identity_with(&["--json"]).succeeds().stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["certificate"]["subject"], IDENTITY);
    assert_eq!(json["certificate"]["revision"], "0123abc");
    assert_eq!(json["manifests"][0]["signed"][0]["certificate"]["issuer"], ISSUER);
}

#[test]
fn verify_refuses_certificates_that_do_not_prove_it() {
    let scene = Scene::new();
    let of = |claims: Claims| scene.refused(&scene.signed(&claims).to_string());
    let default = Claims::default;
    for (words, claims) in [
        (
            "signed by eve@example.org, not by ci@example.org",
            Claims { email: "eve@example.org".to_owned(), ..default() },
        ),
        (
            "signed by ci@example.org, whom https://other.example has identified, not https://issuer.example",
            Claims { issuer: Some("https://other.example".to_owned()), ..default() },
        ),
        ("the certificate does not say who has identified them", Claims { issuer: None, ..default() }),
        ("the certificate had expired when it was used", Claims { valid: (-1200, -600), ..default() }),
        ("the certificate was not valid yet when it was used", Claims { valid: (600, 1200), ..default() }),
        ("nothing proves that the certificate is in a certificate log", Claims { is_logged: false, ..default() }),
        ("the certificate is not for signing code", Claims { signs_code: false, ..default() }),
    ] {
        let said = of(claims);
        assert!(said.contains(words), "{words}: {said}");
        assert!(said.contains("is not signed by ci@example.org (https://issuer.example)"), "{said}");
    }
    // What other authorities and logs say.
    let (root, other) = (scene.world.trusted_root(), World::new().trusted_root());
    scene.attach(&scene.digest, &[&scene.signed(&default()).to_string()]);
    for (part, words) in [
        ("certificateAuthorities", "the certificate is not of an authority in the trusted root"),
        ("ctlogs", "nothing proves that the certificate is in a certificate log"),
        ("tlogs", "its entry is of a log that the trusted root does not have for that time"),
    ] {
        let mut mixed = root.clone();
        mixed[part] = other[part].clone();
        fs::write(scene.project.path("root.json"), mixed.to_string()).expect("a file");
        let said = scene.verify_identity().fails(1);
        assert!(said.contains(words), "{part}: {said}");
    }
}

#[test]
fn verify_refuses_changed_statements_and_certificates() {
    let scene = Scene::new();
    let (bundle, other) = (scene.signed(&Claims::default()), scene.signed(&Claims::default()));
    let envelope = "/dsseEnvelope";
    let twice = |bundle: &Value| {
        let one = bundle["dsseEnvelope"]["signatures"][0].clone();
        with(bundle, "/dsseEnvelope/signatures", json!([one, other["dsseEnvelope"]["signatures"][0]]))
    };
    let chain = json!({ "certificates": [bundle["verificationMaterial"]["certificate"]] });
    let mut chained = bundle.clone();
    let material = chained["verificationMaterial"].as_object_mut().expect("an object");
    material.remove("certificate");
    material.insert("x509CertificateChain".to_owned(), chain);
    let statement = |change: &dyn Fn(&mut Value)| {
        let mut statement = signature_of(&scene.digest);
        change(&mut statement);
        scene.world.sign(&statement, &Claims::default())
    };
    let foreign = signature_of(&sha256(b"another image"));
    // In the digest, which is the last text of the statement.
    let last = signature_of(&scene.digest).to_string().len() - 10;
    let cases = [
        (
            "signature of the envelope",
            "the signature does not match the statement and the certificate",
            flipped(&bundle, &format!("{envelope}/signatures/0/sig"), 20),
        ),
        ("payload", "invalid JSON", flipped(&bundle, &format!("{envelope}/payload"), 0)),
        ("statement", "the statement is about another subject", flipped(&bundle, &format!("{envelope}/payload"), last)),
        (
            "payload's type",
            "expected a signed statement, found the type `application/json`",
            with(&bundle, &format!("{envelope}/payloadType"), "application/json"),
        ),
        (
            "type that was signed",
            "expected a signed statement, found the type `text/plain`",
            scene.world.sign_as("text/plain", &signature_of(&scene.digest), &Claims::default()),
        ),
        ("two signatures", "the envelope has 2 signatures: expected one", twice(&bundle)),
        ("no signature", "the envelope has no signature", with(&bundle, &format!("{envelope}/signatures"), json!([]))),
        ("no envelope", "the sigstore bundle has no signed statement", without(&bundle, envelope)),
        ("another image", "the statement is about another subject", scene.world.sign(&foreign, &Claims::default())),
        (
            "another algorithm",
            "the statement is about another subject",
            statement(&|said| {
                said["subject"] = json!([{ "digest": { "sha512": scene.digest.trim_start_matches("sha256:") } }]);
            }),
        ),
        ("no subject", "the statement is about another subject", statement(&|said| said["subject"] = json!([]))),
        (
            "another statement",
            "expected an in-toto statement",
            statement(&|said| said["_type"] = json!("https://in-toto.io/Statement/v9")),
        ),
        (
            "version of the bundle",
            "expected a sigstore bundle of version 0.3",
            with(&bundle, "/mediaType", "application/vnd.dev.sigstore.bundle.v0.9+json"),
        ),
        ("certificate", "certificate", flipped(&bundle, "/verificationMaterial/certificate/rawBytes", 200)),
        (
            "certificate of another bundle",
            "the signature does not match the statement and the certificate",
            with(&bundle, "/verificationMaterial/certificate", other["verificationMaterial"]["certificate"].clone()),
        ),
        ("chain in place of a certificate", "must use a single certificate, not a chain", chained),
    ];
    scene.refuses(&cases);
    let malformed = scene.refused("{\"mediaType\"");
    assert!(malformed.contains("invalid JSON: EOF while parsing"), "{malformed}");
    // The same signature is accepted as it was.
    scene.attach(&scene.digest, &[&bundle.to_string()]);
    scene.verify_identity().succeeds();
}

#[test]
fn verify_refuses_changed_entries_of_the_log() {
    let scene = Scene::new();
    let (bundle, other) = (scene.signed(&Claims::default()), scene.signed(&Claims::default()));
    let entry = "/verificationMaterial/tlogEntries/0";
    let at = |rest: &str| format!("{entry}{rest}");
    // Of a log that has the same entry.
    let text = bundle.pointer(&at("/canonicalizedBody")).and_then(Value::as_str).expect("a text");
    let text = String::from_utf8(BASE64_STANDARD.decode(text).expect("base64")).expect("JSON");
    let other_checkpoint = Log::new().entry(&text)["verification"]["inclusionProof"]["checkpoint"].clone();
    let later = bundle.pointer(&at("/integratedTime")).and_then(Value::as_str).expect("a time");
    let later = later.parse::<u64>().expect("a number") - 1;
    let cases = [
        ("no entry in the log", "inclusion proof", with(&bundle, "/verificationMaterial/tlogEntries", json!([]))),
        (
            "entry of another bundle",
            "its entry in the log is that of another signature",
            with(&bundle, entry, other.pointer(entry).cloned().expect("an entry")),
        ),
        ("no proof", "must have an inclusion proof", without(&bundle, &at("/inclusionProof"))),
        (
            "promise",
            "the log has not signed this entry, or not at this time and position",
            flipped(&bundle, &at("/inclusionPromise/signedEntryTimestamp"), 20),
        ),
        (
            "time",
            "the log has not signed this entry, or not at this time and position",
            with(&bundle, &at("/integratedTime"), later.to_string()),
        ),
        (
            "time before the log",
            "its entry is of a log that the trusted root does not have for that time",
            with(&bundle, &at("/integratedTime"), "1700000000"),
        ),
        (
            "log's name",
            "its entry is of a log that the trusted root does not have for that time",
            flipped(&bundle, &at("/logId/keyId"), 3),
        ),
        (
            "entry's text",
            "the log has not signed this entry, or not at this time and position",
            flipped(&bundle, &at("/canonicalizedBody"), 3),
        ),
        (
            "position",
            "the log has not signed this entry, or not at this time and position",
            with(&bundle, &at("/logIndex"), "5"),
        ),
        (
            "root of the proof",
            "does not match checkpoint root hash",
            flipped(&bundle, &at("/inclusionProof/rootHash"), 3),
        ),
        (
            "path of the proof",
            "the proof does not lead from its entry to the state of the log",
            with(&bundle, &at("/inclusionProof/hashes"), json!([BASE64_STANDARD.encode([1; 32])])),
        ),
        (
            "checkpoint of another log",
            "the state of the log is not signed by a log in the trusted root",
            with(&bundle, &at("/inclusionProof/checkpoint/envelope"), other_checkpoint),
        ),
        ("no checkpoint", "checkpoint", without(&bundle, &at("/inclusionProof/checkpoint"))),
    ];
    scene.refuses(&cases);
}

#[test]
fn verify_says_which_of_two_signatures_counts() {
    let scene = Scene::new();
    let (good, bad) = (
        scene.signed(&Claims::default()),
        scene.signed(&Claims { email: "eve@example.org".to_owned(), ..Claims::default() }),
    );
    scene.attach(&scene.digest, &[&bad.to_string(), &good.to_string()]);
    let words = scene.verify_identity().succeeds().stderr;
    assert!(words.contains("which does not count: signed by eve@example.org, not by ci@example.org"), "{words}");
    scene.attach(&scene.digest, &[&bad.to_string()]);
    assert!(scene.verify_identity().fails(1).contains("signed by eve@example.org"));
}

#[test]
fn verify_needs_the_signature_of_the_index() {
    let scene = Scene::new();
    let index = crate::support::document(&scene.project.path("base"), &scene.digest);
    let image = index["manifests"][0]["digest"].as_str().expect("a digest");
    let bundle = scene.world.sign(&signature_of(image), &Claims::default());
    scene.attach(image, &[&bundle.to_string()]);
    let words = scene.verify_identity().fails(1);
    assert!(words.contains("no signature is attached to oci:base@"), "{words}");
    // Another statement about it is none either.
    let mut provenance = signature_of(&scene.digest);
    provenance["predicateType"] = json!("https://slsa.dev/provenance/v1");
    scene.attach(&scene.digest, &[&scene.world.sign(&provenance, &Claims::default()).to_string()]);
    assert!(scene.verify_identity().fails(1).contains("is not signed by"));
}

#[test]
fn keys_and_identities_do_not_stand_for_each_other() {
    let scene = Scene::new();
    let oci = |args: &[&str]| scene.project.oci(args).env("COSIGN_PASSWORD", "sesame");
    oci(&["generate-key"]).succeeds();
    oci(&["sign", "base", "--key", "cosign.key"]).succeeds();
    assert!(scene.verify_identity().fails(1).contains("signed with a key, which names nobody"));
    scene.attach(&scene.digest, &[&scene.signed(&Claims::default()).to_string()]);
    assert!(scene.verify(&["--key", "cosign.pub"]).fails(1).contains("signed by another key"));
    let both = scene.verify(&["--key", "cosign.pub", "--certificate-identity", IDENTITY]).fails(2);
    assert!(both.contains("cannot be used with"), "{both}");
    let half = scene.verify(&["--certificate-identity", IDENTITY]).fails(2);
    assert!(half.contains("--certificate-oidc-issuer"), "{half}");
    assert!(scene.verify(&[]).fails(2).contains("--key"));
}

#[test]
fn signed_without_a_key_is_verified_without_one() {
    let (project, sigstore) = (Project::empty("x"), Sigstore::start());
    BaseImage::new().write(&project.path("base"));
    sigstore.describe(project.root());
    let token = token(Duration::from_secs(600));
    let sign = ["sign", "base", "--keyless", "--signing-config", "keyless.json"];
    project.oci(&sign).env("SIGSTORE_ID_TOKEN", &token).succeeds();
    let who = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER, "--trusted-root", "root.json"];
    project.oci(&[&["verify", "base"][..], &who].concat()).succeeds();
    // What is signed so can be the base that must be.
    let table = format!(
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\n[package.metadata.oci]\nplatforms = [\"linux/amd64\"]\nbase = \"oci:base\"\nbase-verify = {{ identity = \"{IDENTITY}\", issuer = \"{ISSUER}\", trusted-root = \"root.json\" }}\n"
    );
    let project = project.file("Cargo.toml", &table);
    let pinned = project.oci(&["base", "update", "--dry-run"]).run();
    assert!(!pinned.stderr.contains("rejected"), "{}", pinned.stderr);
    let copied = project.oci(&[&["copy", "oci:base", "oci:copied"][..], &who].concat()).succeeds();
    assert!(copied.stdout.contains("oci:copied"), "{}", copied.stdout);
    let other = [
        "--certificate-identity",
        "eve@example.org",
        "--certificate-oidc-issuer",
        ISSUER,
        "--trusted-root",
        "root.json",
    ];
    let refused = project.oci(&[&["copy", "oci:base", "oci:refused"][..], &other].concat()).fails(1);
    assert!(refused.contains("signed by ci@example.org, not by eve@example.org"), "{refused}");
}

#[test]
fn verify_reads_the_tags_of_cosign_2() {
    let (project, sigstore) = (Project::empty("x"), Sigstore::start());
    let digest = BaseImage::new().write(&project.path("base")).digest;
    sigstore.describe(project.root());
    let registry = StrictRegistry::start(Behaviour::default());
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let image = registry.reference("static:nonroot");
    let oci = |args: &[&str]| {
        let token = token(Duration::from_secs(600));
        project.oci(args).env("SIGSTORE_ID_TOKEN", token).env("COSIGN_PASSWORD", "sesame")
    };
    let who = |subject| {
        let who =
            ["--certificate-identity", subject, "--certificate-oidc-issuer", ISSUER, "--trusted-root", "root.json"];
        oci(&[&["verify", &image][..], &who].concat())
    };
    // With a key.
    oci(&["generate-key"]).succeeds();
    oci(&["sign", &image, "--key", "cosign.key", "--signature-format", "legacy"]).succeeds();
    oci(&["verify", &image, "--key", "cosign.pub"]).succeeds();
    let words = who(IDENTITY).fails(1);
    assert!(words.contains("signed with a key, which names nobody"), "{words}");
    // Without one, beside that.
    let keyless = ["--keyless", "--signing-config", "keyless.json", "--signature-format", "legacy"];
    oci(&[&["sign", &image][..], &keyless].concat()).succeeds();
    let verified = who(IDENTITY).succeeds().stderr;
    assert!(verified.contains(&format!("Signed by {IDENTITY}")) && verified.contains("Signed at "), "{verified}");
    let words = who("eve@example.org").fails(1);
    assert!(words.contains("signed by ci@example.org, not by eve@example.org"), "{words}");
    // Whatever is changed, it counts no more.
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let stored = registry.tag("static", &tag).expect("a tag");
    let manifest: Value =
        serde_json::from_slice(&registry.repository("static").manifests[&stored].bytes).expect("JSON");
    let refused = |words: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = manifest.clone();
        let layers = changed["layers"].as_array_mut().expect("layers");
        layers.retain(|layer| layer["annotations"].get("dev.sigstore.cosign/certificate").is_some());
        change(&mut layers[0]["annotations"]);
        registry.put_manifest("static", MANIFEST, changed.to_string().as_bytes(), Some(&tag));
        let said = who(IDENTITY).fails(1);
        assert!(said.contains(words), "{words}: {said}");
    };
    let signature = "dev.cosignproject.cosign/signature";
    refused("the signature does not match", &|found| {
        *found = flipped(found, &format!("/{}", signature.replace('/', "~1")), 20);
    });
    refused("the log has not signed this entry", &|found| {
        change_entry(found, &|entry| *entry = flipped(entry, "/SignedEntryTimestamp", 20));
    });
    refused("the log has not signed this entry", &|found| {
        change_entry(found, &|entry| entry["Payload"]["logIndex"] = json!(9));
    });
    refused("no entry of a log is with it", &|found| found["dev.sigstore.cosign/bundle"] = json!(""));
    refused("signed with a key, which names nobody", &|found| found["dev.sigstore.cosign/certificate"] = json!(""));
    refused("the certificate is not PEM", &|found| found["dev.sigstore.cosign/certificate"] = json!("x"));
}

/// Changes the entry of the log in annotations.
fn change_entry(annotations: &mut Value, change: &dyn Fn(&mut Value)) {
    let text = annotations["dev.sigstore.cosign/bundle"].as_str().expect("a text");
    let mut entry: Value = serde_json::from_str(text).expect("JSON");
    change(&mut entry);
    annotations["dev.sigstore.cosign/bundle"] = json!(entry.to_string());
}

#[test]
fn trusted_root_comes_from_tuf() {
    let scene = Scene::new();
    scene.attach(&scene.digest, &[&scene.signed(&Claims::default()).to_string()]);
    let root = scene.project.path("tuf.json");
    let verify = |tuf: &Tuf| {
        tuf.write_root(&root);
        let who = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER];
        scene.verify(&who).env("TUF_MIRROR", tuf.url()).env("TUF_ROOT_JSON", &root)
    };
    let tuf = Tuf::start(&scene.world.trusted_root(), "2199-01-01T00:00:00Z");
    verify(&tuf).succeeds();
    assert!(tuf.requests() >= 4, "{}", tuf.requests());
    // However many identities a policy names, it is asked once.
    let signer = |subject: &str| format!("{{ identity = '{subject}', issuer = '{ISSUER}' }}");
    let policy = format!("signers = [{}, {}]", signer("eve@example.org"), signer(IDENTITY));
    fs::write(scene.project.path("policy.toml"), policy).expect("a file");
    let asked = |call: Call| {
        let before = tuf.requests();
        call.succeeds();
        tuf.requests() - before
    };
    let one = asked(verify(&tuf));
    let policy = scene.verify(&["--policy", "policy.toml"]);
    assert_eq!(asked(policy.env("TUF_MIRROR", tuf.url()).env("TUF_ROOT_JSON", &root)), one);
    // What was fetched is verified again when nothing can be.
    tuf.empty();
    let words = verify(&tuf).succeeds().stderr;
    assert!(
        words.contains("cannot fetch sigstore's trusted root") && words.contains("what was fetched before"),
        "{words}"
    );
    for document in ["timestamp.json", "snapshot.json", "targets.json", "trusted_root.json"] {
        let tuf = Tuf::start(&scene.world.trusted_root(), "2199-01-01T00:00:00Z");
        tuf.damage(document);
        let words = verify(&tuf).fails(1);
        assert!(words.contains(&format!("cannot fetch the trusted root of {}", tuf.url())), "{document}: {words}");
    }
    let words = verify(&Tuf::start(&scene.world.trusted_root(), "2026-01-01T00:00:00Z")).fails(1);
    assert!(words.contains("expired"), "{words}");
    // Another repository than the one whose root is trusted.
    let (one, other) = (
        Tuf::start(&scene.world.trusted_root(), "2199-01-01T00:00:00Z"),
        Tuf::start(&World::new().trusted_root(), "2199-01-01T00:00:00Z"),
    );
    let call = verify(&one);
    other.write_root(&root);
    assert!(call.fails(1).contains("cannot fetch the trusted root of"));
    let words = verify(&other).fails(1);
    assert!(words.contains("is not signed by ci@example.org"), "{words}");
    let alone = scene.verify(&["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER]);
    assert!(alone.env("TUF_MIRROR", one.url()).fails(1).contains("TUF_MIRROR is set, but not TUF_ROOT_JSON"));
}
