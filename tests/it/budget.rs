//! The key `max-size`: images that are larger are not written, and what makes them large is named.

use std::fs;

use crate::snapshots::{AMD64, elf};
use crate::support::digest;
use crate::support::handmade::{Image, Layer, base};
use crate::support::project::{Call, Project};
use crate::support::registry::sha256;
use crate::support::strict::{Behaviour, StrictRegistry};

/// Bytes that compress to about half of their size.
fn digests(kib: usize) -> Vec<u8> {
    (0..kib * 16).flat_map(|at| sha256(&at.to_le_bytes()).into_bytes().split_off(7)).collect()
}

/// A package over a base of two layers, whose program is compiled already, with these lines in its table.
fn project(table: &str) -> Project {
    let files = "files = [{ from = \"page.html\", to = \"/srv/\" }, { from = \"note\", to = \"/srv/\" }]";
    let project = Project::with_table(&format!("base = \"oci:base\"\nplatforms = [\"linux/amd64\"]\n{files}\n{table}"));
    let large = Layer::new().file("usr/share/large", &digests(80));
    Image::new().layer(base()).layer(large).write(&project.path("base"));
    fs::write(project.path("program"), [elf(AMD64), digests(10)].concat()).expect("a program");
    fs::write(project.path("page.html"), digests(40)).expect("a file");
    project.file("note", "small")
}

fn call(project: &Project, args: &[&str]) -> Call {
    project.oci(args).with(&["--prebuilt", "linux/amd64=program"])
}

#[test]
fn image_beyond_its_budget_is_not_written() {
    let project = project("max-size = \"200 KiB\"");
    call(&project, &["build"]).succeeds();
    let good = digest(&project.layout());
    let manifest = fs::read_to_string(project.path("Cargo.toml")).expect("a file");
    let project = project.file("Cargo.toml", &manifest.replace("200 KiB", "60 KiB"));
    for args in [
        &["build"][..],
        &["build", "--compression", "zstd"],
        &["build", "--compression", "none", "--max-size", "100000"],
    ] {
        let words = call(&project, args).fails(1);
        let title = "error: the image x exceeds its `max-size` of ";
        assert!(words.contains(title) && words.contains(" KiB for linux/amd64\n\nCaused by:\n"), "{words}");
        let list = words.split_once("the largest parts for linux/amd64, each compressed alone:\n").expect("a list").1;
        let named: Vec<_> = list.lines().take(5).map(|line| line.split_once("B  ").expect("a size").1).collect();
        assert!(named[0].starts_with("base layer 2 of 2, "), "{words}");
        assert_eq!(named[1..3], ["file /srv/page.html", "binary /app/x"], "{words}");
        let mut last = [named[3].split(',').next().unwrap_or_default(), named[4]];
        last.sort_unstable();
        assert!(last.contains(&"file /srv/note"), "{words}");
        let help = "\n\nhelp: make the first of these smaller or leave it out, or raise the key `max-size`\n";
        assert!(list.contains(help) && !words.contains("Finished"), "{words}");
        assert_eq!(digest(&project.layout()), good);
    }
    // A flag counts more than the key.
    call(&project, &["build", "--max-size", "200000"]).succeeds();
}

#[test]
fn base_beyond_the_budget_is_said_first() {
    // Nothing is compiled: there is no program.
    let project = project("max-size = \"10 KiB\"");
    let words = project.oci(&["build"]).fails(1);
    let title = "error: the base of the image x exceeds its `max-size` of 10.0 KiB: it has ";
    assert!(words.contains(title) && words.contains("base layer 2 of 2, "), "{words}");
    assert!(words.contains("help: choose a smaller base with `--base`, or raise the key `max-size`\n"), "{words}");
    assert!(!words.contains("Compiling"), "{words}");
}

#[test]
fn image_beyond_its_budget_is_not_pushed() {
    let registry = StrictRegistry::start(Behaviour::default());
    let repository = registry.reference("acme/x");
    let project = project("");
    let args = ["push", "--repository", &repository, "--tag", "v1"];
    call(&project, &args).succeeds();
    let before = registry.tag("acme/x", "v1");
    assert!(before.is_some());
    fs::write(project.path("note"), "changed").expect("a file");
    let words = call(&project, &args).with(&["--max-size", "1kB"]).fails(1);
    assert!(words.contains("exceeds its `max-size` of 1000 B"), "{words}");
    assert_eq!(registry.tag("acme/x", "v1"), before);
}

#[test]
fn budget_is_inherited_by_more_images() {
    let project = project("max-size = 1000\n[package.metadata.oci.images.y]\nmax-size = \"1 GiB\"");
    call(&project, &["build", "--image", "y"]).succeeds();
    let words = call(&project, &["build"]).fails(1);
    assert!(words.contains("the image x exceeds"), "{words}");
}
