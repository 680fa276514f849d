//! An inspected or validated image → a tree, JSON, lines.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::json::escaped;
use super::lines::{list, plural, size};
use super::tree::{TreeLine, TreeNode};
use crate::image::media_type::{as_oci, is_layer};
use crate::image::{Digest, MediaType};
use crate::inspect::config::{ConfigInfo, ExecutionConfig};
use crate::inspect::image::{LayerInfo, ManifestInfo};
use crate::inspect::packages::SbomPackage;
use crate::inspect::referrers::{AttachedManifest, ImageReferrers, SubjectReferrers};
use crate::inspect::selection::{predicates, title};
use crate::inspect::{ImageInfo, Inspected};
use crate::sanitize::sanitize;
use crate::store::validate::{Problem, ProblemPart};

const NAME: Style = Style::new().bold();
const PLATFORM: Style = AnsiColor::BrightCyan.on_default().bold();
const DIGEST: Style = AnsiColor::Yellow.on_default();
const HEADING: Style = AnsiColor::BrightGreen.on_default();
const WARNING: Style = AnsiColor::BrightYellow.on_default();
const KEY: Style = Style::new().dimmed();

/// Returns the line for a problem: `DIGEST: problem (which part of the image)`.
pub(crate) fn problem(problem: &Problem) -> String {
    let part = match problem.part {
        ProblemPart::Index => "the index",
        ProblemPart::Manifest => "the manifest",
        ProblemPart::Config => "the config",
        ProblemPart::Layer => "a layer",
        ProblemPart::Other => "in the index",
    };
    let of = match &problem.platforms[..] {
        [] => String::new(),
        platforms => format!(" of {}", list(platforms)),
    };
    sanitize(&format!("{}: {} ({part}{of})", problem.digest, problem.what)).replace('\n', " ")
}

/// Returns everything as JSON, with terminal control characters escaped.
pub(crate) fn json(found: &impl Serialize) -> String {
    // This cannot fail: all keys are strings, and it writes to memory.
    let text = serde_json::to_string_pretty(found).unwrap_or_default();
    escaped(&text) + "\n"
}

/// Returns a tree for each image.
pub(crate) fn trees(found: &Inspected) -> Vec<TreeNode> {
    found.images.iter().map(|image| tree(&found.reference, image)).collect()
}

fn tree(reference: &str, image: &ImageInfo) -> TreeNode {
    let mut title = TreeLine::new().text(NAME, reference);
    // Without the tag in the reference.
    let tags: Vec<_> = image.tags.iter().filter(|tag| !reference.ends_with(&format!(":{tag}"))).cloned().collect();
    if !tags.is_empty() {
        title = title.plain(&format!(" ({})", tags.join(", ")));
    }
    let title = title.plain(&format!("  {}", size(image.size)));
    let mut children = Vec::new();
    for (at, manifest) in image.manifests.iter().enumerate() {
        children.push(manifest_node(image, manifest, &image.manifests[..at]));
    }
    let is_index = image.manifests.iter().all(|manifest| manifest.blob.digest != image.digest);
    if is_index {
        let own = image.annotations.iter().filter(|(key, value)| {
            !is_base(key) && !image.manifests.iter().any(|manifest| has_pair(manifest, key, value))
        });
        children.extend(annotations(own));
    }
    children.extend(attached_node(&image.attached));
    TreeNode { lines: vec![title, whole_digest(&image.digest)], children }
}

fn is_label(manifest: &ManifestInfo, key: &str, value: &str) -> bool {
    manifest.config.as_ref().is_some_and(|config| config.run.labels.get(key).is_some_and(|label| label == value))
}

/// Returns whether a manifest has the pair as an annotation or a label.
fn has_pair(manifest: &ManifestInfo, key: &str, value: &str) -> bool {
    manifest.annotations.get(key).is_some_and(|own| own == value) || is_label(manifest, key, value)
}

fn manifest_node(image: &ImageInfo, manifest: &ManifestInfo, before: &[ManifestInfo]) -> TreeNode {
    let mut title = match (&manifest.platform, &manifest.artifact_type) {
        (Some(platform), _) => TreeLine::new().text(PLATFORM, &platform.to_string()),
        (None, Some(kind)) => TreeLine::new().text(PLATFORM, "artifact").plain(&format!("  {kind}")),
        (None, None) => TreeLine::new().text(PLATFORM, "no platform"),
    };
    let count = manifest.layers.len();
    title = if manifest.missing {
        title.text(WARNING, "  missing")
    } else {
        title.plain(&format!("  {} in {count} {}", size(manifest.layers_size), plural(count, "layer")))
    };
    if as_oci(&manifest.blob.media_type) != manifest.blob.media_type {
        title = title.plain(", Docker schema 2");
    }
    let mut lines = vec![title];
    if manifest.blob.digest != image.digest {
        lines.push(whole_digest(&manifest.blob.digest));
    }
    let mut children = Vec::new();
    if !manifest.layers.is_empty() {
        let mut lines = vec![TreeLine::new().text(HEADING, "layers")];
        lines.extend(manifest.layers.iter().map(|layer| layer_line(layer, manifest.layers_size)));
        children.push(TreeNode { lines, children: Vec::new() });
    }
    children.extend(
        manifest
            .config
            .iter()
            .filter(|_| manifest.platform.is_some())
            .map(|config| config_node(config, manifest, before)),
    );
    if let Some(base) = &manifest.base {
        let name = base.name.as_deref().unwrap_or("unnamed");
        let mut lines = vec![TreeLine::new().text(HEADING, "base").plain(&format!("  {name}"))];
        lines.extend(base.digest.iter().map(|digest| TreeLine::new().text(DIGEST, digest)));
        children.push(TreeNode { lines, children: Vec::new() });
    }
    let own = manifest.annotations.iter().filter(|(key, value)| !is_base(key) && !is_label(manifest, key, value));
    children.extend(annotations(own));
    children.extend(attached_node(&manifest.attached));
    TreeNode { lines, children }
}

fn is_base(key: &str) -> bool {
    key.starts_with("org.opencontainers.image.base.")
}

fn layer_line(layer: &LayerInfo, whole: u64) -> TreeLine {
    let kind = match as_oci(&layer.blob.media_type) {
        MediaType::ImageLayer => "tar".to_owned(),
        MediaType::ImageLayerGzip => "gzip".to_owned(),
        MediaType::ImageLayerZstd => "zstd".to_owned(),
        other => other.to_string(),
    };
    let title = layer.annotations.get("org.opencontainers.image.title");
    let made = layer.created_by.as_deref().map(command).or(layer.comment.clone()).or(title.cloned());
    let kind = if is_layer(&layer.blob.media_type) { format!("{kind:<4}") } else { kind };
    TreeLine::new()
        .text(DIGEST, short(&layer.blob.digest))
        .plain(&format!("  {:>9}  {:>4}  {kind}  ", size(layer.blob.size), percentage(layer.blob.size, whole)))
        .plain(&made.unwrap_or_default())
        .cut()
}

/// Returns the percentage of a part.
fn percentage(part: u64, whole: u64) -> String {
    match u128::from(part) * 100 {
        0 => "0%".to_owned(),
        hundredfold => match (hundredfold + u128::from(whole) / 2) / u128::from(whole.max(1)) {
            0 => "<1%".to_owned(),
            percent => format!("{percent}%"),
        },
    }
}

/// Returns the command of a history entry, without the prefix and the suffix of builders. Line breaks are kept, because
/// they matter in a shell script, unless they follow a backslash.
fn command(created_by: &str) -> String {
    let text = created_by.trim().replace("\\\n", " ");
    let lines: Vec<_> = text.split('\n').map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let text = lines.join("\n");
    let text = text.strip_prefix("/bin/sh -c #(nop) ").unwrap_or(&text);
    text.strip_suffix(" # buildkit").unwrap_or(text).to_owned()
}

fn config_node(config: &ConfigInfo, manifest: &ManifestInfo, before: &[ManifestInfo]) -> TreeNode {
    let title = TreeLine::new().text(HEADING, "config").plain("  ").text(DIGEST, short(&config.blob.digest));
    let same = before.iter().find(|other| other.config.as_ref().is_some_and(|other| other.run == config.run));
    if let Some(platform) = same.and_then(|other| other.platform.as_ref()) {
        let title = title.plain(&format!("  same as {platform}"));
        return TreeNode { lines: vec![title], children: Vec::new() };
    }
    let created = ("created", config.created.clone().into_iter().collect::<Vec<_>>());
    let facts: Vec<_> = std::iter::once(created).chain(facts(&config.run, manifest)).collect();
    let width = facts.iter().filter(|(_, values)| !values.is_empty()).map(|(key, _)| key.len()).max();
    let width = width.unwrap_or_default();
    let mut lines = vec![title];
    for (key, values) in facts {
        for (at, value) in values.iter().enumerate() {
            let key = if at == 0 { key } else { "" };
            lines.push(TreeLine::new().text(KEY, &format!("{key:<width$}  ")).wrap_here().plain(value));
        }
    }
    TreeNode { lines, children: Vec::new() }
}

fn facts(run: &ExecutionConfig, manifest: &ManifestInfo) -> impl Iterator<Item = (&'static str, Vec<String>)> + use<> {
    // Without the labels of the base, which has its own node.
    let base = manifest.base.iter().flat_map(|base| [&base.name, &base.digest]).flatten();
    let base: Vec<_> = base.collect();
    let labels = run.labels.iter().filter(|(key, value)| !(is_base(key) && base.contains(value)));
    [
        ("user", run.user.iter().cloned().collect()),
        ("entrypoint", words(&run.entrypoint)),
        ("cmd", words(&run.cmd)),
        ("env", run.env.clone()),
        ("workdir", run.workdir.iter().cloned().collect()),
        ("ports", words(&run.ports)),
        ("volumes", words(&run.volumes)),
        ("stop-signal", run.stop_signal.iter().cloned().collect()),
        ("labels", labels.map(|(key, value)| format!("{key}={value}")).collect()),
    ]
    .into_iter()
}

/// Returns the words as one line, or no line if there are none.
fn words(words: &[String]) -> Vec<String> {
    if words.is_empty() {
        return Vec::new();
    }
    vec![words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")]
}

/// Returns an argument, quoted if it would be ambiguous without.
fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\')) {
        return format!("{word:?}");
    }
    word.to_owned()
}

fn annotations<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Option<TreeNode> {
    let mut lines = vec![TreeLine::new().text(HEADING, "annotations")];
    lines.extend(pairs.map(|(key, value)| TreeLine::new().wrap_here().plain(&format!("{key}={value}"))));
    (lines.len() > 1).then_some(TreeNode { lines, children: Vec::new() })
}

/// Returns the attachments, below the manifests that they are attached to.
pub(crate) fn attachments(found: &ImageReferrers) -> Vec<TreeNode> {
    let mut nodes = found.subjects.iter().map(|subject| subject_node(subject, &found.reference));
    let root = nodes.next().map(|root| TreeNode { children: root.children.into_iter().chain(nodes).collect(), ..root });
    root.into_iter().collect()
}

/// Returns a line for each package: name, version, license. The columns are as wide as their longest text.
pub(crate) fn packages(found: &[SbomPackage]) -> String {
    let cells = |package: &SbomPackage| {
        let or_dash = |text: &Option<String>| sanitize(text.as_deref().unwrap_or("-"));
        [sanitize(&package.name), or_dash(&package.version), or_dash(&package.license)]
    };
    // The same package may be listed for several platforms.
    let mut rows: Vec<_> = found.iter().map(cells).collect();
    rows.dedup();
    rows.insert(0, ["NAME", "VERSION", "LICENSE"].map(str::to_owned));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (name, version) = (width(0), width(1));
    let lines: Vec<_> = rows.iter().map(|row| format!("{:name$}  {:version$}  {}\n", row[0], row[1], row[2])).collect();
    lines.concat()
}

fn subject_node(subject: &SubjectReferrers, reference: &str) -> TreeNode {
    let name = subject.platform.as_ref().map_or(reference.to_owned(), ToString::to_string);
    let lines = vec![TreeLine::new().text(NAME, &name), whole_digest(&subject.digest)];
    TreeNode { lines, children: subject.attached.iter().map(one_attached).collect() }
}

fn attached_node(attached: &[AttachedManifest]) -> Option<TreeNode> {
    let title = TreeLine::new().text(HEADING, "attached");
    let children = attached.iter().map(one_attached).collect();
    (!attached.is_empty()).then_some(TreeNode { lines: vec![title], children })
}

fn one_attached(attached: &AttachedManifest) -> TreeNode {
    let bytes = attached.contents.iter().map(|content| content.blob.size).fold(0, u64::saturating_add);
    let line = TreeLine::new().text(DIGEST, short(&attached.blob.digest));
    let line =
        if attached.missing { line.text(WARNING, "  missing") } else { line.plain(&format!("  {:>9}", size(bytes))) };
    let kind = attached.annotations.get("vnd.docker.reference.type").or(attached.artifact_type.as_ref());
    let line = line.plain(&format!("  {}", kind.map_or("no type", String::as_str)));
    // The type of an attestation does not say what it states.
    let mut lines = vec![line.cut()];
    // The name of a file may have any characters.
    let titles = attached.contents.iter().filter_map(title);
    lines.extend(
        titles
            .chain(predicates(attached))
            .map(|predicate| TreeLine::new().plain(&format!("{:25}{predicate}", "")).cut()),
    );
    TreeNode { lines, children: attached.attached.iter().map(one_attached).collect() }
}

fn whole_digest(digest: &Digest) -> TreeLine {
    TreeLine::new().text(DIGEST, digest.as_ref())
}

/// Returns the first 12 characters of a digest.
fn short(digest: &Digest) -> &str {
    let hex = digest.digest();
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_command_has_no_builder_prefix() {
        for (created_by, expected) in [
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", "CMD [\"sh\"]"),
            ("RUN /bin/sh -c a \t  b # buildkit", "RUN /bin/sh -c a b"),
            ("RUN a \\\n  && b", "RUN a && b"),
            ("RUN <<EOF\r\n  a\nEOF\n", "RUN <<EOF\na\nEOF"),
        ] {
            assert_eq!(command(created_by), expected);
        }
    }
}
