//! Errors → words: as cargo writes them, and a mistake in a file shown where it is.

use std::io::{self, IsTerminal};

use anstream::ColorChoice;
use anstream::adapter::strip_str;
use miette::{GraphicalReportHandler, GraphicalTheme, Report};

use super::lines::{ERROR, HELP};
use crate::sanitize::sanitize;

/// As cargo writes errors; a mistake in a file is shown where it is.
pub fn rendered(error: &Report, color: ColorChoice) -> String {
    let mut text = format!("{ERROR}error{ERROR:#}: {}", sanitize(&error.to_string()));
    let causes: Vec<_> = error.chain().skip(1).map(|cause| sanitize(&cause.to_string())).collect();
    if !causes.is_empty() {
        text.push_str("\n\nCaused by:");
        for cause in causes {
            text.push_str(&format!("\n  {}", cause.replace('\n', "\n  ")));
        }
    }
    if error.labels().is_some() {
        text.push_str(&snippet(error, theme(color)));
    }
    if let Some(help) = error.help() {
        text.push_str(&format!("\n\n{HELP}help{HELP:#}: {}", sanitize(&help.to_string())));
    }
    text
}

fn theme(color: ColorChoice) -> GraphicalTheme {
    match color {
        ColorChoice::Never => GraphicalTheme::unicode_nocolor(),
        _ if io::stderr().is_terminal() => GraphicalTheme::unicode(),
        _ => GraphicalTheme::unicode_nocolor(),
    }
}

/// The lines of the file that the error points at, with carets.
fn snippet(error: &Report, theme: GraphicalTheme) -> String {
    let mut rendered = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_context_lines(1);
    let drawn = handler.render_report(&mut rendered, error.as_ref());
    // The drawing begins below the message, which stands above already, and ends above the help.
    let lines = rendered.lines().skip_while(|line| !line.contains('╭'));
    let lines: Vec<_> =
        lines.take_while(|line| !strip_str(line).to_string().trim_start().starts_with("help")).collect();
    match drawn {
        Ok(()) => format!("\n{}", lines.join("\n").trim_end()),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_and_the_way_out() {
        let error = miette::miette!(help = "do that", "inner").wrap_err("outer");
        let text = strip_str(&rendered(&error, ColorChoice::Never)).to_string();
        assert_eq!(text, "error: outer\n\nCaused by:\n  inner\n\nhelp: do that");
    }

    #[test]
    fn the_way_out_stands_below_the_drawing_alone_in_colours_too() {
        let labels = vec![miette::LabeledSpan::at(0..1, "this")];
        let error = miette::miette!(help = "do that", labels = labels, "wrong").with_source_code("a = 1");
        for theme in [GraphicalTheme::unicode(), GraphicalTheme::unicode_nocolor()] {
            let text = strip_str(&snippet(&error, theme)).to_string();
            assert!(text.contains("a = 1") && text.contains("╰── this") && !text.contains("do that"), "{text}");
        }
    }
}
