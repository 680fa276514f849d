//! Blobs and tags that are copied into a layout.

use std::io;
use std::time::SystemTime;

use oci_spec::image::Descriptor;

use super::LayoutWriter;
use crate::error::Result;
use crate::image::digest::VerifyReader;
use crate::parallel::lock;
use crate::regular_file;
use crate::store::atomic;
use crate::store::fingerprint::Fingerprint;
use crate::store::layout::index::{blob_path, index_entry};
use crate::store::sink::Sink;
use crate::store::source::{Source, open};

impl Sink for LayoutWriter {
    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        let relative = blob_path(descriptor.digest());
        let now = SystemTime::now();
        // The layout itself must have the blob, not a link to somewhere.
        let Ok(file) = regular_file::open_no_link(&self.root.join(&relative)) else {
            return Ok(false);
        };
        let Ok(metadata) = file.metadata() else { return Ok(false) };
        let fingerprint = Fingerprint::of(&metadata).filter(|fingerprint| fingerprint.is_settled_at(now));
        let is_unchanged = fingerprint.is_some() && lock(&self.blobs).verified.get(&relative) == fingerprint.as_ref();
        let is_valid = metadata.len() == descriptor.size()
            && (is_unchanged || io::copy(&mut VerifyReader::new(file, descriptor), &mut io::sink()).is_ok());
        let mut blobs = lock(&self.blobs);
        match fingerprint.filter(|_| is_valid) {
            Some(fingerprint) => blobs.verified.insert(relative.clone(), fingerprint),
            None => blobs.verified.remove(&relative),
        };
        if is_valid {
            blobs.kept.insert(relative);
        }
        Ok(is_valid)
    }

    fn push(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<()> {
        if self.share(descriptor, source) {
            return Ok(());
        }
        let mut file = self.create_blob()?;
        let path = self.root.join(blob_path(descriptor.digest()));
        atomic::write_all(&mut file, &mut open(source, descriptor)?, &path)?;
        self.write_blob(descriptor, |path| atomic::persist(file, path)).map(drop)
    }

    fn tag(&self, descriptor: &Descriptor, name: &str) -> Result<()> {
        let entry = index_entry(descriptor, &format!("{}:{name}", self.name));
        lock(&self.entries).push(entry);
        Ok(())
    }
}
