//! The metadata for `cargo binstall`, which is not here: its templates are expanded as its documentation says, and lead to the
//! files of a release where GitHub has them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;

use super::VERSION;
use crate::support::environment;
use crate::support::process::output;
use crate::support::release::{self, AMD64, ARM64, Release, WINDOWS};

#[test]
#[ignore = "of the programs that .ci/test-releases compiles"]
fn binstall_metadata_leads_to_archives() {
    let server = FileServer::start(Release::get().folder().to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let manifest: toml::Table =
        toml::from_str(&fs::read_to_string(release::root().join("Cargo.toml")).expect("a file")).expect("TOML");
    let metadata = &manifest["package"]["metadata"]["binstall"];
    // The toolchain that most have on Windows has no program of its own.
    for target in [AMD64, ARM64, WINDOWS, "x86_64-pc-windows-msvc"] {
        let value = |key: &str| {
            let overriding = metadata["overrides"].get(target).and_then(|overrides| overrides.get(key));
            let template = overriding.or(metadata.get(key)).and_then(toml::Value::as_str).expect("a template");
            expanded(template, target, &server.url)
        };
        let url = value("pkg-url");
        let release_path = format!("/releases/download/v{VERSION}/");
        let name = url.strip_prefix(&server.url).and_then(|path| path.strip_prefix(&release_path));
        let name = name.unwrap_or_else(|| panic!("{url} is no file of a release on GitHub"));
        let format = value("pkg-fmt");
        assert!(name.ends_with(if format == "tgz" { ".tar.gz" } else { ".zip" }), "{format}: {name}");
        let archive = folder.path().join(name);
        output(environment::command("curl").args(["-sSf", "--noproxy", "*", "-o"]).arg(&archive).arg(&url));
        output(environment::command("bsdtar").arg("-xf").arg(&archive).arg("-C").arg(folder.path()));
        assert!(folder.path().join(value("bin-dir")).is_file(), "{target}: {}", value("bin-dir"));
    }
}

/// A template of cargo-binstall with its variables replaced, as its documentation says them.
fn expanded(template: &str, target: &str, repository: &str) -> String {
    let extension = if target.contains("windows") { ".exe" } else { "" };
    let variables = [
        ("repo", repository),
        ("name", env!("CARGO_PKG_NAME")),
        ("version", VERSION),
        ("target", target),
        ("bin", "cargo-oci"),
        ("binary-ext", extension),
    ];
    let expand = |text: String, (name, value): &(&str, &str)| text.replace(&format!("{{ {name} }}"), value);
    let text = variables.iter().fold(template.to_owned(), expand);
    assert!(!text.contains('{'), "{template}: an unknown variable in {text}");
    text
}

/// A server that has the files of a release where GitHub has them.
struct FileServer {
    url: String,
}

impl FileServer {
    /// Serves a folder as long as the tests run.
    fn start(folder: PathBuf) -> FileServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.expect("a connection");
                let lines = BufReader::new(&connection).lines().map_while(Result::ok);
                let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
                let name = path.strip_prefix(&format!("/releases/download/v{VERSION}/")).unwrap_or("/");
                let (status, body) = match fs::read(folder.join(name)) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body));
            }
        });
        FileServer { url }
    }
}
