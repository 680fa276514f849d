//! A Cargo.toml with another value of one key `base`. All other bytes stay: comments, order, line breaks, a byte order mark.
//!
//! The text is edited at the positions that the parser tells. Printing a parsed document anew would change line breaks and the
//! end of the file.

use std::ops::Range;

use serde_json::{Map, Value as Json};
use toml::de::{DeTable, DeValue};

use crate::config::document::as_json;
use crate::plan::base_keys::BaseTable;

/// The key that is edited.
const BASE: &str = "base";

/// A change of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TextEdit {
    /// What is replaced, in bytes; empty for an insertion.
    at: Range<usize>,
    /// What it is replaced with.
    with: String,
}

/// Returns the value of the key `base` in a table as it is written, or `None` if it has none.
pub(crate) fn base_in(text: &str, table: &BaseTable) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    Some(value_in(document.get_ref(), table)?.1)
}

/// Returns the text with this value of the key `base` in a table. Adds the key, and the table, if they are missing. Returns
/// `None` if the text cannot be edited so that nothing else changes its meaning.
pub(crate) fn with_base(text: &str, table: &BaseTable, value: &str) -> Option<String> {
    let expected = expected(text, table, value)?;
    let candidates = candidates(text, table, value)?;
    let edited = candidates.into_iter().map(|edit| applied(text, &edit));
    edited.into_iter().find(|edited| as_json(edited).is_ok_and(|found| found == expected))
}

fn applied(text: &str, edit: &TextEdit) -> String {
    [&text[..edit.at.start], &edit.with, &text[edit.at.end..]].concat()
}

/// Returns what the text must mean afterwards.
fn expected(text: &str, table: &BaseTable, value: &str) -> Option<Json> {
    let mut document = as_json(text).ok()?;
    let mut at = &mut document;
    for name in table.path() {
        at = at.as_object_mut()?.entry(name).or_insert_with(|| Json::Object(Map::new()));
    }
    at.as_object_mut()?.insert(BASE.to_owned(), Json::from(value));
    Some(document)
}

/// Returns the position and the value of the key.
fn value_in(document: &DeTable, table: &BaseTable) -> Option<(Range<usize>, String)> {
    let mut keys = document;
    for name in table.path() {
        keys = keys.get(name)?.get_ref().as_table()?;
    }
    let value = keys.get(BASE)?;
    Some((value.span(), value.get_ref().as_str()?.to_owned()))
}

/// Returns the edits to try, the plainest first.
fn candidates(text: &str, table: &BaseTable, value: &str) -> Option<Vec<TextEdit>> {
    let document = DeTable::parse(text).ok()?;
    let document = document.get_ref();
    if let Some((at, old)) = value_in(document, table) {
        // A reference has neither quotes nor backslashes.
        let quote = if text[at.clone()] == *format!("'{old}'") { '\'' } else { '"' };
        return Some(vec![TextEdit { at, with: format!("{quote}{value}{quote}") }]);
    }
    let key = format!("{BASE} = \"{value}\"");
    let appended = appended(text, table, &key);
    let mut keys = document;
    let mut found = None;
    for name in table.path() {
        let Some(value) = keys.get(name) else { return Some(vec![appended]) };
        keys = value.get_ref().as_table()?;
        found = Some(value);
    }
    let (span, is_empty) = (found?.span(), keys.is_empty());
    Some(match text.get(span.clone())? {
        header if header.starts_with('[') => vec![below(text, span, &key)],
        inline if inline.starts_with('{') => {
            let with = if is_empty { format!(" {key} ") } else { format!(" {key},") };
            vec![TextEdit { at: span.start + 1..span.start + 1, with }]
        }
        // A table that has no header: only its subtables have, or it is written as `metadata.oci.libc`.
        _ => {
            let first = keys.iter().filter(|(_, value)| !matches!(value.get_ref(), DeValue::Table(_)));
            let first = first.map(|(key, _)| key.span().start).min();
            let beside = first.map(|first| above(text, first, &key));
            std::iter::once(appended).chain(beside).collect()
        }
    })
}

/// Adds a line below that with the header of a table.
fn below(text: &str, header: Range<usize>, key: &str) -> TextEdit {
    let start = text[..header.start].rfind('\n').map_or(0, |end| end + 1);
    // Only spaces and a byte order mark are before a header.
    let indent = text[start..header.start].trim_start_matches('\u{feff}');
    match text[header.end..].find('\n') {
        Some(end) => {
            let at = header.end + end + 1;
            TextEdit { at: at..at, with: format!("{indent}{key}{}", line_break(&text[..at])) }
        }
        None => TextEdit { at: text.len()..text.len(), with: format!("{}{indent}{key}", line_break(text)) },
    }
}

/// Adds a line above that with a dotted key, with what is before the last name of the key.
fn above(text: &str, name: usize, key: &str) -> TextEdit {
    let start = text[..name].rfind('\n').map_or(0, |end| end + 1);
    let before = text[start..name].trim_start_matches('\u{feff}');
    let at = start + text[start..name].len() - before.len();
    TextEdit { at: at..at, with: format!("{before}{key}{}", line_break(text)) }
}

/// Appends a table with the key.
fn appended(text: &str, table: &BaseTable, key: &str) -> TextEdit {
    let line_break = line_break(text);
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { line_break };
    let between = if text.is_empty() { "" } else { line_break };
    TextEdit { at: text.len()..text.len(), with: format!("{end}{between}{table}{line_break}{key}{line_break}") }
}

/// Returns the line break of a text, as git and editors tell: by the first line.
fn line_break(text: &str) -> &'static str {
    if text.split_once('\n').is_some_and(|(first, _)| first.ends_with('\r')) { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_edited(table: &BaseTable, before: &str, after: &str) {
        assert_eq!(with_base(before, table, "a/b:1@x").as_deref(), Some(after), "{before}");
        assert_eq!(base_in(after, table).as_deref(), Some("a/b:1@x"));
    }

    #[test]
    fn edit_replaces_only_the_value() {
        for (before, after) in [
            (
                "# first\n[package.metadata.oci] # ours\nlibc = \"gnu\"\n  base   =   \"a/b:1\" # pinned\n\n[z]\n[a]\n",
                "# first\n[package.metadata.oci] # ours\nlibc = \"gnu\"\n  base   =   \"a/b:1@x\" # pinned\n\n[z]\n[a]\n",
            ),
            (
                "\u{feff}[package]\r\nname = \"x\"\r\n[package.metadata.oci]\r\nbase = 'a/b:1@y'\r\nlibc = \"gnu\"",
                "\u{feff}[package]\r\nname = \"x\"\r\n[package.metadata.oci]\r\nbase = 'a/b:1@x'\r\nlibc = \"gnu\"",
            ),
            ("package.metadata.oci.base = \"a\"", "package.metadata.oci.base = \"a/b:1@x\""),
            ("package = { metadata.oci = { base=\"a\" } }", "package = { metadata.oci = { base=\"a/b:1@x\" } }"),
            ("[package.metadata.oci]\nbase = \"\\u0061/b\"\n", "[package.metadata.oci]\nbase = \"a/b:1@x\"\n"),
            ("[package.metadata.oci]\nbase = \"\"\"\na\\\n /b\"\"\"\n", "[package.metadata.oci]\nbase = \"a/b:1@x\"\n"),
        ] {
            assert_edited(&BaseTable::Package, before, after);
        }
    }

    #[test]
    fn edit_finds_each_table() {
        let text = "[workspace.metadata.oci]\nbase = \"w\"\n[package.metadata.oci]\nbase = \"p\"\n\
                    [package.metadata.oci.images.a]\nbase = \"a\"\n[package.metadata.oci.images.\"b.c\"]\nbase = \"b\"\n";
        for (table, old) in [
            (BaseTable::Workspace, "w"),
            (BaseTable::Package, "p"),
            (BaseTable::Image("a".to_owned()), "a"),
            (BaseTable::Image("b.c".to_owned()), "b"),
        ] {
            assert_eq!(base_in(text, &table).as_deref(), Some(old));
            assert_edited(&table, text, &text.replace(&format!("\"{old}\"\n"), "\"a/b:1@x\"\n"));
        }
    }

    #[test]
    fn edit_adds_key_to_table() {
        for (before, after) in [
            (
                "[package.metadata.oci] # ours\nlibc = \"gnu\"\n",
                "[package.metadata.oci] # ours\nbase = \"a/b:1@x\"\nlibc = \"gnu\"\n",
            ),
            ("x = 1\r\n[package.metadata.oci]\r\n", "x = 1\r\n[package.metadata.oci]\r\nbase = \"a/b:1@x\"\r\n"),
            ("[package.metadata.oci]", "[package.metadata.oci]\nbase = \"a/b:1@x\""),
            (
                "[package]\n  [package.metadata.oci]\n  libc = \"gnu\"\n",
                "[package]\n  [package.metadata.oci]\n  base = \"a/b:1@x\"\n  libc = \"gnu\"\n",
            ),
            (
                "[package]\nmetadata.oci = { libc = \"gnu\" }\n",
                "[package]\nmetadata.oci = { base = \"a/b:1@x\", libc = \"gnu\" }\n",
            ),
            ("[package]\nmetadata.oci = {}\n", "[package]\nmetadata.oci = { base = \"a/b:1@x\" }\n"),
            (
                "[package]\nmetadata.oci.libc = \"gnu\" # why\n",
                "[package]\nmetadata.oci.base = \"a/b:1@x\"\nmetadata.oci.libc = \"gnu\" # why\n",
            ),
        ] {
            assert_edited(&BaseTable::Package, before, after);
        }
    }

    #[test]
    fn edit_adds_missing_table() {
        for (before, after) in [
            ("[package]\n", "[package]\n\n[package.metadata.oci]\nbase = \"a/b:1@x\"\n"),
            ("[package]\r\nx = 1", "[package]\r\nx = 1\r\n\r\n[package.metadata.oci]\r\nbase = \"a/b:1@x\"\r\n"),
            (
                "[package.metadata.oci.images.a]\nlibc = \"gnu\"\n",
                "[package.metadata.oci.images.a]\nlibc = \"gnu\"\n\n[package.metadata.oci]\nbase = \"a/b:1@x\"\n",
            ),
        ] {
            assert_edited(&BaseTable::Package, before, after);
        }
        let images = "[package]\n\n[package.metadata.oci.images.\"a.b\"]\nbase = \"a/b:1@x\"\n";
        assert_edited(&BaseTable::Image("a.b".to_owned()), "[package]\n", images);
    }

    #[test]
    fn edit_that_changes_more_is_rejected() {
        for text in
            ["package = { name = \"x\" }\n", "[package]\nmetadata = { x = 1 }\n", "[package]\nmetadata = 1\n", "[a"]
        {
            assert_eq!(with_base(text, &BaseTable::Package, "a/b:1@x"), None, "{text}");
        }
    }
}
