//! What a push would send → lines.

use std::fmt::Write as _;

use super::lines::size;
use crate::event::{PlannedPush, PlannedTransfer};
use crate::sanitize::sanitize;

/// Returns the lines for a push: the image, its tags, its content, and how much of that is sent.
pub(crate) fn lines(push: &PlannedPush) -> String {
    let mut text = format!("{}@{}\n", push.to, push.digest);
    for tag in &push.tags {
        let change = match &tag.before {
            None => "new".to_owned(),
            Some(before) if *before == push.digest => "unchanged".to_owned(),
            Some(before) => format!("moves from {before}"),
        };
        let _ = writeln!(text, "  tag     {}: {change}", tag.name);
    }
    if !push.signed.is_empty() {
        let _ = writeln!(text, "  sign    {}", push.signed.join(", "));
    }
    for part in &push.content {
        let transfer = match part.transfer {
            PlannedTransfer::Send => "send",
            PlannedTransfer::Mount => "mount",
            PlannedTransfer::Exists => "exists",
        };
        let _ = writeln!(text, "  {transfer:<6}  {}  {:>10}  {}", part.digest, size(part.size), part.what);
    }
    let (count, bytes) = push.sent();
    let _ = writeln!(text, "  {count} of {} to send, {}", push.content.len(), size(bytes));
    sanitize(&text)
}
