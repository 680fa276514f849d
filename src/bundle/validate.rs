//! Checks what an image's config says of its process. Values of the wrong type would otherwise be ignored silently: a user
//! that is not a string would be root.

use miette::miette;
use serde_json::Value;

use crate::error::Result;
use crate::image::config::Object;
use crate::image::layer::quote::quote;

/// Prefixes of annotations that configure runtimes: crun, runc through systemd and CRIU, Kata Containers, gVisor.
const RUNTIME_PREFIXES: [&str; 6] =
    ["run.oci.", "org.systemd.", "org.criu.", "io.katacontainers.", "module.wasm.", "dev.gvisor."];

/// Checks the image's config.
///
/// # Errors
/// Returns an error if a value has the wrong type, or cannot be passed to a process.
pub(crate) fn check(image: &Object) -> Result<()> {
    let config = match image.get("config") {
        None | Some(Value::Null) => return Ok(()),
        Some(config) => config.as_object().ok_or_else(|| wrong_type("config", "an object"))?,
    };
    for key in ["User", "WorkingDir", "StopSignal"] {
        if let Some(value) = value(config, key) {
            check_string(key, value.as_str().ok_or_else(|| wrong_type(key, "a string"))?)?;
        }
    }
    for key in ["Entrypoint", "Cmd", "Env"] {
        let Some(value) = value(config, key) else { continue };
        for item in value.as_array().ok_or_else(|| wrong_type(key, "a list of strings"))? {
            let item = item.as_str().ok_or_else(|| wrong_type(key, "a list of strings"))?;
            check_string(key, item)?;
            if key == "Env" && item.find('=').is_none_or(|end| end == 0) {
                return Err(miette!(
                    "invalid `Env` of the image: expected KEY=VALUE, found {}",
                    quote(item.as_bytes())
                ));
            }
        }
    }
    for key in ["Labels", "Volumes", "ExposedPorts"] {
        let Some(value) = value(config, key) else { continue };
        for (name, _) in value.as_object().ok_or_else(|| wrong_type(key, "an object"))? {
            check_string(key, name)?;
        }
    }
    Ok(())
}

/// Returns whether a label configures a runtime once it is an annotation: an image must not do that.
pub(crate) fn is_runtime_label(label: &str) -> bool {
    RUNTIME_PREFIXES.iter().any(|prefix| label.starts_with(prefix))
}

/// Returns the labels of the image that [configure a runtime](is_runtime_label).
pub(crate) fn runtime_labels(image: &Object) -> Vec<String> {
    let labels = image.get("config").and_then(|config| config.get("Labels")).and_then(Value::as_object);
    labels.into_iter().flat_map(|labels| labels.keys()).filter(|label| is_runtime_label(label)).cloned().collect()
}

fn value<'a>(config: &'a Object, key: &str) -> Option<&'a Value> {
    config.get(key).filter(|value| !value.is_null())
}

fn check_string(key: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(miette!("invalid `{key}` of the image: NUL character in {}", quote(text.as_bytes())));
    }
    Ok(())
}

fn wrong_type(key: &str, expected: &str) -> miette::Report {
    miette!("invalid `{key}` of the image: expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn check_rejects_values_that_no_process_can_get() {
        for (key, value, message) in [
            ("User", json!(1000), "`User` of the image: expected a string"),
            ("User", json!("a\0b"), "`User` of the image: NUL character"),
            ("WorkingDir", json!(["/"]), "`WorkingDir` of the image: expected a string"),
            ("WorkingDir", json!("/\0"), "`WorkingDir` of the image: NUL character"),
            ("Entrypoint", json!("/bin/x"), "`Entrypoint` of the image: expected a list of strings"),
            ("Cmd", json!(["a", 1]), "`Cmd` of the image: expected a list of strings"),
            ("Cmd", json!(["a\0"]), "`Cmd` of the image: NUL character"),
            ("Env", json!({ "A": "1" }), "`Env` of the image: expected a list of strings"),
            ("Env", json!(["A=1", "B"]), "`Env` of the image: expected KEY=VALUE, found `B`"),
            ("Env", json!(["=1"]), "`Env` of the image: expected KEY=VALUE, found `=1`"),
            ("Env", json!(["A=\0"]), "`Env` of the image: NUL character"),
            ("Volumes", json!({ "/a\0": {} }), "`Volumes` of the image: NUL character"),
            ("Labels", json!(["a"]), "`Labels` of the image: expected an object"),
        ] {
            let image = json!({ "config": { key: value } });
            let error = check(image.as_object().expect("an object")).expect_err(key).to_string();
            assert!(error.contains(message), "{error}");
        }
        let valid =
            json!({ "User": "a", "Env": ["A=", "B=c=d"], "Cmd": null, "Entrypoint": [], "Volumes": { "/": {} } });
        for image in [json!({}), json!({ "config": null }), json!({ "config": valid })] {
            check(image.as_object().expect("an object")).expect("is valid");
        }
    }
}
