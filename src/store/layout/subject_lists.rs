//! The lists of what is attached to each manifest of a layout, as images of their own with a tag (distribution-spec, "Referrers
//! Tag Schema"). regctl finds attachments by them, oras by the entries of `index.json`.

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, Digest, MediaType};
use serde_json::{Value, json};

use super::index::{subject_of, tag, write_index};
use crate::image::artifact::referrers_tag;
use crate::image::digest::sha256;
use crate::image::manifest::Document;
use crate::image::media_type::is_document;
use crate::store::source::Source;

/// The list of what is attached to one manifest.
#[derive(Debug)]
pub(crate) struct SubjectList {
    /// Its content: an index.
    pub document: Document,
    /// Its entry in `index.json`.
    pub entry: Value,
}

impl SubjectList {
    /// Creates the list of `referrers` for `subject`.
    pub(crate) fn new(subject: &Digest, referrers: &[Value]) -> SubjectList {
        let bytes = write_index(referrers);
        let descriptor = Descriptor::new(MediaType::ImageIndex, bytes.len() as u64, sha256(&bytes));
        let mut entry = json!(descriptor);
        entry["annotations"] = json!({ ANNOTATION_REF_NAME: referrers_tag(subject) });
        SubjectList { document: Document { descriptor, bytes }, entry }
    }
}

/// Returns the lists of `referrers`, each with its subject, in the order in which the subjects come.
pub(crate) fn subject_lists(referrers: &[(Digest, Value)]) -> Vec<SubjectList> {
    let mut lists: Vec<(&Digest, Vec<Value>)> = Vec::new();
    for (subject, referrer) in referrers {
        match lists.iter_mut().find(|(known, _)| *known == subject) {
            Some((_, list)) => list.push(referrer.clone()),
            None => lists.push((subject, vec![referrer.clone()])),
        }
    }
    lists.iter().map(|(subject, list)| SubjectList::new(subject, list)).collect()
}

/// Returns whether an entry of a layout is such a list.
pub(crate) fn is_referrers_list(entry: &Descriptor) -> bool {
    listed_subject(entry).is_some()
}

/// Returns the subject of an entry that is such a list, by its tag.
pub(crate) fn listed_subject(entry: &Descriptor) -> Option<Digest> {
    let (algorithm, hex) = tag(entry)?.split_once('-')?;
    Digest::try_from(format!("{algorithm}:{hex}")).ok()
}

/// Returns whether an entry is attached to another: it is an artifact, its manifest has a subject, or it is a list of such.
pub(crate) fn is_attached(source: &dyn Source, entry: &Descriptor) -> bool {
    entry.artifact_type().is_some()
        || is_referrers_list(entry)
        || is_document(entry.media_type()) && subject_of(source, entry).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_tagged_by_its_subject() {
        let [first, second] = [&b"1"[..], b"2"].map(sha256);
        let referrers = [(first.clone(), json!("a")), (second.clone(), json!("b")), (first.clone(), json!("c"))];
        let lists = subject_lists(&referrers);
        let subjects: Vec<_> = lists
            .iter()
            .filter_map(|list| listed_subject(&serde_json::from_value(list.entry.clone()).expect("a descriptor")))
            .collect();
        assert_eq!(subjects, [first, second]);
        let content: Value = serde_json::from_slice(&lists[0].document.bytes).expect("JSON");
        assert_eq!(content["manifests"], json!(["a", "c"]));
    }
}
