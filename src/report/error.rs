//! Errors → text, in cargo's format. An error in a file shows the line.

use std::fmt::Write as _;

use annotate_snippets::Level;
use miette::Report;

use super::lines::{ERROR, HELP};
use super::snippet::snippet;
use crate::sanitize::sanitize;

/// Returns the message with its causes, the lines of the file it is about, and its help.
pub(crate) fn rendered(error: &Report) -> String {
    let mut text = format!("{ERROR}error{ERROR:#}: {}", sanitize(&error.to_string()));
    let mut told = error.to_string();
    let mut causes = Vec::new();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some errors end with their cause.
        if !told.ends_with(&cause) {
            causes.push(sanitize(&cause));
            told = cause;
        }
    }
    if !causes.is_empty() {
        text.push_str("\n\nCaused by:");
        for cause in causes {
            let _ = write!(text, "\n  {}", cause.replace('\n', "\n  "));
        }
    }
    if let Some(snippet) = snippet(error.as_ref(), Level::ERROR) {
        let _ = write!(text, "\n{snippet}");
    }
    if let Some(help) = error.help() {
        let _ = write!(text, "\n\n{HELP}help{HELP:#}: {}", sanitize(&help.to_string()));
    }
    text
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn error_shows_causes_then_help() {
        let error = miette::miette!(help = "do that", "inner").wrap_err("outer");
        let text = strip_str(&rendered(&error)).to_string();
        assert_eq!(text, "error: outer\n\nCaused by:\n  inner\n\nhelp: do that");
    }

    #[test]
    fn error_says_no_cause_twice() {
        let error = miette::miette!("inner: x").wrap_err("middle: inner: x").wrap_err("outer");
        let text = strip_str(&rendered(&error)).to_string();
        assert_eq!(text, "error: outer\n\nCaused by:\n  middle: inner: x");
    }

    #[test]
    fn error_in_a_file_shows_the_line() {
        let labels = vec![miette::LabeledSpan::at(12..13, "this")];
        let source = miette::NamedSource::new("a.toml", "[t]\nx = 1\nb = 1\nc = 2\nd = 3\n");
        let error = miette::miette!(help = "do that", labels = labels, "wrong").with_source_code(source);
        let expected =
            "error: wrong\n --> a.toml:3:3\n  |\n2 | x = 1\n3 | b = 1\n  |   ^ this\n4 | c = 2\n  |\n\nhelp: do that";
        assert_eq!(strip_str(&rendered(&error)).to_string(), expected);
    }
}
