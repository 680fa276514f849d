use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use oci_spec::image::Descriptor;

use super::Cache;
use crate::image::digest::sha256;
use crate::store::reflink::ShareableFile;
use crate::store::{Memory, Sink, Source, copy, read};
use oci_spec::image::MediaType;

fn blob(bytes: &[u8]) -> (Memory, Descriptor) {
    let (memory, descriptor) =
        (Memory::default(), Descriptor::new(MediaType::ImageLayer, bytes.len() as u64, sha256(bytes)));
    memory.put(&descriptor, bytes.to_vec());
    (memory, descriptor)
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder.join("blobs/sha256")).expect("a folder").count()
}

#[test]
fn content_is_fetched_from_origin_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Arc::new(Cache::open(folder.path().to_owned()).expect("a cache"));
    let (origin, descriptor) = blob(b"abc");
    assert_eq!(read(&cache.pull_through(Box::new(&origin), true), &descriptor).expect("reads"), b"abc");
    assert_eq!(read(&cache.pull_through(Box::new(Memory::default()), true), &descriptor).expect("is there"), b"abc");
}

#[test]
fn corrupted_blob_is_fetched_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Arc::new(Cache::open(folder.path().to_owned()).expect("a cache"));
    let (origin, descriptor) = blob(b"abc");
    copy(&origin, cache.as_ref(), std::slice::from_ref(&descriptor)).expect("copies");
    fs::write(cache.path(descriptor.digest()), b"abd").expect("corrupts");
    assert!(read(cache.as_ref(), &descriptor).is_err());
    assert_eq!(read(&cache.pull_through(Box::new(&origin), true), &descriptor).expect("reads"), b"abc");
    assert_eq!(read(cache.as_ref(), &descriptor).expect("is fetched again"), b"abc");
}

#[test]
fn wrong_content_is_never_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Arc::new(Cache::open(folder.path().to_owned()).expect("a cache"));
    let (origin, descriptor) = blob(b"abc");
    for wrong in [&b"abd"[..], b"ab", b"abcd"] {
        origin.put(&descriptor, wrong.to_vec());
        assert!(copy(&origin, cache.as_ref(), std::slice::from_ref(&descriptor)).is_err());
        assert_eq!(files(folder.path()), 0);
    }
}

#[test]
fn files_of_killed_runs_are_removed_when_unlocked() {
    let folder = tempfile::tempdir().expect("a folder");
    let left = folder.path().join("unfinished/.cargo-oci-new-left");
    fs::create_dir_all(left.parent().expect("a folder")).expect("a folder");
    fs::write(&left, "half").expect("writes");
    let first = Cache::open(folder.path().to_owned()).expect("a cache");
    assert!(!left.exists());
    fs::write(&left, "half").expect("writes");
    let second = Cache::open(folder.path().to_owned()).expect("a cache");
    assert!(left.exists(), "it may be the first one's");
    drop((first, second));
    drop(Cache::open(folder.path().to_owned()));
    assert!(!left.exists());
}

#[cfg(unix)]
#[test]
fn shared_folders_and_symlinks_are_rejected() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("cache");
    let cache = Cache::open(root.clone()).expect("a cache");
    assert_eq!(fs::metadata(&root).expect("a folder").permissions().mode() & 0o777, 0o700);
    let (origin, descriptor) = blob(b"abc");
    copy(&origin, &cache, std::slice::from_ref(&descriptor)).expect("copies");
    let path = cache.path(descriptor.digest());
    fs::rename(&path, root.join("elsewhere")).expect("moves");
    symlink(root.join("elsewhere"), &path).expect("links");
    assert!(read(&cache, &descriptor).is_err());
    fs::rename(root.join("elsewhere"), &path).expect("moves");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("opens");
    assert!(read(&cache, &descriptor).is_err());
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).expect("opens");
    let error = Cache::open(root).unwrap_err();
    assert!(error.to_string().contains("everyone can write to it"), "{error}");
}

#[cfg(unix)]
#[test]
fn adopted_blob_shares_no_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::open(folder.path().join("cache")).expect("a cache");
    let layout = folder.path().join("layout");
    fs::create_dir(&layout).expect("a folder");
    let (_, descriptor) = blob(b"abc");
    let path = layout.join("abc");
    fs::write(&path, "abc").expect("writes");
    let adopt = |path: &Path| {
        let file = File::open(path).expect("a file");
        cache.adopt(&descriptor, &ShareableFile { file, path: path.to_owned() });
    };
    adopt(&path);
    assert_eq!(read(&cache, &descriptor).expect("is there"), b"abc");
    assert_eq!(fs::read_dir(cache.unfinished()).expect("a folder").count(), 0);
    // The layout does not share its writes.
    fs::write(&path, "abd").expect("writes");
    assert!(cache.shareable(&descriptor).is_some());
    fs::write(cache.path(descriptor.digest()), "abd").expect("writes");
    assert!(cache.shareable(&descriptor).is_none());
}

#[test]
fn push_rejects_content_of_another_blob() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::open(folder.path().join("cache")).expect("a cache");
    let (origin, descriptor) = blob(b"abc");
    origin.put(&descriptor, b"abd".to_vec());
    assert!(cache.push(&descriptor, &origin).is_err());
    assert!(!cache.has(&descriptor));
}
