//! An image's config: who runs what, where and with which variables (image-spec, `config.md`).

use serde::Serialize;
use serde_json::Value;

use super::Blob;
use crate::image::Descriptor;
use crate::image::manifest::Annotations;
use crate::image::string_map;
use crate::image::strings;

/// What the config of an image says; of an artifact's, no more than that it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The config.
    #[serde(flatten)]
    pub blob: Blob,
    /// When the image was made (RFC 3339).
    pub created: Option<String>,
    /// What it starts, and how.
    #[serde(flatten)]
    pub run: Run,
}

/// What an image starts, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// `user[:group]`.
    pub user: Option<String>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The default arguments.
    pub cmd: Vec<String>,
    /// `KEY=VALUE` each.
    pub env: Vec<String>,
    /// The folder it starts in.
    pub workdir: Option<String>,
    /// The ports it listens on, as `8080/tcp`.
    pub ports: Vec<String>,
    /// The folders whose content outlives a container.
    pub volumes: Vec<String>,
    /// What it is asked to stop with.
    pub stop_signal: Option<String>,
    /// Labels.
    pub labels: Annotations,
}

/// What the history of a config says of a layer.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The command that made it.
    pub created_by: Option<String>,
    /// What else there is to say.
    pub comment: Option<String>,
}

impl Config {
    /// What `content` says, which is the config that `descriptor` describes.
    pub fn new(descriptor: &Descriptor, content: &Value) -> Config {
        let run = &content["config"];
        Config {
            blob: Blob::new(descriptor),
            created: text(&content["created"]),
            run: Run {
                user: text(&run["User"]),
                entrypoint: strings(run.get("Entrypoint")),
                cmd: strings(run.get("Cmd")),
                env: strings(run.get("Env")),
                workdir: text(&run["WorkingDir"]),
                ports: keys(&run["ExposedPorts"]),
                volumes: keys(&run["Volumes"]),
                stop_signal: text(&run["StopSignal"]),
                labels: string_map(&run["Labels"]),
            },
        }
    }
}

/// The history's steps that made a layer, one for each of `layers`; none of any where their numbers differ, and nobody can
/// tell which is whose.
pub fn steps(content: &Value, layers: usize) -> Vec<Step> {
    let history = content["history"].as_array().into_iter().flatten();
    let steps: Vec<_> = history
        .filter(|step| step["empty_layer"] != true)
        .map(|step| Step { created_by: text(&step["created_by"]), comment: text(&step["comment"]) })
        .collect();
    if steps.len() == layers { steps } else { vec![Step::default(); layers] }
}

/// The diffIDs of the layers, under the same condition.
pub fn diff_ids(content: &Value, layers: usize) -> Vec<Option<String>> {
    let ids = strings(content["rootfs"].get("diff_ids"));
    if ids.len() == layers { ids.into_iter().map(Some).collect() } else { vec![None; layers] }
}

/// A text that says something.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn keys(object: &Value) -> Vec<String> {
    object.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}
