//! In-toto statements: a predicate about content (in-toto Attestation Framework, "Statement").

use miette::miette;
use serde_json::{Value, json};

use crate::error::Result;
use crate::image::{Digest, canonical_json, predicate};

/// The media type of a statement.
pub(crate) const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The version to write.
const V1: &str = "https://in-toto.io/Statement/v1";
/// The versions to read; cosign writes the older one.
const VERSIONS: [&str; 2] = [V1, "https://in-toto.io/Statement/v0.1"];

/// A statement about content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    /// The content: names, which may be empty, and digests.
    pub subjects: Vec<(String, Digest)>,
    /// The type of the predicate: a URI.
    pub predicate_type: String,
    /// The predicate.
    pub predicate: Value,
}

impl Statement {
    /// Creates a statement that the content of a digest is signed.
    pub(crate) fn signature(subject: &Digest) -> Statement {
        Statement::new("", subject, predicate::SIGNATURE, json!({}))
    }

    /// Creates a statement about the content of a digest. `name` is for people.
    pub(crate) fn new(name: &str, subject: &Digest, predicate_type: &str, predicate: Value) -> Statement {
        let subjects = vec![(name.to_owned(), subject.clone())];
        Statement { subjects, predicate_type: predicate_type.to_owned(), predicate }
    }

    /// Returns whether the statement is a plain signature of its subject.
    pub(crate) fn is_signature(&self) -> bool {
        self.predicate_type == predicate::SIGNATURE
    }

    /// Returns the title of the predicate type, for people.
    pub(crate) fn title(&self) -> &str {
        predicate::title(&self.predicate_type)
    }

    /// Returns whether the statement is about the content of a digest.
    pub(crate) fn is_about(&self, digest: &Digest) -> bool {
        self.subjects.iter().any(|(_, subject)| subject == digest)
    }

    /// Returns the statement as JSON. Equal statements give equal bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut subjects = Vec::new();
        for (name, digest) in &self.subjects {
            let mut subject = json!({ "digest": { (digest.algorithm().to_string()): digest.digest() } });
            if !name.is_empty() {
                subject["name"] = json!(name);
            }
            subjects.push(subject);
        }
        canonical_json(&json!({
            "_type": V1,
            "subject": subjects,
            "predicateType": self.predicate_type,
            "predicate": self.predicate,
        }))
    }

    /// Parses a statement.
    ///
    /// # Errors
    /// Returns an error if `bytes` is not a statement of a known version.
    pub(crate) fn read(bytes: &[u8]) -> Result<Statement> {
        let json: Value = serde_json::from_slice(bytes).map_err(|error| miette!("invalid JSON: {error}"))?;
        let version = json["_type"].as_str().unwrap_or_default();
        if !VERSIONS.contains(&version) {
            return Err(miette!("expected an in-toto statement, found `{version}`"));
        }
        let mut subjects = Vec::new();
        for subject in json["subject"].as_array().into_iter().flatten() {
            let digests = subject["digest"].as_object().into_iter().flatten();
            // Digests of other algorithms, such as git commits, do not name content of a registry.
            let digests = digests.filter_map(|(name, hex)| Digest::try_from(format!("{name}:{}", hex.as_str()?)).ok());
            let name = subject["name"].as_str().unwrap_or_default();
            subjects.extend(digests.map(|digest| (name.to_owned(), digest)));
        }
        let predicate_type = json["predicateType"].as_str().unwrap_or_default().to_owned();
        Ok(Statement { subjects, predicate_type, predicate: json["predicate"].clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    #[test]
    fn statement_round_trips() {
        let digest = sha256(b"image");
        let statement = Statement::new("ghcr.io/acme/x", &digest, predicate::CYCLONEDX, json!({ "a": [1] }));
        assert_eq!(Statement::read(&statement.bytes()).expect("reads"), statement);
        assert!(statement.is_about(&digest) && !statement.is_about(&sha256(b"other")));
    }

    #[test]
    fn statement_of_cosign_is_read() {
        let hex = "a".repeat(64);
        let cosign = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v0.1","subject":[{{"name":"x","digest":{{"sha256":"{hex}","gitCommit":"1"}}}}],
               "predicateType":"https://cyclonedx.org/bom","predicate":{{}}}}"#
        );
        let read = Statement::read(cosign.as_bytes()).expect("reads");
        assert_eq!((read.subjects.len(), read.predicate_type.as_str()), (1, predicate::CYCLONEDX));
        for other in ["{}", "[]", "", r#"{"_type":"https://in-toto.io/Statement/v2"}"#] {
            assert!(Statement::read(other.as_bytes()).is_err(), "{other}");
        }
    }
}
