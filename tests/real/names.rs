//! Odd names in layers: four programs that read tars see the same files.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::container::unpack;
use crate::support::process::output;
use crate::support::project::Project;
use crate::support::{blob, environment, image};

/// Reads a tar into a folder, as pip does.
const PYTHON: &str = "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])";

/// The part of all paths that is the same.
const TOP: &str = "srv/";

/// A path of exactly `length` bytes in the tar, whose folders have names of `folder` bytes.
fn path(length: usize, folder: usize) -> String {
    let mut path = String::new();
    while length - TOP.len() - path.len() > folder + 1 {
        path += &format!("{}/", "d".repeat(folder));
    }
    let rest = length - TOP.len() - path.len();
    path + &"n".repeat(rest)
}

/// The paths of files below [`TOP`].
fn files() -> Vec<String> {
    let mut files = Vec::new();
    // At and beside the limits of ustar: 100 bytes of name, 155 of prefix, and both with a slash.
    for length in [99, 100, 101, 102, 155, 156, 157, 158, 255, 256, 257, 300, 1000, 3000] {
        for folder in [20, 94, 95, 96, 98, 99, 100, 101, 151, 240] {
            files.push(format!("{folder}{}", &path(length, folder)[folder.to_string().len()..]));
        }
    }
    let long = "n".repeat(200);
    // Names that are cut at a slash.
    for cut in 92..98 {
        files.push(format!("cut-{}/{long}", "c".repeat(cut - 4)));
        files.push(format!("cut-{}/{long}/{long}", "e".repeat(cut - 4)));
    }
    // The key `files` takes no control characters.
    let odd = [
        "straße/日本.html",
        "e\u{301}",
        "é",
        "two words",
        " ",
        " begins",
        "ends ",
        "\\",
        "a\\b",
        "\"quoted\"",
        "'",
        "..a",
        "a..",
        "...",
        ".hidden",
        "-rf",
        "*",
        "?",
        "~",
        "$HOME",
        "=",
        "a=b",
        "12 path=x",
        "%41",
        "#",
        ":",
        "C:",
        "con",
        "path",
        "._file",
        "@list",
        "PaxHeaders.0/x",
        "@LongLink",
    ];
    files.extend(odd.map(str::to_owned));
    // Only a PAX record has all of it.
    files.extend(["日本", "ä ", "..a"].map(|part| format!("{}/{}", part.repeat(40), part.repeat(40))));
    files.push(format!("{}/x", "日".repeat(80)));
    files
}

/// The targets of links in [`TOP`], all files.
fn targets() -> Vec<String> {
    let long = |length: usize| path(length, 20);
    let mut targets: Vec<_> =
        [99, 100, 101, 255, 256, 300].into_iter().map(|length| format!("20{}", &long(length)[2..])).collect();
    targets.extend(["straße/日本.html", " ", "a=b"].map(str::to_owned));
    targets.push(format!("{}/{}", "日本".repeat(40), "日本".repeat(40)));
    targets
}

/// What a reader made of an entry: of a file its content, mode, owner and time, of a link the target.
type Seen = BTreeMap<PathBuf, String>;

fn seen(folder: &Path) -> Seen {
    let entries = walkdir::WalkDir::new(folder).min_depth(1).into_iter().map(|entry| entry.expect("an entry"));
    let shown = |path: &Path| {
        let found = std::fs::symlink_metadata(path).expect("a file");
        let owner = format!("{}:{}", found.uid(), found.gid());
        if found.is_symlink() {
            return format!("link {owner} {}", std::fs::read_link(path).expect("a link").display());
        }
        let attributes = format!("{:o} {owner}", found.mode() & 0o7777);
        if found.is_dir() {
            return format!("folder {attributes}");
        }
        format!("file {attributes} {} {:?}", found.mtime(), std::fs::read_to_string(path).expect("a file"))
    };
    entries
        .map(|entry| (entry.path().strip_prefix(folder).expect("below it").to_owned(), shown(entry.path())))
        .collect()
}

/// Panics with the first differences: whole trees are too long to read.
fn assert_same(found: &Seen, expected: &Seen, reader: &str) {
    let missing: Vec<_> = expected.iter().filter(|entry| found.get(entry.0) != Some(entry.1)).take(3).collect();
    let unexpected: Vec<_> = found.iter().filter(|entry| expected.get(entry.0) != Some(entry.1)).take(3).collect();
    assert!(missing.is_empty() && unexpected.is_empty(), "{reader} misses {missing:#?}, has {unexpected:#?}");
}

/// What is expected of these files and links.
fn expected(files: &[String], targets: &[String]) -> Seen {
    let mut expected = Seen::new();
    for file in files {
        for folder in Path::new(file).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            expected.insert(folder.to_owned(), "folder 755 0:0".to_owned());
        }
        expected.insert(file.into(), format!("file 644 65532:3000000 0 {file:?}"));
    }
    for (number, target) in targets.iter().enumerate() {
        expected.insert(format!("link-{number}").into(), format!("link 65532:3000000 {target}"));
    }
    expected
}

#[test]
fn odd_names_are_read_alike_by_all() {
    let (files, targets) = (files(), targets());
    let project = Project::with_table(
        "base = \"scratch\"\nfiles = [{ from = \"odd/**\", to = \"/srv/\", owner = \"65532:3000000\", mode = \"0644\" }]",
    );
    let project = files.iter().fold(project, |project, file| project.file(&format!("odd/{file}"), file));
    // More than one chunk of our own deflate, for four other inflates.
    let large: String = (0..200_000_u64).map(|number| format!("{}\n", number * number % 65_537)).collect();
    let project = project.file("odd/large", &large);
    for (number, target) in targets.iter().enumerate() {
        symlink(target, project.path(&format!("odd/link-{number}"))).expect("a link");
    }
    project.oci(&["build", "--platform", "linux/amd64", "--compression", "gzip"]).succeeds();
    let (manifest, _) = image(&project.layout(), "linux/amd64");
    let layer = blob(&project.layout(), manifest["layers"][0]["digest"].as_str().expect("a digest"));

    let mut expected = expected(&files, &targets);
    expected.insert("large".into(), format!("file 644 65532:3000000 0 {large:?}"));
    let folder = |name: &str| {
        let folder = project.path(name);
        std::fs::create_dir(&folder).expect("a folder");
        folder
    };
    let extracted = |program: &str, folder: &Path| {
        let mut command = environment::command(program);
        output(command.args(["-x", "-p", "-f"]).arg(&layer).arg("-C").arg(folder).env("LC_ALL", "C.UTF-8"));
        seen(&folder.join(TOP))
    };
    assert_same(&extracted("tar", &folder("gnu")), &expected, "GNU tar");
    assert_same(&extracted("bsdtar", &folder("bsd")), &expected, "bsdtar");
    let python = folder("python");
    output(environment::command("python3").args(["-c", PYTHON]).args([&layer, &python]).env("LC_ALL", "C.UTF-8"));
    assert_same(&seen(&python.join(TOP)), &expected, "Python");
    // A Go program, as engines are.
    unpack(&project.layout(), "latest", "amd64", &project.path("go"));
    assert_same(&seen(&project.path("go/rootfs").join(TOP)), &expected, "umoci");
}
