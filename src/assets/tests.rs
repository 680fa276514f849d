use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::config::{FileRule, Folder, Section, Whose};
use crate::image::layer::EntryKind;

impl<'a> AssetPlan<'a> {
    /// Returns the plan of rules without anything else.
    pub(super) fn of(rules: &'a [FileRule], target_dir: &'a Path) -> AssetPlan<'a> {
        AssetPlan {
            name: "x",
            rules,
            volumes: &[],
            user: None,
            program: None,
            binaries: &[],
            target_dir,
            image_time: 0,
            is_scratch: false,
        }
    }
}

/// A package with these rules.
struct Package {
    folder: TempDir,
    rules: Vec<FileRule>,
}

impl Package {
    fn new(rules: &str) -> Package {
        let folder = tempfile::tempdir().expect("a directory");
        let root = folder.path().join("package");
        fs::create_dir(&root).expect("a directory");
        let manifest = root.join("Cargo.toml");
        fs::write(&manifest, format!("[package.metadata.oci]\nfiles = [{rules}]\n")).expect("a file");
        let whose = Whose::Package { image: "x", binaries: &[] };
        let section = Section::read(&manifest, whose).expect("a right table");
        let rules = section.table.and_then(|table| table.files).expect("rules");
        Package { folder, rules }
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.folder.path().join("package").join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        path
    }

    fn with(self, files: &[&str]) -> Package {
        for file in files {
            fs::write(self.path(file), file).expect("a file");
        }
        self
    }

    fn link(self, path: &str, target: &str) -> Package {
        symlink(target, self.path(path)).expect("a link");
        self
    }

    /// Returns the entries as `PATH KIND MODE`, or the error.
    fn entries(&self) -> Result<Vec<String>, String> {
        let (target_dir, out_dir) = (self.path("target"), self.path("target/out"));
        let dirs = SourceDirs { target_dir: &target_dir, out_dir: Some(&out_dir) };
        let binaries = ["app/x".to_owned()];
        let plan = AssetPlan { binaries: &binaries, image_time: 7, ..AssetPlan::of(&self.rules, &target_dir) };
        let rules = self.rules.iter().map(|rule| (rule, (0, 0)));
        let entries = plan.files(rules, &dirs, &BaseFacts::default());
        let entries = entries.map(|entries| entries.into_values().map(|planned| planned.entry).collect::<Vec<_>>());
        let entries = entries.map_err(|error| format!("{error} ({})", error.help().expect("help")))?;
        let shown = entries.into_iter().map(|entry| match entry.kind {
            EntryKind::File(_) if entry.mtime != 0 => format!("{} {:o} at {}", entry.path, entry.mode, entry.mtime),
            _ if entry.mtime != 0 => format!("{} is no file, but has a time", entry.path),
            EntryKind::Directory => format!("{}/ {:o}", entry.path, entry.mode),
            EntryKind::File(_) => format!("{} {:o}", entry.path, entry.mode),
            EntryKind::Symlink(target) => format!("{} -> {target}", entry.path),
        });
        Ok(shown.collect())
    }
}

/// Returns a package with one rule.
fn rule(from: &str, to: &str) -> Package {
    Package::new(&format!(r#"{{ from = "{from}", to = "{to}" }}"#))
}

#[track_caller]
fn assert_entries(package: &Package, expected: &[&str]) {
    assert_eq!(package.entries(), Ok(expected.iter().map(|line| (*line).to_owned()).collect()));
}

#[track_caller]
fn assert_rejects(package: &Package, parts: &[&str]) {
    let message = package.entries().expect_err("an error");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn patterns_keep_the_path_below_their_fixed_part() {
    let all = ["srv/www/.hidden 644", "srv/www/css/ 755", "srv/www/css/a.css 644", "srv/www/index.html 644"];
    for from in ["assets/**", "assets", "assets/", "./assets/**/*"] {
        let package = Package::new(&format!(r#"{{ from = "{from}", to = "/srv/www/" }}"#));
        assert_entries(&package.with(&["assets/css/a.css", "assets/index.html", "assets/.hidden", "other"]), &all);
    }
    let package = rule("assets/*.html", "/");
    assert_entries(&package.with(&["assets/css/a.html", "assets/index.html"]), &["index.html 644"]);
}

#[test]
fn files_have_the_mtime_of_their_rule() {
    let rules = r#"
        { from = "www", to = "/srv/", mtime = "commit" },
        { from = "fixed", to = "/srv/", mtime = "1767225600" },
        { from = "zero", to = "/srv/", mtime = "0" },
        { from = "none", to = "/srv/" }"#;
    let package = Package::new(rules).with(&["www/a/b", "fixed", "zero", "none"]).link("www/link", "a/b");
    let (commit, fixed) = ("srv/a/b 644 at 7", "srv/fixed 644 at 1767225600");
    assert_entries(&package, &["srv/a/ 755", commit, fixed, "srv/link -> a/b", "srv/none 644", "srv/zero 644"]);
    let twice = r#"{ from = "a", to = "/", mtime = "commit" }, { from = "a", to = "/" }"#;
    assert_rejects(&Package::new(twice).with(&["a"]), &["both write /a, with different content, mode, owner or mtime"]);
}

#[test]
fn destination_is_a_directory_or_a_file() {
    fn one(from: &str, to: &str) -> Package {
        rule(from, to).with(&["conf/x.toml"])
    }
    assert_entries(&one("conf/x.toml", "/etc/"), &["etc/x.toml 644"]);
    assert_entries(&one("conf/x.toml", "/etc/y.toml"), &["etc/y.toml 644"]);
    assert_entries(&one("conf/*.toml", "/etc/y.toml"), &["etc/y.toml 644"]);
    assert_entries(&one("**/x.toml", "/etc/y.toml"), &["etc/y.toml 644"]);
    assert_entries(&one("conf", "/etc/y"), &["etc/y/x.toml 644"]);
    let several = one("conf/*", "/etc/y").with(&["conf/z"]);
    assert_rejects(&several, &["`conf/*` matches several files, but `/etc/y` is one file", "`to = \"/etc/y/\"`"]);
}

#[test]
fn empty_directories_are_kept_in_whole_directories() {
    fn package(from: &str) -> Package {
        let package = rule(from, "/").with(&["a/b/file"]);
        fs::create_dir_all(package.path("a/empty/deep")).expect("a directory");
        package
    }
    let all = ["b/ 755", "b/file 644", "empty/ 755", "empty/deep/ 755"];
    assert_entries(&package("a"), &all);
    assert_entries(&package("a/**"), &all);
    assert_entries(&package("a/**/file"), &all[..2]);
    assert_rejects(&package("a/*"), &["`a/*` matches nothing: only directories match; add `/**`"]);
    // A directory without a file.
    assert_entries(&package("a/empty"), &["deep/ 755"]);
    assert_entries(&package("a/empty/**"), &["deep/ 755"]);
    let empty = rule("empty", "/srv/data");
    fs::create_dir(empty.path("empty")).expect("a directory");
    assert_entries(&empty, &["srv/data/ 755"]);
}

#[test]
fn exclude_leaves_out_files_and_directories() {
    let files = ["a/.env", "a/b/.env.local", "a/b/x.js", "a/b/x.js.map", "a/node_modules/y/z", "a/y.map"];
    let package =
        |exclude: &str| Package::new(&format!(r#"{{ from = "a", to = "/s/", exclude = [{exclude}] }}"#)).with(&files);
    assert_entries(
        &package(r#""**/*.map", ".env*", "node_modules""#),
        &["s/b/ 755", "s/b/.env.local 644", "s/b/x.js 644"],
    );
    assert_entries(
        &package(r#""**/.env*", "b/*", "node_modules/**""#),
        &["s/b/ 755", "s/node_modules/ 755", "s/y.map 644"],
    );
    assert_rejects(&package(r#""*""#), &["`a` matches nothing: no file matches"]);
    let one = Package::new(r#"{ from = "a/.env", to = "/s/", exclude = [".env*"] }"#).with(&files);
    assert_rejects(&one, &["`exclude` leaves `a/.env` out", "remove the rule, or the pattern from `exclude`"]);
    let pattern = Package::new(r#"{ from = "a/**/*.js*", to = "/s/", exclude = ["b/*.map"] }"#).with(&files);
    assert_entries(&pattern, &["s/b/ 755", "s/b/x.js 644"]);
}

#[test]
fn patterns_that_match_nothing_are_errors() {
    for (from, why) in [
        ("assets/*.css", "no file matches"),
        ("asets/**", "no such file or directory"),
        ("target/nothing", "no such file or directory"),
        ("assets/a/**", "assets/a is a file"),
    ] {
        let package = rule(from, "/").with(&["assets/a"]);
        assert_rejects(&package, &[&format!("`{from}` matches nothing: {why}"), "write a path relative to "]);
    }
}

#[test]
fn target_directory_is_excluded_unless_it_is_named() {
    fn package(from: &str) -> Package {
        rule(from, "/x/").with(&["a", "target/b", "target/out/c"])
    }
    assert_entries(&package("."), &["x/Cargo.toml 644", "x/a 644"]);
    assert_entries(&package("**"), &["x/Cargo.toml 644", "x/a 644"]);
    assert_entries(&package("target/b"), &["x/b 644"]);
    assert_entries(&package("$OUT_DIR/*"), &["x/c 644"]);
}

#[test]
fn executable_files_stay_executable_without_a_mode() {
    fn package(mode: &str) -> Package {
        let package = Package::new(&format!(r#"{{ from = "bin", to = "/bin/"{mode} }}"#)).with(&["bin/a", "bin/d/b"]);
        for (file, mode) in [("bin/a", 0o700), ("bin/d/b", 0o666)] {
            fs::set_permissions(package.path(file), fs::Permissions::from_mode(mode)).expect("a mode");
        }
        package
    }
    assert_entries(&package(""), &["bin/a 755", "bin/d/ 755", "bin/d/b 644"]);
    assert_entries(&package(r#", mode = "4711""#), &["bin/a 4711", "bin/d/ 755", "bin/d/b 4711"]);
}

#[test]
fn links_within_the_package_stay_links() {
    let package = rule("assets", "/srv/").with(&["assets/v1/a", "other"]);
    let package = package.link("assets/now", "v1").link("assets/v1/b", "../now/a").link("assets/o", "../other");
    assert_entries(
        &package,
        &["srv/now -> v1", "srv/o -> ../other", "srv/v1/ 755", "srv/v1/a 644", "srv/v1/b -> ../now/a"],
    );
}

#[test]
fn links_that_a_rule_names_are_followed() {
    fn package(from: &str) -> Package {
        let package = rule(from, "/srv/").with(&["v1/a"]);
        package.link("now", "v1").link("one", "now/a").link("out", "/etc/passwd").link("gone", "v2")
    }
    assert_entries(&package("now"), &["srv/a 644"]);
    assert_entries(&package("now/*"), &["srv/a 644"]);
    assert_entries(&package("one"), &["srv/one 644"]);
    assert_rejects(&package("out"), &["out is a link to /etc/passwd, outside of the package"]);
    assert_rejects(&package("gone/**"), &["gone is a dangling link to v2"]);
}

#[test]
fn links_out_of_the_package_are_rejected() {
    let outside = tempfile::tempdir().expect("a directory");
    let outside = outside.path().display().to_string();
    let help = "leave it out with `exclude` in the rule, or replace it by a regular file";
    for (target, why) in [
        ("gone", "a/link is a dangling link to gone"),
        ("file/x", "a/link is a dangling link to file/x"),
        (&outside, "a path of the host"),
        ("../../..", "outside of the package"),
        ("../../package/a/file", "outside of the package"),
        ("link", "a/link is a link to link, which cannot be followed"),
        ("second", "a link to second, which cannot be followed"),
        (".", "a/link is a link to ., a directory that contains it"),
        ("..", "a directory that contains it"),
        ("hop/x", "outside of the package"),
    ] {
        let package = rule("a/l*", "/srv/").with(&["a/file"]);
        fs::write(package.folder.path().join("x"), "").expect("a file");
        let package = package.link("a/hop", "../..").link("a/second", "link").link("a/link", target);
        assert_rejects(&package, &[why, help]);
    }
}

#[test]
fn pipes_and_sockets_are_rejected() {
    let package = rule("a/**", "/srv/").with(&["a/file"]);
    let pipe = package.path("a/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("a program").success());
    assert_rejects(&package, &["a/pipe is a named pipe"]);
    fs::remove_file(&pipe).expect("a pipe");
    let _listener = std::os::unix::net::UnixListener::bind(package.path("a/socket")).expect("a socket");
    assert_rejects(&package, &["a/socket is a socket"]);
}

#[test]
fn names_that_no_layer_can_have_are_rejected() {
    use std::os::unix::ffi::OsStrExt;
    for (name, why) in [
        (&b"a/.wh.passwd"[..], "a/.wh.passwd would delete a file of the base"),
        (b"a/.wh..wh..opq/x", "would delete a file of the base"),
        (b"a/line\nbreak", "a/line\\nbreak has a control character in its name"),
        (b"a/not-\xff-utf8", "a/not-\u{fffd}-utf8 has a name that is not UTF-8"),
    ] {
        for from in ["a/**", "a/file", "a/f*"] {
            let package = rule(from, "/srv/").with(&["a/file"]);
            let path = package.path("x").with_file_name(std::ffi::OsStr::from_bytes(name));
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, "").expect("a file");
            if from == "a/**" {
                assert_rejects(&package, &[why]);
            } else {
                assert_entries(&package, &["srv/file 644"]);
            }
        }
    }
}

#[test]
fn rules_with_one_destination_must_agree() {
    fn two(first: &str, second: &str) -> Package {
        Package::new(&format!("{{ {first} }}, {{ {second} }}")).with(&["a/x/f", "b/x/f", "c"])
    }
    let same = two(r#"from = "a", to = "/s/""#, r#"from = "a/**/f", to = "/s/""#);
    assert_entries(&same, &["s/x/ 755", "s/x/f 644"]);
    let other = two(r#"from = "a", to = "/s/""#, r#"from = "b", to = "/s/""#);
    assert_rejects(&other, &["`a` and `b` both write /s/x/f", "choose a narrower pattern"]);
    let mode = two(r#"from = "a", to = "/s/""#, r#"from = "a", to = "/s/", mode = "0600""#);
    assert_rejects(&mode, &["both write /s/x/f"]);
    let below = two(r#"from = "c", to = "/s/x""#, r#"from = "a", to = "/s/""#);
    assert_rejects(&below, &["both write /s/x,"]);
    let under = two(r#"from = "c", to = "/s""#, r#"from = "a", to = "/s/""#);
    assert_rejects(&under, &["`c` puts /s, which conflicts with /s/x"]);
}

#[test]
fn paths_of_binaries_are_reserved() {
    assert_entries(&rule("a", "/app/a").with(&["a"]), &["app/a 644"]);
    for (to, message) in [
        ("/app", "`a` puts /app, which conflicts with the binary /app/x"),
        ("/app/x", "`a` puts /app/x, which conflicts with the binary /app/x"),
        ("/app/x/", "`a` puts /app/x/a, which conflicts with the binary /app/x"),
    ] {
        assert_rejects(&rule("a", to).with(&["a"]), &[message]);
    }
}

#[test]
fn check_skips_files_that_cargo_writes() {
    let package = Package::new(r#"{ from = "$OUT_DIR/x", to = "/x" }, { from = "target/y", to = "/y" }"#);
    let target_dir = package.path("target");
    assert!(AssetPlan::of(&package.rules, &target_dir).check().is_ok());
    let package = rule("built/x", "/x");
    assert!(AssetPlan::of(&package.rules, &package.path("built")).check().is_ok());
    assert!(AssetPlan::of(&package.rules, &target_dir).check().is_err());
}

#[test]
fn git_and_target_directories_must_be_named() {
    fn package(from: &str) -> Package {
        let files = ["a", ".git/config", "sub/.git", "built/debug/x"];
        rule(from, "/srv/").with(&files).link("target", "built")
    }
    assert_entries(&package("."), &["srv/Cargo.toml 644", "srv/a 644", "srv/sub/ 755"]);
    assert_entries(&package("built"), &["srv/debug/ 755", "srv/debug/x 644"]);
    assert_entries(&package(".git"), &["srv/config 644"]);
    assert_entries(&package("**/.git/config"), &["srv/.git/ 755", "srv/.git/config 644"]);
}

#[test]
fn standard_directories_cannot_be_files() {
    for (from, to) in [("a", "/etc"), ("a", "/tmp"), ("b/srv", "/"), ("b", "/")] {
        let package = rule(from, to).with(&["a", "b/srv"]);
        assert_rejects(&package, &["would replace the directory /"]);
    }
    let package = rule("a", "/etc").with(&["a"]);
    assert_rejects(&package, &["end the path of a directory with a slash: `to = \"/etc/\"`"]);
}

/// Returns the entries of a layer over a base with these facts as `PATH MODE OWNER`.
fn layer(package: &Package, facts: &BaseFacts, volumes: &[&str], is_scratch: bool) -> Vec<String> {
    let target_dir = package.path("target");
    let volumes: Vec<Folder> = volumes.iter().map(|volume| volume.parse().expect("a folder")).collect();
    let plan = AssetPlan { volumes: &volumes, is_scratch, ..AssetPlan::of(&package.rules, &target_dir) };
    let entries = plan.entries(facts, None).expect("entries").entries.into_iter();
    entries.map(|entry| format!("{} {:o} {}:{}", entry.path, entry.mode, entry.owner.0, entry.owner.1)).collect()
}

/// Returns the facts of a base that has these folders. Each rule's files belong to 5:6, and volumes to 7:8.
fn facts_with(package: &Package, present: &[&str]) -> BaseFacts {
    let present = present.iter().map(|path| (*path).to_owned()).collect();
    BaseFacts { owners: vec![(5, 6); package.rules.len()], volumes: (7, 8), present, lacks_program: false }
}

#[test]
fn directories_below_standard_ones_belong_to_root() {
    fn of(to: &str, present: &[&str]) -> Vec<String> {
        let package = Package::new(&format!(r#"{{ from = "root", to = "{to}", owner = "5:6" }}"#));
        let package = package.with(&["root/ssl/certs/my.pem"]);
        layer(&package, &facts_with(&package, present), &[], false)
    }
    assert_eq!(of("/etc/", &[]), ["etc/ssl 755 0:0", "etc/ssl/certs 755 0:0", "etc/ssl/certs/my.pem 644 5:6"]);
    assert_eq!(of("/", &[]), ["ssl 755 0:0", "ssl/certs 755 0:0", "ssl/certs/my.pem 644 5:6"]);
    let below = ["srv/www/ssl 755 5:6", "srv/www/ssl/certs 755 5:6", "srv/www/ssl/certs/my.pem 644 5:6"];
    assert_eq!(of("/srv/www/", &[]), [&["srv/www 755 5:6"], &below[..]].concat());
    // What the base has stays root's.
    assert_eq!(of("/srv/www/", &["srv/www"]), [&["srv/www 755 0:0"], &below[..]].concat());
    assert_eq!(of("/data", &[])[0], "data 755 5:6");
}

#[test]
fn rule_without_source_is_a_folder() {
    fn of(rules: &str) -> Vec<String> {
        let package = Package::new(rules).with(&["a/x", "b/data/y"]);
        layer(&package, &facts_with(&package, &["data", "srv"]), &[], false)
    }
    assert_eq!(of(r#"{ to = "/data/", owner = "5:6", mode = "0750" }"#), ["data 750 5:6"]);
    assert_eq!(of(r#"{ to = "/srv", owner = "5:6" }"#), ["srv 755 5:6"]);
    assert_eq!(of(r#"{ to = "/var/lib/x/", mode = "0700" }"#), ["var/lib 755 0:0", "var/lib/x 700 5:6"]);
    // It counts more than what other rules say of the folder.
    let named = r#"{ to = "/data", mode = "1777" }"#;
    for other in [r#"{ from = "a", to = "/data/", owner = "5:6" }"#, r#"{ from = "a", to = "/data/" }"#] {
        for rules in [format!("{named}, {other}"), format!("{other}, {named}")] {
            assert_eq!(of(&rules), ["data 1777 5:6", "data/x 644 5:6"]);
        }
    }
    assert_eq!(of(&format!(r#"{{ from = "b", to = "/" }}, {named}"#)), ["data 1777 5:6", "data/y 644 5:6"]);
    assert_rejects(
        &Package::new(&format!(r#"{named}, {{ to = "/data/" }}"#)),
        &["`/data` and `/data/` both write /data"],
    );
    let file = Package::new(&format!(r#"{named}, {{ from = "a/x", to = "/data" }}"#)).with(&["a/x"]);
    assert_rejects(&file, &["`a/x` and `/data` both write /data"]);
    assert_rejects(&Package::new(r#"{ to = "/app/x/" }"#), &["puts /app/x, which conflicts with the binary /app/x"]);
}

#[test]
fn volumes_belong_to_the_user_of_the_image() {
    fn of(rules: &str, volumes: &[&str], present: &[&str]) -> Vec<String> {
        let package = Package::new(rules).with(&["a/x", "b/data/y"]);
        layer(&package, &facts_with(&package, present), volumes, false)
    }
    assert_eq!(of("", &["/data"], &[]), ["data 755 7:8"]);
    assert_eq!(of("", &["/data"], &["data"]), [""; 0]);
    assert_eq!(of("", &["/var/lib/x"], &["var"]), ["var/lib 755 0:0", "var/lib/x 755 7:8"]);
    assert_eq!(of("", &["/var/lib/x"], &["var", "var/lib"]), ["var/lib/x 755 7:8"]);
    assert_eq!(of("", &["/a", "/a/b"], &[]), ["a 755 7:8", "a/b 755 7:8"]);
    assert_eq!(of("", &["/a/b", "/a"], &[]), ["a 755 7:8", "a/b 755 7:8"]);
    // Files that go there leave it alone, and rules that are about it do not.
    assert_eq!(of(r#"{ from = "a", to = "/data/" }"#, &["/data"], &[]), ["data 755 7:8", "data/x 644 5:6"]);
    assert_eq!(of(r#"{ from = "a", to = "/data/" }"#, &["/data"], &["data"]), ["data/x 644 5:6"]);
    assert_eq!(of(r#"{ from = "a", to = "/data/", owner = "5:6" }"#, &["/data"], &[])[0], "data 755 5:6");
    assert_eq!(of(r#"{ from = "b", to = "/" }"#, &["/data"], &[]), ["data 755 7:8", "data/y 644 5:6"]);
    assert_eq!(of(r#"{ from = "b", to = "/x/", owner = "5:6" }"#, &["/x/data"], &[])[1], "x/data 755 5:6");
    assert_eq!(of(r#"{ to = "/data", mode = "0700" }"#, &["/data"], &["data"]), ["data 700 5:6"]);
}
