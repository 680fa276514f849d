//! The image config: the base's, with what the plan changes (image-spec, `config.md`).
//!
//! A base's config is edited as JSON, not through a typed struct: what it holds beyond the spec (Docker's Healthcheck,
//! Shell, OnBuild, anything later) stays as it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::digest::DiffId;
use crate::platform::Platform;

/// A JSON object.
pub type Object = Map<String, Value>;

/// What is set in the config, beyond what the base has there.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The program and its first arguments. The base's Entrypoint and Cmd go.
    pub entrypoint: Vec<String>,
    /// The default arguments.
    pub cmd: Vec<String>,
    /// Variables in order; `$NAME` and `${NAME}` in a value stand for the base's and for earlier ones.
    pub env: Vec<(String, String)>,
    /// A folder that PATH ends with.
    pub path: String,
    /// `user[:group]`; the base's where there is none.
    pub user: Option<String>,
    /// The working directory; the base's where there is none.
    pub workdir: Option<String>,
    /// Ports, as `8080/tcp`, beside the base's.
    pub expose: Vec<String>,
    /// Folders, beside the base's.
    pub volumes: Vec<String>,
    /// A signal's name or number; the base's where there is none.
    pub stop_signal: Option<String>,
    /// Labels, beside those of the base that are its users' own. Nothing as a value takes a label away.
    pub labels: BTreeMap<String, Option<String>>,
    /// RFC 3339.
    pub created: String,
}

/// What a layer of ours adds to the config.
#[derive(Clone, Debug)]
pub struct History {
    /// The layer's.
    pub diff_id: DiffId,
    /// What made it.
    pub created_by: String,
}

/// What runtimes take for PATH when an image has none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Labels that say what the base is, and would say something wrong of an image built on it.
const OWN_LABELS: &str = "org.opencontainers.image.";

/// A variable that nobody set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("env {key} = \"{value}\": {}", why(name))]
pub struct UnknownVariable {
    /// The variable whose value it is in.
    pub key: String,
    /// That value.
    pub value: String,
    /// The name that means nothing.
    pub name: String,
}

fn why(name: &str) -> String {
    match name {
        "" => "a `$` is followed by no name".to_owned(),
        name => format!("neither the base nor an earlier variable sets `{name}`"),
    }
}

/// The config of an image made from `base` for `platform`.
///
/// # Errors
/// A variable in [`Settings::env`] that neither the base nor an earlier entry sets.
pub fn assemble(
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
    // Sets, which Go writes as objects of nothing.
    for (key, values) in [("ExposedPorts", &settings.expose), ("Volumes", &settings.volumes)] {
        if !values.is_empty() {
            object_in(run, key).extend(values.iter().map(|value| (value.clone(), json!({}))));
        }
    }
    let labels = object_in(run, "Labels");
    labels.retain(|key, _| !key.starts_with(OWN_LABELS) && settings.labels.get(key) != Some(&None));
    let written = settings.labels.iter().filter_map(|(key, value)| Some((key.clone(), json!(value.as_ref()?))));
    labels.extend(written);

    let rootfs = object_in(&mut config, "rootfs");
    rootfs.insert("type".to_owned(), json!("layers"));
    let diff_ids = array_in(rootfs, "diff_ids");
    let below = diff_ids.len();
    diff_ids.extend(layers.iter().map(|layer| json!(layer.diff_id)));
    let history = array_in(&mut config, "history");
    // Readers match layers with entries one by one: a base without a history gets one that says as much.
    let told = history.iter().filter(|entry| entry.get("empty_layer") != Some(&json!(true))).count();
    history.extend((told..below).map(|_| json!({ "comment": "a layer of the base, which has no history" })));
    let ours = |layer: &History| json!({ "created": settings.created, "created_by": layer.created_by });
    history.extend(layers.iter().map(ours));
    Ok(config)
}

/// The object at `key`, made where there is none (or `null`, as Go writes an empty one).
pub fn object_in<'a>(parent: &'a mut Object, key: &str) -> &'a mut Object {
    let value = parent.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Object::new());
    }
    // It was made an object in the line above.
    #[allow(clippy::unwrap_used)]
    value.as_object_mut().unwrap()
}

fn array_in<'a>(parent: &'a mut Object, key: &str) -> &'a mut Vec<Value> {
    let value = parent.entry(key).or_insert(Value::Null);
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    // It was made an array in the line above.
    #[allow(clippy::unwrap_used)]
    value.as_array_mut().unwrap()
}

/// The strings of a JSON array.
pub fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn environment(base: &[String], settings: &Settings) -> Result<Vec<String>, UnknownVariable> {
    let mut variables: Vec<(String, String)> = base
        .iter()
        .map(|line| line.split_once('=').unwrap_or((line, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    for (key, value) in &settings.env {
        let get = |name: &str| {
            let found = variables.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        };
        let expanded =
            expand(value, get).map_err(|name| UnknownVariable { key: key.clone(), value: value.clone(), name })?;
        set(&mut variables, key, expanded);
    }
    let path = variables.iter().find(|(key, _)| key == "PATH");
    // An empty PATH means the current folder to a shell, and nothing good to anyone.
    let path = path.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty()).unwrap_or(DEFAULT_PATH);
    if !path.split(':').any(|folder| folder == settings.path) {
        let path = format!("{path}:{}", settings.path);
        set(&mut variables, "PATH", path);
    }
    let lines = variables.into_iter();
    Ok(lines.map(|(key, value)| format!("{key}={value}")).collect())
}

/// Replaces in place, else appends.
fn set(variables: &mut Vec<(String, String)>, key: &str, value: String) {
    match variables.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = value,
        None => variables.push((key.to_owned(), value)),
    }
}

/// `text` with `$NAME` and `${NAME}` replaced and `$$` made `$`; or the first name that `get` does not know.
fn expand(text: &str, get: impl Fn(&str) -> Option<String>) -> Result<String, String> {
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
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()))
        });
        expanded.push_str(&get(name).ok_or(name)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().expect("an object").clone()
    }

    fn assembled(base: Value, settings: &Settings) -> Value {
        let platform = "linux/arm64/v8".parse().expect("a platform");
        Value::Object(assemble(&object(base), &platform, settings, &[]).expect("assembles"))
    }

    fn env(pairs: &[(&str, &str)]) -> Settings {
        let env = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        Settings { env: env.collect(), path: "/app".to_owned(), ..Settings::default() }
    }

    #[test]
    fn what_the_base_says_beyond_the_spec_stays() {
        let base = json!({"config": {"Healthcheck": {"Test": ["x"]}, "User": "65532"}, "os.version": "1", "new": [1]});
        let config = assembled(base, &Settings::default());
        assert_eq!(config["config"]["Healthcheck"], json!({"Test": ["x"]}));
        assert_eq!(config["config"]["User"], "65532");
        assert_eq!(config["new"], json!([1]));
        assert_eq!(config["variant"], "v8");
    }

    #[test]
    fn the_bases_entrypoint_and_cmd_go_together() {
        let base = json!({"config": {"Entrypoint": ["/sh"], "Cmd": ["-c"]}});
        let settings = Settings { entrypoint: vec!["/app/x".to_owned()], ..Settings::default() };
        let config = assembled(base, &settings);
        assert_eq!(config["config"]["Entrypoint"], json!(["/app/x"]));
        assert_eq!(config["config"].get("Cmd"), None);
    }

    #[test]
    fn env_replaces_in_place_expands_and_ends_path_with_our_folder() {
        let base = json!({"config": {"Env": ["PATH=/bin", "A=1"]}});
        let config = assembled(base, &env(&[("A", "${A}2"), ("B", "$A-$$"), ("PATH", "/opt:$PATH")]));
        assert_eq!(config["config"]["Env"], json!(["PATH=/opt:/bin:/app", "A=12", "B=12-$"]));
        let config = assembled(json!({"config": null}), &env(&[]));
        assert_eq!(config["config"]["Env"], json!([format!("PATH={DEFAULT_PATH}:/app")]));
    }

    #[test]
    fn a_variable_nobody_set_is_an_error_that_names_it() {
        let platform = "linux/amd64".parse().expect("a platform");
        let error = assemble(&Object::new(), &platform, &env(&[("A", "x$NOPE")]), &[]).unwrap_err();
        assert_eq!(error.name, "NOPE");
    }

    #[test]
    fn labels_that_describe_the_base_are_not_inherited() {
        let base = json!({"config": {"Labels": {"org.opencontainers.image.source": "base", "mine": "1"}}});
        let config = assembled(base, &Settings::default());
        assert_eq!(config["config"]["Labels"], json!({"mine": "1"}));
    }

    #[test]
    fn ports_and_volumes_come_to_those_of_the_base() {
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
    fn layers_add_to_diff_ids_and_history() {
        let base =
            object(json!({"rootfs": {"diff_ids": ["sha256:a", "sha256:b"]}, "history": [{"created_by": "base"}]}));
        let layer = History { diff_id: DiffId(crate::image::digest::sha256(b"")), created_by: "us".to_owned() };
        let platform = "linux/amd64".parse().expect("a platform");
        let config = assemble(&base, &platform, &Settings::default(), &[layer]).expect("assembles");
        assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(3));
        assert_eq!(config["history"][0]["created_by"], "base");
        assert_eq!(config["history"][1]["comment"], "a layer of the base, which has no history");
        assert_eq!(config["history"][2]["created_by"], "us");
    }
}
