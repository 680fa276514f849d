use super::*;
use crate::image::MediaType;
use crate::image::artifact::{EMPTY, artifact, empty};
use crate::image::digest::sha256;
use crate::image::manifest::Annotations;
use crate::store::layout::index::{INDEX, parse_index};
use crate::store::layout::lists::merge_referrers;
use crate::store::layout::sample::begin_sample;
use crate::store::{Memory, Sink, read};

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

/// Writes a layout with an image, tagged `latest`, and what is attached to it.
fn write_attached(root: &Path, place: ReferrersPlace, types: &[&str]) -> Layout {
    let (writer, image) = begin_sample(root);
    let writer = writer.with_referrers(place);
    let memory = Memory::default();
    memory.put(&empty(), EMPTY.to_vec());
    for artifact_type in types {
        let attached = memory.put_document(artifact(artifact_type, &[], &image, &Annotations::new()));
        writer.attach(&attached, &memory).expect("attaches");
    }
    writer.commit().expect("commits")
}

#[test]
fn index_lists_the_image_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("x");
    let layout = write_attached(&root, ReferrersPlace::Beside, &["text/x", "text/y"]);
    assert_eq!((layout.images().len(), layout.referrers().len(), layout.entries().len()), (1, 2, 3));
    let lists = || [INDEX, REFERRERS].map(|name| fs::read(root.join(name)).ok());
    let before = lists();
    drop(layout);
    drop(write_attached(&root, ReferrersPlace::Beside, &["text/x", "text/y"]));
    assert_eq!(lists(), before, "the same content has the same bytes");
    let layout = write_attached(&root, ReferrersPlace::Index, &["text/x", "text/y"]);
    // The image, what is attached, and the list of that.
    assert_eq!((layout.images().len(), layout.referrers().len()), (4, 0));
    layout.resolve(None).expect("one image");
    assert!(!root.join(REFERRERS).exists());
    drop(layout);
    drop(write_attached(&root, ReferrersPlace::Beside, &["text/y"]));
    let layout = write_attached(&root, ReferrersPlace::Beside, &[]);
    assert_eq!(layout.entries().len(), 1);
    assert!(!root.join(REFERRERS).exists());
}

#[test]
fn list_between_two_images_has_attachments_of_both() {
    let list = |types: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        drop(write_attached(folder.path(), ReferrersPlace::Beside, types));
        fs::read(folder.path().join(REFERRERS)).expect("a list")
    };
    let both = merge_referrers(Some(&list(&["text/x", "text/y"])), Some(&list(&["text/y", "text/z"])));
    let types = parse_index(&both.expect("a list")).expect("a list");
    let types: Vec<_> = types.iter().map(|entry| entry.artifact_type().clone().expect("a type").to_string()).collect();
    assert_eq!(types, ["text/x", "text/y", "text/z"]);
    assert_eq!(merge_referrers(None, Some(b"{")), None, "what is invalid is replaced");
}

#[test]
fn invalid_referrers_list_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(write_attached(folder.path(), ReferrersPlace::Beside, &["text/x"]));
    fs::write(folder.path().join(REFERRERS), "{").expect("damages");
    let error = Layout::open(folder.path()).expect_err("is invalid");
    assert!(error.to_string().contains("its referrers.json is invalid"), "{error}");
    assert!(error.help().expect("help").to_string().contains("or remove referrers.json"));
    drop(write_attached(folder.path(), ReferrersPlace::Beside, &["text/x"]));
    Layout::open(folder.path()).expect("was replaced");
}

#[test]
fn managed_layout_keeps_old_blobs_for_its_readers() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("x");
    let write = |bytes: &[u8]| {
        let writer = LayoutWriter::begin(&root, "x", LayoutFolder::Managed, &|_| ()).expect("begins");
        writer.push(&blob(bytes), &holding(&blob(bytes), bytes)).expect("writes");
        writer.tag(&blob(bytes), "latest").expect("tags");
        writer.commit().expect("commits")
    };
    drop(write(b"old"));
    let opened_before = Layout::open(&root).expect("a layout");
    drop(write(b"newer"));
    drop(write(b"newest"));
    let found = opened_before.resolve(None).expect("one image");
    assert_eq!(read(&opened_before, &found).expect("is still there"), b"old");
    // Five minutes later, the next build removes them.
    let list = root.join(OWN_BLOBS);
    let lines = fs::read_to_string(&list).expect("a list");
    let earlier =
        lines.lines().map(|line| line.split_once(' ').map_or(line.to_owned(), |(blob, _)| format!("{blob} 7")));
    let earlier: Vec<_> = earlier.collect();
    fs::write(&list, earlier.join("\n")).expect("writes");
    drop(write(b"last"));
    assert_eq!(blobs(&root), 2, "the last one and the one before");
}

#[cfg(unix)]
#[test]
fn foreign_blobs_and_links_are_kept() {
    use std::os::unix::fs::symlink;
    for folder_kind in [LayoutFolder::Managed, LayoutFolder::UserNamed] {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("x");
        write(&root, "x", b"old").expect("writes");
        // Another program has begun to copy an image here, and will list it at the end.
        let foreign = root.join(blob_path(blob(b"foreign").digest()));
        fs::write(&foreign, "foreign").expect("writes");
        let precious = folder.path().join("precious");
        fs::write(&precious, "precious").expect("writes");
        let linked = root.join(blob_path(blob(b"linked").digest()));
        symlink(&precious, &linked).expect("links");
        let writer = LayoutWriter::begin(&root, "x", folder_kind, &|_| ()).expect("begins");
        let wanted = blob(b"linked");
        assert!(!Sink::exists(&writer, &wanted).expect("looks"), "a link is not a blob of the layout");
        writer.push(&wanted, &holding(&wanted, b"linked")).expect("writes");
        writer.tag(&wanted, "latest").expect("tags");
        writer.commit().expect("commits");
        assert_eq!(fs::read(&foreign).expect("is kept"), b"foreign");
        assert_eq!(fs::read(&precious).expect("is kept"), b"precious");
        assert!(!linked.is_symlink(), "the link was replaced itself");
    }
}

#[test]
fn layout_without_our_list_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let foreign = folder.path().join(blob_path(blob(b"foreign").digest()));
    fs::create_dir_all(foreign.parent().expect("a folder")).expect("a folder");
    fs::write(folder.path().join(OCI_LAYOUT), r#"{"imageLayoutVersion": "1.0.0"}"#).expect("writes");
    fs::write(&foreign, "foreign").expect("writes");
    let error = write(folder.path(), "x", b"new").unwrap_err();
    assert!(error.to_string().contains("is not an OCI layout, and not empty"), "{error}");
    let writer = LayoutWriter::begin(folder.path(), "x", LayoutFolder::Managed, &|_| ()).expect("begins");
    drop(writer);
    let writer = LayoutWriter::begin(folder.path(), "x", LayoutFolder::Managed, &|_| ()).expect("begins");
    writer.commit().expect("commits");
    assert_eq!(fs::read(&foreign).expect("is kept"), b"foreign");
    let marker = fs::read_to_string(folder.path().join(OCI_LAYOUT)).expect("a file");
    assert_eq!(marker, r#"{"imageLayoutVersion": "1.0.0"}"#, "it says the same");
}

#[cfg(target_os = "linux")]
#[test]
fn parts_that_are_links_or_pipes_are_rejected() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    use std::os::unix::fs::symlink;
    for (part, target) in [
        (OCI_LAYOUT, "file"),
        (INDEX, "file"),
        (OWN_BLOBS, "file"),
        ("blobs", "store"),
        ("blobs/sha256", "store/sha256"),
    ] {
        for folder_kind in [LayoutFolder::Managed, LayoutFolder::UserNamed] {
            let folder = tempfile::tempdir().expect("a folder");
            let root = folder.path().join("x");
            let elsewhere = folder.path().join("elsewhere");
            fs::create_dir_all(elsewhere.join("store/sha256")).expect("a folder");
            fs::write(elsewhere.join("file"), "precious").expect("writes");
            fs::create_dir_all(root.join(part).parent().expect("a folder")).expect("a folder");
            symlink(elsewhere.join(target), root.join(part)).expect("links");
            let error = LayoutWriter::begin(&root, "x", folder_kind, &|_| ()).unwrap_err().to_string();
            assert!(error.ends_with(&format!("x: {part} is a symbolic link")), "{error}");
            assert_eq!(fs::read(elsewhere.join("file")).expect("is kept"), b"precious");
            fs::remove_file(root.join(part)).expect("removes");
            mkfifoat(CWD, root.join(part), Mode::RWXU).expect("a pipe");
            let error = LayoutWriter::begin(&root, "x", folder_kind, &|_| ()).unwrap_err().to_string();
            assert!(error.contains(&format!("{part} is not a fi")) || error.contains("is not a folder"), "{error}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_in_a_layout_are_not_waited_for() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("x");
    let layout = write(&root, "x", b"old").expect("writes");
    let path = root.join(blob_path(blob(b"old").digest()));
    fs::remove_file(&path).expect("removes");
    mkfifoat(CWD, &path, Mode::RWXU).expect("a pipe");
    assert!(read(&layout, &blob(b"old")).is_err());
    drop(layout);
    let layout = write(&root, "x", b"old").expect("replaces the pipe");
    assert_eq!(read(&layout, &blob(b"old")).expect("reads"), b"old");
    drop(layout);
    fs::remove_file(root.join(INDEX)).expect("removes");
    mkfifoat(CWD, root.join(INDEX), Mode::RWXU).expect("a pipe");
    assert!(Layout::open(&root).is_err());
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
