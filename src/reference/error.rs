//! Why a text is not a reference.

/// Why a text is not a reference.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not {kind}: {reason}")]
pub struct ReferenceError {
    text: String,
    /// With its article, such as `an engine`.
    kind: &'static str,
    reason: String,
}

impl ReferenceError {
    pub(super) fn new(text: &str, kind: &'static str, reason: impl Into<String>) -> ReferenceError {
        ReferenceError { text: text.to_owned(), kind, reason: reason.into() }
    }
}
