//! The settings that made the config of an image of that of its base: the reverse of [`assemble`].

use std::collections::BTreeMap;

use serde_json::Value;

use crate::image::config::{DEFAULT_PATH, History, Object, Settings, assemble};
use crate::image::{manifest, strings};
use crate::platform::Platform;

/// The labels that describe a base are not inherited.
const BASE_LABELS: &str = "org.opencontainers.image.";

/// Returns the settings of an image: the first of `known` that make its config of that of its base, else those that the two
/// configs show. Returns `None` if no settings do: then another tool has changed the image.
pub(crate) fn find(
    image: &Object,
    base: &Object,
    platform: &Platform,
    histories: &[History],
    known: impl IntoIterator<Item = Settings>,
) -> Option<Settings> {
    let wanted = manifest::config(image.clone()).bytes;
    let makes_it = |settings: &Settings| {
        assemble(base, platform, settings, histories).is_ok_and(|made| manifest::config(made).bytes == wanted)
    };
    known.into_iter().chain([shown(image, base)]).find(makes_it)
}

/// Returns the settings that two configs show. What an image sets to the value of its base is taken for inherited.
fn shown(image: &Object, base: &Object) -> Settings {
    let (own, below) = (run_config(image), run_config(base));
    let text = |config: &Value, key: &str| config[key].as_str().map(str::to_owned);
    let changed = |key: &str| text(&own, key).filter(|value| text(&below, key).as_ref() != Some(value));
    let added = |key: &str| {
        let keys = |config: &Value| config[key].as_object().map(|set| set.keys().cloned().collect::<Vec<_>>());
        let inherited = keys(&below).unwrap_or_default();
        keys(&own).unwrap_or_default().into_iter().filter(|name| !inherited.contains(name)).collect()
    };
    let (env, path) = environment(&lines(&own), &lines(&below));
    Settings {
        entrypoint: strings(own.get("Entrypoint")),
        cmd: strings(own.get("Cmd")),
        env,
        path,
        user: changed("User"),
        workdir: changed("WorkingDir"),
        expose: added("ExposedPorts"),
        volumes: added("Volumes"),
        stop_signal: changed("StopSignal"),
        labels: labels(&own["Labels"], &below["Labels"]),
        created: image.get("created").and_then(Value::as_str).unwrap_or_default().to_owned(),
    }
}

fn run_config(config: &Object) -> Value {
    config.get("config").cloned().unwrap_or_default()
}

fn lines(config: &Value) -> Vec<(String, String)> {
    let lines = strings(config.get("Env")).into_iter();
    lines
        .map(|line| {
            line.split_once('=').map_or((line.clone(), String::new()), |(key, value)| (key.into(), value.into()))
        })
        .collect()
}

/// Returns the variables that an image sets, and the folder that it adds to PATH.
fn environment(own: &[(String, String)], below: &[(String, String)]) -> (Vec<(String, String)>, String) {
    let get = |all: &[(String, String)], key: &str| {
        all.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    let path = get(own, "PATH").unwrap_or_default();
    let inherited_path = get(below, "PATH").filter(|value| !value.is_empty());
    let base_path = inherited_path.clone().unwrap_or_else(|| DEFAULT_PATH.to_owned());
    let added = path.strip_prefix(&base_path).and_then(|rest| rest.strip_prefix(':'));
    let added = added.filter(|folder| !folder.contains(':')).map(str::to_owned);
    let is_path_set = path != base_path && added.is_none();
    // A folder that PATH has is not added again.
    let last = |path: &str| path.rsplit(':').next().unwrap_or_default().to_owned();
    let folder = added.unwrap_or_else(|| last(&path));
    let mut env = Vec::new();
    for (key, value) in own {
        let before = if key == "PATH" { Some(base_path.clone()) } else { get(below, key) };
        let is_set = if key == "PATH" { is_path_set } else { before.as_ref() != Some(value) };
        if is_set {
            let is_known = get(below, key).is_some();
            env.push((key.clone(), template(key, value, before.filter(|_| is_known).as_deref())));
        }
    }
    (env, folder)
}

/// Returns the text that expands to `value`. A variable that extends the one of the base, as `PATH` often does, goes on to do so.
fn template(key: &str, value: &str, inherited: Option<&str>) -> String {
    let literal = |text: &str| text.replace('$', "$$");
    match inherited.filter(|inherited| !inherited.is_empty()).and_then(|inherited| value.split_once(inherited)) {
        Some((before, after)) => format!("{}${{{key}}}{}", literal(before), literal(after)),
        None => literal(value),
    }
}

fn labels(own: &Value, below: &Value) -> BTreeMap<String, Option<String>> {
    let map = |labels: &Value| {
        let all = labels.as_object().into_iter().flatten();
        all.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect::<BTreeMap<_, _>>()
    };
    let (own, mut inherited) = (map(own), map(below));
    inherited.retain(|key, _| !key.starts_with(BASE_LABELS));
    let removed = inherited.keys().filter(|key| !own.contains_key(*key)).map(|key| (key.clone(), None));
    let set = own.iter().filter(|(key, value)| inherited.get(*key) != Some(value));
    removed.chain(set.map(|(key, value)| (key.clone(), Some(value.clone())))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Object {
        value.as_object().expect("an object").clone()
    }

    fn settings(env: &[(&str, &str)]) -> Settings {
        Settings {
            entrypoint: vec!["/app/x".to_owned()],
            env: env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            path: "/app".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            ..Settings::default()
        }
    }

    #[test]
    fn shown_settings_make_the_same_image_on_a_new_base() {
        let platform = "linux/arm64/v8".parse().expect("a platform");
        let base = |path: &str, home: &str| {
            object(&json!({
                "config": {
                    "Env": [format!("PATH={path}"), format!("HOME={home}")],
                    "User": "65532",
                    "WorkingDir": "/home",
                    "Labels": {"a": "1", "b": "2", "org.opencontainers.image.title": "base"},
                    "ExposedPorts": {"80/tcp": {}},
                },
                "history": [{"created_by": "base"}],
                "rootfs": {"diff_ids": []},
            }))
        };
        let (old, new) = (base("/bin", "/home/a"), base("/bin:/sbin", "/home/b"));
        let labels = BTreeMap::from([("b".to_owned(), None), ("c".to_owned(), Some("3".to_owned()))]);
        for chosen in [
            settings(&[]),
            settings(&[("A", "1"), ("B", "$$2")]),
            settings(&[("PATH", "/opt:$PATH"), ("HOME", "${HOME}/x")]),
            settings(&[("PATH", "/opt")]),
            settings(&[("HOME", "")]),
            Settings { user: Some("7".to_owned()), labels, expose: vec!["81/tcp".to_owned()], ..settings(&[]) },
            Settings { cmd: vec!["--x".to_owned()], path: "/bin".to_owned(), ..settings(&[]) },
        ] {
            let made = |base: &Object| assemble(base, &platform, &chosen, &[]).expect("assembles");
            let found = find(&made(&old), &old, &platform, &[], []).unwrap_or_else(|| panic!("{chosen:?}"));
            let rebased = assemble(&new, &platform, &found, &[]).expect("assembles");
            assert_eq!(Value::Object(rebased), Value::Object(made(&new)), "{chosen:?}");
        }
        // On a base without variables, the default PATH is extended.
        let bare = object(&json!({"config": {}, "rootfs": {"diff_ids": []}}));
        for chosen in [settings(&[]), settings(&[("A", "1")]), settings(&[("PATH", "/x"), ("A", "1")])] {
            let made = assemble(&bare, &platform, &chosen, &[]).expect("assembles");
            assert!(find(&made, &bare, &platform, &[], []).is_some(), "{chosen:?}");
        }
    }

    #[test]
    fn settings_that_are_known_count_before_those_that_show() {
        let platform = "linux/amd64".parse().expect("a platform");
        let base = object(&json!({"config": {"User": "65532", "Env": ["A=1"]}, "rootfs": {"diff_ids": []}}));
        let chosen = Settings { user: Some("65532".to_owned()), ..settings(&[("A", "1")]) };
        let image = assemble(&base, &platform, &chosen, &[]).expect("assembles");
        let found = find(&image, &base, &platform, &[], [settings(&[("Z", "1")]), chosen.clone()]).expect("is found");
        assert_eq!(found.user, chosen.user);
        assert_eq!(find(&image, &base, &platform, &[], []).expect("is found").user, None);
    }

    #[test]
    fn image_that_was_changed_has_no_settings() {
        let platform = "linux/amd64".parse().expect("a platform");
        let base = object(&json!({"config": {}, "rootfs": {"diff_ids": []}}));
        let mut image = assemble(&base, &platform, &settings(&[]), &[]).expect("assembles");
        assert!(find(&image, &base, &platform, &[], []).is_some());
        image.insert("author".to_owned(), json!("another tool"));
        assert!(find(&image, &base, &platform, &[], []).is_none());
    }
}
