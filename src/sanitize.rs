//! Sanitizing text for a terminal: control characters from outside must not control it.

/// Returns whether `c` controls a terminal or is invisible in one: control characters, line separators, direction marks and
/// zero-width characters. Zero-width joiners are allowed, because emoji and some scripts need them.
pub(crate) fn is_terminal_control(c: char) -> bool {
    let is_invisible = matches!(
        c,
        '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    );
    c.is_control() || is_invisible
}

/// Returns `text` with all terminal control characters but line feeds escaped.
pub(crate) fn sanitize(text: &str) -> String {
    let mut sanitized = String::with_capacity(text.len());
    for c in text.chars() {
        if is_terminal_control(c) && c != '\n' {
            sanitized.extend(c.escape_default());
        } else {
            sanitized.push(c);
        }
    }
    sanitized
}

/// Returns `text` with each terminal control character replaced by a visible one of as many bytes, so that positions in
/// the text stay valid.
pub(crate) fn sanitize_in_place(text: &str) -> String {
    text.chars().map(same_length).collect()
}

fn same_length(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => c,
        c if is_terminal_control(c) => ['?', '¿', '\u{fffd}'][c.len_utf8() - 1],
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sanitize_escapes_control_characters_only() {
        assert_eq!(sanitize("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\nc");
        assert_eq!(
            sanitize("a\u{9b}\u{202e}b\u{2066}\u{2028}\u{feff}"),
            "a\\u{9b}\\u{202e}b\\u{2066}\\u{2028}\\u{feff}"
        );
        // An emoji of a family, and a Persian word.
        for kept in ["👩\u{200d}👧", "می\u{200c}خواهم"] {
            assert_eq!(sanitize(kept), kept);
        }
    }

    #[test]
    fn sanitize_in_place_keeps_positions() {
        let text = "a\t\u{1b}\u{9b}\u{202e}b\r\n";
        assert_eq!(sanitize_in_place(text), "a\t?¿\u{fffd}b\r\n");
        let every = ('\0'..char::MAX).filter(|c| is_terminal_control(*c)).collect::<String>();
        assert_eq!(sanitize_in_place(&every).len(), every.len());
    }
}
