//! Detects changes of a file by its metadata.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Metadata that changes with a file's content. Programs can restore the size and the mtime, but not the ctime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: Timestamp,
    changed: Timestamp,
}

/// Seconds since 1970, and nanoseconds.
type Timestamp = (i64, i64);

/// The maximum tick of a kernel's clock for file times.
const TICK: Duration = Duration::from_millis(20);
/// The tick of file systems that store whole seconds or every other second.
const COARSE_TICK: Duration = Duration::from_secs(2);

impl Fingerprint {
    /// Returns the fingerprint of a file, or `None` if the system has no ctime.
    #[cfg(unix)]
    #[allow(clippy::unnecessary_wraps)] // other systems have `None`
    pub(crate) fn of(metadata: &Metadata) -> Option<Fingerprint> {
        use std::os::unix::fs::MetadataExt;
        Some(Fingerprint {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Returns `None`: without a ctime, changes cannot be detected.
    #[cfg(not(unix))]
    pub(crate) fn of(_: &Metadata) -> Option<Fingerprint> {
        None
    }

    /// Returns whether every change from `now` on yields another fingerprint. A change within the same tick of the clock
    /// as the last one does not.
    pub(crate) fn is_settled_at(&self, now: SystemTime) -> bool {
        let (seconds, nanos) = self.changed;
        let tick = if nanos == 0 { COARSE_TICK } else { TICK };
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else { return false };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        now.duration_since(changed).is_ok_and(|age| age > tick)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;

    fn fingerprint(path: &std::path::Path) -> Fingerprint {
        Fingerprint::of(&fs::metadata(path).expect("a file")).expect("a fingerprint")
    }

    #[test]
    fn settled_fingerprint_detects_change_with_restored_mtime() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        fs::write(&path, "one").expect("writes");
        let before = fingerprint(&path);
        let time = fs::metadata(&path).and_then(|found| found.modified()).expect("a time");
        assert!(!before.is_settled_at(time));
        while !before.is_settled_at(SystemTime::now()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(fingerprint(&path), before);
        fs::write(&path, "two").expect("writes");
        fs::File::open(&path).and_then(|file| file.set_modified(time)).expect("sets the time back");
        assert_ne!(fingerprint(&path), before);
    }

    #[test]
    fn fingerprint_tells_copies_from_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("x"), folder.path().join("link"));
        fs::write(&path, "one").expect("writes");
        fs::hard_link(&path, &link).expect("links");
        assert_eq!(fingerprint(&path), fingerprint(&link));
        let copy = folder.path().join("copy");
        fs::copy(&path, &copy).expect("copies");
        assert_ne!(fingerprint(&copy), fingerprint(&path));
    }
}
