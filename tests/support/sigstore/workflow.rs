//! The identity of a job of GitHub Actions: its token, and what Fulcio writes of it into a certificate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Who has given the token.
const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// The extensions of Fulcio's certificates (fulcio, `oid-info.md`): the last number, the claim, and what comes before it.
const EXTENSIONS: [(u64, &str, &str); 13] = [
    (8, "iss", ""),
    (9, "job_workflow_ref", "https://github.com/"),
    (11, "runner_environment", ""),
    (12, "repository", "https://github.com/"),
    (13, "sha", ""),
    (14, "ref", ""),
    (15, "repository_id", ""),
    (16, "repository_owner", "https://github.com/"),
    (17, "repository_owner_id", ""),
    (18, "workflow_ref", "https://github.com/"),
    (20, "event_name", ""),
    (21, "run", "https://github.com/"),
    (22, "repository_visibility", ""),
];

/// A token of the workflow `release.yml` in a repository, `OWNER/NAME`. Nobody has signed it.
pub fn workflow_token(repository: &str) -> String {
    let workflow = format!("{repository}/.github/workflows/release.yml@refs/tags/v1");
    let until = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time") + Duration::from_secs(600);
    let claims = json!({
        "iss": GITHUB,
        "aud": "sigstore",
        "sub": format!("repo:{repository}:ref:refs/tags/v1"),
        "exp": until.as_secs(),
        "workflow_ref": workflow,
        "job_workflow_ref": workflow,
        "run": format!("{repository}/actions/runs/1/attempts/1"),
        "event_name": "push",
        "repository_id": "1",
        "repository_owner_id": "2",
        "repository_visibility": "public",
        "repository": repository,
        "repository_owner": repository.split('/').next(),
        "runner_environment": "github-hosted",
        "sha": "0".repeat(40),
        "ref": "refs/tags/v1",
    });
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.x", part(json!({ "alg": "RS256" })), part(claims))
}

/// Returns the URL of the workflow that a token names, and what else a certificate says of it; or `None` for other tokens.
pub fn named(claims: &Value) -> Option<(String, Vec<(u64, String)>)> {
    let workflow = claims["job_workflow_ref"].as_str()?;
    let text = |claim: &str| claims[claim].as_str().expect("a claim");
    let more = EXTENSIONS.iter().map(|(number, claim, before)| (*number, format!("{before}{}", text(claim))));
    Some((format!("https://github.com/{workflow}"), more.collect()))
}
