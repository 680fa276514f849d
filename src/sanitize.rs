//! Text from anywhere, such that a terminal that shows it shows just that.

/// Whether a terminal would take it for an order, or would not show that it is there: control characters, other line
/// breaks, and what turns the direction of text or has no width. What joins the letters of a script, or the parts of an
/// emoji, is none of these.
pub fn is_order(c: char) -> bool {
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

/// With all orders but line breaks shown, and not given.
pub fn harmless(text: &str) -> String {
    let escaped = |c: char| match is_order(c) && c != '\n' {
        true => c.escape_default().collect(),
        false => String::from(c),
    };
    text.chars().map(escaped).collect()
}

/// The same for a text whose places are known: as many bytes stand in the place of an order as it has.
pub fn harmless_in_place(text: &str) -> String {
    let replaced = |c: char| match c {
        '\n' | '\r' | '\t' => c,
        c if is_order(c) => ['?', '¿', '\u{fffd}'][c.len_utf8() - 1],
        c => c,
    };
    text.chars().map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_to_the_terminal_are_shown_and_not_given() {
        assert_eq!(harmless("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\nc");
        assert_eq!(
            harmless("a\u{9b}\u{202e}b\u{2066}\u{2028}\u{feff}"),
            "a\\u{9b}\\u{202e}b\\u{2066}\\u{2028}\\u{feff}"
        );
        // A family, and a word of Persian.
        for kept in ["👩\u{200d}👧", "می\u{200c}خواهم"] {
            assert_eq!(harmless(kept), kept);
        }
    }

    #[test]
    fn places_stay_where_they_are() {
        let text = "a\t\u{1b}\u{9b}\u{202e}b\r\n";
        assert_eq!(harmless_in_place(text), "a\t?¿\u{fffd}b\r\n");
        let every = ('\0'..char::MAX).filter(|c| is_order(*c)).collect::<String>();
        assert_eq!(harmless_in_place(&every).len(), every.len());
    }
}
