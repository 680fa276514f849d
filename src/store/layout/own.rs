//! Which blobs of a layout this program has written: only those are ever removed.
//!
//! Other programs may keep blobs in the same folder, before or without listing them in an `index.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::index::blob_path;
use crate::image::digest::Digest;
use crate::regular_file;
use crate::store::atomic::{self, Audience};
use crate::store::source::MAX_DOCUMENT_BYTES;

/// The file with the digests of our own blobs: one a line, and perhaps the time since when nothing refers to it.
pub(crate) const OWN_BLOBS: &str = ".cargo-oci-blobs";

/// How long a blob of a replaced image stays: others may be reading that image, and know nothing of our locks.
pub(crate) const GRACE: Duration = Duration::from_secs(5 * 60);

/// The blobs that this program has written to a layout, by their paths relative to its root.
#[derive(Debug)]
pub(crate) struct OwnBlobs {
    path: PathBuf,
    /// Since when nothing refers to each, in seconds since 1970, or `None` if something does.
    blobs: BTreeMap<String, Option<u64>>,
    /// Whether the file has other content.
    is_changed: bool,
    /// The file, for adding lines.
    file: Option<File>,
    /// How long the file was when it was read.
    length: u64,
}

impl OwnBlobs {
    /// Reads the list of the layout in `root`. It is empty if there is none.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub(crate) fn read(root: &Path) -> io::Result<OwnBlobs> {
        let path = root.join(OWN_BLOBS);
        let mut lines = Vec::new();
        match regular_file::open_no_link(&path) {
            Ok(file) => drop(file.take(MAX_DOCUMENT_BYTES).read_to_end(&mut lines)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // The last line of a killed run may be incomplete.
        let blobs = String::from_utf8_lossy(&lines).lines().filter_map(parse).collect();
        Ok(OwnBlobs { path, blobs, is_changed: false, file: None, length: lines.len() as u64 })
    }

    /// Returns whether the layout has such a list, so that this program has written to it.
    pub(crate) fn exists(root: &Path) -> bool {
        root.join(OWN_BLOBS).symlink_metadata().is_ok_and(|found| found.is_file())
    }

    /// Adds a blob that is about to be written, also to the file: the run may be killed.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(crate) fn add(&mut self, blob: &str) -> io::Result<()> {
        if self.blobs.get(blob) == Some(&None) {
            return Ok(());
        }
        self.blobs.insert(blob.to_owned(), None);
        let line = format!("{}\n", line(blob, None));
        self.open()?.write_all(line.as_bytes())
    }

    /// Creates the file, so that others see who writes to this layout.
    ///
    /// # Errors
    /// Returns an error if it cannot be created.
    pub(crate) fn create(&mut self) -> io::Result<()> {
        self.open().map(drop)
    }

    fn open(&mut self) -> io::Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            file => {
                let mut options = File::options();
                options.append(true).create(true);
                #[cfg(unix)]
                {
                    use rustix::fs::OFlags;
                    use std::os::unix::fs::OpenOptionsExt;
                    options.mode(0o664).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
                }
                Ok(file.insert(options.open(&self.path)?))
            }
        }
    }

    /// Removes what was added to the file since it was read: the run has failed, and removes its blobs.
    pub(crate) fn undo(&self) {
        // Windows does not let one shorten a file that is open for appending alone.
        if self.file.is_some() {
            let _ = File::options().write(true).open(&self.path).and_then(|file| file.set_len(self.length));
        }
    }

    /// Updates the list after a new image was written, `now` seconds after 1970. Returns the blobs to remove: nothing has
    /// referred to them for `grace`.
    pub(crate) fn retire(&mut self, is_kept: impl Fn(&str) -> bool, grace: Duration, now: u64) -> Vec<String> {
        let mut removed = Vec::new();
        self.blobs.retain(|blob, since| {
            let before = *since;
            // A clock that was set back must not keep blobs for ever.
            *since = if is_kept(blob) { None } else { Some(before.unwrap_or(now).min(now)) };
            self.is_changed |= *since != before;
            let is_old = since.is_some_and(|since| now - since >= grace.as_secs());
            if is_old {
                removed.push(blob.clone());
            }
            !is_old
        });
        self.is_changed |= !removed.is_empty();
        removed
    }

    /// Writes the list if it differs from the file.
    ///
    /// # Errors
    /// Returns an error if writing fails.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        let lines: String = self.blobs.iter().map(|(blob, since)| line(blob, *since) + "\n").collect();
        // Windows does not replace a file that is open.
        self.file = None;
        atomic::replace_name(Audience::Everyone, &self.path, |file| file.write_all(lines.as_bytes()))?;
        self.is_changed = false;
        Ok(())
    }
}

/// Returns the line of a blob: its digest, and the time.
fn line(blob: &str, since: Option<u64>) -> String {
    let digest = blob.trim_start_matches("blobs/").replacen('/', ":", 1);
    since.map_or(digest.clone(), |since| format!("{digest} {since}"))
}

/// Parses a line. Only digests become paths, so that nothing outside of the layout can be meant.
fn parse(line: &str) -> Option<(String, Option<u64>)> {
    let (digest, since) = match line.split_once(' ') {
        Some((digest, since)) => (digest, Some(since.parse().ok()?)),
        None => (line, None),
    };
    Some((blob_path(&Digest::try_from(digest).ok()?), since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;
    use std::fs;

    fn blob(content: &str) -> String {
        blob_path(&sha256(content.as_bytes()))
    }

    #[test]
    fn own_blobs_are_read_back_with_their_times() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut own = OwnBlobs::read(folder.path()).expect("is empty");
        for content in ["kept", "old", "older"] {
            own.add(&blob(content)).expect("writes");
        }
        let keeps = |content: &'static str| move |path: &str| path == blob(content);
        assert_eq!(own.retire(|path| path != blob("older"), GRACE, 1_000), Vec::<String>::new());
        assert_eq!(own.retire(keeps("kept"), GRACE, 1_010), Vec::<String>::new());
        own.save().expect("writes");
        let mut own = OwnBlobs::read(folder.path()).expect("reads");
        assert_eq!(own.retire(keeps("kept"), GRACE, 1_300), [blob("older")]);
        own.save().expect("writes");
        let mut own = OwnBlobs::read(folder.path()).expect("reads");
        assert_eq!(own.retire(keeps("old"), GRACE, 9_000), Vec::<String>::new(), "it is referred to again");
        assert_eq!(own.retire(keeps("old"), GRACE, 0), Vec::<String>::new(), "the clock was set back");
        assert_eq!(own.retire(keeps("old"), GRACE, 300), [blob("kept")]);
    }

    #[test]
    fn undone_list_is_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let content = || fs::read(folder.path().join(OWN_BLOBS)).expect("a list");
        let add = |name: &str| {
            let mut own = OwnBlobs::read(folder.path()).expect("reads");
            own.add(&blob(name)).expect("writes");
            own
        };
        drop(add("first"));
        let before = content();
        let failed = add("second");
        assert_ne!(content(), before);
        failed.undo();
        assert_eq!(content(), before);
    }

    #[test]
    fn only_digests_are_own_blobs() {
        let folder = tempfile::tempdir().expect("a folder");
        let digest = sha256(b"own");
        let lines = format!("../../precious\nsha256:../x\n/etc\n{digest} soon\nsha256:0\n{digest} 7\nsha256:ab");
        fs::write(folder.path().join(OWN_BLOBS), lines).expect("writes");
        let own = OwnBlobs::read(folder.path()).expect("reads");
        assert_eq!(own.blobs.into_iter().collect::<Vec<_>>(), [(blob("own"), Some(7))]);
    }
}
