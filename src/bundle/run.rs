//! What an image says of its program, held against what a program can be given: what would silently be something else,
//! such as root for a user that is no text, is an error.

use miette::miette;
use serde_json::Value;

use crate::error::Result;
use crate::image::config::Object;
use crate::image::layer::quote::quote;

/// Prefixes of annotations that runtimes obey: crun, runc through systemd and CRIU, Kata Containers, gVisor.
const OBEYED: [&str; 6] =
    ["run.oci.", "org.systemd.", "org.criu.", "io.katacontainers.", "module.wasm.", "dev.gvisor."];

/// Looks at the image's config before anything is made of it.
///
/// # Errors
/// What is not of the type that it should be, or holds what no program can be given.
pub fn check(image: &Object) -> Result<()> {
    let run = match image.get("config") {
        None | Some(Value::Null) => return Ok(()),
        Some(run) => run.as_object().ok_or_else(|| wrong("config", "an object"))?,
    };
    let said = |key| run.get(key).filter(|value| !value.is_null());
    for key in ["User", "WorkingDir", "StopSignal"] {
        if let Some(value) = said(key) {
            text(key, value.as_str().ok_or_else(|| wrong(key, "text"))?)?;
        }
    }
    for key in ["Entrypoint", "Cmd", "Env"] {
        let Some(value) = said(key) else { continue };
        for item in value.as_array().ok_or_else(|| wrong(key, "a list of texts"))? {
            let item = item.as_str().ok_or_else(|| wrong(key, "a list of texts"))?;
            text(key, item)?;
            if key == "Env" && item.find('=').is_none_or(|end| end == 0) {
                return Err(miette!("the image's `Env` has {}, which is no KEY=VALUE", quote(item.as_bytes())));
            }
        }
    }
    for key in ["Labels", "Volumes", "ExposedPorts"] {
        let Some(value) = said(key) else { continue };
        for (name, _) in value.as_object().ok_or_else(|| wrong(key, "an object"))? {
            text(key, name)?;
        }
    }
    Ok(())
}

/// Whether a label is an order to some runtime, once it is an annotation: an image is not the one to give it.
pub fn is_obeyed(label: &str) -> bool {
    OBEYED.iter().any(|prefix| label.starts_with(prefix))
}

/// The labels of the image that are [obeyed](is_obeyed).
pub fn obeyed(image: &Object) -> Vec<String> {
    let labels = image.get("config").and_then(|run| run.get("Labels")).and_then(Value::as_object);
    labels.into_iter().flat_map(|labels| labels.keys()).filter(|label| is_obeyed(label)).cloned().collect()
}

fn text(key: &str, text: &str) -> Result<()> {
    match text.contains('\0') {
        true => Err(miette!("the image's `{key}` has a NUL character in {}", quote(text.as_bytes()))),
        false => Ok(()),
    }
}

fn wrong(key: &str, should_be: &str) -> miette::Report {
    miette!("the image's `{key}` is not {should_be}, as it should be")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_program_cannot_be_given_is_refused_by_its_key() {
        for (key, value, words) in [
            ("User", json!(1000), "`User` is not text"),
            ("User", json!("a\0b"), "`User` has a NUL"),
            ("WorkingDir", json!(["/"]), "`WorkingDir` is not text"),
            ("WorkingDir", json!("/\0"), "`WorkingDir` has a NUL"),
            ("Entrypoint", json!("/bin/x"), "`Entrypoint` is not a list of texts"),
            ("Cmd", json!(["a", 1]), "`Cmd` is not a list of texts"),
            ("Cmd", json!(["a\0"]), "`Cmd` has a NUL"),
            ("Env", json!({ "A": "1" }), "`Env` is not a list of texts"),
            ("Env", json!(["A=1", "B"]), "`Env` has `B`, which is no KEY=VALUE"),
            ("Env", json!(["=1"]), "`Env` has `=1`"),
            ("Env", json!(["A=\0"]), "`Env` has a NUL"),
            ("Volumes", json!({ "/a\0": {} }), "`Volumes` has a NUL"),
            ("Labels", json!(["a"]), "`Labels` is not an object"),
        ] {
            let image = json!({ "config": { key: value } });
            let error = check(image.as_object().expect("an object")).expect_err(key).to_string();
            assert!(error.contains(words), "{error}");
        }
        let fine =
            json!({ "User": "a", "Env": ["A=", "B=c=d"], "Cmd": null, "Entrypoint": [], "Volumes": { "/": {} } });
        for image in [json!({}), json!({ "config": null }), json!({ "config": fine })] {
            check(image.as_object().expect("an object")).expect("is fine");
        }
    }
}
