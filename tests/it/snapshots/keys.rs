//! Keys, signatures, and signed base images.

use crate::support::base::BaseImage;
use crate::support::environment;
use crate::support::process::output;
use crate::support::project::{Files, Project};
use crate::support::snapshot::Snapshot;
use crate::support::strict::referrers::Attaching;
use crate::support::strict::{Behaviour, StrictRegistry};
use std::fs;
use std::sync::OnceLock;

/// A folder with keys of all kinds, and the layouts `base` and `signed`.
fn with_keys() -> Project {
    static MADE: OnceLock<Files> = OnceLock::new();
    let project = Project::empty("x");
    MADE.get_or_init(|| Files::read(make_keys().root())).write(project.root());
    project
}

fn make_keys() -> Project {
    let project = Project::empty("x").file("a.txt", "a").file("not.key", "hello").file("big.key", &"a".repeat(1 << 17));
    for layout in ["base", "signed"] {
        BaseImage::new().write(&project.path(layout));
    }
    let openssl = |args: &[&str]| output(environment::command("openssl").current_dir(project.root()).args(args));
    for (name, args) in [
        ("rsa", &["-algorithm", "rsa"][..]),
        ("ed25519", &["-algorithm", "ed25519"]),
        ("p384", &["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ] {
        openssl(&[&["genpkey", "-out", &format!("{name}.key")], args].concat());
        openssl(&["pkey", "-in", &format!("{name}.key"), "-pubout", "-out", &format!("{name}.pub")]);
    }
    let seal = ["pkcs8", "-topk8", "-in", "p384.key", "-passout", "pass:a", "-out", "pkcs8.key"];
    openssl(&seal);
    for name in ["cosign", "other"] {
        project.oci(&["generate-key", "-o", name]).env("COSIGN_PASSWORD", "sesame").succeeds();
    }
    project.oci(&["sign", "signed", "--key", "cosign.key"]).env("COSIGN_PASSWORD", "sesame").succeeds();
    project
}

#[test]
fn key_errors_match_snapshot() {
    let mut told = Snapshot::of("keys");
    let project = with_keys();
    let mut call = |title: &str, args: &[&str], variables: &[(&str, &str)]| {
        let call = variables.iter().fold(project.oci(args), |call, (key, value)| call.env(key, *value));
        told.call(title, &project, args, call, 1);
    };
    let password = [("COSIGN_PASSWORD", "sesame")];
    call("a key pair that exists", &["generate-key"], &password);
    call("no terminal to prompt for the password", &["generate-key", "-o", "new"], &[]);
    let sign = |key: &'static str| ["sign", "base", "--key", key];
    call("a key that is not there", &sign("nowhere.key"), &password);
    call("a variable that is not set", &sign("env://NO_SUCH_KEY"), &password);
    call("a wrong password", &sign("cosign.key"), &[("COSIGN_PASSWORD", "open")]);
    call("an empty password", &sign("cosign.key"), &[("COSIGN_PASSWORD", "")]);
    call("no terminal to ask for a password at", &sign("cosign.key"), &[]);
    call("a key of RSA", &sign("rsa.key"), &password);
    call("a key of Ed25519", &sign("ed25519.key"), &password);
    call("a key of another curve", &sign("p384.key"), &password);
    call("a key that is encrypted in another way", &sign("pkcs8.key"), &password);
    call("a public key to sign with", &sign("cosign.pub"), &password);
    call("a file that is no key", &sign("not.key"), &password);
    call("a file that is too large for a key", &sign("big.key"), &password);
    call("a folder for a key", &sign("base"), &password);
    let verify = |key: &'static str| ["verify", "signed", "--key", key];
    call("a public key of RSA", &verify("rsa.pub"), &[]);
    call("a public key of Ed25519", &verify("ed25519.pub"), &[]);
    call("a private key to verify with", &verify("cosign.key"), &[]);
    told.check();
}

#[test]
fn signature_errors_match_snapshot() {
    let mut told = Snapshot::of("signatures");
    let project = with_keys();
    let tar = ["-cf", "a.tar", "-C", "base", "."];
    output(environment::command("tar").current_dir(project.root()).args(tar));
    let mut call = |title: &str, args: &[&str]| {
        told.call(title, &project, args, project.oci(args).env("COSIGN_PASSWORD", "sesame"), 1);
    };
    call("an image that is not signed", &["verify", "base", "--key", "cosign.pub"]);
    let required = ["verify", "signed", "--key", "cosign.pub", "--require", "sbom"];
    call("an image without the signed SBOM that is required", &required);
    call("an image that another key has signed", &["verify", "signed", "--key", "other.pub"]);
    call("no image", &["verify", "./nowhere", "--key", "cosign.pub"]);
    call("an image that is not there", &["sign", "base:v2", "--key", "cosign.key"]);
    call("an archive to sign", &["sign", "a.tar", "--key", "cosign.key"]);
    call("a statement that is not there", &["sign", "base", "--key", "cosign.key", "--attest", "spdx=b.json"]);
    call("a statement that is no JSON", &["sign", "base", "--key", "cosign.key", "--attest", "spdx=a.txt"]);
    call("a file to attach that is not there", &["attach", "base", "b.txt", "--artifact-type", "text/b"]);
    call("a folder to attach", &["attach", "base", "signed", "--artifact-type", "text/b"]);
    let of_windows = ["attach", "base", "a.txt", "--artifact-type", "text/a", "--platform", "windows/amd64"];
    call("a platform that the image is not for", &of_windows);
    call("what is attached to no image", &["referrers", "base:v2"]);

    let registry = StrictRegistry::start(Behaviour { attaching: Attaching::Refused, ..Behaviour::default() });
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let image = registry.reference("static:nonroot");
    call("a registry that takes no artifacts", &["sign", &image, "--key", "cosign.key"]);
    let missing = registry.reference("static:v2");
    call("an image that no registry has", &["attach", &missing, "a.txt", "--artifact-type", "text/a"]);
    let registry = StrictRegistry::start(Behaviour::default());
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let digest = crate::support::digest(&project.path("base"));
    let manifest = fs::read(crate::support::blob(&project.path("base"), &digest)).expect("an index");
    let child: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    let child = child["manifests"][0]["digest"].as_str().expect("a digest");
    let child = fs::read(crate::support::blob(&project.path("base"), child)).expect("a manifest");
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    registry.put_manifest("static", media_type, &child, Some(&digest.replace(':', "-")));
    let image = registry.reference("static:nonroot");
    call("a tag for a list that is none", &["attach", &image, "a.txt", "--artifact-type", "text/a"]);
    let registry =
        StrictRegistry::start(Behaviour { attaching: Attaching::Rivals(usize::MAX), ..Behaviour::default() });
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let image = registry.reference("static:nonroot");
    call("other clients that do not stop to write", &["attach", &image, "a.txt", "--artifact-type", "text/a"]);

    for blob in fs::read_dir(project.path("signed/blobs/sha256")).expect("blobs").flatten() {
        let mut content = fs::read(blob.path()).expect("a blob");
        if content.starts_with(b"{\"dsseEnvelope\"") {
            content[40] ^= 1;
            fs::write(blob.path(), content).expect("a blob");
        }
    }
    call("signatures that were changed where they are kept", &["verify", "signed", "--key", "cosign.pub"]);
    told.check();
}

#[test]
fn base_signature_errors_match_snapshot() {
    let mut told = Snapshot::of("base-signatures");
    let project = with_keys();
    let table = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
        [package.metadata.oci]\nbase-verify = { key = \"KEY\" }\nplatforms = [\"linux/amd64\"]\n";
    let project = project.file("src/main.rs", "fn main() {}\n");
    let with = |project: Project, key: &str| project.file("Cargo.toml", &table.replace("KEY", key));
    let project = with(project, "cosign.pub");
    told.error("a base that is not signed", &project, &["build", "--base", "oci:base"]);
    let registry = StrictRegistry::start(Behaviour::default());
    registry.put_layout(&project.path("base"), "static", "nonroot");
    let image = registry.reference("static:nonroot");
    told.error("a base in a registry that is not signed", &project, &["build", "--base", &image]);
    told.error("a base that was not verified before", &project, &["build", "--offline", "--base", &image]);
    let project = with(project, "other.pub");
    told.error("a base that another key has signed", &project, &["build", "--base", "oci:signed"]);
    let project = with(project, "nowhere.pub");
    told.error("a key of a base that is not there", &project, &["build", "--base", "oci:signed"]);
    told.check();
}
