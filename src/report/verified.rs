//! What was verified of an image → lines.

use crate::event::Certificate;
use crate::image::Digest;

/// Returns the verb and the text of a manifest whose statements were verified.
pub(super) fn verified(image: &str, digest: &Digest, said: &[String]) -> (&'static str, String) {
    ("Verified", format!("{image} {digest}: {}", said.join(", ")))
}

/// Returns the verbs and the texts that say who has signed an image.
pub(super) fn signer(signer: &str, certificate: Option<&Certificate>) -> Vec<(&'static str, String)> {
    let Some(certificate) = certificate else { return vec![("Signed by", format!("the owner of {signer}"))] };
    let mut lines = vec![("Signed by", format!("{} (identified by {})", certificate.subject, certificate.issuer))];
    if let Some(time) = certificate.signed_at {
        let log = certificate.log_index.map(|at| format!(", entry {at} of the log")).unwrap_or_default();
        lines.push(("Signed at", format!("{time}{log}")));
    }
    if let Some(repository) = &certificate.repository {
        let commit = certificate.revision.as_ref().map(|commit| format!(", commit {commit}")).unwrap_or_default();
        let git_ref = certificate.git_ref.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        lines.push(("Built from", format!("{repository}{commit}{git_ref}")));
    }
    if let Some(run) = certificate.run.as_ref().or(certificate.workflow.as_ref()) {
        let trigger = certificate.trigger.as_ref().map(|trigger| format!(", on {trigger}")).unwrap_or_default();
        lines.push(("Built by", format!("{run}{trigger}")));
    }
    lines
}
