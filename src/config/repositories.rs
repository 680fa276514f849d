//! The key `repository`: one in a table, several as flags.

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::document::parsed;
use super::error::ValueError;
use super::value::KeyValue;
use crate::reference::{Reference, Repository};
use crate::unique::each_once;

/// The repositories that an image is pushed to, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repositories(pub Vec<Reference>);

impl KeyValue for Repositories {
    const TYPE: &'static str = "string";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<Repositories, ValueError> {
        Ok(Repositories(vec![parsed::<Repository>(value)?.0]))
    }

    fn parse(texts: &[&str]) -> Result<Repositories, String> {
        let mut repositories = Vec::new();
        for text in texts {
            let Repository(repository) = text.parse().map_err(|error| format!("{error}"))?;
            repositories.push(repository);
        }
        Ok(Repositories(each_once(repositories)))
    }

    fn schema() -> Json {
        // A colon after the last slash begins a tag, and an at sign a digest.
        json!({ "type": "string", "pattern": "^[^@]*/[^@/:]+$|^[^@/:]+$" })
    }
}
