//! Events and results → JSON, one object per line on standard output (`--message-format json`).
//!
//! Every object has a `reason`, as cargo's messages do. Sizes are in bytes, times in seconds; unknown values are `null`.
//! New reasons and fields may be added; existing ones keep their meaning. No object contains a secret.
//!
//! | `reason` | other fields |
//! | --- | --- |
//! | `installing-target` | `triple` |
//! | `waiting` | `path`: a layout that another run is writing |
//! | `pulling` | `base`, `blobs`, `bytes` |
//! | `tagging` | `image`, `tags`: if a tag is from a template |
//! | `layered` | `image`, `platform`, `files`, `bytes` |
//! | `bundling` | `image`, `platform`, `layers`, `bytes` |
//! | `finished` | `name`, `reference`, `digest`, `size`, `tags`, `layout`, `base`, `manifests`: as in `--metadata-file`; `seconds` |
//! | `pruned` | `blobs`, `bytes`: removed from the cache |
//! | `pinned` | `base`, `location`, `from`: the digest before; `unchanged` |
//! | `wrote` | `path`, `only`: the platform, if the file has one of several |
//! | `indexing` | `image`, `to`, `platforms` |
//! | `pushing` | `image`, `to` |
//! | `pushed`, `loaded` | `image` and `to`; `names`, `engine`, `id` and `sent`; `unchanged`: whether it was already there |
//! | `loading` | `image`, `engine`, `platforms` |
//! | `running` | `name`, `engine` |
//! | `rebasing` | `image`, `base`, `unchanged`: whether it was already on the base |
//! | `transfer-begun` | `id`, `activity` (`pulling`, `copying`, `layering`, `pushing`, `loading`, `bundling`, `validating`), `name`, `total` |
//! | `transfer-progress` | `id`, `done`, `total`: every second |
//! | `transfer-ended` | the same, once; `done` is less than `total` if it failed |
//! | `validating` | `image` |
//! | `validated` | `image`, `blobs`, `bytes`: the image is valid |
//! | `signed` | `image`: `index` or a platform; `digest`, `to`, `unchanged` |
//! | `attached` | `artifactType`, `subject`, `digest`, `to`, `unchanged` |
//! | `verified` | `image`, `digest`, `said` |
//! | `signed-by` | `signer`, `certificate` |
//! | `request` | `method`, `url` (without its query), `by`: the host that responded after a redirect, `status`, `seconds`, `bytes`; with `-v` only |
//! | `credentials` | `registry`, `source`: a file, a helper or a variable; with `-v` only |
//! | `retrying` | `id`, `error`, `seconds`: the pause before the next attempt |
//! | `retry-begun` | `id`: the pause is over |
//! | `waiting-for-answer` | `method`, `url`: a request without a response for some seconds; `limit`: the most seconds |
//! | `logged-in`, `logged-out` | `registry`, `place`; `user` |
//! | `testing` | `image`, `platforms`, `runner`: what runs programs, or `null` |
//! | `tested` | `image`, `result`: the verdict of one test, as `cargo oci test --json` prints it |
//! | `cargo-begun`, `cargo-ended` | none: cargo runs in between |
//! | `cargo-said` | `line` |
//! | `compiling-allocator` | `name`, `from`: the crate with its sources, `triple` |
//! | `reproducing`, `reproduced` | `image`; `build`: what its provenance says, in words |
//! | `advice` | `message` |
//! | `warning` | `message` |
//! | `result` | `value`: the line that is printed without `--message-format json` |
//!
//! Results come last, one per image. A run without a `result` has failed; the error is on standard error, as text. Cargo
//! writes its own messages to standard error too.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::event::counter::{Activity, Counter};
use crate::event::{BuiltImage, Event, PlannedPush};
use crate::sanitize::is_terminal_control;

/// Returns the line for an event, `elapsed` after the start of the run.
pub fn event(event: &Event, elapsed: Duration) -> String {
    let (reason, fields) = match event {
        Event::InstallingTarget { triple } => ("installing-target", json!({ "triple": triple })),
        Event::CargoBegun => ("cargo-begun", json!({})),
        Event::CargoEnded => ("cargo-ended", json!({})),
        Event::Waiting { path } => ("waiting", json!({ "path": path.to_string_lossy() })),
        Event::Pulling { base, blobs, bytes } => ("pulling", json!({ "base": base, "blobs": blobs, "bytes": bytes })),
        Event::Tagging { image, tags } => ("tagging", json!({ "image": image, "tags": tags })),
        Event::Testing { image, platforms, runner } => {
            ("testing", json!({ "image": image, "platforms": platforms, "runner": runner }))
        }
        Event::Tested { image, result } => ("tested", json!({ "image": image, "result": result })),
        Event::Layered { image, platform, files, bytes } => {
            ("layered", json!({ "image": image, "platform": platform, "files": files, "bytes": bytes }))
        }
        Event::Bundling { image, platform, layers, bytes } => {
            ("bundling", json!({ "image": image, "platform": platform, "layers": layers, "bytes": bytes }))
        }
        Event::Finished { image } => ("finished", finished(image, elapsed)),
        Event::Pruned { blobs, bytes } => ("pruned", json!({ "blobs": blobs, "bytes": bytes })),
        Event::Pinned { base, location, from, was_there } => {
            ("pinned", json!({ "base": base, "location": location, "from": from, "unchanged": was_there }))
        }
        Event::Wrote { path, only } => ("wrote", json!({ "path": path.to_string_lossy(), "only": only })),
        Event::Indexing { image, to, platforms } => {
            ("indexing", json!({ "image": image, "to": to, "platforms": platforms }))
        }
        Event::Rebasing { image, base, unchanged } => {
            ("rebasing", json!({ "image": image, "base": base, "unchanged": unchanged }))
        }
        Event::Pushing { image, to } => ("pushing", json!({ "image": image, "to": to })),
        Event::Pushed { image, to, tags, sent, was_there } => {
            let fields = json!({ "image": image, "to": to, "tags": tags, "sent": sent, "unchanged": was_there });
            ("pushed", fields)
        }
        Event::Reproducing { image, build } => ("reproducing", json!({ "image": image, "build": build })),
        Event::Reproduced { image } => ("reproduced", json!({ "image": image })),
        Event::Loading { image, engine, platforms } => {
            ("loading", json!({ "image": image, "engine": engine, "platforms": platforms }))
        }
        Event::Loaded { names, engine, id, sent, was_there } => {
            let fields = json!({ "names": names, "engine": engine, "id": id, "sent": sent, "unchanged": was_there });
            ("loaded", fields)
        }
        Event::Running { name, engine, unpublished } => {
            ("running", json!({ "name": name, "engine": engine, "unpublished": unpublished }))
        }
        Event::Validating { image } => ("validating", json!({ "image": image })),
        Event::Validated { image, blobs, bytes } => {
            ("validated", json!({ "image": image, "blobs": blobs, "bytes": bytes }))
        }
        Event::TransferBegun { transfer } => ("transfer-begun", begun(transfer)),
        Event::TransferEnded { transfer } => ("transfer-ended", transfer_progress(transfer)),
        Event::Request { method, url, by, status, took, bytes } => {
            let seconds = took.as_secs_f64();
            let fields =
                json!({ "method": method, "url": url, "by": by, "status": status, "seconds": seconds, "bytes": bytes });
            ("request", fields)
        }
        Event::Signed { image, digest, to, said, was_there } => {
            ("signed", json!({ "image": image, "digest": digest, "to": to, "said": said, "unchanged": was_there }))
        }
        Event::Attached { artifact_type, subject, digest, to, was_there } => {
            let fields = json!({ "artifactType": artifact_type, "subject": subject, "digest": digest, "to": to, "unchanged": was_there });
            ("attached", fields)
        }
        Event::Verified { image, digest, said } => {
            ("verified", json!({ "image": image, "digest": digest, "said": said }))
        }
        Event::SignedBy { signer, certificate } => {
            ("signed-by", json!({ "signer": signer, "certificate": certificate }))
        }
        Event::Credentials { registry, source } => ("credentials", json!({ "registry": registry, "source": source })),
        Event::Retrying { id, error, pause, .. } => {
            ("retrying", json!({ "id": id, "error": error, "seconds": pause.as_secs_f64() }))
        }
        Event::RetryBegun { id } => ("retry-begun", json!({ "id": id })),
        Event::WaitingForAnswer { method, url, limit } => {
            ("waiting-for-answer", json!({ "method": method, "url": url, "limit": limit.as_secs() }))
        }
        Event::LoggedIn { registry, user, place } => {
            ("logged-in", json!({ "registry": registry, "user": user, "place": place }))
        }
        Event::LoggedOut { registry, place } => ("logged-out", json!({ "registry": registry, "place": place })),
        Event::CargoSaid { line } => ("cargo-said", json!({ "line": line })),
        Event::CompilingAllocator { name, from, triple } => {
            ("compiling-allocator", json!({ "name": name, "from": from, "triple": triple }))
        }
        Event::Advice { message } => ("advice", json!({ "message": message })),
        Event::UnreadTable { warning } => ("warning", json!({ "message": warning.in_one_line() })),
        Event::Warning { message } => ("warning", json!({ "message": message })),
    };
    line(reason, fields)
}

/// Returns the line for the progress of a transfer.
pub fn progress(transfer: &Counter) -> String {
    line("transfer-progress", transfer_progress(transfer))
}

/// Returns the line for a push that is not done.
pub fn planned(push: &PlannedPush) -> String {
    line("planned-push", json!(push))
}

/// Returns the line for a result.
pub fn result(value: &str) -> String {
    line("result", json!({ "value": value }))
}

/// Returns the line for an object, with `reason` as the first key.
fn line(reason: &'static str, fields: Value) -> String {
    #[derive(Serialize)]
    struct Message {
        reason: &'static str,
        #[serde(flatten)]
        fields: Value,
    }
    let line = serde_json::to_string(&Message { reason, fields });
    escaped(&line.unwrap_or_else(|_| format!("{{\"reason\":\"{reason}\"}}")))
}

/// Returns JSON with all terminal control characters escaped. They occur in strings only.
pub(super) fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_terminal_control(c) && c != '\n' {
            // All of them are in the basic multilingual plane.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn finished(image: &BuiltImage, elapsed: Duration) -> Value {
    // A path that is not UTF-8 cannot be JSON: name and digest are enough then.
    let mut fields = match serde_json::to_value(image) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::from_iter([("name".to_owned(), json!(image.name)), ("digest".to_owned(), json!(image.digest))]),
    };
    fields.insert("seconds".to_owned(), json!(elapsed.as_secs_f64()));
    Value::Object(fields)
}

fn begun(transfer: &Counter) -> Value {
    let activity = match transfer.activity {
        Activity::Pulling => "pulling",
        Activity::Copying => "copying",
        Activity::Layering => "layering",
        Activity::Pushing => "pushing",
        Activity::Loading => "loading",
        Activity::Bundling => "bundling",
        Activity::Reading => "reading",
        Activity::Validating => "validating",
    };
    json!({ "id": transfer.id, "activity": activity, "name": transfer.name, "total": transfer.total })
}

fn transfer_progress(transfer: &Counter) -> Value {
    json!({ "id": transfer.id, "done": transfer.done(), "total": transfer.total })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::transfer::Transfer;

    fn json_of(event_: &Event) -> String {
        event(event_, Duration::from_millis(1500))
    }

    #[test]
    fn json_of_events_is_stable() {
        let pushed = Event::Pushed {
            image: "x".to_owned(),
            to: "ghcr.io/acme/x".to_owned(),
            tags: vec!["v1".to_owned()],
            sent: 7,
            was_there: false,
        };
        assert_eq!(
            json_of(&pushed),
            r#"{"reason":"pushed","image":"x","sent":7,"tags":["v1"],"to":"ghcr.io/acme/x","unchanged":false}"#
        );
        let platform = "linux/arm64".parse().expect("a platform");
        let layered = Event::Layered { image: "x".to_owned(), platform, files: vec!["/app/x".to_owned()], bytes: 7 };
        assert_eq!(
            json_of(&layered),
            r#"{"reason":"layered","bytes":7,"files":["/app/x"],"image":"x","platform":"linux/arm64"}"#
        );
        let request = Event::Request {
            method: "GET".to_owned(),
            url: "https://example.org/v2/".to_owned(),
            by: None,
            status: Some(200),
            took: Duration::from_millis(250),
            bytes: None,
        };
        assert_eq!(
            json_of(&request),
            r#"{"reason":"request","by":null,"bytes":null,"method":"GET","seconds":0.25,"status":200,"url":"https://example.org/v2/"}"#
        );
        assert_eq!(result("a \"b\"\n"), r#"{"reason":"result","value":"a \"b\"\n"}"#);
        assert_eq!(result("\u{7f}\u{9b}\u{202e}ä"), r#"{"reason":"result","value":"\u007f\u009b\u202eä"}"#);
    }

    #[test]
    fn every_reason_is_documented() {
        let source = include_str!("json.rs");
        let (table, code) = source.split_once("\npub fn event(").expect("a function");
        let (code, _) = code.split_once("\n}\n").expect("its end");
        let rows = table.lines().filter_map(|line| line.strip_prefix("//! | ")?.split(" | ").next());
        let documented: Vec<_> = rows.flat_map(|row| row.split(", ")).collect();
        let reasons = code.split("(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let reasons: Vec<_> = reasons.collect();
        assert_eq!(reasons.len(), code.matches("Event::").count());
        for reason in reasons.into_iter().chain(["transfer-progress", "result"]) {
            assert!(documented.contains(&format!("`{reason}`").as_str()), "{reason}");
        }
    }

    #[test]
    fn transfer_events_share_an_id() {
        let transfer = Transfer::begin(None, Activity::Pushing, "abc", 10);
        let counter = transfer.counter();
        let id = counter.id;
        let begun = json_of(&Event::TransferBegun { transfer: counter.clone() });
        assert_eq!(
            begun,
            format!(r#"{{"reason":"transfer-begun","activity":"pushing","id":{id},"name":"abc","total":10}}"#)
        );
        counter.add(4);
        assert_eq!(progress(counter), format!(r#"{{"reason":"transfer-progress","done":4,"id":{id},"total":10}}"#));
        let ended = json_of(&Event::TransferEnded { transfer: counter.clone() });
        assert_eq!(ended, format!(r#"{{"reason":"transfer-ended","done":4,"id":{id},"total":10}}"#));
    }
}
