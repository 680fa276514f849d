//! What differs between two images → lines.

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::files::permissions;
use super::lines::{plural, size};
use crate::compare::difference::{
    ChangeKind, FileChange, FileState, FirstDifference, ImageDifference, LayerChange, NumberedLayer,
    PlatformDifference, ValueChange,
};
use crate::image::Digest;
use crate::inspect::package_changes::{ListedPackage, PackageChange, PackageChanges};
use crate::sanitize::sanitize;

const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const CHANGED: Style = AnsiColor::Yellow.on_default();
const HEADING: Style = AnsiColor::BrightCyan.on_default().bold();
/// The most characters of a value.
const MOST_VALUE: usize = 200;

/// Returns the names of two images that are the same.
pub(crate) fn same(found: &ImageDifference) -> String {
    let digest = Some(&found.a.digest).filter(|digest| **digest == found.b.digest);
    let digest = digest.map(|digest| format!(": {digest}")).unwrap_or_default();
    sanitize(&format!("{} and {}{digest}", found.a.reference, found.b.reference)).replace('\n', " ")
}

/// Returns both names, and a line for each difference, under a heading for the index and for each platform.
pub(crate) fn lines(found: &ImageDifference) -> String {
    if found.same {
        return String::new();
    }
    let names = [(REMOVED, "---", &found.a), (ADDED, "+++", &found.b)].map(|(style, sign, name)| {
        let reference = name.reference.split('@').next().unwrap_or_default();
        format!("{style}{sign}{style:#} {}@{}\n", clean(reference), name.digest)
    });
    let heading = (!found.index.is_empty()).then(|| format!("{HEADING}index{HEADING:#}\n"));
    let index = heading.into_iter().chain(found.index.iter().map(value));
    let first = found.first.iter().map(first);
    first.chain(names).chain(index).chain(found.platforms.iter().map(platform)).collect()
}

/// Returns the line of the first difference: `first difference: linux/amd64, layer 2, /app/hello, byte 4711`.
fn first(found: &FirstDifference) -> String {
    let parts = [
        found.platform.as_ref().map(ToString::to_string),
        found.layer.map(|layer| format!("layer {layer}")),
        found.path.clone(),
        found.byte.map(|byte| format!("byte {byte}")),
        found.value.clone(),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    format!("{HEADING}first difference{HEADING:#}: {}\n", clean(&parts.join(", ")))
}

fn platform(found: &PlatformDifference) -> String {
    let name = found.platform.as_ref().map_or_else(|| "no platform".to_owned(), ToString::to_string);
    let name = clean(&name);
    if found.change != ChangeKind::Changed {
        let digest = found.a.as_ref().or(found.b.as_ref()).map(Digest::to_string).unwrap_or_default();
        let (style, sign) = sign(found.change);
        return format!("{style}{sign}{style:#} {HEADING}{name}{HEADING:#}  {digest}\n");
    }
    let mut text = format!("{HEADING}{name}{HEADING:#}\n");
    text.extend(found.manifest.iter().chain(&found.config).map(value));
    text.extend(found.layers.iter().map(layer));
    text.extend(found.files.iter().map(file));
    if found.only_times > 0 {
        let count = found.only_times;
        let verb = if count == 1 { "differs" } else { "differ" };
        text += &line(
            ChangeKind::Changed,
            &format!("{count} {} {verb} only in the time of last change", plural(count, "file")),
        );
    }
    text.extend(found.packages.iter().map(packages));
    text
}

fn value(found: &ValueChange) -> String {
    line(found.change, &format!("{}: {}", found.name, both(found.a.as_ref().map(shown), found.b.as_ref().map(shown))))
}

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(MOST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn layer(found: &LayerChange) -> String {
    let number = found.a.as_ref().or(found.b.as_ref()).map_or(0, |layer| layer.number);
    let shown = |layer: &NumberedLayer| {
        let digest = layer.blob.digest.digest();
        format!("{} {}", digest.get(..12).unwrap_or(digest), size(layer.blob.size))
    };
    line(found.change, &format!("layer {number}: {}", both(found.a.as_ref().map(shown), found.b.as_ref().map(shown))))
}

fn file(found: &FileChange) -> String {
    match (&found.a, &found.b) {
        (Some(a), Some(b)) => {
            let parts: Vec<_> = found.differs.iter().map(|what| part(what, a, b)).collect();
            line(found.change, &format!("{}: {}", found.path, parts.join(", ")))
        }
        (Some(one), None) | (None, Some(one)) => {
            let bytes = one.size.map(|bytes| format!(" {}", size(bytes))).unwrap_or_default();
            let target = one.target.as_ref().map(|target| format!(" -> {target}")).unwrap_or_default();
            let permissions = permissions(one.kind, &one.mode);
            line(found.change, &format!("{}{target}: {permissions} {}:{}{bytes}", found.path, one.uid, one.gid))
        }
        (None, None) => String::new(),
    }
}

/// Returns one of the ways in which a file differs.
fn part(what: &str, a: &FileState, b: &FileState) -> String {
    let of = |show: &dyn Fn(&FileState) -> String| format!("{what} {}", both(Some(show(a)), Some(show(b))));
    match what {
        "content" if a.size != b.size => of(&|file| size(file.size.unwrap_or_default())),
        "mode" => of(&|file| file.mode.clone()),
        "owner" => of(&|file| format!("{}:{}", file.uid, file.gid)),
        "target" => of(&|file| file.target.clone().unwrap_or_default()),
        "type" => of(&|file| permissions(file.kind, &file.mode)[..1].to_owned()),
        _ => what.to_owned(),
    }
}

fn packages(found: &PackageChanges) -> String {
    let one = |change, package: &ListedPackage| {
        line(change, &format!("package {}: {}", package.name, version(package.version.as_ref())))
    };
    let changed = |package: &PackageChange| {
        let (from, to) = (version(package.from.as_ref()), version(package.to.as_ref()));
        line(ChangeKind::Changed, &format!("package {}: {from} → {to}", package.name))
    };
    let removed = found.removed.iter().map(|package| one(ChangeKind::Removed, package));
    let added = found.added.iter().map(|package| one(ChangeKind::Added, package));
    found.changed.iter().map(changed).chain(removed).chain(added).collect()
}

fn version(version: Option<&String>) -> &str {
    version.map_or("no version", String::as_str)
}

fn both(a: Option<String>, b: Option<String>) -> String {
    [a, b].into_iter().flatten().collect::<Vec<_>>().join(" → ")
}

fn line(change: ChangeKind, text: &str) -> String {
    let (style, sign) = sign(change);
    format!("  {style}{sign}{style:#} {}\n", clean(text))
}

fn clean(text: &str) -> String {
    sanitize(text).replace('\n', "\\n")
}

fn sign(change: ChangeKind) -> (Style, char) {
    match change {
        ChangeKind::Added => (ADDED, '+'),
        ChangeKind::Removed => (REMOVED, '-'),
        ChangeKind::Changed => (CHANGED, '~'),
    }
}
