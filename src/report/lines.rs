//! Events → lines in cargo's format.

use std::time::Duration;

use annotate_snippets::Level;
use anstyle::{AnsiColor, Style};

use super::snippet::snippet;
use super::verified;
use crate::event::Event;
use crate::image::Digest;
use crate::platform::Platform;
use crate::sanitize::sanitize;
pub(super) use crate::units::{UNITS, in_unit, size, unit_of};

const VERB: Style = AnsiColor::BrightGreen.on_default().bold();
const WARNING: Style = AnsiColor::BrightYellow.on_default().bold();
pub(super) const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
pub(super) const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// Returns the line for an event, `elapsed` after the start of the run, or `None` if only bars show it.
pub fn line(event: &Event, elapsed: Duration) -> Option<String> {
    let (verb, text) = match event {
        Event::Warning { .. } | Event::Advice { .. } | Event::UnreadTable { .. } => return notice(event),
        Event::SignedBy { signer, certificate } => {
            return Some(in_columns(&verified::signer(signer, certificate.as_deref())));
        }
        // Cargo's text, with its colors.
        Event::CargoSaid { line } => return Some(line.clone()),
        Event::CargoBegun
        | Event::CargoEnded
        | Event::RetryBegun { .. }
        | Event::TransferBegun { .. }
        | Event::TransferEnded { .. } => return None,
        Event::Waiting { path } => {
            ("Blocking", format!("waiting for another cargo oci to finish writing {}", path.display()))
        }
        Event::InstallingTarget { triple } => {
            ("Installing", format!("the Rust standard library for {triple} (rustup target add)"))
        }
        Event::CompilingAllocator { name, from, triple } => {
            ("Compiling", format!("the allocator {name} for {triple} (from {from})"))
        }
        Event::Pulling { base, blobs, bytes } => {
            ("Pulling", format!("{base} ({blobs} {}, {})", plural(*blobs, "layer"), size(*bytes)))
        }
        Event::Tagging { image, tags } => ("Tagging", format!("{image}: {}", tags.join(", "))),
        Event::Testing { image, platforms, runner } => {
            let runner = runner.as_ref().map(|runner| format!(" in {runner}")).unwrap_or_default();
            ("Testing", format!("{image} for {}{runner}", list(platforms)))
        }
        Event::Tested { image, result } => {
            ("Tested", format!("{image} {} {}: {}", result.platform, result.name, result.verdict.word()))
        }
        Event::Layered { image, platform, files, bytes } => {
            ("Layering", format!("{image} {platform}: {} ({})", files.join(", "), size(*bytes)))
        }
        Event::Bundling { image, platform, layers, bytes } => {
            ("Bundling", format!("{image} {platform} ({layers} {}, {})", plural(*layers, "layer"), size(*bytes)))
        }
        Event::Indexing { image, to, platforms } => ("Indexing", format!("{image} at {to} for {}", list(platforms))),
        Event::Rebasing { image, base, unchanged } => rebasing(image, base, *unchanged),
        Event::Pushing { image, to } => ("Pushing", format!("{image} to {to}")),
        Event::Pushed { image, to, tags, was_there: true, .. } if tags.is_empty() => {
            ("Unchanged", format!("{image} is already at {to}"))
        }
        Event::Pushed { image, to, tags, sent, .. } => {
            let tags = if tags.is_empty() { String::new() } else { format!(": {}", tags.join(", ")) };
            let seconds = elapsed.as_secs_f64();
            ("Pushed", format!("{image} to {to}{tags} ({} sent) in {seconds:.2}s", size(*sent)))
        }
        Event::Reproducing { image, build } => ("Reproducing", format!("{image}: {build}")),
        Event::Reproduced { image } => ("Reproduced", image.clone()),
        Event::Loading { image, engine, platforms } => {
            ("Loading", format!("{image} for {} into {engine}", list(platforms)))
        }
        Event::Loaded { names, engine, id, was_there: true, .. } => {
            ("Unchanged", format!("{} is already in {engine} ({id})", names.join(", ")))
        }
        Event::Loaded { names, engine, id, sent, .. } => {
            let sent = sent.map(|sent| format!(", {} sent", size(sent))).unwrap_or_default();
            ("Loaded", format!("{} into {engine} ({id}{sent})", names.join(", ")))
        }
        Event::Request { .. } => ("Request", request(event)),
        Event::Credentials { registry, source } => ("Credentials", format!("for {registry}: {source}")),
        Event::Running { name, engine, unpublished } => {
            ("Running", format!("{name} in {engine}{}", to_publish(unpublished)))
        }
        Event::Validating { image } => ("Validating", image.clone()),
        Event::Validated { image, blobs, bytes } => {
            ("Validated", format!("{image} ({blobs} {}, {})", plural(*blobs, "blob"), size(*bytes)))
        }
        Event::Signed { .. } | Event::Attached { .. } => attached(event),
        Event::Verified { image, digest, said } => verified::verified(image, digest, said),
        Event::Retrying { attempt: Some((number, most)), is_told: true, pause, .. } => {
            ("Retrying", format!("in {:.1}s: the same again (attempt {number} of {most})", pause.as_secs_f64()))
        }
        Event::Retrying { error, pause, .. } => ("Retrying", retrying(error, *pause)),
        Event::WaitingForAnswer { method, url, limit } => {
            ("Waiting", format!("for the response to {method} {url} (at most {} s)", limit.as_secs()))
        }
        Event::LoggedIn { registry, user, place } => ("Login", format!("{registry} as {user} ({place})")),
        Event::LoggedOut { registry, place } => ("Logout", format!("{registry} ({place})")),
        Event::Pruned { blobs, bytes } => {
            ("Removed", format!("{blobs} {} from the cache, {}", plural(*blobs, "blob"), size(*bytes)))
        }
        Event::Pinned { base, location, from, was_there } => pinned(base, location, from.as_ref(), *was_there),
        Event::Wrote { path, only: None } => ("Writing", path.display().to_string()),
        Event::Wrote { path, only: Some(platform) } => {
            ("Writing", format!("{}: {platform} alone, as the format has one platform", path.display()))
        }
        Event::Finished { image } => {
            let platforms: Vec<_> = image.manifests.iter().map(|manifest| manifest.platform.clone()).collect();
            let (name, size, seconds) = (&image.name, size(image.size), elapsed.as_secs_f64());
            ("Finished", format!("{name} for {} ({size}) in {seconds:.2}s", list(&platforms)))
        }
    };
    Some(in_columns(&[(verb, text)]))
}

/// Returns lines of a verb and a text each.
fn in_columns(lines: &[(&str, String)]) -> String {
    let lines = lines.iter().map(|(verb, text)| format!("{} {}", verb_column(verb), sanitize(text)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the line of an image that is put on a new base.
fn rebasing(image: &str, base: &str, unchanged: bool) -> (&'static str, String) {
    if unchanged {
        ("Unchanged", format!("{image} is on {base} already"))
    } else {
        ("Rebasing", format!("{image} on {base}"))
    }
}

/// Returns the line of a warning or of advice.
fn notice(event: &Event) -> Option<String> {
    match event {
        Event::Warning { message } => Some(format!("{WARNING}warning{WARNING:#}: {}", sanitize(message))),
        Event::Advice { message } => Some(format!("{HELP}note{HELP:#}: {}", sanitize(message))),
        Event::UnreadTable { warning } => {
            let lines = snippet(warning.as_ref(), Level::WARNING).map(|lines| format!("\n{lines}"));
            let message = sanitize(&warning.to_string());
            Some(format!("{WARNING}warning{WARNING:#}: {message}{}", lines.unwrap_or_default()))
        }
        _ => None,
    }
}

/// Returns the verb and the text for what was attached to an image.
fn attached(event: &Event) -> (&'static str, String) {
    match event {
        Event::Signed { image, digest, to, said, was_there: true } => {
            ("Unchanged", format!("{image} {digest} at {to} is already signed: {}", said.join(", ")))
        }
        Event::Signed { image, digest, to, said, .. } => {
            ("Signed", format!("{image} {digest} at {to}: {}", said.join(", ")))
        }
        Event::Attached { artifact_type, subject, to, was_there: true, .. } => {
            ("Unchanged", format!("{artifact_type} is already attached to {subject} at {to}"))
        }
        Event::Attached { artifact_type, subject, to, .. } => {
            ("Attached", format!("{artifact_type} to {subject} at {to}"))
        }
        _ => ("", String::new()),
    }
}

/// Returns a request with its response.
fn request(event: &Event) -> String {
    let Event::Request { method, url, by, status, took, bytes } = event else { return String::new() };
    let answer = status.map_or("no response".to_owned(), |status| status.to_string());
    let by = by.as_ref().map(|by| format!(" from {by}")).unwrap_or_default();
    let bytes = bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
    format!("{method} {url} {answer}{by} ({}{bytes})", time(*took))
}

/// Returns the verb and the text for a base that is pinned now.
fn pinned(base: &str, location: &str, from: Option<&Digest>, was_there: bool) -> (&'static str, String) {
    let text = format!("{base} in {location}");
    match from {
        _ if was_there => ("Unchanged", text),
        Some(from) => ("Updated", format!("{text} (was {from})")),
        None => ("Pinned", text),
    }
}

/// Returns when a request is repeated, and why.
pub(super) fn retrying(error: &str, left: Duration) -> String {
    format!("in {:.1}s: {error}", left.as_secs_f64())
}

/// Returns a verb, right-aligned as in cargo.
pub(super) fn verb_column(verb: &str) -> String {
    format!("{VERB}{verb:>12}{VERB:#}")
}

/// Returns how to publish ports, if there are any.
fn to_publish(ports: &[String]) -> String {
    let flags = ports.iter().map(|port| {
        let number = port.split('/').next().unwrap_or_default();
        format!(" --publish {number}:{}", port.trim_end_matches("/tcp"))
    });
    let flags: String = flags.collect();
    if flags.is_empty() { flags } else { format!(" (no port is published: add{flags})") }
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

/// Returns a duration in milliseconds or seconds.
fn time(time: Duration) -> String {
    match time.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;

    #[test]
    fn file_of_one_platform_is_named_as_such() {
        let wrote = |only: Option<&str>| {
            let only = only.map(|platform| platform.parse().expect("a platform"));
            let event = Event::Wrote { path: "hello.tar".into(), only };
            strip_str(&line(&event, Duration::ZERO).expect("a line")).to_string()
        };
        assert_eq!(wrote(None), "     Writing hello.tar");
        let alone = "     Writing hello.tar: linux/amd64 alone, as the format has one platform";
        assert_eq!(wrote(Some("linux/amd64")), alone);
    }

    #[test]
    fn request_line_has_status_and_duration() {
        fn request_line(by: Option<&str>, status: Option<u16>, took: u64, bytes: Option<u64>) -> String {
            let (method, url) = ("GET".to_owned(), "https://example.org/v2/".to_owned());
            let took = Duration::from_millis(took);
            let event = Event::Request { method, url, by: by.map(str::to_owned), status, took, bytes };
            strip_str(&line(&event, Duration::ZERO).expect("a line")).to_string()
        }
        assert_eq!(
            request_line(None, Some(200), 12, Some(1229)),
            "     Request GET https://example.org/v2/ 200 (12 ms, 1.2 KiB)"
        );
        let from = request_line(Some("https://cdn.example"), Some(404), 1500, None);
        assert_eq!(from, "     Request GET https://example.org/v2/ 404 from https://cdn.example (1.5 s)");
        assert_eq!(
            request_line(None, None, 999, None),
            "     Request GET https://example.org/v2/ no response (999 ms)"
        );
    }
}
