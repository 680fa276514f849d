//! The vectors of sigstore's conformance suite that are about verification: `fixtures/sigstore-conformance`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::certificate::{CertificateVerifier, LogProof};
use super::trusted_root;
use super::trusted_signer::check;
use crate::error::Result;
use crate::image::digest::sha256;
use crate::reference::{CertificateIdentity, IdentityPattern};

/// Who has signed, where a vector does not say.
const SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sigstore-conformance")
}

fn text(vector: &Path, file: &str) -> Option<String> {
    fs::read_to_string(vector.join(file)).ok().map(|text| text.trim().to_owned())
}

/// Verifies a vector as `cargo oci verify` verifies a bundle of its kind.
fn verify(vector: &Path) -> Result<()> {
    let bundle = fs::read(vector.join("bundle.sigstore.json")).expect("a bundle");
    let artifact = fs::read(vector.join("artifact")).or_else(|_| fs::read(folder().join("a.txt"))).expect("a file");
    let root = vector.join("trusted_root.json");
    let verifier: CertificateVerifier =
        if root.exists() { trusted_root::read(&root)? } else { trusted_root::built_in()? };
    let is_statement = serde_json::from_slice(&bundle).is_ok_and(|json: Value| json.get("dsseEnvelope").is_some());
    let certificate = if is_statement {
        verifier.verify_statement(&bundle, &sha256(&artifact), LogProof::Inclusion)?
    } else {
        verifier.verify_content(&bundle, &artifact, LogProof::Inclusion)?
    };
    let exact = |file, otherwise: &str| IdentityPattern::Exact(text(vector, file).unwrap_or(otherwise.to_owned()));
    let (subject, issuer) = (exact("identity", SUBJECT), exact("issuer", ISSUER));
    check(&certificate, &CertificateIdentity { subject, issuer, trusted_root: None })
}

#[test]
fn conformance_vectors_are_accepted_and_refused() {
    let entries = fs::read_dir(folder()).expect("vectors").map(|entry| entry.expect("a vector").path());
    // The others are files that a key has signed: an image is no file, and its bundles with a key name no log.
    let vectors: Vec<_> = entries.filter(|path| path.is_dir() && !path.join("key.pub").exists()).collect();
    let mut problems = Vec::new();
    for vector in &vectors {
        let name = vector.file_name().expect("a name").to_string_lossy();
        match (verify(vector), name.ends_with("_fail")) {
            (Ok(()), false) | (Err(_), true) => {}
            (Ok(()), true) => problems.push(format!("{name}: accepted")),
            (Err(error), false) => problems.push(format!("{name}: {error}")),
        }
    }
    assert!(vectors.len() > 60 && problems.is_empty(), "{} vectors: {problems:#?}", vectors.len());
}
