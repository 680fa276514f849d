//! The folders of the key `volumes`, and of rules of `files` without a source: which layer they are in, and that it is always
//! the same.

use std::fs;

use crate::snapshots::{AMD64, elf};
use crate::support::handmade::{Image, Layer, base};
use crate::support::project::{Call, Project};
use crate::support::{blob, digest, image};

/// A package with this table, whose program is compiled already, over a base that runs as `web` (33:34).
fn project(table: &str) -> Project {
    let project = Project::with_table(&format!("base = \"oci:base\"\nplatforms = [\"linux/amd64\"]\n{table}"));
    fs::write(project.path("program"), elf(AMD64)).expect("a file");
    let layer = Layer::new().mode(0o700).folder("srv/data");
    Image::new().layer(base()).layer(layer).config("User", "web".into()).write(&project.path("base"));
    project
}

fn build(project: &Project, args: &[&str]) {
    let call = project.oci(&["build", "--prebuilt", "linux/amd64=program"]).with(args);
    let ran = Call::ran(&mut call.direct());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

/// Returns the entries of our layer of assets as `PATH MODE USER:GROUP`; none if there is no such layer.
fn assets(project: &Project) -> Vec<String> {
    entries(project, "cargo oci build (assets)")
}

/// Returns the entries of the layer that was made by this; none if there is no such layer.
fn entries(project: &Project, made_by: &str) -> Vec<String> {
    let (manifest, config) = image(&project.layout(), "linux/amd64");
    let layers = manifest["layers"].as_array().expect("layers");
    let history: Vec<_> = config["history"].as_array().expect("a history").iter().rev().collect();
    let Some(at) = history.iter().position(|entry| entry["created_by"] == made_by) else { return Vec::new() };
    let layer = layers[layers.len() - 1 - at]["digest"].as_str().expect("a digest");
    let gzip = flate2::read::GzDecoder::new(fs::File::open(blob(&project.layout(), layer)).expect("a blob"));
    let mut tar = tar::Archive::new(gzip);
    let shown = |entry: std::io::Result<tar::Entry<_>>| {
        let entry = entry.expect("an entry");
        let header = entry.header();
        let (mode, uid, gid) = (header.mode().expect("a mode"), header.uid(), header.gid());
        let path = entry.path().expect("a path").display().to_string();
        format!("{path} {mode:o} {}:{}", uid.expect("a user"), gid.expect("a group"))
    };
    tar.entries().expect("a tar").map(shown).collect()
}

#[test]
fn volume_belongs_to_the_user_of_the_image() {
    for (table, user, expected) in [
        ("volumes = ['/data']", "", &["data/ 755 33:34"][..]),
        ("volumes = ['/data']\nuser = 1000", "", &["data/ 755 1000:0"]),
        ("volumes = ['/data']\nuser = '7:8'", "root", &["data/ 755 0:0"]),
        ("volumes = ['/srv/data', '/srv/cache/a']", "", &["srv/cache/ 755 0:0", "srv/cache/a/ 755 33:34"]),
        ("volumes = ['/srv/data']", "", &[]),
        ("volumes = []", "", &[]),
        (
            "volumes = ['/data']\nfiles = [{ to = '/data/', owner = 'root:logs', mode = '0770' }, { to = '/opt' }]",
            "",
            &["data/ 770 0:50", "opt/ 755 0:0"],
        ),
    ] {
        let project = project(table);
        let args: &[&str] = if user.is_empty() { &[] } else { &["--user", user] };
        build(&project, args);
        assert_eq!(assets(&project), expected, "{table}");
    }
}

#[test]
fn folder_of_binaries_keeps_the_owner_of_its_rule() {
    for (table, folders) in [
        ("", &["app/ 755 0:0"][..]),
        ("files = [{ from = 'a', to = '/app/' }]", &["app/ 755 0:0"]),
        ("files = [{ from = 'a', to = '/app', owner = 'web' }]", &[]),
        ("files = [{ to = '/app/', owner = 'web' }]", &[]),
        ("volumes = ['/app']", &[]),
    ] {
        let project = project(table).file("a/b", "b");
        build(&project, &[]);
        let binaries = entries(&project, "cargo oci build (binaries)");
        assert_eq!(binaries, [folders, &["app/x 755 0:0"]].concat(), "{table}");
        if folders.is_empty() {
            assert_eq!(assets(&project)[0], "app/ 755 33:34");
        }
    }
}

#[test]
fn volume_layer_is_reproducible() {
    let table = "volumes = ['/data', '/srv/data', '/cache/b']\nfiles = [{ from = 'a', to = '/srv/www', owner = 5 }]";
    let digests: Vec<_> = (0..2)
        .map(|_| {
            let project = project(table).file("a/b", "b");
            fs::create_dir(project.path("a/empty")).expect("a folder");
            build(&project, &[]);
            let first = digest(&project.layout());
            build(&project, &[]);
            assert_eq!(digest(&project.layout()), first);
            let all = [
                "cache/ 755 0:0",
                "cache/b/ 755 33:34",
                "data/ 755 33:34",
                "srv/www/ 755 5:5",
                "srv/www/b 644 5:5",
                "srv/www/empty/ 755 5:5",
            ];
            assert_eq!(assets(&project), all);
            first
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn program_that_is_nowhere_is_warned_of() {
    let warning = |table: &str| {
        let project = project(table);
        let call = project.oci(&["build", "--prebuilt", "linux/amd64=program"]).env("NO_COLOR", "1");
        let ran = Call::ran(&mut call.direct());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        ran.stderr.lines().find_map(|line| line.strip_prefix("warning: ")).map(str::to_owned)
    };
    assert_eq!(
        warning("entrypoint = ['/usr/bin/tini', '--', '/app/x']").as_deref(),
        Some(
            "the image x starts /usr/bin/tini, which neither its files nor its base have for linux/amd64: correct `entrypoint`, or add the program with `files`"
        )
    );
    for table in ["", "entrypoint = ['/app/x', '--a']", "entrypoint = ['/etc/passwd']", "entrypoint = ['tini']"] {
        assert_eq!(warning(table), None, "{table}");
    }
}

#[test]
fn variables_have_placeholders() {
    let table = r#"env = { VERSION = "{version}", PORT = 8080, RATE = 0.50, DEBUG = true, DOLLAR = "{env.PRICE}", NONE = "{env.UNSET?}", JSON = '{"name":"{name}"}', KEPT = "{{version}}" }
        labels = { number = 7 }
        cmd = ["--port", 8080]"#;
    let project = project(table);
    let call = project.oci(&["build", "--prebuilt", "linux/amd64=program"]).env("PRICE", "5$");
    let ran = Call::ran(&mut call.direct());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let (_, config) = image(&project.layout(), "linux/amd64");
    let own = |line: &&str| !line.starts_with("PATH=");
    let env: Vec<_> =
        config["config"]["Env"].as_array().expect("variables").iter().filter_map(|line| line.as_str()).collect();
    let env: Vec<_> = env.into_iter().filter(own).collect();
    assert_eq!(
        env,
        [
            "VERSION=0.1.0",
            "PORT=8080",
            "RATE=0.50",
            "DEBUG=true",
            "DOLLAR=5$",
            r#"JSON={"name":"x"}"#,
            "KEPT={version}"
        ]
    );
    assert_eq!(config["config"]["Labels"]["number"], "7");
    assert_eq!(config["config"]["Cmd"], serde_json::json!(["--port", "8080"]));
}
