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
    fn try_put(&mut self, path: &str, kind: Kind) -> Result<(), String> {
        self.entry += 1;
        let attributes = Attributes { mode: 0o700, ..Attributes::default() };
        let origin = Origin { layer: self.layer, entry: self.entry };
        let entry = Entry { path: path.as_bytes().to_owned(), kind, attributes };
        self.tree.apply(entry, origin).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn put(mut self, path: &str, kind: Kind) -> Layers {
        self.try_put(path, kind).expect("applies");
        self
    }

    #[track_caller]
    fn folder(self, path: &str) -> Layers {
        self.put(path, Kind::Directory)
    }

    #[track_caller]
    fn file(self, path: &str) -> Layers {
        self.put(path, Kind::File(1))
    }

    #[track_caller]
    fn symlink(self, path: &str, to: &str) -> Layers {
        self.put(path, Kind::Symlink(to.into()))
    }

    #[track_caller]
    fn hard_link(self, path: &str, to: &str) -> Layers {
        self.put(path, Kind::HardLink(to.into()))
    }

    fn next_layer(mut self) -> Layers {
        self.layer += 1;
        self
    }

    #[track_caller]
    fn refuses(mut self, path: &str, kind: Kind, why: &str) {
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

const FILE: Kind = Kind::File(1);

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
    layers().symlink("a", "a/a/a").refuses("a/x", Kind::Directory, "symbolic links that lead to each other");
    layers().file("f").symlink("a", "f").refuses("a/x", FILE, "is in `f`, which is no folder");
    layers().file("f").refuses("f/x", FILE, "is in `f`, which is no folder");
    layers().symlink("a", "a").file("a").make(&["a"]);
}

#[test]
fn names_that_lead_upwards_are_refused() {
    for path in ["..", "../x", "/../x", "a/../../x", "a/..", "./../etc/passwd", "a/../b"] {
        layers().refuses(path, FILE, "leads upwards");
        layers().refuses(path, Kind::Directory, "leads upwards");
        layers().refuses(path, Kind::Symlink(b"/".to_vec()), "leads upwards");
    }
    layers().refuses("", FILE, "is the root of the image, and no folder");
    layers().refuses("./", Kind::Symlink(b"/".to_vec()), "is the root of the image, and no folder");
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
            Kind::HardLink(to.into()),
            &format!("is a hard link to `{to}`, which is not in the image"),
        );
    }
    layers().refuses("a", Kind::HardLink(b"../../etc/passwd".to_vec()), "leads upwards");
    layers().symlink("out", "/etc").refuses("a", Kind::HardLink(b"out/passwd".to_vec()), "which is not in the image");
    layers().symlink("out", "../..").refuses("a", Kind::HardLink(b"out/passwd".to_vec()), "which is not in the image");
    layers().folder("d").refuses("a", Kind::HardLink(b"d".to_vec()), "which is a folder");
    layers().refuses("a", Kind::HardLink(b"a".to_vec()), "which is not in the image");
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

#[test]
fn names_without_end_are_refused() {
    let mut layers = layers();
    let value = vec![0; 1 << 20];
    let mut last = Ok(());
    for number in 0..=256 {
        let mut attributes = Attributes::default();
        attributes.xattrs.insert(b"user.x".to_vec(), value.clone());
        let entry = Entry { path: b"a".to_vec(), kind: FILE, attributes };
        last = layers.tree.apply(entry, Origin { layer: 0, entry: number });
    }
    assert_eq!(last, Err(Refused::TooMuch(256)));
}
