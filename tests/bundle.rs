//! `cargo oci bundle --from`: what hostile and broken images lead to, and what the folder and the tar file hold.

#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::handmade::{Image, Layer, Packing, base, unusual};
use support::process::{self, Process};
use support::project::Project;
use tar::EntryType;

/// A folder with the image in its layout `image`.
fn folder(image: Image) -> Project {
    let project = Project::empty("x");
    image.write(&project.path("image"));
    project
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The error of bundling the image, as a folder and as a tar file; neither leaves anything behind.
#[track_caller]
fn refuses(image: Image, parts: &[&str]) {
    let project = folder(image);
    for form in [&["--rootless"][..], &["--output", "tar"], &["--output", "tar", "--rootless"]] {
        assert_says(&error(&project, &[form, &["--from", "oci:image", "bundle"]].concat()), parts);
    }
}

/// The error of `cargo oci bundle ARGS`, without the paths of this run; it has written nothing.
#[track_caller]
fn error(project: &Project, args: &[&str]) -> String {
    let before = names(project.root());
    let call = project.oci(&[&["bundle", "--platform", "linux/amd64"], args].concat()).env("NO_COLOR", "1");
    let words = call.fails(1);
    assert_eq!(names(project.root()), before, "{words}");
    words.replace(&project.root().display().to_string(), "ROOT")
}

#[track_caller]
fn assert_says(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in:\n{words}");
    }
}

/// An image of that layer, over one that is as it should be.
fn of(layer: Layer) -> Image {
    Image::new().layer(base()).layer(layer)
}

#[test]
fn names_and_links_that_lead_out_of_the_image() {
    for path in ["../evil", "a/../../evil", "/../evil", "..", "etc/../../evil"] {
        refuses(of(Layer::new().file(path, b"x")), &[&format!("its entry `{path}` leads upwards")]);
    }
    for to in ["/etc/hostname", "../../../etc/hostname", "/proc/self/exe"] {
        let parts = ["cannot unpack the layer sha256:", "its entry `a`"];
        refuses(of(Layer::new().hard_link("a", to)), &parts);
    }
    let through = Layer::new().symlink("out", "/").hard_link("a", "out/proc/self/exe");
    refuses(of(through), &["is a hard link to `out/proc/self/exe`, which is not in the image"]);
    refuses(of(Layer::new().symlink("a", "b").symlink("b", "a").file("a/x", b"")), &["lead to each other"]);
    refuses(of(Layer::new().file("etc/passwd/x", b"")), &["is in `passwd`, which is no folder"]);
    refuses(of(Layer::new().file("../.wh.x", b"")), &["leads upwards"]);
    refuses(of(Layer::new().file("etc/.wh...", b"")), &["is a whiteout of nothing that has a name"]);
}

#[test]
fn what_is_written_through_a_link_stays_inside() {
    let project = folder(
        of(Layer::new().symlink("a", "/").symlink("b", "../../../..").symlink("c", "/etc"))
            .layer(Layer::new().file("a/one", b"1").file("b/two", b"2").file("c/three", b"3").file("c/.wh.group", b"")),
    );
    project.oci(&["bundle", "--rootless", "--platform", "linux/amd64", "--from", "image", "out"]).succeeds();
    assert_eq!(names(&project.path("out/rootfs")), ["a", "b", "bin", "c", "etc", "one", "two"]);
    assert_eq!(names(&project.path("out/rootfs/etc")), ["passwd", "three"]);
    assert_eq!(names(project.root()), ["image", "out"]);
}

#[test]
fn devices_in_a_rootless_bundle() {
    let project = folder(of(Layer::new().special(EntryType::Char, "dev/null").special(EntryType::Fifo, "pipe")));
    for form in ["dir", "tar"] {
        let words = error(&project, &["--rootless", "-o", form, "--from", "image", "out"]);
        assert_says(&words, &["the image has the device `/dev/null`", "help: make the bundle as root"]);
    }
    // What is taken away again does not count.
    let project = folder(of(Layer::new().special(EntryType::Char, "null")).layer(Layer::new().file(".wh.null", b"")));
    project.oci(&["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", "out"]).succeeds();
}

#[test]
fn layers_that_are_not_what_they_are_said_to_be() {
    let file = || Layer::new().file("a", &[7; 3000]);
    let cannot = "cannot unpack the layer sha256:";
    refuses(of(file().with_garbage(b"garbage")), &[cannot, "trailing data after the end of the gzip stream"]);
    refuses(of(file().packed(Packing::Zstd).with_garbage(b"garbage")), &[cannot, "cannot read the content"]);
    for packing in [Packing::None, Packing::Gzip, Packing::Zstd] {
        refuses(of(file().packed(packing).wrong_diff_id()), &[cannot, "wrong diffID: the config has sha256:"]);
        refuses(of(file().packed(packing).cut_by(20)), &[cannot]);
    }
    refuses(of(Layer::new().special(EntryType::new(b'Z'), "a")), &[cannot, "`a` has the unknown entry type 0x5a"]);
    refuses(
        of(Layer::new().record("size", b"x").file("a", b"")),
        &[cannot, "invalid value `x` of the PAX record `size`"],
    );
}

#[test]
fn layers_whose_blobs_were_changed_or_lost() {
    let project = folder(of(Layer::new().file("a", &[7; 3000])));
    let manifest = support::document(&project.path("image"), &support::digest(&project.path("image")));
    let layer = manifest["layers"][1]["digest"].as_str().expect("a digest");
    let blob = support::blob(&project.path("image"), layer);
    let mut bytes = fs::read(&blob).expect("a blob");
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        bytes[at] ^= 1;
        fs::write(&blob, &bytes).expect("a blob");
        let words = error(&project, &["--rootless", "--from", "image", "out"]);
        assert_says(&words, &[&format!("cannot unpack the layer {layer}"), "wrong content: expected sha256:"]);
        bytes[at] ^= 1;
    }
    for wrong in [&bytes[..50], &[]] {
        fs::write(&blob, wrong).expect("a blob");
        let words = error(&project, &["--rootless", "--from", "image", "out"]);
        assert_says(&words, &["cannot bundle image", &format!("lacks the layer {layer}")]);
    }
}

#[test]
fn a_layer_that_grows_a_thousandfold() {
    let zeros = vec![0; 20 << 20];
    for packing in [Packing::Gzip, Packing::Zstd] {
        let words = "decompresses to more than 200 times its size";
        refuses(of(Layer::new().packed(packing).file("a", &zeros)), &["cannot unpack the layer sha256:", words]);
    }
    // As it is on disk, it does not grow.
    let project = folder(of(Layer::new().packed(Packing::None).file("a", &zeros)));
    project.oci(&["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", "out"]).succeeds();
}

#[test]
fn images_that_grow_when_they_are_unpacked() {
    let mut deep = Layer::new();
    for number in 0..200 {
        deep = deep.folder(&format!("{number}/{}", "n/".repeat(249)));
    }
    refuses(of(deep), &["cannot unpack the layer sha256:", "is in one folder too many that no entry is for"]);
    let long = format!("{}/", "n".repeat(200)).repeat(19);
    let mut links = Layer::new().folder(&long).symlink("s", &long).file("s/f", b"");
    for number in 0..20_000 {
        links = links.hard_link(&format!("s/{number}"), "s/f");
    }
    refuses(of(links), &["its links make the names of its files more than 4 times as long as they are written"]);
    refuses(of(Layer::new().symlink("a", &"n".repeat(4096))), &["`a` leads to a name of more than 4095 bytes"]);
}

#[test]
fn users_and_programs_that_the_image_does_not_have() {
    let words = ["the image runs as `nobody`, but its /etc/passwd has no user `nobody`", "help: "];
    refuses(Image::new().layer(base()).config("User", json!("nobody")), &words);
    let words = ["runs as `web:video`, but its /etc/group has no group `video`"];
    refuses(Image::new().layer(base()).config("User", json!("web:video")), &words);
    refuses(Image::new().config("User", json!("root")), &["its /etc/passwd has no user `root`"]);
    let words =
        ["the image starts nothing: it has neither an entrypoint nor a command", "help: ", "--entrypoint /PATH"];
    refuses(Image::new().layer(base()).config("Entrypoint", json!([])), &words);
    let project = folder(Image::new().layer(base()).config("Cmd", json!(["old"])));
    let args = ["--platform", "linux/amd64", "--rootless", "--entrypoint", "/bin/y", "--cmd", "new", "--from", "image"];
    project.oci(&[&["bundle"], &args[..], &["out"]].concat()).succeeds();
    assert_eq!(config(&project.path("out"))["process"]["args"], json!(["/bin/y", "new"]));
}

#[test]
fn what_an_image_may_not_say_of_its_program() {
    for (key, value, words) in [
        ("User", json!(1000), "the image's `User` is not text"),
        ("Env", json!(["A"]), "the image's `Env` has `A`, which is no KEY=VALUE"),
        ("Cmd", json!("/bin/x"), "the image's `Cmd` is not a list"),
        ("WorkingDir", json!("/a\0b"), "the image's `WorkingDir` has a NUL character"),
        ("User", json!("2147483648"), "no user `2147483648`"),
    ] {
        refuses(Image::new().layer(base()).config(key, value), &[words]);
    }
    let home = base().file("etc/passwd", b"root:x:0:0::/ro\0ot:\n");
    refuses(Image::new().layer(home), &["its /etc/passwd has a NUL character in the home of user 0"]);
}

#[test]
fn labels_and_volumes_that_would_do_harm() {
    let labels = json!({ "run.oci.keep_original_groups": "1", "mine": "2" });
    let volumes = json!({ "/sys/fs/cgroup": {}, "/bin/x": {}, "/data/./": {} });
    let image = Image::new().layer(base()).config("Labels", labels).config("Volumes", volumes);
    let project = folder(image);
    let ran = project.oci(&["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", "out"]).succeeds();
    let words = ["orders to runtimes are left out: run.oci.keep_original_groups", "left out: /bin/x, /sys/fs/cgroup"];
    assert_says(&ran.stderr, &words);
    let config = config(&project.path("out"));
    assert_eq!(config["annotations"]["mine"], "2");
    assert!(!config.to_string().contains("run.oci"), "{config}");
    let mounts: Vec<_> = config["mounts"].as_array().expect("mounts").iter().map(|it| &it["destination"]).collect();
    assert_eq!(mounts[7..], ["/data"]);
}

#[test]
fn places_that_are_taken_or_not_there() {
    let project = folder(Image::new().layer(base())).file("file", "").file("full/file", "");
    fs::create_dir(project.path("empty")).expect("a folder");
    symlink("nowhere", project.path("link")).expect("a link");
    for place in ["file", "full", "empty", "link"] {
        for form in ["dir", "tar"] {
            let words = error(&project, &["--rootless", "-o", form, "--from", "image", place]);
            assert_says(&words, &[&format!("{place} is there already, and nothing is written over it"), "help: "]);
        }
    }
    assert_eq!(names(&project.path("full")), ["file"]);
    for form in ["dir", "tar"] {
        // That is said before the image is looked for.
        let words = error(&project, &["--rootless", "-o", form, "--from", "./nowhere", "no/out"]);
        assert_says(&words, &["cannot write in no", "help: create it first: mkdir -p no"]);
        let words = error(&project, &["--rootless", "-o", form, "--from", "./nowhere", "full/file/out"]);
        assert_says(&words, &["cannot write in full/file", "not a directory"]);
    }
}

#[test]
fn paths_that_end_as_only_folders_do() {
    let project = folder(Image::new().layer(base()));
    fs::create_dir(project.path("empty")).expect("a folder");
    for place in ["/", ".", "..", "./", "empty/.."] {
        let words = error(&project, &["--rootless", "--from", "image", place]);
        assert_says(&words, &["is there already", "help: name another place"]);
        assert!(!words.contains("rm -r"), "{words}");
    }
    let words = error(&project, &["--rootless", "--from", "image", "empty/"]);
    assert_says(&words, &["empty is there already", "rm -r empty"]);
    let words = error(&project, &["--rootless", "--from", "image", "none/.."]);
    assert_says(&words, &["`none/..` is no name for a bundle"]);
    for place in ["out/", "out/."] {
        let words = error(&project, &["--rootless", "-o", "tar", "--from", "image", place]);
        assert_says(&words, &["can only be a folder, and not a tar file", "help: leave the end of the path out"]);
        let args = ["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", place];
        assert_eq!(project.oci(&args).succeeds().stdout, format!("{place}\n"));
        assert_eq!(names(&project.path("out")), ["config.json", "rootfs"]);
        fs::remove_dir_all(project.path("out")).expect("a bundle");
    }
}

#[test]
fn attributes_of_the_computer_that_a_layer_was_made_on() {
    let layer = Layer::new()
        .xattr("security.selinux", b"system_u:object_r:etc_t:s0")
        .xattr("trusted.overlay.opaque", b"y")
        .xattr("user.kept", b"x")
        .folder("labelled");
    let project = folder(of(layer));
    for form in ["dir", "tar"] {
        let args = ["bundle", "--platform", "linux/amd64", "--rootless", "-o", form, "--from", "image", form];
        let words = project.oci(&args).succeeds().stderr;
        assert_says(&words, &["about this computer", "are left out: security.selinux, trusted.overlay.opaque\n"]);
        assert!(!words.contains("could not be set: security"), "{words}");
    }
    let tar = fs::read(project.path("tar")).expect("a file");
    let has = |words: &str| tar.windows(words.len()).any(|window| window == words.as_bytes());
    assert!(has("SCHILY.xattr.user.kept=x\n") && !has("selinux") && !has("overlay"));
}

/// `cargo oci bundle` of the image in `image`, rootless, by a shell in which `before` was done.
fn after(before: &str, project: &Project) -> process::Ran {
    let bundle = r#"exec "$0" bundle --platform linux/amd64 --rootless --from image out"#;
    let mut shell = project.oci(&[]).command("sh");
    process::run(shell.args(["-c", &format!("{before} && {bundle}"), env!("CARGO_BIN_EXE_cargo-oci")]))
}

#[test]
fn the_modes_of_a_bundle_are_not_those_of_new_files() {
    let project = folder(of(Layer::new().mode(0o666).file("open", b"")));
    assert_eq!(after("umask 077", &project).status, 0);
    let mode = |path: &str| fs::metadata(project.path(path)).expect(path).mode() & 0o7777;
    assert_eq!((mode("out"), mode("out/config.json")), (0o700, 0o644));
    assert_eq!((mode("out/rootfs"), mode("out/rootfs/open")), (0o755, 0o666));
}

#[test]
fn folders_too_deep_to_be_open_all_at_once_are_removed_again() {
    let deep = "d/".repeat(200);
    let layer = Layer::new().folder(&deep).file("a/file", b"").folder(&format!("{deep}e"));
    let project = folder(of(layer));
    let ran = after("ulimit -n 60", &project);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert_says(&ran.stderr, &["Too many open files", "cannot write `/d/d/d/d/d/d", "/d` of the image"]);
    assert_eq!(names(project.root()), ["image"]);
}

#[test]
fn images_that_are_not_there() {
    let project = folder(Image::new().layer(base()));
    let words =
        project.oci(&["bundle", "--rootless", "--platform", "linux/riscv64", "--from", "image", "out"]).fails(1);
    assert_says(&words, &["has no image for linux/riscv64", "linux/amd64"]);
    for nowhere in ["./nowhere", "/nowhere/at/all", ".", "oci:nowhere"] {
        let words = error(&project, &["--rootless", "--from", nowhere, "out"]);
        assert_says(&words, &[&format!("cannot bundle {nowhere}"), "there is no OCI layout in "]);
    }
    let words = error(&project, &["--rootless", "--from", "oci:image:other", "out"]);
    assert_says(&words, &["has no tag other", "it has latest"]);
    assert_says(&error(&project, &["--rootless", "--from", "Not A Name", "out"]), &["`Not A Name` is not an image"]);
    let words = error(&project, &["--platform", "linux/arm64", "--from", "image", "out"]);
    assert_says(&words, &["a bundle is for one platform"]);
    for args in [
        &["--from", "image"][..],
        &["--from", "image", "--base", "scratch", "out"],
        &["--from", "image", "--locked", "out"],
        &["-o", "zip", "out"],
    ] {
        project.oci(&[&["bundle"], args].concat()).fails(2);
    }
}

/// The runtime's config of a bundle.
fn config(bundle: &Path) -> Value {
    serde_json::from_slice(&fs::read(bundle.join("config.json")).expect("a config")).expect("JSON")
}

#[test]
fn a_folder_holds_what_the_layers_make_together() {
    let project = folder(unusual());
    let ran = project.oci(&["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", "out"]).succeeds();
    assert_eq!(ran.stdout, "out\n");
    assert!(
        ran.stderr.contains("the image runs as 33:34, but in a rootless bundle there is only 0:0"),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::metadata(project.path("out")).expect("a folder").mode() & 0o777, 0o700);
    assert_eq!(names(&project.path("out")), ["config.json", "rootfs"]);
    let root = project.path("out/rootfs");
    let is = |path: &str| fs::symlink_metadata(root.join(path)).expect(path);
    assert!(!root.join("gone").exists() && !root.join("opaque/old").exists());
    assert_eq!(fs::read(root.join("opaque/new")).expect("a file"), b"4");
    assert_eq!(is("setuid").mode() & 0o7777, 0o4755);
    assert_eq!((is("setuid").ino(), is("setuid").nlink()), (is("second").ino(), 2));
    assert_eq!(is("sticky").mode() & 0o7777, 0o1777);
    assert_eq!((is("closed").mode() & 0o7777, is("closed").mtime()), (0o500, 1_500_000_000));
    assert_eq!(fs::read_link(root.join("replaced")).expect("a link").to_str(), Some("/etc/passwd"));
    assert_eq!(is("replaced").mtime(), 1_500_000_000);
    assert_eq!((is("fine").mtime(), is("fine").mtime_nsec()), (1_500_000_000, 250_000_000));
    assert_eq!(fs::read(root.join("bin/y")).expect("a file"), b"7");
    assert!(names(&root).contains(&"odd-\u{fffd}\n".to_owned()));
    let (process, hostname) = (&config(&project.path("out"))["process"], &config(&project.path("out"))["hostname"]);
    assert_eq!((&process["user"], hostname), (&json!({ "uid": 0, "gid": 0 }), &json!("image")));
    assert!(process["env"].to_string().contains("HOME=/srv"), "{process}");
    // The user may not look into it, but may remove it.
    fs::set_permissions(root.join("closed"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("a folder");
}

/// What a tar says of a file: type, mode, owner, mtime, target and content.
type Said = (u8, u32, u64, u64, String, Vec<u8>);

/// Every entry of a tar by its name.
fn entries(tar: &Path) -> BTreeMap<Vec<u8>, Said> {
    let mut archive = tar::Archive::new(fs::File::open(tar).expect("a tar"));
    let mut found = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("a content");
        let header = entry.header();
        let target = entry.link_name_bytes().map(|to| String::from_utf8_lossy(&to).into_owned()).unwrap_or_default();
        let said = (
            header.entry_type().as_byte(),
            header.mode().expect("a mode"),
            header.uid().expect("a user"),
            header.mtime().expect("a time"),
            target,
            content,
        );
        assert!(found.insert(entry.path_bytes().into_owned(), said).is_none(), "an entry twice");
    }
    found
}

#[test]
fn a_tar_file_holds_all_of_it_and_is_the_same_each_time() {
    let image = || unusual().layer(Layer::new().owner(70_000).mode(0o600).special(EntryType::Char, "dev/null"));
    let project = folder(image());
    let bundle = |to: &str| {
        let ran = project.oci(&["bundle", "--platform", "linux/amd64", "-o", "tar", "--from", "image", to]).succeeds();
        assert_eq!(ran.stdout, format!("{to}\n"));
        fs::read(project.path(to)).expect("a file")
    };
    assert_eq!(bundle("one.tar"), bundle("two.tar"));
    let entries = entries(&project.path("one.tar"));
    let entry = |path: &str| entries.get(path.as_bytes()).unwrap_or_else(|| panic!("there is no {path}"));
    let says = |kind: u8, mode: u32, owner: u64, mtime: u64, to: &str, content: &[u8]| {
        (kind, mode, owner, mtime, to.to_owned(), content.to_owned())
    };
    assert_eq!(entry("rootfs/dev/null"), &says(b'3', 0o600, 70_000, 0, "", b""));
    assert_eq!(entry("rootfs/setuid"), &says(b'1', 0o4755, 0, 1_500_000_000, "rootfs/second", b""));
    assert_eq!(entry("rootfs/second"), &says(b'0', 0o4755, 0, 1_500_000_000, "", b"5"));
    assert_eq!(entry("rootfs/replaced"), &says(b'2', 0o777, 0, 1_500_000_000, "/etc/passwd", b""));
    assert_eq!(entry("rootfs/closed/"), &says(b'5', 0o500, 0, 1_500_000_000, "", b""));
    assert_eq!(entry(&format!("rootfs/long/{}/{}", "d".repeat(120), "f".repeat(150))).5, b"8");
    assert!(entries.contains_key(&b"rootfs/odd-\xff\n"[..]) && !entries.contains_key(&b"rootfs/gone/"[..]));
    let config: Value = serde_json::from_slice(&entry("config.json").5).expect("JSON");
    assert_eq!(config["process"]["user"], json!({ "uid": 33, "gid": 34, "additionalGids": [50] }));
}

#[test]
fn a_bundle_that_is_interrupted_or_killed_leaves_nothing_in_its_place() {
    let mut layer = Layer::new().packed(Packing::None);
    for number in 0..20_000 {
        layer = layer.file(&format!("d{}/f{number}", number / 100), &[1; 600]);
    }
    let project = folder(of(layer));
    for (signal, status) in [("-INT", Some(130)), ("-KILL", None)] {
        let mut command = project
            .oci(&["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", "out"])
            .command(env!("CARGO_BIN_EXE_cargo-oci"));
        command.args(["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", "out"]);
        let mut running =
            Process::start(command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()));
        let start = Instant::now();
        let begun = || names(project.root()).iter().any(|name| name.starts_with(".new-"));
        while !begun() {
            assert!(start.elapsed() < Duration::from_secs(30) && running.ended().is_none(), "it never began");
            std::thread::sleep(Duration::from_millis(1));
        }
        process::output(Command::new("kill").args([signal, &running.id().to_string()]));
        let ended = running.wait(Duration::from_secs(10)).expect("it ends");
        assert_eq!(ended.code(), status);
        assert!(!project.path("out").exists());
        if status.is_some() {
            assert_eq!(names(project.root()), ["image"]);
        }
    }
}
