//! The contents of an image as data: [`report`](crate::report) prints it as a tree, `--json` as JSON.
//!
//! | file | what it does |
//! | --- | --- |
//! | `read` | the descriptor of an image → an [`ImageInfo`] |
//! | [`image`], [`blob`] | the data of an image |
//! | [`config`] | the config of an image |
//! | [`files`] | the files that its layers make |
//! | [`referrers`] | what is attached to an image: signatures, SBOMs, attestations |
//! | [`attachments`] | reads that, level by level and up to a limit |
//! | [`packages`] | the packages that an SBOM lists |
//! | [`base_pins`] | the bases of a workspace, and what their tags name now |
//! | [`os_packages`] | the packages of a distribution that an image lists |
//! | [`package_changes`] | what differs between two lists of packages |
//! | [`selection`] | one of them, by its type or digest |
//!
//! Only indexes, manifests and configs are read, and layers only for their files. Each is checked against its digest.
//!
//! # The JSON
//!
//! The fields of [`Inspected`], in camel case. Every field is always present: a missing value is `null`, `[]` or `{}`. Digests
//! are in full, sizes in bytes, and texts as the image has them. Fields may be added, but are never removed.
//!
//! ```json
//! {
//!   "reference": "oci:target/oci/hello",
//!   "images": [{
//!     "tags": ["latest"], "digest": "sha256:…", "mediaType": "…", "size": 671027, "annotations": {},
//!     "manifests": [{
//!       "platform": "linux/amd64", "digest": "sha256:…", "mediaType": "…", "size": 1234, "missing": false,
//!       "artifactType": null, "annotations": {}, "base": { "name": "…", "digest": "sha256:…" },
//!       "config": {
//!         "digest": "sha256:…", "mediaType": "…", "size": 1234, "created": "1970-01-01T00:00:00Z",
//!         "user": "65532", "entrypoint": ["/app/hello"], "cmd": [], "env": ["PATH=…"], "workdir": "/", "ports": [],
//!         "volumes": [], "stopSignal": null, "labels": {}
//!       },
//!       "layersSize": 320000,
//!       "layers": [{
//!         "digest": "sha256:…", "mediaType": "…", "size": 320000, "diffId": "sha256:…", "createdBy": "…",
//!         "comment": null, "annotations": {}
//!       }],
//!       "attached": []
//!     }],
//!     "attached": [{
//!       "digest": "sha256:…", "mediaType": "…", "size": 900, "missing": false, "artifactType": "…", "annotations": {},
//!       "contents": [{ "digest": "sha256:…", "mediaType": "…", "size": 4000, "annotations": {} }], "attached": []
//!     }]
//!   }],
//!   "omitted": 0
//! }
//! ```
//!
//! `--files` prints [`ListedFiles`]:
//!
//! ```json
//! {
//!   "reference": "oci:target/oci/hello",
//!   "images": [{
//!     "platform": "linux/amd64", "digest": "sha256:…",
//!     "files": [{
//!       "path": "/app/hello", "type": "file", "mode": "0755", "uid": 0, "gid": 0, "size": 320000, "target": null,
//!       "layer": "sha256:…"
//!     }]
//!   }]
//! }
//! ```

pub(crate) mod attachments;
pub(crate) mod base_pins;
pub(crate) mod blob;
pub(crate) mod config;
pub(crate) mod files;
pub(crate) mod image;
pub(crate) mod os_packages;
pub(crate) mod package_changes;
pub(crate) mod packages;
mod read;
pub(crate) mod referrers;
pub(crate) mod registry;
pub(crate) mod selection;

pub(crate) use files::ListedFiles;
pub(crate) use image::{ImageInfo, Inspected};
pub(crate) use read::ImageReader;
