//! A repository → what no tag, no index and no attachment in it needs any more.
//!
//! | file | what it does |
//! | --- | --- |
//! | `graph` | which manifests need which others |
//! | [`pruner`] | the content of a repository → what is deleted, and its deletion |

mod graph;
pub(crate) mod pruner;
