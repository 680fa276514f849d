//! The fuzz targets hold for all that was ever found, and both ways to run them have the same ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_oci::fuzz::TARGETS;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(path)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
}

#[test]
fn fuzz_targets_hold_for_their_corpus() {
    for target in TARGETS {
        let corpus = folder("corpus").join(target.name);
        let inputs = names(&corpus);
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for input in inputs {
            let bytes = fs::read(corpus.join(&input)).expect("an input");
            let held = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(held.is_ok(), "{} does not hold for {input}", target.name);
        }
    }
}

#[test]
fn fuzz_targets_are_those_of_cargo_fuzz() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len());
    assert_eq!(names(&folder("corpus")), targets);
    let manifest = fs::read_to_string(folder("Cargo.toml")).expect("a manifest");
    for target in &targets {
        let file = format!("fuzz_targets/{}.rs", target.replace('-', "_"));
        assert!(
            manifest.contains(&format!("name = \"{target}\"\npath = \"{file}\"")),
            "{target} is not in fuzz/Cargo.toml"
        );
        let source = fs::read_to_string(folder(&file)).expect("a target of cargo-fuzz");
        assert!(source.contains(&format!("run(\"{target}\", data)")), "{file} runs another target");
    }
    assert_eq!(names(&folder("fuzz_targets")).len(), targets.len());
}
