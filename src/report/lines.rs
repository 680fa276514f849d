//! Events → lines in cargo's own look.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::event::Event;
use crate::platform::Platform;
use crate::sanitize::sanitize;

const VERB: Style = AnsiColor::BrightGreen.on_default().bold();
const WARNING: Style = AnsiColor::BrightYellow.on_default().bold();
pub(super) const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
pub(super) const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// What a person reads of an event, `elapsed` after the beginning; nothing of what only bars show.
pub fn line(event: &Event, elapsed: Duration) -> Option<String> {
    let (verb, text) = match event {
        Event::Warning { message } => return Some(format!("{WARNING}warning{WARNING:#}: {}", sanitize(message))),
        // Cargo's own words, and its own colours.
        Event::CargoSaid { line } => return Some(line.clone()),
        Event::CargoBegun | Event::CargoEnded => return None,
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
        Event::Tagging { image, tags } => ("Tagging", format!("{image}: {}", tags.join(", "))),
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
        Event::Request { method, url, by, status, took, bytes } => {
            let answer = status.map_or("no answer".to_owned(), |status| status.to_string());
            let by = by.as_ref().map(|by| format!(" from {by}")).unwrap_or_default();
            let bytes = bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
            ("Request", format!("{method} {url} {answer}{by} ({}{bytes})", time(*took)))
        }
        Event::Running { name, engine } => ("Running", format!("{name} in {engine}")),
        Event::Validating { image } => ("Validating", image.clone()),
        Event::Validated { image, blobs, bytes } => {
            ("Validated", format!("{image} ({blobs} {}, {})", plural(*blobs, "blob"), size(*bytes)))
        }
        Event::Signed { image, digest, to, said, was_there } => {
            let said = said.join(", ");
            match was_there {
                true => ("Unchanged", format!("{image} {digest} at {to} is signed already: {said}")),
                false => ("Signed", format!("{image} {digest} at {to}: {said}")),
            }
        }
        Event::Attached { artifact_type, subject, to, was_there, .. } => match was_there {
            true => ("Unchanged", format!("{artifact_type} is attached to {subject} at {to} already")),
            false => ("Attached", format!("{artifact_type} to {subject} at {to}")),
        },
        Event::Verified { image, digest, said } => ("Verified", format!("{image} {digest}: {}", said.join(", "))),
        Event::Retrying { error, pause } => ("Retrying", format!("in {:.1}s: {error}", pause.as_secs_f64())),
        Event::LoggedIn { registry, user, place } => ("Login", format!("{registry} as {user} ({place})")),
        Event::LoggedOut { registry, place } => ("Logout", format!("{registry} ({place})")),
        Event::Pruned { blobs, bytes } => {
            ("Removed", format!("{blobs} {} from the cache, {}", plural(*blobs, "blob"), size(*bytes)))
        }
        Event::Wrote { path } => ("Writing", path.display().to_string()),
        Event::Finished { image } => {
            let platforms: Vec<_> = image.manifests.iter().map(|manifest| manifest.platform.clone()).collect();
            let (name, size, seconds) = (&image.name, size(image.size), elapsed.as_secs_f64());
            ("Finished", format!("{name} for {} ({size}) in {seconds:.2}s", list(&platforms)))
        }
    };
    Some(format!("{} {}", verb_column(verb), sanitize(&text)))
}

/// A verb, right-aligned as cargo's are.
pub(super) fn verb_column(verb: &str) -> String {
    format!("{VERB}{verb:>12}{VERB:#}")
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

/// A time as a person reads it.
fn time(time: Duration) -> String {
    match time.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
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
    use anstream::adapter::strip_str;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 << 30), "5.0 GiB");
    }

    #[test]
    fn a_request_is_told_with_its_answer() {
        let line = |by: Option<&str>, status, took, bytes| {
            let (method, url) = ("GET".to_owned(), "https://example.org/v2/".to_owned());
            let took = Duration::from_millis(took);
            let event = Event::Request { method, url, by: by.map(str::to_owned), status, took, bytes };
            strip_str(&line(&event, Duration::ZERO).expect("a line")).to_string()
        };
        assert_eq!(
            line(None, Some(200), 12, Some(1229)),
            "     Request GET https://example.org/v2/ 200 (12 ms, 1.2 KiB)"
        );
        let from = line(Some("https://cdn.example"), Some(404), 1500, None);
        assert_eq!(from, "     Request GET https://example.org/v2/ 404 from https://cdn.example (1.5 s)");
        assert_eq!(line(None, None, 999, None), "     Request GET https://example.org/v2/ no answer (999 ms)");
    }
}
