//! `cargo oci bundle --from`: hostile and broken images, and the content of folders and tar files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::environment;
use crate::support::handmade::{Image, Layer, Packing, base, unusual};
use crate::support::process::{self, Process};
use crate::support::project::Project;
use serde_json::{Value, json};
use tar::EntryType;

/// Creates a folder with the image in the layout `image`.
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

/// Checks that bundling the image fails in all forms and leaves nothing behind.
#[track_caller]
fn refuses(image: Image, parts: &[&str]) {
    refuses_as(&[&["--rootless"], &["--output", "tar"], &["--output", "tar", "--rootless"]], image, parts);
}

/// Checks the same in these forms.
#[track_caller]
fn refuses_as(forms: &[&[&str]], image: Image, parts: &[&str]) {
    let project = folder(image);
    for form in forms {
        assert_says(&error(&project, &[*form, &["--from", "oci:image", "bundle"]].concat()), parts);
    }
}

/// Runs `cargo oci bundle ARGS`, which must fail and write nothing. Returns the error without paths of this run.
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

/// Returns an image with that layer on top of a valid one.
fn of(layer: Layer) -> Image {
    Image::new().layer(base()).layer(layer)
}

#[test]
fn names_and_links_cannot_escape_the_image() {
    for path in ["../evil", "a/../../evil", "/../evil", "..", "etc/../../evil"] {
        refuses(of(Layer::new().file(path, b"x")), &[&format!("entry `{path}` has `..` in its path")]);
    }
    for to in ["/etc/hostname", "../../../etc/hostname", "/proc/self/exe"] {
        let parts = ["cannot unpack the layer sha256:", "entry `a`"];
        refuses(of(Layer::new().hard_link("a", to)), &parts);
    }
    let through = Layer::new().symlink("out", "/").hard_link("a", "out/proc/self/exe");
    refuses(of(through), &["is a hard link to `out/proc/self/exe`, which is not in the image"]);
    refuses(of(Layer::new().symlink("a", "b").symlink("b", "a").file("a/x", b"")), &["loop of symbolic links"]);
    refuses(of(Layer::new().file("etc/passwd/x", b"")), &["is in `passwd`, which is not a directory"]);
    refuses(of(Layer::new().file("../.wh.x", b"")), &["has `..` in its path"]);
    refuses(of(Layer::new().file("etc/.wh...", b"")), &["is a whiteout without a valid name"]);
}

#[test]
fn writes_through_links_stay_inside() {
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
fn rootless_bundle_rejects_devices() {
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
fn layers_must_match_their_descriptors() {
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
fn changed_and_missing_layer_blobs_are_errors() {
    let project = folder(of(Layer::new().file("a", &[7; 3000])));
    let manifest = crate::support::document(&project.path("image"), &crate::support::digest(&project.path("image")));
    let layer = manifest["layers"][1]["digest"].as_str().expect("a digest");
    let blob = crate::support::blob(&project.path("image"), layer);
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
fn decompression_bomb_is_rejected() {
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
fn unpacked_size_of_names_is_limited() {
    let mut deep = Layer::new();
    for number in 0..200 {
        deep = deep.folder(&format!("{number}/{}", "n/".repeat(249)));
    }
    // Each takes seconds, and the limits are the same in all forms.
    refuses_as(
        &[&["--output", "tar"]],
        of(deep),
        &["cannot unpack the layer sha256:", "needs too many parent directories that have no entry of their own"],
    );
    let long = format!("{}/", "n".repeat(200)).repeat(19);
    let mut links = Layer::new().folder(&long).symlink("s", &long).file("s/f", b"");
    for number in 0..20_000 {
        links = links.hard_link(&format!("s/{number}"), "s/f");
    }
    refuses_as(
        &[&["--rootless"]],
        of(links),
        &["links make the paths of its files more than 4 times as long as they are written"],
    );
    refuses(
        of(Layer::new().symlink("a", &"n".repeat(4096))),
        &["`a` has a link target that exceeds the limit of 4095 bytes"],
    );
}

#[test]
fn missing_users_and_programs_are_errors() {
    let words = ["the image runs as `nobody`, but its /etc/passwd has no user `nobody`", "help: "];
    refuses(Image::new().layer(base()).config("User", json!("nobody")), &words);
    let words = ["runs as `web:video`, but its /etc/group has no group `video`"];
    refuses(Image::new().layer(base()).config("User", json!("web:video")), &words);
    refuses(Image::new().config("User", json!("root")), &["its /etc/passwd has no user `root`"]);
    let words = ["the image has neither an entrypoint nor a command", "help: ", "--entrypoint /PATH"];
    refuses(Image::new().layer(base()).config("Entrypoint", json!([])), &words);
    let project = folder(Image::new().layer(base()).config("Cmd", json!(["old"])));
    let args = ["--platform", "linux/amd64", "--rootless", "--entrypoint", "/bin/y", "--cmd", "new", "--from", "image"];
    project.oci(&[&["bundle"], &args[..], &["out"]].concat()).succeeds();
    assert_eq!(config(&project.path("out"))["process"]["args"], json!(["/bin/y", "new"]));
}

#[test]
fn invalid_image_config_is_rejected() {
    for (key, value, words) in [
        ("User", json!(1000), "invalid `User` of the image: expected a string"),
        ("Env", json!(["A"]), "invalid `Env` of the image: expected KEY=VALUE, found `A`"),
        ("Cmd", json!("/bin/x"), "invalid `Cmd` of the image: expected a list of strings"),
        ("WorkingDir", json!("/a\0b"), "invalid `WorkingDir` of the image: NUL character"),
        ("User", json!("2147483648"), "no user `2147483648`"),
    ] {
        refuses(Image::new().layer(base()).config(key, value), &[words]);
    }
    let home = base().file("etc/passwd", b"root:x:0:0::/ro\0ot:\n");
    refuses(Image::new().layer(home), &["/etc/passwd of the image has a NUL character in the home of user 0"]);
}

#[test]
fn harmful_labels_and_volumes_are_ignored() {
    let labels = json!({ "run.oci.keep_original_groups": "1", "mine": "2" });
    let volumes = json!({ "/sys/fs/cgroup": {}, "/bin/x": {}, "/data/./": {} });
    let image = Image::new().layer(base()).config("Labels", labels).config("Volumes", volumes);
    let project = folder(image);
    let ran = project.oci(&["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", "out"]).succeeds();
    let words = ["configure the runtime: run.oci.keep_original_groups", "cannot be mounted: /bin/x, /sys/fs/cgroup"];
    assert_says(&ran.stderr, &words);
    let config = config(&project.path("out"));
    assert_eq!(config["annotations"]["mine"], "2");
    assert!(!config.to_string().contains("run.oci"), "{config}");
    let mounts: Vec<_> = config["mounts"].as_array().expect("mounts").iter().map(|it| &it["destination"]).collect();
    assert_eq!(mounts[7..], ["/data"]);
}

#[test]
fn output_path_must_be_free() {
    let project = folder(Image::new().layer(base())).file("file", "").file("full/file", "");
    fs::create_dir(project.path("empty")).expect("a folder");
    symlink("nowhere", project.path("link")).expect("a link");
    for place in ["file", "full", "empty", "link"] {
        for form in ["dir", "tar"] {
            let words = error(&project, &["--rootless", "-o", form, "--from", "image", place]);
            assert_says(&words, &[&format!("{place} already exists"), "help: "]);
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
fn output_path_with_trailing_slash_is_a_folder() {
    let project = folder(Image::new().layer(base()));
    fs::create_dir(project.path("empty")).expect("a folder");
    for place in ["/", ".", "..", "./", "empty/.."] {
        let words = error(&project, &["--rootless", "--from", "image", place]);
        assert_says(&words, &["already exists", "help: choose another path"]);
        assert!(!words.contains("rm -r"), "{words}");
    }
    let words = error(&project, &["--rootless", "--from", "image", "empty/"]);
    assert_says(&words, &["empty already exists", "rm -r empty"]);
    let words = error(&project, &["--rootless", "--from", "image", "none/.."]);
    assert_says(&words, &["`none/..` is not a valid path for a bundle"]);
    for place in ["out/", "out/."] {
        let words = error(&project, &["--rootless", "-o", "tar", "--from", "image", place]);
        assert_says(&words, &["is a path of a directory, not of a tar file", "help: remove the trailing slash"]);
        let args = ["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", place];
        assert_eq!(project.oci(&args).succeeds().stdout, format!("{place}\n"));
        assert_eq!(names(&project.path("out")), ["config.json", "rootfs"]);
        fs::remove_dir_all(project.path("out")).expect("a bundle");
    }
}

#[test]
fn extended_attributes_of_layers_are_filtered() {
    let layer = Layer::new()
        .xattr("security.selinux", b"system_u:object_r:etc_t:s0")
        .xattr("trusted.overlay.opaque", b"y")
        .xattr("user.kept", b"x")
        .folder("labelled");
    let project = folder(of(layer));
    for form in ["dir", "tar"] {
        let args = ["bundle", "--platform", "linux/amd64", "--rootless", "-o", form, "--from", "image", form];
        let words = project.oci(&args).succeeds().stderr;
        assert_says(
            &words,
            &["ignored extended attributes", "built the layers: security.selinux, trusted.overlay.opaque\n"],
        );
        assert!(!words.contains("does not accept: security"), "{words}");
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
fn bundle_modes_ignore_umask() {
    let project = folder(of(Layer::new().mode(0o666).file("open", b"")));
    assert_eq!(after("umask 077", &project).status, 0);
    let mode = |path: &str| fs::metadata(project.path(path)).expect(path).mode() & 0o7777;
    assert_eq!((mode("out"), mode("out/config.json")), (0o700, 0o644));
    assert_eq!((mode("out/rootfs"), mode("out/rootfs/open")), (0o755, 0o666));
}

#[test]
fn deep_folders_are_removed_after_failure() {
    let deep = "d/".repeat(200);
    let layer = Layer::new().folder(&deep).file("a/file", b"").folder(&format!("{deep}e"));
    let project = folder(of(layer));
    let ran = after("ulimit -n 60", &project);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert_says(&ran.stderr, &["Too many open files", "cannot write `/d/d/d/d/d/d", "/d` of the image"]);
    assert_eq!(names(project.root()), ["image"]);
}

#[test]
fn missing_images_are_errors() {
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
    assert_says(&words, &["cannot make one bundle for several platforms"]);
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
fn bundle_folder_merges_layers() {
    let project = folder(unusual());
    let ran = project.oci(&["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", "out"]).succeeds();
    assert_eq!(ran.stdout, "out\n");
    assert!(ran.stderr.contains("the image runs as 33:34, but a rootless bundle runs as 0:0"), "{}", ran.stderr);
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
fn bundle_tar_is_complete_and_reproducible() {
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
fn killed_bundle_leaves_no_folder() {
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
        let begun = || names(project.root()).iter().any(|name| name.starts_with(".cargo-oci-new-"));
        while !begun() {
            assert!(start.elapsed() < Duration::from_secs(120) && running.ended().is_none(), "it never began");
            std::thread::sleep(Duration::from_millis(1));
        }
        process::output(environment::command("kill").args([signal, &running.id().to_string()]));
        let ended = running.wait(Duration::from_secs(60)).expect("it ends");
        assert_eq!(ended.code(), status);
        assert!(!project.path("out").exists());
        if status.is_some() {
            assert_eq!(names(project.root()), ["image"]);
        }
    }
    // The next run sweeps what the killed one left, whatever rights its folders have.
    let left = fs::read_dir(project.root()).expect("a folder").flatten().map(|entry| entry.path());
    let left = left.into_iter().find(|path| path.to_string_lossy().contains(".cargo-oci-new-")).expect("what is left");
    fs::create_dir_all(left.join("closed/inside")).expect("a folder");
    fs::set_permissions(left.join("closed"), std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("a mode");
    let args = ["bundle", "--platform", "linux/amd64", "--rootless", "--from", "image", "out"];
    project.oci(&args).succeeds();
    assert_eq!(names(project.root()), ["image", "out"]);
}
