//! What is used for a registry → lines.

use crate::inspect::registry::RegistryFacts;
use crate::sanitize::sanitize;

/// Returns a line for each fact: what it is about, its value, and its source in parentheses.
pub(crate) fn lines(found: &RegistryFacts) -> String {
    let width = found.facts.iter().map(|fact| fact.what.len()).max().unwrap_or_default();
    let lines = found.facts.iter().map(|fact| {
        let source = fact.source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        sanitize(&format!("{:width$}  {}{source}", fact.what, fact.value)).replace('\n', " ") + "\n"
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::registry::RegistryFact;

    #[test]
    fn fact_line_has_its_source() {
        let facts =
            vec![RegistryFact::new("scheme", "https", "default"), RegistryFact::plain("/v2/", "200\u{1b}[1m OK")];
        let found = RegistryFacts { registry: "a.io".to_owned(), reachable: true, facts };
        assert_eq!(lines(&found), "scheme  https (default)\n/v2/    200\\u{1b}[1m OK\n");
    }
}
