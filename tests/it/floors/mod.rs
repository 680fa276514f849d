//! The floors of `src/lib.rs`: no file uses what is on a floor above it, and no files or modules use each other in a circle.
//!
//! The map is the table in the documentation of `lib.rs`, each floor above the next. An arrow goes from the file that uses an
//! item to the file that defines it, however the item is called on the way.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use source::{Arrows, Crate};

/// The floor whose modules do not know each other.
const WORKSHOPS: &str = "workshops";

#[test]
fn arrows_go_down_the_floors_without_circles() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let whole = Crate::read(&source);
    let text = fs::read_to_string(source.join("lib.rs")).expect("lib.rs");
    let floors = Floors::of(&text);
    assert_eq!(floors.modules(), whole.top_modules(), "the table in lib.rs and its modules");
    let found = problems(&floors, &whole.arrows());
    let text: String = found.iter().map(|(problem, arrows)| format!("{problem}\n{arrows}\n")).collect();
    assert!(text.is_empty(), "{text}");
}

#[test]
fn type_names_are_unique() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, file) in Crate::read(&source).types() {
        files.entry(name).or_default().insert(file);
    }
    let twice: String = files
        .iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(name, files)| format!("{name}: {}\n", list(files)))
        .collect();
    assert!(twice.is_empty(), "{twice}");
}

#[test]
fn arrows_lead_to_files_that_define_items() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write(
        "lib.rs",
        "//! | top | [`a`]: x |\n//! | ground | [`b`](mod@b): y · [`c`]: z |\npub mod a;\npub mod b;\npub mod c;",
    );
    write(
        "a.rs",
        "use crate::{b::{self, deep::{Deep as D, other}}, c};\nfn f(_: D) { b::shown(); other(); c::inline::g(); }",
    );
    write("b/mod.rs", "pub mod deep;\nmod hidden;\npub use hidden::shown;\npub use deep::*;\npub struct Parent;");
    write(
        "b/deep.rs",
        "use super::Parent;\npub struct Deep(Parent);\npub fn other() {}\n#[cfg(test)]\nmod tests { use crate::a::f; }",
    );
    write("b/hidden.rs", "pub fn shown() { println!(\"{}\", crate::a::f as usize); let _ = super::Deep; }");
    write("c.rs", "pub mod inline { pub fn g() { crate::b::shown() } }");
    let whole = Crate::read(folder.path());
    let arrows = whole.arrows();
    let lines: Vec<_> = arrows.iter().map(|((from, to), names)| format!("{from} {to} {names:?}")).collect();
    assert_eq!(
        lines,
        [
            "a.rs b/deep.rs {\"Deep\", \"other\"}",
            "a.rs b/hidden.rs {\"shown\"}",
            "a.rs c.rs {\"g\"}",
            "b/deep.rs b/mod.rs {\"Parent\"}",
            "b/hidden.rs a.rs {\"f\"}",
            "b/hidden.rs b/deep.rs {\"Deep\"}",
            "c.rs b/hidden.rs {\"shown\"}",
        ]
    );
    let floors = Floors::of(&fs::read_to_string(folder.path().join("lib.rs")).expect("lib.rs"));
    let found: Vec<_> = problems(&floors, &arrows).into_keys().collect();
    let circles = ["circle of files: a.rs, b/hidden.rs, c.rs", "circle of modules: a, b, c", "up: b/hidden.rs → a.rs"];
    assert_eq!(found, circles);
}

/// The floors of `lib.rs`, from the top.
struct Floors(Vec<(String, Vec<String>)>);

impl Floors {
    /// Reads the rows `| floor | [`module`]: … · [`other`](mod@other): … |`.
    fn of(text: &str) -> Floors {
        let rows = text.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |")?.split_once(" | "));
        let modules = |row: &str| {
            let links = row.split(" · ").filter_map(|entry| entry.trim().strip_prefix("[`")?.split_once("`]"));
            links.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        let floors = rows.map(|(floor, row)| (floor.trim().to_owned(), modules(row)));
        Floors(floors.filter(|(_, modules)| !modules.is_empty()).collect())
    }

    fn modules(&self) -> BTreeSet<String> {
        self.0.iter().flat_map(|(_, modules)| modules.clone()).collect()
    }

    /// The number of a module's floor, from the top, and its name.
    fn floor(&self, module: &str) -> Option<(usize, &str)> {
        let floors = self.0.iter().enumerate();
        let mut found = floors.filter(|(_, (_, modules))| modules.iter().any(|other| other == module));
        found.next().map(|(number, (name, _))| (number, name.as_str()))
    }
}

/// The module of `lib.rs` that a file belongs to.
fn module(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// Everything that is wrong, and the arrows that show it.
fn problems(floors: &Floors, arrows: &Arrows) -> BTreeMap<String, String> {
    let mut problems = BTreeMap::new();
    for ((from, to), names) in arrows {
        let (Some((above, floor)), Some((below, _))) = (floors.floor(module(from)), floors.floor(module(to))) else {
            continue;
        };
        let line = format!("  {from} → {to}: {}\n", list(names));
        if below < above {
            problems.insert(format!("up: {from} → {to}"), line);
        } else if below == above && floor == WORKSHOPS && module(from) != module(to) {
            problems.insert(format!("across: {from} → {to}"), line);
        }
    }
    let all: BTreeSet<_> = arrows.keys().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let reached = reached(&all);
    let is_back = |from: &str, to: &str| is_parent(to, from) && reached[to].contains(from);
    for ((from, to), names) in arrows.iter().filter(|((from, to), _)| is_back(from, to)) {
        let line = format!("  {from} → {to}: {}\n", list(names));
        problems.insert(format!("back: {from} → {to}"), line);
    }
    // Arrows back to a parent are reported one by one, so that they do not make one large circle of a room.
    let files = all.iter().filter(|(from, to)| !is_back(from, to)).copied().collect();
    let modules = arrows.keys().map(|(from, to)| (module(from), module(to))).filter(|(from, to)| from != to).collect();
    for (what, graph) in [("files", files), ("modules", modules)] {
        for circle in circles(&graph) {
            let is_inside = |file: &str| circle.contains(if what == "files" { file } else { module(file) });
            let inside = arrows.iter().filter(|((from, to), _)| is_inside(from) && is_inside(to));
            let inside = inside.filter(|((from, to), _)| what == "files" || module(from) != module(to));
            let lines = inside.map(|((from, to), names)| format!("  {from} → {to}: {}\n", list(names))).collect();
            problems.insert(format!("circle of {what}: {}", list(&circle)), lines);
        }
    }
    problems
}

/// Whether `parent` is the `mod.rs` of a folder around `file`.
fn is_parent(parent: &str, file: &str) -> bool {
    parent.strip_suffix("mod.rs").is_some_and(|folder| file.starts_with(folder) && file != parent)
}

/// All nodes that each node leads to.
fn reached<'a>(arrows: &BTreeSet<(&'a str, &'a str)>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let nodes: BTreeSet<_> = arrows.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let from = |start: &'a str| {
        let mut seen = BTreeSet::new();
        let mut next = vec![start];
        while let Some(node) = next.pop() {
            next.extend(arrows.iter().filter(|(from, to)| *from == node && seen.insert(*to)).map(|(_, to)| *to));
        }
        seen
    };
    nodes.into_iter().map(|node| (node, from(node))).collect()
}

/// The largest groups of nodes that each lead to all others of the group.
fn circles<'a>(arrows: &BTreeSet<(&'a str, &'a str)>) -> BTreeSet<BTreeSet<&'a str>> {
    let reached = reached(arrows);
    let circle =
        |node: &&'a str| reached[node].iter().filter(|other| reached[*other].contains(node)).copied().collect();
    reached.keys().map(circle).filter(|circle: &BTreeSet<_>| circle.len() > 1).collect()
}

fn list<T: ToString>(items: &BTreeSet<T>) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
