use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::config::{Section, Whose};

/// A package with these rules.
struct Package {
    folder: TempDir,
    rules: Vec<FileRule>,
}

impl Package {
    fn new(rules: &str) -> Package {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("package");
        fs::create_dir(&root).expect("a folder");
        let manifest = root.join("Cargo.toml");
        fs::write(&manifest, format!("[package.metadata.oci]\nfiles = [{rules}]\n")).expect("a file");
        let whose = Whose::Package { image: "x", binaries: &[] };
        let section = Section::read(&manifest, whose).expect("a right table");
        let rules = section.table.and_then(|table| table.files).expect("rules");
        Package { folder, rules }
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.folder.path().join("package").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
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

    /// The entries as `PATH KIND MODE`, or the mistake.
    fn taken(&self) -> Result<Vec<String>, String> {
        let owners = vec![(0, 0); self.rules.len()];
        let (target_dir, out_dir) = (self.path("target"), self.path("target/out"));
        let places = Places { target_dir: &target_dir, out_dir: Some(&out_dir) };
        let entries = entries(&self.rules, &owners, &places, &["app/x".to_owned()]);
        let entries = entries.map_err(|error| format!("{error} ({})", error.help().expect("a way out")))?;
        let shown = |entry: LayerEntry| match entry.kind {
            EntryKind::Directory => format!("{}/ {:o}", entry.path, entry.mode),
            EntryKind::File(_) => format!("{} {:o}", entry.path, entry.mode),
            EntryKind::Symlink(target) => format!("{} -> {target}", entry.path),
        };
        Ok(entries.into_iter().map(shown).collect())
    }
}

#[track_caller]
fn assert_takes(package: &Package, expected: &[&str]) {
    assert_eq!(package.taken(), Ok(expected.iter().map(|line| (*line).to_owned()).collect()));
}

#[track_caller]
fn assert_refuses(package: &Package, parts: &[&str]) {
    let words = package.taken().expect_err("a mistake");
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in: {words}");
    }
}

#[test]
fn a_pattern_and_a_folder_keep_the_path_below_what_is_fixed() {
    let all = ["srv/www/.hidden 644", "srv/www/css/ 755", "srv/www/css/a.css 644", "srv/www/index.html 644"];
    for from in ["assets/**", "assets", "assets/", "./assets/**/*"] {
        let package = Package::new(&format!(r#"{{ from = "{from}", to = "/srv/www/" }}"#));
        assert_takes(&package.with(&["assets/css/a.css", "assets/index.html", "assets/.hidden", "other"]), &all);
    }
    let package = Package::new(r#"{ from = "assets/*.html", to = "/" }"#);
    assert_takes(&package.with(&["assets/css/a.html", "assets/index.html"]), &["index.html 644"]);
}

#[test]
fn a_file_keeps_its_name_in_a_folder_and_gets_that_of_a_file() {
    let files = ["conf/x.toml"];
    let one = |from: &str, to: &str| Package::new(&format!(r#"{{ from = "{from}", to = "{to}" }}"#)).with(&files);
    assert_takes(&one("conf/x.toml", "/etc/"), &["etc/x.toml 644"]);
    assert_takes(&one("conf/x.toml", "/etc/y.toml"), &["etc/y.toml 644"]);
    assert_takes(&one("conf/*.toml", "/etc/y.toml"), &["etc/y.toml 644"]);
    assert_takes(&one("**/x.toml", "/etc/y.toml"), &["etc/y.toml 644"]);
    assert_refuses(&one("conf", "/etc/y"), &["`conf` is a folder, but `/etc/y` is one file", "`to = \"/etc/y/\"`"]);
    let several = one("conf/*", "/etc/y").with(&["conf/z"]);
    assert_refuses(&several, &["`conf/*` takes several files, but `/etc/y` is one file"]);
}

#[test]
fn empty_folders_come_where_all_of_a_folder_is_meant() {
    let package = |from: &str| {
        let package = Package::new(&format!(r#"{{ from = "{from}", to = "/" }}"#)).with(&["a/b/file"]);
        fs::create_dir_all(package.path("a/empty/deep")).expect("a folder");
        package
    };
    let all = ["b/ 755", "b/file 644", "empty/ 755", "empty/deep/ 755"];
    assert_takes(&package("a"), &all);
    assert_takes(&package("a/**"), &all);
    assert_takes(&package("a/**/file"), &all[..2]);
    assert_refuses(&package("a/*"), &["`a/*` takes nothing: only folders fit, and a `/**` at the end"]);
    assert_refuses(&package("a/empty"), &["`a/empty` takes nothing"]);
}

#[test]
fn what_fits_nothing_is_a_mistake() {
    for (from, why) in [
        ("assets/*.css", "no file fits"),
        ("asets/**", "there is no such file or folder"),
        ("target/nothing", "there is no such file or folder"),
        ("assets/a/**", "assets/a is a file"),
    ] {
        let package = Package::new(&format!(r#"{{ from = "{from}", to = "/" }}"#)).with(&["assets/a"]);
        assert_refuses(&package, &[&format!("`{from}` takes nothing: {why}"), "paths begin in "]);
    }
}

#[test]
fn the_package_is_without_cargos_folder_unless_that_is_named() {
    let files = ["a", "target/b", "target/out/c"];
    let package = |from: &str| Package::new(&format!(r#"{{ from = "{from}", to = "/x/" }}"#)).with(&files);
    assert_takes(&package("."), &["x/Cargo.toml 644", "x/a 644"]);
    assert_takes(&package("**"), &["x/Cargo.toml 644", "x/a 644"]);
    assert_takes(&package("target/b"), &["x/b 644"]);
    assert_takes(&package("$OUT_DIR/*"), &["x/c 644"]);
}

#[test]
fn what_may_be_run_stays_so_unless_there_is_a_mode() {
    let package = |mode: &str| {
        let package = Package::new(&format!(r#"{{ from = "bin", to = "/bin/"{mode} }}"#)).with(&["bin/a", "bin/d/b"]);
        for (file, mode) in [("bin/a", 0o700), ("bin/d/b", 0o666)] {
            fs::set_permissions(package.path(file), fs::Permissions::from_mode(mode)).expect("a mode");
        }
        package
    };
    assert_takes(&package(""), &["bin/a 755", "bin/d/ 755", "bin/d/b 644"]);
    assert_takes(&package(r#", mode = "4711""#), &["bin/a 4711", "bin/d/ 755", "bin/d/b 4711"]);
}

#[test]
fn links_that_stay_in_the_package_stay_links() {
    let package = Package::new(r#"{ from = "assets", to = "/srv/" }"#).with(&["assets/v1/a", "other"]);
    let package = package.link("assets/now", "v1").link("assets/v1/b", "../now/a").link("assets/o", "../other");
    assert_takes(
        &package,
        &["srv/now -> v1", "srv/o -> ../other", "srv/v1/ 755", "srv/v1/a 644", "srv/v1/b -> ../now/a"],
    );
}

#[test]
fn a_link_that_is_named_is_what_it_leads_to() {
    let package = |from: &str| {
        let package = Package::new(&format!(r#"{{ from = "{from}", to = "/srv/" }}"#)).with(&["v1/a"]);
        package.link("now", "v1").link("one", "now/a").link("out", "/etc/passwd").link("gone", "v2")
    };
    assert_takes(&package("now"), &["srv/a 644"]);
    assert_takes(&package("now/*"), &["srv/a 644"]);
    assert_takes(&package("one"), &["srv/one 644"]);
    assert_refuses(&package("out"), &["out leads to /etc/passwd, out of the package"]);
    assert_refuses(&package("gone/**"), &["gone leads to v2, where nothing is"]);
}

#[test]
fn links_that_leave_the_package_lead_nowhere_or_round_are_refused() {
    let outside = tempfile::tempdir().expect("a folder");
    let outside = outside.path().display().to_string();
    for (target, why) in [
        ("gone", "a/link leads to gone, where nothing is"),
        ("file/x", "a/link leads to file/x, where nothing is"),
        (&outside, "a path of this computer"),
        ("../../..", "out of the package"),
        ("../../package/a/file", "out of the package"),
        ("link", "a/link leads to link, and cannot be followed"),
        ("second", "leads to second, and cannot be followed"),
        (".", "a/link leads to ., a folder that it is in itself"),
        ("..", "a folder that it is in itself"),
        ("hop/x", "out of the package"),
    ] {
        let package = Package::new(r#"{ from = "a/l*", to = "/srv/" }"#).with(&["a/file"]);
        fs::write(package.folder.path().join("x"), "").expect("a file");
        let package = package.link("a/hop", "../..").link("a/second", "link").link("a/link", target);
        assert_refuses(&package, &[why, "choose a narrower pattern, or put a file in its place"]);
    }
}

#[test]
fn pipes_and_sockets_are_refused() {
    let package = Package::new(r#"{ from = "a/**", to = "/srv/" }"#).with(&["a/file"]);
    let pipe = package.path("a/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("a program").success());
    assert_refuses(&package, &["a/pipe is a named pipe"]);
    fs::remove_file(&pipe).expect("a pipe");
    let _listener = std::os::unix::net::UnixListener::bind(package.path("a/socket")).expect("a socket");
    assert_refuses(&package, &["a/socket is a socket"]);
}

#[test]
fn names_that_mean_something_else_in_a_layer_or_nothing_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    for (name, why) in [
        (&b"a/.wh.passwd"[..], "a/.wh.passwd would delete a file of the base"),
        (b"a/.wh..wh..opq/x", "would delete a file of the base"),
        (b"a/line\nbreak", "a/line\\nbreak has a control character in its name"),
        (b"a/not-\xff-utf8", "a/not-\u{fffd}-utf8 has a name that is not UTF-8"),
    ] {
        let name = std::ffi::OsStr::from_bytes(name).to_owned();
        let with = |from: &str| {
            let package = Package::new(&format!(r#"{{ from = "{from}", to = "/srv/" }}"#)).with(&["a/file"]);
            let path = package.path("x").with_file_name(&name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "").expect("a file");
            package
        };
        assert_refuses(&with("a/**"), &[why]);
        assert_takes(&with("a/file"), &["srv/file 644"]);
        assert_takes(&with("a/f*"), &["srv/file 644"]);
    }
}

#[test]
fn two_rules_may_not_put_different_things_in_one_place() {
    let two = |a: &str, b: &str| Package::new(&format!("{{ {a} }}, {{ {b} }}")).with(&["a/x/f", "b/x/f", "c"]);
    let same = two(r#"from = "a", to = "/s/""#, r#"from = "a/**/f", to = "/s/""#);
    assert_takes(&same, &["s/x/ 755", "s/x/f 644"]);
    let other = two(r#"from = "a", to = "/s/""#, r#"from = "b", to = "/s/""#);
    assert_refuses(&other, &["`a` and `b` both take something to /s/x/f", "nothing is replaced silently"]);
    let mode = two(r#"from = "a", to = "/s/""#, r#"from = "a", to = "/s/", mode = "0600""#);
    assert_refuses(&mode, &["both take something to /s/x/f"]);
    let below = two(r#"from = "c", to = "/s/x""#, r#"from = "a", to = "/s/""#);
    assert_refuses(&below, &["both take something to /s/x,"]);
    let under = two(r#"from = "c", to = "/s""#, r#"from = "a", to = "/s/""#);
    assert_refuses(&under, &["`c` puts /s in the way of /s/x"]);
}

#[test]
fn the_places_of_the_binaries_are_theirs() {
    let package = |to: &str| Package::new(&format!(r#"{{ from = "a", to = "{to}" }}"#)).with(&["a"]);
    assert_takes(&package("/app/a"), &["app/a 644"]);
    for (to, words) in [
        ("/app", "`a` puts /app in the way of the binary /app/x"),
        ("/app/x", "`a` puts /app/x in the way of the binary /app/x"),
        ("/app/x/", "`a` puts /app/x/a in the way of the binary /app/x"),
    ] {
        assert_refuses(&package(to), &[words]);
    }
}

#[test]
fn before_cargo_runs_only_what_it_does_not_write_is_looked_at() {
    let package = Package::new(r#"{ from = "$OUT_DIR/x", to = "/x" }, { from = "target/y", to = "/y" }"#);
    let target_dir = package.path("target");
    assert!(check(&package.rules, &target_dir, &[]).is_ok());
    let package = Package::new(r#"{ from = "built/x", to = "/x" }"#);
    assert!(check(&package.rules, &package.path("built"), &[]).is_ok());
    assert!(check(&package.rules, &target_dir, &[]).is_err());
}

#[test]
fn what_git_and_cargo_keep_in_the_package_goes_in_only_by_name() {
    let package = |from: &str| {
        let package = Package::new(&format!(r#"{{ from = "{from}", to = "/srv/" }}"#));
        package.with(&["a", ".git/config", "sub/.git", "built/debug/x"]).link("target", "built")
    };
    assert_takes(&package("."), &["srv/Cargo.toml 644", "srv/a 644", "srv/sub/ 755"]);
    assert_takes(&package("built"), &["srv/debug/ 755", "srv/debug/x 644"]);
    assert_takes(&package(".git"), &["srv/config 644"]);
    assert_takes(&package("**/.git/config"), &["srv/.git/ 755", "srv/.git/config 644"]);
}

#[test]
fn no_file_takes_the_place_of_a_folder_that_every_base_has() {
    for (from, to) in [("a", "/etc"), ("a", "/tmp"), ("b/srv", "/"), ("b", "/")] {
        let package = Package::new(&format!(r#"{{ from = "{from}", to = "{to}" }}"#)).with(&["a", "b/srv"]);
        assert_refuses(&package, &["would put a file in the place of the folder /"]);
    }
    let package = Package::new(r#"{ from = "a", to = "/etc" }"#).with(&["a"]);
    assert_refuses(&package, &["a folder ends in a slash: `to = \"/etc/\"`"]);
}

#[test]
fn folders_that_may_be_the_bases_stay_roots() {
    let owners_of = |to: &str| {
        let package = Package::new(&format!(r#"{{ from = "root", to = "{to}", owner = "5:6" }}"#));
        let package = package.with(&["root/ssl/certs/my.pem"]);
        let target_dir = package.path("target");
        let places = Places { target_dir: &target_dir, out_dir: None };
        let entries = entries(&package.rules, &[(5, 6)], &places, &[]).expect("no mistake");
        entries.into_iter().map(|entry| entry.owner).collect::<Vec<_>>()
    };
    assert_eq!(owners_of("/etc/"), [(0, 0), (0, 0), (5, 6)]);
    assert_eq!(owners_of("/"), [(0, 0), (0, 0), (5, 6)]);
    assert_eq!(owners_of("/srv/www/"), [(5, 6); 3]);
}
