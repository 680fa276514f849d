//! Whether a file is the one that was read before, as far as the file system tells.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// What changes with a file's content: a program may set the size and the one time back, but not the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: Time,
    changed: Time,
}

/// Seconds since 1970, and nanoseconds.
type Time = (i64, i64);

/// No kernel's clock for files is coarser.
const TICK: Duration = Duration::from_millis(20);
/// Some file systems know whole seconds, or every other one.
const COARSE_TICK: Duration = Duration::from_secs(2);

impl Fingerprint {
    /// That of a file; nothing where the system does not tell enough.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Option<Fingerprint> {
        use std::os::unix::fs::MetadataExt;
        Some(Fingerprint {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Without the time of the last change there is nothing to go by.
    #[cfg(not(unix))]
    pub fn of(_: &Metadata) -> Option<Fingerprint> {
        None
    }

    /// Whether every change from `now` on gives another stamp: one within the same tick of the clock does not.
    pub fn is_settled_at(&self, now: SystemTime) -> bool {
        let tick = if self.changed.1 == 0 { COARSE_TICK } else { TICK };
        let since = |(seconds, nanos): Time| {
            let time = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
            now.duration_since(SystemTime::UNIX_EPOCH + time).ok()
        };
        since(self.changed).is_some_and(|age| age > tick)
    }

    /// Whether it is another name of the same file.
    pub fn is_same_file(&self, other: &Fingerprint) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;

    fn stamp(path: &std::path::Path) -> Fingerprint {
        Fingerprint::of(&fs::metadata(path).expect("a file")).expect("a stamp")
    }

    #[test]
    fn a_change_of_the_same_size_and_time_shows_once_the_file_has_settled() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        fs::write(&path, "one").expect("writes");
        let before = stamp(&path);
        let time = fs::metadata(&path).and_then(|found| found.modified()).expect("a time");
        assert!(!before.is_settled_at(time));
        while !before.is_settled_at(SystemTime::now()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(stamp(&path), before);
        fs::write(&path, "two").expect("writes");
        fs::File::open(&path).and_then(|file| file.set_modified(time)).expect("sets the time back");
        assert_ne!(stamp(&path), before);
        assert!(stamp(&path).is_same_file(&before));
    }

    #[test]
    fn another_file_with_the_same_content_is_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("x"), folder.path().join("link"));
        fs::write(&path, "one").expect("writes");
        fs::hard_link(&path, &link).expect("links");
        assert_eq!(stamp(&path), stamp(&link));
        let copy = folder.path().join("copy");
        fs::copy(&path, &copy).expect("copies");
        assert!(!stamp(&copy).is_same_file(&stamp(&path)));
    }
}
