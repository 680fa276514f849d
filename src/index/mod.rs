//! Images for single platforms that are elsewhere → one index of them, in a repository.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`job`] | what the user names → indexes, with the sources of their parts |
//! | [`metadata`] | the files of runs that have pushed parts |
//! | [`part`] | a source → images for one platform each |
//! | `agreement` | whether parts belong together |
//! | `documents` | the attachments of parts → those of the index |
//! | [`builder`] | parts → index, attachments, signatures, and last the tags |

mod agreement;
pub(crate) mod builder;
mod documents;
pub(crate) mod job;
pub(crate) mod metadata;
mod part;
