//! Layers as images have them, and hostile ones.

use std::collections::BTreeMap;

use super::error::ApplyError;
use super::*;
use crate::image::layer::tar_reader::{Attributes, SpecialFile, TarEntry, TarEntryKind};

/// Builds a tree, entry by entry.
#[derive(Default)]
struct TreeBuilder {
    tree: Tree,
    layer: usize,
    entry: usize,
}

impl TreeBuilder {
    fn try_put(&mut self, path: &str, kind: TarEntryKind) -> Result<(), String> {
        self.entry += 1;
        let attributes = Attributes { mode: 0o700, ..Attributes::default() };
        let origin = EntryIndex { layer: self.layer, entry: self.entry };
        let entry = TarEntry { path: path.as_bytes().to_owned(), kind, attributes };
        self.tree.apply(entry, origin).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn put(mut self, path: &str, kind: TarEntryKind) -> TreeBuilder {
        self.try_put(path, kind).expect("applies");
        self
    }

    #[track_caller]
    fn directory(self, path: &str) -> TreeBuilder {
        self.put(path, TarEntryKind::Directory)
    }

    #[track_caller]
    fn file(self, path: &str) -> TreeBuilder {
        self.put(path, TarEntryKind::File(1))
    }

    #[track_caller]
    fn symlink(self, path: &str, to: &str) -> TreeBuilder {
        self.put(path, TarEntryKind::Symlink(to.into()))
    }

    #[track_caller]
    fn hard_link(self, path: &str, to: &str) -> TreeBuilder {
        self.put(path, TarEntryKind::HardLink(to.into()))
    }

    fn next_layer(mut self) -> TreeBuilder {
        self.layer += 1;
        self
    }

    #[track_caller]
    fn rejects(mut self, path: &str, kind: TarEntryKind, why: &str) {
        let message = self.try_put(path, kind).expect_err("is rejected");
        assert!(message.contains(why), "{message}");
    }

    /// Checks the names in the tree: directories end in a slash, symbolic links show their target.
    #[track_caller]
    fn assert_names(self, expected: &[&str]) -> TreeBuilder {
        let mut names = Vec::new();
        list(&self.tree, ROOT, "", &mut names);
        assert_eq!(names, expected);
        self
    }
}

fn list(tree: &Tree, directory: NodeId, path: &str, names: &mut Vec<String>) {
    for (name, node) in tree.children(directory) {
        let path = format!("{path}{}", String::from_utf8_lossy(name));
        match &tree.node(node).kind {
            NodeKind::Directory(_) => {
                names.push(format!("{path}/"));
                list(tree, node, &format!("{path}/"), names);
            }
            NodeKind::Symlink(to) => names.push(format!("{path} -> {}", String::from_utf8_lossy(to))),
            NodeKind::File { .. } | NodeKind::Special(_) => names.push(path),
        }
    }
}

fn layers() -> TreeBuilder {
    TreeBuilder::default()
}

const FILE: TarEntryKind = TarEntryKind::File(1);

#[test]
fn tree_contains_entries_and_implicit_directories() {
    let layers = layers().file("./a/b/c").directory("a/").file("/d").assert_names(&["a/", "a/b/", "a/b/c", "d"]);
    let mode = |path| layers.tree.node(layers.tree.find(path).expect("exists")).attributes.mode;
    assert_eq!((mode("/a"), mode("/a/b")), (0o700, 0o755));
    let rooted = super::tests::layers().directory("./");
    assert_eq!(rooted.tree.node(ROOT).attributes.mode, 0o700);
}

#[test]
fn later_entries_replace_earlier_ones_but_keep_directories() {
    layers().file("a/b").directory("a").assert_names(&["a/", "a/b"]);
    layers().file("a/b").file("a").assert_names(&["a"]);
    layers().file("a").directory("a").assert_names(&["a/"]);
    layers()
        .directory("etc")
        .file("etc/x")
        .symlink("a", "etc")
        .directory("a")
        .file("a/x")
        .assert_names(&["a/", "a/x", "etc/", "etc/x"]);
    layers().directory("d").file("d/x").symlink("d", "/elsewhere").assert_names(&["d -> /elsewhere"]);
    layers().symlink("a", "/etc/passwd").file("a").assert_names(&["a"]);
}

#[test]
fn symlinks_are_followed_within_the_root_only() {
    // Absolute, to a parent, beyond the root, through each other: all end inside.
    layers().directory("etc").symlink("a", "/etc").file("a/x").assert_names(&["a -> /etc", "etc/", "etc/x"]);
    layers().symlink("a", "/").file("a/x").assert_names(&["a -> /", "x"]);
    layers().symlink("a", "..").file("a/x").assert_names(&["a -> ..", "x"]);
    layers().symlink("d/a", "../../../../..").file("d/a/x").assert_names(&["d/", "d/a -> ../../../../..", "x"]);
    layers().symlink("d/a", "../../tmp").file("d/a/x").assert_names(&["d/", "d/a -> ../../tmp", "tmp/", "tmp/x"]);
    layers().symlink("a", "/b").symlink("b", "../c").file("a/x").assert_names(&["a -> /b", "b -> ../c", "c/", "c/x"]);
    layers().symlink("a", "/proc/self/root/etc").file("a/x").assert_names(&[
        "a -> /proc/self/root/etc",
        "proc/",
        "proc/self/",
        "proc/self/root/",
        "proc/self/root/etc/",
        "proc/self/root/etc/x",
    ]);
    // Links are resolved when the entry is applied, not at the end.
    layers()
        .symlink("a", "one")
        .file("a/x")
        .next_layer()
        .symlink("a", "two")
        .file("a/x")
        .assert_names(&["a -> two", "one/", "one/x", "two/", "two/x"]);
    layers().directory("real").symlink("a", "real/../b").file("a/x").assert_names(&[
        "a -> real/../b",
        "b/",
        "b/x",
        "real/",
    ]);
}

#[test]
fn symlink_loops_and_files_as_parents_are_rejected() {
    layers().symlink("a", "a").rejects("a/x", FILE, "loop of symbolic links");
    layers().symlink("a", "b").symlink("b", "a").rejects("a/x", FILE, "`a/x` is behind a loop");
    layers().symlink("a", "a/a/a").rejects("a/x", TarEntryKind::Directory, "loop of symbolic links");
    layers().file("f").symlink("a", "f").rejects("a/x", FILE, "is in `f`, which is not a directory");
    layers().file("f").rejects("f/x", FILE, "is in `f`, which is not a directory");
    layers().symlink("a", "a").file("a").assert_names(&["a"]);
}

#[test]
fn paths_out_of_the_root_are_rejected() {
    for path in ["..", "../x", "/../x", "a/../../x", "a/..", "./../etc/passwd", "a/../b"] {
        layers().rejects(path, FILE, "has `..` in its path");
        layers().rejects(path, TarEntryKind::Directory, "has `..` in its path");
        layers().rejects(path, TarEntryKind::Symlink(b"/".to_vec()), "has `..` in its path");
    }
    layers().rejects("", FILE, "is the root of the image, but not a directory");
    layers().rejects("./", TarEntryKind::Symlink(b"/".to_vec()), "is the root of the image, but not a directory");
    layers().rejects("a\0b", FILE, "NUL");
    layers().rejects(&"n".repeat(256), FILE, "limit of 255 bytes");
    layers().rejects(&"n/".repeat(2049), FILE, "limit of 4096 bytes");
    layers().rejects(&"n/".repeat(300), FILE, "limit of 256 nested directories");
}

#[test]
fn limits_apply_to_resolved_paths() {
    fn long(times: usize) -> String {
        format!("{}/", "n".repeat(200)).repeat(times)
    }

    let deep = layers().directory(&long(19)).symlink("a", &long(19));
    deep.rejects(&format!("a/{}x", long(2)), FILE, "limit of 4096 bytes");
    let deep = layers().directory(&"n/".repeat(200)).symlink("a", &"n/".repeat(200));
    deep.rejects(&format!("a/{}x", "n/".repeat(100)), FILE, "limit of 256 nested directories");
    let mut back_and_forth = layers().directory("d").symlink("a", &"d/../".repeat(200));
    for link in ["b", "c", "e"] {
        back_and_forth = back_and_forth.symlink(link, "a/a/a");
    }
    back_and_forth.rejects("b/c/e/x", FILE, "loop of symbolic links");
}

#[test]
fn opaque_whiteouts_clear_a_directory_once_per_layer() {
    let mut many = layers();
    for number in 0..20_000 {
        many = many.file(&format!("d/{number}"));
    }
    let mut many = many.next_layer();
    for number in 0..20_000 {
        many = many.file(&format!("d/new-{number}")).file("d/.wh..wh..opq");
    }
    let directory = many.tree.find("/d").expect("exists");
    assert_eq!(many.tree.children(directory).count(), 20_000);
    many.next_layer().file("d/.wh..wh..opq").assert_names(&["d/"]);
}

#[test]
fn hard_links_refer_to_files_of_the_image() {
    let both = layers().file("a").hard_link("b/c", "/a").assert_names(&["a", "b/", "b/c"]);
    assert_eq!(both.tree.find("/a"), both.tree.find("/b/c"));
    // Never to files of the host.
    for to in ["/etc/passwd", "etc/passwd", "a/b", "/"] {
        layers().rejects(
            "a",
            TarEntryKind::HardLink(to.into()),
            &format!("is a hard link to `{to}`, which is not in the image"),
        );
    }
    layers().rejects("a", TarEntryKind::HardLink(b"../../etc/passwd".to_vec()), "has `..` in its path");
    layers().symlink("out", "/etc").rejects(
        "a",
        TarEntryKind::HardLink(b"out/passwd".to_vec()),
        "which is not in the image",
    );
    layers().symlink("out", "../..").rejects(
        "a",
        TarEntryKind::HardLink(b"out/passwd".to_vec()),
        "which is not in the image",
    );
    layers().directory("d").rejects("a", TarEntryKind::HardLink(b"d".to_vec()), "which is a directory");
    layers().rejects("a", TarEntryKind::HardLink(b"a".to_vec()), "which is not in the image");
    layers().file("a").hard_link("a", "a").assert_names(&["a"]);
    // A hard link to a symbolic link is to the link itself; a later file replaces it.
    layers().symlink("a", "/etc/passwd").hard_link("b", "a").file("b").assert_names(&["a -> /etc/passwd", "b"]);
    layers().symlink("d", "etc").file("etc/x").hard_link("y", "d/x").assert_names(&["d -> etc", "etc/", "etc/x", "y"]);
    // A new file under one name leaves the other name.
    let apart = layers().file("a").hard_link("b", "a").next_layer().file("a").assert_names(&["a", "b"]);
    assert_ne!(apart.tree.find("/a"), apart.tree.find("/b"));
}

#[test]
fn whiteouts_remove_lower_layers_and_spare_their_own() {
    layers().file("a").file("b").next_layer().file(".wh.a").assert_names(&["b"]);
    layers().file("d/a").next_layer().file(".wh.d").assert_names(&[]);
    layers().file("d/a").next_layer().file("d/.wh.a").assert_names(&["d/"]);
    layers().file("a").next_layer().file("a").file(".wh.a").assert_names(&["a"]);
    layers().file("a").next_layer().file(".wh.a").file("a").assert_names(&["a"]);
    // The directory is written to before the whiteout: what is new in it stays.
    layers().file("d/old").next_layer().file("d/new").file(".wh.d").assert_names(&["d/", "d/new"]);
    layers().file("d/e/old").next_layer().file("d/e/new").file(".wh.d").assert_names(&["d/", "d/e/", "d/e/new"]);
    layers().file(".wh.nothing").file("d/.wh.nothing").assert_names(&[]);
    // A whiteout removes a symbolic link, not its target.
    layers().directory("etc").symlink("a", "etc").next_layer().file(".wh.a").assert_names(&["etc/"]);
}

#[test]
fn opaque_whiteouts_may_come_in_any_order() {
    for early in [true, false] {
        let lower = layers().file("d/old").file("d/e/old").file("other").next_layer();
        let upper = if early { lower.file("d/.wh..wh..opq") } else { lower };
        let upper = upper.directory("d").file("d/new").file("d/e/new");
        let upper = if early { upper } else { upper.file("d/.wh..wh..opq") };
        upper.assert_names(&["d/", "d/e/", "d/e/new", "d/new", "other"]);
    }
    layers().file("a").file("d/b").next_layer().file(".wh..wh..opq").file("c").assert_names(&["c"]);
    layers().file("nowhere/.wh..wh..opq").assert_names(&[]);
}

#[test]
fn whiteouts_stay_within_the_root() {
    layers().file("etc/x").symlink("a", "/etc").next_layer().file("a/.wh.x").assert_names(&["a -> /etc", "etc/"]);
    layers()
        .file("x")
        .symlink("d/a", "../../..")
        .next_layer()
        .file("d/a/.wh.x")
        .assert_names(&["d/", "d/a -> ../../.."]);
    layers()
        .file("etc/x")
        .symlink("a", "../etc")
        .next_layer()
        .file("a/.wh..wh..opq")
        .assert_names(&["a -> ../etc", "etc/"]);
    layers().symlink("a", "a").rejects("a/.wh.x", FILE, "loop of symbolic links");
    layers().symlink("a", "a").rejects("a/.wh..wh..opq", FILE, "loop of symbolic links");
    for path in [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..", "a/.wh..."] {
        layers().file("x").directory("a").rejects(path, FILE, "is a whiteout without a valid name");
    }
    for path in ["../.wh.x", "a/../.wh.x", "../.wh..wh..opq"] {
        layers().rejects(path, FILE, "has `..` in its path");
    }
    layers().rejects(".wh.a/x", FILE, "is below a whiteout");
    layers().file("a").file("f").next_layer().file("f/.wh.x").assert_names(&["a", "f"]);
}

#[test]
fn aufs_metadata_is_ignored() {
    layers().directory(".wh..wh.plnk").file(".wh..wh.plnk/1.2").file(".wh..wh.aufs").assert_names(&[]);
}

/// Puts an entry with these extended attributes several times.
fn put_xattrs(times: usize, xattrs: &[(Vec<u8>, usize)]) -> Result<(), ApplyError> {
    let xattrs: BTreeMap<_, _> = xattrs.iter().map(|(name, size)| (name.clone(), vec![0; *size])).collect();
    let mut tree = Tree::default();
    (0..times).try_for_each(|number| {
        let attributes = Attributes { xattrs: xattrs.clone(), ..Attributes::default() };
        tree.apply(TarEntry { path: b"a".to_vec(), kind: FILE, attributes }, EntryIndex { layer: 0, entry: number })
    })
}

#[test]
fn extended_attributes_are_limited() {
    assert_eq!(put_xattrs(4000, &[(b"user.x".to_vec(), 64 << 10)]), Ok(()));
    assert_eq!(put_xattrs(4096, &[(b"user.x".to_vec(), 64 << 10)]), Err(ApplyError::TooMuchMemory(256)));
    // Short attributes use more memory than their bytes.
    let short: Vec<_> = (0..10_000).map(|number| (format!("{number:04}").into(), 0)).collect();
    assert_eq!(put_xattrs(210, &short), Err(ApplyError::TooMuchMemory(256)));
    let long: Vec<_> = (0..300).map(|number| (format!("{number:0250}").into(), 0)).collect();
    for xattrs in [&[(b"user.x".to_vec(), (64 << 10) + 1)][..], &long] {
        let message = put_xattrs(1, xattrs).expect_err("is rejected").to_string();
        assert!(message.contains("extended attributes that exceed the limit of 64 KiB"), "{message}");
    }
}

#[test]
fn entries_that_no_file_system_stores_are_rejected() {
    fn device(major: u32, minor: u32) -> TarEntryKind {
        TarEntryKind::Special(SpecialFile::Block(major, minor))
    }

    layers().symlink("a", &"n".repeat(4095)).rejects(
        "b",
        TarEntryKind::Symlink(vec![b'n'; 4096]),
        "limit of 4095 bytes",
    );
    layers().put("a", device(4095, 1_048_575)).rejects("b", device(4096, 0), "is the device 4096:0, which exceeds");
    layers().rejects("b", device(0, 1_048_576), "is the device 0:1048576");
}

#[test]
fn implicit_directories_are_limited() {
    let mut many = layers();
    let put = (0..200).try_for_each(|number| many.try_put(&format!("{number}/{}x", "n/".repeat(249)), FILE));
    assert!(put.expect_err("is rejected").contains("that have no entry of their own"));
    assert!(many.tree.node_count() < 20_000);
}

#[test]
fn paths_that_links_make_longer_are_limited() {
    let long = format!("{}/", "n".repeat(200)).repeat(19);
    for prefix in ["s/", "t"] {
        let mut many = layers().directory(&long).symlink("s", &long).file("s/f");
        for number in 0..20_000 {
            many = many.hard_link(&format!("{prefix}{number}"), "s/f");
        }
        assert_eq!(many.tree.check_growth(), Err(ApplyError::PathGrowth(4)));
    }
    let mut short = layers().file("f").symlink("s", "/usr/lib/of/the/image");
    for number in 0..20_000 {
        short = short.hard_link(&format!("s/{number}"), "f");
    }
    assert_eq!(short.tree.check_growth(), Ok(()));
}
