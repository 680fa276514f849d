//! A policy, and what is known of an image → the rules that it breaks, with the evidence.

mod crates;

use jiff::Timestamp;
use serde_json::Value;

use crate::config::{NamePattern, Policy, RequiredDocument};
use crate::event::Certificate;
use crate::image::predicate;

/// What is known of an image. Of an image that others have made, only what is signed counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyFacts {
    /// What the certificate of its signature says; `None` if it is signed with a key, or not yet.
    pub certificate: Option<Certificate>,
    /// Whether it is signed without a key, or nobody knows yet.
    pub is_signed: bool,
    /// Its documents: predicate types and predicates.
    pub documents: Vec<(String, Value)>,
    /// The bases of the images for its platforms.
    pub bases: Vec<String>,
    /// When it was made: the oldest of its images.
    pub created: Option<Timestamp>,
}

/// A rule that an image breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokenRule {
    /// The key of the rule.
    pub rule: &'static str,
    /// What was found, and what would be right.
    pub evidence: String,
}

/// Returns the rules that an image breaks, at the time `now`. Who must have signed it is for the caller to verify.
pub(crate) fn broken_rules(policy: &Policy, facts: &PolicyFacts, now: Timestamp) -> Vec<BrokenRule> {
    let mut broken = Vec::new();
    let mut add =
        |rule, evidence: Option<String>| broken.extend(evidence.map(|evidence| BrokenRule { rule, evidence }));
    for document in &policy.require {
        add("require", facts.lacks(*document));
    }
    let provenance = |path: &[&str]| facts.of_provenance(path);
    let builders = provenance(&["runDetails", "builder", "id"]);
    add("builders", unmatched(&policy.builders, &builders, "no provenance names a builder"));
    add(
        "sources",
        unmatched(
            &policy.sources,
            &facts.sources(),
            "neither provenance nor certificate name the repository of the source",
        ),
    );
    if facts.is_signed {
        let workflows: Vec<_> =
            facts.certificate.iter().filter_map(|certificate| certificate.workflow.clone()).collect();
        add("workflows", unmatched(&policy.workflows, &workflows, "no certificate names a workflow"));
    }
    add("bases", unmatched(&policy.bases, &facts.bases, "nothing names its base"));
    add("max-age", facts.too_old(policy, now));
    if !policy.licenses.is_empty() || !policy.deny_crates.is_empty() {
        let (licenses, denied) = crates::check(policy, &facts.documents);
        add("licenses", licenses);
        add("deny-crates", denied);
    }
    broken
}

impl PolicyFacts {
    fn lacks(&self, document: RequiredDocument) -> Option<String> {
        let (title, types): (_, &[&str]) = match document {
            RequiredDocument::Sbom => ("SBOM", &[predicate::CYCLONEDX, predicate::SPDX]),
            RequiredDocument::Provenance => ("provenance", &[predicate::PROVENANCE]),
            RequiredDocument::Vex => ("VEX document", &[predicate::VEX]),
        };
        let has = self.documents.iter().any(|(kind, _)| types.iter().any(|own| predicate::is_same(own, kind)));
        let attached = if self.is_signed { "signed and attached" } else { "attached" };
        (!has).then(|| format!("no {title} is {attached}"))
    }

    /// Returns the texts at a path in all provenance.
    fn of_provenance(&self, path: &[&str]) -> Vec<String> {
        let all = self.documents.iter().filter(|(kind, _)| kind == predicate::PROVENANCE);
        all.filter_map(|(_, document)| {
            path.iter().try_fold(document, |value, key| value.get(key))?.as_str().map(str::to_owned)
        })
        .collect()
    }

    /// Returns the repositories of the source: by the certificate, and by provenance.
    fn sources(&self) -> Vec<String> {
        let mut found: Vec<_> =
            self.certificate.iter().filter_map(|certificate| certificate.repository.clone()).collect();
        for (_, document) in self.documents.iter().filter(|(kind, _)| kind == predicate::PROVENANCE) {
            let inputs = document["buildDefinition"]["resolvedDependencies"].as_array().into_iter().flatten();
            for uri in inputs.filter(|input| input["name"] == "source").filter_map(|input| input["uri"].as_str()) {
                // As pip and others write a repository of git; a commit may follow.
                let uri = uri.strip_prefix("git+").unwrap_or(uri);
                found.push(uri.trim_end_matches(".git").to_owned());
            }
        }
        found
    }

    fn too_old(&self, policy: &Policy, now: Timestamp) -> Option<String> {
        let most = policy.max_age.as_ref()?;
        let signed = self.certificate.as_ref().and_then(|certificate| certificate.signed_at);
        let (what, since) = match (signed, self.created) {
            (Some(signed), _) => ("signed", signed),
            (None, Some(created)) => ("made", created),
            (None, None) => return Some("nothing says how old it is".to_owned()),
        };
        let age = now.duration_since(since);
        let days = age.as_hours() / 24;
        let is_older = age.unsigned_abs() > most.duration && !age.is_negative();
        is_older.then(|| {
            format!(
                "it was {what} at {since}, {days} {} ago: the most is {}",
                if days == 1 { "day" } else { "days" },
                most.text
            )
        })
    }
}

/// Returns which of the names is none of the patterns, or `none` if there is no name. A rule without patterns is none.
fn unmatched(patterns: &[NamePattern], names: &[String], none: &str) -> Option<String> {
    if patterns.is_empty() {
        return None;
    }
    if names.is_empty() {
        return Some(none.to_owned());
    }
    let other = names.iter().find(|name| !patterns.iter().any(|pattern| pattern.is_match(name)))?;
    let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
    Some(format!("`{other}` is none of {}", patterns.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(text: &str) -> Policy {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, text).expect("a file");
        Policy::read_file(&path).expect("a policy")
    }

    fn facts() -> PolicyFacts {
        let provenance = json!({
            "buildDefinition": { "resolvedDependencies": [
                { "name": "source", "uri": "git+https://github.com/acme/hello", "digest": { "gitCommit": "1" } },
            ] },
            "runDetails": { "builder": { "id": "urn:cargo-oci" } },
        });
        let sbom = json!({ "bomFormat": "CycloneDX", "components": [
            { "type": "library", "name": "a", "version": "1.2.0", "purl": "pkg:cargo/a@1.2.0", "licenses": [{ "expression": "MIT OR Apache-2.0" }] },
            { "type": "library", "name": "b", "version": "0.3.0", "purl": "pkg:cargo/b@0.3.0", "licenses": [{ "expression": "GPL-3.0-only" }] },
            { "type": "library", "name": "base-files", "version": "13", "purl": "pkg:deb/debian/base-files@13" },
        ] });
        PolicyFacts {
            certificate: Some(Certificate {
                repository: Some("https://github.com/acme/hello".to_owned()),
                workflow: Some("https://github.com/acme/hello/.github/workflows/release.yml@refs/tags/v1".to_owned()),
                signed_at: Some(at("2026-11-01T00:00:00Z")),
                ..Certificate::default()
            }),
            is_signed: true,
            documents: vec![(predicate::PROVENANCE.to_owned(), provenance), (predicate::CYCLONEDX.to_owned(), sbom)],
            bases: vec!["gcr.io/distroless/static-debian13:nonroot".to_owned()],
            created: Some(at("2026-01-01T00:00:00Z")),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn broken(text: &str, facts: &PolicyFacts) -> Vec<String> {
        let found = broken_rules(&policy(text), facts, at("2026-11-30T00:00:00Z"));
        found.into_iter().map(|broken| format!("{}: {}", broken.rule, broken.evidence)).collect()
    }

    #[test]
    fn policy_that_is_kept_breaks_no_rule() {
        let text = r#"
            require = ["sbom", "provenance"]
            builders = ["urn:cargo-oci"]
            sources = ["https://github.com/acme/*"]
            workflows = ["https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*"]
            bases = ["gcr.io/distroless/*"]
            max-age = "30d"
            licenses = ["MIT", "GPL-3.0-only"]
            deny-crates = ["openssl-sys", "a@<1.0"]
        "#;
        assert_eq!(broken(text, &facts()), [""; 0]);
        assert_eq!(broken("", &PolicyFacts::default()), [""; 0]);
    }

    #[test]
    fn broken_rules_are_told_with_evidence() {
        for (rule, expected) in [
            ("require = ['vex']", "require: no VEX document is signed and attached"),
            ("builders = ['https://github.com/*']", "builders: `urn:cargo-oci` is none of https://github.com/*"),
            (
                "sources = ['https://github.com/other/*']",
                "sources: `https://github.com/acme/hello` is none of https://github.com/other/*",
            ),
            (
                "workflows = ['*/ci.yml@*']",
                "workflows: `https://github.com/acme/hello/.github/workflows/release.yml@refs/tags/v1` is none of */ci.yml@*",
            ),
            (
                "bases = ['cgr.dev/*', 'scratch']",
                "bases: `gcr.io/distroless/static-debian13:nonroot` is none of cgr.dev/*, scratch",
            ),
            ("max-age = '28d'", "max-age: it was signed at 2026-11-01T00:00:00Z, 29 days ago: the most is 28d"),
            ("licenses = ['MIT']", "licenses: b 0.3.0 has the license GPL-3.0-only"),
            ("deny-crates = ['a@<2', 'b@1']", "deny-crates: a 1.2.0 is denied by a@<2"),
        ] {
            assert_eq!(broken(rule, &facts()), [expected], "{rule}");
        }
    }

    #[test]
    fn rules_without_evidence_are_broken() {
        let nothing = PolicyFacts { is_signed: true, ..PolicyFacts::default() };
        let text = "require = ['sbom']\nbuilders = ['*']\nsources = ['*']\nworkflows = ['*']\nbases = ['*']\nmax-age = '1d'\nlicenses = ['MIT']\ndeny-crates = ['a']";
        let broken = broken(text, &nothing);
        assert_eq!(broken.len(), 8, "{broken:?}");
        assert!(
            broken.iter().all(|rule| rule.contains(": no") || rule.contains(": nothing") || rule.contains(": neither")),
            "{broken:?}"
        );
    }

    #[test]
    fn policy_with_wrong_rules_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        for (text, words) in [
            ("signer = []", "unknown rule `signer`"),
            ("signers = ['nobody']", "unknown signer `nobody`"),
            ("signers = [false]", "expected"),
            ("max-age = '90'", "is no age"),
            ("max-age = '0d'", "is no age"),
            ("licenses = ['My own']", "is no license of SPDX"),
            ("deny-crates = ['a@!']", "are not as in Cargo.toml"),
            ("require = ['signature']", "unknown document"),
            ("bases = ['']", "expected a name"),
            ("bases = 'a'", "expected"),
            ("= 1", "invalid TOML"),
        ] {
            let path = folder.path().join("policy.toml");
            std::fs::write(&path, text).expect("a file");
            let error = Policy::read_file(&path).expect_err("wrong");
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
    }
}
