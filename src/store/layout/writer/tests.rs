use super::*;
use crate::image::MediaType;
use crate::image::digest::sha256;
use crate::store::layout::index::INDEX;
use crate::store::{Memory, read};

/// Creates a source with `bytes` as the content of `descriptor`.
fn holding(descriptor: &Descriptor, bytes: &[u8]) -> Memory {
    let memory = Memory::default();
    memory.put(descriptor, bytes.to_vec());
    memory
}

fn blob(bytes: &[u8]) -> Descriptor {
    Descriptor::new(MediaType::ImageLayer, bytes.len() as u64, sha256(bytes))
}

/// Writes a layout with one blob, tagged `latest`.
fn write(root: &Path, name: &str, bytes: &[u8]) -> Result<Layout> {
    let writer = LayoutWriter::begin(root, name, LayoutFolder::UserNamed, &|_| ())?;
    writer.push(&blob(bytes), &holding(&blob(bytes), bytes))?;
    writer.tag(&blob(bytes), "latest")?;
    writer.commit()
}

fn blobs(root: &Path) -> usize {
    fs::read_dir(root.join("blobs/sha256")).expect("a folder").count()
}

#[test]
fn new_layout_replaces_old_one_with_its_blobs() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("x");
    write(&root, "x", b"old").expect("writes");
    let layout = write(&root, "x", b"new").expect("writes");
    let found = layout.resolve(Some(&"latest".parse().expect("a tag"))).expect("is tagged");
    assert_eq!(read(&layout, &found).expect("reads"), b"new");
    assert_eq!(blobs(&root), 1);
}

#[test]
fn failed_run_leaves_last_layout_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("x");
    write(&root, "x", b"old").expect("writes");
    let writer = LayoutWriter::begin(&root, "x", LayoutFolder::UserNamed, &|_| ()).expect("begins");
    writer.push(&blob(b"new"), &holding(&blob(b"new"), b"new")).expect("writes");
    assert!(writer.push(&blob(b"bad"), &holding(&blob(b"bad"), b"other")).is_err());
    drop(writer);
    let layout = Layout::open(&root).expect("is a layout");
    let found = layout.resolve(None).expect("one image");
    assert_eq!(read(&layout, &found).expect("reads"), b"old");
    assert_eq!(blobs(&root), 1);
}

#[test]
fn failed_first_run_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("x");
    let writer = LayoutWriter::begin(&root, "x", LayoutFolder::UserNamed, &|_| ()).expect("begins");
    writer.push(&blob(b"new"), &holding(&blob(b"new"), b"new")).expect("writes");
    drop(writer);
    assert!(!root.exists());
}

#[test]
fn corrupted_blob_of_old_layout_is_rewritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("x");
    write(&root, "x", b"same").expect("writes");
    fs::write(root.join(blob_path(blob(b"same").digest())), b"sane").expect("corrupts");
    let writer = LayoutWriter::begin(&root, "x", LayoutFolder::UserNamed, &|_| ()).expect("begins");
    assert!(!writer.exists(&blob(b"same")).expect("looks"));
    drop(writer);
    let layout = write(&root, "x", b"same").expect("writes");
    assert_eq!(read(&layout, &blob(b"same")).expect("reads"), b"same");
}

#[test]
fn foreign_folders_and_images_are_not_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let precious = folder.path().join("blobs/photos/cat");
    fs::create_dir_all(precious.parent().expect("a folder")).expect("a folder");
    fs::write(&precious, b"").expect("writes");
    assert!(LayoutWriter::begin(folder.path(), "x", LayoutFolder::UserNamed, &|_| ()).is_err());
    assert!(precious.exists() && !folder.path().join(OCI_LAYOUT).exists());
    let root = folder.path().join("y");
    write(&root, "y", b"old").expect("writes");
    let error = LayoutWriter::begin(&root, "x", LayoutFolder::UserNamed, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("other than x"), "{error}");
}

#[test]
fn unknown_tag_error_lists_known_tags() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = write(&folder.path().join("x"), "x", b"old").expect("writes");
    let error = layout.resolve(Some(&"v1".parse().expect("a tag"))).unwrap_err();
    assert!(error.help().expect("help").to_string().contains("latest"));
}

#[test]
fn failed_waiting_run_keeps_layout_of_other_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("x");
    let first = LayoutWriter::begin(&root, "x", LayoutFolder::Managed, &|_| ()).expect("begins");
    let (waits, waiting) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let waits = Mutex::new(waits);
            let say = |_| lock(&waits).send(()).expect("someone listens");
            LayoutWriter::begin(&root, "x", LayoutFolder::Managed, &say).expect("begins")
        });
        waiting.recv().expect("it waits");
        first.push(&blob(b"good"), &holding(&blob(b"good"), b"good")).expect("writes");
        first.tag(&blob(b"good"), "latest").expect("tags");
        first.commit().expect("commits");
        let second = second.join().expect("no panic");
        second.push(&blob(b"other"), &holding(&blob(b"other"), b"other")).expect("writes");
    });
    let layout = Layout::open(&root).expect("a layout");
    assert_eq!(read(&layout, &blob(b"good")).expect("reads"), b"good");
    assert_eq!(blobs(&root), 1);
}

#[test]
fn damaged_managed_layout_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("x");
    write(&root, "x", b"old").expect("writes");
    fs::write(root.join(INDEX), "{").expect("damages");
    assert!(write(&root, "x", b"new").is_err());
    let writer = LayoutWriter::begin(&root, "x", LayoutFolder::Managed, &|_| ()).expect("begins");
    writer.commit().expect("commits");
}
