//! What there is to say of an image's insides, as a tree and as lines.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::json::escaped;
use super::lines::{list, plural, size};
use super::tree::{Line, Node};
use crate::image::media_type::{as_oci, is_layer};
use crate::image::{Digest, MediaType};
use crate::inspect::attached::{Attachments, Subject};
use crate::inspect::config::Run;
use crate::inspect::{Attached, Config, Image, ImageManifest, Inspected, Layer};
use crate::sanitize::harmless;
use crate::store::validate::{Problem, ProblemPart};

const NAME: Style = Style::new().bold();
const PLATFORM: Style = AnsiColor::BrightCyan.on_default().bold();
const DIGEST: Style = AnsiColor::Yellow.on_default();
const HEADING: Style = AnsiColor::BrightGreen.on_default();
const WARNING: Style = AnsiColor::BrightYellow.on_default();
const KEY: Style = Style::new().dimmed();

/// A problem in a line: `DIGEST: what is wrong (what that is in the image)`.
pub fn problem(problem: &Problem) -> String {
    let part = match problem.part {
        ProblemPart::Index => "the index",
        ProblemPart::Manifest => "the manifest",
        ProblemPart::Config => "the config",
        ProblemPart::Layer => "a layer",
        ProblemPart::Other => "in an index",
    };
    let of = match &problem.platforms[..] {
        [] => String::new(),
        platforms => format!(" of {}", list(platforms)),
    };
    harmless(&format!("{}: {} ({part}{of})", problem.digest, problem.what)).replace('\n', " ")
}

/// All of it as JSON, without anything that a terminal would take for an order.
pub fn json(found: &impl Serialize) -> String {
    // Writing to memory cannot fail: all keys are strings.
    let text = serde_json::to_string_pretty(found).unwrap_or_default();
    escaped(&text) + "\n"
}

/// A tree for each image.
pub fn trees(found: &Inspected) -> Vec<Node> {
    found.images.iter().map(|image| tree(&found.reference, image)).collect()
}

fn tree(reference: &str, image: &Image) -> Node {
    let mut title = Line::new().text(NAME, reference);
    // Those that the reference does not say itself.
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
        let is_told = |key: &String, value: &String| {
            let tells = |manifest: &ImageManifest| {
                manifest.annotations.get(key) == Some(value) || is_label(manifest, key, value)
            };
            is_base(key) || image.manifests.iter().any(tells)
        };
        children.extend(annotations(image.annotations.iter().filter(|(key, value)| !is_told(key, value))));
    }
    children.extend(attached_node(&image.attached));
    Node { lines: vec![title, whole_digest(&image.digest)], children }
}

fn is_label(manifest: &ImageManifest, key: &str, value: &str) -> bool {
    manifest.config.as_ref().is_some_and(|config| config.run.labels.get(key).is_some_and(|label| label == value))
}

fn manifest_node(image: &Image, manifest: &ImageManifest, before: &[ImageManifest]) -> Node {
    let mut title = match (&manifest.platform, &manifest.artifact_type) {
        (Some(platform), _) => Line::new().text(PLATFORM, &platform.to_string()),
        (None, Some(kind)) => Line::new().text(PLATFORM, "artifact").plain(&format!("  {kind}")),
        (None, None) => Line::new().text(PLATFORM, "no platform"),
    };
    let count = manifest.layers.len();
    title = match manifest.missing {
        true => title.text(WARNING, "  is not here"),
        false => title.plain(&format!("  {} in {count} {}", size(manifest.layers_size), plural(count, "layer"))),
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
        let mut lines = vec![Line::new().text(HEADING, "layers")];
        lines.extend(manifest.layers.iter().map(|layer| layer_line(layer, manifest.layers_size)));
        children.push(Node { lines, children: Vec::new() });
    }
    children.extend(
        manifest
            .config
            .iter()
            .filter(|_| manifest.platform.is_some())
            .map(|config| config_node(config, manifest, before)),
    );
    if let Some(base) = &manifest.base {
        let name = base.name.as_deref().unwrap_or("without a name");
        let mut lines = vec![Line::new().text(HEADING, "base").plain(&format!("  {name}"))];
        lines.extend(base.digest.iter().map(|digest| Line::new().text(DIGEST, digest)));
        children.push(Node { lines, children: Vec::new() });
    }
    let is_told = |key: &str, value: &str| is_base(key) || is_label(manifest, key, value);
    children.extend(annotations(manifest.annotations.iter().filter(|(key, value)| !is_told(key, value))));
    children.extend(attached_node(&manifest.attached));
    Node { lines, children }
}

fn is_base(key: &str) -> bool {
    key.starts_with("org.opencontainers.image.base.")
}

fn layer_line(layer: &Layer, whole: u64) -> Line {
    let kind = match as_oci(&layer.blob.media_type) {
        MediaType::ImageLayer => "tar".to_owned(),
        MediaType::ImageLayerGzip => "gzip".to_owned(),
        MediaType::ImageLayerZstd => "zstd".to_owned(),
        other => other.to_string(),
    };
    let title = layer.annotations.get("org.opencontainers.image.title");
    let made = layer.created_by.as_deref().map(command).or(layer.comment.clone()).or(title.cloned());
    let kind = if is_layer(&layer.blob.media_type) { format!("{kind:<4}") } else { kind };
    Line::new()
        .text(DIGEST, short(&layer.blob.digest))
        .plain(&format!("  {:>9}  {:>4}  {kind}  ", size(layer.blob.size), share(layer.blob.size, whole)))
        .plain(&made.unwrap_or_default())
        .cut()
}

/// How much of the whole a part is.
fn share(part: u64, whole: u64) -> String {
    match u128::from(part) * 100 {
        0 => "0%".to_owned(),
        hundredfold => match (hundredfold + u128::from(whole) / 2) / u128::from(whole.max(1)) {
            0 => "<1%".to_owned(),
            percent => format!("{percent}%"),
        },
    }
}

/// A step of a history in a line, without what builders put around commands. A line break is shown as such, for it means
/// something to a shell, but not behind a backslash.
fn command(created_by: &str) -> String {
    let in_line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = created_by.trim().replace("\\\n", " ").split('\n').map(in_line).collect::<Vec<_>>().join("\n");
    let text = text.strip_prefix("/bin/sh -c #(nop) ").unwrap_or(&text);
    text.strip_suffix(" # buildkit").unwrap_or(text).to_owned()
}

fn config_node(config: &Config, manifest: &ImageManifest, before: &[ImageManifest]) -> Node {
    let mut title = Line::new().text(HEADING, "config").plain("  ").text(DIGEST, short(&config.blob.digest));
    let same = before.iter().find(|other| other.config.as_ref().is_some_and(|other| other.run == config.run));
    let mut lines = Vec::new();
    match same.and_then(|other| other.platform.as_ref()) {
        Some(platform) => title = title.plain(&format!("  says the same as that of {platform}")),
        None => {
            let created = config.created.clone().into_iter().collect::<Vec<_>>();
            let facts = [("created", created)]
                .into_iter()
                .chain(facts(&config.run, manifest))
                .filter(|(_, values)| !values.is_empty());
            let facts: Vec<_> = facts.collect();
            let width = facts.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
            for (key, values) in facts {
                for (at, value) in values.iter().enumerate() {
                    let key = if at == 0 { key } else { "" };
                    lines.push(Line::new().text(KEY, &format!("{key:<width$}  ")).wrap_here().plain(value));
                }
            }
        }
    }
    lines.insert(0, title);
    Node { lines, children: Vec::new() }
}

fn facts(run: &Run, manifest: &ImageManifest) -> impl Iterator<Item = (&'static str, Vec<String>)> + use<> {
    let one = |value: &Option<String>| value.clone().into_iter().collect::<Vec<_>>();
    let words = |words: &[String]| match words.is_empty() {
        true => Vec::new(),
        false => vec![words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")],
    };
    // What is shown as the base is not shown twice.
    let base = manifest.base.iter().flat_map(|base| [&base.name, &base.digest]).flatten();
    let base: Vec<_> = base.collect();
    let labels = run.labels.iter().filter(|(key, value)| !(is_base(key) && base.contains(value)));
    [
        ("user", one(&run.user)),
        ("entrypoint", words(&run.entrypoint)),
        ("cmd", words(&run.cmd)),
        ("env", run.env.clone()),
        ("workdir", one(&run.workdir)),
        ("ports", words(&run.ports)),
        ("volumes", words(&run.volumes)),
        ("stop-signal", one(&run.stop_signal)),
        ("labels", labels.map(|(key, value)| format!("{key}={value}")).collect()),
    ]
    .into_iter()
}

/// An argument, so that one sees where it begins and ends.
fn quoted(word: &str) -> String {
    match word.is_empty() || word.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\')) {
        true => format!("{word:?}"),
        false => word.to_owned(),
    }
}

fn annotations<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Option<Node> {
    let mut lines = vec![Line::new().text(HEADING, "annotations")];
    lines.extend(pairs.map(|(key, value)| Line::new().wrap_here().plain(&format!("{key}={value}"))));
    (lines.len() > 1).then_some(Node { lines, children: Vec::new() })
}

/// What is attached to an image, below what it is attached to.
pub fn attachments(found: &Attachments) -> Vec<Node> {
    let of = |subject: &Subject| {
        let name = match &subject.platform {
            Some(platform) => platform.to_string(),
            None => found.reference.clone(),
        };
        let lines = vec![Line::new().text(NAME, &name), whole_digest(&subject.digest)];
        Node { lines, children: subject.attached.iter().map(one_attached).collect() }
    };
    let mut nodes = found.subjects.iter().map(of);
    let root = nodes.next().map(|root| Node { children: root.children.into_iter().chain(nodes).collect(), ..root });
    root.into_iter().collect()
}

fn attached_node(attached: &[Attached]) -> Option<Node> {
    let title = Line::new().text(HEADING, "attached");
    let children = attached.iter().map(one_attached).collect();
    (!attached.is_empty()).then_some(Node { lines: vec![title], children })
}

fn one_attached(attached: &Attached) -> Node {
    let bytes = attached.contents.iter().map(|content| content.blob.size).fold(0, u64::saturating_add);
    let line = Line::new().text(DIGEST, short(&attached.blob.digest));
    let line = match attached.missing {
        true => line.text(WARNING, "  is not here"),
        false => line.plain(&format!("  {:>9}", size(bytes))),
    };
    let kind = attached.annotations.get("vnd.docker.reference.type").or(attached.artifact_type.as_ref());
    let line = line.plain(&format!("  {}", kind.map_or("of no type", String::as_str)));
    // What an attestation states is not in its type.
    let all = attached.contents.iter().map(|content| &content.annotations).chain([&attached.annotations]);
    let keys = ["in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType"];
    let predicates = all.flat_map(|annotations| keys.into_iter().filter_map(|key| annotations.get(key)));
    let mut lines = vec![line.cut()];
    lines.extend(predicates.map(|predicate| Line::new().plain(&format!("{:25}{predicate}", "")).cut()));
    Node { lines, children: attached.attached.iter().map(one_attached).collect() }
}

fn whole_digest(digest: &Digest) -> Line {
    Line::new().text(DIGEST, digest.as_ref())
}

/// Enough of a digest to tell it from others at a glance.
fn short(digest: &Digest) -> &str {
    let hex = digest.digest();
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_without_what_builders_put_around_it() {
        for (created_by, told) in [
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", "CMD [\"sh\"]"),
            ("RUN /bin/sh -c a \t  b # buildkit", "RUN /bin/sh -c a b"),
            ("RUN a \\\n  && b", "RUN a && b"),
            ("RUN <<EOF\r\n  a\nEOF\n", "RUN <<EOF\na\nEOF"),
        ] {
            assert_eq!(command(created_by), told);
        }
    }
}
