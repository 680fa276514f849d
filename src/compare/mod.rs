//! Two images → what differs between them, as data: [`report`](crate::report) prints it as lines, `--json` as JSON.
//!
//! | file | what it does |
//! | --- | --- |
//! | `images` | two images → their platforms side by side |
//! | [`difference`] | what differs |
//! | `values` | two JSON documents → the values that differ |
//! | `documents` | an index, a manifest, a config → what of it is compared as values |
//! | `layers` | two lists of layers → those that differ, and how many both begin with |
//! | `files` | two trees → the files that differ |
//! | `first` | the first difference, down to the byte |
//! | `trees` | the layers of two images → two trees; what both begin with is read once, or not at all |
//!
//! # The JSON
//!
//! The fields of [`ImageDifference`](difference::ImageDifference), in camel case. `change` is `added` if only the second image has it, `removed` if only
//! the first, else `changed`; `a` is what the first image has, `b` the second, or `null`. Fields may be added, but are never
//! removed.
//!
//! ```json
//! {
//!   "a": { "reference": "…", "digest": "sha256:…" }, "b": { "reference": "…", "digest": "sha256:…" }, "same": false,
//!   "index": [{ "name": "annotations.…", "change": "changed", "a": "1", "b": "2" }],
//!   "platforms": [{
//!     "platform": "linux/amd64", "change": "changed", "a": "sha256:…", "b": "sha256:…",
//!     "manifest": [], "config": [{ "name": "config.Env.RUST_LOG", "change": "added", "a": null, "b": "info" }],
//!     "layers": [{ "change": "changed", "a": { "number": 2, "digest": "sha256:…", "mediaType": "…", "size": 9 }, "b": {} }],
//!     "files": [{
//!       "path": "/app/hello", "change": "changed", "differs": ["content"],
//!       "a": { "type": "file", "mode": "0755", "uid": 0, "gid": 0, "size": 9, "target": null, "digest": "sha256:…" }, "b": {}
//!     }],
//!     "onlyTimes": 0,
//!     "packages": { "added": [], "removed": [], "changed": [{ "name": "serde", "from": "1.0.1", "to": "1.0.2" }] }
//!   }],
//!   "first": null
//! }
//! ```
//!
//! `first` is `null`: only `cargo oci reproduce` asks for the first difference. `onlyTimes` counts the files that differ in nothing but the time of their last change. `packages` is `null` unless an SBOM
//! is attached to both.

pub(crate) mod difference;
mod documents;
mod files;
mod first;
mod images;
mod layers;
mod trees;
mod values;

pub(crate) use first::first;
pub(crate) use images::{ComparedImage, compare};
