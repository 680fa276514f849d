//! What is remembered beside blobs: small documents that say what something was found to be.
//!
//! Nothing is lost with one, and none is believed for itself: each repeats what it is about, and what it says is held
//! against the bytes or the files that it names. One that cannot be read, or is about something else, is as good as none.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use oci_spec::image::{Descriptor, MediaType};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Cache;
use crate::image::digest::sha256;
use crate::image::layer::compression::COMPRESSOR;
use crate::image::{Compression, DiffId};
use crate::store::{MOST_DOCUMENT_BYTES, atomic};

/// What documents are about, as their names say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A tag → what it stood for.
    Tag,
    /// Files and what is made of them → the layer, while the files have the same stamps.
    Made,
    /// The folder of a layout → the stamps of its blobs.
    Layout,
    /// A tar and how it is compressed → the layer.
    Layer,
    /// Signed content and a key → the signature, which is verified again.
    Signature,
    /// An image in a repository → what this computer has attached to it there.
    Attached,
    /// What cargo was asked → the crates that it answered.
    Crates,
    /// A file → its digest, or what it says of itself, while it has the same stamp.
    File,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordKind::Tag => "tag",
            RecordKind::Made => "made",
            RecordKind::Layout => "layout",
            RecordKind::Layer => "layer",
            RecordKind::Signature => "signature",
            RecordKind::Attached => "attached",
            RecordKind::Crates => "crates",
            RecordKind::File => "file",
        })
    }
}

/// A document: what was found, and about what.
#[derive(Serialize, Deserialize)]
struct Record<T> {
    about: String,
    found: T,
}

impl Cache {
    /// The folder of these documents.
    pub(super) fn memory(&self) -> PathBuf {
        self.root.join("memory")
    }

    /// What was found `about` something; nothing where that is not known.
    pub fn get<T: DeserializeOwned>(&self, kind: RecordKind, about: &str) -> Option<T> {
        self.get_named(&name(kind, about), about)
    }

    /// Keeps what was found `about` something. What cannot be kept is found again.
    pub fn put(&self, kind: RecordKind, about: &str, found: impl Serialize) {
        self.put_named(&name(kind, about), about, found);
    }

    /// The layer that this compressor has made of a tar before.
    pub fn get_layer(&self, tar: &DiffId, size: u64, compression: Compression) -> Option<Descriptor> {
        let about = layer(tar, compression);
        self.get_named(&layer_name(size, &about), &about)
    }

    /// Keeps which layer was made of a tar of this `size`.
    pub fn put_layer(&self, tar: &DiffId, size: u64, compression: Compression, found: &Descriptor) {
        let about = layer(tar, compression);
        self.put_named(&layer_name(size, &about), &about, found);
    }

    /// Whether a layer was ever made of a tar of this size: else there is no use in hashing it to ask for that.
    pub fn has_layer_of_size(&self, size: u64) -> bool {
        let begin = layer_name(size, "");
        let begin = begin.rsplit_once('-').map_or("", |(begin, _)| begin);
        let known = fs::read_dir(self.memory()).into_iter().flatten().flatten();
        known.into_iter().any(|file| {
            file.file_name().to_str().and_then(|name| name.rsplit_once('-')).is_some_and(|(name, _)| name == begin)
        })
    }

    fn get_named<T: DeserializeOwned>(&self, name: &str, about: &str) -> Option<T> {
        let mut content = Vec::new();
        let file = File::open(self.memory().join(name)).ok()?;
        file.take(MOST_DOCUMENT_BYTES).read_to_end(&mut content).ok()?;
        let entry: Record<T> = serde_json::from_slice(&content).ok()?;
        (entry.about == about).then_some(entry.found)
    }

    fn put_named(&self, name: &str, about: &str, found: impl Serialize) {
        if self.is_read_only() {
            return;
        }
        let write = || -> io::Result<()> {
            let content = serde_json::to_vec(&Record { about: about.to_owned(), found })?;
            super::create_private(&self.memory())?;
            let mut file = atomic::create_in(&self.unfinished())?;
            file.write_all(&content)?;
            // Half of it, after a power cut, is none at all.
            file.persist(self.memory().join(name))?;
            Ok(())
        };
        let _ = write();
    }
}

fn name(kind: RecordKind, about: &str) -> String {
    format!("{kind}-{}", sha256(about.as_bytes()).digest())
}

fn layer_name(size: u64, about: &str) -> String {
    format!("{}-{size}-{}", RecordKind::Layer, sha256(about.as_bytes()).digest())
}

fn layer(tar: &DiffId, compression: Compression) -> String {
    let media_type: MediaType = compression.media_type();
    format!("{tar} as {media_type} by {COMPRESSOR}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_about_one_thing_is_not_recalled_about_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().to_owned()).expect("a cache");
        assert_eq!(cache.get::<u32>(RecordKind::Tag, "a"), None);
        cache.put(RecordKind::Tag, "a", 1);
        assert_eq!(cache.get(RecordKind::Tag, "a"), Some(1));
        assert_eq!((cache.get::<u32>(RecordKind::Tag, "b"), cache.get::<u32>(RecordKind::Made, "a")), (None, None));
        // One that was moved into the place of another says whose it is.
        let path = |about| cache.memory().join(name(RecordKind::Tag, about));
        fs::rename(path("a"), path("b")).expect("moves");
        assert_eq!(cache.get::<u32>(RecordKind::Tag, "b"), None);
        fs::write(path("a"), "{\"about\":\"a\",").expect("writes");
        assert_eq!(cache.get::<u32>(RecordKind::Tag, "a"), None);
    }

    #[test]
    fn layers_are_asked_for_by_the_size_of_their_tar_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().to_owned()).expect("a cache");
        let tar = DiffId(sha256(b"tar"));
        let made = Descriptor::new(MediaType::ImageLayerGzip, 3, sha256(b"abc"));
        cache.put_layer(&tar, 1024, Compression::Gzip, &made);
        assert_eq!((cache.has_layer_of_size(1024), cache.has_layer_of_size(102)), (true, false));
        assert_eq!(cache.get_layer(&tar, 1024, Compression::Gzip), Some(made));
        assert_eq!(cache.get_layer(&tar, 1024, Compression::Zstd), None);
        assert_eq!(cache.get_layer(&DiffId(sha256(b"rat")), 1024, Compression::Gzip), None);
    }
}
