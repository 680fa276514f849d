//! What a manifest or an index says of itself, beside what it names (image-spec, `manifest.md`).

use oci_spec::image::Descriptor;
use serde_json::Value;

use super::manifest::Annotations;

/// The part of a document that runtimes need not know.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Its annotations.
    pub annotations: Annotations,
    /// What kind of thing it is, where it is no image.
    pub artifact_type: Option<String>,
    /// What it is attached to.
    pub subject: Option<Descriptor>,
}

impl About {
    /// Reads a document; what cannot be read is as if it were not there.
    pub fn read(document: &[u8]) -> About {
        let content: Value = serde_json::from_slice(document).unwrap_or_default();
        let artifact_type = content["artifactType"].as_str().filter(|text| !text.is_empty());
        About {
            annotations: texts(&content["annotations"]),
            artifact_type: artifact_type.map(str::to_owned),
            subject: serde_json::from_value(content["subject"].clone()).ok(),
        }
    }
}

/// The texts of a JSON object.
pub fn texts(object: &Value) -> Annotations {
    let entries = object.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_or_not_there_is_passed_over() {
        let about =
            About::read(br#"{"annotations": {"a": "b", "c": 1}, "artifactType": "", "subject": {"digest": 7}}"#);
        assert_eq!(about.annotations, Annotations::from([("a".to_owned(), "b".to_owned())]));
        assert_eq!((about.artifact_type, about.subject), (None, None));
        assert!(About::read(b"not JSON").annotations.is_empty());
    }
}
