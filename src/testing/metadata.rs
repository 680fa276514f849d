//! The config of an image against what is expected.

use super::image::TestedImage;
use super::suite::{ExpectedPair, ExpectedValue, MetadataTest};

/// Returns what is different, one text each.
pub(super) fn differences(expected: &MetadataTest, image: &TestedImage) -> Vec<String> {
    let mut found = Vec::new();
    for pair in &expected.env {
        found.extend(pair.difference("variable", image.variable(&pair.key).as_deref()));
    }
    for name in expected.unset_env.iter().filter(|name| image.variable(name).is_some()) {
        found.push(format!("the variable {name} is set"));
    }
    for pair in &expected.labels {
        found.extend(pair.difference("label", image.label(&pair.key)));
    }
    for (what, list, is_expected) in [("Entrypoint", &expected.entrypoint, "entrypoint"), ("Cmd", &expected.cmd, "cmd")]
    {
        let own = image.list(what);
        if let Some(list) = list.as_ref().filter(|list| **list != own) {
            found.push(format!("the {is_expected} is {own:?}, not {list:?}"));
        }
    }
    for (what, text, name) in [("WorkingDir", &expected.workdir, "working directory"), ("User", &expected.user, "user")]
    {
        let own = image.text(what);
        if let Some(text) = text.as_ref().filter(|text| text.as_str() != own) {
            found.push(format!("the {name} is `{own}`, not `{text}`"));
        }
    }
    let ports = image.names("ExposedPorts");
    // container-structure-test compares numbers alone.
    let has_port = |port: &str| ports.iter().any(|own| *own == port || own.split('/').next() == Some(port));
    found
        .extend(expected.ports.iter().filter(|port| !has_port(port)).map(|port| format!("port {port} is not exposed")));
    found.extend(
        expected.absent_ports.iter().filter(|port| has_port(port)).map(|port| format!("port {port} is exposed")),
    );
    let volumes = image.names("Volumes");
    let has_volume = |volume: &&String| volumes.contains(&volume.as_str());
    found.extend(
        expected.volumes.iter().filter(|volume| !has_volume(volume)).map(|volume| format!("{volume} is no volume")),
    );
    found.extend(expected.absent_volumes.iter().filter(has_volume).map(|volume| format!("{volume} is a volume")));
    found
}

impl ExpectedPair {
    fn difference(&self, what: &str, own: Option<&str>) -> Option<String> {
        let key = &self.key;
        let Some(own) = own else { return Some(format!("the {what} {key} is not set")) };
        match &self.value {
            ExpectedValue::Exactly(value) if value != own => {
                Some(format!("the {what} {key} is `{own}`, not `{value}`"))
            }
            ExpectedValue::Matching(expression) if !expression.is_match(own) => {
                Some(format!("the {what} {key} is `{own}`, which does not match `{expression}`"))
            }
            _ => None,
        }
    }
}
