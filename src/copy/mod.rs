//! An image, with all that is attached to it → other registries, layouts and archives.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`destination`] | what was typed → a repository, a layout or an archive |
//! | [`copied`] | an image that is there → what of it is copied: platforms, attachments, and only what is signed |
//! | [`copier`] | writes that to a destination, its tags last |

pub(crate) mod copied;
pub(crate) mod copier;
pub(crate) mod destination;
