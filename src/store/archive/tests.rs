use std::io::Read;
use std::path::Path;

use oci_spec::image::Descriptor;

use super::{Archive, ArchiveContents, DockerImage};
use crate::image::artifact::{EMPTY, artifact, empty};
use crate::image::manifest::Annotations;
use crate::store::layout::sample::begin_sample;
use crate::store::{Layout, Memory, ReferrersPlace, Source, read};

fn layout(root: &Path) -> (Layout, Descriptor) {
    let (writer, image) = begin_sample(root);
    (writer.commit().expect("commits"), image)
}

#[test]
fn archive_holds_the_whole_layout() {
    let folder = tempfile::tempdir().expect("a folder");
    let (layout, image) = layout(&folder.path().join("x"));
    let path = folder.path().join("x.tar");
    ArchiveContents::of_layout(&layout, ReferrersPlace::Beside).expect("reads").write_file(0, &path).expect("writes");
    let size = ArchiveContents::of_layout(&layout, ReferrersPlace::Beside).expect("reads").size();
    assert_eq!(size, path.metadata().expect("a file").len());
    let archive = Archive::open(&path).expect("opens");
    assert_eq!(archive.resolve(Some(&"latest".parse().expect("a tag"))).expect("is tagged").digest(), image.digest());
    assert_eq!(read(&archive, &image).expect("reads"), read(&layout, &image).expect("reads"));
}

#[test]
fn archive_has_entries_for_its_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let (layout, _) = layout(folder.path());
    let contents = ArchiveContents::of_layout(&layout, ReferrersPlace::Beside).expect("contents");
    let mut bytes = Vec::new();
    contents.write(0, &mut bytes).expect("a tar");
    assert_eq!(bytes.len() as u64, contents.size());
    let mut tar = tar::Archive::new(&bytes[..]);
    let names = tar.entries().expect("entries").map(|entry| entry.expect("an entry").path_bytes().into_owned());
    assert_eq!(names.take(2).collect::<Vec<_>>(), [&b"blobs/"[..], b"blobs/sha256/"]);
}

#[test]
fn archive_lists_attachments_where_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (writer, image) = begin_sample(&folder.path().join("x"));
    let memory = Memory::default();
    memory.put(&empty(), EMPTY.to_vec());
    let attached = memory.put_document(artifact("text/x", &[], &image, &Annotations::new()));
    writer.attach(&attached, &memory).expect("attaches");
    let layout = writer.commit().expect("commits");
    let path = folder.path().join("x.tar");
    // The image, what is attached, and the list of that.
    for (place, images, all) in [(ReferrersPlace::Beside, 1, 2), (ReferrersPlace::Index, 3, 3)] {
        ArchiveContents::of_layout(&layout, place).expect("reads").write_file(0, &path).expect("writes");
        let archive = Archive::open(&path).expect("opens");
        assert_eq!((archive.images().len(), archive.entries().len()), (images, all));
        assert!(archive.entries().iter().all(|entry| read(&archive, entry).is_ok()));
        assert_eq!(archive.resolve(None).expect("one image").digest(), image.digest());
        read(&archive, &attached).expect("is there");
    }
}

#[test]
fn docker_archive_refers_to_blobs_of_layout() {
    let folder = tempfile::tempdir().expect("a folder");
    let (layout, image) = layout(&folder.path().join("x"));
    let path = folder.path().join("x.tar");
    let docker = DockerImage { manifest: &image, names: vec!["x:latest".to_owned()] };
    let contents = ArchiveContents::of_image(&layout, &image, &docker.names);
    let contents = contents.and_then(|contents| contents.with_docker_image(&docker));
    contents.expect("reads").write_file(0, &path).expect("writes");
    let archive = Archive::open(&path).expect("opens");
    let mut manifest = String::new();
    let file = archive.file("manifest.json").expect("reads");
    file.expect("is there").read_to_string(&mut manifest).expect("reads");
    assert!(manifest.contains(r#""Config":"blobs/sha256/"#) && manifest.contains("x:latest"));
}

#[test]
fn archive_rejects_other_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.tar");
    std::fs::write(&path, [0; 1024]).expect("writes");
    let error = Archive::open(&path).unwrap_err();
    assert!(error.to_string().contains("is not an OCI archive"), "{error}");
}

/// Returns why a tar of these entries, each a header and the content behind it, is no archive.
fn rejected(entries: &[(tar::Header, &[u8])]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.tar");
    let mut bytes = Vec::new();
    for (header, content) in entries {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    std::fs::write(&path, bytes).expect("writes");
    let error = Archive::open(&path).expect_err("is rejected");
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ").replace(&path.display().to_string(), "x.tar")
}

fn header(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header
}

#[test]
fn archive_rejects_names_of_gigabytes() {
    for kind in [tar::EntryType::GNULongName, tar::EntryType::GNULongLink, tar::EntryType::XHeader] {
        let message = rejected(&[(header(kind, 4_200_000_000), b"n")]);
        assert_eq!(message, "cannot read x.tar: an extended header of 4200000000 bytes exceeds the limit of 1048576");
    }
}

#[test]
fn archive_rejects_files_beyond_its_end() {
    let message = rejected(&[(header(tar::EntryType::Regular, 4_200_000_000), b"content")]);
    assert_eq!(message, "cannot read x.tar: unexpected end of file");
}
