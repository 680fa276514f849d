//! The bases in Cargo.toml: pinned by digest, compared with what their tags name now, and updated.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`pinner`] | `base pin` and `base update`: which keys change, checked before anything is written |
//! | [`checker`] | `base check`: each base → its state, its ages and what changed |
//! | `usage` | the keys `base` of a workspace, and the images that each is for |
//! | `tagged` | a reference → its tag without the digest, its pin |
//! | `ages` | two digests of a base → their ages, and what differs |
//! | `contents` | what the files of a base say: packages, certificates, os-release |
//! | [`edit`] | a Cargo.toml with another value of one key `base`, and all other bytes as they were |
//! | `manifest_file` | a Cargo.toml on disk: read, and replaced atomically |
//! | `unified_diff` | what an edit changes, for `--dry-run` |

mod ages;
pub(crate) mod checker;
mod contents;
pub(crate) mod edit;
mod manifest_file;
pub(crate) mod pinner;
mod tagged;
mod unified_diff;
mod usage;
