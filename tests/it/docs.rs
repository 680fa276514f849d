//! README and docs: every command line parses, and no command, flag, key or variable goes without a word.
//!
//! `UPDATE_DOCS=1 cargo test docs` writes the reference in docs/commands.md anew. The commands are run by the real tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_oci::cli::arguments;
use cargo_oci::commands::Cli;
use cargo_oci::config::template::PLACEHOLDERS;
use cargo_oci::config::{KEYS, Section, Whose};
use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Parser};

use crate::support::cli_reference::reference;
use crate::support::markdown::{Page, cargo_oci_calls, pages, root_path};

/// What stands before the generated part of docs/commands.md.
const GENERATED: &str = "<!-- Generated from the program's help: UPDATE_DOCS=1 cargo test docs -->";

/// Panics with all problems, if there are any.
#[track_caller]
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn command_lines_in_docs_parse() {
    let mut problems = Vec::new();
    for page in pages() {
        for block in page.blocks() {
            // `text` and `diff` hold no command lines.
            if ["text", "diff"].contains(&block.info.as_str()) {
                continue;
            }
            for call in cargo_oci_calls(&page.shell(&block)) {
                let typed = ["cargo-oci", "oci"].into_iter().map(str::to_owned).chain(call.clone());
                if let Err(error) = Cli::try_parse_from(arguments(typed.map(Into::into)))
                    && !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
                {
                    problems.push(format!("{}: cargo oci {}: {error}", page.at(block.start), call.join(" ")));
                }
            }
        }
    }
    none(&problems);
}

#[test]
fn commands_named_in_prose_exist() {
    let program = Cli::command();
    let mut problems = Vec::new();
    for page in pages() {
        for (index, line) in page.prose() {
            for span in line.split('`').skip(1).step_by(2) {
                for call in cargo_oci_calls(span) {
                    let problem = unknown(&program, &call);
                    problems.extend(problem.map(|word| format!("{}: `{span}` has no {word}", page.at(index))));
                }
            }
        }
    }
    none(&problems);
}

/// Returns the first word of a call that is neither a command nor a flag of it; what follows `--` is anything.
fn unknown(program: &Command, call: &[String]) -> Option<String> {
    let mut command = program;
    for word in call.iter().take_while(|word| *word != "--") {
        if let Some(flag) = word.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap_or_default();
            let is_known = command.get_arguments().any(|arg| arg.get_long() == Some(flag)) || flag == "help";
            if !is_known {
                return Some(word.clone());
            }
        } else if let Some(inner) = command.find_subcommand(word) {
            command = inner;
        } else if command.has_subcommands() && word != "help" && word.chars().all(|c| c.is_ascii_lowercase()) {
            return Some(word.clone());
        }
    }
    None
}

#[test]
fn commands_page_is_what_the_program_says() {
    let mut page = Page::read(PathBuf::from("docs/commands.md"));
    let text = page.text();
    let own = text.split(GENERATED).next().unwrap_or_default().trim_end();
    let fresh = format!("{own}\n\n{GENERATED}\n\n{}", reference(Cli::command()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        page.lines = fresh.lines().map(str::to_owned).collect();
        page.write();
        return;
    }
    let changed = fresh.lines().zip(text.lines()).find(|(fresh, kept)| fresh != kept);
    assert!(fresh == text, "docs/commands.md is stale: UPDATE_DOCS=1 writes it anew. First difference: {changed:#?}");
}

#[test]
fn configuration_page_has_keys_and_placeholders() {
    let page = Page::read(PathBuf::from("docs/configuration.md"));
    let text = page.text();
    let missing = KEYS.iter().map(|key| key.name).filter(|key| !text.contains(&format!("\n| `{key}` |")));
    none(&missing.map(|key| format!("docs/configuration.md has no row for the key `{key}`")).collect::<Vec<_>>());
    let missing = PLACEHOLDERS.iter().map(|(name, _)| name).filter(|name| !text.contains(&format!("`{{{name}}}`")));
    none(&missing.map(|name| format!("docs/configuration.md has no word on {{{name}}}")).collect::<Vec<_>>());
}

#[test]
fn configuration_page_has_every_variable() {
    let page = Page::read(PathBuf::from("docs/configuration.md")).text();
    let mut variables = BTreeSet::new();
    sources(&root_path(Path::new("src")), &mut |text| {
        for (at, _) in text.match_indices("CARGO_OCI_") {
            let end = text[at..].find(|c: char| !c.is_ascii_uppercase() && c != '_');
            variables.insert(text[at..].get(..end.unwrap_or(text.len() - at)).unwrap_or_default().to_owned());
        }
    });
    assert!(variables.contains("CARGO_OCI_BASE"), "{variables:?}");
    variables
        .extend(["SOURCE_DATE_EPOCH", "COSIGN_PASSWORD", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE"].map(str::to_owned));
    let missing = variables.iter().filter(|variable| !page.contains(*variable));
    none(&missing.map(|variable| format!("docs/configuration.md has no word on {variable}")).collect::<Vec<_>>());
}

fn sources(folder: &Path, read: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, read);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read(&fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn troubleshooting_page_quotes_errors_of_today() {
    let page = Page::read(PathBuf::from("docs/troubleshooting.md"));
    let mut code = String::new();
    sources(&root_path(Path::new("src")), &mut |text| code += text);
    let mut problems = Vec::new();
    for (index, line) in page.prose() {
        let Some(error) = line.strip_prefix("| ").and_then(|row| row.split(" | ").next()) else { continue };
        for quoted in error.split('`').skip(1).step_by(2) {
            let unknown = quoted.split('…').map(str::trim).find(|part| !code.contains(part));
            problems.extend(unknown.map(|part| format!("{}: no error says `{part}`", page.at(index))));
        }
    }
    none(&problems);
}

#[test]
fn configuration_examples_are_accepted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = folder.path().join("Cargo.toml");
    let mut problems = Vec::new();
    for page in pages() {
        for block in page.blocks().iter().filter(|block| ["toml", "toml policy"].contains(&&*block.info)) {
            // The file of a policy has the keys of that table.
            let table = if block.info == "toml" { "" } else { "[package.metadata.oci.policy]\n" };
            let text = format!("{table}{}", page.inside(block));
            fs::write(&manifest, &text).expect("a file");
            let package = Whose::Package { image: "hello", binaries: &["hello", "hello-migrate", "server"] };
            for whose in [package, Whose::Workspace] {
                if let Err(error) = Section::read(&manifest, whose) {
                    problems.push(format!("{}: {error:?}", page.at(block.start)));
                }
            }
            if !text.contains(".metadata") {
                problems.push(format!("{}: nothing here is read: no table `metadata.oci`", page.at(block.start)));
            }
        }
    }
    none(&problems);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = pages();
    let mut problems = Vec::new();
    for page in &pages {
        let folder = page.path.parent().unwrap_or(Path::new(""));
        for (index, link) in page.links() {
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.path.clone() } else { plain(&folder.join(path)) };
            let anchors = pages.iter().find(|page| page.path == target).map(Page::anchors).unwrap_or_default();
            if !root_path(&target).exists() || (!anchor.is_empty() && !anchors.iter().any(|known| known == anchor)) {
                problems.push(format!("{}: {link} leads nowhere", page.at(index)));
            }
        }
    }
    none(&problems);
}

/// Returns the path without `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |folder, part| match part.as_os_str().to_str() {
        Some("..") => folder.parent().unwrap_or(Path::new("")).to_owned(),
        _ => folder.join(part),
    })
}

#[test]
fn readme_stays_short_and_names_every_page() {
    let readme = Page::read(PathBuf::from("README.md"));
    let words = readme.text().split_whitespace().count();
    assert!(words <= 900, "README.md has {words} words, and at most 900 are read");
    let contributing = Page::read(PathBuf::from("CONTRIBUTING.md"));
    assert!(contributing.lines.len() <= 120, "CONTRIBUTING.md is no longer one screen");
    let links: Vec<_> = readme.links().into_iter().map(|(_, link)| PathBuf::from(link)).collect();
    let missing = pages().into_iter().filter(|page| page.path != readme.path && !links.contains(&page.path));
    none(&missing.map(|page| format!("README.md has no link to {}", page.path.display())).collect::<Vec<_>>());
}

#[test]
fn readme_table_has_every_command() {
    let readme = Page::read(PathBuf::from("README.md")).text();
    let program = Cli::command();
    let names = program.get_subcommands().map(Command::get_name);
    let missing =
        names.filter(|name| !readme.contains(&format!("| `{name}")) && !readme.contains(&format!("`{name}` |")));
    none(&missing.map(|name| format!("README.md has no row for `{name}`")).collect::<Vec<_>>());
}
