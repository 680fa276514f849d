//! Suggestions for misspelled words: "did you mean …?".

/// Shorter prefixes begin too many words.
const MIN_PREFIX_CHARS: usize = 3;

/// Returns the word of `known` that is nearest to `word`, or `None` if none is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().filter_map(|known| Some((distance(word, known)?, known)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// Returns the edit distance of two words if it is at most a third of the longer one, as in rustc, and they have something
/// in common. A word is near its prefix, too.
fn distance(word: &str, known: &str) -> Option<usize> {
    let (length, known_length) = (word.chars().count(), known.chars().count());
    let longer = length.max(known_length);
    let limit = longer.max(3) / 3;
    let distance = strsim::damerau_levenshtein(word, known);
    if distance <= limit && distance < longer {
        return Some(distance);
    }
    let is_prefix = known.starts_with(word) || word.starts_with(known);
    (is_prefix && length.min(known_length) >= MIN_PREFIX_CHARS).then_some(distance)
}

/// Returns ` (did you mean …?)` for the nearest of `known`, or an empty string if none is near.
pub(crate) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_typos_and_prefixes() {
        let known = ["embedded", "scratch", "repository", "key"];
        for (typed, meant) in [
            ("embeded", "embedded"),
            ("scrtach", "scratch"),
            ("repo", "repository"),
            ("kay", "key"),
            ("key-name", "key"),
        ] {
            assert_eq!(nearest(typed, known), Some(meant));
        }
    }

    #[test]
    fn nearest_ignores_other_words() {
        for other in ["search", "crate", "static", "debian", "e", "x", ""] {
            assert_eq!(nearest(other, ["embedded", "scratch", "repository", "key", "y"]), None, "{other}");
        }
    }
}
