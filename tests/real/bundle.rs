//! Bundles: started by runc and crun, by root and by a user without rights, and held against what umoci unpacks.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;
use tar::EntryType;

use crate::support::base::BaseImage;
use crate::support::container::{self, NOBODY, Runtime, User, start, start_as};
use crate::support::environment;
use crate::support::handmade::{Image, Layer, base, unusual};
use crate::support::process::{self, Ran};
use crate::support::project::Project;
use crate::support::registry::{DockerRegistry, sha256};

/// Architectures of images, and what Rust calls them.
const ARCHITECTURES: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];
const RUNTIMES: [Runtime; 2] = [Runtime::Runc, Runtime::Crun];

/// Asserts that `hello` ran as that user and group, and found what it needs.
#[track_caller]
fn assert_hello(ran: &Ran, architecture: &str, user: u32) {
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let lines: Vec<_> = ran.stdout.lines().collect();
    let expected = [
        format!("Hello from {architecture}!"),
        format!("uid={user}"),
        format!("gid={user}"),
        "home=/home/nonroot".to_owned(),
        "cwd=/home/nonroot".to_owned(),
        "tmp_writable=true".to_owned(),
    ];
    for line in &expected {
        assert!(lines.contains(&line.as_str()), "{line} is not in:\n{}", ran.stdout);
    }
    assert!(!lines.contains(&"certificates=0"), "{}", ran.stdout);
}

/// The fixture, built once into the layout that [`Project::layout`] is.
fn hello() -> Project {
    let project = Project::fixture("hello");
    project.build(&[]).succeeds();
    project
}

/// `cargo oci bundle --from` the project's layout for `architecture`, with `args` behind.
fn unpack(project: &Project, architecture: &str, args: &[&str]) -> PathBuf {
    let platform = format!("linux/{architecture}");
    let layout = project.layout().display().to_string();
    let call = project.oci(&[&["bundle", "--from", &layout, "--platform", &platform], args].concat());
    let result = call.succeeds().stdout;
    project.path(result.trim_end())
}

#[test]
fn crate_becomes_a_bundle_that_starts() {
    let project = Project::fixture("hello");
    for (architecture, name) in ARCHITECTURES {
        let platform = format!("linux/{architecture}");
        let ran = project.oci(&["bundle", "--base", "embedded", "--platform", &platform]).succeeds();
        let bundle = project.path("target/oci/hello.bundle");
        assert_eq!(ran.stdout, format!("{}\n", bundle.display()));
        for runtime in RUNTIMES {
            assert_hello(&start(&bundle, runtime), name, 65532);
        }
        let words = project.oci(&["bundle", "--base", "embedded", "--platform", &platform, "no/out"]).fails(1);
        assert!(words.contains("help: create it first: mkdir -p no") && !words.contains("Compiling"), "{words}");
        let words = project.oci(&["bundle", "--base", "embedded", "--platform", &platform]).fails(1);
        assert!(words.contains("already exists") && !words.contains("Finished"), "{words}");
        fs::remove_dir_all(&bundle).expect("a bundle");
    }
    assert!(!project.layout().exists(), "the layout of all platforms was not asked for");
}

#[test]
fn rootless_bundle_runs_as_its_creator() {
    let project = hello();
    for (architecture, name) in ARCHITECTURES {
        let bundle = unpack(&project, architecture, &["--rootless", &format!("rootless-{architecture}")]);
        for runtime in RUNTIMES {
            assert_hello(&start(&bundle, runtime), name, 0);
        }
    }
}

#[test]
fn unprivileged_user_creates_and_starts_bundle() {
    let project = hello();
    let user = User::nobody();
    // Where others may be: the folder of this program may be closed to them.
    let program = user.folder().join("cargo-oci");
    process::output(environment::command("cp").arg(env!("CARGO_BIN_EXE_cargo-oci")).arg(&program));
    process::output(environment::command("cp").arg("-r").arg(project.layout()).arg(user.folder().join("image")));
    process::output(environment::command("chmod").args(["-R", "a+rX"]).arg(user.folder()));
    let bundle = |args: &[&str]| {
        let mut command = user.command(program.to_str().expect("a path"));
        process::run(command.args(["bundle", "--from", "image", "--platform", "linux/amd64"]).args(args))
    };
    let ran = bundle(&["--rootless", "out"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("a rootless bundle runs as 0:0, which is you on the host"), "{}", ran.stderr);
    let out = user.folder().join("out");
    let files = tree(&out.join("rootfs"));
    assert!(files.values().all(|file| file.owner == (NOBODY, NOBODY)), "{files:?}");
    for runtime in RUNTIMES {
        assert_hello(&start_as(&user, &out, runtime), "x86_64", 0);
    }
    // What only root may do is refused, with the ways out; a tar file is no such thing.
    let words = bundle(&["full"]).stderr;
    assert!(words.contains("only root can create files of other users") && words.contains("--rootless"), "{words}");
    assert!(!user.folder().join("full").exists());
    assert_eq!(bundle(&["-o", "tar", "full.tar"]).status, 0);
    assert_eq!(unpacked(&user.folder().join("full.tar"), &project.path("full")).len(), files.len());
    assert_hello(&start(&project.path("full"), Runtime::Runc), "x86_64", 65532);
}

#[test]
fn hard_links_work_in_unreadable_folders() {
    let user = User::nobody();
    let layer = Layer::new()
        .mode(0)
        .folder("closed")
        .mode(0)
        .file("closed/file", b"x")
        .hard_link("open", "closed/file")
        .mode(0o500)
        .folder("locked")
        .hard_link("locked/file", "closed/file");
    Image::new().layer(base()).layer(layer).write(&user.folder().join("image"));
    let program = user.folder().join("cargo-oci");
    process::output(environment::command("cp").arg(env!("CARGO_BIN_EXE_cargo-oci")).arg(&program));
    process::output(environment::command("chmod").args(["-R", "a+rX"]).arg(user.folder()));
    let mut command = user.command(program.to_str().expect("a path"));
    let ran =
        process::run(command.args(["bundle", "--rootless", "--platform", "linux/amd64", "--from", "image", "out"]));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let files = tree(&user.folder().join("out/rootfs"));
    let is = |name: &[u8]| (files[name].mode & 0o7777, files[name].first.as_slice());
    assert_eq!((is(b"closed").0, is(b"locked").0), (0, 0o500));
    for name in [&b"closed/file"[..], b"locked/file", b"open"] {
        assert_eq!(is(name), (0, &b"closed/file"[..]));
    }
}

#[test]
fn bundle_ignores_its_parent_folder() {
    let project = Project::empty("x");
    Image::new().layer(base()).write(&project.path("image"));
    let folder = project.path("shared");
    fs::create_dir(&folder).expect("a folder");
    // Who may do everything with what is made in it: its owner, nobody, its group, and all others.
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, id) in [(0x01, u32::MAX), (0x02, NOBODY), (0x04, u32::MAX), (0x10, u32::MAX), (0x20, u32::MAX)] {
        list.extend([u16::to_le_bytes(tag), u16::to_le_bytes(7)].concat());
        list.extend(u32::to_le_bytes(id));
    }
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&folder, "system.posix_acl_default", &list, flags).expect("a file system with such lists");
    project.oci(&["bundle", "--platform", "linux/amd64", "--from", "image", "shared/out"]).succeeds();
    for (name, file) in tree(&folder.join("out")) {
        assert!(file.xattrs.is_empty(), "{} {file:?}", String::from_utf8_lossy(&name));
    }
}

/// A file of a root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    device: u64,
    /// The digest of a file's content; where a symbolic link leads.
    content: String,
    xattrs: BTreeMap<String, Vec<u8>>,
    /// The first name of the same file.
    first: Vec<u8>,
}

/// All files below a folder by their names, and the folder itself.
fn tree(root: &Path) -> BTreeMap<Vec<u8>, File> {
    let mut paths = vec![root.to_owned()];
    let mut at = 0;
    while at < paths.len() {
        let path = paths[at].clone();
        if fs::symlink_metadata(&path).expect("a file").is_dir() {
            paths.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        }
        at += 1;
    }
    paths.sort();
    let mut firsts = BTreeMap::new();
    let mut files = BTreeMap::new();
    for path in paths {
        let found = fs::symlink_metadata(&path).expect("a file");
        let name = path.strip_prefix(root).expect("is below").as_os_str().as_bytes().to_owned();
        let first = firsts.entry(found.ino()).or_insert(name.clone()).clone();
        let content = match found.file_type() {
            kind if kind.is_file() => sha256(&fs::read(&path).expect("a file")),
            kind if kind.is_symlink() => fs::read_link(&path).expect("a link").display().to_string(),
            _ => String::new(),
        };
        let file = File {
            mode: found.mode(),
            owner: (found.uid(), found.gid()),
            mtime: (found.mtime(), found.mtime_nsec()),
            device: found.rdev(),
            content,
            xattrs: xattrs(&path),
            first,
        };
        files.insert(name, file);
    }
    files
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or_default();
    let names = String::from_utf8_lossy(&names[..length]).into_owned();
    let value = |name: &str| {
        let mut value = vec![0; 4096];
        let length = rustix::fs::lgetxattr(path, name, &mut value).expect("a value");
        value.truncate(length);
        (name.to_owned(), value)
    };
    names.split('\0').filter(|name| !name.is_empty()).map(value).collect()
}

/// What GNU tar, as root, makes of a bundle's tar file in a new folder.
fn unpacked(tar: &Path, into: &Path) -> BTreeMap<Vec<u8>, File> {
    fs::create_dir(into).expect("a folder");
    let mut command = environment::command("tar");
    command.args(["--extract", "--preserve-permissions", "--numeric-owner", "--xattrs", "--xattrs-include=*"]);
    process::output(command.arg("--file").arg(tar).arg("--directory").arg(into));
    tree(&into.join("rootfs"))
}

/// Says of each file that is not the same what it is here and there.
#[track_caller]
fn assert_same(ours: &BTreeMap<Vec<u8>, File>, theirs: &BTreeMap<Vec<u8>, File>) {
    let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let other = names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name));
    let other: Vec<_> = other
        .map(|name| format!("{}:\n  {:?}\n  {:?}", String::from_utf8_lossy(name), ours.get(name), theirs.get(name)))
        .collect();
    assert!(other.is_empty(), "{}", other.join("\n"));
}

#[test]
fn bundle_matches_umoci_and_gnu_tar() {
    let project = Project::empty("x");
    let devices = Layer::new()
        .owner(70_000)
        .mode(0o640)
        .special(EntryType::Char, "null")
        .folder("given/")
        .mode(0o6711)
        .file("given/file", b"");
    unusual().layer(devices).write(&project.path("image"));
    let bundle = |args: &[&str]| {
        project.oci(&[&["bundle", "--platform", "linux/amd64", "--from", "image"], args].concat()).succeeds();
    };
    bundle(&["folder"]);
    bundle(&["-o", "tar", "file.tar"]);
    let ours = tree(&project.path("folder/rootfs"));
    assert_eq!(ours[&b"noted"[..]].xattrs["user.with.breaks"], b"a\nb=\0c");
    assert_eq!(ours[&b"null"[..]].mode, 0o20640);
    assert_same(&ours, &unpacked(&project.path("file.tar"), &project.path("unpacked")));
    let image = format!("{}:latest", project.path("image").display());
    process::output(environment::command("umoci").args(["unpack", "--image", &image]).arg(project.path("umoci")));
    assert_same(&ours, &tree(&project.path("umoci/rootfs")));
}

#[test]
fn bundle_of_all_compressions_matches_umoci() {
    let project = Project::fixture("hello");
    BaseImage::new().write(&project.path("base"));
    project.oci(&["build", "--base", "oci:base"]).succeeds();
    let folder = unpack(&project, "amd64", &["folder"]);
    container::unpack(&project.layout(), "latest", "amd64", &project.path("umoci"));
    let (mut ours, mut theirs) = (tree(&folder.join("rootfs")), tree(&project.path("umoci/rootfs")));
    // Some folders have no entry of their own: umoci has just made them, here they are as old as can be.
    for files in [&mut ours, &mut theirs] {
        let folders = files.values_mut().filter(|file| file.mode & 0o170_000 == 0o040_000);
        folders.for_each(|folder| folder.mtime = (0, 0));
    }
    assert_same(&ours, &theirs);
    assert!(ours.contains_key(&b"usr/share/zoneinfo/Asia/Tokyo"[..]) && ours.contains_key(&b"app/hello"[..]));
}

#[test]
fn bundle_tar_unpacks_and_starts() {
    let project = hello();
    let folder = unpack(&project, "amd64", &["folder"]);
    let tar = unpack(&project, "amd64", &["-o", "tar", "file.tar"]);
    assert_same(&tree(&folder.join("rootfs")), &unpacked(&tar, &project.path("unpacked")));
    let config = |bundle: &Path| fs::read(bundle.join("config.json")).expect("a config");
    assert_eq!(config(&folder), config(&project.path("unpacked")));
    for runtime in RUNTIMES {
        assert_hello(&start(&project.path("unpacked"), runtime), "x86_64", 65532);
    }
}

#[test]
fn volumes_are_writable_copies_of_image_content() {
    let project = hello();
    let rootfs = unpack(&project, "amd64", &["hello-bundle"]).join("rootfs");
    let read = |path: &str| fs::read(rootfs.join(path)).expect("a file");
    let layer = Layer::new()
        .mode(0o755)
        .file("bin/x", &read("app/hello"))
        .file("etc/ssl/certs/ca-certificates.crt", &read("etc/ssl/certs/ca-certificates.crt"))
        .owner(33)
        .mode(0o700)
        .folder("tmp");
    let volumes = json!({ "/tmp": {}, "/etc/ssl": {}, "/not/there": {} });
    let image = Image::new().layer(base()).layer(layer).config("User", json!("web")).config("Volumes", volumes);
    image.write(&project.path("image"));
    for (args, uid) in [(&[][..], 33), (&["--rootless"], 0)] {
        let out = format!("out-{uid}");
        let call = [&["bundle", "--platform", "linux/amd64", "--from", "image", &out], args].concat();
        project.oci(&call).succeeds();
        for runtime in RUNTIMES {
            let ran = start(&project.path(&out), runtime);
            assert!(ran.stdout.contains(&format!("\nuid={uid}\n")), "{runtime:?} {}{}", ran.stdout, ran.stderr);
            assert!(ran.stdout.contains("\ntmp_writable=true\n"), "{runtime:?} {}", ran.stdout);
            assert!(!ran.stdout.contains("\ncertificates=0\n"), "{runtime:?} {}", ran.stdout);
        }
        let left = fs::read_dir(project.path(&out).join("rootfs/tmp")).expect("a folder").count();
        assert_eq!(left, 0, "what is written to a volume is not written to the bundle");
    }
}

#[test]
fn bundle_pulls_only_its_platform() {
    let project = Project::empty("x");
    let base = BaseImage::new().write(&project.path("base"));
    let registry = DockerRegistry::start();
    base.push_to(&registry, "distroless/static", "nonroot");
    let before = registry.requests().len();
    let reference = registry.reference("distroless/static:nonroot");
    let call = project.oci(&["bundle", "--platform", "linux/arm64", "--from", &reference, "out"]);
    assert!(call.succeeds().stderr.contains("Bundling static linux/arm64/v8 (4 layers"));
    let requests = registry.requests().split_off(before);
    let asked = |digest: &str| requests.iter().any(|request| request.path.contains(digest));
    let (wanted, other) = (base.platform("linux/arm64/v8"), base.platform("linux/amd64"));
    assert!(asked(&wanted.manifest) && wanted.layers.iter().all(|layer| asked(layer)), "{requests:?}");
    assert!(!asked(&other.manifest) && !asked(&other.config) && !asked(&other.layers[0]), "{requests:?}");
    let layout = project.path("base").display().to_string();
    project.oci(&["bundle", "--platform", "linux/arm64", "--from", &layout, "from-layout"]).succeeds();
    assert_same(&tree(&project.path("out/rootfs")), &tree(&project.path("from-layout/rootfs")));
    let archive = project.path("base.tar").display().to_string();
    container::skopeo(&["copy", "--all", &format!("oci:{layout}:nonroot"), &format!("oci-archive:{archive}:nonroot")]);
    project.oci(&["bundle", "--platform", "linux/arm64", "--from", &archive, "from-archive"]).succeeds();
    assert_same(&tree(&project.path("out/rootfs")), &tree(&project.path("from-archive/rootfs")));
}

/// A small file system in memory, gone on drop.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> SmallDisk {
        fs::create_dir(&path).expect("a folder");
        process::output(environment::command("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&path));
        SmallDisk(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = environment::command("umount").arg(&self.0).status();
    }
}

#[test]
fn full_disk_is_empty_again_after_failure() {
    let project = Project::empty("x");
    let layer = Layer::new()
        .mode(0o500)
        .folder("closed")
        .file("closed/a", &vec![1; 600_000])
        .file("closed/b", &vec![2; 600_000]);
    let image = Image::new().layer(base()).layer(layer);
    image.write(&project.path("image"));
    let disk = SmallDisk::mount(project.path("disk"));
    fs::set_permissions(&disk.0, fs::Permissions::from_mode(0o755)).expect("a folder");
    for form in ["dir", "tar"] {
        let call = project.oci(&["bundle", "--platform", "linux/amd64", "--from", "image", "-o", form, "disk/out"]);
        let words = call.fails(1);
        assert!(words.contains("No space left on device") && words.contains("help: free some space"), "{words}");
        assert_eq!(words.contains("cannot write `/closed/b` of the image"), form == "dir", "{words}");
        assert_eq!(fs::read_dir(&disk.0).expect("a folder").count(), 0, "{words}");
    }
}
