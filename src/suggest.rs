//! Suggestions for misspelled words: "did you mean …?".

/// The least Jaro-Winkler similarity of a suggestion. Below it, `search` would suggest `scratch`.
const MIN_SIMILARITY: f64 = 0.83;

/// Returns the word of `known` that is most similar to `word`, or `None` if none is similar enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(word, known), known))
        .filter(|(similarity, _)| *similarity > MIN_SIMILARITY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// Returns ` (did you mean …?)` for the nearest of `known`, or an empty string if none is similar enough.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_suggests_typos_but_no_other_words() {
        let known = ["embedded", "scratch"];
        for (typed, meant) in [("embeded", "embedded"), ("scrtach", "scratch"), ("escratch", "scratch")] {
            assert_eq!(nearest(typed, known), Some(meant));
        }
        for other in ["search", "crate", "static", "debian", ""] {
            assert_eq!(nearest(other, known), None, "{other}");
        }
    }
}
