//! A text that is compared: the content of a file, or what a program printed.

use crate::config::Expression;

/// The most bytes of a text that are compared.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// A text, or its beginning.
#[derive(Debug, Default)]
pub(super) struct ComparedText {
    /// The text.
    pub text: String,
    /// Whether it goes on.
    is_cut: bool,
}

impl ComparedText {
    /// Returns the text of bytes, of which there are more than [`MOST_BYTES`] if it goes on.
    pub(super) fn of(bytes: &[u8]) -> ComparedText {
        let kept = &bytes[..bytes.len().min(MOST_BYTES)];
        ComparedText { text: String::from_utf8_lossy(kept).into_owned(), is_cut: bytes.len() > MOST_BYTES }
    }

    /// Returns which of the expressions do not match, or should not.
    pub(super) fn differences(&self, what: &str, expected: &[Expression], excluded: &[Expression]) -> Vec<String> {
        // What is not read could match.
        if self.is_cut && !(expected.is_empty() && excluded.is_empty()) {
            return vec![format!("{what} is longer than {} MiB, the most that is compared", MOST_BYTES >> 20)];
        }
        let text = &self.text;
        let missing = expected.iter().filter(|expression| !expression.is_match(text));
        let missing = missing.map(|expression| format!("{what} does not match `{expression}`{}", shown(text)));
        let unwanted = excluded.iter().filter(|expression| expression.is_match(text));
        missing.chain(unwanted.map(|expression| format!("{what} matches `{expression}`{}", shown(text)))).collect()
    }
}

/// Returns the beginning of a text, for a message.
pub(super) fn shown(text: &str) -> String {
    const MOST_CHARS: usize = 400;
    let text = text.trim();
    let begin: String = text.chars().take(MOST_CHARS).collect();
    match (begin.is_empty(), begin.len() < text.len()) {
        (true, _) => ": it is empty".to_owned(),
        (false, false) => format!(": {begin}"),
        (false, true) => format!(": {begin} …"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_cut_passes_no_comparison() {
        let mut bytes = vec![b'a'; MOST_BYTES];
        let expression = |text: &str| [text.parse::<Expression>().expect("an expression")];
        let whole = ComparedText::of(&bytes);
        assert_eq!(whole.differences("it", &expression("a$"), &expression("SECRET")), [""; 0]);
        bytes.extend(b"SECRET");
        let cut = ComparedText::of(&bytes);
        let longer = ["it is longer than 64 MiB, the most that is compared"];
        assert_eq!(cut.differences("it", &[], &expression("SECRET")), longer);
        assert_eq!(cut.differences("it", &expression("a$"), &[]), longer);
        assert_eq!(cut.differences("it", &[], &[]), [""; 0]);
    }
}
