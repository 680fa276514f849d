//! An image → what a runtime starts: a bundle (runtime-spec, `bundle.md`).
//!
//! | file | what it does |
//! | --- | --- |
//! | [`entries`], [`pax`] | a layer's tar, entry by entry |
//! | [`tree`] | the entries of all layers → the files they make together, in memory |
//!
//! The layers are not trusted: who unpacks an image as root must be able to do so with anybody's.

pub mod entries;
pub mod pax;
pub mod tree;
