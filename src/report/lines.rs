//! Events → lines in cargo's own look.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::event::Event;
use crate::platform::Platform;

const VERB: Style = AnsiColor::BrightGreen.on_default().bold();
const WARNING: Style = AnsiColor::BrightYellow.on_default().bold();
pub(super) const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
pub(super) const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// What a person reads of an event, `elapsed` after the beginning; nothing of what only bars show.
pub fn line(event: &Event, elapsed: Duration) -> Option<String> {
    let (verb, text) = match event {
        Event::Warning { message } => return Some(format!("{WARNING}warning{WARNING:#}: {}", harmless(message))),
        // Cargo's own words, and its own colours.
        Event::CargoSaid { line } => return Some(line.clone()),
        Event::TransferBegun { .. } | Event::TransferEnded { .. } => return None,
        Event::Waiting { path } => {
            ("Blocking", format!("waiting for another cargo oci that writes {}", path.display()))
        }
        Event::InstallingTarget { triple } => {
            ("Installing", format!("the Rust standard library for {triple} (rustup target add)"))
        }
        Event::Pulling { base, blobs, bytes } => {
            ("Pulling", format!("{base} ({blobs} {}, {})", plural(*blobs, "layer"), size(*bytes)))
        }
        Event::Layered { image, platform, files, bytes } => {
            ("Layering", format!("{image} {platform}: {} ({})", files.join(", "), size(*bytes)))
        }
        Event::Bundling { image, platform, layers, bytes } => {
            ("Bundling", format!("{image} {platform} ({layers} {}, {})", plural(*layers, "layer"), size(*bytes)))
        }
        Event::Pushing { image, to } => ("Pushing", format!("{image} to {to}")),
        Event::Pushed { image, to, was_there: true } => ("Unchanged", format!("{image} is at {to} already")),
        Event::Pushed { image, to, .. } => ("Pushed", format!("{image} to {to}")),
        Event::Loading { image, engine, platforms } => {
            ("Loading", format!("{image} for {} into {engine}", list(platforms)))
        }
        Event::Loaded { names, engine, id, sent, was_there } => {
            let names = names.join(", ");
            match was_there {
                true => ("Unchanged", format!("{names} is in {engine} already ({id})")),
                false => {
                    let sent = sent.map(|sent| format!(", {} sent", size(sent))).unwrap_or_default();
                    ("Loaded", format!("{names} into {engine} ({id}{sent})"))
                }
            }
        }
        Event::Running { name, engine } => ("Running", format!("{name} in {engine}")),
        Event::Validating { image } => ("Validating", image.clone()),
        Event::Validated { image, blobs, bytes } => {
            ("Validated", format!("{image} ({blobs} {}, {})", plural(*blobs, "blob"), size(*bytes)))
        }
        Event::Retrying { error, pause } => ("Retrying", format!("in {:.1}s: {error}", pause.as_secs_f64())),
        Event::LoggedIn { registry, user, place } => ("Login", format!("{registry} as {user} ({place})")),
        Event::LoggedOut { registry, place } => ("Logout", format!("{registry} ({place})")),
        Event::Wrote { path } => ("Writing", path.display().to_string()),
        Event::Finished { image, platforms, bytes } => {
            ("Finished", format!("{image} for {} ({}) in {:.2}s", list(platforms), size(*bytes), elapsed.as_secs_f64()))
        }
    };
    Some(format!("{} {}", verb_column(verb), harmless(&text)))
}

/// A verb, right-aligned as cargo's are.
pub(super) fn verb_column(verb: &str) -> String {
    format!("{VERB}{verb:>12}{VERB:#}")
}

/// Text from anywhere, without what a terminal would take for an order.
pub(super) fn harmless(text: &str) -> String {
    let escaped = |c: char| match c.is_control() && c != '\n' {
        true => c.escape_default().collect(),
        false => String::from(c),
    };
    text.chars().map(escaped).collect()
}

pub(super) fn list(platforms: &[Platform]) -> String {
    let names: Vec<_> = platforms.iter().map(ToString::to_string).collect();
    names.join(", ")
}

pub(super) fn plural(count: usize, thing: &str) -> String {
    match count {
        1 => thing.to_owned(),
        _ => format!("{thing}s"),
    }
}

/// Bytes as a person reads them.
pub(super) fn size(bytes: u64) -> String {
    match unit_of(bytes) {
        0 => format!("{bytes} B"),
        unit => format!("{:.1} {}", in_unit(bytes, unit), UNITS[unit]),
    }
}

/// The units of sizes, each 1024 of the one before.
pub(super) const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// The largest unit of which there is one at least.
pub(super) fn unit_of(bytes: u64) -> usize {
    (1..UNITS.len()).rev().find(|unit| bytes >> (10 * unit) > 0).unwrap_or(0)
}

/// How many of that unit.
#[allow(clippy::cast_precision_loss)] // it is shown with one decimal
pub(super) fn in_unit(bytes: u64, unit: usize) -> f64 {
    bytes as f64 / (1_u64 << (10 * unit)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
    }

    #[test]
    fn orders_to_the_terminal_are_shown_and_not_given() {
        assert_eq!(harmless("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\nc");
    }
}
