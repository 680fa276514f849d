//! Help, completions and man pages, generated from the arguments.

use std::fs;

use crate::support::environment;
use crate::support::process::output;
use crate::support::project::Project;

const COMMANDS: [&str; 28] = [
    "build",
    "push",
    "index",
    "rebase",
    "copy",
    "load",
    "run",
    "bundle",
    "test",
    "inspect",
    "diff",
    "reproduce",
    "sbom",
    "validate",
    "generate-key",
    "sign",
    "verify",
    "attach",
    "referrers",
    "init",
    "login",
    "logout",
    "registry",
    "base",
    "cache",
    "schema",
    "completions",
    "man",
];

fn completions(shell: &str) -> String {
    Project::empty("x").oci(&["completions", shell]).succeeds().stdout
}

/// Returns what bash completes the last of these words to.
fn proposed(words: &[&str]) -> Vec<String> {
    let ask = r#"
        source "$0"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        registered=$(complete -p "$1") && function=${registered##*-F } && function=${function%% *}
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    // A file: it is longer than an argument may be.
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("completions.bash");
    std::fs::write(&script, completions("bash")).expect("a file");
    let printed = output(environment::command("bash").args(["--norc", "-c", ask]).arg(script).args(words));
    printed.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completion_works_for_both_program_names() {
    for begin in [&["cargo", "oci"][..], &["cargo-oci"]] {
        let proposed = |words: &[&str]| proposed(&[begin, words].concat());
        assert_eq!(proposed(&["bu"]), ["build", "bundle"]);
        assert_eq!(proposed(&["build", "--plat"]), ["--platform"]);
        assert_eq!(proposed(&["build", "--platform", "linux/am"]), ["linux/amd64"]);
        assert_eq!(proposed(&["run", "--engine", "po"]), ["podman"]);
        assert_eq!(proposed(&["push", "--message-format", ""]), ["human", "json"]);
    }
    assert_eq!(proposed(&["cargo", "o"]), ["oci"]);
}

#[test]
fn completions_of_every_shell_cover_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = completions(shell);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} lacks {command}");
        }
    }
    // Fish knows cargo itself by another file.
    assert!(completions("fish").contains(r#"complete -c cargo -n "__fish_cargo_needs_command" -f -a "oci""#));
    // A colon ends the name of a value.
    assert!(completions("zsh").contains(r":NAME[\:PLACE]:(docker "));
    let words = Project::empty("x").oci(&["completions", "zhs"]).fails(2);
    assert!(words.contains("bash, elvish, fish, powershell, zsh"), "{words}");
}

#[test]
fn man_pages_cover_every_command() {
    let project = Project::empty("x");
    let ran = project.oci(&["man", "share/man1"]).succeeds();
    let page = |name: &str| format!("share/man1/cargo-oci-{name}.1");
    let pages: Vec<_> = COMMANDS.iter().map(|command| page(command)).collect();
    let of_groups = [
        "registry-show",
        "registry-prune",
        "base-pin",
        "base-check",
        "base-update",
        "cache-path",
        "cache-list",
        "cache-prune",
        "cache-verify",
    ]
    .map(page);
    let (inner, written): (Vec<_>, Vec<_>) = ran
        .stdout
        .lines()
        .partition(|line| ["oci-base-", "oci-cache-", "oci-registry-"].iter().any(|group| line.contains(group)));
    assert_eq!(written[0], "share/man1/cargo-oci.1");
    assert_eq!(
        (&written[1..], inner),
        (&pages.iter().map(String::as_str).collect::<Vec<_>>()[..], of_groups.iter().map(String::as_str).collect())
    );
    let read = |path: &str| fs::read_to_string(project.path(path)).expect("a page");
    for (command, page) in COMMANDS.iter().zip(&pages) {
        let command = command.replace('-', "\\-");
        let begin = format!(".SH SYNOPSIS\n\\fBcargo oci {command}\\fR");
        assert!(read(page).contains(&begin), "{}", read(page));
        assert!(read(written[0]).contains(&format!("cargo\\-oci\\-{command}(1)")));
    }
    assert!(read(&pages[0]).contains("\\fB\\-\\-platform\\fR \\fI<LIST>\\fR"));
    let words = project.file("file", "").oci(&["man", "file"]).fails(1);
    assert!(words.contains("cannot create file"), "{words}");
}

#[test]
fn help_is_the_same_for_every_spelling() {
    let project = Project::empty("x");
    for command in COMMANDS {
        let ways = [&["help", command][..], &[command, "--help"]];
        let [one, other] = ways.map(|args| project.oci(args).succeeds().stdout);
        assert!(one == other && one.contains(&format!("Usage: cargo oci {command}")), "{one}");
    }
}
