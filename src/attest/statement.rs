//! Statements: what is said of which content (in-toto Attestation Framework, "Statement").

use miette::miette;
use serde_json::{Value, json};

use crate::error::Result;
use crate::image::{Digest, canonical_json, predicate};

/// The media type of a statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The version that is written.
const V1: &str = "https://in-toto.io/Statement/v1";
/// The versions that are read; cosign writes the older one.
const VERSIONS: [&str; 2] = [V1, "https://in-toto.io/Statement/v0.1"];

/// Something that is said of content.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is said of: names, which may be empty, and digests.
    pub subjects: Vec<(String, Digest)>,
    /// What kind of thing is said: a URI.
    pub predicate_type: String,
    /// What is said.
    pub predicate: Value,
}

impl Statement {
    /// That the content of a digest is signed.
    pub fn signature(subject: &Digest) -> Statement {
        Statement::new("", subject, predicate::SIGNATURE, json!({}))
    }

    /// Anything of the content of a digest; `name` is where it is, for those who read it.
    pub fn new(name: &str, subject: &Digest, predicate_type: &str, predicate: Value) -> Statement {
        let subjects = vec![(name.to_owned(), subject.clone())];
        Statement { subjects, predicate_type: predicate_type.to_owned(), predicate }
    }

    /// Whether it says that its subject is signed, and nothing else.
    pub fn is_signature(&self) -> bool {
        self.predicate_type == predicate::SIGNATURE
    }

    /// What is said, for people.
    pub fn title(&self) -> &str {
        predicate::title(&self.predicate_type)
    }

    /// Whether it is about the content of that digest.
    pub fn is_about(&self, digest: &Digest) -> bool {
        self.subjects.iter().any(|(_, subject)| subject == digest)
    }

    /// Its bytes, the same for the same statement.
    pub fn bytes(&self) -> Vec<u8> {
        let subject = |(name, digest): &(String, Digest)| {
            let mut subject = json!({ "digest": { (digest.algorithm().to_string()): digest.digest() } });
            if !name.is_empty() {
                subject["name"] = json!(name);
            }
            subject
        };
        canonical_json(&json!({
            "_type": V1,
            "subject": self.subjects.iter().map(subject).collect::<Vec<_>>(),
            "predicateType": self.predicate_type,
            "predicate": self.predicate,
        }))
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is no statement of a version that is known here.
    pub fn read(bytes: &[u8]) -> Result<Statement> {
        let json: Value = serde_json::from_slice(bytes).map_err(|error| miette!("it is not JSON: {error}"))?;
        let version = json["_type"].as_str().unwrap_or_default();
        if !VERSIONS.contains(&version) {
            return Err(miette!("it is no in-toto statement, but `{version}`"));
        }
        let mut subjects = Vec::new();
        for subject in json["subject"].as_array().into_iter().flatten() {
            let digests = subject["digest"].as_object().into_iter().flatten();
            // Of digests by algorithms that name no content here, nothing is to be known.
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
    fn a_statement_is_read_back() {
        let digest = sha256(b"image");
        let statement = Statement::new("ghcr.io/acme/x", &digest, predicate::CYCLONEDX, json!({ "a": [1] }));
        assert_eq!(Statement::read(&statement.bytes()).expect("reads"), statement);
        assert!(statement.is_about(&digest) && !statement.is_about(&sha256(b"other")));
    }

    #[test]
    fn cosigns_own_is_read_and_other_documents_are_not() {
        let hex = "a".repeat(64);
        let cosigns = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v0.1","subject":[{{"name":"x","digest":{{"sha256":"{hex}","gitCommit":"1"}}}}],
               "predicateType":"https://cyclonedx.org/bom","predicate":{{}}}}"#
        );
        let read = Statement::read(cosigns.as_bytes()).expect("reads");
        assert_eq!((read.subjects.len(), read.predicate_type.as_str()), (1, predicate::CYCLONEDX));
        for other in ["{}", "[]", "", r#"{"_type":"https://in-toto.io/Statement/v2"}"#] {
            assert!(Statement::read(other.as_bytes()).is_err(), "{other}");
        }
    }
}
