//! What is made of the list of keys for editors and readers: the JSON Schema, and the table in docs/configuration.md.
//!
//! `UPDATE_DOCS=1 cargo test docs` writes both.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_oci::compile::c_libraries::C_LIBRARIES;
use cargo_oci::config::document::as_json;
use cargo_oci::config::markdown::markdown;
use cargo_oci::config::schema;
use jsonschema::Validator;

use crate::support::project::Project;

/// Cases of the snapshots that a schema cannot see: what the package, the folder or the base has, and rules beyond
/// patterns.
const UNSEEN: &[&str] = &[
    "tables: an unknown placeholder in a variable",
    "tables: a base that is no reference",
    "tables: a signal that is none",
    "tables: an invisible character in a label",
    "tables: a root without a source",
    "tables: a signal that is none, of the workspace",
    "files: a pattern that takes nothing",
    "files: a pattern that fits nothing",
    "files: a file that is not there",
    "files: a pattern that is none",
    "files: several files for one",
    "files: a file that the rule leaves out",
    "files: a folder where a file is",
    "files: a file where the binary is",
    "files: two files for one place",
    "files: a link to an absolute path",
    "files: a link out of the package",
    "files: a link that leads nowhere",
    "files: a link that leads into itself",
    "files: links that lead to each other",
    "files: a pipe",
    "files: a whiteout",
    "files: $OUT_DIR without a build script",
    "files: an owner that the base does not know",
    "files: a group that the base does not know",
    "files: an owner by name over scratch",
];

fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_default().replace("\r\n", "\n")
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema::document()).expect("a schema")
}

/// Returns what the schema finds wrong in a Cargo.toml.
fn problems(validator: &Validator, manifest: &str) -> Vec<String> {
    let document = as_json(manifest).expect("TOML");
    validator.iter_errors(&document).map(|error| format!("{error} in {manifest}")).collect()
}

#[test]
fn docs_have_the_schema_of_the_command() {
    let printed = Project::empty("x").oci(&["schema"]).succeeds().stdout;
    let name = "docs/cargo-oci.schema.json";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(name), &printed).expect("a file is written");
    }
    assert!(printed == read(name), "{name} is stale; UPDATE_DOCS=1 writes it");
}

/// Checks that a page has this text between `<!-- PART: begin -->` and `<!-- PART: end -->`, or writes it there.
#[track_caller]
fn assert_generated(name: &str, part: &str, expected: &str) {
    let (begin, end) = (format!("<!-- {part}: begin -->\n"), format!("<!-- {part}: end -->"));
    let page = read(name);
    let (before, rest) = page.split_once(&begin).expect("the begin of the part");
    let (listed, after) = rest.split_once(&end).expect("the end of the part");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(name), format!("{before}{begin}{expected}{end}{after}")).expect("a file is written");
        return;
    }
    assert!(listed == expected, "the {part} in {name} are stale; UPDATE_DOCS=1 writes them");
}

#[test]
fn docs_list_keys_and_c_libraries() {
    assert_generated("docs/configuration.md", "keys", &markdown());
    let rows = C_LIBRARIES.iter().map(|known| format!("| {} | {} |\n", known.name, known.way_out));
    let table = format!("| crate | what to do |\n| --- | --- |\n{}", rows.collect::<String>());
    assert_generated("docs/configuration.md", "C libraries", &table);
}

#[test]
fn schema_accepts_fixtures_and_examples() {
    let validator = validator();
    let mut manifests = Vec::new();
    for fixture in fs::read_dir(path("fixtures")).expect("fixtures") {
        // Not all of them are crates.
        manifests.extend(fs::read_to_string(fixture.expect("a fixture").path().join("Cargo.toml")));
    }
    assert!(manifests.iter().any(|manifest| manifest.contains("[package.metadata.oci]")));
    let page = read("docs/configuration.md");
    let examples = page.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()));
    manifests.extend(examples);
    for manifest in manifests {
        assert_eq!(problems(&validator, &manifest), Vec::<String>::new());
    }
}

#[test]
fn schema_rejects_the_wrong_tables_of_snapshots() {
    let validator = validator();
    let mut unseen = Vec::new();
    let mut count = 0;
    for area in ["tables", "files"] {
        for case in read(&format!("tests/snapshots/{area}.txt")).split("=== ").skip(1) {
            let title = format!("{area}: {}", case.lines().next().expect("a title"));
            let Some(manifest) = shown(case) else { continue };
            count += 1;
            if problems(&validator, &manifest).is_empty() {
                unseen.push(title);
            }
        }
    }
    assert!(count > 50, "{count}");
    assert_eq!(unseen, UNSEEN);
}

/// Returns the lines of a Cargo.toml that an error shows: its own and those around it.
fn shown(case: &str) -> Option<String> {
    let lines = case.lines().filter_map(|line| {
        let (number, text) = line.split_once(" | ")?;
        number.trim().parse::<usize>().ok().map(|_| text)
    });
    let lines: Vec<_> = lines.collect();
    let mut manifest = lines.join("\n");
    if lines.is_empty() || as_json(&manifest).is_err() {
        return None;
    }
    if !manifest.contains(".metadata") {
        manifest = format!("[package.metadata.oci]\n{manifest}");
    }
    Some(manifest)
}
