//! The key `vex`: OpenVEX documents.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::document::{string, strings, wrong_type, wrong_value};
use super::error::ValueError;
use super::value::KeyValue;

/// Files with OpenVEX documents, and folders with such files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VexPaths(pub Vec<PathBuf>);

impl VexPaths {
    /// Returns the same, with paths relative to `folder`.
    #[must_use]
    pub(super) fn relative_to(self, folder: &Path) -> VexPaths {
        VexPaths(self.0.into_iter().map(|path| folder.join(path)).collect())
    }
}

/// An array may be empty, which removes what is inherited.
impl KeyValue for VexPaths {
    const TYPE: &'static str = "string or array of strings";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<VexPaths, ValueError> {
        match value.get_ref() {
            DeValue::String(_) => Ok(VexPaths(vec![path_of_table(value)?])),
            DeValue::Array(_) => strings(value)?.iter().map(path_of_table).collect::<Result<_, _>>().map(VexPaths),
            _ => Err(wrong_type(value, "a file, a folder, or an array of them")),
        }
    }

    fn parse(texts: &[&str]) -> Result<VexPaths, String> {
        texts.iter().map(|text| path(text)).collect::<Result<_, _>>().map(VexPaths)
    }

    fn schema() -> Json {
        let path = json!({ "type": "string", "minLength": 1 });
        json!({ "anyOf": [path, { "type": "array", "items": path }] })
    }
}

fn path_of_table(value: &Spanned<DeValue>) -> Result<PathBuf, ValueError> {
    path(&string(value)?).map_err(|message| wrong_value(value, message))
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("expected a file or a folder with OpenVEX documents".to_owned());
    }
    Ok(text.into())
}
