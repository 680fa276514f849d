//! The key `repository`: one in a table, several as flags.

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::document::parsed;
use super::error::ValueError;
use super::template::RepositoryTemplate;
use super::value::KeyValue;

/// The repositories that an image is pushed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repositories(pub Vec<RepositoryTemplate>);

impl KeyValue for Repositories {
    const TYPE: &'static str = "string";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<Repositories, ValueError> {
        Ok(Repositories(vec![parsed(value)?]))
    }

    fn parse(texts: &[&str]) -> Result<Repositories, String> {
        Ok(Repositories(texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?))
    }

    fn schema() -> Json {
        // A colon after the last slash begins a tag, and an at sign a digest.
        json!({ "type": "string", "pattern": "^[^@]*/[^@/:]*$|^[^@/:]+$" })
    }
}
