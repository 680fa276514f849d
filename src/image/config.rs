//! The image config: that of the base with the changes of the plan (image-spec, `config.md`).
//!
//! The base's config is edited as JSON, not through a typed struct, to keep what the spec does not define: Docker's
//! Healthcheck, Shell and OnBuild, and future fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::digest::DiffId;
pub(crate) use super::json::Object;
use super::json::strings;
use crate::platform::Platform;

/// The settings that override or extend the base's config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Settings {
    /// The program and its first arguments. Replaces the base's Entrypoint and Cmd.
    pub entrypoint: Vec<String>,
    /// The default arguments.
    pub cmd: Vec<String>,
    /// Variables in order. `$NAME` and `${NAME}` in a value expand to the base's and to earlier variables.
    pub env: Vec<(String, String)>,
    /// The folder to append to PATH.
    pub path: String,
    /// `user[:group]`, or `None` to keep the base's.
    pub user: Option<String>,
    /// The working directory, or `None` to keep the base's.
    pub workdir: Option<String>,
    /// Ports such as `8080/tcp`, added to the base's.
    pub expose: Vec<String>,
    /// Volumes, added to the base's.
    pub volumes: Vec<String>,
    /// The name or number of a signal, or `None` to keep the base's.
    pub stop_signal: Option<String>,
    /// Labels, added to the base's except those that describe the base. `None` removes a label.
    pub labels: BTreeMap<String, Option<String>>,
    /// The creation time (RFC 3339).
    pub created: String,
}

/// The entry of an added layer in the config.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// The diffID of the layer.
    pub diff_id: DiffId,
    /// What created the layer.
    pub created_by: String,
}

/// The PATH that runtimes use if an image sets none.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The prefix of labels that describe the base, and would be wrong for an image built on it.
const BASE_LABELS: &str = "org.opencontainers.image.";

/// The error of an undefined variable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("env {key} = \"{value}\": {}", reason(name))]
pub(crate) struct UnknownVariable {
    /// The variable whose value refers to it.
    pub key: String,
    /// The value.
    pub value: String,
    /// The undefined name.
    pub name: String,
}

fn reason(name: &str) -> String {
    if name.is_empty() {
        "expected a name after `$`".to_owned()
    } else {
        format!("neither the base nor an earlier variable sets `{name}`")
    }
}

/// Returns the config of an image built on `base` for `platform`.
///
/// # Errors
/// Returns an error if a value in [`Settings::env`] uses an undefined variable.
pub(crate) fn assemble(
    base: &Object,
    platform: &Platform,
    settings: &Settings,
    layers: &[History],
) -> Result<Object, UnknownVariable> {
    let mut config = base.clone();
    config.insert("os".to_owned(), json!(platform.os));
    config.insert("architecture".to_owned(), json!(platform.architecture));
    config.remove("variant");
    if let Some(variant) = &platform.variant {
        config.insert("variant".to_owned(), json!(variant));
    }
    config.insert("created".to_owned(), json!(settings.created));

    let run = object_in(&mut config, "config");
    run.insert("Entrypoint".to_owned(), json!(settings.entrypoint));
    run.remove("Cmd");
    if !settings.cmd.is_empty() {
        run.insert("Cmd".to_owned(), json!(settings.cmd));
    }
    let env = environment(&strings(run.get("Env")), settings)?;
    run.insert("Env".to_owned(), json!(env));
    let texts = [("User", &settings.user), ("WorkingDir", &settings.workdir), ("StopSignal", &settings.stop_signal)];
    for (key, value) in texts {
        if let Some(value) = value {
            run.insert(key.to_owned(), json!(value));
        }
    }
    // Go serializes a set as an object with empty values.
    for (key, values) in [("ExposedPorts", &settings.expose), ("Volumes", &settings.volumes)] {
        if !values.is_empty() {
            object_in(run, key).extend(values.iter().map(|value| (value.clone(), json!({}))));
        }
    }
    let labels = object_in(run, "Labels");
    labels.retain(|key, _| !key.starts_with(BASE_LABELS) && settings.labels.get(key) != Some(&None));
    labels.extend(settings.labels.iter().filter_map(|(key, value)| Some((key.clone(), json!(value.as_ref()?)))));

    let rootfs = object_in(&mut config, "rootfs");
    rootfs.insert("type".to_owned(), json!("layers"));
    let diff_ids = array_in(rootfs, "diff_ids");
    let base_layers = diff_ids.len();
    diff_ids.extend(layers.iter().map(|layer| json!(layer.diff_id)));
    let history = array_in(&mut config, "history");
    // Readers pair layers with history entries: a base without a history gets placeholders.
    let mut documented = 0;
    for entry in history.iter_mut().filter_map(Value::as_object_mut) {
        if entry.get("empty_layer") != Some(&json!(true)) {
            documented += 1;
        }
        // Entries beyond the layers made none: otherwise they would be paired with those that follow.
        if documented > base_layers {
            entry.insert("empty_layer".to_owned(), json!(true));
        }
    }
    history
        .extend((documented..base_layers).map(|_| json!({ "comment": "a layer of the base, which has no history" })));
    for layer in layers {
        history.push(json!({ "created": settings.created, "created_by": layer.created_by }));
    }
    Ok(config)
}

/// Returns the object at `key`. Creates it if it is missing or `null`, as Go serializes an empty one.
#[allow(clippy::missing_panics_doc, clippy::unwrap_used)]
pub(crate) fn object_in<'a>(parent: &'a mut Object, key: &str) -> &'a mut Object {
    let value = parent.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Object::new());
    }
    // The lines above make it an object.
    value.as_object_mut().unwrap()
}

#[allow(clippy::unwrap_used)]
fn array_in<'a>(parent: &'a mut Object, key: &str) -> &'a mut Vec<Value> {
    let value = parent.entry(key).or_insert(Value::Null);
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    // The lines above make it an array.
    value.as_array_mut().unwrap()
}

fn environment(base: &[String], settings: &Settings) -> Result<Vec<String>, UnknownVariable> {
    let mut variables: Vec<(String, String)> = base
        .iter()
        .map(|line| line.split_once('=').unwrap_or((line, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    for (key, value) in &settings.env {
        let expanded = expand(value, &variables).map_err(|name| UnknownVariable {
            key: key.clone(),
            value: value.clone(),
            name,
        })?;
        set(&mut variables, key, expanded);
    }
    let path = variables.iter().find(|(key, _)| key == "PATH");
    // To a shell, an empty PATH means the current folder.
    let path = path.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty()).unwrap_or(DEFAULT_PATH);
    if !path.split(':').any(|folder| folder == settings.path) {
        let path = format!("{path}:{}", settings.path);
        set(&mut variables, "PATH", path);
    }
    let lines = variables.into_iter();
    Ok(lines.map(|(key, value)| format!("{key}={value}")).collect())
}

/// Sets a variable in place, or appends it.
fn set(variables: &mut Vec<(String, String)>, key: &str, value: String) {
    match variables.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = value,
        None => variables.push((key.to_owned(), value)),
    }
}

/// Expands `$NAME`, `${NAME}` and `$$` in `text`. Returns the first undefined name as the error.
fn expand(text: &str, variables: &[(String, String)]) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (name, after) = braced.unwrap_or_else(|| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            rest.split_at(end.unwrap_or(rest.len()))
        });
        let (_, value) = variables.iter().find(|(key, _)| key == name).ok_or(name)?;
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &Value) -> Object {
        value.as_object().expect("an object").clone()
    }

    #[allow(clippy::needless_pass_by_value)]
    fn assembled(base: Value, settings: &Settings) -> Value {
        let platform = "linux/arm64/v8".parse().expect("a platform");
        Value::Object(assemble(&object(&base), &platform, settings, &[]).expect("assembles"))
    }

    fn env(pairs: &[(&str, &str)]) -> Settings {
        let env = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        Settings { env: env.collect(), path: "/app".to_owned(), ..Settings::default() }
    }

    #[test]
    fn unknown_fields_of_base_are_kept() {
        let base = json!({"config": {"Healthcheck": {"Test": ["x"]}, "User": "65532"}, "os.version": "1", "new": [1]});
        let config = assembled(base, &Settings::default());
        assert_eq!(config["config"]["Healthcheck"], json!({"Test": ["x"]}));
        assert_eq!(config["config"]["User"], "65532");
        assert_eq!(config["new"], json!([1]));
        assert_eq!(config["variant"], "v8");
    }

    #[test]
    fn entrypoint_also_replaces_cmd_of_base() {
        let base = json!({"config": {"Entrypoint": ["/sh"], "Cmd": ["-c"]}});
        let settings = Settings { entrypoint: vec!["/app/x".to_owned()], ..Settings::default() };
        let config = assembled(base, &settings);
        assert_eq!(config["config"]["Entrypoint"], json!(["/app/x"]));
        assert_eq!(config["config"].get("Cmd"), None);
    }

    #[test]
    fn env_expands_replaces_in_place_and_extends_path() {
        let base = json!({"config": {"Env": ["PATH=/bin", "A=1"]}});
        let config = assembled(base, &env(&[("A", "${A}2"), ("B", "$A-$$"), ("PATH", "/opt:$PATH")]));
        assert_eq!(config["config"]["Env"], json!(["PATH=/opt:/bin:/app", "A=12", "B=12-$"]));
        let config = assembled(json!({"config": null}), &env(&[]));
        assert_eq!(config["config"]["Env"], json!([format!("PATH={DEFAULT_PATH}:/app")]));
    }

    #[test]
    fn undefined_variable_is_named_in_error() {
        let platform = "linux/amd64".parse().expect("a platform");
        let error = assemble(&Object::new(), &platform, &env(&[("A", "x$NOPE")]), &[]).unwrap_err();
        assert_eq!(error.name, "NOPE");
    }

    #[test]
    fn labels_describing_base_are_not_inherited() {
        let base = json!({"config": {"Labels": {"org.opencontainers.image.source": "base", "mine": "1"}}});
        let config = assembled(base, &Settings::default());
        assert_eq!(config["config"]["Labels"], json!({"mine": "1"}));
    }

    #[test]
    fn ports_and_volumes_extend_those_of_base() {
        let base = json!({"config": {"ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT", "Labels": {"a": "1"}}});
        let settings = Settings {
            expose: vec!["53/udp".to_owned(), "80/tcp".to_owned()],
            volumes: vec!["/data".to_owned()],
            labels: BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some("2".to_owned()))]),
            ..Settings::default()
        };
        let config = assembled(base, &settings);
        assert_eq!(config["config"]["ExposedPorts"], json!({"53/udp": {}, "80/tcp": {}}));
        assert_eq!(config["config"]["Volumes"], json!({"/data": {}}));
        assert_eq!(config["config"]["StopSignal"], "SIGQUIT");
        assert_eq!(config["config"]["Labels"], json!({"b": "2"}));
        let config = assembled(json!({}), &Settings { stop_signal: Some("15".to_owned()), ..Settings::default() });
        assert_eq!(config["config"]["StopSignal"], "15");
        assert_eq!(config["config"].get("ExposedPorts"), None);
    }

    #[test]
    fn layers_extend_diff_ids_and_history() {
        let base =
            object(&json!({"rootfs": {"diff_ids": ["sha256:a", "sha256:b"]}, "history": [{"created_by": "base"}]}));
        let layer = History { diff_id: DiffId(crate::image::digest::sha256(b"")), created_by: "us".to_owned() };
        let platform = "linux/amd64".parse().expect("a platform");
        let config = assemble(&base, &platform, &Settings::default(), &[layer]).expect("assembles");
        assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(3));
        assert_eq!(config["history"][0]["created_by"], "base");
        assert_eq!(config["history"][1]["comment"], "a layer of the base, which has no history");
        assert_eq!(config["history"][2]["created_by"], "us");
    }

    #[test]
    fn history_beyond_the_layers_is_marked_empty() {
        let steps = [json!({"created_by": "a"}), json!({"created_by": "b"}), json!({"created_by": "c"})];
        let base = object(&json!({"rootfs": {"diff_ids": ["sha256:a"]}, "history": steps}));
        let layer = History { diff_id: DiffId(crate::image::digest::sha256(b"")), created_by: "us".to_owned() };
        let platform = "linux/amd64".parse().expect("a platform");
        let config = assemble(&base, &platform, &Settings::default(), &[layer]).expect("assembles");
        let made: Vec<_> =
            config["history"].as_array().into_iter().flatten().map(|step| step.get("empty_layer")).collect();
        assert_eq!(made, [None, Some(&json!(true)), Some(&json!(true)), None]);
    }
}
