//! Layers that mean well, and layers that do not.

use super::*;

/// Layers in the making: each letter of an entry's kind is that of `ls -l`.
#[derive(Default)]
struct Layers {
    tree: Tree,
    layer: usize,
    entry: usize,
}

impl Layers {
    fn try_put(&mut self, path: &str, kind: TarEntryKind) -> Result<(), String> {
        self.entry += 1;
        let attributes = Attributes { mode: 0o700, ..Attributes::default() };
        let origin = Origin { layer: self.layer, entry: self.entry };
        let entry = TarEntry { path: path.as_bytes().to_owned(), kind, attributes };
        self.tree.apply(entry, origin).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn put(mut self, path: &str, kind: TarEntryKind) -> Layers {
        self.try_put(path, kind).expect("applies");
        self
    }

    #[track_caller]
    fn folder(self, path: &str) -> Layers {
        self.put(path, TarEntryKind::Directory)
    }

    #[track_caller]
    fn file(self, path: &str) -> Layers {
        self.put(path, TarEntryKind::File(1))
    }

    #[track_caller]
    fn symlink(self, path: &str, to: &str) -> Layers {
        self.put(path, TarEntryKind::Symlink(to.into()))
    }

    #[track_caller]
    fn hard_link(self, path: &str, to: &str) -> Layers {
        self.put(path, TarEntryKind::HardLink(to.into()))
    }

    fn next_layer(mut self) -> Layers {
        self.layer += 1;
        self
    }

    #[track_caller]
    fn refuses(mut self, path: &str, kind: TarEntryKind, why: &str) {
        let words = self.try_put(path, kind).expect_err("is refused");
        assert!(words.contains(why), "{words}");
    }

    /// Every name in the tree: folders end in a slash, symbolic links show where they lead.
    #[track_caller]
    fn make(self, expected: &[&str]) -> Layers {
        let mut names = Vec::new();
        list(&self.tree, ROOT, "", &mut names);
        assert_eq!(names, expected);
        self
    }
}

fn list(tree: &Tree, folder: NodeId, path: &str, names: &mut Vec<String>) {
    for (name, node) in tree.children(folder) {
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

fn layers() -> Layers {
    Layers::default()
}

const FILE: TarEntryKind = TarEntryKind::File(1);

#[test]
fn entries_make_a_tree_and_folders_that_no_entry_is_for() {
    let layers = layers().file("./a/b/c").folder("a/").file("/d").make(&["a/", "a/b/", "a/b/c", "d"]);
    let mode = |path| layers.tree.node(layers.tree.find(path).expect("is there")).attributes.mode;
    assert_eq!((mode("/a"), mode("/a/b")), (0o700, 0o755));
    let rooted = super::tests::layers().folder("./");
    assert_eq!(rooted.tree.node(ROOT).attributes.mode, 0o700);
}

#[test]
fn a_later_entry_replaces_an_earlier_one_and_a_folder_keeps_what_is_in_it() {
    layers().file("a/b").folder("a").make(&["a/", "a/b"]);
    layers().file("a/b").file("a").make(&["a"]);
    layers().file("a").folder("a").make(&["a/"]);
    layers()
        .folder("etc")
        .file("etc/x")
        .symlink("a", "etc")
        .folder("a")
        .file("a/x")
        .make(&["a/", "a/x", "etc/", "etc/x"]);
    layers().folder("d").file("d/x").symlink("d", "/elsewhere").make(&["d -> /elsewhere"]);
    layers().symlink("a", "/etc/passwd").file("a").make(&["a"]);
}

#[test]
fn links_are_followed_on_the_way_to_a_file_but_never_out_of_the_root() {
    // Absolute, upwards, far upwards, through each other: all end inside.
    layers().folder("etc").symlink("a", "/etc").file("a/x").make(&["a -> /etc", "etc/", "etc/x"]);
    layers().symlink("a", "/").file("a/x").make(&["a -> /", "x"]);
    layers().symlink("a", "..").file("a/x").make(&["a -> ..", "x"]);
    layers().symlink("d/a", "../../../../..").file("d/a/x").make(&["d/", "d/a -> ../../../../..", "x"]);
    layers().symlink("d/a", "../../tmp").file("d/a/x").make(&["d/", "d/a -> ../../tmp", "tmp/", "tmp/x"]);
    layers().symlink("a", "/b").symlink("b", "../c").file("a/x").make(&["a -> /b", "b -> ../c", "c/", "c/x"]);
    layers().symlink("a", "/proc/self/root/etc").file("a/x").make(&[
        "a -> /proc/self/root/etc",
        "proc/",
        "proc/self/",
        "proc/self/root/",
        "proc/self/root/etc/",
        "proc/self/root/etc/x",
    ]);
    // What they lead to is what the layers so far have there, not what is written last.
    layers()
        .symlink("a", "one")
        .file("a/x")
        .next_layer()
        .symlink("a", "two")
        .file("a/x")
        .make(&["a -> two", "one/", "one/x", "two/", "two/x"]);
    layers().folder("real").symlink("a", "real/../b").file("a/x").make(&["a -> real/../b", "b/", "b/x", "real/"]);
}

#[test]
fn links_that_lead_to_themselves_or_through_files_are_refused() {
    layers().symlink("a", "a").refuses("a/x", FILE, "symbolic links that lead to each other");
    layers().symlink("a", "b").symlink("b", "a").refuses("a/x", FILE, "`a/x` is behind symbolic links");
    layers().symlink("a", "a/a/a").refuses("a/x", TarEntryKind::Directory, "symbolic links that lead to each other");
    layers().file("f").symlink("a", "f").refuses("a/x", FILE, "is in `f`, which is no folder");
    layers().file("f").refuses("f/x", FILE, "is in `f`, which is no folder");
    layers().symlink("a", "a").file("a").make(&["a"]);
}

#[test]
fn names_that_lead_upwards_are_refused() {
    for path in ["..", "../x", "/../x", "a/../../x", "a/..", "./../etc/passwd", "a/../b"] {
        layers().refuses(path, FILE, "leads upwards");
        layers().refuses(path, TarEntryKind::Directory, "leads upwards");
        layers().refuses(path, TarEntryKind::Symlink(b"/".to_vec()), "leads upwards");
    }
    layers().refuses("", FILE, "is the root of the image, and no folder");
    layers().refuses("./", TarEntryKind::Symlink(b"/".to_vec()), "is the root of the image, and no folder");
    layers().refuses("a\0b", FILE, "NUL");
    layers().refuses(&"n".repeat(256), FILE, "more than 255 bytes");
    layers().refuses(&"n/".repeat(2049), FILE, "more than 4096 bytes");
    layers().refuses(&"n/".repeat(300), FILE, "deeper than 256 folders");
}

#[test]
fn what_links_make_longer_and_deeper_is_measured_where_it_is() {
    let long = |times: usize| format!("{}/", "n".repeat(200)).repeat(times);
    let deep = layers().folder(&long(19)).symlink("a", &long(19));
    deep.refuses(&format!("a/{}x", long(2)), FILE, "more than 4096 bytes");
    let deep = layers().folder(&"n/".repeat(200)).symlink("a", &"n/".repeat(200));
    deep.refuses(&format!("a/{}x", "n/".repeat(100)), FILE, "deeper than 256 folders");
    let mut back_and_forth = layers().folder("d").symlink("a", &"d/../".repeat(200));
    for link in ["b", "c", "e"] {
        back_and_forth = back_and_forth.symlink(link, "a/a/a");
    }
    back_and_forth.refuses("b/c/e/x", FILE, "symbolic links that lead to each other");
}

#[test]
fn a_folder_is_emptied_once_a_layer_however_often_it_is_asked_for() {
    let mut many = layers();
    for number in 0..20_000 {
        many = many.file(&format!("d/{number}"));
    }
    let mut many = many.next_layer();
    for number in 0..20_000 {
        many = many.file(&format!("d/new-{number}")).file("d/.wh..wh..opq");
    }
    let folder = many.tree.find("/d").expect("is there");
    assert_eq!(many.tree.children(folder).count(), 20_000);
    many.next_layer().file("d/.wh..wh..opq").make(&["d/"]);
}

#[test]
fn hard_links_are_to_files_of_the_image() {
    let both = layers().file("a").hard_link("b/c", "/a").make(&["a", "b/", "b/c"]);
    assert_eq!(both.tree.find("/a"), both.tree.find("/b/c"));
    // Not to those of this computer, however they are called.
    for to in ["/etc/passwd", "etc/passwd", "a/b", "/"] {
        layers().refuses(
            "a",
            TarEntryKind::HardLink(to.into()),
            &format!("is a hard link to `{to}`, which is not in the image"),
        );
    }
    layers().refuses("a", TarEntryKind::HardLink(b"../../etc/passwd".to_vec()), "leads upwards");
    layers().symlink("out", "/etc").refuses(
        "a",
        TarEntryKind::HardLink(b"out/passwd".to_vec()),
        "which is not in the image",
    );
    layers().symlink("out", "../..").refuses(
        "a",
        TarEntryKind::HardLink(b"out/passwd".to_vec()),
        "which is not in the image",
    );
    layers().folder("d").refuses("a", TarEntryKind::HardLink(b"d".to_vec()), "which is a folder");
    layers().refuses("a", TarEntryKind::HardLink(b"a".to_vec()), "which is not in the image");
    layers().file("a").hard_link("a", "a").make(&["a"]);
    // To a symbolic link, not to what it leads to; and what is later written there does not go through it.
    layers().symlink("a", "/etc/passwd").hard_link("b", "a").file("b").make(&["a -> /etc/passwd", "b"]);
    layers().symlink("d", "etc").file("etc/x").hard_link("y", "d/x").make(&["d -> etc", "etc/", "etc/x", "y"]);
    // A new file under one of the names leaves the other.
    let apart = layers().file("a").hard_link("b", "a").next_layer().file("a").make(&["a", "b"]);
    assert_ne!(apart.tree.find("/a"), apart.tree.find("/b"));
}

#[test]
fn whiteouts_take_away_what_is_below_and_nothing_of_their_own_layer() {
    layers().file("a").file("b").next_layer().file(".wh.a").make(&["b"]);
    layers().file("d/a").next_layer().file(".wh.d").make(&[]);
    layers().file("d/a").next_layer().file("d/.wh.a").make(&["d/"]);
    layers().file("a").next_layer().file("a").file(".wh.a").make(&["a"]);
    layers().file("a").next_layer().file(".wh.a").file("a").make(&["a"]);
    // The folder is written to before it is hidden: what is new in it stays.
    layers().file("d/old").next_layer().file("d/new").file(".wh.d").make(&["d/", "d/new"]);
    layers().file("d/e/old").next_layer().file("d/e/new").file(".wh.d").make(&["d/", "d/e/", "d/e/new"]);
    layers().file(".wh.nothing").file("d/.wh.nothing").make(&[]);
    // A symbolic link itself goes, not what it leads to.
    layers().folder("etc").symlink("a", "etc").next_layer().file(".wh.a").make(&["etc/"]);
}

#[test]
fn opaque_folders_hide_what_is_below_wherever_the_mark_stands() {
    for early in [true, false] {
        let lower = layers().file("d/old").file("d/e/old").file("other").next_layer();
        let upper = if early { lower.file("d/.wh..wh..opq") } else { lower };
        let upper = upper.folder("d").file("d/new").file("d/e/new");
        let upper = if early { upper } else { upper.file("d/.wh..wh..opq") };
        upper.make(&["d/", "d/e/", "d/e/new", "d/new", "other"]);
    }
    layers().file("a").file("d/b").next_layer().file(".wh..wh..opq").file("c").make(&["c"]);
    layers().file("nowhere/.wh..wh..opq").make(&[]);
}

#[test]
fn whiteouts_reach_no_further_than_the_root() {
    layers().file("etc/x").symlink("a", "/etc").next_layer().file("a/.wh.x").make(&["a -> /etc", "etc/"]);
    layers().file("x").symlink("d/a", "../../..").next_layer().file("d/a/.wh.x").make(&["d/", "d/a -> ../../.."]);
    layers().file("etc/x").symlink("a", "../etc").next_layer().file("a/.wh..wh..opq").make(&["a -> ../etc", "etc/"]);
    layers().symlink("a", "a").refuses("a/.wh.x", FILE, "symbolic links that lead to each other");
    layers().symlink("a", "a").refuses("a/.wh..wh..opq", FILE, "symbolic links that lead to each other");
    for path in [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..", "a/.wh..."] {
        layers().file("x").folder("a").refuses(path, FILE, "is a whiteout of nothing that has a name");
    }
    for path in ["../.wh.x", "a/../.wh.x", "../.wh..wh..opq"] {
        layers().refuses(path, FILE, "leads upwards");
    }
    layers().refuses(".wh.a/x", FILE, "is in a whiteout");
    layers().file("a").file("f").next_layer().file("f/.wh.x").make(&["a", "f"]);
}

#[test]
fn notes_of_a_storage_driver_are_no_files() {
    layers().folder(".wh..wh.plnk").file(".wh..wh.plnk/1.2").file(".wh..wh.aufs").make(&[]);
}

/// What comes of putting an entry with these extended attributes again and again.
fn puts_xattrs(times: usize, xattrs: &[(Vec<u8>, usize)]) -> Result<(), Refused> {
    let xattrs: BTreeMap<_, _> = xattrs.iter().map(|(name, size)| (name.clone(), vec![0; *size])).collect();
    let mut tree = Tree::default();
    (0..times).try_for_each(|number| {
        let attributes = Attributes { xattrs: xattrs.clone(), ..Attributes::default() };
        tree.apply(TarEntry { path: b"a".to_vec(), kind: FILE, attributes }, Origin { layer: 0, entry: number })
    })
}

#[test]
fn extended_attributes_without_end_are_refused() {
    assert_eq!(puts_xattrs(4000, &[(b"user.x".to_vec(), 64 << 10)]), Ok(()));
    assert_eq!(puts_xattrs(4096, &[(b"user.x".to_vec(), 64 << 10)]), Err(Refused::TooMuch(256)));
    // Short ones take more memory than their bytes.
    let short: Vec<_> = (0..10_000).map(|number| (format!("{number:04}").into(), 0)).collect();
    assert_eq!(puts_xattrs(210, &short), Err(Refused::TooMuch(256)));
    let words = |xattrs: &[(Vec<u8>, usize)]| puts_xattrs(1, xattrs).expect_err("is refused").to_string();
    assert!(words(&[(b"user.x".to_vec(), (64 << 10) + 1)]).contains("extended attributes of more than 64 KiB"));
    let long: Vec<_> = (0..300).map(|number| (format!("{number:0250}").into(), 0)).collect();
    assert!(words(&long).contains("extended attributes of more than 64 KiB"));
}

#[test]
fn what_no_file_system_takes_is_refused() {
    layers().symlink("a", &"n".repeat(4095)).refuses(
        "b",
        TarEntryKind::Symlink(vec![b'n'; 4096]),
        "more than 4095 bytes",
    );
    let device = |major, minor| TarEntryKind::Special(SpecialFile::Block(major, minor));
    layers().put("a", device(4095, 1_048_575)).refuses("b", device(4096, 0), "is the device 4096:0, but the largest");
    layers().refuses("b", device(0, 1_048_576), "is the device 0:1048576");
}

#[test]
fn folders_that_no_entry_is_for_are_few() {
    let mut many = layers();
    let deep = |number: usize| format!("{number}/{}x", "n/".repeat(249));
    let put = (0..200).try_for_each(|number| many.try_put(&deep(number), FILE));
    assert!(put.expect_err("is refused").contains("that no entry is for"));
    assert!(many.tree.len() < 20_000);
}

#[test]
fn names_that_links_make_longer_than_they_are_written_are_refused() {
    let long = format!("{}/", "n".repeat(200)).repeat(19);
    let with = |entry: &dyn Fn(usize) -> (String, &'static str)| {
        let mut many = layers().folder(&long).symlink("s", &long).file("s/f");
        for number in 0..20_000 {
            let (path, to) = entry(number);
            many = many.hard_link(&path, to);
        }
        many.tree.check()
    };
    assert_eq!(with(&|number| (format!("s/{number}"), "s/f")), Err(Refused::Grown(4)));
    assert_eq!(with(&|number| (format!("t{number}"), "s/f")), Err(Refused::Grown(4)));
    let mut short = layers().file("f").symlink("s", "/usr/lib/of/the/image");
    for number in 0..20_000 {
        short = short.hard_link(&format!("s/{number}"), "f");
    }
    assert_eq!(short.tree.check(), Ok(()));
}
