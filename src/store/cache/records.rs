//! Records: small documents with results of earlier runs.
//!
//! Losing a record only costs time, and none is trusted: each repeats its key, and its value is checked against the
//! content or files it refers to. What was looked up in a base has the digests of its layers as its key. A record that cannot be read or has another key is ignored.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use oci_spec::image::{Descriptor, MediaType};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::blobs::Cache;
use super::private::create_private;
use crate::image::digest::sha256;
use crate::image::layer::compression::COMPRESSOR;
use crate::image::{Compression, DiffId};
use crate::regular_file;
use crate::store::atomic::{self, Audience};
use crate::store::source::MAX_DOCUMENT_BYTES;

/// The kind of a record, which its file name begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A tag → its descriptor.
    Tag,
    /// Files and settings → the layer, while the files have the same fingerprints.
    Made,
    /// The folder of a layout → the fingerprints of its blobs.
    Layout,
    /// A tar and its compression → the layer.
    Layer,
    /// Signed content and a key → the signature, which is verified again on use.
    Signature,
    /// An image in a repository → what was attached to it from this machine.
    Attached,
    /// A query to cargo → the crates in its answer.
    Crates,
    /// A layout → the advice that was given about it.
    Advice,
    /// The layers of a base → its C library, and the programs that it can start.
    Libc,
    /// The layers of a base, and what was looked up in them → what was found.
    Base,
    /// A file → its digest or metadata, while it has the same fingerprint.
    File,
    /// A base → its os-release, and the day of the last warning about it.
    Support,
    /// What nothing in a repository needs → when that was seen first.
    Unneeded,
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
            RecordKind::Advice => "advice",
            RecordKind::Libc => "libc",
            RecordKind::Base => "base",
            RecordKind::File => "file",
            RecordKind::Support => "support",
            RecordKind::Unneeded => "unneeded",
        })
    }
}

/// A record on disk.
#[derive(Serialize, Deserialize)]
struct Record<T> {
    #[serde(rename = "about")]
    key: String,
    #[serde(rename = "found")]
    value: T,
}

impl Cache {
    /// Returns the folder of the records.
    pub(super) fn records_folder(&self) -> PathBuf {
        self.root().join("memory")
    }

    /// Returns the value of a record, or `None` if there is none.
    pub fn get<T: DeserializeOwned>(&self, kind: RecordKind, key: &str) -> Option<T> {
        self.get_named(&file_name(kind, key), key)
    }

    /// Stores a record. If that fails, a later run computes the value again.
    pub fn put(&self, kind: RecordKind, key: &str, value: impl Serialize) {
        self.put_named(&file_name(kind, key), key, value);
    }

    /// Returns the layer that this compressor made of a tar before.
    pub fn get_layer(&self, tar: &DiffId, size: u64, compression: Compression) -> Option<Descriptor> {
        let key = layer_key(tar, compression);
        self.get_named(&layer_file_name(size, &key), &key)
    }

    /// Stores which layer was made of a tar of `size` bytes.
    pub fn put_layer(&self, tar: &DiffId, size: u64, compression: Compression, layer: &Descriptor) {
        let key = layer_key(tar, compression);
        self.put_named(&layer_file_name(size, &key), &key, layer);
    }

    /// Returns whether a layer was made of any tar of this size. If not, hashing the tar to look it up is not worth it.
    pub fn has_layer_of_size(&self, size: u64) -> bool {
        let name = layer_file_name(size, "");
        let prefix = name.rsplit_once('-').map_or("", |(prefix, _)| prefix);
        let mut records = fs::read_dir(self.records_folder()).into_iter().flatten().flatten();
        records.any(|file| {
            file.file_name().to_str().and_then(|name| name.rsplit_once('-')).is_some_and(|(name, _)| name == prefix)
        })
    }

    fn get_named<T: DeserializeOwned>(&self, name: &str, key: &str) -> Option<T> {
        let mut content = Vec::new();
        let file = regular_file::open_no_link(&self.records_folder().join(name)).ok()?;
        file.take(MAX_DOCUMENT_BYTES).read_to_end(&mut content).ok()?;
        let record: Record<T> = serde_json::from_slice(&content).ok()?;
        (record.key == key).then_some(record.value)
    }

    fn put_named(&self, name: &str, key: &str, value: impl Serialize) {
        if !self.is_read_only() {
            let _ = self.write_record(name, &Record { key: key.to_owned(), value });
        }
    }

    fn write_record(&self, name: &str, record: &Record<impl Serialize>) -> io::Result<()> {
        let content = serde_json::to_vec(record)?;
        create_private(&self.records_folder())?;
        let mut file = atomic::create_in(&self.unfinished(), Audience::Owner)?;
        file.write_all(&content)?;
        // No sync: a record that is truncated by a power failure is ignored.
        atomic::persist(file, &self.records_folder().join(name))?;
        Ok(())
    }
}

fn file_name(kind: RecordKind, key: &str) -> String {
    format!("{kind}-{}", sha256(key.as_bytes()).digest())
}

fn layer_file_name(size: u64, key: &str) -> String {
    format!("{}-{size}-{}", RecordKind::Layer, sha256(key.as_bytes()).digest())
}

fn layer_key(tar: &DiffId, compression: Compression) -> String {
    let media_type: MediaType = compression.media_type();
    format!("{tar} as {media_type} by {COMPRESSOR}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_returned_for_their_own_key_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().to_owned()).expect("a cache");
        assert_eq!(cache.get::<u32>(RecordKind::Tag, "a"), None);
        cache.put(RecordKind::Tag, "a", 1);
        assert_eq!(cache.get(RecordKind::Tag, "a"), Some(1));
        assert_eq!((cache.get::<u32>(RecordKind::Tag, "b"), cache.get::<u32>(RecordKind::Made, "a")), (None, None));
        // A record that replaced another one still has its own key.
        let path = |key| cache.records_folder().join(file_name(RecordKind::Tag, key));
        fs::rename(path("a"), path("b")).expect("moves");
        assert_eq!(cache.get::<u32>(RecordKind::Tag, "b"), None);
        fs::write(path("a"), "{\"about\":\"a\",").expect("writes");
        assert_eq!(cache.get::<u32>(RecordKind::Tag, "a"), None);
    }

    #[test]
    fn layers_are_found_by_tar_size_first() {
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
