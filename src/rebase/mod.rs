//! An image that this program has built → the same layers of ours on a new base, without source, cargo or our layers.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`origin`] | an image → its base, its own layers and what else it brings, if this program has built it |
//! | [`settings`] | the configs of an image and of its base → the settings that made the one of the other |
//! | [`contents`] | what programs and files of an image rely on in a base, and whether another base has it |
//! | [`renewed`] | an image → the same on a new base: configs, manifests, index |
//! | [`documents`] | what is attached → the same about the new image |
//! | [`repository`], [`folder`] | writes that where the image is, tags last |
//! | [`job`] | what was typed → an image, opened and read, and its bases |
//! | [`rebaser`] | does it for one image |

pub(crate) mod contents;
pub(crate) mod documents;
pub(crate) mod folder;
pub(crate) mod job;
pub(crate) mod origin;
pub(crate) mod rebaser;
pub(crate) mod renewed;
pub(crate) mod repository;
pub(crate) mod settings;
