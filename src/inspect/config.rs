//! The config of an image (image-spec, `config.md`).

use serde::Serialize;
use serde_json::Value;

use super::blob::BlobInfo;
use crate::image::Descriptor;
use crate::image::manifest::Annotations;
use crate::image::string_map;
use crate::image::strings;

/// The config of an image. That of an artifact is not read: its fields are empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigInfo {
    /// The blob.
    #[serde(flatten)]
    pub blob: BlobInfo,
    /// The creation time of the image (RFC 3339).
    pub created: Option<String>,
    /// The execution parameters.
    #[serde(flatten)]
    pub run: ExecutionConfig,
}

/// The execution parameters of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionConfig {
    /// The user, as `user[:group]`.
    pub user: Option<String>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The default arguments.
    pub cmd: Vec<String>,
    /// The environment variables, as `KEY=VALUE`.
    pub env: Vec<String>,
    /// The working directory.
    pub workdir: Option<String>,
    /// The exposed ports, such as `8080/tcp`.
    pub ports: Vec<String>,
    /// The volumes.
    pub volumes: Vec<String>,
    /// The signal that stops a container.
    pub stop_signal: Option<String>,
    /// The labels.
    pub labels: Annotations,
}

/// The entry of the history that created a layer.
#[derive(Clone, Debug, Default)]
pub struct HistoryStep {
    /// The command.
    pub created_by: Option<String>,
    /// The comment.
    pub comment: Option<String>,
}

impl ConfigInfo {
    /// Reads the config that `descriptor` describes from its `content`.
    pub fn new(descriptor: &Descriptor, content: &Value) -> ConfigInfo {
        let run = &content["config"];
        ConfigInfo {
            blob: BlobInfo::new(descriptor),
            created: text(&content["created"]),
            run: ExecutionConfig {
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

/// Returns the history entry of each layer. They are empty if the history has another number of layers.
pub(crate) fn history_steps(content: &Value, layers: usize) -> Vec<HistoryStep> {
    let history = content["history"].as_array().into_iter().flatten();
    let steps: Vec<_> = history
        .filter(|step| step["empty_layer"] != true)
        .map(|step| HistoryStep { created_by: text(&step["created_by"]), comment: text(&step["comment"]) })
        .collect();
    if steps.len() == layers { steps } else { vec![HistoryStep::default(); layers] }
}

/// Returns the diffID of each layer, or `None` for all if the config has another number of layers.
pub(crate) fn diff_ids(content: &Value, layers: usize) -> Vec<Option<String>> {
    let ids = strings(content["rootfs"].get("diff_ids"));
    if ids.len() == layers { ids.into_iter().map(Some).collect() } else { vec![None; layers] }
}

/// Returns a string, or `None` if it is empty or the value is not a string.
pub(crate) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn keys(object: &Value) -> Vec<String> {
    object.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}
