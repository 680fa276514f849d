//! Names from untrusted images, shortened for error messages.

/// How many characters of a name are shown.
const MAX_CHARACTERS: usize = 200;
/// How many names of a list are shown.
const MAX_NAMES: usize = 10;

/// Returns bytes of a tar in backquotes, shortened.
pub fn quote(bytes: &[u8]) -> String {
    format!("`{}`", shorten(&String::from_utf8_lossy(bytes)))
}

/// Returns names of an image separated by commas, shortened.
pub fn join<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let omitted = names.len().saturating_sub(MAX_NAMES);
    let shown: Vec<_> = names.take(MAX_NAMES).map(|name| shorten(name)).collect();
    match omitted {
        0 => shown.join(", "),
        omitted => format!("{} and {omitted} more", shown.join(", ")),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_and_lists_are_shortened() {
        assert_eq!(quote(&[b'n'; 200]), format!("`{}`", "n".repeat(200)));
        assert_eq!(quote("ä".repeat(9000).as_bytes()), format!("`{}…`", "ä".repeat(200)));
        let names: Vec<_> = (0..12).map(|number| number.to_string()).collect();
        assert_eq!(join(names[..10].iter()), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
        assert_eq!(join(names.iter()), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }
}
